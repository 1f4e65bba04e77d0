"""Whether the disks of a gold version are what was published.

It is apart from :mod:`goldroot.image.gold`, since an update needs this of it, and not how one publishes.
"""

from __future__ import annotations

from collections.abc import Iterator

from goldroot.errors import BadSignature
from goldroot.hosts import Opened
from goldroot.image.changes import Change, changes_between
from goldroot.image.gold_version import Gold
from goldroot.image.systems import with_recorded_owners
from goldroot.tree import Manifest, Progress, path_text, scan_tree


def changes_of(
    disk: Opened, manifest: Manifest, known: Manifest | None, progress: Progress | None = None
) -> Iterator[Change]:
    """What on a disk of a version is not as published; files that are as ``known`` says are believed, not read."""
    found = scan_tree(disk.path, known=known, progress=progress).manifest
    return changes_between(manifest, with_recorded_owners(found, manifest))


def check_genuine(gold: Gold) -> None:
    """See that a version's disks are what was published, believing the inodes; once for each opening of the site.

    Who works with gold's files does this first: what was written into a slot must not spread to the clones.

    :raises BadSignature: they are not; the error names the first paths.
    """
    if (gold.image, gold.number) in gold.site.genuine:
        return
    with gold.open() as opened:
        found = {a: list(changes_of(opened[a], manifest, manifest)) for a in opened for manifest in [gold.manifest(a)]}
    for address, changed in found.items():
        if changed:
            named = ", ".join("/" + path_text(change.path) for change in changed[:3])
            raise BadSignature(
                f"the disk {address} of gold version {gold.number} of {gold.image} is not what was published: {named}"
                + (f" and {len(changed) - 3} more" if len(changed) > 3 else ""),
                meaning="It was written after it was signed. Nothing was taken from it.",
                todo=f"Look with `goldroot gold verify {gold.image} {gold.number}`; put the disk back, or publish anew.",
            )
    gold.site.genuine.add((gold.image, gold.number))
