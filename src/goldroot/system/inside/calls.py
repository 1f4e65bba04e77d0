"""System calls for which Python has no function.  Each raises ``OSError``; what is changed is given by descriptor."""

from __future__ import annotations

import ctypes
import errno
import os

libc = ctypes.CDLL(None, use_errno=True)

EMPTY_PATH, RECURSIVE, CLOEXEC = 0x1000, 0x8000, 0o2000000  #: of every call that takes a descriptor (linux/fcntl.h)

# Attributes of a mount (linux/mount.h).
RDONLY, NOSUID, NODEV, NOEXEC, IDMAP = 1, 2, 4, 8, 0x100000

# Namespaces (linux/sched.h).
NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = (
    0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000,
)  # fmt: skip

# These have one number on every architecture that goldroot has a filter for.
_OPEN_TREE, _MOVE_MOUNT, _FSOPEN, _FSCONFIG, _FSMOUNT, _MOUNT_SETATTR = 428, 429, 430, 431, 432, 442
#: machine -> pivot_root, keyctl, rt_sigaction
_NUMBERS = {"x86_64": (155, 250, 13), "s390x": (217, 280, 174), "aarch64": (41, 219, 134)}

#: For mount(2): MS_REMOUNT | MS_BIND, MS_REC | MS_PRIVATE.
_REMOUNT, _PRIVATE = 32 | 4096, 16384 | 1 << 18


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return result


def _syscall(what: str, number: int, *words: int | bytes | None) -> int:
    given = [ctypes.c_long(word) if isinstance(word, int) else ctypes.c_char_p(word) for word in words]
    return _checked(libc.syscall(ctypes.c_long(number), *given), what)


def unshare(flags: int) -> None:
    _checked(libc.unshare(flags), "unshare")


def setns(handle: int, kind: int) -> None:
    _checked(libc.setns(handle, kind), "setns")


def clone_mount(handle: int, path: bytes = b"", *, recursive: bool = False) -> int:
    """A descriptor of a copy of a mount, as seen from ``path`` (from the descriptor itself, where it is empty).

    It stands nowhere yet, and goes with its last descriptor.
    """
    flags = 1 | CLOEXEC | (RECURSIVE if recursive else 0) | (0 if path else EMPTY_PATH)
    return _syscall("open_tree", _OPEN_TREE, handle, path, flags)


#: What a kernel before 5.12 gets by :func:`remount` when the mounts stand, as it has no mount_setattr(2).
_later: list[tuple[int, int]] = []


def set_attributes(mount: int, attributes: int, *, recursive: bool = False, userns: int = 0) -> None:
    """Add attributes to a mount; with :data:`IDMAP`, the map of the user namespace ``userns``.

    An old kernel does it when :func:`remount` is called, until when ``mount`` must be open.
    """
    words = (ctypes.c_uint64 * 4)(attributes, 0, 0, userns)
    flags = EMPTY_PATH | (RECURSIVE if recursive else 0)
    try:
        _syscall("mount_setattr", _MOUNT_SETATTR, mount, b"", flags, bytes(words), ctypes.sizeof(words))
    except OSError as error:
        if error.errno != errno.ENOSYS or attributes & IDMAP:
            raise
        _later.append((mount, attributes))


def place_mount(mount: int, where: int, path: bytes = b"") -> None:
    """Let a mount that stands nowhere stand at a directory or file; no link is followed."""
    _syscall("move_mount", _MOVE_MOUNT, mount, b"", where, path, 0x4 | (0 if path else 0x40))


def new_file_system(kind: str, attributes: int, **options: str) -> int:
    """A mount of a file system of the kernel's own (proc, tmpfs ...) that stands nowhere yet; an option "" is a flag."""
    context = _syscall(kind, _FSOPEN, kind.encode(), 1)
    try:
        for name, value in options.items():
            _syscall(kind, _FSCONFIG, context, 1 if value else 0, name.encode(), value.encode() if value else None, 0)
        _syscall(kind, _FSCONFIG, context, 6, None, None, 0)
        return _syscall(kind, _FSMOUNT, context, 1, attributes)
    finally:
        os.close(context)


