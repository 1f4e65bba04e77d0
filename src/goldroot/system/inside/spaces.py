"""User namespaces: made by a process that does nothing else, and kept by a descriptor."""

from __future__ import annotations

import errno
import os
import sys

from goldroot.system.inside import calls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: "shift": the numbers of a system are these, plus its own, outside.  Nobody else has them: they end below 2^32 - 1.
BASE, COUNT = 2147483648, 2147483647
SHIFTED = f"0 {BASE} {COUNT}"

#: The name in an error that says: there are none.
WHAT = "user namespace"


def user_namespace(write: Callable[[int], None]) -> int:
    """A descriptor of a new user namespace; ``write`` is given the number of a process in it and writes its maps.

    :raises OSError: the kernel makes no user namespace, or not with such maps.
    """
    done_reading, done = os.pipe()
    end_reading, end = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        # The other ends are closed: whoever waits for this process, or is waited for, sees when the other one is gone.
        os.close(done_reading)
        os.close(end)
        _hold(parent, done, end_reading)
    os.close(done)
    os.close(end_reading)
    try:
        if said := os.read(done_reading, 3):
            raise OSError(int(said), os.strerror(int(said)), WHAT)
        try:
            write(pid)
        except OSError as error:
            raise OSError(error.errno, error.strerror, WHAT) from None
        return os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(done_reading)
        os.close(end)
        os.waitpid(pid, 0)


def shifted(pid: int) -> None:
    """Write the maps of "shift"."""
    _write(pid, uid_map=SHIFTED, gid_map=SHIFTED)


def identical(pid: int) -> None:
    """Write maps by which every number that exists here means itself."""
    _write(pid, uid_map=_same("uid_map"), gid_map=_same("gid_map"))


def single(pid: int) -> None:
    """Write the one map that needs no right at all: this process's user and group are 0."""
    _write(pid, setgroups="deny", uid_map=f"0 {os.geteuid()} 1", gid_map=f"0 {os.getegid()} 1")


def _same(name: str) -> str:
    with open(f"/proc/self/{name}") as file:
        ranges = [line.split() for line in file]
    return "".join(f"{first} {first} {count}\n" for first, _, count in ranges)


def _write(pid: int, **files: str) -> None:
    """Each as one write, as the kernel wants it (user_namespaces(7))."""
    for name, text in files.items():
        handle = os.open(f"/proc/{pid}/{name}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(handle, text.encode())
        finally:
            os.close(handle)


def _hold(parent: int, done: int, end: int) -> None:
    """In the child: be in a new user namespace until the other side has looked at it."""
    try:
        calls.die_with_parent()
        if os.getppid() == parent:
            calls.unshare(calls.NEWUSER)
            calls.die_with_parent()
            os.close(done)
            os.read(end, 1)
    except OSError as error:
        os.write(done, str(error.errno or errno.EPERM).encode())
    finally:
        sys.stderr.flush()
        os._exit(0)
