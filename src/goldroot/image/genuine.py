"""Whether the disks of a gold version are what was published.

It is apart from :mod:`goldroot.image.gold`, since an update needs this of it, and not how one publishes.
"""

from __future__ import annotations

from collections.abc import Iterator

from goldroot.catalog import copies
from goldroot.errors import BadSignature
from goldroot.hosts import Opened
from goldroot.image.changes import Change, changes_between
from goldroot.image.filling import evidence_of
from goldroot.image.gold_version import Gold
from goldroot.image.systems import as_recorded
from goldroot.tree import Manifest, Progress, path_text, scan_tree


def changes_of(
    disk: Opened, manifest: Manifest, known: Manifest | None, progress: Progress | None = None
) -> Iterator[Change]:
    """What on a disk of a version is not as published; files that are as ``known`` says are believed, not read."""
    found = scan_tree(disk.path, known=known, progress=progress).manifest
    return changes_between(manifest, as_recorded(found, manifest))


def check_genuine(gold: Gold) -> None:
    """See that a version's disks are what was published; once for each opening of the site.

    The inodes are believed, or what the host gives as a proof, where it gives one: on a sealed image inodes prove nothing.

    Who works with gold's files does this first: what was written into a slot must not spread to the clones.

    :raises BadSignature: they are not; the error names the first paths.
    """
    what = gold.image, gold.number, gold.host_name
    if what in gold.site.genuine:
        return
    untouched = _untouched(gold)
    if untouched:
        gold.site.genuine.add(what)
        return
    with gold.open() as opened:
        manifests = {address: gold.manifest(address) for address in opened}
        found = {
            address: list(changes_of(opened[address], known, known if untouched is None else None))
            for address, known in manifests.items()
        }
    for address, changed in found.items():
        if changed:
            named = ", ".join("/" + path_text(change.path) for change in changed[:3])
            copied = all(change.only_time for changes in found.values() for change in changes)
            raise BadSignature(
                f"the disk {address} of gold version {gold.number} of {gold.image} is not what was published: {named}"
                + (f" and {len(changed) - 3} more" if len(changed) > 3 else ""),
                meaning="Only times differ, as after a copy that keeps whole seconds. Nothing was taken from it."
                if copied
                else "It was written after it was signed. Nothing was taken from it.",
                todo="If the site was copied: goldroot doctor --repair reads it, and accepts it where it has what was published."
                if copied
                else f"Look with `goldroot gold verify {gold.image} {gold.number}`; put the disk back, or publish again.",
            )
    gold.site.genuine.add(what)


def _untouched(gold: Gold) -> bool | None:
    """Whether the host proves that nobody wrote to the disks since they were sealed; ``None``: it has no proof."""
    with gold.site.catalog.read() as tx:
        copy = copies.find(tx, gold.image, gold.number, gold.host_name)
    then = {} if copy is None else dict(copy.evidence)
    if not then or not all(then.values()):
        return None
    return evidence_of(gold.host, gold.disks) == then
