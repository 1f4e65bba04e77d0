"""The rows that gold and a server are taken to have come from: pure, but for the hashes of single files.

A merge of these, gold's and the server's gives gold's own content with the server's real changes:

======================  ==============================================================  ===============================
gold, the server        told by                                                         base has, so that
======================  ==============================================================  ===============================
both, different         the server's is what its package brought                        the server's: gold's arrives
both, different         an alternative of a program that does not come along            the server's: gold's arrives
both, different         the server's is another, or nobody knows                        gold's: the server's stays
gold alone              a package that the server has brought it, or what it leads to   gold's: it stays removed
gold alone              nobody brought it there                                         nothing: it arrives with gold
the server alone        its package brought it so, and gold's of it does not have it    the server's: it goes
the server alone        an alternative of a program that does not come along            the server's: it goes
the server alone        anything else                                                   nothing: it stays
======================  ==============================================================  ===============================

A state unit that the server has is the server's as soon as anything in it differs.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from goldroot.accounts import OwnerNames, OwnerNumbers, is_named, named_in_acl
from goldroot.policy import CACHE, GOLD, STATE, Policy
from goldroot.tree import DIRECTORY, FILE, LINK, Entry, Manifest, Xattrs, is_below, tree_key, upwards

Canon = Callable[[bytes], bytes]

#: Links that update-alternatives(1) makes, and its records of them, by the same names.
_ALTERNATIVES = b"etc/alternatives"
_RECORDS = (b"var/lib/dpkg/alternatives", b"var/lib/alternatives")


@dataclass(frozen=True)
class Brought:
    """What the packages of a server say of its files.

    :param owners: path -> package, for what a package brought, in the spelling of ``canon``.
    :param is_as_brought: whether a file of the server's is what its package brought; ``None``: nobody knows.
    :param golds: names of the packages that gold has.
    :param gold_is_as_brought: whether gold's file at the place of a row is what the server's package brought there.
    :param is_shared: whether a path is on a disk that all servers share.
    """

    canon: Canon
    owners: Mapping[bytes, str]
    is_as_brought: Callable[[Entry], bool | None]
    golds: Collection[str]
    gold_is_as_brought: Callable[[Entry], bool | None]
    is_shared: Callable[[bytes], bool]

    @cached_property
    def holders(self) -> Collection[bytes]:
        """The directories that hold anything a package brought."""
        return {above for path in self.owners for above in upwards(path) if above != path}

    def owner(self, path: bytes) -> str:
        """The package of a path, "" where none brought it."""
        return self.owners.get(self.canon(path), "")

    def was_there(self, row: Entry) -> bool:
        """Whether the server had what it lacks now: brought itself, or as a link to what was."""
        if self.owner(row.path):
            return True
        return row.kind == LINK and is_below(row.path, b"etc") and bool(self._leads_to(row))

    def _leads_to(self, row: Entry) -> str:
        """The package of what a link leads to."""
        return self.owner(_target(row))

    def was_dropped(self, row: Entry) -> bool:
        """Whether only the server has something because gold's version of its package does not bring it any more."""
        return self.owner(row.path) in self.golds and self.is_as_brought(row) is True

    def stays_behind(self, row: Entry) -> bool:
        """Whether a path is an alternative of the server's whose program is in a package that gold does not have."""
        if row.kind != LINK or posixpath.dirname(row.path) != _ALTERNATIVES:
            return False
        package = self._leads_to(row)
        return bool(package) and package not in self.golds and self.is_shared(_target(row))


def _target(row: Entry) -> bytes:
    return posixpath.normpath(posixpath.join(b"/", posixpath.dirname(row.path), row.content)).strip(b"/")


