"""A host that starts machines, without machines: what runs is a file, and what a system would say is written down.

A machine behaves by the gold version that it was started from.  What a machine said, did and was asked is kept in files,
so that commands in processes of their own see it, too.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

from goldroot.errors import HostError, Refused
from goldroot.hosts import Around, Entry, Hold, NetLink, Power, Trial, find_entry, still_running, utc_now
from goldroot.hosts.directory import DirectoryConfig, DirectoryHost
from goldroot.hosts.filehost import live_of
from goldroot.hosts.port import NOTHING_AROUND
from goldroot.hosts.registry import KINDS, Kind
from goldroot.run import Done


class BootingHost(DirectoryHost):
    """Disks and entries of the directory host; :func:`behave` says how the machines do."""

    abilities = replace(DirectoryHost.abilities, boots=True, guest_commands=True)

    def _file(self, name: str) -> str:
        os.makedirs(os.path.join(self.store, "fake"), mode=0o700, exist_ok=True)
        return os.path.join(self.store, "fake", name)

    def _running(self, name: str) -> dict[str, Any] | None:
        return _read(self._file(f"{name}.on"))

    def _behaviour(self, version: int) -> Mapping[str, Any]:
        return (_read(self._file("behaviour")) or {}).get(str(version), {})

    def _seen(self, entry: Entry) -> str | None:
        return None  # nobody else is there, and a look at all processes of this machine takes long

    def power(self, name: str) -> Power:
        entry = find_entry(self, name)
        if (on := self._running(name)) is None:
            return super().power(name)
        return Power("on", "its file", on["since"], "current" if on["live"] == live_of(entry) else "older")

    def start(self, name: str) -> None:
        power, entry = self.power(name), find_entry(self, name)
        if power.state == "on" and power.runs == "current":
            return
        if power.state != "off" or power.why:
            raise Refused(f"{name} is in use: {power.why}")
        version = entry.marks["1"].version
        if why := self._behaviour(version).get("start"):
            raise HostError(why)
        _write(self._file(f"{name}.on"), {"live": live_of(entry), "since": utc_now(), "version": version})
        self._log(name, f"start {version}")

    def stop(self, name: str, patience: float) -> str:
        if (on := self._running(name)) is None:
            return super().stop(name, patience)
        if self._behaviour(on["version"]).get("stop"):
            raise still_running(name, "nothing ended it")
        os.unlink(self._file(f"{name}.on"))
        self._log(name, f"stop {on['version']}")
        return "asked"

    @contextmanager
    def hold(self, name: str, *, runs: bool = False) -> Iterator[Hold]:
        if self._running(name) is not None:
            raise still_running(name, "its file")
        with super().hold(name, runs=runs) as held:
            yield held

    def command(self, name: str, argv: Sequence[str], timeout: float) -> Done:
        if (on := self._running(name)) is None:
            raise Refused(f"{name} does not run", todo="Start it first: goldroot machine start CLONE")
        return self._answer(self._behaviour(on["version"]), argv)

    def _answer(self, said: Mapping[str, Any], argv: Sequence[str]) -> Done:
        if argv[0] == "journalctl":
            return Done(0, b"why it failed\n", b"")
        if argv[-1].startswith("journalctl"):
            return Done(0, "".join(f"{json.dumps(line)}\n" for line in said.get("journal", [])).encode(), b"")
        if "is-system-running" in argv[-1]:
            failed = said.get("failed", [])
            state = said.get("state", "degraded" if failed else "running")
            ports = "".join(f"  0: 00000000:{port:04X} 00000000:0000 0A 0\n" for port in said.get("ports", []))
            units = "".join(f"{unit} loaded failed failed Some words\n" for unit in failed)
            return Done(0, f"{state}\n==\n{units}==\n{ports}".encode(), b"")
        return Done(int(argv[-1] in said.get("commands", [])), b"", b"no")

    def console(self, name: str, lines: int) -> list[str]:
        return self.log(name)[-lines:]

    def links(self, name: str) -> Sequence[NetLink]:
        if (on := self._running(name)) is None:
            return ()
        return [NetLink(link, tuple(has)) for link, has in self._behaviour(on["version"]).get("links", {}).items()]

    def around(self, name: str) -> Mapping[str, Any]:
        """What its last trial had around it."""
        return _read(self._file(f"{name}.around")) or {}

    @contextmanager
    def trial(
        self, name: str, set: str, *, read_only: Collection[str] = (), around: Around = NOTHING_AROUND
    ) -> Iterator[Trial]:
        version = find_entry(self, name).marks[set].version
        behaviour = self._behaviour(version)
        if why := behaviour.get("no_trial"):
            raise HostError(why)
        without = f" without {' '.join(sorted(read_only))}" if read_only else ""
        self._log(name, f"try {version}{without}")
        _write(self._file(f"{name}.around"), asdict(around))
        yield FakeTrial(self, {**behaviour, **behaviour.get("trial", {})})

    def log(self, name: str) -> list[str]:
        """What was done with a machine, oldest first."""
        try:
            with open(self._file(f"{name}.log"), encoding="utf-8") as file:
                return file.read().splitlines()
        except FileNotFoundError:
            return []

    def _log(self, name: str, line: str) -> None:
        with open(self._file(f"{name}.log"), "a", encoding="utf-8") as file:
            file.write(f"{line}\n")


class FakeTrial:
    """A trial of what behaves so."""

    def __init__(self, host: BootingHost, said: Mapping[str, Any]) -> None:
        self._host = host
        self._said = said

    def command(self, argv: Sequence[str], timeout: float) -> Done:
        return self._host._answer(self._said, argv)

    def console(self, lines: int) -> list[str]:
        return []

    def gone(self) -> bool:
        return False


def behave(host: Any, version: int, **how: object) -> None:
    """Machines of a gold version do so: ``failed`` units, open ``ports``, ``commands`` that fail, systemd's ``state``, lines of
    the ``journal``; ``start``, ``stop`` or ``no_trial``: why that does not work; ``trial``: what is otherwise in a trial."""
    assert isinstance(host, BootingHost)
    known = _read(host._file("behaviour")) or {}
    _write(host._file("behaviour"), {**known, str(version): how})


def kinds() -> dict[str, Callable[[], Kind]]:
    """The kinds of hosts, where the directory host starts machines."""

    def open_host(name: str, config: DirectoryConfig, root: str) -> BootingHost:
        return BootingHost(name, os.path.join(root, config.store), running_command=config.running)

    return {**KINDS, "directory": lambda: Kind(DirectoryConfig, open_host)}


def _read(path: str) -> dict[str, Any] | None:
    try:
        with open(path, encoding="utf-8") as file:
            found: dict[str, Any] = json.load(file)
            return found
    except FileNotFoundError:
        return None


def _write(path: str, data: object) -> None:
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        json.dump(data, file)
    os.rename(f"{path}.new", path)


if __name__ == "__main__":
    from goldroot.cli.main import main
    from goldroot.hosts import registry

    registry.KINDS = kinds()
    main(sys.argv[1:])
