"""Where the result of a merge appears: whole, or not at all.

A new or empty OUT is built beside its place, as ``.NAME.goldroot-incomplete``, and appears by one rename.  An empty mount
point (and an empty directory whose parent cannot be written) is filled in place, under a marker file that goes last::

    OUT/.goldroot-incomplete     {"request": HASH}: only the same request may start afresh here

A process may be killed anywhere.  Against a power failure, the marker goes when all else is on the disk: a disk that is
filled is filled to be used elsewhere.  The rename waits for the disk where that is asked for, as no other program that
copies files waits unasked.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from goldroot.errors import BadInput, Busy, GoldrootError
from goldroot.tree import HELD, mounts_below, read_flags, remove_tree, sync_file_system, write_flags

MARKER = b".goldroot-incomplete"
LOST_AND_FOUND = b"lost+found"


@contextmanager
def fresh_output(out: bytes, request: str, *, sync: bool = False) -> Iterator[bytes]:
    """Give an empty directory to build in; what is in it becomes OUT when the block ends without an error.

    :param out: OUT's path; it must not exist or be an empty directory.
    :param request: a hash of everything that was asked for, by which the same command knows its own marker.
    :param sync: whether what was built shall be on the disk before OUT appears; where OUT is filled in place, it always is.
    :raises BadInput: OUT is not empty, is not a directory, or holds another request's unfinished work.
    :raises Busy: another command is building it.
    """
    out = place_of(out)
    _refuse_unusable(out, request)
    if _in_place(out):
        yield from _fill(out, request)
    else:
        yield from _beside(out, request, sync=sync)


def place_of(out: bytes) -> bytes:
    """OUT's path with every link on the way to it resolved; OUT itself, the last name, is not followed."""
    above, name = os.path.split(out.rstrip(b"/") or b"/")
    return os.path.realpath(out) if name in (b"", b".", b"..") else os.path.join(os.path.realpath(above), name)


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
        raise BadInput(f"{name!r} exists and is not a directory", todo="Give a new name, or an empty directory.")
    names = set(os.listdir(out)) - {LOST_AND_FOUND}
    if MARKER in names:
        marked = _marked_for(out)
        # One without words stands where a command was killed, or found no space, before it had begun anything.
        if marked != request and (marked or names != {MARKER}):
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
    return _is_mount_point(out) or bool(os.listdir(out)) or not os.access(os.path.dirname(out), os.W_OK)


def _is_mount_point(out: bytes) -> bool:
    """Also where the same file system is mounted once more (mount --bind), of which the device says nothing."""
    if os.path.ismount(out):
        return True
    above, name = os.path.split(out)
    handle = os.open(above, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return name in mounts_below(handle)
    finally:
        os.close(handle)


def _fill(out: bytes, request: str) -> Iterator[bytes]:
    marker = out + b"/" + MARKER
    handle = os.open(out, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _lock(handle, out)
        _refuse_unusable(out, request)
        mode = stat.S_IMODE(os.fstat(handle).st_mode)
        _write_marker(handle, marker, request)
        _empty(out)
        try:
            yield out
            sync_file_system(handle, out)
        except BaseException:
            # What is half done is of no use to anyone; if even clearing it fails, the marker says so.
            with suppress(OSError, GoldrootError):
                _empty(out)
                os.unlink(marker)
                os.fchmod(handle, mode)
            raise
        _take_away(handle, marker)
    finally:
        os.close(handle)


def _write_marker(handle: int, marker: bytes, request: str) -> None:
    if not os.access(os.path.dirname(marker), os.W_OK):
        os.fchmod(handle, 0o700)  # an earlier run was killed when it had given OUT its mode
    with open(os.open(marker, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_TRUNC, 0o600), "w") as file:
        json.dump({"request": request}, file)
        file.flush()
        os.fsync(file.fileno())


def _take_away(handle: int, marker: bytes) -> None:
    """Remove the marker of a result that is complete, and leave the directory's mode and time as they are."""
    held = os.fstat(handle)
    if not held.st_mode & stat.S_IWUSR:
        os.fchmod(handle, stat.S_IMODE(held.st_mode) | stat.S_IWUSR)
    with _movable(handle):
        os.unlink(marker)
    if not held.st_mode & stat.S_IWUSR:
        os.fchmod(handle, stat.S_IMODE(held.st_mode))
    os.utime(handle, ns=(held.st_atime_ns, held.st_mtime_ns))
    os.fsync(handle)


@contextmanager
def _movable(handle: int) -> Iterator[None]:
    """Without the flags (immutable, append-only) by which a directory can neither be renamed nor lose a name."""
    flags, project = read_flags(handle) or (0, 0)
    if not flags & HELD:
        yield
        return
    write_flags(handle, flags & ~HELD, project, directory=True)
    yield
    write_flags(handle, flags, project, directory=True)


def _empty(out: bytes) -> None:
    remove_tree(out, keep_top=True, keep=(MARKER, LOST_AND_FOUND))


def _beside(out: bytes, request: str, *, sync: bool) -> Iterator[bytes]:
    above, name = os.path.split(out)
    room = os.path.join(above, b"." + name[:200] + b".goldroot-incomplete")
    with suppress(FileExistsError):
        os.mkdir(room, 0o700)
    handle = os.open(room, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _lock(handle, out)
        _refuse_exchanged(handle, room, out)
        _refuse_unusable(out, request)
        remove_tree(room, keep_top=True, keep=())
        try:
            yield room
            if sync:
                sync_file_system(handle, room)
            with _movable(handle):
                os.rename(room, out)
        except BaseException:
            with suppress(OSError, GoldrootError):
                remove_tree(room)
            raise
        if sync:
            _sync_directory(above)
    finally:
        os.close(handle)


def _refuse_exchanged(handle: int, room: bytes, out: bytes) -> None:
    """Another command may have finished, and taken the directory away, between our opening and locking it."""
    held = os.fstat(handle)
    with suppress(FileNotFoundError):
        now = os.lstat(room)
        if (now.st_dev, now.st_ino) == (held.st_dev, held.st_ino):
            return
    raise Busy(
        f"another goldroot command has just written {os.fsdecode(out)!r}", todo="Look at it, or give another OUT."
    )


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
