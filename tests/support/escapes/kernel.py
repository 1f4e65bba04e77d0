"""System calls for which Python has no function, as the tests of the confinement need them."""

from __future__ import annotations

import ctypes
import os
import platform

NEWNS, NEWUSER = 0x20000, 0x10000000
RDONLY, REMOUNT, BIND, REC, PRIVATE = 1, 32, 4096, 16384, 1 << 18
DETACH = 2

#: add_key(2), keyctl(2): the C library has no functions for them.
KEY_CALLS = {"x86_64": (248, 250), "aarch64": (217, 219), "riscv64": (217, 219), "s390x": (278, 280)}
#: pivot_root(2), for which there is none either.
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "s390x": 217}
SESSION = -3
JOIN_SESSION, SET_PERMISSIONS = 1, 5

libc = ctypes.CDLL(None, use_errno=True)


def checked(result: int, about: str) -> int:
    """The result of a call, or the error that it left."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), about)
    return result


def mount(source: str, target: str, kind: str | None = None, flags: int = 0, data: str | None = None) -> None:
    """mount(2)."""
    words = [None if word is None else os.fsencode(word) for word in (source, target, kind, data)]
    checked(libc.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3]), target)


def unshare(flags: int) -> None:
    """unshare(2)."""
    checked(libc.unshare(flags), "unshare")


def pivot() -> None:
    """The directory that this process is in becomes the root, and the old one is let go."""
    checked(libc.syscall(PIVOT_ROOT[platform.machine()], b".", b"."), "pivot_root")
    checked(libc.umount2(b".", DETACH), "umount")


def handle_of(path: str) -> tuple[int, str] | None:
    """name_to_handle_at(2): kind and bytes (in hexadecimal) of a file's handle; ``None`` where there are none."""

    class Handle(ctypes.Structure):
        _fields_ = (("size", ctypes.c_uint), ("kind", ctypes.c_int), ("bytes", ctypes.c_ubyte * 128))

    handle, number = Handle(size=128), ctypes.c_int()
    if libc.name_to_handle_at(-100, os.fsencode(path), ctypes.byref(handle), ctypes.byref(number), 0) != 0:
        return None
    return handle.kind, bytes(handle.bytes[: handle.size]).hex()


def session_key(name: str, content: str) -> int:
    """A new session keyring with one key, as a login has it; the key's number, -1 where there can be none."""
    calls = KEY_CALLS.get(platform.machine())
    if calls is None:
        return -1
    add, control = calls
    libc.syscall(control, JOIN_SESSION, None)
    text = content.encode()
    return int(libc.syscall(add, b"user", name.encode(), text, ctypes.c_size_t(len(text)), SESSION))


def shared_memory(content: str) -> int:
    """A System V segment that holds the text; its number, -1 where there can be none."""
    libc.shmat.restype = ctypes.c_void_p
    number = int(libc.shmget(0, ctypes.c_size_t(4096), 0o1600))
    if number >= 0:
        at = libc.shmat(number, None, 0)
        ctypes.memmove(at, content.encode() + b"\0", len(content) + 1)
        libc.shmdt(ctypes.c_void_p(at))
    return number
