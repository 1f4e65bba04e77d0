"""Numbers of accounts: who keeps his, who follows, who moves, and what a person may answer."""

from __future__ import annotations

import pytest

from goldroot.accounts import AccountsMerge, AccountTables, Renumbered
from goldroot.conflicts import Conflict, Decision
from support.accounts import merge_accounts


def numbered(*, defs: bytes = b"", odd: bytes = b"", **users: int) -> AccountTables:
    """A passwd with these users, all in group 0; ``odd`` are further lines."""
    lines = b"".join(b"%s:x:%d:0:::\n" % (name.encode(), number) for name, number in users.items())
    files = {"passwd": lines + odd, "group": b"root:x:0:\n"}
    return AccountTables.of({**files, "login.defs": defs} if defs else files)


def grouped(**groups: int) -> AccountTables:
    return AccountTables.of({"group": b"".join(b"%s:x:%d:\n" % (name.encode(), gid) for name, gid in groups.items())})


def uids(merged: AccountsMerge) -> dict[str, int]:
    tables = AccountTables.of({"passwd": merged.files["passwd"] or b""})
    assert tables.users.items() <= merged.users.items()
    return {name.decode(): number for name, number in tables.users.items()}


def text(merged: AccountsMerge) -> bytes:
    return merged.files["passwd"] or b""


def noted(merged: AccountsMerge) -> list[tuple[str, object]]:
    return [(note.kind, note.data.get("name")) for note in merged.notes]


def moved(merged: AccountsMerge) -> list[tuple[str, str, int, int]]:
    """What the one note of a renumbering says: table, name, from, to."""
    lists = [note.data["accounts"] for note in merged.notes if note.kind == "renumbered"]
    assert len(lists) <= 1
    return [(one["table"], one["name"], one["from"], one["to"]) for found in lists for one in found]  # type: ignore[attr-defined]


def sole(merged: AccountsMerge) -> Conflict:
    assert len(merged.conflicts) == 1, merged.conflicts
    return merged.conflicts[0]


def test_gold_renumbering_is_followed_in_one_simultaneous_exchange() -> None:
    base = numbered(root=0, one=101, two=102, three=103)
    gold = numbered(root=0, one=102, two=103, three=101)
    merged = merge_accounts(base, gold, numbered(root=0, one=101, two=102, three=103, anna=1000))
    assert uids(merged) == {"root": 0, "one": 102, "two": 103, "three": 101, "anna": 1000}
    assert merged.conflicts == []
    assert merged.renumbered[0] == Renumbered("user", b"one", 101, 102, 101, 102)
    assert moved(merged) == [("user", "one", 101, 102), ("user", "two", 102, 103), ("user", "three", 103, 101)]
    assert [kind for kind, _ in noted(merged)] == ["renumbered"]


def test_the_clone_s_own_renumbering_stays() -> None:
    merged = merge_accounts(numbered(one=101), numbered(one=101, new=102), numbered(one=150))
    assert uids(merged) == {"one": 150, "new": 102}
    assert noted(merged) == [("not-gold-number", "one")]
    assert merged.conflicts == []


def test_the_clone_s_own_renumbering_yields_where_gold_gave_the_number_away() -> None:
    merged = merge_accounts(numbered(one=101), numbered(one=101, new=150), numbered(one=150))
    assert uids(merged) == {"one": 101, "new": 150}
    conflict = sole(merged)
    assert (conflict.axis, conflict.kind, conflict.stands) == ("accounts:one:uid", "number-taken", "proposal")


def test_and_goes_to_a_free_one_where_gold_s_own_number_is_another_s_by_now() -> None:
    merged = merge_accounts(numbered(one=101), numbered(one=101, new=150), numbered(one=150, own=101))
    assert uids(merged) == {"one": 999, "new": 150, "own": 101}


