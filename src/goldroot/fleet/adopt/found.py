"""What is found of a server that was not made from gold: the whole plan of its adoption, made by reading only."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from goldroot.accounts import AccountTables, OwnerNames, owner_names
from goldroot.conflicts import Conflict, Decisions
from goldroot.fleet.adopt.base import Base, Brought, Known, Owners, alternatives_of, make_base
from goldroot.fleet.adopt.base_accounts import Used, base_accounts
from goldroot.fleet.adopt.lost import Lost, SharedSide, find_lost
from goldroot.fleet.adopt.nearest import Distance, PackagesBeside, packages_beside
from goldroot.fleet.adopt.removed import removed_before
from goldroot.fleet.adopt.result import FSTAB, OwnChange, changes_of, rows_of_part
from goldroot.fleet.inputs import Disks, Side, Stage, gold_side, plan_sides
from goldroot.hosts import Opened
from goldroot.image import AT_BOOT, Gold, Source, split
from goldroot.merge import CLONE_SIDE, GOLD_SIDE, ManifestFiles, Plan, Removed, Tree, build_rows, usr_links
from goldroot.policy import Policy, worth_reading
from goldroot.system import PackageFiles, moved_here, os_facts, read_package_files, read_path
from goldroot.tree import FILE, INLINE, OTHER_FILE_SYSTEM, BuildRow, Entry, Manifest, Note, path_text

#: Of the questions of a merge, those that the lists of packages answer already.
_TOLD = ("own-packages",)
#: Of the notes of a merge, those that say nothing of a server that nothing was remembered of, or that a list says better.
_NOT_TOLD = ("memory-not-given", "renumbered", "own-packages", "newer-packages")


@dataclass(frozen=True)
class Found:
    """One server beside one gold version; valid as long as both are open."""

    gold: Gold
    source: Source
    distances: tuple[Distance, ...]
    packages: PackagesBeside
    lost: Lost
    bases: Mapping[str, Base]  #: by the live address of each own disk
    plan: Plan
    changes: tuple[OwnChange, ...]
    notes: tuple[Note, ...]
    removed: tuple[Removed, ...] = ()  #: what a later gold must not bring back unasked
    fstab: bytes | None = None  #: its content, where that is of the disks that the server had

    @property
    def conflicts(self) -> list[Conflict]:
        """What a person should look at: the server's version stands, or what a merge proposed."""
        accounts = self.plan.accounts
        defs = self.gold.accounts.login_defs
        # A system account that only the server has gives way to gold's: its number is nobody's business.
        moved = {
            f"accounts:{path_text(one.name)}:{'uid' if one.is_user else 'gid'}"
            for one in (accounts.renumbered if accounts is not None else ())
            if one.clone is not None and (defs.users if one.is_user else defs.groups).is_system(one.clone)
        }
        return [one for one in self.plan.conflicts if one.kind not in _TOLD and one.axis not in moved]

    def rows(self) -> Iterator[tuple[str, list[BuildRow], list[bytes]]]:
        """Each own disk: its address, its rows and the trees that they come from."""
        for one in self.plan.parts:
            yield one.part.name, list(rows_of_part(self.plan, one, self.fstab)), [tree.root for tree in one.part.trees]

    def named(self, which: str) -> list[bytes]:
        """The paths that the bases of all disks have in one of their lists, absolute."""
        return sorted(b"/" + path for base in self.bases.values() for path in getattr(base, which))


@dataclass(frozen=True)
class How:
    """By what a server is looked at.

    :param given: remembered answers; ``distances``: of the versions that were compared.
    """

    policy: Policy
    stage: Stage
    given: Decisions = field(default_factory=dict)
    distances: tuple[Distance, ...] = ()


def look_at(gold: Gold, opened: Disks, source: Source, how: How) -> Found:
    """Read a server and say what adopting it onto a gold version means.

    :param opened: the version's disks; ``source``: the server's root file system, open.
    :raises BadInput: the server's tree cannot stand on the layout's disks.
    :raises Refused: a part of it is on a file system that is not entered.
    """
    return _Look(gold, opened, source, how.policy).found(how)


def shared_differ(gold: Gold, opened: Disks, source: Source, stage: Stage) -> int:
    """By how many files of the shared disks a server differs from a version: its distance where there are no packages."""
    look = _Look(gold, opened, source, Policy.default())
    ours, theirs = look.shared_sides(look.scan(stage)[0])
    paths = ours.rows.keys() | theirs.rows.keys()

    def content(side: SharedSide, path: bytes) -> object:
        return side.content(side.rows[path]) if path in side.rows else None

    return sum(content(ours, path) != content(theirs, path) for path in paths)


