"""Images and gold versions: what the catalog has against the entries of systems and slots, and the signed records."""

from __future__ import annotations

import os
from collections.abc import Iterator

from goldroot.catalog import Copy
from goldroot.errors import GoldrootError
from goldroot.fleet.doctor.findings import Finding
from goldroot.fleet.doctor.seen import HostSeen, Seen
from goldroot.hosts import LIVE, Entry, Mark
from goldroot.image import read_gold_record, recorded_numbers
from goldroot.site import Site


def compare_images(seen: Seen) -> Iterator[Finding]:
    """What is wrong with images and their gold versions."""
    silent = any(host.trouble is not None for host in seen.hosts.values())
    for old, new in sorted(seen.renamed):
        yield Finding(
            "cut-off", old, f"the renaming of image {old} to {new} was begun, and is not done", seen.known.images[old].host
            if old in seen.known.images else "", command=f"goldroot image rename {old} {new}",
        )  # fmt: skip
    for name in sorted({*seen.known.images, *_on_hosts(seen), *_begun(seen)}):
        if f"image-{name}" in seen.busy:
            continue
        if name not in seen.known.images:
            yield from _unknown(seen, name)
        elif not silent:
            yield from _of_image(seen, name)


def standing(seen: Seen, image: str) -> list[tuple[HostSeen, Entry, Mark]]:
    """The systems and slots of an image that the hosts have."""
    return [
        (host, entry, mark)
        for host in seen.hosts.values()
        for entry in host.entries.values()
        if (mark := entry.marks.get(LIVE)) is not None and mark.image == image and not mark.server
    ]


def _on_hosts(seen: Seen) -> set[str]:
    marks = [mark for host in seen.hosts.values() for name in host.entries if (mark := host.mark(name)) is not None]
    return {mark.image for mark in marks} - {""}


def _begun(seen: Seen) -> set[str]:
    return {one.image for one in seen.known.names.values() if one.image}


def _unknown(seen: Seen, image: str) -> Iterator[Finding]:
    there = standing(seen, image)
    made = [entry.name for _, entry, mark in there if entry.startable or mark.state == "gold"]
    host = there[0][0].name if there else ""
    if made:
        layout = seen.site.image_path(image, "layout.toml")
        whole = os.path.exists(layout)
        yield Finding(
            "image-unknown", image, f"the host has the image {image} ({', '.join(sorted(made)[:4])}), and the catalog does "
            "not know it", host, repair="adopt it" if whole else "",
            command="" if whole else f"put {layout} back from a backup: it says which paths are on which disk", image=image,
        )  # fmt: skip
    elif image in _begun(seen):
        yield Finding(
            "cut-off", image, f"the import of image {image} was begun, and is not done", host,
            repair="give it up: its source is not touched", command=f"goldroot image import {image} --from SOURCE", image=image,
        )  # fmt: skip


def _of_image(seen: Seen, image: str) -> Iterator[Finding]:
    known = seen.known.images[image]
    there = standing(seen, image)
    on_it = [one for one in seen.known.clones.values() if one.image == image]
    if not there:
        yield _without_entries(seen.site, image, known.host, bool(on_it))
        return
    system = next((one for one in seen.known.names.values() if (one.image, one.role) == (image, "maintenance")), None)
    if system is not None and system.name not in {entry.name for _, entry, _ in there}:
        damaged = system.name in seen.hosts[known.host].damaged
        if not damaged:
            yield Finding(
                "system-missing", image, f"the maintenance system {system.name} of image {image} is not there", known.host,
                command=f"put its entry back from a backup (goldroot restore); where its disks are lost: goldroot image import "
                f"{image} --from SOURCE --replace",
            )  # fmt: skip
    yield from _slots_without_names(seen, image, there)
    for copy in seen.known.copies:
        if copy.image == image:
            yield from _of_copy(seen, copy)
    yield from _versions(seen, image, there)


def _without_entries(site: Site, image: str, host: str, used: bool) -> Finding:
    if used:
        return Finding(
            "system-missing", image, f"nothing of image {image} is on its hosts, and servers are on it", host,
            command="put its entries back from a backup (goldroot restore)",
        )  # fmt: skip
    if os.path.isdir(site.image_path(image)):
        return Finding(
            "cut-off", image, f"the deletion of image {image} was begun, and is not done", host,
            command=f"goldroot image delete {image}",
        )  # fmt: skip
    return Finding(
        "image-gone",
        image,
        f"image {image} is in the catalog, and nothing of it is on its host",
        host,
        repair="forget it",
        image=image,
    )


