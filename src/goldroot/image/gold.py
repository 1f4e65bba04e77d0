"""Gold versions: list, compare, verify, retire; opening one is :func:`goldroot.image.gold_version.open_version`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from goldroot import crash
from goldroot.catalog import GoldVersion, holders_of, images
from goldroot.catalog import gold as catalog_gold
from goldroot.errors import Refused
from goldroot.hosts import LIVE, with_mark
from goldroot.image.changes import Change, changes_between
from goldroot.image.genuine import changes_of
from goldroot.image.gold_version import open_version
from goldroot.image.renumber import Renumbered, renumbered
from goldroot.site import Site
from goldroot.system import PackageChange, compare_packages
from goldroot.tree import Manifest, Progress, tree_key


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs between two versions."""

    image: str
    old: int
    new: int
    changes: tuple[Change, ...]
    packages: tuple[PackageChange, ...]
    renumbered: tuple[Renumbered, ...]


def diff_gold(site: Site, image: str, old: int, new: int) -> Difference:
    """Paths, packages and account numbers that differ between two versions that stand in slots."""
    first, second = open_version(site, image, old), open_version(site, image, new)
    found: dict[bytes, Change] = {}
    for address in sorted({*first.addresses, *second.addresses}):
        before = first.manifest(address) if address in first.addresses else Manifest.from_rows(())
        after = second.manifest(address) if address in second.addresses else Manifest.from_rows(())
        found.update((change.path, change) for change in changes_between(before, after))
    return Difference(
        image,
        old,
        new,
        tuple(sorted(found.values(), key=lambda change: tree_key(change.path))),
        tuple(compare_packages(first.packages, second.packages)),
        tuple(renumbered(first.numbers, second.accounts)),
    )


@dataclass(frozen=True, slots=True)
class Verified:
    """A version that was compared with its signed record: by address, what on the disk is not as published."""

    image: str
    number: int
    entries: int
    changes: Mapping[str, tuple[Change, ...]]

    @property
    def whole(self) -> bool:
        return not any(self.changes.values())


def verify_gold(
    site: Site, image: str, number: int, *, quick: bool = False, progress: Progress | None = None
) -> Verified:
    """Compare a version's disks with its signed record, reading every byte.

    :param quick: believe the inodes: read only files whose inode, ctime, size or mtime differ from gold's manifest.
    :raises BadSignature: the record or a manifest is not what was signed.
    """
    gold = open_version(site, image, number)
    changes, entries = {}, 0
    with gold.open() as opened:
        for address in gold.addresses:
            manifest = gold.manifest(address)
            changes[address] = tuple(changes_of(opened[address], manifest, manifest if quick else None, progress))
            entries += len(manifest)
    return Verified(image, number, entries, changes)


def retire_gold(site: Site, image: str, number: int, *, remove: bool = False) -> GoldVersion:
    """No new clone and no update goes to this version any more; ``remove`` also frees its slot and removes its disks.

    :raises Refused: ``remove``, and somebody holds it; the error names who.
    """
    with site.lock(f"image-{image}", doing=f"retirement of {image} {number}"):
        if remove:
            refuse_held_version(site, image, number)
        with site.catalog.begin() as tx:
            done = catalog_gold.retire(tx, image, number)
        if not remove:
            return done
        site.host.tidy()  # a removal that was cut off may have left a disk that no entry names any more
        if done.slot_name is not None:
            _remove_disks(site, done, done.slot_name)
            with site.catalog.begin() as tx:
                catalog_gold.remove(tx, image, number)
        crash.point("retire-removed")
        with site.catalog.read() as tx:
            return catalog_gold.get(tx, image, number)


def _remove_disks(site: Site, version: GoldVersion, slot: str) -> None:
    """The disks of a version that nobody holds; a second time it finishes the first."""
    entry = site.host.find(slot)
    mark = entry.marks.get(LIVE) if entry is not None else None
    if entry is None or mark is None or (mark.image, mark.version) != (version.image, version.number):
        return
    if mark.state != "removing":
        site.host.apply(with_mark(entry, LIVE, replace(mark, state="removing")))
        crash.point("retire-marked")
    for disk in entry.disks.values():
        site.host.delete_disk(disk.id)
        crash.point("retire-disk-removed")


def refuse_held_version(site: Site, image: str, number: int) -> None:
    """A version that anybody holds, by the catalog or by the host, is not removed."""
    with site.catalog.read() as tx:
        version = catalog_gold.get(tx, image, number)
        who = [str(holder) for holder in holders_of(tx, image, number)]
    if not who and version.slot_name is not None:
        who = sorted({f"the link {machine} {address}" for machine, address, _ in site.host.linked(version.slot_name)})
    if who:
        raise Refused(
            f"version {number} of {image} cannot be removed: it is held by {', '.join(who)}",
            meaning="Nothing was changed.",
            todo="Update or delete those clones, or prune their fallbacks, first.",
        )


def all_versions(site: Site, image: str) -> list[GoldVersion]:
    """All versions that ever were, oldest first."""
    with site.catalog.read() as tx:
        images.get(tx, image)
        return catalog_gold.every(tx, image)
