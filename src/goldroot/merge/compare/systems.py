"""Roots of other systems inside the trees: whose numbers the owners there are.

In the root of another system owners are numbers: what the policy says, and directories that have account tables of their own.

A directory X of a state unit is the root of another system where X/etc/passwd says whom its numbers belong to.  It counts
only if nobody but root can have made it so: else a service could plant the file, and its set-uid programs would keep a
number that is another account's by now.  Where all accounts of such a root are the server's own (a jail), they follow
the server's as ever; else a person is asked, and until then the numbers stay.

Below /opt, and wherever else no rule says state, all directories above X must be root's alone, too.  And a directory of /opt that
is root's counts as a container's volume where several numbers of services are in it that the server has no accounts for: a service
cannot give its files to another number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from goldroot.accounts import GROUP, PASSWD, AccountTables, OwnerNames, OwnerNumbers, numbers_in_acl
from goldroot.conflicts import Conflict, Decisions
from goldroot.merge.compare.parts import (
    CLONE_SIDE,
    GOLD_SIDE,
    NOWHERE,
    SOFTWARE,
    TABLE,
    Names,
    NumericPlaces,
    Part,
    owner_places,
    read_unless_torn,
    with_tables,
)
from goldroot.policy import CONFIG, NAMES, NUMERIC, OPAQUE, STATE, Policy
from goldroot.tree import DIRECTORY, FILE, Entry, Manifest, Note, in_tree_order, is_below, parent, path_text, upwards

#: Nobody but the owner may write.
_OTHERS_WRITE = 0o022
#: A table of another system that is larger is not read (bytes).
_LARGEST = 1 << 20
#: So many numbers that the server does not know are not an accident.
_SEVERAL = 2
#: What belongs to the system itself, whatever tables stand in it.
_OF_THE_SYSTEM = (b"/etc/", b"/usr/", b"/boot/")


@dataclass(frozen=True, slots=True)
class ForeignRoot:
    """A directory of a state unit that has account tables of its own."""

    part: Part
    path: bytes  #: in the trees
    side: int  #: whose tree it is in: the clone's, else gold's
    is_jail: bool  #: all of its accounts are the server's
    decided: str = ""  #: a person's answer
    strangers: tuple[int, ...] = ()  #: of a volume without tables: the numbers that the server does not know

    @property
    def numeric(self) -> bool:
        """Whether its owners stay numbers."""
        return not self.is_jail and self.decided != NAMES

    @property
    def conflict(self) -> Conflict:
        """The question whose numbers they are; one for all servers that have the root at this place."""
        detail = f"{self.said}: its files keep their numbers (numeric), or follow"
        return Conflict(
            self.part.place(self.path), "owners", "foreign-root", (b"", b"", b"another system"), (NUMERIC, NAMES), NUMERIC,
            f"{detail} the accounts of the server that have these numbers now (names)",
        )  # fmt: skip

    @property
    def said(self) -> str:
        """Why it is taken for another system's."""
        if not self.strangers:
            return "it has accounts of its own, which are not the server's"
        shown = ", ".join(map(str, self.strangers[:5])) + (", ..." if len(self.strangers) > 5 else "")
        return (
            f"files in it have numbers of services that the server does not know ({shown}), as in a container's volume"
        )


def by_policy(part: Part, policy: Policy) -> NumericPlaces:
    """The places of a part that the policy says of whose numbers their owners are."""
    marks: dict[bytes, bool] = {}
    for path in in_tree_order({*owner_places(part, policy), b""}):
        numeric = policy.match(part.place(path)).owners == NUMERIC
        if numeric != next((marks[above] for above in upwards(parent(path)) if above in marks), False):
            marks[path] = numeric
    return NumericPlaces(marks) if any(marks.values()) else NOWHERE


