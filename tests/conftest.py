"""What every test can count on: ``--slow``, ``--budget``, ``--share``, the marks that they and the user's rights decide about.

Trees are made in memory where it has the room, for a disk's file system takes as much of the processor's time again; else,
or with ``--basetemp DIR``, they stand where all temporary files do.  What only a disk can show makes one for itself.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest

from support.compiled import share_compiled
from support.examples import examples
from support.open_way import open_way
from support.shapes import misfits, watch

watch()

SLOW_MARKS = ("slow", "integration", "crash")


#: Seconds that are kept for each file that has not begun.
KEPT = 10.0


class Budget:
    """Seconds for a whole run: each file may take what is left, but for a little that is kept for each one after it.

    So a long file does not eat up all the time of the others.  A test that has begun is never cut off.
    """

    def __init__(self, seconds: float) -> None:
        self.until = time.monotonic() + seconds
        self.files: list[str] = []  # that have not begun
        self.share: Share | None = None
        self.turn = ""
        self.turn_ends = 0.0

    def spent(self, file: str) -> bool:
        """Whether a test of this file may not begin any more."""
        now = time.monotonic()
        if file != self.turn:
            self.files = [
                other for other in self.files if other != file and not (self.share and self.share.taken(other))
            ]
            equal = now + (self.until - now) / (1 + len(self.files))
            self.turn, self.turn_ends = file, max(equal, self.until - KEPT * len(self.files))
        return now > self.turn_ends


class Share:
    """The files of tests, shared out among the processes that name the same directory: each is run by one of them."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.mine: dict[str, bool] = {}

    def takes(self, file: str) -> bool:
        """Whether this file is ours: it is, where no other process has taken it."""
        if file not in self.mine:
            try:
                os.close(os.open(self._mark(file), os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            except FileExistsError:
                self.mine[file] = False
            else:
                self.mine[file] = True
        return self.mine[file]

    def taken(self, file: str) -> bool:
        """Whether any process has taken it."""
        return os.path.exists(self._mark(file))

    def failed(self, test: str) -> None:
        """Leave the name of a test that failed to who shared the files out: a line of the file ``failed``."""
        with open(os.path.join(self.place, "failed"), "a", encoding="utf-8") as names:
            names.write(test + "\n")

    def _mark(self, file: str) -> str:
        return os.path.join(self.place, file.replace("/", "%"))


BUDGET = pytest.StashKey[Budget]()

MEMORY = "/dev/shm"
#: So many bytes must be free in memory: several times what the trees of a run take at once; with real Debian roots.
ROOM, SLOW_ROOM = 2 << 30, 8 << 30
PLACE = pytest.StashKey[str]()

# A deadline per example measures the machine, not the code; the blob lets a failure of CI be run again at home.
# How long an example takes, or its making, says something of the machine, and nothing of the test.
SLOWNESS = [hypothesis.HealthCheck.too_slow]
# The same examples in each run, so that what fails was broken by the change that is looked at; others are tried where
# somebody asks for a number of them (support/examples.py).
for name, same in (("same", True), ("random", False)):
    hypothesis.settings.register_profile(
        name,
        deadline=None,
        print_blob=True,
        suppress_health_check=SLOWNESS,
        derandomize=same,
        max_examples=examples(30),
    )
hypothesis.settings.load_profile("random" if "GOLDROOT_EXAMPLES" in os.environ else "same")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run the tests marked slow, integration and crash")
    parser.addoption("--budget", type=float, metavar="SECONDS", help="take so many seconds; skip the rest")
    parser.addoption("--share", metavar="DIRECTORY", help="run files that no other process with this directory runs")
    parser.addoption("--only", metavar="FILE", help="with --share: run the tests alone that the lines of FILE name")


@pytest.hookimpl(tryfirst=True)  # before the plugin of tmp_path asks for it
def pytest_configure(config: pytest.Config) -> None:
    _hear_signals()
    open_way()
    share_compiled()
    if config.option.basetemp is None and _memory_serves(SLOW_ROOM if config.getoption("--slow") else ROOM):
        place = config.stash[PLACE] = tempfile.mkdtemp(prefix="goldroot-tests-", dir=MEMORY)
        os.chmod(place, 0o755)  # some tests become another user
        config.option.basetemp = f"{place}/pytest"
        tempfile.tempdir = place


def _hear_signals() -> None:
    """What is ignored here (under nohup(1), or as a job in the background) the programs of tests would ignore, too.

    A hangup still does nothing to the tests themselves: a signal that is handled is only for programs the default again.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda number, frame: None)


def pytest_unconfigure(config: pytest.Config) -> None:
    if place := config.stash.get(PLACE, None):
        tempfile.tempdir = None
        shutil.rmtree(place, ignore_errors=True)


def _memory_serves(room: int) -> bool:
    """Whether there is a file system in memory with enough room, whose programs may be run."""
    try:
        found = os.statvfs(MEMORY)
    except OSError:
        return False
    usable = os.access(MEMORY, os.W_OK) and not found.f_flag & (os.ST_NOEXEC | os.ST_RDONLY)
    free = min(found.f_bavail * found.f_frsize, _available())
    return usable and free >= room and hasattr(os, "setxattr") and _keeps_attributes()


def _available() -> int:
    """Bytes of memory that programs may still take: a file system in memory may be larger than that."""
    with open("/proc/meminfo") as file:
        amounts = dict(line.split(":", 1) for line in file)
    return int(amounts["MemAvailable"].split()[0]) * 1024


def _keeps_attributes() -> bool:
    """Linux before 6.6 keeps no attributes of users there, and tests of them would be skipped."""
    with tempfile.NamedTemporaryFile(dir=MEMORY) as file:
        try:
            os.setxattr(file.name, "user.goldroot", b"1")
        except OSError:
            return False
    return True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    slow = config.getoption("--slow")
    for item in items:
        if not slow and any(item.get_closest_marker(mark) for mark in SLOW_MARKS):
            item.add_marker(pytest.mark.skip(reason="slow: run with --slow"))
        if os.geteuid() != 0 and item.get_closest_marker("root"):
            item.add_marker(pytest.mark.skip(reason="needs root"))


def pytest_collection_finish(session: pytest.Session) -> None:
    # Tests that were collected stay to the end, half a million objects: garbage is looked for elsewhere, and less often.
    gc.collect()
    gc.freeze()
    gc.set_threshold(5000, 20, 20)
    if seconds := session.config.getoption("--budget"):
        budget = session.config.stash[BUDGET] = Budget(seconds)
        budget.files = list(dict.fromkeys(str(item.path) for item in session.items))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Pytest's own loop, but a file is asked for when its turn comes."""
    place = session.config.getoption("--share")
    if not place or session.testsfailed or session.config.option.collectonly:
        return None  # pytest's own loop says what is wrong
    share = Share(place)
    if budget := session.config.stash.get(BUDGET, None):
        budget.share = share
    only = session.config.getoption("--only")
    names = Path(only).read_text("utf-8").splitlines() if only else None
    wanted = [item for item in session.items if names is None or item.nodeid in names]
    ours = (item for item in wanted if share.takes(str(item.path)))
    item = next(ours, None)
    ran: list[pytest.Item] = []
    while item is not None:
        following = next(ours, None)
        before = session.testsfailed
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed != before:
            share.failed(item.nodeid)
        ran.append(item)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
        item = following
    session.testscollected = len(ran)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """A test in which a command printed what its published shape does not say fails, though all else is right."""
    misfits.clear()
    result = yield
    assert not misfits, "\n".join(misfits)
    return result


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    budget = item.config.stash.get(BUDGET, None)
    if budget is not None and budget.spent(str(item.path)):
        pytest.skip("the time was used up: give --budget more, or leave it out")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line for each reason that tests were skipped for, in place of one for each test."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(str(report.longrepr[2]).removeprefix("Skipped: ") for report in skipped)
    if reasons:
        terminalreporter.section("skipped, and why", sep="-")
    for reason, count in reasons.most_common():
        terminalreporter.line(f"{count:5} {reason}")
