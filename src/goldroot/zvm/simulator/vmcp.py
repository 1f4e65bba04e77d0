"""A program that stands where ``vmcp`` stands: it gives CP commands to the simulator.

::

    vmcp [-k] [-b SIZE] COMMAND ...

Written after the manual page of s390-tools: exit status 0, 1 where CP answers with an error, 2 where the answer is
longer than the buffer, 3 where nobody answers, 4 for wrong options.  ``GOLDROOT_VMCP`` is the simulator's socket,
``GOLDROOT_VMCP_USER`` the guest that types.
"""

from __future__ import annotations

import json
import os
import socket
import sys

SOCKET, USER = "GOLDROOT_VMCP", "GOLDROOT_VMCP_USER"
#: Bytes of an answer where no ``-b`` says otherwise.
BUFFER = 8192
REFUSED, TRUNCATED, NO_ANSWER, WRONG = 1, 2, 3, 4


def main(arguments: list[str]) -> int:
    """The exit status."""
    keep, size = False, BUFFER
    while arguments and arguments[0].startswith("-"):
        option = arguments.pop(0)
        if option in ("-k", "--keepcase"):
            keep = True
        elif option in ("-b", "--buffer") and arguments and arguments[0].isdigit():
            size = int(arguments.pop(0))
        else:
            return fail(WRONG, f"vmcp: the option {option} is not known here")
    command = " ".join(arguments)
    if not command:
        return fail(WRONG, "vmcp: no command specified")
    if not keep:
        command = command.upper()
    try:
        answer = ask(os.environ.get(SOCKET, ""), os.environ.get(USER, ""), command)
    except (OSError, ValueError) as error:
        return fail(NO_ANSWER, f"vmcp: could not issue CP command: {error}")
    text = answer["text"].encode("iso8859-1", "replace") + (b"\n" if answer["text"] else b"")
    sys.stdout.buffer.write(text[:size])
    sys.stdout.buffer.flush()
    if len(text) > size:
        return fail(TRUNCATED, f"Error: output ({len(text)} bytes) was truncated, try --buffer to increase size")
    if answer["rc"]:
        return fail(REFUSED, f"Error: non-zero CP response for command '{command}': #{answer['rc']}")
    return 0


def ask(path: str, user: str, command: str) -> dict[str, str]:
    """One command, one answer.  :raises OSError: nobody listens.  :raises ValueError: no answer came."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall(json.dumps({"user": user, "command": command}).encode() + b"\n")
        data = b""
        while not data.endswith(b"\n") and (piece := connection.recv(65536)):
            data += piece
    answer: dict[str, str] = json.loads(data)
    return answer


def fail(status: int, said: str) -> int:
    print(said, file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
