"""Who uses a disk's directory is seen, whichever way it is used; who only reads is not one who writes."""

from __future__ import annotations

import mmap
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from goldroot.hosts.inuse import user_of

#: A letter that ends a line for Python, not for the kernel.
NAME = "a\x85b"


@contextmanager
def process(use: Callable[[], object]) -> Iterator[int]:
    """A process that does this and stays."""
    ready, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        kept: object = None
        try:
            kept = use()
            os.write(tell, b"1")
            signal.pause()
        finally:
            os._exit(1 if kept is None else 0)
    os.close(tell)
    try:
        assert os.read(ready, 1) == b"1", "it could not do it"
        yield pid
    finally:
        os.close(ready)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@pytest.fixture
def disk(tmp_path: Path) -> str:
    place = tmp_path / "disk"
    place.mkdir()
    (place / NAME).write_bytes(b"x" * mmap.PAGESIZE)
    (place / "below").mkdir()
    (tmp_path / "disk2").mkdir()  # a name that begins like it
    return str(place)


def opened(path: str, flags: int) -> Callable[[], int]:
    return lambda: os.open(path, flags)


def mapped(path: str, access: int) -> Callable[[], mmap.mmap]:
    """Mapped, and the file closed again."""

    def use() -> mmap.mmap:
        with open(path, "r+b") as file:
            return mmap.mmap(file.fileno(), 0, flags=mmap.MAP_SHARED, prot=access)

    def use_closed() -> mmap.mmap:
        kept = use()
        for handle in os.listdir("/proc/self/fd"):  # the map keeps a copy of the file's descriptor
            if os.path.realpath(f"/proc/self/fd/{handle}") == os.path.realpath(path):
                os.close(int(handle))
        return kept

    return use_closed


def test_nobody_uses_what_is_beside_it(disk: str) -> None:
    with process(opened(f"{disk}2", os.O_RDONLY)):
        assert user_of([disk]) is None
        assert user_of([disk], writing=False) is None


def test_an_open_file(disk: str) -> None:
    with process(opened(f"{disk}/{NAME}", os.O_RDONLY)) as pid:
        assert user_of([disk]) is None
        assert f"process {pid} " in str(user_of([f"{disk}2", disk], writing=False))
    with process(opened(f"{disk}/{NAME}", os.O_WRONLY)) as pid:
        assert f"{NAME} open" in str(user_of([disk]))
    assert user_of([disk], writing=False) is None


def test_a_mapped_file(disk: str) -> None:
    with process(mapped(f"{disk}/{NAME}", mmap.PROT_READ)):
        assert user_of([disk]) is None
        assert f"{NAME} mapped" in str(user_of([disk], writing=False))
    with process(mapped(f"{disk}/{NAME}", mmap.PROT_READ | mmap.PROT_WRITE)):
        assert f"{NAME} mapped" in str(user_of([disk]))


def test_where_a_process_works(disk: str) -> None:
    with process(lambda: os.chdir(f"{disk}/below") or True):
        assert f"works in {disk}/below" in str(user_of([disk]))


@pytest.mark.root
def test_where_a_process_has_its_root(disk: str) -> None:
    with process(lambda: os.chroot(disk) or True):
        assert f"has its root in {disk}" in str(user_of([disk]))


@pytest.mark.root
@pytest.mark.skipif(not shutil.which("unshare"), reason="no unshare")
@pytest.mark.parametrize("options", ["--bind", "--bind -o ro"])
def test_where_it_is_mounted_for_others_alone(disk: str, options: str) -> None:
    place = f"{disk}2"
    script = f"mount {options} {disk}/below {place} && echo done && read end"
    command = ["unshare", "--mount", "sh", "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/") as other:
        assert other.stdout is not None
        if other.stdout.readline() != "done\n":
            pytest.skip("nothing can be mounted here")
        for writing in (True, False):
            if writing and "ro" in options:
                assert user_of([disk], writing=True) is None
            else:
                assert f"is mounted at {place}" in str(user_of([disk], writing=writing))
        other.communicate("\n")


@pytest.mark.root
def test_a_process_that_has_ended_is_no_user(disk: str) -> None:
    pid = os.fork()
    if pid == 0:
        os.chdir(disk)
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    try:
        assert user_of([disk], writing=False) is None
    finally:
        os.waitpid(pid, 0)
