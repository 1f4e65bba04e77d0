"""Moving about in a tree by directory descriptors.

A :class:`Cursor` opens one directory after the other, each by its one name in its parent and never through a symbolic
link.  So it needs no path that the kernel would call too long, and what somebody exchanges for a link meanwhile is an
error instead of a way out of the tree.
"""

from __future__ import annotations

import os

OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK

#: Descriptors kept open at the top of a path; those deeper are opened again when they are needed.
KEPT_AT_TOP = 32
#: Descriptors kept open at the deep end of a path.
KEPT_BELOW = 32


class Cursor:
    """A place in a tree.  Moving costs an ``open`` per level that is new; staying costs nothing.

    :param root: a descriptor of the tree's own directory; it stays the caller's.
    """

    def __init__(self, root: int) -> None:
        self._names: list[bytes] = []
        self._fds: list[int] = [root]  # one more than names; -1: closed for now
        self._path: bytes | None = b""  # None: somewhere on the way, after an error

    def at(self, directory: bytes) -> int:
        """A descriptor of ``directory`` (``b""``: the tree's own), good until the next call.

        :raises OSError: no directory is there, or a link is.
        """
        if directory == self._path:
            return self._fds[-1]
        self._path = None
        names = directory.split(b"/") if directory else []
        self._up(_common(self._names, names))
        if self._fds[-1] < 0:
            self._up(KEPT_AT_TOP)
        for name in names[len(self._names) :]:
            self._down(name)
        self._path = directory
        return self._fds[-1]

    def close(self) -> None:
        """Close every descriptor but the root's."""
        self._up(0)
        self._path = b""

    def _up(self, depth: int) -> None:
        for fd in self._fds[depth + 1 :]:
            if fd >= 0:
                os.close(fd)
        del self._fds[depth + 1 :], self._names[depth:]

    def _down(self, name: bytes) -> None:
        self._fds.append(os.open(name, OPEN_DIRECTORY, dir_fd=self._fds[-1]))
        self._names.append(name)
        far = len(self._names) - KEPT_BELOW
        if far > KEPT_AT_TOP and self._fds[far] >= 0:
            os.close(self._fds[far])
            self._fds[far] = -1


def _common(left: list[bytes], right: list[bytes]) -> int:
    for count, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return count
    return min(len(left), len(right))


def split(path: bytes) -> tuple[bytes, bytes]:
    """Directory and name of a path; the tree's own directory is ``.`` in itself."""
    directory, _, name = path.rpartition(b"/")
    return directory, name or b"."