def find_roots(
    part: Part, policy: Policy, accounts: tuple[AccountTables, AccountTables, AccountTables], decisions: Decisions
) -> Iterator[ForeignRoot]:
    """The roots of other systems in the state units of a part, of those in each other the outer one.

    :param part: with the places that the policy marks, in which nothing is looked for.
    """
    homes = {fields[5].rstrip(b"/") for _, fields in accounts[CLONE_SIDE].table(PASSWD).records() if len(fields) > 5}
    found: list[bytes] = []
    for side in (CLONE_SIDE, GOLD_SIDE):
        manifest = part.trees[side].manifest
        for path in sorted(with_tables(manifest), key=len):
            if any(path == one or is_below(path, one) for one in found) or part.numeric.covers(path):
                continue
            place = part.place(path)
            if not _is_roots_alone(manifest, path) or place in homes or parent(place) == b"/home":
                continue
            if not _may_be_foreign(policy, manifest, path, place):
                continue
            found.append(path)
            yield _decided(ForeignRoot(part, path, side, _is_jail(part, path, side, accounts[side])), decisions)
    for path, strangers in _volumes(part, accounts[CLONE_SIDE]):
        if policy.match(part.place(path)).owners != NAMES and not any(_touch(path, one) for one in found):
            yield _decided(ForeignRoot(part, path, CLONE_SIDE, False, strangers=strangers), decisions)


def _touch(one: bytes, other: bytes) -> bool:
    return one == other or is_below(one, other) or is_below(other, one)


def _decided(one: ForeignRoot, decisions: Decisions) -> ForeignRoot:
    decision = decisions.get(one.conflict.key)
    known = decision is not None and decision.take in (NUMERIC, NAMES)
    return replace(one, decided=decision.take) if decision is not None and known else one


def _may_be_foreign(policy: Policy, manifest: Manifest, path: bytes, place: bytes) -> bool:
    """Whether another system's root may be at a path: in a state unit, or where nothing is said, below root's own directories."""
    rule = policy.match(place)
    if rule.owners == NAMES:
        return False
    if rule.cls == STATE:
        return policy.unit(place, rule) is not None
    if rule.cls not in (CONFIG, OPAQUE) or place.startswith(_OF_THE_SYSTEM):
        return False
    return all(_is_roots(manifest, above, DIRECTORY) for above in upwards(parent(path)) if above)


def _volumes(part: Part, accounts: AccountTables) -> Iterator[tuple[bytes, tuple[int, ...]]]:
    """(directory of /opt, numbers of services that the server has no accounts for), where there are several of them."""
    top = part.inside(SOFTWARE)
    manifest = part.trees[CLONE_SIDE].manifest
    if top is None or not accounts.users:
        return
    start = len(top) + 1 if top else 0
    known, is_system = set(accounts.users.values()), accounts.login_defs.users.is_system
    strangers: dict[bytes, set[int]] = {}
    for below in manifest.below(top):
        if below.uid not in known and is_system(below.uid):
            path = below.path[:start] + below.path[start:].partition(b"/")[0]
            strangers.setdefault(path, set()).add(below.uid)
    for path, numbers in strangers.items():
        if len(numbers) >= _SEVERAL and _is_roots(manifest, path, DIRECTORY) and not part.numeric.covers(path):
            yield path, tuple(sorted(numbers))


def _is_roots_alone(manifest: Manifest, path: bytes) -> bool:
    """Whether the directory, its ``etc`` and its table are root's, and nobody else may write them."""
    kinds = ((path, DIRECTORY), (path + b"/etc", DIRECTORY), (path + TABLE, FILE))
    return all(_is_roots(manifest, one, kind) for one, kind in kinds)


def _is_roots(manifest: Manifest, path: bytes, kind: str) -> bool:
    row = manifest.get(path)
    return row is not None and row.kind == kind and row.uid == 0 and not row.mode & _OTHERS_WRITE


