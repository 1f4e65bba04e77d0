"""The supervisor of a machine: a process of its own that holds the entry's lock and keeps the console.

It says once, to the command that asked for it, whether the machine runs; from then on it needs nobody.  The machine ends
with it, however it ends: nothing runs that no lock tells of.  Where systemd runs, it has a scope of its own, so that the
end of a session or of the command's service is not its end (systemd-run(1)).
"""

from __future__ import annotations

import json
import os
import select
import selectors
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from typing import Any

from goldroot import errors
from goldroot.errors import GoldrootError, HostError
from goldroot.hosts.inuse import utc_now
from goldroot.hosts.machines import control
from goldroot.hosts.machines.console import ConsoleLog, last_lines
from goldroot.hosts.machines.trying import Running, TryingHost
from goldroot.hosts.port import NOTHING_AROUND, Around, NetLink
from goldroot.hosts.registry import KINDS
from goldroot.run import environment, find, start

#: Seconds that a machine gets to begin; its own boot is not waited for.
PATIENCE = 60.0
_LOOK_AGAIN = 0.05
#: Seconds from a start to the next one of a machine that asks for that again and again.
_BETWEEN_STARTS = 2.0

_PASSED_ON = (
    errors.Busy, errors.Damaged, errors.MissingProgram, errors.NoPermission, errors.NoSpace, errors.NotFound,
    errors.Refused, errors.StillRunning, errors.Unreachable, errors.BadInput, errors.MissingPackage,
)  # fmt: skip
_BY_KIND: Mapping[str, type[GoldrootError]] = {one.kind: one for one in _PASSED_ON}


@dataclass(frozen=True)
class Order:
    """A trial that is asked for.

    :param set: whose system it is.
    :param read_only: live addresses of its own disks that are not written aside.
    :param lifeline: a pipe that ends with whoever asked for it; the trial ends with that.
    :param around: its links, and what is not started in it.
    """

    set: str
    read_only: Sequence[str]
    lifeline: int
    around: Around = NOTHING_AROUND

    @classmethod
    def read(cls, text: str) -> Order:
        """From its JSON."""
        data = json.loads(text)
        links = tuple(NetLink(one["name"], tuple(one["addresses"])) for one in data["around"]["links"])
        return cls(**{**data, "around": Around(links, tuple(data["around"]["masked"]))})


def begin(table: Mapping[str, Any], name: str, directory: str, order: Order | None = None) -> None:
    """Start the supervisor of a machine, and return when the machine runs.

    :param table: the host's, see :meth:`TryingHost.table`.
    :param directory: of the machine.
    :param order: of a trial.
    :raises GoldrootError: why it does not run.
    """
    reading, writing = os.pipe()
    with ExitStack() as stack:
        stack.callback(os.close, reading)
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        stack.callback(os.close, null)
        log = _log(directory)
        stack.callback(os.close, log)
        try:
            words = [sys.executable, "-P", "-m", "goldroot.hosts.machines.supervise"]
            words = [*_scope(table, name), *words, json.dumps(table), name, str(writing)]
            passed = [writing]
            if order is not None:
                words.append(json.dumps(asdict(order)))
                passed.append(order.lifeline)
            path = os.pathsep.join(path for path in sys.path if path)
            start(
                words,
                program=find(words[0]),
                streams=(null, null, log),
                pass_fds=passed,
                env=environment({"PYTHONPATH": path}),
            ).wait()  # it goes on in a copy of its own
        finally:
            os.close(writing)
        with open(reading, "rb", closefd=False) as file:
            said = file.read()
    _raise_said(said, name, directory)