def test_system_accounts_that_both_added_take_gold_s_number() -> None:
    merged = merge_accounts(numbered(), numbered(svc=105), numbered(svc=110, own=105 + 1))
    assert uids(merged) == {"svc": 105, "own": 106}
    assert merged.conflicts == []
    assert moved(merged) == [("user", "svc", 110, 105)]


def test_system_accounts_that_both_renumbered_take_gold_s_number() -> None:
    merged = merge_accounts(numbered(svc=101), numbered(svc=105), numbered(svc=110))
    assert uids(merged) == {"svc": 105}
    assert merged.conflicts == []


def test_nobody_is_no_person() -> None:
    merged = merge_accounts(numbered(), numbered(nobody=65534), numbered(nobody=99))
    assert uids(merged) == {"nobody": 65534}
    assert merged.conflicts == []


@pytest.mark.parametrize(
    ("defs", "number", "asked"),
    [(b"", 999, 0), (b"", 1000, 1), (b"UID_MIN 500\n", 499, 0), (b"UID_MIN 500\n", 500, 1)],
)
def test_where_people_begin(defs: bytes, number: int, asked: int) -> None:
    merged = merge_accounts(numbered(defs=defs), numbered(defs=defs, x=number), numbered(defs=defs, x=105))
    assert len(merged.conflicts) == asked
    assert uids(merged) == {"x": 105 if asked else number}


def test_login_defs_are_those_of_the_result() -> None:
    """The clone's UID_MIN 500 stays, so 600 is a person's."""
    clone = numbered(defs=b"UID_MIN 500\n", x=105)
    merged = merge_accounts(numbered(), numbered(x=600), clone)
    assert sole(merged).kind == "number-differs"


class TestPersons:
    base, gold, clone = numbered(), numbered(anna=1001), numbered(bert=1000, anna=1002)

    def test_conflict_and_the_clone_s_number_stands(self) -> None:
        merged = merge_accounts(self.base, self.gold, self.clone)
        conflict = sole(merged)
        assert (conflict.axis, conflict.kind) == ("accounts:anna:uid", "number-differs")
        assert conflict.values == (b"", b"1001", b"1002")
        assert uids(merged) == {"bert": 1000, "anna": 1002}
        assert uids(merge_accounts(self.base, self.gold, self.clone, prefer="gold"))["anna"] == 1001

    @pytest.mark.parametrize(
        ("decision", "number", "left"),
        [
            (Decision("gold"), 1001, 0),
            (Decision("clone"), 1002, 0),
            (Decision("content", b"1234"), 1234, 0),
            (Decision("content", b"1000"), 1002, 1),
            (Decision("content", b"65534"), 1002, 1),
            (Decision("content", b"-5"), 1002, 1),
            (Decision("content", b"4294967295"), 1002, 1),
        ],
    )
    def test_decided(self, decision: Decision, number: int, left: int) -> None:
        key = sole(merge_accounts(self.base, self.gold, self.clone)).key
        merged = merge_accounts(self.base, self.gold, self.clone, decisions={key: decision})
        assert uids(merged) == {"bert": 1000, "anna": number}
        assert len(merged.conflicts) == left

    def test_the_clone_s_number_cannot_be_had_where_gold_gave_it_away(self) -> None:
        merged = merge_accounts(self.base, numbered(anna=1001, carl=1002), self.clone)
        conflict = sole(merged)
        assert (conflict.answers, conflict.stands) == (("gold",), "gold")
        assert uids(merged) == {"bert": 1000, "anna": 1001, "carl": 1002}


