"""What a command may take: each limit ends it, says so by its name, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from goldroot.errors import LimitReached
from goldroot.system import Limits, Mode
from goldroot.system.groups import groups
from goldroot.system.inside.power import kernel
from goldroot.system.limits import MIB
from system.conftest import Machine

pytestmark = pytest.mark.root

#: Starts processes until it is refused one, says how many there were, and fails.
MANY = "n=0; while [ $n -lt 3000 ]; do sleep 100 > /dev/null 2>&1 & n=$((n+1)); echo $n; done"


def test_output_without_end(machine: Machine) -> None:
    with pytest.raises(LimitReached, match="said more than 2 MiB") as caught:
        machine.run(["/bin/cat", "/dev/zero"], limits=Limits(output=2 * MIB), ok=None)
    assert (caught.value.limit, "output in [limits]" in caught.value.todo) == ("output", True)
    with pytest.raises(LimitReached, match="said more"):
        machine.sh("cat /dev/zero >&2", limits=Limits(output=2 * MIB))
    assert (
        len(machine.run(["/bin/head", "-c", str(2 * MIB), "/dev/zero"], limits=Limits(output=2 * MIB)).out) == 2 * MIB
    )
    assert len(machine.run(["/bin/head", "-c", str(3 * MIB), "/dev/zero"], limits=Limits(output=0)).out) == 3 * MIB


def test_time(machine: Machine) -> None:
    with pytest.raises(LimitReached, match=r"did not end within 0\.5 s") as caught:
        machine.run(["/bin/sh", "-c", "while :; do :; done"], timeout=0.5)
    assert caught.value.limit == "time"
    with pytest.raises(LimitReached, match=r"within 0\.25 s"):  # what the site says counts for more
        machine.run(["/bin/sleep", "100"], timeout=50, limits=Limits(time=0.25))
    with pytest.raises(LimitReached):  # also where the output is held open, and the signals are refused
        machine.run(["/bin/sh", "-c", "trap '' TERM INT HUP; exec > /dev/null 2>&1; sleep 100"], timeout=0.25)


@pytest.fixture
def small(make_machine: Callable[[Path], Machine], tmp_path: Path) -> Iterator[Machine]:
    """A machine on a file system of 64 MiB."""
    place = tmp_path / "small"
    place.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,nr_inodes=4000,mode=0700", "none", place], check=True)
    machine = None
    try:
        machine = make_machine(place / "disk")
        yield machine
    finally:
        if machine is not None:
            elsewhere = os.open("/", os.O_PATH)
            os.dup2(elsewhere, machine.binds[0].handle)  # else it would be busy
            os.close(elsewhere)
        subprocess.run(["umount", place], check=True)


def test_a_disk_that_fills_up(small: Machine) -> None:
    with pytest.raises(LimitReached, match="wrote more than 8 MiB") as caught:
        small.sh("dd if=/dev/zero of=/srv/big bs=64k count=256 2> /dev/null; sleep 100", limits=Limits(disk=8 * MIB))
    assert caught.value.limit == "disk"
    (small.root / "srv/big").unlink()
    with pytest.raises(LimitReached, match="left almost no space"):
        small.sh("dd if=/dev/zero of=/srv/big bs=64k 2> /dev/null || sleep 100")
    (small.root / "srv/big").unlink()
    with pytest.raises(LimitReached, match="left almost no space"):
        small.sh("n=0; while echo > /srv/$n; do n=$((n+1)); done 2> /dev/null; sleep 100")


def test_the_systems_own_memory_disks_have_sizes(machine: Machine) -> None:
    for path in ("/tmp", "/run", "/dev/shm", "/dev"):
        said = machine.sh(f"stat -f -c '%b %S %c' {path}", limits=Limits(memory=512 * MIB))
        blocks, size, nodes = (int(word) for word in said.split())
        assert 0 < blocks * size <= 512 * MIB and 0 < nodes <= 512 * MIB // 4096, path


@pytest.mark.parametrize("mode", ["shift", "identity", "caps", "user"])
def test_processes(machine: Machine, mode: Mode) -> None:
    limits = Limits(processes=100)
    with groups(limits) as made:
        counted = bool(made.paths)
    if mode in ("identity", "caps") and not counted and _release() < (6, 14):
        pytest.skip("root's processes are not counted here: no control groups, and a kernel before 6.14")
    with pytest.raises(LimitReached, match="it wanted more processes than it may have") as caught:
        machine.sh(MANY, mode=mode, limits=limits)
    assert caught.value.limit == "processes"
    done = machine.run(["/bin/sh", "-c", MANY], mode=mode, limits=limits, ok=None)
    assert (done.limit, 50 < int(done.out.split()[-1]) <= 301) == ("processes", True)
    assert machine.sh("echo fine", mode=mode, limits=limits) == "fine\n"


def test_the_hosts_own_limit_of_processes_stays(machine: Machine) -> None:
    before = Path("/proc/sys/kernel/pid_max").read_text()
    machine.sh("echo", limits=Limits(processes=400))
    assert Path("/proc/sys/kernel/pid_max").read_text() == before


def test_memory(machine: Machine) -> None:
    """Of one process; and of all together with what they put into memory disks, where there are control groups."""
    big = machine.run(
        ["/bin/dd", "if=/dev/zero", "of=/dev/null", "bs=300M", "count=1"], limits=Limits(memory=64 * MIB), ok=None
    )
    assert big.status != 0
    with groups(Limits()) as made:
        if not any(
            os.path.exists(f"{path}/memory.{name}") for path in made.paths for name in ("max", "limit_in_bytes")
        ):
            pytest.skip("no control group for memory can be made here")
    with pytest.raises(LimitReached, match="it wanted more memory than it may have") as caught:
        fill = "dd if=/dev/zero of=/tmp/a bs=1M count=50; dd if=/dev/zero of=/dev/shm/a bs=1M count=50"
        machine.sh(fill, limits=Limits(memory=64 * MIB))
    assert caught.value.limit == "memory"


def test_groups_are_locked_and_swept() -> None:
    with groups(Limits()) as first:
        with groups(Limits()) as second:
            assert not set(first.paths) & set(second.paths)
        assert all(os.path.isdir(path) for path in first.paths) and not any(map(os.path.isdir, second.paths))
    for path in first.paths:  # as a killed command leaves it
        os.mkdir(path)
    with groups(Limits()):
        assert not any(map(os.path.isdir, first.paths))


def _release() -> tuple[int, int]:
    major, minor = os.uname().release.split(".")[:2]
    return int(major), int(minor)


@pytest.mark.parametrize(
    ("release", "numbers"),
    [
        ("6.14.0-15-generic", (6, 14)),
        ("6.14+", (6, 14)),
        ("6.1.0-rc1+", (6, 1)),
        ("6.15-rc3", (6, 15)),
        ("7", (7, 0)),
        ("5.14.0-503.el9.s390x", (5, 14)),
        ("own", (0, 0)),
        ("", (0, 0)),
    ],
)
def test_the_number_of_a_kernel(release: str, numbers: tuple[int, int]) -> None:
    """By it, and never for an older one, pid_max is set."""
    assert kernel(release) == numbers
