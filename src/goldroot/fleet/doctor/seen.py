"""What stands on the hosts of a site, and what its catalog knows of them."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from goldroot.catalog import (
    Clone,
    Copy,
    DiskRow,
    Fallback,
    GoldVersion,
    Tx,
    Update,
    clones,
    copies,
    decisions,
    disks,
    entries,
    gold,
    images,
    label_of_store,
    updates,
)
from goldroot.errors import Busy, Damaged, GoldrootError, Refused
from goldroot.hosts import LIVE, Entry, Host, Mark, is_live
from goldroot.image import is_halfway, open_version
from goldroot.site import begun_renaming

if TYPE_CHECKING:
    from goldroot.hosts.registry import SeenDisk
    from goldroot.site import Site


@dataclass(frozen=True)
class HostSeen:
    """One host; ``trouble`` says why nothing is known of it."""

    name: str
    entries: Mapping[str, Entry] = field(default_factory=dict)
    damaged: Mapping[str, str] = field(default_factory=dict)  #: entry that cannot be read -> why
    disks: Mapping[str, SeenDisk] = field(default_factory=dict)
    leftovers: tuple[str, ...] = ()
    trouble: GoldrootError | None = None

    @cached_property
    def owned(self) -> Mapping[str, tuple[SeenDisk, ...]]:
        """The disks that carry an entry's name in their label."""
        found: dict[str, list[SeenDisk]] = {}
        for disk in self.disks.values():
            found.setdefault(disk.owner, []).append(disk)
        return {owner: tuple(there) for owner, there in found.items()}

    @cached_property
    def named(self) -> Mapping[str, tuple[str, str]]:
        """Disk -> entry and address that name it."""
        return {disk.id: (one.name, a) for one in self.entries.values() for a, disk in one.disks.items()}

    def mark(self, name: str) -> Mark | None:
        """What an entry says of its live set."""
        entry = self.entries.get(name)
        return None if entry is None else entry.marks.get(LIVE)


@dataclass(frozen=True)
class Known:
    """What the catalog has, in one consistent picture."""

    images: Mapping[str, images.Image] = field(default_factory=dict)
    names: Mapping[tuple[str, str], entries.Entry] = field(default_factory=dict)  #: by host and name
    clones: Mapping[str, Clone] = field(default_factory=dict)
    versions: Mapping[tuple[str, int], GoldVersion] = field(default_factory=dict)
    copies: tuple[Copy, ...] = ()
    updates: Mapping[str, tuple[Update, ...]] = field(default_factory=dict)  #: by clone
    fallbacks: Mapping[str, tuple[Fallback, ...]] = field(default_factory=dict)
    asked: Mapping[int, int] = field(default_factory=dict)  #: update -> its questions without an answer
    disks: tuple[DiskRow, ...] = ()


@dataclass(frozen=True)
class Seen:
    """Both, and what commands work on at this moment."""

    site: Site
    hosts: Mapping[str, HostSeen]
    known: Known
    busy: Collection[str] = ()  #: names of locks
    renamed: Collection[tuple[str, str]] = ()  #: old and new names of images: some of what names them has the new one

    def is_busy(self, entry: str, mark: Mark | None = None) -> bool:
        """Whether a command works on what an entry is of, by the entry's mark or the catalog's names."""
        if not self.busy:
            return False
        whose = set(self._owners.get(entry, ()))
        if mark is not None:
            whose.add((mark.server, "" if mark.server else mark.image))
        return any(f"clone-{clone}" in self.busy or f"image-{image}" in self.busy for clone, image in whose)

    @cached_property
    def _owners(self) -> Mapping[str, set[tuple[str, str]]]:
        """Clone and image of an entry's name, on all hosts."""
        found: dict[str, set[tuple[str, str]]] = {}
        for (_, name), one in self.known.names.items():
            found.setdefault(name, set()).add((one.clone, one.image))
        return found


def see_host(site: Site, name: str, names: Collection[str] = ()) -> HostSeen:
    """One host.

    :param names: entries that are to be asked for, where the host cannot say which of its entries is damaged.
    """
    host = site.look_at_host(name)
    try:
        if not host.is_made():
            raise Damaged(
                f"there is no store of host {name} at {host.store!r}",
                todo="Mount it, put it back, or correct its place in goldroot.toml.",
            )
        there: dict[str, Entry] = {}
        damaged: dict[str, str] = {}
        try:
            for entry in host.entries():
                there[entry.name] = entry
        except Damaged as error:
            damaged = {one: why for one in names if one not in there and (why := _damage(host, one))}
            damaged = damaged or {"?": error.brief}
        seen = {id: host.look_at_disk(id) for id in host.disk_ids()}
        for entry in there.values():
            for disk in entry.disks.values():
                if disk.id not in seen:
                    seen[disk.id] = host.look_at_disk(disk.id)
        return HostSeen(name, there, damaged, seen, tuple(host.leftovers()))
    except (GoldrootError, OSError) as error:
        known = error if isinstance(error, GoldrootError) else Damaged(str(error))
        return HostSeen(name, trouble=known)


