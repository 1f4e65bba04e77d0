"""What is said with a supervisor: one JSON object asks, one answers, over a socket in the machine's directory.

The socket is reached by a descriptor of that directory: a path of a socket has 107 bytes at most (unix(7)), a site's may
be longer.  Who may open the directory, may ask.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from goldroot.errors import HostError, Unreachable

NAME = "control"
_LARGEST = 1 << 16
_PATIENCE = 10.0  #: seconds


def listen(directory: str) -> socket.socket:
    """The supervisor's end; what a killed one left goes."""
    return listening(directory, NAME)


def listening(directory: str, name: str) -> socket.socket:
    """A socket of that name in a directory, in the place of an older one."""
    with suppress(FileNotFoundError):
        os.unlink(os.path.join(directory, name))
    ours = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _reached(directory) as place:
            ours.bind(f"{place}/{name}")
        ours.listen(16)
    except BaseException:
        ours.close()
        raise
    return ours


def connected(directory: str, name: str) -> socket.socket:
    """A connection to what listens there; an ``OSError`` where nothing does."""
    ours = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        ours.settimeout(_PATIENCE)
        with _reached(directory) as place:
            ours.connect(f"{place}/{name}")
    except BaseException:
        ours.close()
        raise
    return ours


def ask(directory: str, **question: Any) -> dict[str, Any]:
    """Ask the supervisor of the machine of that directory.

    :raises Unreachable: it does not answer.
    :raises HostError: it says no.
    """
    try:
        with connected(directory, NAME) as ours:
            ours.sendall(json.dumps(question).encode() + b"\n")
            answer = json.loads(_line(ours))
    except (OSError, ValueError) as error:
        raise Unreachable(
            f"the supervisor of {os.path.basename(directory)} does not answer",
            meaning="It may have ended just now; nothing is known.",
            todo="Try again; look whether it runs.",
        ) from error
    if "error" in answer:
        raise HostError(str(answer["error"]))
    return dict(answer)


def question(ours: socket.socket) -> dict[str, Any]:
    """What somebody asks who has connected; {} where it is not a question."""
    try:
        ours.settimeout(1.0)
        return dict(json.loads(_line(ours)))
    except (OSError, ValueError, TypeError):
        return {}


def answer(ours: socket.socket, **said: Any) -> None:
    """Whoever asked may have gone."""
    with suppress(OSError):
        ours.sendall(json.dumps(said).encode() + b"\n")


def _line(ours: socket.socket) -> bytes:
    said = b""
    while not said.endswith(b"\n") and len(said) < _LARGEST and (more := ours.recv(4096)):
        said += more
    return said


@contextmanager
def _reached(directory: str) -> Iterator[str]:
    handle = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{handle}"
    finally:
        os.close(handle)