def _is_jail(part: Part, path: bytes, side: int, accounts: AccountTables) -> bool:
    """Whether every record of the root's tables says what the accounts of its tree's own system say."""
    own = AccountTables.of(
        {name: data for name in (PASSWD, GROUP) if (data := _read(part, path + b"/etc/" + name.encode(), side))}
    )
    return all(
        known.get(key.text) == int(fields[2])
        for file, known in ((PASSWD, accounts.users), (GROUP, accounts.groups))
        for key, fields in own.table(file).records()
    )


def _read(part: Part, path: bytes, side: int) -> bytes | None:
    tree = part.trees[part.source(side, path)]
    row = tree.manifest.get(path)
    if row is None or row.kind != FILE or row.size > _LARGEST:
        return None
    return read_unless_torn(tree, path)


def mark_numeric(
    part: Part, policy: Policy, accounts: tuple[AccountTables, AccountTables, AccountTables], decisions: Decisions
) -> tuple[Part, list[ForeignRoot]]:
    """The part with the places in which owners are numbers, and the roots that were found in it."""
    marked = replace(part, numeric=by_policy(part, policy))
    roots = list(find_roots(marked, policy, accounts, decisions))
    places = marked.numeric
    for one in roots:
        if one.numeric:
            places = places.marked(one.path, numeric=True)
    return replace(marked, numeric=places), roots


@dataclass(frozen=True)
class Asked:
    """What is asked and noted of foreign roots."""

    conflicts: list[Conflict] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


def asked_of(
    roots: Iterable[ForeignRoot], names: Names, numbers: OwnerNumbers,
    *, going_back: bool = False,
) -> Asked:  # fmt: skip
    """What is asked or noted of roots in which numbers are used that the server's accounts give up; of others nothing.

    :param numbers: what the merged accounts make of names.
    :param going_back: a rollback that carries changes is not held up: the numbers stay, with a note.
    """
    asked = Asked()
    for one in roots:
        moved = _renumbered(one, names[one.side], numbers)
        if not moved:
            continue
        place = one.part.place(one.path)
        shown = ", ".join(sorted(moved)[:5])
        if one.is_jail:
            text = f"its files follow the accounts that got other numbers ({shown}); its own etc/passwd and etc/group do not"
            asked.notes.append(Note("jail-tables-stale", place, text, {"accounts": sorted(moved)}))
        elif one.decided:
            data = {"key": one.conflict.key, "take": one.decided, "axis": "owners"}
            asked.notes.append(Note("decided", place, "owners: decided", data))
        elif going_back:
            text = f"{one.said}: its files keep their numbers, which were the server's {shown}"
            asked.notes.append(Note("foreign-root", place, text, {"accounts": sorted(moved)}))
        else:
            detail = f"{one.conflict.detail}; renumbered here: {shown}"
            asked.conflicts.append(replace(one.conflict, detail=detail))
    return asked


def _renumbered(one: ForeignRoot, names: OwnerNames, numbers: OwnerNumbers) -> set[str]:
    """The accounts of the server that get other numbers, and whose old ones are used below the root by files that are not
    gold's: what gold has there, it has with these numbers."""
    manifest, gold = one.part.trees[one.side].manifest, one.part.trees[GOLD_SIDE].manifest
    found: set[str] = set()
    for row in (row for row in (manifest.get(one.path), *manifest.below(one.path)) if row is not None):
        acl_uids, acl_gids = numbers_in_acl(row.xattrs)
        moved = {
            "user " + path_text(names.users[uid]) for uid in (row.uid, *acl_uids) if numbers.moves_user(uid, names)
        }
        moved |= {"group " + path_text(names.groups[g]) for g in (row.gid, *acl_gids) if numbers.moves_group(g, names)}
        if moved - found and not (one.side != GOLD_SIDE and _same_owners(row, gold.get(row.path))):
            found |= moved
    return found


def _same_owners(row: Entry, other: Entry | None) -> bool:
    return other is not None and (row.uid, row.gid, row.xattrs) == (other.uid, other.gid, other.xattrs)
