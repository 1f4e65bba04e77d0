"""Where the result of a merge appears: whole, or not at all.

A new or empty OUT is built beside its place, as ``.NAME.goldroot-incomplete``, and appears by one rename.  An empty mount
point (and an empty directory whose parent cannot be written) is filled in place, under a marker file that goes last::

    OUT/.goldroot-incomplete     {"request": HASH}: only the same request may start afresh here
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from goldroot.errors import BadInput, Busy

MARKER = b".goldroot-incomplete"
LOST_AND_FOUND = b"lost+found"


@contextmanager
def fresh_output(out: bytes, request: str) -> Iterator[bytes]:
    """Give an empty directory to build in; what is in it becomes OUT when the block ends without an error.

    :param out: OUT's path; it must not exist or be an empty directory.
    :param request: a hash of everything that was asked for, by which the same command knows its own marker.
    :raises BadInput: OUT is not empty, is no directory, or holds another request's unfinished work.
    :raises Busy: another command is building it.
    """
    out = os.path.abspath(out)
    _refuse_unusable(out, request)
    if _in_place(out):
        yield from _fill(out, request)
    else:
        yield from _beside(out)


def _refuse_unusable(out: bytes, request: str) -> None:
    name = os.fsdecode(out)
    try:
        held = os.lstat(out)
    except FileNotFoundError:
        if not os.path.isdir(os.path.dirname(out)):
            raise BadInput(
                f"the place for {name!r} does not exist", todo="Make the directory that OUT shall stand in."
            ) from None
        return
    if not stat.S_ISDIR(held.st_mode):
        raise BadInput(f"{name!r} exists and is no directory", todo="Give a new name, or an empty directory.")
    names = set(os.listdir(out)) - {LOST_AND_FOUND}
    if MARKER in names:
        if _marked_for(out) != request:
            raise BadInput(
                f"{name!r} holds the unfinished work of another merge",
                meaning="It is incomplete and must not be used.",
                todo="Run that same command again to finish it, or empty the directory.",
            )
    elif names:
        raise BadInput(
            f"{name!r} is not empty",
            meaning="Nothing in it was touched.",
            todo="Give a new name, or an empty directory.",
        )


def _marked_for(out: bytes) -> str:
    try:
        with open(out + b"/" + MARKER, "rb") as file:
            return str(json.loads(file.read(4096))["request"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _in_place(out: bytes) -> bool:
    if not os.path.isdir(out):
        return False
    return os.path.ismount(out) or os.path.exists(out + b"/" + MARKER) or not os.access(os.path.dirname(out), os.W_OK)


def _fill(out: bytes, request: str) -> Iterator[bytes]:
    marker = out + b"/" + MARKER
    handle = os.open(out, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _lock(handle, out)
        _write_marker(marker, request)
        _empty(out)
        try:
            yield out
        except BaseException:
            # What is half done is of no use to anyone; if even clearing it fails, the marker says so.
            with suppress(OSError):
                _empty(out)
                os.unlink(marker)
            raise
        os.syncfs(handle) if hasattr(os, "syncfs") else os.sync()
        times = os.stat(out)
        os.unlink(marker)
        os.utime(out, ns=(times.st_atime_ns, times.st_mtime_ns))
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_marker(marker: bytes, request: str) -> None:
    with open(os.open(marker, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_TRUNC, 0o600), "w") as file:
        json.dump({"request": request}, file)
        file.flush()
        os.fsync(file.fileno())


def _empty(out: bytes) -> None:
    for entry in list(os.scandir(out)):
        if entry.name in (MARKER, LOST_AND_FOUND):
            continue
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)


def _beside(out: bytes) -> Iterator[bytes]:
    above, name = os.path.split(out)
    room = os.path.join(above, b"." + name[:200] + b".goldroot-incomplete")
    with suppress(FileExistsError):
        os.mkdir(room, 0o700)
    handle = os.open(room, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _lock(handle, out)
        _empty(room)
        try:
            yield room
            os.rename(room, out)
        except BaseException:
            with suppress(OSError):
                shutil.rmtree(room)
            raise
        _sync_directory(above)
    finally:
        os.close(handle)


def _lock(handle: int, out: bytes) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Busy(
            f"another goldroot command is writing {os.fsdecode(out)!r}", todo="Wait for it, or give another OUT."
        ) from None


def _sync_directory(path: bytes) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
