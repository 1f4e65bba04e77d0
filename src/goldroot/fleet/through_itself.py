"""A running server that is read through itself: where its host cannot read its disks meanwhile, a reader goes there by ssh.

What there is on its own disks comes first, all files as holes; then the contents of those that a merge reads.  It stands in
a place of its own, which goes again, and nothing of it is believed more than any archive is.  Files may change while they
are read: it is a torn view, and said to be one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from goldroot.errors import ProgramFailed, StillRunning
from goldroot.files import parent_of
from goldroot.hosts import Host
from goldroot.policy import Policy, worth_reading
from goldroot.site import Layout, Reach
from goldroot.tree import FILE, Note, Progress, Scan, scan_tree

#: What no merge reads may be a database of any size; a small file is read in any case.
_SMALL = 64 << 10
#: Databases of packages: a merge looks up in them what belongs to whom.
_LOOKED_UP = (b"var/lib/dpkg/", b"var/lib/rpm/")
_FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Copied:
    """What was read of one disk, see :class:`goldroot.hosts.Opened`."""

    path: str
    handle: int
    owners: Mapping[bytes, tuple[int, int]]  #: that could not be set
    notes: tuple[Note, ...]
    exact: bool = False

    def scan(self, policy: Policy, progress: Progress | None) -> Scan:
        """Its tree.  Inodes and times of changes are not the server's, so nothing is kept for a later scan."""
        from goldroot.image import with_given_owners

        found = scan_tree(self.path, contents=worth_reading(policy, b"/"), progress=progress)
        return Scan(with_given_owners(found.manifest, self.owners), (*self.notes, *found.notes))


@contextmanager
def read_through_itself(
    host: Host, reach: Reach, layout: Layout, addresses: list[str], policy: Policy
) -> Iterator[Mapping[str, Copied]]:
    """The own disks of a running server, by their live addresses, for the block.

    :param host: where the copies stand meanwhile.
    :raises StillRunning: the server cannot be read in this way either; why.
    """
    with host.scratch(0) as room:
        found = {}
        try:
            for address in addresses:
                found[address] = _read_disk(reach, layout, address, os.path.join(room.path, address), policy)
            yield found
        except ProgramFailed as error:
            raise StillRunning(
                f"{reach.host} runs, and could not be read through itself: {error.brief}",
                meaning="Its host cannot read its disks while it runs. Nothing was changed.",
                todo=error.todo,
            ) from error
        finally:
            for disk in found.values():
                os.close(disk.handle)


def _read_disk(reach: Reach, layout: Layout, address: str, place: str, policy: Policy) -> Copied:
    from goldroot.image import read_contents, read_hollow  # here: an update loads nothing of archives

    tree, more = os.path.join(place, "tree"), os.path.join(place, "contents")
    os.makedirs(tree)
    os.makedirs(more)
    tops = layout.disk(address).paths
    others = [bind.path for bind in layout.binds() if bind.address != address and bind.path]
    skip = [path for path in others if any(path.startswith(top + b"/") for top in tops)]
    done = read_hollow(reach, tops, skip, tree)
    wanted = _wanted(tree, worth_reading(policy, b"/"))
    came = read_contents(reach, wanted, more) if wanted else None
    gone = [path for path in wanted if not _filled(tree, more, path)]
    owners = {**done.owners, **(came.owners if came else {})}
    notes = [
        Note(
            "read-through-itself", b"", f"read by ssh from {reach.host} while it ran: files may have changed meanwhile"
        ),
        *(note for note in done.notes if note.kind != "mount-left-out"),
        *(Note("vanished", path, "it was deleted while the tree was read") for path in gone),
    ]
    shutil.rmtree(more)
    handle = os.open(tree, os.O_RDONLY | os.O_DIRECTORY | _FLAGS)
    return Copied(tree, handle, owners, tuple(notes))


def _wanted(tree: str, worth: Callable[[bytes], bool]) -> list[bytes]:
    """The files whose contents are asked for; an empty one has none."""
    rows = scan_tree(tree, contents=False).manifest.rows()
    return [
        path
        for path, kind, _mode, _uid, _gid, size, *_ in rows
        if kind == FILE and size and (size <= _SMALL or worth(path) or path.startswith(_LOOKED_UP))
    ]


def _filled(tree: str, more: str, path: bytes) -> bool:
    """Put what came into a file that is a hole; one that did not come has gone meanwhile, and goes here, too."""
    with parent_of(tree, path) as (directory, name):
        try:
            with (
                parent_of(more, path) as (above, same),
                open(os.open(same, os.O_RDONLY | _FLAGS, dir_fd=above), "rb") as new,
            ):
                status = os.fstat(new.fileno())
                with open(os.open(name, os.O_WRONLY | os.O_TRUNC | _FLAGS, dir_fd=directory), "wb") as out:
                    shutil.copyfileobj(new, out, 1 << 20)
                os.utime(name, ns=(status.st_mtime_ns, status.st_mtime_ns), dir_fd=directory, follow_symlinks=False)
        except OSError:
            before = os.stat(".", dir_fd=directory)
            os.unlink(name, dir_fd=directory)
            os.utime(".", ns=(before.st_atime_ns, before.st_mtime_ns), dir_fd=directory)
            return False
    return True
