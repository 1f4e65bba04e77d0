"""The sides of a merge of a clone: gold's trees as they are stored, a clone's as they are scanned now."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from goldroot.accounts import AccountTables
from goldroot.conflicts import Decisions
from goldroot.errors import Refused
from goldroot.fleet import manifests
from goldroot.fleet.prefetch import Prefetch
from goldroot.hosts import Access, Host, Opened, View
from goldroot.image import Gold
from goldroot.merge import Part, Plan, Tree, plan_merge
from goldroot.policy import Policy
from goldroot.site import Layout, Site
from goldroot.system import OwnDisks
from goldroot.tree import Manifest, Note, Progress

#: Gives, for the name of a stage, what is called with the number of entries done since the last call.
Stage = Callable[[str], Progress | None]


def silent(name: str) -> Progress | None:
    """A stage that nobody watches."""
    return None


@dataclass(frozen=True)
class Server:
    """A server's own disks, open: their ids and what they are opened as, by live address."""

    layout: Layout
    ids: Mapping[str, str]
    opened: Mapping[str, Opened]

    @property
    def tree(self) -> OwnDisks:
        """The disks as one tree."""
        return OwnDisks(self.layout, {address: disk.path for address, disk in self.opened.items()})


@contextmanager
def open_own(
    host: Host, layout: Layout, ids: Mapping[str, str], access: Access = "ro", *, view: View = "still"
) -> Iterator[Server]:
    """Disks (ids by live address), open for the block."""
    with host.open_disks(dict.fromkeys(ids.values(), access), view=view) as opened:
        yield Server(layout, ids, {address: opened[id] for address, id in ids.items()})


@dataclass(frozen=True)
class Side:
    """One side: the tree of each disk by its live address, and the account tables."""

    trees: Mapping[str, Tree]
    accounts: AccountTables
    notes: tuple[Note, ...] = field(default=())

    @property
    def manifests(self) -> dict[str, Manifest]:
        """The manifests by address."""
        return {address: tree.manifest for address, tree in self.trees.items()}


#: Disks by live address, open.
Disks = Mapping[str, Opened]


def gold_side(gold: Gold, opened: Disks) -> Side:
    """A gold version's side, from what was stored when it was published: nothing is scanned."""
    trees = {address: Tree(os.fsencode(disk.path), gold.manifest(address)) for address, disk in opened.items()}
    return Side(trees, gold.accounts)


def disk_side(
    site: Site, layout: Layout, disks: Server, policy: Policy, *, live: bool = False,
    stage: Stage = silent, ahead: Prefetch | None = None,
) -> Side:  # fmt: skip
    """The side of a server's disks, scanned now, or taken from the process that scans them ahead.

    :param live: the clone may be running: what it writes meanwhile is taken as it comes, and noted.
    """
    trees = {}
    notes: list[Note] = []
    for address, disk in disks.ids.items():
        path = disks.opened[address].path
        progress = stage(f"reading {disk}")
        found = ahead.take(disk, policy) if ahead is not None else None
        if found is None:
            found = manifests.scan_disk(site, disk, path, policy, live=live, progress=progress)
        trees[address] = Tree(os.fsencode(path), found.manifest, set() if live else None)
        notes += [Note(note.kind, b"/" + note.path, note.text, note.data) for note in found.notes]
    return Side(trees, accounts_of(layout, disks.opened), tuple(notes))


def accounts_of(layout: Layout, opened: Disks) -> AccountTables:
    """The account tables of a system of which these are the own disks."""
    holder = opened.get(layout.disk_of(b"etc").address)
    return AccountTables.of({}) if holder is None else AccountTables.read(holder.path, b"etc")


def plan_sides(
    sides: tuple[Side, Side, Side], policy: Policy, decisions: Decisions | None = None, *, ask_units: bool = False
) -> Plan:
    """Plan the merge of base, gold and clone: one part for each disk, all with the one account table."""
    base, gold, clone = sides
    parts = [Part(a, b"/", (base.trees[a], gold.trees[a], clone.trees[a])) for a in clone.trees]
    return plan_merge(parts, policy, (base.accounts, gold.accounts, clone.accounts), decisions, ask_units=ask_units)


def check_layouts(base: Gold, gold: Gold) -> None:
    """See that two versions stand on the same disks.

    :raises Refused: they do not.
    """
    if base.layout.hash != gold.layout.hash:
        raise Refused(
            f"gold {base.number} and gold {gold.number} of {gold.image} have different layouts "
            f"({base.layout.name}, {gold.layout.name})",
            meaning="Paths stand on other disks there, so a clone cannot be moved from the one to the other.",
            todo="Publish with the old layout, or make the server anew with `goldroot clone create`.",
        )


def policy_of(site: Site, image: str) -> Policy:
    """The rules by which clones of an image are merged."""
    file = site.config.image(image).policy
    return Policy.load(file) if file else Policy.default()


def shown_notes(notes: Sequence[Note]) -> list[str]:
    """Notes as lines."""
    return [f"{os.fsdecode(note.path)}: {note.text}" for note in notes]