class TestNumberTaken:
    base = numbered(root=0, old=998)
    gold = numbered(root=0, old=998, new=105)
    clone = numbered(root=0, old=998, own=105, other=999)

    def test_proposal_stands(self) -> None:
        merged = merge_accounts(self.base, self.gold, self.clone)
        conflict = sole(merged)
        assert (conflict.path, conflict.axis, conflict.kind) == (b"/etc/passwd", "accounts:own:uid", "number-taken")
        assert conflict.values == (b"", b"105 new", b"105")
        assert (conflict.answers, conflict.stands) == (("proposal", "clone"), "proposal")
        assert "997" in conflict.detail
        assert uids(merged) == {"root": 0, "old": 998, "new": 105, "own": 997, "other": 999}
        assert Renumbered("user", b"own", None, None, 105, 997) in merged.renumbered
        assert ("user", "own", 105, 997) in moved(merged)

    @pytest.mark.parametrize(
        ("decision", "own", "new", "left"),
        [
            (Decision("proposal"), 997, 105, 0),
            (Decision("clone"), 105, 997, 0),
            (Decision("content", b"123"), 123, 105, 0),
            (Decision("content", b"999"), 997, 105, 1),
            (Decision("content", b"105"), 997, 105, 1),
            (Decision("content", b"x"), 997, 105, 1),
            (Decision("gold"), 997, 105, 1),
        ],
    )
    def test_decided(self, decision: Decision, own: int, new: int, left: int) -> None:
        key = sole(merge_accounts(self.base, self.gold, self.clone)).key
        merged = merge_accounts(self.base, self.gold, self.clone, decisions={key: decision})
        found = uids(merged)
        assert (found["own"], found["new"]) == (own, new)
        assert len(merged.conflicts) == left

    def test_the_answer_serves_other_clones(self) -> None:
        """The key does not depend on what else a clone has."""
        other = numbered(root=0, old=998, own=105, zoe=997, other=999)
        assert (
            sole(merge_accounts(self.base, self.gold, other)).key
            == sole(merge_accounts(self.base, self.gold, self.clone)).key
        )

    def test_a_person_moves_within_the_range_of_people(self) -> None:
        merged = merge_accounts(numbered(), numbered(new=1000), numbered(anna=1000, top=60000))
        assert uids(merged) == {"new": 1000, "anna": 59999, "top": 60000}

    def test_a_free_number_is_free_in_all_tables_and_files(self) -> None:
        base = numbered(old=999)
        gold = numbered(new=105, newer=998)
        clone = numbered(old=999, own=105, odd=b"+nis:x:997:0:::\nown:x:996:0:::\n")
        merged = merge_accounts(base, gold, clone, clone_bare_uids={995})
        assert uids(merged)["own"] == 994

    def test_a_full_range_goes_on_above_people(self) -> None:
        defs = b"SYS_UID_MIN 105\nSYS_UID_MAX 106\n"
        base, gold = numbered(defs=defs), numbered(defs=defs, new=105)
        merged = merge_accounts(base, gold, numbered(defs=defs, own=105, more=106))
        assert uids(merged)["own"] == 60001
        gold = numbered(defs=defs, new=105, newer=106)
        twice = uids(merge_accounts(base, gold, numbered(defs=defs, own=105, more=106)))
        assert (twice["own"], twice["more"]) == (60001, 60002)

    def test_no_number_is_given_that_no_file_can_have(self) -> None:
        """Where nothing is left above the ranges: 2**32 - 1 would leave the files with root (chown(2))."""
        defs = b"UID_MAX 4294967294\nSYS_UID_MIN 105\nSYS_UID_MAX 106\n"
        base, gold = numbered(defs=defs), numbered(defs=defs, new=105, newer=106)
        merged = uids(merge_accounts(base, gold, numbered(defs=defs, own=105, more=106)))
        assert (merged["own"], merged["more"]) == (4294967294, 4294967293)

    def test_two_decisions_for_one_number(self) -> None:
        gold, clone = numbered(new=105, newer=106), numbered(own=105, other=106)
        first = merge_accounts(numbered(), gold, clone)
        decisions = {conflict.key: Decision("content", b"123") for conflict in first.conflicts}
        merged = merge_accounts(numbered(), gold, clone, decisions=decisions)
        assert len(merged.conflicts) == 1
        assert len(set(uids(merged).values())) == 4

    def test_uid_and_gid_are_decided_separately(self) -> None:
        made = b"own:x:105:205:::\n"
        base = AccountTables.of({})
        gold = AccountTables.of({"passwd": b"new:x:105:206:::\n", "group": b"new:x:206:\n"})
        clone = AccountTables.of({"passwd": made, "group": b"own:x:205:\n"})
        merged = merge_accounts(base, gold, clone)
        assert sole(merged).axis == "accounts:own:uid"
        assert b"own:x:999:205:::\n" in (merged.files["passwd"] or b"")
        turned = merge_accounts(base, AccountTables.of({"passwd": b"", "group": b"new:x:205:\n"}), clone)
        assert (sole(turned).path, sole(turned).axis) == (b"/etc/group", "accounts:own:gid")
        assert turned.files["passwd"] == b"own:x:105:999:::\n"


