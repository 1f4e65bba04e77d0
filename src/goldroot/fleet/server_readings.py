"""What the catalog keeps of each server besides its row: what must be its alone, and its local accounts.

It is read from the server's disks when goldroot works on them anyway: at the making, at each merge, and at each switch,
in the transaction that says so.  Other servers' updates and publishes then ask the catalog.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from goldroot.accounts import AccountTables
from goldroot.catalog import Clone, Tx, clones, readings
from goldroot.errors import GoldrootError, StillRunning
from goldroot.fleet.clone_names import own_addresses
from goldroot.fleet.inputs import Server, open_own, policy_of
from goldroot.fleet.through_itself import read_through_itself
from goldroot.hosts import Access, Host, View, find_entry
from goldroot.image import Gold, local_accounts, open_version
from goldroot.site import Layout, Site
from goldroot.system import OwnDisks, fingerprints


@dataclass(frozen=True, slots=True)
class Reading:
    """What one server is now: fingerprints by kind, and how its accounts differ from its gold's."""

    identity: Mapping[str, str]
    accounts: readings.LocalAccounts

    def note(self, tx: Tx, clone: str) -> None:
        """Leave it in the catalog."""
        readings.note_identity(tx, clone, self.identity)
        readings.note_accounts(tx, clone, self.accounts)


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
            policy = policy_of(site, clone.image)
            read = read_through_itself(gold.host, reach, gold.layout, list(disks), policy)
            server = Server(gold.layout, disks, stack.enter_context(read))
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
        missing = [clones.get(tx, name) for name in readings.unread(tx, "identity") if name != but]
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
