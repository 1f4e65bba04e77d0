"""Directories as mounts whose owners are other numbers outside than inside a machine (mount_setattr(2), MOUNT_ATTR_IDMAP).

Everything here changes the calling process alone: it is done by a process that lives as long as the machine does.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

# Numbers that are the same on every architecture (asm-generic/unistd.h); flags of linux/mount.h, fcntl.h and sched.h.
_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442
_CLONE, _CLOEXEC, _EMPTY_PATH, _TO_EMPTY_PATH, _FROM_EMPTY_PATH = 1, 0o2000000, 0x1000, 0x40, 0x4
_IDMAP = 0x100000
READ_ONLY, NODEV = 1, 4
_NEWUSER = 0x10000000

_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def shifted(base: int, count: int) -> Iterator[int]:
    """A descriptor of a user namespace whose numbers 0, 1, ... are ``base``, ``base`` + 1, ... outside."""
    reading, writing = os.pipe()
    said, saying = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(writing)
        os.close(said)
        if _libc.unshare(_NEWUSER) == 0:
            os.write(saying, b"1")
        os.close(saying)
        os.read(reading, 1)
        os._exit(0)
    os.close(reading)
    os.close(saying)
    try:
        if not os.read(said, 1):
            raise OSError(0, "this kernel makes no user namespace")
        for name in ("uid_map", "gid_map"):
            with open(f"/proc/{pid}/{name}", "w", encoding="ascii") as file:
                file.write(f"0 {base} {count}\n")
        handle = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(said)
        os.close(writing)
        os.waitpid(pid, 0)
    try:
        yield handle
    finally:
        os.close(handle)


def place(source: int, target: int, attributes: int, namespace: int) -> None:
    """Let a directory stand at another one, with the numbers of a user namespace.

    :param source: descriptor of what is shown there; a file system that cannot be mapped is an ``OSError``.
    :param target: descriptor of where.
    :param namespace: -1: the numbers stay as they are.
    """
    with _shown(source, attributes, namespace) as mount:
        _syscall("move_mount", _MOVE_MOUNT, mount, b"", target, b"", _FROM_EMPTY_PATH | _TO_EMPTY_PATH)


def can_shift(directory: str) -> bool:
    """Whether what is in a directory can be shown with other numbers."""
    try:
        with _opened(directory) as source, shifted(1 << 30, 1) as namespace, _shown(source, 0, namespace):
            return True
    except OSError:
        return False


@contextmanager
def _shown(source: int, attributes: int, namespace: int) -> Iterator[int]:
    """A mount of its own of what a descriptor shows, which stands nowhere yet; see :func:`place`."""
    mount = _syscall("open_tree", _OPEN_TREE, source, b"", _CLONE | _CLOEXEC | _EMPTY_PATH)
    try:
        mapped = (attributes, 0) if namespace < 0 else (attributes | _IDMAP, namespace)
        words = (ctypes.c_uint64 * 4)(mapped[0], 0, 0, mapped[1])
        _syscall("mount_setattr", _MOUNT_SETATTR, mount, b"", _EMPTY_PATH, bytes(words), ctypes.sizeof(words))
        yield mount
    finally:
        os.close(mount)


def aside(directory: str, source: int, namespace: int) -> int:
    """A descriptor of a tree that shows another one, with the numbers of a user namespace, and keeps what is written for itself.

    :param directory: of a file system that goes with this process: what is written is kept there.
    :param source: descriptor of what is shown; it is only read.
    """
    names = {name: os.path.join(directory, name) for name in ("lower", "upper", "work", "merged")}
    for path in names.values():
        os.makedirs(path)
    with _opened(names["lower"]) as lower:
        place(source, lower, READ_ONLY | NODEV, namespace)
    top = os.stat(names["lower"])
    os.chmod(names["upper"], top.st_mode & 0o7777)
    os.chown(names["upper"], top.st_uid, top.st_gid)
    # A path in these options may have no comma and no colon: names that begin here have none.
    before = os.open(".", os.O_PATH | os.O_CLOEXEC)
    try:
        os.chdir(directory)
        options = b"lowerdir=lower,upperdir=upper,workdir=work"
        _checked(_libc.mount(b"overlay", b"merged", b"overlay", ctypes.c_ulong(NODEV), options), "mount")
    finally:
        os.fchdir(before)
        os.close(before)
    return os.open(names["merged"], os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


@contextmanager
def _opened(directory: str) -> Iterator[int]:
    handle = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield handle
    finally:
        os.close(handle)


def below(directory: int, path: str) -> int:
    """A descriptor of a directory below another one; no link is followed on the way."""
    handle = os.dup(directory)
    for step in [step for step in path.split("/") if step]:
        try:
            lower = os.open(step, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=handle)
        finally:
            os.close(handle)
        handle = lower
    return handle


def below_path(directory: str, path: str) -> int:
    """As :func:`below`, of a directory as it looks now: what was mounted there is seen."""
    handle = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        return below(handle, path)
    finally:
        os.close(handle)


def _syscall(what: str, number: int, *words: int | bytes) -> int:
    given = [ctypes.c_long(word) if isinstance(word, int) else ctypes.c_char_p(word) for word in words]
    return _checked(_libc.syscall(ctypes.c_long(number), *given), what)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return result