def _damage(host: Host, name: str) -> str:
    try:
        host.find(name)
    except Damaged as error:
        return error.brief
    return ""


def kind_of(site: Site, entry: Entry, mark: Mark) -> clones.CloneKind | None:
    """What kind of clone an entry is of: with links a read-only one; without, the layout of its gold says it.

    :returns: ``None``: its gold is not known here.
    """
    if any(map(is_live, entry.links)):
        return "read-only"
    try:
        layout = open_version(site, mark.image, mark.version).layout
    except GoldrootError:
        return None
    return "read-write" if any(disk.shared for disk in layout.disks) else "read-only"


def see(site: Site) -> Seen:
    """The hosts first: what they say is never newer than what the catalog may say a moment later."""
    names: dict[str, set[str]] = {}
    with site.catalog.read() as tx:
        for one in entries.every(tx):
            names.setdefault(one.host, set()).add(one.name)
        labels = {name: label_of_store(tx, name) for name in site.config.hosts}
    hosts = {
        name: _refused(site, see_host(site, name, names.get(name, ())), labels[name], names.get(name, set()))
        for name in site.config.hosts
    }
    with site.catalog.read() as tx:
        known = see_catalog(tx)
    renamed = frozenset(_renamed(site, known))
    locks = _busy(site, known, hosts) | _of_renamed(known, {name for names in renamed for name in names})
    return Seen(site, hosts, known, frozenset(locks), renamed)


def _renamed(site: Site, known: Known) -> Iterator[tuple[str, str]]:
    """Images that are being renamed, and those that are renamed already by the site and not by an older catalog."""
    if (begun := begun_renaming(site)) is not None:
        yield begun
        return
    for new in _directories(site.path("images")):
        if new not in known.images:
            yield from ((old, new) for old in known.images if is_halfway(site, old, new))


def _directories(path: str) -> list[str]:
    try:
        return sorted(name for name in os.listdir(path) if os.path.isdir(os.path.join(path, name)))
    except FileNotFoundError:
        return []


def _of_renamed(known: Known, names: Collection[str]) -> set[str]:
    """The locks of what is left out until the renaming is done."""
    servers = {f"clone-{one.name}" for one in known.clones.values() if one.image in names}
    return servers | {f"image-{name}" for name in names}


def _refused(site: Site, seen: HostSeen, label: str, names: set[str]) -> HostSeen:
    """A host whose store is another site's is not compared: everything would seem to be gone."""
    host = site.look_at_host(seen.name)
    if seen.trouble is not None or not label:
        return seen
    there = host.label()
    if there == label or (not there and names & {*seen.entries, *seen.damaged}):
        return seen
    why = (
        "it carries the label of another catalog"
        if there
        else "it carries no label, and nothing that the catalog knows"
    )
    return HostSeen(
        seen.name,
        trouble=Refused(
            f"the store {host.store!r} is not that of this site: {why}",
            todo="Correct its place in goldroot.toml, or put back the catalog that goes with it.",
        ),
    )


def see_catalog(tx: Tx) -> Known:
    """Everything that is compared."""
    of_image = {one.name: one for one in images.every(tx)}
    all_updates: dict[str, list[Update]] = {}
    for update in updates.every(tx):
        all_updates.setdefault(update.clone, []).append(update)
    kept: dict[str, list[Fallback]] = {}
    for one in updates.fallbacks(tx, all_states=True):
        kept.setdefault(one.clone, []).append(one)
    return Known(
        of_image,
        {(one.host, one.name): one for one in entries.every(tx)},
        {one.name: one for one in clones.every(tx)},
        {(name, one.number): one for name in of_image for one in gold.every(tx, name)},
        tuple(copy for name in of_image for copy in copies.every(tx, name)),
        {clone: tuple(rows) for clone, rows in all_updates.items()},
        {clone: tuple(rows) for clone, rows in kept.items()},
        decisions.open_counts(tx),
        tuple(disks.every(tx)),
    )


def _busy(site: Site, known: Known, hosts: Mapping[str, HostSeen]) -> set[str]:
    marks = [mark for host in hosts.values() for name in host.entries if (mark := host.mark(name)) is not None]
    servers = {*known.clones, *(mark.server for mark in marks)} - {""}
    of_images = {*known.images, *(one.image for one in known.names.values()), *(mark.image for mark in marks)} - {""}
    found = set()
    for lock in (*(f"clone-{name}" for name in servers), *(f"image-{name}" for name in of_images)):
        try:
            site.refuse_held(lock)
        except Busy:
            found.add(lock)
    return found
