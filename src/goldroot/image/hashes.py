"""The root hashes (dm-verity) of a version's sealed disks, signed: one for each copy, as each host packs its own images.

They stand beside the manifests of the copy, as ``hashes.json`` and ``hashes.json.sig``; a host whose disks have no trees of hashes
has neither.  They are apart from the record, which is the same for all copies.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from types import MappingProxyType

from goldroot.errors import BadSignature, Damaged
from goldroot.hosts import Host
from goldroot.image.gold_version import Gold, canonical, copy_directory, directory_of
from goldroot.image.slots import Place
from goldroot.site import Site

SCHEMA = 1
HASHES, SIGNATURE = "hashes.json", "hashes.json.sig"


#: Of a host whose disks have none.
NO_HASHES: Mapping[str, bytes] = MappingProxyType({})


def hash_files(site: Site, place: Place, disks: Mapping[str, str]) -> Mapping[str, bytes]:
    """The files, by name, of what the host has of the disks that it sealed just now.

    :param disks: their ids, by address.
    """
    known = site.host_named(place.host).hashes(list(disks.values()))
    if not known:
        return NO_HASHES
    document = canonical(
        {
            "schema": SCHEMA,
            "image": place.image,
            "version": place.number,
            "host": place.host,
            "disks": {address: known[id] for address, id in disks.items() if id in known},
        }
    )
    return {HASHES: document, SIGNATURE: site.key.sign(document).encode()}


def signed_hashes(gold: Gold) -> Mapping[str, str]:
    """The root hashes of a copy's disks, by address; none where its host had none when it was made.

    :raises BadSignature: they are not what was signed.
    """
    what = f"the root hashes of gold version {gold.number} of {gold.image} on host {gold.host_name}"
    place = copy_directory(gold.site, gold.image, gold.number, gold.host_name)
    if not os.path.isdir(place):
        place = directory_of(gold.site, gold.image, gold.number)
    try:
        with open(os.path.join(place, HASHES), "rb") as file:
            document = file.read()
    except FileNotFoundError:
        return {}
    try:
        with open(os.path.join(place, SIGNATURE), encoding="utf-8", errors="replace") as file:
            signature = file.read()
    except FileNotFoundError:
        raise BadSignature(f"{what} have no signature", todo="Put the image's directory back from a backup.") from None
    gold.site.key.verify(document, signature, what)
    said = json.loads(document)
    if (said["image"], said["version"]) != (gold.image, gold.number):
        raise BadSignature(f"{what} are those of {said['image']} {said['version']}")
    disks: Mapping[str, str] = said["disks"] if said["host"] == gold.host_name else {}
    return disks


def check_hashes(gold: Gold) -> None:
    """Read every block of a copy's disks, and compare it with the signed root hash.

    :raises BadSignature: one is another.
    """
    host: Host = gold.host
    for address, root in signed_hashes(gold).items():
        try:
            host.check_hash(gold.disks[address], root)
        except Damaged as error:
            raise BadSignature(
                f"the disk {address} of gold version {gold.number} of {gold.image} on host {gold.host_name} is not, block by "
                "block, what was sealed",
                meaning=error.brief,
                todo=f"Make that copy again (goldroot gold retire ... --remove --host {gold.host_name}, then goldroot gold "
                "replicate), or publish a new version.",
            ) from error
