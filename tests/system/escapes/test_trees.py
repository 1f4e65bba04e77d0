"""Trees that are not what they seem, and that change while they are mounted: no mount, file or name lands outside."""

from __future__ import annotations

import ctypes
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from goldroot.errors import Failed, GoldrootError
from support.escapes import kernel
from support.escapes.running import shell
from support.escapes.ways import Mode, Said, System, confined
from support.trees import Dir, Node, dump_tree, make_tree

MODES: tuple[Mode, ...] = ("shift", "identity", "caps", "user") if os.geteuid() == 0 else ("user",)
SECRET = "outside-is-a-secret"

TREE: dict[str, Node] = {
    **shell(),
    **{name: Dir() for name in ("proc", "sys", "dev", "run", "srv", "usr", "etc", "var", "usr/lib/systemd")},
    "tmp": Dir(mode=0o1777),
}
HELLO = ("/bin/sh", "-c", "echo hello; read name < /proc/sys/kernel/hostname; echo $name")
UNIT = "[Service]\nRuntimeDirectory={}\n"

Change = Callable[[Path, Path], None]  #: of a root, with a directory outside


def gone(root: Path, outside: Path) -> None:
    (root / "usr").rename(root / "usr-was")


def a_pipe(root: Path, outside: Path) -> None:
    gone(root, outside)
    os.mkfifo(root / "usr")


def linked(path: str) -> Change:
    """The path is a link to the directory outside."""

    def change(root: Path, outside: Path) -> None:
        place = root / path
        if place.is_dir() and not place.is_symlink():
            place.rename(root / f"{place.name}-was")
        place.unlink(missing_ok=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(outside)

    return change


def pipe(path: str) -> Change:
    """Opening it would wait for ever."""

    def change(root: Path, outside: Path) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(root / path)

    return change


def node(path: str) -> Change:
    """Reading it would never end (/dev/zero)."""

    def change(root: Path, outside: Path) -> None:
        if os.geteuid() != 0:
            pytest.skip("needs root to make a node")
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        os.mknod(root / path, stat.S_IFCHR | 0o666, os.makedev(1, 5))

    return change


def text(path: str, content: str) -> Change:
    def change(root: Path, outside: Path) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content.format(outside))

    return change


def link_text(path: str, target: str) -> Change:
    def change(root: Path, outside: Path) -> None:
        (root / path).symlink_to(target.format(outside))

    return change


def folder(path: str) -> Change:
    def change(root: Path, outside: Path) -> None:
        (root / path).unlink(missing_ok=True)
        (root / path).mkdir(parents=True)

    return change


def many(root: Path, outside: Path) -> None:
    """More directories than a file system in memory has room for."""
    for number in range(10):
        names = " ".join(f"d{number}x{name}" for name in range(7000))
        text(f"etc/systemd/system/{number}.service", UNIT.format(names))(root, outside)


#: Names that a unit cannot have made, or must not.
NAMES = {
    "a place of goldroot's programs": "goldroot/bin/x",
    "a file of goldroot's": "goldroot/apt.conf",
    "below a file of goldroot's": "goldroot/apt.conf/x",
    "the name of goldroot's resolv.conf": ".goldroot-resolv.conf",
    "a name that is too long": "x" * 256,
    "a path that is too long": "a/" * 3000 + "b",
    "a name with a NUL": "a\0b",
    "a path that goes up later": "a/../../b",
}
#: What cannot be in run.
TARGETS = ("/run/lock", "/run/goldroot", "/run/goldroot/bin/sh", "/run/goldroot/apt.conf", "/run/" + "x" * 256)

#: What may be anything: the command runs, and sees nothing of outside.
TRICKS: dict[str, Change] = {
    **{f"{name} is a link": linked(name) for name in ("proc", "sys", "dev", "run", "tmp", "etc", "usr/lib/systemd")},
    "hostname is a link": link_text("etc/hostname", "{}/secret"),
    "hostname is a pipe": pipe("etc/hostname"),
    "hostname is a device": node("etc/hostname"),
    "hostname is too long": text("etc/hostname", "x" * 100_000),
    "a unit is a pipe": pipe("etc/systemd/system/a.service"),
    "a unit is a device": node("etc/systemd/system/a.service"),
    "a unit is a link": link_text("usr/lib/systemd/a.service", "{}/secret"),
    "a unit points up": text("etc/systemd/system/a.service", UNIT.format("../../../../../../{}/made")),
    "a unit names a path": text("etc/systemd/system/a.service", UNIT.format("{}/made")),
    "hostname is a directory": folder("etc/hostname"),
    "a unit is a directory": folder("etc/systemd/system/a.service"),
    "units want too many directories": many,
    **{f"a unit names {what}": text("etc/systemd/system/a.service", UNIT.format(name)) for what, name in NAMES.items()},
    "resolv.conf is a directory": folder("etc/resolv.conf"),
    **{f"resolv.conf is a link to {target[:25]}": link_text("etc/resolv.conf", target) for target in TARGETS},
    "resolv.conf points up": link_text("etc/resolv.conf", "/run/../../../../../../..{}/made"),
    "resolv.conf is a link to outside": link_text("etc/resolv.conf", "{}/secret"),
    "resolv.conf is a pipe": pipe("etc/resolv.conf"),
    "resolv.conf is a device": node("etc/resolv.conf"),
}

