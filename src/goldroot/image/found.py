"""Gold versions that stand on the host and that an older catalog does not know, or has as begun.

Nobody can link a version before it is visible.  So a slot that a machine links, and whose disks are those of a signed
record, holds a version that was published: its record is what the catalog's row is made from again.
"""

from __future__ import annotations

import os

from goldroot.catalog import gold as catalog_gold
from goldroot.image.gold_version import SIGNATURE, directory_of, read_gold_record
from goldroot.image.slots import add_configured
from goldroot.site import Site


def find_linked(site: Site, image: str, slot: str) -> int | None:
    """Note the version in a slot that a machine links as published, where the catalog does not have it so.

    :returns: its number; ``None`` where the slot does not hold what a signed record says.
    :raises BadSignature: its record is not what a signer of this site signed.
    """
    machine = site.former.find(slot)
    numbers = (
        {disk.disk.removeprefix(f"{image}.gold.").partition(".")[0] for disk in machine.disks.values()}
        if machine
        else set()
    )
    if machine is None or len(numbers) != 1 or not (text := numbers.pop()).isdecimal():
        return None
    number = int(text)
    with site.catalog.read() as tx:
        known = catalog_gold.find(tx, image, number)
    if known is not None and known.state != "publishing":
        return number if known.slot_name == slot else None
    record = read_gold_record(site, image, number)
    if record["slot"] != slot or {a: d["disk"] for a, d in record["disks"].items()} != {
        a: disk.disk for a, disk in machine.disks.items()
    }:
        return None
    with open(os.path.join(directory_of(site, image, number), SIGNATURE), encoding="utf-8") as file:
        signature = file.read()
    add_configured(site, image)
    with site.catalog.begin() as tx:
        catalog_gold.found(tx, image, number, slot, record=record, signature={"ssh": signature})
    return number
