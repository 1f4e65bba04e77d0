"""What is known of a server without opening its disks: their trees, and what other servers' updates ask about it.

::

    SITE/manifests/
    ├── web1-1B5-u7k2m9q4xa.made     the tree as goldroot wrote it: what was written since is told from it
    └── web1-1B5-u7k2m9q4xa.seen     the tree as the last scan saw it: the cache of the next one, which opens only what changed

What must be a server's alone and its local accounts stand in the catalog.  They are read from the disks when goldroot works on them
anyway: at the making, at each merge, and at each switch, in the transaction that says so.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from goldroot import private
from goldroot.accounts import AccountTables
from goldroot.catalog import Clone, Tx, clones, readings
from goldroot.errors import BadInput, GoldrootError, NoPermission, NoSpace
from goldroot.fleet.clone_names import own_addresses
from goldroot.fleet.inputs import Server, open_own
from goldroot.hosts import Access, Host, View, find_entry
from goldroot.image import Gold, local_accounts, open_version
from goldroot.policy import Policy, worth_reading
from goldroot.site import Layout, Site, without_boot_map
from goldroot.system import OwnDisks, fingerprints
from goldroot.tree import FILE, Manifest, Progress, Scan, Writers, scan_tree

MADE, SEEN = "made", "seen"


def load(site: Site, disk: str, which: str = SEEN) -> Manifest | None:
    """A stored manifest of a disk; ``None`` where there is none, or it was damaged: a scan makes it again."""
    try:
        return Manifest.load(_file(site, disk, which), own=True)
    except BadInput:
        return None


def save(site: Site, disk: str, manifest: Manifest, which: str = SEEN) -> None:
    """Store a manifest of a disk, whole."""
    private.make_directory(site.path("manifests"))
    manifest.save(_file(site, disk, which))


def forget(site: Site, disk: str) -> None:
    """Remove what is stored of a disk that is gone."""
    for which in (MADE, SEEN):
        if os.path.exists(path := _file(site, disk, which)):
            os.unlink(path)


def scan_disk(
    site: Site, disk: str, path: str, policy: Policy, *, writers: Writers = "unknown", progress: Progress | None = None,
) -> Scan:  # fmt: skip
    """Scan a disk that is open at ``path``, with what is known of it; state units are read only as far as a merge needs it.

    What was seen is stored for the next scan, where it says more than what is known.

    :param writers: "live" where the server may be running: what vanishes meanwhile is left out.
    """
    known = load(site, disk) or load(site, disk, MADE)
    found = scan_tree(path, known=known, contents=worth_reading(policy, b"/"), progress=progress, writers=writers)
    found = replace(found, manifest=without_boot_map(found.manifest))
    if known is None or _signatures(known) != _signatures(found.manifest):
        # Who may only look at a site, or looks at one without room, pays for it with the time that the next scan takes.
        with contextlib.suppress(NoPermission, NoSpace):
            save(site, disk, found.manifest)
    return found


def _signatures(manifest: Manifest) -> tuple[object, ...]:
    columns = manifest.columns
    return columns.inodes, columns.ctimes, columns.paths


def save_made(site: Site, disk: str, path: str, built: Manifest, policy: Policy) -> Manifest:
    """Store a disk as it is now that goldroot has finished it, for both uses; returns it.

    A scan right after the writing trusts no young ctime: somebody might still be writing.  Here nobody is: the commands
    that ran in this system have ended, and no server has it yet.  So what a check wrote into a state unit, where no
    content is read, is known again later, and is not taken for something that the server wrote.
    """
    made = without_boot_map(
        scan_tree(path, known=built, contents=worth_reading(policy, b"/"), writers="ended").manifest
    )
    save(site, disk, made, MADE)
    save(site, disk, made)
    return made


def save_built(site: Site, disk: str, path: str, built: Manifest, policy: Policy) -> None:
    """Store a disk as it was built, for both uses; looked at once more where a file is as young as its making.

    A service writes its state when it is stopped, and an update may copy it in the same second.  Its row has no ctime
    then, and would tell of something that the server wrote since.
    """
    if any(kind == FILE and not ctime for kind, ctime in zip(built.columns.kinds, built.columns.ctimes, strict=True)):
        save_made(site, disk, path, built, policy)
        return
    save(site, disk, built, MADE)
    save(site, disk, built)


def unchanged(before: Manifest, after: Manifest) -> bool:
    """Whether nothing was written between two scans of a disk.

    Equal digests say so of a file that was read; of one that was not, only its inode and ctime do.
    """
    if len(before) != len(after):
        return False
    for old, new in zip(before.rows(), after.rows(), strict=True):
        if old != new and (old[:12] != new[:12] or (old[1] == "f" and not old[7] and old[5])):
            return False
    return True


def written_since(made: Manifest, now: Manifest) -> list[bytes]:
    """The paths that were added, removed or written since a disk was made; directories only for their own changes."""
    old = {row[0]: row for row in made.rows()}
    found = []
    for row in now.rows():
        was = old.pop(row[0], None)
        if was is None or differs(was, row):
            found.append(row[0])
    return sorted([*found, *old])


def differs(was: tuple[object, ...], row: tuple[object, ...]) -> bool:
    """Whether a path was written between two scans of a disk; a directory only by changes of its own."""
    if row[1] == "d":
        return was[1:5] != row[1:5] or was[8:11] != row[8:11]
    if was[1:7] != row[1:7] or was[8:11] != row[8:11]:
        return True
    if was[7] and row[7]:
        return was[7] != row[7]
    return was[12:] != row[12:]


def _file(site: Site, disk: str, which: str) -> str:
    return site.path("manifests", f"{disk}.{which}")


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
    """The live disks of a clone, open for the block."""
    gold = open_version(site, clone.image, clone.version, clone.host)
    with open_own(gold.host, gold.layout, live_disks(gold.host, clone, gold.layout), access, view=view) as server:
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
