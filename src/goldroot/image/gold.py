"""Gold versions: list, compare, verify, retire; opening one is :func:`goldroot.image.gold_version.open_version`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from goldroot import crash
from goldroot.catalog import Copy, GoldVersion, copies, holders_of, images, updates
from goldroot.catalog import gold as catalog_gold
from goldroot.errors import NotFound, Refused
from goldroot.hosts import LIVE, applied, with_mark
from goldroot.image.changes import Change, changes_between
from goldroot.image.gold_version import changes_of, check_genuine, open_version
from goldroot.image.hashes import check_hashes
from goldroot.image.renumber import Renumbered, renumbered
from goldroot.image.slots import home_of
from goldroot.site import DiskRegister, Site
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
    """A copy of a version that was compared with its signed record: by address, what on the disk is not as published."""

    image: str
    number: int
    host: str
    entries: int
    changes: Mapping[str, tuple[Change, ...]]

    @property
    def whole(self) -> bool:
        return not any(self.changes.values())


def verify_gold(
    site: Site, image: str, number: int, *, host: str = "", quick: bool = False, progress: Progress | None = None
) -> Verified:
    """Compare a version's disks with its signed record, reading every byte.

    Where the copy's host has trees of hashes (dm-verity), every block is compared with the signed root hash, too.

    :param host: whose copy; "": of the image's home, or of another host where that has none.
    :param quick: believe the inodes: read only files whose inode, ctime, size or mtime differ from gold's manifest.
    :raises BadSignature: the record, or what stands beside it, is not what was signed, or blocks of an image are not.
    """
    gold = open_version(site, image, number, host)
    gold.check_beside()
    changes, entries = {}, 0
    with gold.open() as opened:
        for address in gold.addresses:
            manifest = gold.manifest(address)
            changes[address] = tuple(changes_of(opened[address], manifest, manifest if quick else None, progress))
            entries += len(manifest)
    if not quick and not any(changes.values()):
        check_hashes(gold)
    return Verified(image, number, gold.host_name, entries, changes)


def retire_gold(site: Site, image: str, number: int, *, remove: bool = False, host: str = "") -> GoldVersion:
    """No new clone and no update goes to this version any more; ``remove`` also frees its slots and removes its disks.

    :param host: remove its copy on this host only; the version stays what it is as long as another host has one.
    :raises Refused: ``remove``, and somebody holds it (on that host); the error names who.
    :raises NotFound: that host has no copy.
    """
    with site.lock(f"image-{image}", doing=f"retirement of {image} {number}"):
        going = removed_by(site, image, number, host) if remove else []
        if not host:
            with site.catalog.begin() as tx:
                done = catalog_gold.retire(tx, image, number)
            if not remove:
                return done
        if not going:
            # A removal that was cut off may have left a disk that no entry names any more.
            home_of(site, image).tidy()
        for copy in going:
            _remove_disks(site, copy)
            with site.catalog.begin() as tx:
                catalog_gold.remove(tx, image, number, copy.host)
        crash.point("retire-removed")
        with site.catalog.read() as tx:
            return catalog_gold.get(tx, image, number)


@dataclass(frozen=True, slots=True)
class Retirement:
    """What follows from the retirement of a version."""

    image: str
    number: int
    was_current: bool  #: clones are told to go to it, where they are told nothing else
    current: int | None  #: where they are told to go after it; ``None``: nowhere
    on_it: tuple[str, ...]  #: clones that are on it, and stay
    under_way: tuple[str, ...]  #: clones whose update to it goes on

    def as_dict(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "was_current": self.was_current, "current": self.current, "on_it": list(self.on_it),
            "under_way": list(self.under_way),
        }  # fmt: skip


def plan_retirement(site: Site, image: str, number: int) -> Retirement:
    """What would follow from :func:`retire_gold`.

    :raises NotFound: there is no such version.
    """
    with site.catalog.read() as tx:
        catalog_gold.get(tx, image, number)
        left = [
            one.number for one in catalog_gold.every(tx, image) if one.state == "published" and one.number != number
        ]
        was = catalog_gold.current(tx, image)
        held = holders_of(tx, image, number)
        going = [one for one in updates.all_in_flight(tx) if (one.image, one.to_version) == (image, number)]
    return Retirement(
        image, number, was is not None and was.number == number, max(left, default=None),
        tuple(one.clone for one in held if one.kind == "clone"), tuple(one.clone for one in going),
    )  # fmt: skip


def restore_gold(site: Site, image: str, number: int, *, plan_only: bool = False) -> GoldVersion:
    """Take a retirement back, while the version's disks are untouched.

    :raises NotFound: there is no such version, or its disks are being removed.
    :raises Refused: its slot has another version, or is empty.
    :raises BadSignature: its record or its disks are not what was published.
    """
    if plan_only:
        site.refuse_held(f"image-{image}")
        return _restorable(site, image, number)
    with site.lock(f"image-{image}", doing=f"restoration of {image} {number}"):
        _restorable(site, image, number)
        with site.catalog.begin() as tx:
            return catalog_gold.restore(tx, image, number)


def _restorable(site: Site, image: str, number: int) -> GoldVersion:
    with site.catalog.read() as tx:
        version = catalog_gold.get(tx, image, number)
        catalog_gold.check_restorable(tx, version)
        there = [one for one in copies.every(tx, image, number) if one.state == "whole"]
    for copy in there if version.state == "retired" else ():
        check_genuine(open_version(site, image, number, copy.host))
    return version


def removed_by(site: Site, image: str, number: int, host: str = "") -> list[Copy]:
    """The copies of a version (on one host, or all) that nobody holds, by the catalog and by the hosts.

    :raises Refused: somebody holds one; the error names who.
    :raises NotFound: there is no such version, or that host has no copy of it.
    """
    with site.catalog.read() as tx:
        version = catalog_gold.get(tx, image, number)
        found = [one for one in copies.every(tx, image, number) if host in ("", one.host)]
        who = [str(holder) for holder in holders_of(tx, image, number, host or None)]
    if version.state == "publishing":
        raise Refused(f"version {number} of {image} is being published", todo="Finish or abandon that first.")
    if host and not found:
        raise NotFound(f"gold version {number} of {image} has no copy on host {host}")
    for copy in found if not who else []:
        links = site.host_named(copy.host).linked(copy.slot_name)
        who += sorted({f"the link {machine} {address}" for machine, address, _ in links})
    if who:
        raise Refused(
            f"version {number} of {image} cannot be removed: it is held by {', '.join(who)}",
            meaning="Nothing was changed.",
            todo="Update or delete those clones, or prune their fallbacks, first.",
        )
    return found


def _remove_disks(site: Site, copy: Copy) -> None:
    """The disks of a copy that nobody holds; a second time it finishes the first."""
    host = site.host_named(copy.host)
    own = DiskRegister(site, host, copy.slot_name, "gold")
    own.tidy()
    entry = host.find(copy.slot_name)
    mark = entry.marks.get(LIVE) if entry is not None else None
    if entry is None or mark is None or (mark.image, mark.version) != (copy.image, copy.version):
        return
    if mark.state != "removing":
        applied(host, with_mark(entry, LIVE, replace(mark, state="removing")))
        crash.point("retire-marked")
    own.remove([disk.id for disk in entry.disks.values()])


def all_versions(site: Site, image: str) -> list[GoldVersion]:
    """All versions that ever were, oldest first."""
    with site.catalog.read() as tx:
        images.get(tx, image)
        return catalog_gold.every(tx, image)
