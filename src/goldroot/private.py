"""How the files and directories of an older site become their owner's alone; new ones are made so (:mod:`goldroot.files`)."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection, Iterable

from goldroot.errors import NoPermission
from goldroot.files import DIRECTORY_MODE, loose

_HANDLE = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def tighten(paths: Iterable[str], trees: Collection[str], owner: int) -> list[str]:
    """Take everybody else's rights from files and directories, and from all that is in these.

    What is in a directory comes before it, so that the top is still seen to be open where this is cut off.  Links are
    not followed, and work goes by directory descriptor.

    :param paths: in the order in which it is done; what is not there is passed over.
    :param trees: directories that hold trees with modes of their own: what is in these stays as it is.
    :param owner: whose all this is, a user's number.
    :returns: what was changed.
    :raises NoPermission: something is open to others, and cannot be closed to them.
    """
    work = _Tightening({(found.st_dev, found.st_ino) for found in map(os.stat, filter(os.path.isdir, trees))}, owner)
    for path in paths:
        work.close(path, path, None)
    return work.changed


class _Tightening:
    def __init__(self, trees: Collection[tuple[int, int]], owner: int) -> None:
        self.trees = trees
        self.owner = owner
        self.changed: list[str] = []

    def close(self, path: str, name: str, above: int | None) -> None:
        try:
            handle = os.open(name, _HANDLE, dir_fd=above)
        except FileNotFoundError:
            return  # a command that ends just now has removed it
        except OSError as error:
            raise _unchanged(path, error) from error
        try:
            status = os.fstat(handle)
            if stat.S_ISDIR(status.st_mode) and (status.st_dev, status.st_ino) not in self.trees:
                for below in _names(handle):
                    self.close(os.path.join(path, below), below, handle)
            if loose(status):
                self._change(handle, status)
                self.changed.append(path)
        except OSError as error:
            raise _unchanged(path, error) from error
        finally:
            os.close(handle)

    def _change(self, handle: int, status: os.stat_result) -> None:
        if stat.S_ISREG(status.st_mode) and status.st_nlink > 1 and status.st_uid != self.owner:
            raise OSError(errno.EPERM, "it is another user's file, by a second name")
        os.chmod(f"/proc/self/fd/{handle}", status.st_mode & DIRECTORY_MODE)
        if loose(os.fstat(handle)):
            raise OSError(errno.EOPNOTSUPP, "this file system keeps no modes")


def _unchanged(path: str, error: OSError) -> NoPermission:
    return NoPermission(
        f"{path!r} may be open to others, and that cannot be changed: {error.strerror}",
        meaning="Keys, and contents that are secret, stand in what a site keeps. The command was not begun.",
        todo="Run it as the owner of the site. Where this file is another user's, as root: chown it to the site's owner.",
    )


def _names(handle: int) -> list[str]:
    try:
        inside = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=handle)
    except PermissionError:
        return []  # its mode is told on its own
    try:
        return sorted(os.listdir(inside))
    finally:
        os.close(inside)
