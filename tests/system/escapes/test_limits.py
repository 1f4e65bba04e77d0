"""Too much of everything: the limits hold, and the host does not notice."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from goldroot.errors import LimitReached
from goldroot.system import Bound, Confined, How, Limits, run_in
from support.escapes.running import Programs
from support.escapes.ways import Mode
from support.trees import Dir, make_tree

MODES: tuple[Mode, ...] = ("shift", "identity", "caps", "user") if os.geteuid() == 0 else ("user",)
MIB = 1 << 20
MANY = "100000"

pytestmark = pytest.mark.parametrize("mode", MODES)


class Room:
    """A system that has the program of attempts, on a closed store."""

    def __init__(self, place: Path, attempt: str) -> None:
        place.mkdir(mode=0o700)
        self.root = make_tree(
            place / "root",
            {**{name: Dir() for name in ("proc", "sys", "dev", "run", "srv")}, "tmp": Dir(mode=0o1777)},
        )
        shutil.copy(attempt, self.root / "attempt")

    def __call__(self, mode: Mode, name: str, *words: str, timeout: float = 60, limits: Limits = Limits()) -> Confined:  # noqa: B008
        handle = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            argv = ["/attempt", name, *words]
            return run_in([Bound(handle, b"", False)], argv, How(ok=None, timeout=timeout, limits=limits, mode=mode))
        finally:
            os.close(handle)


@pytest.fixture
def room(tmp_path: Path, attempts: Programs) -> Iterator[Room]:
    before = children()
    yield Room(tmp_path / "store", attempts.attempt)
    assert children() == before


def children() -> set[str]:
    """The processes that this one has started and that are still there."""
    me = os.getpid()
    return set(Path(f"/proc/{me}/task/{me}/children").read_text().split())


def held_by_number(mode: Mode) -> bool:
    """Whether the number of processes is counted: the host's root is counted by a control group alone."""
    return (
        mode in ("shift", "user")
        or os.access("/sys/fs/cgroup/pids", os.W_OK)
        or os.access("/sys/fs/cgroup/cgroup.procs", os.W_OK)
    )


def test_a_fork_bomb(room: Room, mode: Mode) -> None:
    if not held_by_number(mode):
        pytest.skip("no control group can be made here, and root's processes are counted by nothing else")
    done = room(mode, "much_processes", "most=5000", limits=Limits(processes=100))
    assert 10 < int(done.out) <= 100
    assert done.limit == "processes"


def test_processes_that_are_left_behind_end_with_the_command(room: Room, mode: Mode) -> None:
    done = room(mode, "much_left_behind")
    assert (done.status, done.out) == (0, b"gone\n")


def test_output_without_end(room: Room, mode: Mode) -> None:
    with pytest.raises(LimitReached) as caught:
        room(mode, "much_output", limits=Limits(output=4 * MIB))
    assert caught.value.limit == "output"


def test_time(room: Room, mode: Mode) -> None:
    with pytest.raises(LimitReached) as caught:
        room(mode, "much_time", timeout=0.5)
    assert caught.value.limit == "time"


def held(room: Room, mode: Mode, *words: str) -> None:
    """Of 64 MiB no more is used: the rest cannot be had, or what wants it is ended, with or without the whole run."""
    try:
        done = room(mode, *words, f"most={MANY}", limits=Limits(memory=64 * MIB))
    except LimitReached as reached:
        assert reached.limit == "memory"
        return
    if done.status == 0:
        assert int(done.out) <= 64
    else:
        assert (done.status, done.limit) == (137, "memory")


def test_memory(room: Room, mode: Mode) -> None:
    held(room, mode, "much_memory")


@pytest.mark.parametrize("where", ["tmp", "run", "dev/shm", "dev"])
def test_file_systems_in_memory_are_full_in_time(room: Room, mode: Mode, where: str) -> None:
    """What they hold counts as memory; nobody waits until the machine has none."""
    held(room, mode, "much_file", f"path=/{where}/x")


@pytest.mark.parametrize("where", ["tmp", "run", "dev"])
def test_file_systems_in_memory_hold_only_so_many_files(room: Room, mode: Mode, where: str) -> None:
    done = room(mode, "much_files", f"path=/{where}", f"most={MANY}", limits=Limits(memory=256 * MIB))
    assert int(done.out) < int(MANY)


def test_a_disk_is_not_filled(room: Room, mode: Mode) -> None:
    with pytest.raises(LimitReached) as caught:
        room(mode, "much_file", "path=/srv/x", f"most={MANY}", limits=Limits(disk=32 * MIB))
    assert caught.value.limit == "disk"
    assert (room.root / "srv/x").stat().st_size > 0
