"""What makes a server itself and comes with a new gold for the first time: a service arrives with an update, its key does not.

Class ``identity`` is the server's always, so a host key of gold's never comes to a server; and what a state unit of gold's brings
(a DHCP id) would be the same on all servers.  What the old gold had already, and the server deleted, stays deleted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from goldroot.sshsig import Kind
from goldroot.system.identity import SSH, host_key, key_kinds, make_host_key
from goldroot.system.identity_made import (
    DBUS_ID,
    MACHINE_ID,
    SNAKEOIL,
    SNAKEOIL_KEY,
    make_contents,
    new_machine_id,
    to_make,
)
from goldroot.system.identity_places import to_remove
from goldroot.system.own_disks import OwnDisks


@dataclass(frozen=True, slots=True)
class UpdateTrees:
    """The own disks of one update: of the old gold, the new gold, the server, and of the merge's result."""

    base: OwnDisks
    gold: OwnDisks
    clone: OwnDisks
    result: OwnDisks

    def is_first(self, path: bytes) -> bool:
        """Whether neither the old gold nor the server has something there."""
        return not self.base.kind(path) and not self.clone.kind(path)

    def is_made(self, path: bytes) -> bool:
        """Whether the result has something there that is not gold's: an earlier attempt made it."""
        return bool(self.result.kind(path)) and self.result.read(path) != self.gold.read(path)


@dataclass(frozen=True, slots=True)
class FirstIdentity:
    """What was done; paths without a leading slash."""

    made: tuple[bytes, ...] = ()  #: now, or by an earlier attempt
    removed: tuple[bytes, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.made or self.removed)


def make_first(trees: UpdateTrees, hostname: str, room: str) -> FirstIdentity:
    """Make in a result what its server must have of its own since this gold; done again, it changes nothing.

    :param room: an empty directory of this command's own, for keys until they are in their place.
    """
    result = trees.result
    wanted = list(_wanted(trees))
    missing = [path for path in wanted if not trees.is_made(path)]
    contents = make_contents(missing, trees.gold, hostname, room) | _machine_ids(trees, missing)
    for path, content in contents.items():
        result.put_like(path, content, trees.gold)
    for kind in _kinds(trees):
        if not result.kind(host_key(kind)):
            make_host_key(result, kind, hostname, room)
        wanted += [host_key(kind), host_key(kind) + b".pub"]
    removed = [path for path in to_remove(trees.gold) if trees.is_first(path) and result.kind(path)]
    for path in removed:
        result.remove(path)
    return FirstIdentity(tuple(wanted), tuple(removed))


def _wanted(trees: UpdateTrees) -> Iterator[bytes]:
    pair = (SNAKEOIL_KEY, SNAKEOIL)
    # A key and its certificate belong together: who has the one is not given the other.
    whole = all(trees.is_first(path) for path in pair)
    ids = (path for path in (MACHINE_ID, DBUS_ID) if trees.gold.kind(path) == "file")
    for path in (*ids, *to_make(trees.gold)):
        if whole if path in pair else trees.is_first(path):
            yield path


def _machine_ids(trees: UpdateTrees, wanted: Collection[bytes]) -> dict[bytes, bytes]:
    found = {MACHINE_ID: new_machine_id()} if MACHINE_ID in wanted else {}
    if DBUS_ID in wanted:
        found[DBUS_ID] = found.get(MACHINE_ID) or trees.result.read(MACHINE_ID) or new_machine_id()
    return found


def _kinds(trees: UpdateTrees) -> list[Kind]:
    """The kinds of host keys that the new gold's servers have, and the old one's had not."""
    if trees.result.kind(SSH) != "directory":
        return []
    had = key_kinds(trees.base)
    return [
        kind for kind in key_kinds(trees.gold)
        if kind not in had and not trees.clone.kind(host_key(kind))
    ]  # fmt: skip
