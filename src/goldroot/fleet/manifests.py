"""What is known of a disk's tree, so that a scan opens only what changed.

::

    SITE/manifests/
    ├── web1-1B5-u7k2m9q4xa.made     the tree as goldroot wrote it: what was written since is told from it
    └── web1-1B5-u7k2m9q4xa.seen     the tree as the last scan saw it: the cache of the next one
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import replace

from goldroot import files
from goldroot.errors import BadInput, GoldrootError, NoPermission, NoSpace
from goldroot.policy import Policy, worth_reading
from goldroot.site import Site, without_boot_map
from goldroot.tree import FILE, Manifest, Progress, Scan, Writers, scan_tree

MADE, SEEN = "made", "seen"


def load(site: Site, disk: str, which: str = SEEN) -> Manifest | None:
    """A stored manifest of a disk; ``None`` where there is none, or it was damaged: a scan makes it again."""
    try:
        return Manifest.load(_file(site, disk, which), own=True)
    except BadInput:
        return None


def known_count(site: Site, disk: str) -> int | None:
    """What the scan of a disk will count, by what it had when it was last seen, or was made; ``None`` where nobody knows."""
    known = _known(site, disk)
    return None if known is None else counted_twice(known)


def counted_twice(tree: Manifest) -> int:
    """What a scan or a copy counts: each entry when it is found, and when it is read or written."""
    return 2 * len(tree)


def save(site: Site, disk: str, manifest: Manifest, which: str = SEEN) -> None:
    """Store a manifest of a disk, whole."""
    files.make_directory(site.path("manifests"))
    manifest.save(_file(site, disk, which))


def forget(site: Site, disk: str) -> None:
    """Remove what is stored of a disk that is gone."""
    for which in (MADE, SEEN):
        if os.path.exists(path := _file(site, disk, which)):
            os.unlink(path)


def scan_disk(
    site: Site, disk: str, path: str, policy: Policy, *, writers: Writers = "unknown", progress: Progress | None = None,
) -> Scan:  # fmt: skip
    """Scan a disk that is open at ``path``, with what is known of it; state units are read only as far as a merge needs it.

    What was seen is stored for the next scan, where it says more than what is known.

    :param writers: "live" where the server may be running: what vanishes meanwhile is left out.
    """
    known = _known(site, disk)
    with named(disk, path):
        found = scan_tree(path, known=known, contents=worth_reading(policy, b"/"), progress=progress, writers=writers)
    found = replace(found, manifest=without_boot_map(found.manifest))
    if known is None or _signatures(known) != _signatures(found.manifest):
        # Who may only look at a site, or looks at one without room, pays for it with the time that the next scan takes.
        with contextlib.suppress(NoPermission, NoSpace):
            save(site, disk, found.manifest)
    return found


@contextlib.contextmanager
def named(disk: str, path: str) -> Iterator[None]:
    """Errors in the block speak of a disk by its name, and not by where it is open at ``path``: that is a descriptor of this
    process, and means nothing to a person, who reads it when the process has gone.
    """
    try:
        yield
    except GoldrootError as error:
        whole = re.compile(rf"{re.escape(path)}(?![\w.-])(/)?")
        for name in ("brief", "meaning", "todo"):
            text = whole.sub(lambda found: f"{disk}:/" if found[1] else f"the disk {disk}", getattr(error, name))
            setattr(error, name, text)
        raise


def _known(site: Site, disk: str) -> Manifest | None:
    return load(site, disk) or load(site, disk, MADE)


def _signatures(manifest: Manifest) -> tuple[object, ...]:
    columns = manifest.columns
    return columns.inodes, columns.ctimes, columns.paths


def save_made(site: Site, disk: str, path: str, built: Manifest, policy: Policy) -> Manifest:
    """Store a disk as it is now that goldroot has finished it, for both uses; returns it.

    A scan right after the writing trusts no young ctime: somebody might still be writing.  Here nobody is: the commands
    that ran in this system have ended, and no server has it yet.  So what a check wrote into a state unit, where no
    content is read, is known again later, and is not taken for something that the server wrote.
    """
    made = without_boot_map(
        scan_tree(path, known=built, contents=worth_reading(policy, b"/"), writers="ended").manifest
    )
    save(site, disk, made, MADE)
    save(site, disk, made)
    return made


def save_built(site: Site, disk: str, path: str, built: Manifest, policy: Policy) -> None:
    """Store a disk as it was built, for both uses; looked at once more where a file is as young as its making.

    A service writes its state when it is stopped, and an update may copy it in the same second.  Its row has no ctime
    then, and would tell of something that the server wrote since.
    """
    if any(kind == FILE and not ctime for kind, ctime in zip(built.columns.kinds, built.columns.ctimes, strict=True)):
        save_made(site, disk, path, built, policy)
        return
    save(site, disk, built, MADE)
    save(site, disk, built)


def unchanged(before: Manifest, after: Manifest) -> bool:
    """Whether nothing was written between two scans of a disk.

    Equal digests say so of a file that was read; of one that was not, only its inode and ctime do.
    """
    if len(before) != len(after):
        return False
    for old, new in zip(before.rows(), after.rows(), strict=True):
        if old != new and (old[:12] != new[:12] or (old[1] == "f" and not old[7] and old[5])):
            return False
    return True


def written_since(made: Manifest, now: Manifest) -> list[bytes]:
    """The paths that were added, removed or written since a disk was made; directories only for their own changes."""
    old = {row[0]: row for row in made.rows()}
    found = []
    for row in now.rows():
        was = old.pop(row[0], None)
        if was is None or differs(was, row):
            found.append(row[0])
    return sorted([*found, *old])


def differs(was: tuple[object, ...], row: tuple[object, ...]) -> bool:
    """Whether a path was written between two scans of a disk; a directory only by changes of its own."""
    if row[1] == "d":
        return was[1:5] != row[1:5] or was[8:11] != row[8:11]
    if was[1:7] != row[1:7] or was[8:11] != row[8:11]:
        return True
    if was[7] and row[7]:
        return was[7] != row[7]
    # An empty file has no digest, and needs none: the number of its inode may be that of a file which a program has mapped.
    return bool(row[5]) and was[12:] != row[12:]


def _file(site: Site, disk: str, which: str) -> str:
    return site.path("manifests", f"{disk}.{which}")
