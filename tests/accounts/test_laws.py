"""The laws of the accounts merger, over generated tables with odd lines in them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from goldroot.accounts.merge import merge_account_tables
from goldroot.accounts.owners import AccountsMerge, unchanged_tables
from goldroot.accounts.ranges import Taken
from goldroot.accounts.sides import InUse
from goldroot.accounts.tables import ACCOUNT_FILES, AccountTables
from goldroot.accounts.three_way import Questions
from goldroot.conflicts import Decision
from support.accounts import merge_accounts
from support.examples import examples

NAMES = st.sampled_from([b"root", b"toor", b"aa", b"bb", b"cc", b"dd"])
#: Few, so that names meet at one number often; one person's among them, and one with two spellings.
NUMBERS = st.sampled_from([b"0", b"7", b"07", b"101", b"102", b"103", b"998", b"1000", b"1001", b"65534"])
ODD = st.sampled_from([b"", b"# remark", b"+::::::", b"-bad", b"+nis", b"torn:x", b"aa:x:zz:zz", b":::", b"x:y:7:\xff"])
HASHES = st.sampled_from([b"*", b"!", b"$y$one", b"$y$two"])
DAYS = st.sampled_from([b"", b"0", b"20000", b"20001"])
LISTS = st.lists(NAMES, max_size=3).map(b",".join)


def line(*fields: bytes | st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    return st.tuples(*(st.just(one) if isinstance(one, bytes) else one for one in fields)).map(b":".join)


SHELLS = st.sampled_from([b"/bin/sh", b"/bin/false", b""])
RANGES = st.sampled_from([b"100000:10", b"100005:10", b"100010:10", b"200000:5", b"0:0"])
RECORDS = {
    "passwd": line(NAMES, b"x", NUMBERS, NUMBERS, b"", b"/", SHELLS) | line(NAMES, b"x", NUMBERS, NUMBERS),
    "group": line(NAMES, b"x", NUMBERS, LISTS) | line(NAMES, b"x", NUMBERS),
    "shadow": line(NAMES, HASHES, DAYS, b"0", b"99999", b"7", b"", b"", b"") | line(NAMES, HASHES),
    "gshadow": line(NAMES, HASHES, LISTS, LISTS),
    "subuid": line(NAMES, RANGES),
    "subgid": line(NAMES, RANGES),
}


def file_of(record: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes | None]:
    lines = st.lists(st.one_of(record, record, record, ODD), max_size=7)
    text = st.tuples(lines, st.booleans()).map(
        lambda made: b"\n".join(made[0]) + (b"\n" if made[0] and made[1] else b"")
    )
    return st.none() | text


def edits(lines: list[bytes], record: st.SearchStrategy[bytes]) -> st.SearchStrategy[list[bytes]]:
    """The lines, some of them gone, replaced or added to: a side that is like its base."""
    kept = [st.lists(record | st.just(one), max_size=2) | st.just([one]) | st.just([one]) for one in lines]
    return st.tuples(*kept, st.lists(record, max_size=2)).map(lambda parts: [one for part in parts for one in part])


TABLES = st.fixed_dictionaries({file: file_of(record) for file, record in RECORDS.items()}).map(
    lambda files: AccountTables.of({file: data for file, data in files.items() if data is not None})
)


@st.composite
def like(draw: st.DrawFn, base: AccountTables) -> AccountTables:
    if draw(st.integers(0, 5)) == 0:
        return draw(TABLES)
    files = {}
    for file, data in base.files.items():
        lines = draw(edits(data.removesuffix(b"\n").split(b"\n") if data else [], RECORDS[file]))
        files[file] = b"".join(one + b"\n" for one in lines)
    return AccountTables.of(files)


@st.composite
def three(draw: st.DrawFn) -> tuple[AccountTables, AccountTables, AccountTables]:
    base = draw(TABLES)
    return base, draw(like(base)), draw(like(base))


def content(tables: AccountTables) -> dict[str, bytes | None]:
    return {file: tables.files.get(file) for file in ACCOUNT_FILES}


def as_tables(merged: AccountsMerge) -> AccountTables:
    return AccountTables.of({file: data for file, data in merged.files.items() if data is not None})


#: No deadline: how long an example takes says nothing about the law.
LAW = settings(deadline=None, max_examples=examples(12))

PREFER = st.sampled_from(["clone", "gold"])


@LAW
@given(three(), PREFER)
def test_gold_unchanged_gives_the_clone(sides: tuple[AccountTables, ...], prefer: str) -> None:
    base, _, clone = sides
    merged = merge_accounts(base, base, clone, prefer=prefer)
    assert merged.files == content(clone)
    assert merged.conflicts == []
    assert merged.users == clone.users


@LAW
@given(three(), PREFER)
def test_clone_unchanged_gives_gold(sides: tuple[AccountTables, ...], prefer: str) -> None:
    base, gold, _ = sides
    merged = merge_accounts(base, gold, base, prefer=prefer)
    assert merged.files == content(gold)
    assert merged.conflicts == []
    assert merged.users == gold.users


@LAW
@given(three(), PREFER)
def test_the_same_on_both_sides_gives_that(sides: tuple[AccountTables, ...], prefer: str) -> None:
    base, same, _ = sides
    merged = merge_accounts(base, same, same, prefer=prefer)
    assert merged.files == content(same)
    assert merged.conflicts == []


@settings(deadline=None, max_examples=examples(60))
@given(TABLES, st.data(), st.sets(st.integers(5, 9) | st.sampled_from([1000, 5000])))
def test_tables_that_nobody_changed_need_no_merge(tables: AccountTables, data: st.DataObject, bare: set[int]) -> None:
    names = [
        data.draw(st.sets(st.sampled_from(sorted(known)))) if known else set()
        for known in (tables.users, tables.groups)
    ]
    use = InUse(*names, bare, bare)
    said = unchanged_tables((tables, tables, tables), use)
    merged = merge_account_tables((tables, tables, tables), use, Questions({}, "clone"))
    is_asked = bool(bare & {*tables.users.values()} or bare & {*tables.groups.values()})
    assert (said is None) == is_asked == bool(merged.conflicts)
    assert said is None or said == merged


def used(names: set[bytes], sides: tuple[AccountTables, ...]) -> tuple[set[bytes], set[bytes]]:
    """Only what some table knows can be in use by its name."""
    users = {name for name in names if any(name in side.users for side in sides)}
    return users, {name for name in names if any(name in side.groups for side in sides)}


@LAW
@given(three(), st.sets(NAMES), PREFER)
def test_merging_again_with_gold_as_base_changes_nothing(
    sides: tuple[AccountTables, AccountTables, AccountTables], names: set[bytes], prefer: str
) -> None:
    users, groups = used(names, sides)
    merged = merge_accounts(*sides, users_in_use=users, groups_in_use=groups, prefer=prefer)
    result = as_tables(merged)
    again = merge_accounts(sides[1], sides[1], result, users_in_use=users & result.users.keys(), prefer=prefer)
    assert again.files == merged.files
    assert again.conflicts == []


def shared(*sides: AccountTables, only: int | None = None) -> Iterator[tuple[str, bytes, bytes]]:
    """Pairs of names with one number; a name has every number that one of its lines gives it."""
    for file in ("passwd", "group"):
        having: dict[int, set[bytes]] = {}
        for side in sides:
            for key, fields in side.table(file).records():
                having.setdefault(int(fields[2]), set()).add(key.text)
        for names in (names for number, names in having.items() if only in (None, number)):
            for one, other in combinations(sorted(names), 2):
                yield file, one, other


def may_share(sides: tuple[AccountTables, ...]) -> set[tuple[str, bytes, bytes]]:
    """Pairs that one table gives one number, and pairs of accounts that are root's on any side."""
    return {pair for side in sides for pair in shared(side)} | set(shared(*sides, only=0))


