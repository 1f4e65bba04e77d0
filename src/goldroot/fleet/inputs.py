"""The sides of a merge of a clone: gold's trees as they are stored, a clone's as they are scanned now; and what others ask of it.

A machine of some hosts has fewer numbers than files may have for owners; what lies above them is refused here.

What must be a server's alone and its local accounts stand in the catalog, where other servers' updates and publishes ask for them.
They are read from its disks when goldroot works on these anyway: at the making, at each merge, and at each switch, in the
transaction that says so.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol

from goldroot.accounts import AccountTables
from goldroot.catalog import Clone, Tx, clones
from goldroot.conflicts import Decisions
from goldroot.counted import counted
from goldroot.errors import GoldrootError, Refused, StillRunning
from goldroot.fleet import manifests
from goldroot.hosts import Access, Entry, Host, Opened, View, find_entry
from goldroot.image import Gold, local_accounts, open_version
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
from goldroot.system import OwnDisks, fingerprints
from goldroot.tree import Manifest, Note, Progress, Writers, path_text

if TYPE_CHECKING:
    from goldroot.fleet.prefetch import Prefetch
    from goldroot.fleet.through_itself import Copied


class Stage(Protocol):
    """Gives, for the name of a stage, what is called with the number of entries done since the last call.

    ``total``, asked only where somebody watches, tells how many there will be, about; ``None``: that is not known before.
    """

    def __call__(self, name: str, total: Callable[[], int | None] = ..., /) -> Progress | None: ...


def silent(name: str, total: Callable[[], int | None] | None = None, /) -> Progress | None:
    """A stage that nobody watches."""
    return None


@dataclass(frozen=True)
class Server:
    """A server's own disks, open: their ids and what they are opened as, by live address."""

    layout: Layout
    ids: Mapping[str, str]
    opened: Mapping[str, Opened]
    copied: Mapping[str, Copied] = field(default_factory=dict)  #: those that were read through the server itself

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
        progress = stage(f"reading {disk}", partial(manifests.known_count, site, disk))
        found = ahead.take(disk, policy) if ahead is not None else None
        if (copied := disks.copied.get(address)) is not None:
            found = copied.scan(policy, progress)
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


_SHOWN = 5


def refuse_owners(host: Host, name: str, trees: Iterable[Manifest]) -> None:
    """:raises Refused: a file has an owner above what a machine of this host can have; the error names them.

    :param name: of the clone.
    :param trees: of its disks, own and shared.
    """
    largest = host.abilities.largest_owner
    found = [one for tree in trees for one in _above(tree, largest)]
    if found:
        more = f", and {len(found) - _SHOWN:,} more" if len(found) > _SHOWN else ""
        raise Refused(
            f"{counted(len(found), 'file')} of {name} would have owners that a server on host "
            f"{host.name} cannot have: {'; '.join(found[:_SHOWN])}{more}",
            meaning=f"Numbers of users and groups end at {largest:,} there: inside, such a file would be nobody's, and nobody could "
            "change it. Nothing was made or switched.",
            todo="Give these files other owners, or use a host of another kind.",
        )


def _above(tree: Manifest, largest: int) -> Iterator[str]:
    columns = tree.columns
    if not len(tree) or max(max(columns.uids), max(columns.gids)) <= largest:
        return
    for path, uid, gid in zip(tree.paths(), columns.uids, columns.gids, strict=True):
        if max(uid, gid) > largest:
            yield f"/{path_text(path)} ({f'user {uid}' if uid > largest else f'group {gid}'})"


@dataclass(frozen=True, slots=True)
class Reading:
    """What one server is now: fingerprints by kind, and how its accounts differ from its gold's."""

    identity: Mapping[str, str]
    accounts: clones.LocalAccounts

    def note(self, tx: Tx, clone: str) -> None:
        """Leave it in the catalog."""
        clones.note_identity(tx, clone, self.identity)
        clones.note_accounts(tx, clone, self.accounts)


def read_server(gold: Gold, tree: OwnDisks) -> Reading:
    """Read a server's own disks; a few small files.

    :param gold: the version that these disks belong to.
    """
    etc = tree.root(b"etc")
    own = gold.accounts if etc is None else AccountTables.read(etc, b"etc")
    return Reading(fingerprints(tree), local_accounts(gold.accounts, own))


def read_switched(site: Site, clone: Clone, disks: Mapping[str, str]) -> Reading | None:
    """What a clone is after a switch to these live disks; ``None`` where that cannot be read.

    The switch has happened: this stands in nobody's way, and it is read when somebody asks for it.
    """
    try:
        gold = open_version(site, clone.image, clone.version, clone.host)
        with open_own(gold.host, gold.layout, disks, view="live") as server:
            return read_server(gold, server.tree)
    except (GoldrootError, OSError):
        return None


@contextmanager
def open_clone(site: Site, clone: Clone, access: Access = "ro", *, view: View = "live") -> Iterator[Server]:
    """The live disks of a clone, open for the block; through itself where it runs and its host cannot read them.

    :raises StillRunning: it runs, and nobody said how it is reached.
    """
    gold = open_version(site, clone.image, clone.version, clone.host)
    disks = live_disks(gold.host, clone, gold.layout)
    with ExitStack() as stack:
        try:
            server = stack.enter_context(open_own(gold.host, gold.layout, disks, access, view=view))
        except StillRunning as error:
            reach = site.config.reach(clone.name, clone.image)
            if access != "ro" or view != "live" or gold.host.power(clone.machine).state == "off":
                raise
            if not reach.host:
                error.todo = f'{error.todo} Or let it be read by ssh: ssh = "root@HOST" in [clones.{clone.name}].'
                raise
            from goldroot.fleet.through_itself import read_through_itself

            policy = policy_of(site, clone.image)
            read = stack.enter_context(read_through_itself(gold.host, reach, gold.layout, list(disks), policy))
            server = Server(gold.layout, disks, read, read)
        yield server


def live_disks(host: Host, clone: Clone, layout: Layout) -> dict[str, str]:
    """The ids of a clone's own live disks, by address."""
    entry = find_entry(host, clone.machine)
    return {address: entry.disks[address].id for address in own_addresses(layout, entry)}


def read_missing(site: Site, but: str) -> list[str]:
    """Read the clones that the catalog knows nothing of: once each, since an older goldroot kept nothing of them.

    :param but: the clone that is worked on.
    :returns: those that cannot be read; nobody can say what they have.
    """
    with site.catalog.read() as tx:
        missing = [clones.get(tx, name) for name in clones.unread(tx, "identity") if name != but]
    unknown = []
    for clone in missing:
        try:
            with open_clone(site, clone) as server:
                found = read_server(open_version(site, clone.image, clone.version, clone.host), server.tree)
        except (GoldrootError, OSError):
            unknown.append(clone.name)
            continue
        with site.catalog.begin() as tx:
            if clones.find(tx, clone.name) == clone:  # not switched meanwhile
                found.note(tx, clone.name)
    return unknown


def own_addresses(layout: Layout, entry: Entry) -> tuple[str, ...]:
    """The live addresses at which a machine has disks of its own: not the shared ones, but where it is read-write."""
    return tuple(disk.address for disk in layout.disks if disk.address in entry.disks)
