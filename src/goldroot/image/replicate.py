"""Copies of a gold version on other hosts, for the servers there.

The order is that of a publish: the catalog takes a slot of the host, its disks are built from another host's sealed ones
and sealed, the slot says that it holds gold, and last the catalog says that the copy is whole.  Killed anywhere, nobody sees a
part of it, and the same command begins again in the same slot.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass

from goldroot import crash, files
from goldroot.catalog import Copy, copies
from goldroot.catalog import gold as catalog_gold
from goldroot.errors import BadSignature, Refused
from goldroot.hosts import Opened
from goldroot.image.filling import Filled, fill_slot, mark_gold
from goldroot.image.found import find_replicated
from goldroot.image.gold_version import Gold, check_genuine, copy_directory, open_version
from goldroot.image.hashes import hash_files
from goldroot.image.slots import Place, clear, next_slot, prepared, tidy
from goldroot.image.systems import as_recorded
from goldroot.site import DiskRegister, Site
from goldroot.tree import Manifest, Note, Progress, scan_tree


@dataclass(frozen=True, slots=True)
class Replicated:
    """A copy that was made."""

    copy: Copy
    source: str  #: the host whose disks it was made from
    notes: tuple[Note, ...] = ()
    new: bool = True  #: ``False``: it was there already


@dataclass(frozen=True, slots=True)
class ReplicatePlan:
    """What a replication will do."""

    image: str
    number: int
    source: str
    host: str
    slot: str
    leaves: int | None  #: the version that would leave that slot; nobody on that host holds it
    there: bool  #: the copy is there already, and nothing will be done


def plan_replicate(site: Site, image: str, number: int | None, to: str) -> ReplicatePlan:
    """What :func:`replicate_gold` would do; the same refusals."""
    host = site.host_named(to)
    gold = _source(site, image, number)
    with site.catalog.read() as tx:
        known = copies.find(tx, image, gold.number, to)
    if known is not None and known.state == "whole":
        return ReplicatePlan(image, gold.number, gold.host_name, to, known.slot_name, None, there=True)
    slot, leaves = (known.slot_name, None) if known is not None else next_slot(site, image, host)
    return ReplicatePlan(image, gold.number, gold.host_name, to, slot, leaves, there=False)


def replicate_gold(
    site: Site, image: str, number: int | None, to: str, *, progress: Progress | None = None
) -> Replicated:
    """Make a copy of a published version (the current one without a number) on a host; again: nothing.

    :raises NotFound: there is no such host or version, or it has no disks anywhere.
    :raises Refused: the version is retired, or a publish on that host was cut off.
    :raises NoFreeSlot: every slot there is held; the error names by whom.
    :raises BadSignature: the disks that it would be made from are not what was published.
    """
    host = site.host_named(to)
    with site.lock(f"image-{image}", doing=f"replication of {image} to {to}"):
        find_replicated(site, image)
        gold = _source(site, image, number)
        with site.catalog.read() as tx:
            known = copies.find(tx, image, gold.number, to)
        if known is not None and known.state == "whole":
            return Replicated(known, gold.host_name, new=False)
        check_genuine(gold)
        place = _begin(site, gold, to)
        crash.point("replicate-begun")
        clear(site, place)
        with tidy(site, place):
            with gold.open() as sources:
                manifests = {address: _as_it_stands(gold, address, sources[address]) for address in gold.addresses}
                own = DiskRegister(site, host, place.slot, "gold")
                filled = fill_slot(own, sources, manifests, gold.layout, progress)
            _check_same(gold, filled.manifests)
            _write_beside(site, place, filled)
        crash.point("replicate-recorded")
        mark_gold(host, place.slot)
        with site.catalog.begin() as tx:
            copies.finish(tx, image, gold.number, to)
            copies.note_evidence(tx, image, gold.number, to, filled.evidence)
        crash.point("replicate-finished")
        with site.catalog.read() as tx:
            done = copies.find(tx, image, gold.number, to)
        assert done is not None
        return Replicated(done, gold.host_name, filled.notes)


def _as_it_stands(gold: Gold, address: str, source: Opened) -> Manifest:
    """A disk of the source with the inodes that it has now: a store that came from a backup has others than at publishing."""
    known = gold.manifest(address)
    return as_recorded(scan_tree(source.path, known=known).manifest, known)


def _source(site: Site, image: str, number: int | None) -> Gold:
    gold = open_version(site, image, number)
    with site.catalog.read() as tx:
        known = catalog_gold.get(tx, image, gold.number)
    if known.state != "published":
        raise Refused(
            f"gold version {gold.number} of {image} is {known.state}",
            meaning="No server would be made from a copy of it, or moved to it.",
            todo="Take a published version.",
        )
    return gold


def _begin(site: Site, gold: Gold, to: str) -> Place:
    with site.catalog.read() as tx:
        begun = [one for one in catalog_gold.every(tx, gold.image) if one.state == "publishing" and one.host == to]
    if begun:
        raise Refused(
            f"a publish of {gold.image} on host {to} was cut off",
            meaning="It has a slot there, which is filled in part. Nothing was copied.",
            todo=f"Finish it first: goldroot gold publish {gold.image}",
        )
    linked = prepared(site, gold.image, site.host_named(to))
    with site.catalog.begin() as tx:
        copy = copies.begin(tx, gold.image, gold.number, to, linked)
    return Place(gold.image, gold.number, to, copy.slot_name)


def _check_same(gold: Gold, manifests: Mapping[str, Manifest]) -> None:
    """:raises BadSignature: a copy is not what was signed."""
    for address, manifest in manifests.items():
        if manifest.digest() != gold.record["disks"][address]["digest"]:
            raise BadSignature(
                f"the copy of {address} of gold version {gold.number} of {gold.image} is not what was published",
                meaning="The host cannot keep everything that gold has: owners, attributes or times. Nothing was kept of it.",
                todo="Look at the file system of that host's store.",
            )


def _write_beside(site: Site, place: Place, filled: Filled) -> None:
    """The manifests with the copy's own inodes, put in place by one rename."""
    final = copy_directory(site, place.image, place.number, place.host)
    new = f"{final}.new"
    shutil.rmtree(new, ignore_errors=True)
    files.make_directory(new)
    for address, manifest in filled.manifests.items():
        manifest.save(os.path.join(new, f"{address}.manifest"))
    for name, content in hash_files(site, place, filled.ids).items():
        files.write(os.path.join(new, name), content)
    os.rename(new, final)