def test_a_kept_account_moves_where_gold_gave_its_number_away() -> None:
    merged = merge_accounts(numbered(old=105), numbered(new=105), numbered(old=105), users_in_use={b"old"})
    assert uids(merged) == {"old": 999, "new": 105}
    assert merged.conflicts == []
    assert [kind for kind, _ in noted(merged)] == ["account-kept", "renumbered"]
    assert moved(merged) == [("user", "old", 105, 999)]


def test_a_kept_account_keeps_a_number_that_is_not_given_away() -> None:
    merged = merge_accounts(numbered(old=105), numbered(), numbered(old=105), users_in_use={b"old"})
    assert uids(merged) == {"old": 105}


def test_sharing_in_gold_and_on_the_clone_stays() -> None:
    gold = numbered(root=0, toor=0, new=101)
    merged = merge_accounts(numbered(root=0), gold, numbered(root=0, admin=0))
    assert uids(merged) == {"root": 0, "toor": 0, "new": 101, "admin": 0}
    assert merged.conflicts == []
    other = merge_accounts(numbered(), numbered(a=7, b=7), numbered(c=8, d=8))
    assert uids(other) == {"a": 7, "b": 7, "c": 8, "d": 8}


def test_a_second_name_of_an_account_goes_with_it() -> None:
    merged = merge_accounts(numbered(svc=101), numbered(svc=102, new=101), numbered(svc=101, alias=101))
    assert uids(merged) == {"svc": 102, "alias": 102, "new": 101}
    assert merged.conflicts == []


def test_a_second_name_does_not_become_root_with_it() -> None:
    merged = merge_accounts(numbered(svc=101), numbered(svc=0), numbered(svc=101, alias=101, toor=0))
    assert uids(merged) == {"svc": 0, "alias": 101, "toor": 0}


def test_names_that_share_on_the_clone_move_together() -> None:
    merged = merge_accounts(numbered(), numbered(new=105), numbered(own=105, alias=105))
    assert uids(merged) == {"new": 105, "own": 999, "alias": 999}
    assert sole(merged).axis == "accounts:own:uid"


def test_the_first_record_of_a_name_stays_the_first() -> None:
    """Gold put the only record last; the clone's second one, which gold removed, must not come before it."""
    base = AccountTables.of({"passwd": b"a:x:5:0:::\na:x:6:0:::\nb:x:7:0:::\n"})
    gold = AccountTables.of({"passwd": b"b:x:7:0:::\na:x:5:0:::\n"})
    clone = AccountTables.of({"passwd": b"a:x:5:0:::\na:x:6:0:::/bin/sh\nb:x:7:0:::\n"})
    merged = merge_accounts(base, gold, clone)
    assert sole(merged).axis == "accounts:a#2:record"
    assert uids(merged) == {"a": 5, "b": 7}


def test_a_number_keeps_its_spelling() -> None:
    clone = AccountTables.of({"passwd": b"one:x:0105:007:::\n"})
    gold = AccountTables.of({"passwd": b"one:x:105:7:::\nnew:x:106:7:::\n"})
    merged = merge_accounts(AccountTables.of({"passwd": b"one:x:105:7:::\n"}), gold, clone)
    assert merged.files["passwd"] == b"one:x:0105:007:::\nnew:x:106:7:::\n"


