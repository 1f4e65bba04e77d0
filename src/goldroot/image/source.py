"""The root file system of a server that was not made from gold: a directory, an archive, or a server that runs elsewhere.

It is only read.  What comes as an archive is unpacked beside, into a place that goes again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from goldroot.errors import Refused, UsageError
from goldroot.hosts import Host
from goldroot.image.importing import as_root, check_root, with_given_owners
from goldroot.image.remote import remote_host, unpack_remote
from goldroot.image.tarball import unpack
from goldroot.image.unpack import HARMLESS
from goldroot.site import Layout
from goldroot.tree import (
    BLOCK,
    CHAR,
    OTHER_FILE_SYSTEM,
    Entry,
    Manifest,
    Note,
    Progress,
    is_below,
    path_text,
    scan_tree,
)

#: What the kernel or a boot fills: nothing in these is the server's.
AT_BOOT = (b"dev", b"proc", b"sys", b"run", b"tmp")


@dataclass(frozen=True)
class Source:
    """A root file system that can be read for as long as a block lasts.

    ``live``: it may belong to a running system, which writes it meanwhile.
    """

    shown: str
    path: str
    live: bool
    owners: dict[bytes, tuple[int, int]] | None  #: those that an archive names and that could not be set
    notes: tuple[Note, ...]

    def scan(self, layout: Layout, progress: Progress | None, contents: Any) -> tuple[Manifest, tuple[Note, ...]]:
        """All that it has, but for what a boot makes and for devices that a server's own disks should not have.

        :param contents: which files are read; see :func:`goldroot.tree.scan_tree`.
        :raises Refused: one of the layout's paths is on a file system of its own, which is not entered.
        """
        found = scan_tree(self.path, contents=contents, progress=progress, writers="live" if self.live else "unknown")
        manifest = as_root(found.manifest) if self.owners is None else with_given_owners(found.manifest, self.owners)
        self._refuse_hidden(layout, found.notes)
        rows = [row for row in map(Entry._make, manifest.rows()) if not any(is_below(row.path, top) for top in AT_BOOT)]
        notes = [
            *self.notes,
            *(note for note in found.notes if not _is_empty(note.path)),
            *map(_device, filter(_strange, rows)),
        ]
        return Manifest.from_rows((row for row in rows if not _strange(row)), manifest.squashed), tuple(notes)

    def _refuse_hidden(self, layout: Layout, notes: tuple[Note, ...]) -> None:
        hidden = {note.path for note in notes if note.kind == OTHER_FILE_SYSTEM}
        needed = {path for disk in layout.disks for path in disk.paths if path} | {b"etc", b"usr"}
        if lost := sorted(hidden & needed):
            names = ", ".join("/" + path_text(path) for path in lost)
            raise Refused(
                f"{names} of {self.shown} is on a file system of its own, which is not entered from a directory",
                meaning="Without it the server would not be whole. Nothing was made.",
                todo="Read the server with --from ssh:HOST, or make a tar of all of it.",
            )


@contextmanager
def open_source(host: Host, source: str, *, sudo: bool = False, progress: Progress | None = None) -> Iterator[Source]:
    """A server's root file system, open for the block.

    :param host: where an archive is unpacked.
    :param source: a directory, a tar archive, or ``ssh:HOST``.
    :raises BadInput: it is not a root file system, or a hostile or damaged archive.
    :raises ProgramFailed: the server could not be read by ssh.
    """
    remote = remote_host(source)
    if remote is None and sudo:
        raise UsageError("--sudo is for a server that is read by ssh", todo="Run goldroot itself as root.")
    if remote is None and os.path.isdir(source):
        check_root(source)
        yield Source(source, source, True, None, ())
        return
    with host.scratch(0) as where:
        if remote is None:
            done = unpack(source, where.path, progress=progress)
        else:
            done = unpack_remote(remote, where.path, sudo=sudo, progress=progress)
        check_root(where.path, shown=source)
        yield Source(source, where.path, False, done.owners, tuple(done.notes))


def _is_empty(path: bytes) -> bool:
    return any(path == top or is_below(path, top) for top in AT_BOOT)


def _strange(row: Entry) -> bool:
    """Whether it is a device that no jail needs: on a server's own disk it would be a way to the machine's."""
    if row.kind not in (CHAR, BLOCK):
        return False
    return row.kind == BLOCK or tuple(map(int, row.content.split(b":"))) not in HARMLESS


def _device(row: Entry) -> Note:
    return Note("device-not-made", row.path, f"is the device {row.content.decode('ascii')}; left out")