def main() -> None:
    """What runs as ``python -m``."""
    table, name, report = json.loads(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    os.set_inheritable(report, False)
    order = Order.read(sys.argv[4]) if len(sys.argv) > 4 else None
    if order is not None:
        os.set_inheritable(order.lifeline, False)
    if os.fork():
        os._exit(0)
    os.chdir("/")
    said: dict[str, object] = {}
    try:
        supervise(_host(table), name, report, order)
    except GoldrootError as error:
        said = error.as_dict()
    except Exception:  # noqa: BLE001  nobody sees it but in the log
        traceback.print_exc()
        said = HostError(f"the supervisor of {name} failed").as_dict()
    if said:
        with suppress(OSError):  # it was told already that it runs
            os.write(report, json.dumps(said).encode())


def supervise(host: TryingHost, name: str, report: int, order: Order | None = None) -> None:
    """Run a machine to its end.

    :param report: a pipe that is closed when it runs.
    :param order: of a trial.
    """
    who = f"its supervisor (process {os.getpid()})"
    with ExitStack() as stack:
        if order is None:
            entry, disks = stack.enter_context(host.run_by(who, name))
        else:
            entry, disks = stack.enter_context(host.tried_by(who, name, order.set, order.read_only))
        directory = host.directory(entry.name)
        guard = stack.enter_context(Guard(report))
        listener = stack.enter_context(control.listen(directory))
        console = ConsoleLog(directory)
        console.write(f"\n-- {utc_now()}: started from {entry.serial}\n".encode())

        def boot(up: Callable[[], None]) -> Loop:
            """Run it until it ends."""
            with ExitStack() as until_end:
                running = host.launch(until_end, guard.watch, entry, disks, None if order is None else order.around)
                loop = until_end.enter_context(Loop(running, console, listener))
                if order is not None:
                    loop.ends_with(order.lifeline)
                try:
                    loop.until_up(PATIENCE)
                except BaseException:
                    loop.end()
                    raise
                up()
                status = loop.until_end()
            what = "restarts" if loop.comes_again and order is None else f"ended with status {status}"
            console.write(f"\n-- {utc_now()}: {what}\n".encode())
            return loop

        began = time.monotonic()
        loop = boot(lambda: _tell_up(report))
        while order is None and loop.comes_again:
            time.sleep(max(began + _BETWEEN_STARTS - time.monotonic(), 0.0))
            if not loop.comes_again:
                break
            began = time.monotonic()
            try:
                loop = boot(lambda: None)
            except (GoldrootError, OSError) as error:
                why = getattr(error, "brief", str(error))
                console.write(f"\n-- {utc_now()}: not started again: {why}\n".encode())
                break


def _tell_up(report: int) -> None:
    os.write(report, b"{}")
    os.close(report)


class Guard:
    """A second process, which ends the machine where the supervisor is killed, and holds its locks until that is done.

    Process 1 of a container does not end with systemd-nspawn.

    :param report: what it has no use for.
    """

    def __init__(self, report: int) -> None:
        reading, self._writing = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(report)
            os.close(self._writing)
            _guard(reading)
        os.close(reading)

    def __enter__(self) -> Guard:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._writing)
        os.waitpid(self._pid, 0)

    def watch(self, pid: int) -> None:
        """This has to end, too."""
        os.write(self._writing, f"{pid}\n".encode())


def _guard(reading: int) -> None:
    """In a process of its own, which does not come back."""
    try:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        ends: list[int] = []
        with open(reading, encoding="ascii") as file:
            for line in file:  # until the supervisor has gone
                for handle in _ended_of(ends):  # of earlier starts: a machine may start again without end
                    ends.remove(handle)
                    os.close(handle)
                with suppress(ProcessLookupError):
                    ends.append(os.pidfd_open(int(line)))
        for handle in ends:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        for handle in ends:
            select.select([handle], [], [])
    finally:
        os._exit(0)


def _ended_of(handles: Sequence[int]) -> Sequence[int]:
    """Those of processes that have ended."""
    return select.select(handles, [], [], 0)[0] if handles else []


