"""User namespaces: made by a process that does nothing else, and kept by a descriptor."""

from __future__ import annotations

import errno
import os
import sys

from goldroot.system.inside import calls

#: "shift": the numbers of a system are these, plus its own, outside.  Nobody else has them: they end below 2^32 - 1.
BASE, COUNT = 2147483648, 2147483647
SHIFTED = f"0 {BASE} {COUNT}"


def identity() -> tuple[str, str]:
    """Maps of users and groups by which every number that exists here means itself."""
    return _same("uid_map"), _same("gid_map")


def _same(name: str) -> str:
    with open(f"/proc/self/{name}") as file:
        ranges = [line.split() for line in file]
    return "".join(f"{first} {first} {count}\n" for first, _, count in ranges)


def user_namespace(users: str, groups: str) -> int:
    """A descriptor of a new user namespace with these maps, as uid_map and gid_map have them.

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
            raise OSError(int(said), os.strerror(int(said)), "user namespace")
        write_maps(pid, users, groups)
        return os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(done_reading)
        os.close(end)
        os.waitpid(pid, 0)


def write_maps(pid: int | str, users: str, groups: str) -> None:
    """Each as one write, as the kernel wants it (user_namespaces(7))."""
    for name, text in (("uid_map", users), ("gid_map", groups)):
        handle = os.open(f"/proc/{pid}/{name}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(handle, text.encode())
        finally:
            os.close(handle)


def write_own_map(user: int, group: int) -> None:
    """The one map that needs no right at all: this process's user and group are 0."""
    handle = os.open("/proc/self/setgroups", os.O_WRONLY | os.O_CLOEXEC)
    os.write(handle, b"deny")
    os.close(handle)
    write_maps("self", f"0 {user} 1", f"0 {group} 1")


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