class _Look:
    def __init__(self, gold: Gold, opened: Disks, source: Source, policy: Policy) -> None:
        self.gold, self.opened, self.source, self.policy = gold, opened, source, policy
        self.layout = gold.layout
        self.canon = _one_spelling(opened[self.layout.root.address], source)
        self.accounts = gold.accounts, AccountTables.read(source.path, b"etc")
        users, groups = gold.accounts.users, gold.accounts.groups
        ours, theirs = (
            OwnerNames(owner_names(tables.users, users), owner_names(tables.groups, groups)) for tables in self.accounts
        )
        self.names = ours, theirs

    def found(self, how: How) -> Found:
        parts, notes = self.scan(how.stage)
        files = read_package_files(self.source.path, self.canon)
        brought = self._brought(files)
        golds = gold_side(self.gold, self.opened, [disk.address for disk in self.layout.own])
        tables = base_accounts(*self.accounts, self._used())
        owners = Owners(self.names, tables.users, tables.groups)
        family = next((tree.family for tree in golds.trees.values()), "")
        rules = self.policy.for_family(family)
        links = {path: row for part in parts.values() for path, row in alternatives_of(part).items()}
        known = Known(brought, owners, rules, links)
        bases = {address: make_base(tree.manifest, parts[address], known) for address, tree in golds.trees.items()}
        plan = plan_sides(self._sides(golds, bases, parts, tables, notes), self.policy, how.given)
        ours, theirs = self.shared_sides(parts)
        golds_versions = {one.name: one.version for one in self.gold.packages}
        versions = {name: package.version for name, package in files.packages.items()}
        lost = find_lost(theirs, ours, brought, (versions, golds_versions))
        own, golds_own = (
            {row[0] for one in sides for row in one.rows()}
            for sides in ([made.clone for made in bases.values()], [tree.manifest for tree in golds.trees.values()])
        )
        removed = tuple(removed_before(self.source.path, files, own, golds_own, rules))
        beside = packages_beside(tuple(sorted(files.packages.values())), self.gold.packages)
        fstab, taken_out = self._fstab(plan, parts)
        changes = tuple(changes_of(plan, golds, rules, fstab))
        if taken_out:
            text = f"what the server mounted from its disks stands on others now; made comments: {', '.join(taken_out)}"
            notes.append(Note("fstab-moved", b"/" + FSTAB, text))
        if files.trouble:
            notes.append(
                Note("packages-unknown", b"/var/lib/rpm", f"the package database cannot be read: {files.trouble}")
            )
        told = [*notes, *self._other_system(), *(note for note in plan.notes if note.kind not in _NOT_TOLD)]
        return Found(
            self.gold, self.source, how.distances, beside, lost, bases, plan, changes, tuple(told), removed, fstab
        )

    def scan(self, stage: Stage) -> tuple[dict[str, Manifest], list[Note]]:
        """The server's rows by the disk that they would stand on.  What is shared is read, to be compared with gold's."""
        reading = worth_reading(self.policy, b"/")
        shared = {disk.address for disk in self.layout.shared}

        def contents(path: bytes) -> bool:
            return self.layout.disk_of(path).address in shared or reading(path)

        manifest, found = self.source.scan(self.layout, stage(f"reading {self.source.shown}"), contents)
        notes = [Note(note.kind, b"/" + note.path, note.text, note.data) for note in found]
        separated: list[Note] = []
        parts = split(manifest, self.layout, separated)
        return parts, [*notes, *(Note(note.kind, b"/" + note.path, note.text) for note in separated)]

    def shared_sides(self, parts: Mapping[str, Manifest]) -> tuple[SharedSide, SharedSide]:
        """What gold and the server have on the disks that all servers share."""
        ours, theirs = self.names
        return (
            SharedSide.of((self._alone(d.address, self.gold.manifest(d.address)) for d in self.layout.shared), ours, self.canon),
            SharedSide.of((self._alone(d.address, parts[d.address]) for d in self.layout.shared), theirs, self.canon),
        )  # fmt: skip

    def _alone(self, address: str, manifest: Manifest) -> Iterator[Entry]:
        """The rows that stand on this disk alone: directories on the way to others are theirs."""
        rows = map(Entry._make, manifest.rows())
        return (row for row in rows if self.layout.places(row.path) == [address] and row.path not in AT_BOOT)

    def _brought(self, files: PackageFiles) -> Brought:
        def is_as_brought(row: Entry) -> bool | None:
            digest = row.content if row.kind == FILE else b""
            return files.is_as_brought(self.source.path, self.canon(row.path), row.path, digest)

        def gold_is_as_brought(row: Entry) -> bool | None:
            root = self.opened[self.layout.disk_of(row.path).address].path
            return files.is_as_brought(root, self.canon(row.path), row.path, row.content)

        golds = {one.name for one in self.gold.packages}

        def is_shared(path: bytes) -> bool:
            return self.layout.disk_of(path).shared

        return Brought(self.canon, files.owners, is_as_brought, golds, gold_is_as_brought, is_shared)

    def _used(self) -> Used:
        columns = [self.gold.manifest(disk.address).columns for disk in self.layout.shared]
        return Used({n for one in columns for n in one.uids}, {n for one in columns for n in one.gids})

    def _sides(
        self, golds: Side, bases: Mapping[str, Base], parts: Mapping[str, Manifest], tables: AccountTables,
        notes: Sequence[Note],
    ) -> tuple[Side, Side, Side]:  # fmt: skip
        root, live = os.fsencode(self.source.path), self.source.live
        hidden = [note for note in notes if note.kind == OTHER_FILE_SYSTEM]
        base, clone = {}, {}
        for address, made in bases.items():
            servers = dict.fromkeys(made.servers, CLONE_SIDE)
            base[address] = replace(golds.trees[address], manifest=made.manifest, borrowed=servers)
            own = [replace(note, path=note.path[1:]) for note in hidden]
            own = [note for note in own if self.layout.disk_of(note.path).address == address]
            clone[address] = Tree.scanned(root, made.clone, own, live=live)
        shared = ManifestFiles(self._shared_disk, parts.__getitem__, _places(self.gold))
        return Side(base, tables, shared=shared), golds, Side(clone, self.accounts[1])

    def _shared_disk(self, path: bytes) -> str | None:
        disk = self.layout.disk_of(path)
        return disk.address if disk.shared else None

    def _fstab(self, plan: Plan, parts: Mapping[str, Manifest]) -> tuple[bytes | None, list[str]]:
        """The fstab of the result without the disks that the server had, where it names any."""
        own = {"/"} | {"/" + os.fsdecode(path) for disk in self.layout.disks for path in disk.paths}

        def came_along(place: str) -> bool:
            path = os.fsencode(place[1:])
            return place in own or any(next(part.below(path), None) is not None for part in parts.values())

        for one in plan.parts:
            row = next((row for row in build_rows(plan, one) if row.path == FSTAB), None)
            if row is not None and row.kind == FILE:
                merged = row.content if row.source == INLINE else _content(one.part.trees[row.source].root, FSTAB)
                gold = _content(one.part.trees[GOLD_SIDE].root, FSTAB)
                text, taken_out = moved_here(merged, gold, came_along)
                return (text, taken_out) if taken_out else (None, [])
        return None, []

    def _other_system(self) -> Iterator[Note]:
        etc, usr = (self.opened[self.layout.disk_of(path).address].path for path in (b"etc", b"usr"))
        theirs, ours = os_facts(self.source.path), os_facts(etc, usr)
        if theirs != ours:
            names = [facts.get("pretty_name") or "of an unknown release" for facts in (theirs, ours)]
            yield Note("other-release", b"/etc/os-release", f"the server is {names[0]}, gold is {names[1]}")


def _content(root: bytes, path: bytes) -> bytes:
    found = read_path(os.fsdecode(root), path) or b""
    return b"" if found.startswith(b"-> ") else found


def _places(gold: Gold) -> frozenset[bytes]:
    return frozenset(b"/" + path for disk in gold.layout.disks for path in disk.paths)


def _one_spelling(root: Opened, source: Source) -> Callable[[bytes], bytes]:
    """Paths as they are where a merged ``/usr`` leads them, on either side."""

    def links(top: str) -> Mapping[bytes, bytes]:
        def target(path: bytes) -> bytes | None:
            found = read_path(top, path) or b""
            return found.removeprefix(b"-> ") if found.startswith(b"-> ") else None

        return usr_links(target)

    usr = {**links(source.path), **links(root.path)}
    inner = [(link, target) for link, target in usr.items() if b"/" in link]

    def canon(path: bytes) -> bytes:
        first, slash, rest = path.partition(b"/")
        if slash and first in usr:
            path = usr[first] + b"/" + rest
        for link, target in inner:
            if path.startswith(link + b"/"):
                path = target + path[len(link) :]
        return path

    return canon