class Loop:
    """What comes from a machine and from those who ask."""

    def __init__(self, running: Running, console: ConsoleLog, listener: socket.socket) -> None:
        self._running = running
        self._console = console
        self._selector = selectors.DefaultSelector()
        self._selector.register(running.console, selectors.EVENT_READ, self._hear)
        self._selector.register(listener, selectors.EVENT_READ, lambda: self._serve(listener))
        self._ended = os.pidfd_open(running.pid)
        self._selector.register(self._ended, selectors.EVENT_READ, self._end_seen)
        self._status: int | None = None
        self._to_end = False
        signal.signal(signal.SIGTERM, lambda *_: self._ask_to_end())

    def __enter__(self) -> Loop:
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()

    @property
    def comes_again(self) -> bool:
        """Whether it has ended in order to start again, and nobody wants its end."""
        return self._status is not None and self._status == self._running.restarts and not self._to_end

    def ends_with(self, lifeline: int) -> None:
        """The machine is ended at once when the other end of this pipe has gone."""

        def gone() -> None:
            self._selector.unregister(lifeline)
            with suppress(GoldrootError, OSError):
                self._running.halt("killed")

        self._selector.register(lifeline, selectors.EVENT_READ, gone)

    def until_up(self, patience: float) -> None:
        """:raises HostError: it ended before, or takes too long."""
        end = time.monotonic() + patience
        while not self._running.is_up():
            self._turn(_LOOK_AGAIN)
            if self._status is not None:
                raise HostError(f"it ended at once, with status {self._status}")
            if time.monotonic() > end:
                raise HostError(f"it did not begin within {patience:g} s")

    def until_end(self) -> int:
        """Its exit status; a signal counts as below 0."""
        while self._status is None:
            self._turn(None)
        return self._status

    def end(self) -> None:
        """At once."""
        if self._status is None:
            with suppress(GoldrootError, OSError):
                self._halt("killed")
            self.until_end()

    def _turn(self, seconds: float | None) -> None:
        for key, _ in self._selector.select(seconds):
            key.data()

    def _hear(self) -> None:
        try:
            data = os.read(self._running.console, 65536)
        except OSError:  # EIO: nobody has the other end of the terminal any more
            data = b""
        if data:
            self._console.write(data)
        else:
            self._selector.unregister(self._running.console)

    def _serve(self, listener: socket.socket) -> None:
        with listener.accept()[0] as other:
            try:
                control.answer(other, **self._done(control.question(other)))
            except (GoldrootError, OSError) as error:
                control.answer(other, error=getattr(error, "brief", str(error)))

    def _done(self, asked: dict[str, Any]) -> dict[str, Any]:
        what = asked.get("do")
        if what in ("asked", "pressed", "killed"):
            self._halt(str(what))
            return {}
        if what == "inside":
            return {"pid": self._running.inside()}
        raise HostError("that is not a question")

    def _ask_to_end(self) -> None:
        """The host is shut down, or somebody ends the supervisor."""
        for how in ("asked", "pressed"):
            try:
                self._halt(how)
                return
            except (GoldrootError, OSError) as error:
                self._console.write(f"\n-- {utc_now()}: not {how}: {error}\n".encode())

    def _halt(self, how: str) -> None:
        if self._status is None:
            self._running.halt(how)
        self._to_end = True

    def _end_seen(self) -> None:
        self._selector.unregister(self._ended)
        os.close(self._ended)
        _, status = os.waitpid(self._running.pid, 0)
        self._status = os.waitstatus_to_exitcode(status)
        with suppress(KeyError):  # what it said last
            while self._selector.get_key(self._running.console) and self._has_more():
                self._hear()

    def _has_more(self) -> bool:
        with selectors.DefaultSelector() as one:
            one.register(self._running.console, selectors.EVENT_READ)
            return bool(one.select(0))


def _host(table: Mapping[str, Any]) -> TryingHost:
    kind = KINDS[table["kind"]]()
    host = kind.open(table["name"], kind.config(**table["config"]), "/")
    assert isinstance(host, TryingHost), "others have no supervisors"
    return host


def _scope(table: Mapping[str, Any], name: str) -> list[str]:
    if not os.path.isdir("/run/systemd/system"):
        return []
    unit = f"goldroot-{table['name']}-{name}-{time.time_ns()}.scope"
    said = f"--description=goldroot's supervisor of {name}, host {table['name']}"
    return [find("systemd-run"), "--scope", "--quiet", "--collect", f"--unit={unit}", said, "--"]


def _log(directory: str) -> int:
    path = os.path.join(directory, "supervisor.log")
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _raise_said(said: bytes, name: str, directory: str) -> None:
    try:
        data = json.loads(said)
    except ValueError:
        data = {"what": "its supervisor ended without a word", "todo": f"Look at {directory}/supervisor.log."}
    if not data:
        return
    kind = _BY_KIND.get(str(data.get("error")), HostError)
    meaning, tail = str(data.get("meaning", "")), last_lines(directory, 5) if kind is HostError else []
    if tail:
        meaning = f"{meaning} Its console's last lines:".strip()
    error = kind(f"{name} was not started: {data['what']}", meaning=meaning, todo=str(data.get("todo", "")))
    error.lines = tail
    raise error


if __name__ == "__main__":
    main()
