"""Gold that stands on a host already, made by others: it gets a number and a signed record, and nothing of it is changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from goldroot import files
from goldroot.accounts import AccountTables
from goldroot.catalog import copies, disks, images
from goldroot.catalog import gold as catalog_gold
from goldroot.errors import NotFound, Refused
from goldroot.hosts import Host, find_entry
from goldroot.image.importing import facts_of
from goldroot.image.publish import PublishPlan, write_record
from goldroot.image.systems import MAINTENANCE, System, fingerprint
from goldroot.site import Layout, Site
from goldroot.system import read_packages
from goldroot.tree import Progress, scan_tree


@dataclass(frozen=True, slots=True)
class VersionTakenOver:
    """A version by what its record says of it."""

    image: str
    number: int
    note: str


def take_over_image(
    site: Site, image: str, layout: Layout, host: Host, slot_count: int, gold: Mapping[str, str]
) -> None:
    """An image whose disks are there already; again: nothing.

    :param gold: the ids of the disks of its newest gold, by address: what system it is, is read there.
    :raises Refused: there is one of another layout, or one of its names is another's.
    """
    with site.catalog.read() as tx:
        known = next((one for one in images.every(tx) if one.name == image), None)
    if known is not None:
        if known.layout != layout.name:
            raise Refused(f"image {image} has the layout {known.layout}", todo="Adopt with that layout.")
        return
    files.make_directory(site.image_path(image))
    files.write(site.image_path(image, "layout.toml"), layout.source.encode())
    addresses = {layout.disk_of(path).address for path in (b"etc", b"usr")}
    with host.open_disks({gold[address]: "ro" for address in addresses}) as opened:
        facts = facts_of(layout, {address: opened[gold[address]].path for address in addresses})
    with site.catalog.begin() as tx:
        images.create(tx, image, layout.name, facts, slot_count=slot_count, host=host.name)
        images.touched(tx, image, MAINTENANCE)


def take_over_version(
    site: Site, image: str, number: int, slot: str, host: Host, *, progress: Progress | None = None
) -> bool:
    """What stands in a slot becomes a published version: read, recorded, signed; again: nothing.

    Its entry says that it is gold, of this image and number.

    :returns: whether it is new.
    :raises NotFound: the image has no such slot.  :raises Refused: another version has that slot or number.
    """
    with site.catalog.read() as tx:
        place = next((one for one in copies.all_slots(tx, image, host.name) if one.name == slot), None)
        known = catalog_gold.find(tx, image, number, host.name)
    if place is None:
        raise NotFound(f"image {image} has no slot {slot}", todo="Give the image more slots in goldroot.toml.")
    if known is not None and known.state == "published" and known.slot_name == slot:
        return False
    if known is not None or place.version is not None:
        raise Refused(f"gold version {number} of {image} is not what stands in {slot}", meaning="Nothing was changed.")
    site.key.ready()
    system = System(site, image, MAINTENANCE)
    layout = system.layout
    entry = find_entry(host, slot)
    ids = {address: disk.id for address, disk in entry.disks.items() if address in {d.address for d in layout.disks}}
    with host.open_disks(dict.fromkeys(ids.values(), "ro")) as opened:
        paths = {address: opened[id].path for address, id in ids.items()}
        manifests = {address: scan_tree(path, progress=progress).manifest for address, path in paths.items()}
        tables = AccountTables.read(paths[layout.disk_of(b"etc").address], b"etc")
        packages = read_packages(layout, paths)
    with site.catalog.read() as tx:
        state = fingerprint(layout, manifests)
        untested = images.untested_forms(tx, image, state)
    plan = PublishPlan(
        image, state, untested, (), (), packages, manifests, tuple(packages.notes), layout.disk_of(b"etc").address
    )
    version = VersionTakenOver(image, number, f"adopted as it stood in {slot}")
    record, signature = write_record(system, plan, version, tables, manifests)
    with site.catalog.begin() as tx:
        catalog_gold.found(tx, image, number, place, record=record, signature={"ssh": signature})
        rows = [
            disks.DiskRow(id, host.name, slot, "gold", entry.marks["1"].by, address, "made")
            for address, id in ids.items()
        ]
        disks.register(tx, rows)
    return True
