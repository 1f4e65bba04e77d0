"""A program that stands where ``vmur`` stands: what is in the reader of a guest of the simulator.

::

    vmur list
    vmur receive -t -O NUMBER

Written after the manual page of s390-tools; only these are known.  ``GOLDROOT_VMCP`` is the simulator's socket,
``GOLDROOT_VMCP_USER`` the guest whose reader it is.
"""

from __future__ import annotations

import json
import os
import socket
import sys

HEADER = "ORIGINID FILE CLASS RECORDS  CPY HOLD DATE  TIME     NAME      TYPE     DIST"
WRONG = 1


def main(arguments: list[str]) -> int:
    """The exit status."""
    number = ""
    if arguments[:1] in (["receive"], ["re"]) and sorted(arguments[1:-1]) == ["-O", "-t"]:
        number = arguments[-1]
    elif arguments not in (["list"], ["li"]):
        print("vmur: only `list` and `receive -t -O NUMBER` are known here", file=sys.stderr)
        return WRONG
    try:
        answer = ask(os.environ.get("GOLDROOT_VMCP", ""), os.environ.get("GOLDROOT_VMCP_USER", ""), number)
    except (OSError, ValueError) as error:
        print(f"vmur: the reader could not be asked: {error}", file=sys.stderr)
        return WRONG
    if answer["rc"]:
        print(f"vmur: {answer['text']}", file=sys.stderr)
        return WRONG
    for line in [*([] if number else [HEADER]), *answer["text"].splitlines()]:
        print(line)
    return 0


def ask(path: str, user: str, number: str) -> dict[str, str]:
    """The list, or the lines of a file.  :raises OSError: nobody listens.  :raises ValueError: no answer came."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall(json.dumps({"user": user, "reader": number}).encode() + b"\n")
        with connection.makefile("rb") as answers:
            answer: dict[str, str] = json.loads(answers.readline())
    return answer


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
