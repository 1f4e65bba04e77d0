"""The sides of a merge of a clone: gold's trees as they are stored, a clone's as they are scanned now."""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from goldroot.accounts import AccountTables
from goldroot.conflicts import Decisions
from goldroot.errors import Refused
from goldroot.fleet import manifests
from goldroot.fleet.prefetch import Prefetch
from goldroot.fleet.through_itself import Copied
from goldroot.hosts import Access, Host, Opened, View
from goldroot.image import Gold
from goldroot.merge import (
    NO_MEMORY,
    ManifestFiles,
    Memory,
    Part,
    Plan,
    SharedFiles,
    Surroundings,
    Tree,
    Usr,
    plan_merge,
    usr_links,
)
from goldroot.policy import Policy, family_of
from goldroot.site import Layout, Site
from goldroot.system import OwnDisks
from goldroot.tree import Manifest, Note, Progress, Writers

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
    memory: Memory = field(default=NO_MEMORY)  #: of a clone: what it had removed before
    shared: SharedFiles | None = None  #: of a gold: what the clone's system has of it beside the clone's own disks

    @property
    def manifests(self) -> dict[str, Manifest]:
        """The manifests by address."""
        return {address: tree.manifest for address, tree in self.trees.items()}


#: Disks by live address, open.
Disks = Mapping[str, Opened]


def gold_side(gold: Gold, opened: Disks, addresses: Iterable[str]) -> Side:
    """A gold version's side, from what was stored when it was published: nothing is scanned.

    :param opened: all its disks; ``addresses``: those that are merged.
    """
    disks = OwnDisks(gold.layout, {address: disk.path for address, disk in opened.items()})
    usr, family = _usr_of(disks), _family_of(disks)
    trees = {a: Tree(os.fsencode(opened[a].path), gold.manifest(a), usr=usr, family=family) for a in addresses}
    return Side(trees, gold.accounts, shared=shared_files(gold, trees))


def shared_files(gold: Gold, own: Container[str] = ()) -> SharedFiles:
    """What a gold version has on its disks, but for those that a clone has of its own, by the manifests of its publishing."""

    def disk_of(path: bytes) -> str | None:
        address = gold.layout.disk_of(path).address
        return None if address in own else address

    places = frozenset(b"/" + path for disk in gold.layout.disks for path in disk.paths)
    return ManifestFiles(disk_of, gold.manifest, places)


def _family_of(tree: OwnDisks) -> str:
    """The family of a gold's system, by its os-release; a link leads to the one in /usr/lib."""
    own = tree.read(b"etc/os-release") if tree.kind(b"etc/os-release") == "file" else None
    return family_of(own or tree.read(b"usr/lib/os-release") or b"")


def _usr_of(tree: OwnDisks) -> Usr:
    """How gold's root leads into its ``/usr``: seven links, read where they are, as the root's manifest is a large one."""
    return usr_links(lambda path: (tree.read(path) or b"")[len(b"-> ") :] if tree.kind(path) == "link" else None)


def disk_side(
    site: Site,
    disks: Server,
    policy: Policy,
    *,
    writers: Writers = "unknown",
    stage: Stage = silent,
    ahead: Prefetch | None = None,
) -> Side:
    """The side of a server's disks, scanned now, or taken from the process that scans them ahead.

    :param writers: "live" where the server may be running: what it writes meanwhile is taken as it comes, and noted.
    """
    trees = {}
    notes: list[Note] = []
    for address, disk in disks.ids.items():
        path = disks.opened[address].path
        progress = stage(f"reading {disk}")
        opened = disks.opened[address]
        found = ahead.take(disk, policy) if ahead is not None else None
        if isinstance(opened, Copied):
            found = opened.scan(policy, progress)
        elif found is None:
            found = manifests.scan_disk(site, disk, path, policy, writers=writers, progress=progress)
        trees[address] = Tree.scanned(os.fsencode(path), found.manifest, found.notes, live=writers == "live")
        notes += [Note(note.kind, b"/" + note.path, note.text, note.data) for note in found.notes]
    return Side(trees, accounts_of(disks.layout, disks.opened), tuple(notes))


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
    shared = (base.shared, gold.shared) if base.shared is not None and gold.shared is not None else None
    around = Surroundings(clone.memory, shared, ask_units)
    return plan_merge(parts, policy, (base.accounts, gold.accounts, clone.accounts), decisions, around=around)


def check_layouts(base: Gold, gold: Gold) -> None:
    """See that two versions stand on the same disks.

    :raises Refused: they do not.
    """
    if base.layout.hash != gold.layout.hash:
        raise Refused(
            f"gold {base.number} and gold {gold.number} of {gold.image} have different layouts "
            f"({base.layout.name}, {gold.layout.name})",
            meaning="Paths stand on other disks there, so a clone cannot be moved from the one to the other.",
            todo="Publish with the old layout, or make the server again with `goldroot clone create`.",
        )


def policy_of(site: Site, image: str) -> Policy:
    """The rules by which clones of an image are merged."""
    file = site.config.image(image).policy
    return Policy.load(file) if file else Policy.default()


def shown_notes(notes: Sequence[Note]) -> list[str]:
    """Notes as lines."""
    return [f"{os.fsdecode(note.path)}: {note.text}" for note in notes]