#: Where a disk is to be mounted: it cannot, and says so.
REFUSED: dict[str, Change] = {
    "the mount point is a link": linked("usr"),
    "the mount point is missing": gone,
    "the mount point is a pipe": a_pipe,
}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A store that is closed, with a system; and a directory outside, where nothing may happen."""
    place = tmp_path / "store"
    place.mkdir(mode=0o700)
    make_tree(place / "root", TREE)
    make_tree(place / "shared", {"usr/gold": "gold", "usr/lib/systemd/system": Dir()})
    make_tree(tmp_path / "outside", {"secret": SECRET, "sub": Dir(), "bin": Dir(), "null": "not a device"})
    yield place


def run(place: Path, mode: Mode) -> Said:
    return confined(System(str(place / "root"), str(place / "shared")), HELLO, mode, network=True)


@contextmanager
def unchanged(place: Path) -> Iterator[None]:
    """Nothing outside is other than before, and nothing is mounted there."""
    outside = place.parent / "outside"
    before = dump_tree(outside)
    yield
    assert dump_tree(outside) == before
    assert str(outside) not in Path("/proc/self/mountinfo").read_text()


@pytest.mark.parametrize("trick", TRICKS)
@pytest.mark.parametrize("mode", MODES)
def test_a_tree_that_is_not_what_it_seems(place: Path, mode: Mode, trick: str) -> None:
    TRICKS[trick](place / "root", place.parent / "outside")
    with unchanged(place):
        said = run(place, mode)
    assert said.text.startswith("hello"), said
    assert SECRET not in said.text


@pytest.mark.parametrize("trick", REFUSED)
@pytest.mark.parametrize("mode", MODES)
def test_a_disk_is_mounted_on_a_directory_or_not_at_all(place: Path, mode: Mode, trick: str) -> None:
    REFUSED[trick](place / "root", place.parent / "outside")
    with unchanged(place), pytest.raises(Failed):
        run(place, mode)


@pytest.mark.parametrize("mode", MODES)
def test_what_is_mounted_comes_from_the_disk(place: Path, mode: Mode) -> None:
    """Its directory for ``usr`` is a link to outside."""
    linked("usr")(place / "shared", place.parent / "outside")
    with unchanged(place), pytest.raises(Failed):
        run(place, mode)


# -- while it is mounted

RENAMEAT2 = {"x86_64": 316, "aarch64": 276, "s390x": 347}
EXCHANGE = 2
SWAPPED = ("usr", "run", "dev", "tmp", "proc", "sys", "etc")
RUNS = 8


def swapping(root: Path, outside: Path) -> int:
    """A process that changes directories for links to outside, and back, for as long as it lives."""
    number = RENAMEAT2[os.uname().machine]
    for name in SWAPPED:
        (root / f"{name}-link").symlink_to(outside)
    child = os.fork()
    if child == 0:
        kernel.libc.prctl(1, 9, 0, 0, 0)  # PR_SET_PDEATHSIG
        top = os.open(root, os.O_PATH)
        names = [(name.encode(), f"{name}-link".encode()) for name in SWAPPED]
        while True:
            for one, other in names:
                kernel.libc.syscall(ctypes.c_long(number), top, one, top, other, EXCHANGE)
                time.sleep(0.0002)
    return child


@pytest.mark.skipif(os.uname().machine not in RENAMEAT2, reason="the number of renameat2 is not known here")
@pytest.mark.parametrize("mode", MODES)
def test_directories_that_are_swapped_for_links_while_they_are_mounted(place: Path, mode: Mode) -> None:
    outside = place.parent / "outside"
    swapper = swapping(place / "root", outside)
    try:
        with unchanged(place):
            for _ in range(RUNS):
                try:
                    said = run(place, mode)
                except GoldrootError:
                    continue  # it could not be put together this time
                assert SECRET not in said.text
    finally:
        os.kill(swapper, 9)
        os.waitpid(swapper, 0)
