"""Talks with QEMU and with a guest's agent: a process that answers as they do stands in for them."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from goldroot.errors import HostError, ProgramFailed, Unreachable
from goldroot.hosts import NetLink
from goldroot.hosts.machines import control
from goldroot.hosts.qemu import monitor

Answer = Callable[[dict[str, Any]], dict[str, Any] | None]


@contextmanager
def answering(directory: Path, name: str, answer: Answer, greeting: bytes = b"") -> Iterator[None]:
    """One conversation, line by line."""

    def serve() -> None:
        with listener.accept()[0] as other, other.makefile("rwb") as file:
            file.write(greeting)
            file.flush()
            for line in file:
                said = answer(json.loads(line))
                if said is not None:
                    file.write(json.dumps(said).encode() + b"\n")
                    file.flush()

    with control.listening(str(directory), name) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            thread.join()


def test_events_between_are_not_answers(tmp_path: Path) -> None:
    def answer(asked: dict[str, Any]) -> dict[str, Any]:
        if asked["execute"] == "dance":
            return {"error": {"class": "CommandNotFound", "desc": "The command dance has not been found"}}
        return {"return": {"asked": asked["execute"]}}

    greeting = b'{"QMP": {}}\n'
    with answering(tmp_path, monitor.QMP, answer, greeting), monitor.qmp(str(tmp_path)) as talk:
        assert talk.ask("query-status") == {"asked": "query-status"}
        with pytest.raises(HostError, match="dance"):
            talk.ask("dance")

    event = b'{"event": "RESUME"}\n'
    with answering(tmp_path, monitor.QMP, answer, greeting + event), monitor.qmp(str(tmp_path)) as talk:
        assert talk.ask("cont") == {"asked": "cont"}


def test_what_does_not_answer_is_unreachable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor, "_AGENT_PATIENCE", 0.05)
    with pytest.raises(Unreachable, match="QEMU"), monitor.qmp(str(tmp_path)):
        pass
    with (
        answering(tmp_path, monitor.AGENT, lambda asked: None),
        pytest.raises(Unreachable, match="the guest's agent"),
        monitor.agent(str(tmp_path)),
    ):
        pass


def agent_that_runs(asked_of_status: list[dict[str, Any]]) -> Answer:
    def answer(asked: dict[str, Any]) -> dict[str, Any]:
        if asked["execute"] == "guest-sync":
            return {"return": asked["arguments"]["id"]}
        if asked["execute"] == "guest-exec":
            assert asked["arguments"] == {"path": "cat", "arg": ["/x"], "capture-output": True}
            return {"return": {"pid": 5}}
        assert asked["arguments"] == {"pid": 5}
        return {"return": asked_of_status.pop(0) if len(asked_of_status) > 1 else asked_of_status[0]}

    return answer


def test_a_command_inside_is_waited_for(tmp_path: Path) -> None:
    out = base64.b64encode(b"\0out").decode()
    ended = {"exited": True, "exitcode": 3, "out-data": out, "err-data": ""}
    with (
        answering(tmp_path, monitor.AGENT, agent_that_runs([{"exited": False}, ended])),
        monitor.agent(str(tmp_path)) as agent,
    ):
        done = monitor.run_inside(agent, ["cat", "/x"], 5)
    assert (done.status, done.out, done.err) == (3, b"\0out", b"")
    with (
        answering(tmp_path, monitor.AGENT, agent_that_runs([{"exited": True, "signal": 9}])),
        monitor.agent(str(tmp_path)) as agent,
    ):
        assert monitor.run_inside(agent, ["cat", "/x"], 5).status == 137


def test_a_command_that_does_not_end_is_told(tmp_path: Path) -> None:
    with (
        answering(tmp_path, monitor.AGENT, agent_that_runs([{"exited": False}])),
        monitor.agent(str(tmp_path)) as agent,
        pytest.raises(ProgramFailed, match="cat did not end"),
    ):
        monitor.run_inside(agent, ["cat", "/x"], 0)


@pytest.mark.parametrize(
    "said",
    [
        [],
        "x",
        None,
        {},
        {"exited": True, "exitcode": "3\x1b[2J"},
        {"exited": True, "exitcode": 256},
        {"exited": True, "out-data": 5},
    ],
)
def test_what_is_not_an_answer_is_an_error_of_the_host(said: Any) -> None:
    """The agent is the guest's, and says what the guest's root likes."""

    class Agent:
        def ask(self, command: str, **arguments: Any) -> Any:
            return {"pid": 5} if command == "guest-exec" else said

    with pytest.raises(HostError, match="what is not an answer"):
        monitor.run_inside(Agent(), ["cat"], 5)
    if said != []:
        with pytest.raises(HostError, match="what is not an answer"):
            monitor.links_of(Agent())


@pytest.mark.parametrize("line", [b"5\n", b"[]\n", b"[" * 100_000 + b"\n", b'{"error": "x"}\n', b'{"error": []}\n'])
def test_a_line_that_is_not_an_answer_is_an_error_of_the_host(line: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises((HostError, ValueError)):
        theirs.sendall(line)
        monitor.Talk(ours, 5).ask("guest-ping")


@pytest.mark.parametrize("said", [b'{"event": "x"}\n', b" "])
def test_who_says_something_else_all_the_time_is_waited_for_no_longer(said: bytes) -> None:
    """Whoever asks may be the supervisor, which could not end the guest meanwhile."""
    ours, theirs = socket.socketpair()

    def talk() -> None:
        with suppress(OSError):
            while True:
                theirs.sendall(said)
                time.sleep(0.01)

    thread = threading.Thread(target=talk)
    thread.start()
    before = time.monotonic()
    try:
        with ours, pytest.raises(TimeoutError):
            monitor.Talk(ours, 0.3).ask("guest-ping")
    finally:
        thread.join()
        theirs.close()
    assert time.monotonic() - before < 10


def test_a_directory_with_a_long_name_has_sockets_too(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 100) / ("y" * 100)
    deep.mkdir(parents=True)
    with control.listening(str(deep), "s") as listener, control.connected(str(deep), "s") as ours:
        ours.sendall(b"hello")
        with listener.accept()[0] as other:
            assert other.recv(5) == b"hello"


def test_the_links_of_a_guest_are_its_word_and_what_is_not_one_is_left_out() -> None:
    def address(text: object, prefix: object) -> dict[str, object]:
        return {"ip-address-type": "ipv4", "ip-address": text, "prefix": prefix}

    class Agent:
        def ask(self, command: str, **_: object) -> object:
            assert command == "guest-network-get-interfaces"
            reached = [address("192.0.2.10", 24), address("2001:db8::a", 64), address("fe80::1", 64)]
            return [
                {"name": "lo", "ip-addresses": [address("127.0.0.1", 8)]},
                {"name": "eth0", "ip-addresses": [*reached, address("x\npath 1B5 /", 1), address("192.0.2.1", "y")]},
                {"name": "lan1"},
                *({"name": name, "ip-addresses": reached} for name in ("a b", "x\npath", "a/b", "", "n" * 16)),
            ]

    assert monitor.links_of(Agent()) == [NetLink("eth0", ("192.0.2.10/24", "2001:db8::a/64")), NetLink("lan1")]