def _slots_without_names(seen: Seen, image: str, there: list[tuple[HostSeen, Entry, Mark]]) -> Iterator[Finding]:
    for host, entry, mark in there:
        if (host.name, entry.name) not in seen.known.names and entry.role == "machine":
            yield Finding(
                "machine-unknown", entry.name, f"{entry.name} says that it is of image {mark.image}, and the catalog does not "
                "know it", host.name,
            )  # fmt: skip


def _of_copy(seen: Seen, copy: Copy) -> Iterator[Finding]:
    """Whether the slot holds what the catalog says."""
    host = seen.hosts.get(copy.host)
    if host is None or copy.slot_name in host.damaged:
        return
    mark = host.mark(copy.slot_name)
    what = f"gold {copy.version} of {copy.image}"
    version = seen.known.versions[copy.image, copy.version]
    if version.state == "publishing":
        yield Finding(
            "cut-off", copy.image, f"the publish of {what} was begun, and is not done", host.name,
            repair="finish it" if _is_gold(mark, copy) else "give it up: nobody has seen it",
            command=f"goldroot gold publish {copy.image}", image=copy.image, version=copy.version,
        )  # fmt: skip
    elif copy.state == "filling" and not _is_gold(mark, copy):
        yield Finding(
            "cut-off", copy.image, f"the copying of {what} to host {copy.host} was begun, and is not done", host.name,
            command=f"goldroot gold replicate {copy.image} {copy.version} --to {copy.host}", image=copy.image,
            version=copy.version,
        )  # fmt: skip
    elif mark is not None and (mark.state, mark.image, mark.version) == ("removing", copy.image, copy.version):
        yield Finding(
            "cut-off", copy.image, f"the removal of {what} was begun, and is not done", host.name,
            command=f"goldroot gold retire {copy.image} {copy.version} --remove", image=copy.image, version=copy.version,
        )  # fmt: skip
    elif not _is_gold(mark, copy) and not (mark is not None and mark.state == "gold"):
        used = [
            one.name for one in seen.known.clones.values() if (one.image, one.version) == (copy.image, copy.version)
        ]
        yield Finding(
            "gold-gone", copy.image, f"{what} is in slot {copy.slot_name} by the catalog, and not by the slot", host.name,
            repair="" if used else "note that it has no disks any more",
            command=f"put the entry {copy.slot_name} back from a backup (goldroot restore): {', '.join(used[:5])} need it"
            if used else "", image=copy.image, version=copy.version,
        )  # fmt: skip


def _is_gold(mark: Mark | None, copy: Copy) -> bool:
    return mark is not None and (mark.state, mark.image, mark.version) == ("gold", copy.image, copy.version)


def _versions(seen: Seen, image: str, there: list[tuple[HostSeen, Entry, Mark]]) -> Iterator[Finding]:
    """Versions that stand in a slot, or have a record, and that the catalog does not have so."""
    whole = {
        (one.version, one.host, one.slot_name)
        for one in seen.known.copies
        if one.image == image and one.state == "whole"
    }
    told = set()
    for host, entry, mark in there:
        if entry.role != "owner" or mark.state != "gold" or (mark.version, host.name, entry.name) in whole:
            continue
        if (known := seen.known.versions.get((image, mark.version))) is not None and known.state == "publishing":
            continue  # told as cut off
        told.add(mark.version)
        yield _unknown_version(seen, image, mark.version, f"stands in slot {entry.name}", host.name)
    being_made = {mark.version for _, _, mark in there if mark.state == "publishing"}
    for number in recorded_numbers(seen.site, image):
        if (image, number) not in seen.known.versions and number not in told | being_made:
            yield _unknown_version(seen, image, number, "has a record, and stands in no slot", "")


def _unknown_version(seen: Seen, image: str, number: int, how: str, host: str) -> Finding:
    try:
        read_gold_record(seen.site, image, number)
    except GoldrootError as error:
        return Finding(
            "gold-unsigned", image, f"gold {number} of {image} {how}: {error.brief}", host, command=error.todo
        )
    return Finding(
        "gold-unknown", image, f"gold {number} of {image} {how}, and the catalog does not say so", host, repair="adopt it",
        image=image, version=number,
    )  # fmt: skip