class TestBareNumbers:
    base, gold, clone = numbered(), numbered(new=105), numbered(own=1000)

    def test_one_that_gets_a_name_is_a_conflict(self) -> None:
        merged = merge_accounts(self.base, self.gold, self.clone, clone_bare_uids={105, 300})
        conflict = sole(merged)
        assert (conflict.path, conflict.axis, conflict.kind) == (b"/etc/passwd", "accounts:#105:uid", "bare-number")
        assert merged.bare_users == {}

    @pytest.mark.parametrize(
        ("decision", "moved", "left"),
        [
            (Decision("clone"), {}, 0),
            (Decision("proposal"), {105: 999}, 0),
            (Decision("content", b"own"), {105: 1000}, 0),
            (Decision("content", b"777"), {105: 777}, 0),
            (Decision("content", b"nosuch"), {}, 1),
        ],
    )
    def test_decided(self, decision: Decision, moved: dict[int, int], left: int) -> None:
        key = sole(merge_accounts(self.base, self.gold, self.clone, clone_bare_uids={105})).key
        merged = merge_accounts(self.base, self.gold, self.clone, clone_bare_uids={105}, decisions={key: decision})
        assert merged.bare_users == moved
        assert len(merged.conflicts) == left

    def test_the_gid_of_a_passwd_line_counts(self) -> None:
        clone = AccountTables.of({"passwd": b"own:x:1000:105:::\n"})
        merged = merge_accounts(grouped(), grouped(new=105), clone)
        conflict = sole(merged)
        assert (conflict.path, conflict.axis) == (b"/etc/group", "accounts:#105:gid")
        assert merged.files["passwd"] == b"own:x:1000:105:::\n"
        moved = merge_accounts(grouped(), grouped(new=105), clone, decisions={conflict.key: Decision("proposal")})
        assert moved.files["passwd"] == b"own:x:1000:999:::\n"
        assert moved.bare_groups == {105: 999}


class TestNamesWithoutAnAccount:
    def test_gold_s_files_of_a_user_that_the_clone_deleted_have_gold_s_number(self) -> None:
        merged = merge_accounts(numbered(svc=105), numbered(svc=105), numbered(), users_in_use={b"svc"})
        assert merged.files["passwd"] == b""
        assert merged.users == {b"svc": 105}

    def test_and_a_free_one_where_that_is_another_s_by_now(self) -> None:
        merged = merge_accounts(numbered(svc=105), numbered(svc=105), numbered(own=105), users_in_use={b"svc"})
        assert merged.users == {b"svc": 999, b"own": 105}

    def test_gold_s_user_in_a_group_that_the_clone_deleted(self) -> None:
        group = b"svc:x:105:\n"
        base = AccountTables.of({"passwd": b"", "group": group})
        gold = AccountTables.of({"passwd": b"new:x:200:105:::\n", "group": group})
        clone = AccountTables.of({"passwd": b"", "group": b"own:x:105:\n"})
        merged = merge_accounts(base, gold, clone)
        assert merged.files["group"] == b"own:x:999:\nsvc:x:105:\n"
        assert merged.files["passwd"] == b"new:x:200:105:::\n"
        assert sole(merged).kind == "number-taken"


@pytest.mark.parametrize(("line", "number"), [(b"", 1000), (b"bob:x:1000:0:::\n", 60000)])
def test_gold_files_of_an_account_that_the_clone_deleted_are_noted(line: bytes, number: int) -> None:
    base = numbered(root=0, alice=1000)
    here = AccountTables.of({"passwd": b"root:x:0:0:::\n" + line, "group": b"root:x:0:\n"})
    merged = merge_accounts(base, base, here, users_in_use={b"alice"})
    assert b"alice" not in text(merged)
    assert merged.users[b"alice"] == number
    assert noted(merged) == [("no-account", "alice")]
