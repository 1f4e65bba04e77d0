"""Servers that stand on a host already, made by others: they get rows in the catalog, and nothing of them is changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from goldroot.catalog import CloneKind, clones, disks
from goldroot.errors import GoldrootError, Refused
from goldroot.fleet.inputs import Reading, open_clone, read_server
from goldroot.hosts import LIVE, Host, Mark, utc_now
from goldroot.image import open_version
from goldroot.site import Site

#: Where a system says its host name: by the standard, and as SUSE's older releases do.
HOSTNAME = (b"etc/hostname", b"etc/HOSTNAME")


@dataclass(frozen=True, slots=True)
class TakenOver:
    """A server that was taken over; ``unread`` says why its disks could not be read yet, "" where they were."""

    name: str
    version: int
    kind: CloneKind
    new: bool
    unread: str = ""


def take_over_clone(
    site: Site, host: Host, name: str, gold: tuple[str, int], kind: CloneKind, take: Callable[[Mark], Mapping[str, str]]
) -> TakenOver:
    """A server becomes a clone, as it stands; again: nothing.

    :param gold: image and version that it is on.
    :param take: makes its disks goldroot's, with the mark of its live set; gives their ids by address.
    :raises Refused: there is another clone of that name, or its machine's name is another's.
    """
    image, version = gold
    with site.catalog.begin() as tx:
        clone = clones.find(tx, name)
        if clone is None:
            clone = clones.create(tx, name, image, version, kind, host=host.name)
    if (clone.image, clone.version, clone.host) != (image, version, host.name):
        raise Refused(
            f"clone {name} is on {clone.image} {clone.version} at host {clone.host}", meaning="Nothing was changed."
        )
    if clone.state == "active":
        return TakenOver(name, version, clone.kind, new=False)
    ids = take(Mark("live", clone.last, image, name, version, utc_now()))
    with site.catalog.begin() as tx:
        disks.register(
            tx,
            [
                disks.DiskRow(id, host.name, clone.machine, "clone", clone.last, LIVE + address[1:], "made")
                for address, id in ids.items()
            ],
        )
        clones.activate(tx, name)
    unread = _read(site, name)
    return TakenOver(name, version, kind, new=True, unread=unread)


def _read(site: Site, name: str) -> str:
    """What makes it itself and its accounts go into the catalog; why not, where it cannot be read now."""
    with site.catalog.read() as tx:
        clone = clones.get(tx, name)
    hostname, reading, unread = name, None, ""
    try:
        with open_clone(site, clone) as server:
            hostname = _hostname(server.tree.read) or name
            reading = read_server(open_version(site, clone.image, clone.version, clone.host), server.tree)
    except GoldrootError as error:
        unread = error.brief
    with site.catalog.begin() as tx:
        clones.set_identity(tx, name, {"hostname": hostname})
        if isinstance(reading, Reading):
            reading.note(tx, name)
    return unread


def _hostname(read: Callable[[bytes], bytes | None]) -> str:
    for path in HOSTNAME:
        if word := (read(path) or b"").decode("utf-8", "replace").strip():
            return word.split(".")[0]
    return ""
