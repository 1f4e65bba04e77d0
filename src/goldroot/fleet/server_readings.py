"""What the catalog keeps of each server besides its row: what must be its alone, and its local accounts.

It is read from the server's disks when goldroot works on them anyway: at the making, at each merge, and at each switch,
in the transaction that says so.  Other servers' updates and publishes then ask the catalog.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from goldroot.accounts import AccountTables
from goldroot.catalog import Clone, Tx, clones, readings
from goldroot.errors import GoldrootError
from goldroot.fleet.clone_names import own_addresses
from goldroot.image import Gold, local_accounts, open_version
from goldroot.site import Site
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


def read_switched(site: Site, image: str, version: int, disks: Mapping[str, str]) -> Reading | None:
    """What a clone is after a switch to these disks; ``None`` where that cannot be read.

    The switch has happened: this stands in nobody's way, and it is read when somebody asks for it.
    """
    try:
        gold = open_version(site, image, version)
        return read_server(gold, OwnDisks(gold.layout, {a: site.former.disk_path(disk) for a, disk in disks.items()}))
    except (GoldrootError, OSError):
        return None


def own_disks_of(site: Site, clone: Clone) -> OwnDisks:
    """The own disks of a clone as one tree."""
    gold = open_version(site, clone.image, clone.version)
    machine = site.former.get(clone.machine)
    addresses = own_addresses(gold.layout, machine)
    return OwnDisks(gold.layout, {a: site.former.disk_path(machine.disks[a].disk) for a in addresses})


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
            found = read_server(open_version(site, clone.image, clone.version), own_disks_of(site, clone))
        except (GoldrootError, OSError):
            unknown.append(clone.name)
            continue
        with site.catalog.begin() as tx:
            if clones.find(tx, clone.name) == clone:  # not switched meanwhile
                found.note(tx, clone.name)
    return unknown