@dataclass(frozen=True)
class Owners:
    """The owners of rows as numbers of the base's tables.

    :param names: of gold and of the server; ``numbers``: of the base, which has the accounts that both have.
    """

    names: tuple[OwnerNames, OwnerNames]
    users: Mapping[bytes, int]
    groups: Mapping[bytes, int]

    def of(self, row: Entry, side: int, other: Entry | None) -> Entry:
        """A side's row with the owners that the base knows; else those of the other side's row, so that this one's arrive."""
        uid = self._number(self.names[side].users[row.uid], self.users)
        gid = self._number(self.names[side].groups[row.gid], self.groups)
        if other is not None and uid is None:
            uid = self._number(self.names[1 - side].users[other.uid], self.users)
        if other is not None and gid is None:
            gid = self._number(self.names[1 - side].groups[other.gid], self.groups)
        return row._replace(
            uid=row.uid if uid is None else uid, gid=row.gid if gid is None else gid, group=0, inode=0, ctime=0,
            xattrs=self._xattrs(row, side),
        )  # fmt: skip

    def _xattrs(self, row: Entry, side: int) -> Xattrs:
        if not row.xattrs:
            return ()
        spoken = self.names[side].xattrs(row)
        users, groups = named_in_acl(spoken)
        if all(self._number(name, self.users) is not None for name in users) and all(
            self._number(name, self.groups) is not None for name in groups
        ):
            return OwnerNumbers(self.users, self.groups).xattrs(spoken, row.mode)
        return row.xattrs

    @staticmethod
    def _number(token: bytes, numbers: Mapping[bytes, int]) -> int | None:
        return numbers.get(token) if is_named(token) else int(token[1:])


@dataclass
class Base:
    """The base of one disk, and how it came about.

    ``clone`` has the server's rows, with directories that gold's additions need beside what the server removed.
    """

    manifest: Manifest
    clone: Manifest
    #: Paths whose row is the server's file.
    servers: set[bytes] = field(default_factory=set)
    updated: list[bytes] = field(default_factory=list)  #: unchanged since a package brought it: gold's content is taken
    both: list[bytes] = field(default_factory=list)  #: changed by the server, and gold's is not what was brought either
    arrived: list[bytes] = field(default_factory=list)  #: gold's alone
    removed: list[bytes] = field(default_factory=list)  #: gold's, and removed by the server
    dropped: list[bytes] = field(default_factory=list)  #: the server's, as brought, and gold's package has it no more
    behind: list[bytes] = field(default_factory=list)  #: alternatives of programs that do not come along


@dataclass(frozen=True)
class Known:
    """What decides besides the rows.

    :param policy: with the rules of gold's family.
    :param alternatives: the server's links in /etc/alternatives, by path: their records may stand on another disk.
    """

    brought: Brought
    owners: Owners
    policy: Policy
    alternatives: Mapping[bytes, Entry] = field(default_factory=dict)


def alternatives_of(server: Manifest) -> dict[bytes, Entry]:
    """The links in /etc/alternatives on one disk."""
    return {row.path: row for row in server.below(_ALTERNATIVES) if row.kind == LINK}


def make_base(gold: Manifest, server: Manifest, known: Known) -> Base:
    """The base of one disk."""
    return _Maker(gold, server, known).made()