def remount() -> None:
    """Give the mounts, which stand now, the attributes that :func:`set_attributes` could not.  Needs ``/proc``."""
    for mount, attributes in _later:
        # What a mount has already stays: the namespace may have locked it.
        kept = os.fstatvfs(mount).f_flag & (os.ST_NOSUID | os.ST_NODEV | os.ST_NOEXEC | os.ST_NOATIME | os.ST_RELATIME)
        flags = ctypes.c_ulong(_REMOUNT | kept | attributes)
        _checked(libc.mount(None, f"/proc/self/fd/{mount}".encode(), None, flags, None), "mount")
    _later.clear()


def private_mounts() -> None:
    """What is mounted from now on is not seen outside, nor the other way round."""
    _checked(libc.mount(b"none", b"/", None, ctypes.c_ulong(_PRIVATE), None), "mount")


def pivot_here() -> None:
    """The working directory, which is a mount, becomes the root; the old root is let go of."""
    _syscall("pivot_root", _NUMBERS[os.uname().machine][0], b".", b".")
    _checked(libc.umount2(b".", 2), "umount")


def new_session_keyring() -> None:
    """The caller's keys stay outside.  A kernel without keyrings has none to keep."""
    try:
        _syscall("keyctl", _NUMBERS[os.uname().machine][1], 1, None)
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise


def set_host_name(name: bytes) -> None:
    _checked(libc.sethostname(name, len(name)), "sethostname")


def prctl(option: int, value: int = 0, other: int = 0) -> int:
    words = [ctypes.c_ulong(word) for word in (value, other, 0, 0)]
    return _checked(libc.prctl(option, *words), f"prctl {option}")


def die_with_parent() -> None:
    """The kernel ends this process with the one that made it.  A change of credentials takes this back: say it again."""
    prctl(1, 9)


def keep_capabilities(kept: int) -> None:
    """Give up all others, for good.  ``kept`` has one bit for each."""
    for number in range(64):
        if not kept >> number & 1 and libc.prctl(24, ctypes.c_ulong(number), 0, 0, 0) < 0:
            if ctypes.get_errno() == 22:  # beyond the last one that this kernel knows
                break
            _checked(-1, "prctl PR_CAPBSET_DROP")
    prctl(47, 4)  # PR_CAP_AMBIENT_CLEAR_ALL
    low, high = kept & 0xFFFFFFFF, kept >> 32
    header, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)(low, low, 0, high, high, 0)
    _checked(libc.capset(header, sets), "capset")


def default_signals() -> None:
    """As a program expects them: Python ignores some, whoever started goldroot (``nohup``) may ignore others.

    Asked of the kernel itself: the C library keeps two signals (32 and 33) to itself and changes them for nobody, but they are
    inherited all the same.
    """
    default = b"\0" * 32  # struct sigaction of the kernel: no handler, no flags, an empty mask
    for number in set(range(1, 65)) - {9, 19}:  # SIGKILL and SIGSTOP cannot be changed
        _syscall("rt_sigaction", _NUMBERS[os.uname().machine][2], number, default, None, 8)


class _Program(ctypes.Structure):
    _fields_ = (("steps", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def filter_calls(program: bytes) -> None:
    """Load a seccomp filter; ``no_new_privs`` must be set."""
    one = _Program(len(program) // 8, program)
    _checked(libc.prctl(22, ctypes.c_ulong(2), ctypes.byref(one), 0, 0), "prctl PR_SET_SECCOMP")


def confine_sockets() -> None:
    """Abstract sockets of others cannot be reached (Landlock, since Linux 6.12); where the kernel cannot, nothing."""
    if libc.syscall(ctypes.c_long(444), None, ctypes.c_long(0), ctypes.c_long(1)) < 6:
        return
    rules = (ctypes.c_uint64 * 3)(0, 0, 1)  # handled: files, network; scoped: abstract sockets
    handle = _syscall("landlock", 444, bytes(rules), ctypes.sizeof(rules), 0)
    _syscall("landlock", 446, handle, 0)
    os.close(handle)