@LAW
@given(three(), st.sets(NAMES), PREFER)
def test_no_two_names_come_to_share_a_number(
    sides: tuple[AccountTables, AccountTables, AccountTables], names: set[bytes], prefer: str
) -> None:
    users, groups = used(names, sides)
    merged = merge_accounts(*sides, users_in_use=users, groups_in_use=groups, prefer=prefer)
    before = may_share(sides)
    assert set(shared(as_tables(merged))) <= before
    assert as_tables(merged).users.items() <= merged.users.items()
    assert users <= merged.users.keys()
    assert groups <= merged.groups.keys()


@LAW
@given(three(), st.sets(NAMES))
def test_a_second_run_is_identical(
    sides: tuple[AccountTables, AccountTables, AccountTables], names: set[bytes]
) -> None:
    users, groups = used(names, sides)
    fresh = [AccountTables.of(side.files) for side in sides]
    first = merge_accounts(*sides, users_in_use=users, groups_in_use=groups)
    second = merge_accounts(*fresh, users_in_use=frozenset(users), groups_in_use=groups)
    assert first == second


@LAW
@given(three(), st.sets(NAMES))
def test_every_answer_ends_its_conflict(
    sides: tuple[AccountTables, AccountTables, AccountTables], names: set[bytes]
) -> None:
    """Answers may raise new questions, and never the same one; what was decided shares no numbers either."""
    users, groups = used(names, sides)
    before = may_share(sides)
    for which in (0, -1):
        decisions: dict[str, Decision] = {}
        merged = merge_accounts(*sides, users_in_use=users, groups_in_use=groups)
        while merged.conflicts:
            for conflict in merged.conflicts:
                assert conflict.key not in decisions
                decisions[conflict.key] = Decision(conflict.answers[which])
            merged = merge_accounts(*sides, users_in_use=users, groups_in_use=groups, decisions=decisions)
        assert set(shared(as_tables(merged))) <= before


