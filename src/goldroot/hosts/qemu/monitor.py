"""What is said with QEMU and with the guest's agent: JSON objects, one a line, over sockets in the machine's directory.

QEMU's side is QMP (docs/interop/qmp-spec of QEMU), the agent's is qemu-ga's (docs/interop/qemu-ga).  Both are asked here
one question after another, and wait for no event; the library qemu.qmp speaks the first only, and wants an event loop.

An agent is the guest's, and says what the guest's root likes: it gets no more time and memory than a question may take, and
what is not an answer is an error of the host.
"""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from ipaddress import ip_interface
from typing import Any, Protocol

from goldroot.errors import HostError, ProgramFailed, Unreachable
from goldroot.files import json_of
from goldroot.hosts.machines import MOST_LINKS, control
from goldroot.hosts.port import NetLink
from goldroot.run import Done

#: Sockets: QEMU's monitor; another one, for what takes long; the guest's agent.
QMP, COPIES, AGENT = "qmp", "copies", "agent"
#: Seconds that each waits for an answer; an agent that is not there answers nothing at all.
_PATIENCE, _AGENT_PATIENCE = 10.0, 8.0
_AT_LEAST = 0.001
_LARGEST = 64 << 20
#: Characters that are told of why a question was refused.
_LONGEST_WHY = 300
#: A name of a link, as the kernel takes it, that is also a word of a line.
_LINK = re.compile(r"[^\s/\\:%]{1,15}")


class Asked(Protocol):
    """Whoever is asked questions in this way, over whatever it is."""

    def ask(self, command: str, **arguments: Any) -> Any:
        """What is returned."""


class Talk:
    """One conversation.

    :param patience: seconds in which the answer to a question has to be there, whatever else comes meanwhile.
    """

    def __init__(self, ours: socket.socket, patience: float) -> None:
        self._ours = ours
        self._patience = patience
        self._until = time.monotonic() + patience
        self._said = b""

    def ask(self, command: str, **arguments: Any) -> Any:
        """What is returned.

        :raises HostError: the other side says no.
        """
        self.tell(command, **arguments)
        return self._answer(command)

    def ask_with(self, handle: int, command: str, **arguments: Any) -> Any:
        """As :meth:`ask`, and a descriptor goes with the question."""
        self._begin()
        socket.send_fds(self._ours, [_line(command, arguments)], [handle])
        return self._answer(command)

    def _answer(self, command: str) -> Any:
        while True:
            answer = self.hear()
            if "error" in answer:
                why = answer["error"]
                why = why.get("desc", why) if isinstance(why, dict) else why
                raise HostError(f"{command}: {str(why)[:_LONGEST_WHY]}")
            if "return" in answer:
                return answer["return"]

    def tell(self, command: str, **arguments: Any) -> None:
        """Without an answer."""
        self._begin()
        self._ours.sendall(_line(command, arguments))

    def hear(self) -> dict[str, Any]:
        """The next object that comes behind what was asked last."""
        pieces = [self._said]
        while b"\n" not in pieces[-1]:
            self._ours.settimeout(max(self._until - time.monotonic(), _AT_LEAST))
            if not (more := self._ours.recv(65536)) or sum(map(len, pieces)) > _LARGEST:
                raise ConnectionError("the other side has ended")
            pieces.append(more)
            if time.monotonic() > self._until:
                raise TimeoutError("timed out")
        line, _, self._said = b"".join(pieces).partition(b"\n")
        found = json_of(line.lstrip(b"\xff"))  # the agent sends this byte where it begins again
        if not isinstance(found, dict):
            raise ValueError("what it says is not an object")
        return found

    def _begin(self) -> None:
        self._until = time.monotonic() + self._patience
        self._ours.settimeout(self._patience)


def _line(command: str, arguments: dict[str, Any]) -> bytes:
    said = {"execute": command, **({"arguments": arguments} if arguments else {})}
    return json.dumps(said).encode() + b"\n"


@contextmanager
def qmp(directory: str, name: str = QMP) -> Iterator[Talk]:
    """A conversation with QEMU.

    :param name: of the socket: each serves one conversation at a time.
    :raises Unreachable: it does not answer.
    """
    with _talk(directory, name, _PATIENCE) as talk:
        talk.hear()  # its greeting
        talk.ask("qmp_capabilities")
        yield talk


@contextmanager
def agent(directory: str, patience: float = _AGENT_PATIENCE) -> Iterator[Talk]:
    """A conversation with the guest's agent.

    :param patience: seconds that it has for each answer: a guest that is busy answers late.
    :raises Unreachable: there is none, or it does not answer.
    """
    with _talk(directory, AGENT, max(patience, _AGENT_PATIENCE)) as talk:
        number = int.from_bytes(os.urandom(4), "big")
        talk.tell("guest-sync", id=number)
        while talk.hear().get("return") != number:
            pass  # an answer to somebody who has not waited for it
        yield talk


def has_agent(directory: str) -> bool:
    """Whether something in the guest has the agent's port open: then it is worth waiting for."""
    with qmp(directory) as talk:
        return any(one["label"] == AGENT and one["frontend-open"] for one in talk.ask("query-chardev"))


def run_inside(agent: Asked, argv: Sequence[str], timeout: float) -> Done:
    """Run a command by the guest's agent.

    :param timeout: in seconds.
    :raises ProgramFailed: it did not end in that time, and may go on inside.
    """
    end = time.monotonic() + timeout
    with _guests_word():
        started = agent.ask("guest-exec", path=argv[0], arg=list(argv[1:]), **{"capture-output": True})
        while True:
            found = agent.ask("guest-exec-status", pid=started["pid"])
            if found["exited"]:
                return _ended(found)
            if time.monotonic() >= end:
                raise ProgramFailed(f"{argv[0]} did not end within {timeout:g} s", todo="Look at why it hangs.")
            time.sleep(0.1)


def _ended(found: Mapping[str, Any]) -> Done:
    status = found.get("exitcode", 128 + found.get("signal", 0))
    if not isinstance(status, int) or not 0 <= status < 256:
        raise ValueError("a status is a number below 256")
    out, err = (base64.b64decode(found.get(key, "")) for key in ("out-data", "err-data"))
    return Done(status, out, err)


def links_of(agent: Asked) -> list[NetLink]:
    """The links of a guest but its loopback, with the addresses by which others reach it.

    What it says is a guest's word: what is not a name of a link or an address is left out.
    """
    found = []
    with _guests_word():
        for one in agent.ask("guest-network-get-interfaces")[:MOST_LINKS]:
            name, addresses = str(one.get("name", "")), one.get("ip-addresses") or ()
            if name != "lo" and _LINK.fullmatch(name):
                found.append(NetLink(name, tuple(filter(None, map(_reachable, addresses[:MOST_LINKS])))))
    return found


@contextmanager
def _guests_word() -> Iterator[None]:
    """What is taken for an answer in the block may be anything."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise HostError("the guest's agent says what is not an answer") from error


def _reachable(said: Mapping[str, object]) -> str:
    """An address with its prefix length; "" where others do not reach it."""
    try:
        found = ip_interface(f"{said.get('ip-address')}/{said.get('prefix')}")
    except ValueError:
        return ""
    return "" if found.is_link_local or found.is_loopback else str(found)


@contextmanager
def _talk(directory: str, name: str, patience: float) -> Iterator[Talk]:
    who = "the guest's agent" if name == AGENT else "QEMU"
    try:
        with control.connected(directory, name) as ours:
            yield Talk(ours, patience)
    except (OSError, ValueError) as error:
        raise Unreachable(f"{who} of {os.path.basename(directory)} does not answer: {error}") from error