class _Maker:
    def __init__(self, gold: Manifest, server: Manifest, known: Known) -> None:
        self.gold = {row.path: row for row in map(Entry._make, gold.rows())}
        self.server = {row.path: row for row in map(Entry._make, server.rows())}
        self.squashed = gold.squashed, server.squashed
        self.brought, self.owners, self.policy = known.brought, known.owners, known.policy
        self.servers_links = known.alternatives
        self.rows: dict[bytes, Entry] = {}
        self.base = Base(gold, server)

    def made(self) -> Base:
        for path, row in self.gold.items():
            if (other := self.server.get(path)) is not None:
                self.rows[path] = self._both(row, other)
        self._golds_alone()
        self._servers_alone()
        self.base.manifest = Manifest.from_rows(_ordered(self.rows.values()), self.squashed[0])
        self.base.clone = Manifest.from_rows(_ordered(self.server.values()), self.squashed[1])
        return self.base

    def _unit(self, path: bytes) -> bytes | None:
        """The state unit that a path is in, as a path of the tree."""
        rule = self.policy.match(b"/" + path)
        unit = self.policy.unit(b"/" + path, rule) if rule.cls == STATE else None
        return None if unit is None else unit.lstrip(b"/")

    def _both(self, gold: Entry, server: Entry) -> Entry:
        if self.policy.match(b"/" + gold.path).cls == GOLD and server.kind == FILE == gold.kind:
            self.base.servers.add(gold.path)
            return self.owners.of(server, 1, gold)
        row = self.owners.of(gold, 0, server)
        if self._stays_behind(server):
            self.base.servers.add(gold.path)
            self.base.behind.append(gold.path)
            return self.owners.of(server, 1, gold)
        if gold.kind != FILE or server.kind != FILE or gold.content == server.content:
            return row
        as_brought = None if self._unit(gold.path) is not None else self.brought.is_as_brought(server)
        if as_brought is True:
            self.base.servers.add(gold.path)
            self.base.updated.append(gold.path)
            return row._replace(size=server.size, mtime=server.mtime, content=server.content)
        if as_brought is False and self.brought.gold_is_as_brought(gold) is not True:
            self.base.both.append(gold.path)
        return row

    def _stays_behind(self, row: Entry) -> bool:
        if self.brought.stays_behind(row):
            return True
        above, name = posixpath.split(row.path)
        master = self.servers_links.get(_ALTERNATIVES + b"/" + name) if above in _RECORDS else None
        return master is not None and self.brought.stays_behind(master)

    # -- gold's alone

    def _golds_alone(self) -> None:
        alone = [row for path, row in self.gold.items() if path not in self.server]
        was_there: dict[bytes, bool] = {}
        units: dict[bytes, bool] = {}
        for row in alone:
            unit = self._unit(row.path)
            if self._is_hidden(row.path) or (unit is not None and unit in self.server):
                # The server made something else of what is above it, or has the unit: no matter of this path.
                self.rows[row.path] = self.owners.of(row, 0, None)
            elif unit is not None:
                units.setdefault(unit, bool(self.brought.owner(unit)))
                was_there[row.path] = units[unit]
            elif row.kind != DIRECTORY:
                was_there[row.path] = self.brought.was_there(row)
        mixed = self._directories([row for row in alone if row.path not in self.rows], was_there)
        for path, removed in was_there.items():
            row = self.gold[path]
            if self.policy.match(b"/" + path).cls in (GOLD, CACHE):
                continue  # gold's, whatever the server did
            (self.base.removed if removed else self.base.arrived).append(path)
            if removed:
                self.rows[path] = self.owners.of(row, 0, None)
        for path in mixed:
            row = self.gold[path]._replace(uid=0, gid=0, xattrs=(), group=0, inode=0, ctime=0)
            self.rows[path] = self.server[path] = row

    def _is_hidden(self, path: bytes) -> bool:
        """Whether the server has something that is not a directory on the way."""
        nearest = next(self.server[above] for above in upwards(path) if above != path and above in self.server)
        return nearest.kind != DIRECTORY

    def _directories(self, alone: list[Entry], was_there: dict[bytes, bool]) -> list[bytes]:
        """Decide the directories by what is in them; returns those of which a part was removed and a part arrives."""
        below: dict[bytes, set[bool]] = {}
        for path, removed in was_there.items():
            for above in upwards(path):
                below.setdefault(above, set()).add(removed)
        mixed = []
        for row in reversed(alone):
            if row.kind != DIRECTORY or row.path in was_there:
                continue
            inside = below.get(row.path) or {bool(self.brought.owner(row.path))}
            if len(inside) == 2:
                mixed.append(row.path)
            else:
                was_there[row.path] = inside == {True}
                for above in upwards(row.path):
                    below.setdefault(above, set()).update(inside)
        return mixed

    # -- the server's alone

    def _servers_alone(self) -> None:
        for path, row in list(self.server.items()):
            if path in self.gold or path in self.rows or row.kind == DIRECTORY or self._unit(path) is not None:
                continue
            behind = self._stays_behind(row)
            if behind or self.brought.was_dropped(row):
                self.base.servers.add(path)
                (self.base.behind if behind else self.base.dropped).append(path)
                self.rows[path] = self.owners.of(row, 1, None)
                for above in upwards(path):
                    if above not in self.rows and above not in self.gold:
                        self.rows[above] = self.owners.of(self.server[above], 1, None)


def _ordered(rows: Iterable[Entry]) -> Iterator[Entry]:
    return iter(sorted(rows, key=lambda row: tree_key(row.path)))