SPANS = st.tuples(st.integers(0, 40), st.integers(0, 9)).map(lambda pair: (pair[0], sum(pair)))


@settings(deadline=None, max_examples=examples(60))
@given(st.lists(SPANS, max_size=8), st.lists(st.integers(0, 9), max_size=8), st.lists(SPANS, max_size=8), SPANS)
def test_a_range_is_the_lowest_that_is_free_whatever_was_asked_before(
    first: list[tuple[int, int]], lengths: list[int], later: list[tuple[int, int]], other: tuple[int, int]
) -> None:
    taken, numbers = Taken(first, 5), {number for one in first for number in range(*one)}
    for length, one in zip(lengths, [*later, *[(0, 0)] * len(lengths)], strict=False):
        lowest = next(n for n in range(5, 200) if numbers.isdisjoint(range(n, n + length)))
        if length:
            assert taken.free(b"7:%d" % length) == b"%d:%d" % (lowest, length)
        taken.add(one)
        numbers |= {*range(*one)}
        assert taken.meets(other) == (not numbers.isdisjoint(range(*other)))


def passwords(tables: AccountTables, name: bytes) -> list[bytes]:
    """Every password field that could let a user in."""
    fields = [line[1] for key, line in tables.table("passwd").records() if key.text == name]
    return fields + [line[1] for key, line in tables.table("shadow").records() if key.text == name]


def lists_of(tables: AccountTables, name: bytes) -> list[bytes]:
    """The groups whose lists name a user."""
    rows = [*tables.table("group").records(), *tables.table("gshadow").records()]
    return [key.text for key, line in rows if any(name in field.split(b",") for field in line[2:])]


@LAW
@given(three(), st.sets(NAMES))
def test_who_gold_removed_is_as_he_was_or_has_no_way_in(
    sides: tuple[AccountTables, AccountTables, AccountTables], names: set[bytes]
) -> None:
    """Never something between the two: a locked password in a group that still lets in, or a way in that nobody left."""
    users, groups = used(names, sides)
    merged = merge_accounts(*sides, users_in_use=users, groups_in_use=groups)
    base, gold, clone = sides
    result = as_tables(merged)
    asked = {conflict.axis for conflict in merged.conflicts}
    for name in (base.users.keys() & clone.users.keys()) - gold.users.keys():
        if name not in result.users or f"accounts:{name.decode()}:record" in asked:
            continue
        if any(password == b"!*" for password in passwords(result, name)):
            assert set(passwords(result, name)) <= {b"x", b"!*"}
            assert lists_of(result, name) == []
            assert clone.users[name] != 0
        else:
            assert passwords(result, name) == passwords(clone, name)
