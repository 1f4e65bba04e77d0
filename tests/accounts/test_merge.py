"""Accounts merged by record and field: what arrives, what stays, what is asked."""

from __future__ import annotations

import pytest

from goldroot.accounts import AccountsMerge, AccountTables
from goldroot.conflicts import Conflict, Decision
from support.accounts import merge_accounts

PASSWD = b"root:x:0:0:root:/root:/bin/bash\nwww:x:33:33:www:/var/www:/bin/false\nmail:x:8:8:mail:/var/mail:/bin/false\n"
GROUP = b"root:x:0:\nwww:x:33:\nmail:x:8:\nssl:x:107:\n"
SHADOW = b"root:*:20000:0:99999:7:::\nwww:*:20000::::::\nmail:*:20000::::::\n"
GSHADOW = b"root:*::\nwww:!::\nmail:!::\nssl:!::\n"
BASE = {"passwd": PASSWD, "group": GROUP, "shadow": SHADOW, "gshadow": GSHADOW}


def etc(changes: dict[str, tuple[bytes, bytes]] | None = None, **files: bytes) -> AccountTables:
    """BASE with files replaced, or added to where they begin with ``+=``, and texts replaced within."""
    made = dict(BASE)
    for file, data in files.items():
        made[file] = made.get(file, b"") + data[2:] if data.startswith(b"+=") else data
    for file, (old, new) in (changes or {}).items():
        assert old in made[file]
        made[file] = made[file].replace(old, new)
    return AccountTables.of(made)


def asked(merged: AccountsMerge) -> list[tuple[bytes, str, str]]:
    return [(conflict.path, conflict.axis, conflict.kind) for conflict in merged.conflicts]


def kinds(merged: AccountsMerge) -> list[str]:
    return [note.kind for note in merged.notes]


def only(merged: AccountsMerge) -> Conflict:
    assert len(merged.conflicts) == 1, asked(merged)
    return merged.conflicts[0]


def text(merged: AccountsMerge, file: str) -> bytes:
    data = merged.files[file]
    assert data is not None
    return data


def test_gold_accounts_arrive_and_local_ones_stay() -> None:
    gold = etc(
        {"passwd": (b"mail:x", b"new:x:101:101:New:/:/bin/false\nmail:x")},
        group=b"+=new:x:101:\n",
        shadow=b"+=new:!:20100::::::\n",
        gshadow=b"+=new:!::\n",
    )
    clone = etc(
        passwd=b"+=anna:x:1000:1000::/home/anna:/bin/bash\n",
        group=b"+=anna:x:1000:\n",
        shadow=b"+=anna:$y$a:20050:0:99999:7:::\n",
        gshadow=b"+=anna:!::\n",
    )
    merged = merge_accounts(etc(), gold, clone)
    names = [line.split(b":")[0] for line in text(merged, "passwd").splitlines()]
    assert names == [b"root", b"www", b"new", b"mail", b"anna"]
    assert text(merged, "shadow").endswith(b"new:!:20100::::::\nanna:$y$a:20050:0:99999:7:::\n")
    assert text(merged, "gshadow") == GSHADOW + b"new:!::\nanna:!::\n"
    assert merged.users[b"new"] == 101
    assert merged.groups[b"anna"] == 1000
    assert merged.conflicts == []


def test_fields_of_one_record_merge_each_on_its_own() -> None:
    gold = etc({"passwd": (b"www:/var/www", b"World:/var/www")})
    clone = etc({"passwd": (b"/var/www:/bin/false", b"/var/www:/bin/sh")})
    assert b"www:x:33:33:World:/var/www:/bin/sh\n" in text(merge_accounts(etc(), gold, clone), "passwd")


def test_one_field_changed_by_both_is_a_conflict_and_the_clone_stands() -> None:
    gold = etc({"passwd": (b"/root:/bin/bash", b"/root:/bin/zsh")})
    clone = etc({"passwd": (b"/root:/bin/bash", b"/root:/bin/ksh")})
    merged = merge_accounts(etc(), gold, clone)
    conflict = only(merged)
    assert (conflict.path, conflict.axis, conflict.kind) == (b"/etc/passwd", "accounts:root:shell", "both-changed")
    assert conflict.values == (b"/bin/bash", b"/bin/zsh", b"/bin/ksh")
    assert b"/root:/bin/ksh\n" in text(merged, "passwd")
    turned = merge_accounts(etc(), gold, clone, prefer="gold")
    assert b"/root:/bin/zsh\n" in text(turned, "passwd")
    assert only(turned).key == conflict.key


@pytest.mark.parametrize(
    ("decision", "shell", "left"),
    [
        (Decision("gold"), b"/bin/zsh", 0),
        (Decision("clone"), b"/bin/ksh", 0),
        (Decision("content", b"/bin/dash"), b"/bin/dash", 0),
        (Decision("content", b"/bin/dash:more"), b"/bin/ksh", 1),
        (Decision("content", b"/bin/dash\nevil::0:0:::"), b"/bin/ksh", 1),
        (Decision("other"), b"/bin/ksh", 1),
    ],
)
def test_decisions_of_a_field(decision: Decision, shell: bytes, left: int) -> None:
    gold = etc({"passwd": (b"/root:/bin/bash", b"/root:/bin/zsh")})
    clone = etc({"passwd": (b"/root:/bin/bash", b"/root:/bin/ksh")})
    key = only(merge_accounts(etc(), gold, clone)).key
    merged = merge_accounts(etc(), gold, clone, decisions={key: decision})
    assert b":/root:" + shell + b"\n" in text(merged, "passwd")
    assert len(merged.conflicts) == left
    assert kinds(merged).count("decided") == 1 - left
    if left:
        assert "cannot be used" in merged.conflicts[0].detail


def test_a_local_password_stays_with_its_date() -> None:
    gold = etc({"shadow": (b"root:*:20000:0:99999", b"root:*:20100:0:90")})
    clone = etc({"shadow": (b"root:*:20000", b"root:$y$secret:20050")})
    merged = merge_accounts(etc(), gold, clone)
    assert b"root:$y$secret:20050:0:90:7:::\n" in text(merged, "shadow")
    assert merged.conflicts == []


def test_a_password_changed_by_both_is_a_secret_conflict() -> None:
    gold = etc({"shadow": (b"root:*:20000", b"root:$y$golds:20100")})
    clone = etc({"shadow": (b"root:*:20000", b"root:$y$clones:20050")})
    merged = merge_accounts(etc(), gold, clone)
    conflict = only(merged)
    assert conflict.axis == "accounts:root:password"
    assert conflict.secret
    assert "$y$" not in conflict.detail
    assert b"root:$y$clones:20050:" in text(merged, "shadow")
    taken = merge_accounts(etc(), gold, clone, decisions={conflict.key: Decision("gold")})
    assert b"root:$y$golds:20100:" in text(taken, "shadow")


def test_gold_making_a_password_change_due_is_a_change() -> None:
    gold = etc({"shadow": (b"root:*:20000", b"root:*:0")})
    clone = etc({"shadow": (b"root:*:20000", b"root:$y$clones:20050")})
    assert only(merge_accounts(etc(), gold, clone)).axis == "accounts:root:password"


def test_passwords_of_groups_are_secret() -> None:
    gold = etc({"gshadow": (b"www:!", b"www:$y$golds")})
    clone = etc({"gshadow": (b"www:!", b"www:$y$clones")})
    conflict = only(merge_accounts(etc(), gold, clone))
    assert conflict.path == b"/etc/gshadow"
    assert conflict.secret


def test_members_merge_as_sets_in_a_stable_order() -> None:
    base = etc({"group": (b"ssl:x:107:", b"ssl:x:107:www,mail"), "gshadow": (b"ssl:!::", b"ssl:!:www:www,mail")})
    gold = etc({"group": (b"ssl:x:107:", b"ssl:x:107:root,mail"), "gshadow": (b"ssl:!::", b"ssl:!:www,root:root,mail")})
    clone = etc(
        {"group": (b"ssl:x:107:", b"ssl:x:107:anna,www,mail"), "gshadow": (b"ssl:!::", b"ssl:!:anna:anna,www,mail")},
        passwd=b"+=anna:x:1000:33::/:/bin/sh\n",
    )
    merged = merge_accounts(base, gold, clone)
    assert b"ssl:x:107:anna,mail,root\n" in text(merged, "group")
    assert b"ssl:!:anna,root:anna,mail,root\n" in text(merged, "gshadow")
    assert merged.conflicts == []


def test_a_member_that_both_added_is_one() -> None:
    gold = etc({"group": (b"ssl:x:107:", b"ssl:x:107:www,root")})
    clone = etc({"group": (b"ssl:x:107:", b"ssl:x:107:mail,www")})
    assert b"ssl:x:107:mail,www,root\n" in text(merge_accounts(etc(), gold, clone), "group")


def test_passwd_names_its_group_by_name() -> None:
    """Gold moves group www from 33 to 40; the clone's own user in that group follows."""
    gold = etc({"passwd": (b"33:33", b"33:40"), "group": (b"www:x:33", b"www:x:40")})
    clone = etc(passwd=b"+=anna:x:1000:33::/:/bin/sh\n")
    merged = merge_accounts(etc(), gold, clone)
    assert b"anna:x:1000:40:" in text(merged, "passwd")
    assert merged.conflicts == []


def test_both_moving_a_user_to_other_groups_is_a_conflict_of_names() -> None:
    gold = etc({"passwd": (b"www:x:33:33", b"www:x:33:8")})
    clone = etc({"passwd": (b"www:x:33:33", b"www:x:33:107")})
    conflict = only(merge_accounts(etc(), gold, clone))
    assert (conflict.axis, conflict.values) == ("accounts:www:gid", (b"www", b"mail", b"ssl"))
    right = merge_accounts(etc(), gold, clone, decisions={conflict.key: Decision("content", b"root")})
    assert b"www:x:33:0:" in text(right, "passwd")
    wrong = merge_accounts(etc(), gold, clone, decisions={conflict.key: Decision("content", b"nosuch")})
    assert b"www:x:33:107:" in text(wrong, "passwd")
    assert len(wrong.conflicts) == 1


def test_odd_lines_stay_and_additions_go_before_trailing_ones() -> None:
    odd = b"# local\n\ntoor:x:0:0::/root:/bin/sh\nwww:x:34:33:again:/:/bin/sh\nbad:x:many:0:::\n-games\n+nis::::::\n+::::::\n"
    gold = etc(passwd=b"+=new:x:101:0::/:/bin/sh\n")
    merged = merge_accounts(etc(), gold, etc(passwd=b"+=" + odd))
    assert text(merged, "passwd") == PASSWD + b"new:x:101:0::/:/bin/sh\n" + odd
    alone = merge_accounts(AccountTables.of({}), gold, AccountTables.of({"passwd": b"own:x:900:0:::\n+::::::\n"}))
    assert text(alone, "passwd").endswith(b"new:x:101:0::/:/bin/sh\n+::::::\n")
    assert merged.conflicts == []


def test_odd_lines_follow_gold_where_the_clone_left_them() -> None:
    base = etc(passwd=b"+=+old::::::\n# one\n")
    gold = etc(passwd=b"+=# one\n+new::::::\n")
    clone = etc(passwd=b"+=+old::::::\n# one\nanna:x:1000:0:::\n")
    assert text(merge_accounts(base, gold, clone), "passwd") == PASSWD + b"# one\n+new::::::\nanna:x:1000:0:::\n"


def test_a_missing_last_line_end_is_merged_too() -> None:
    gold = etc({"passwd": (PASSWD, PASSWD[:-1])})
    clone = etc(passwd=b"+=anna:x:1000:0:::\n")
    assert text(merge_accounts(etc(), gold, clone), "passwd").endswith(b"anna:x:1000:0:::")
    added = merge_accounts(etc(), etc(passwd=b"+=new:x:101:0:::\n"), etc(passwd=PASSWD[:-1]))
    assert text(added, "passwd") == PASSWD + b"new:x:101:0:::"


def test_an_account_that_gold_removed_goes_from_every_file() -> None:
    base = etc(
        {"group": (b"ssl:x:107:", b"ssl:x:107:mail"), "gshadow": (b"ssl:!::", b"ssl:!::mail")}, subuid=b"mail:1:2\n"
    )
    gold = etc(
        {"passwd": (b"mail:x:8:8:mail:/var/mail:/bin/false\n", b""), "shadow": (b"mail:*:20000::::::\n", b"")},
        group=b"root:x:0:\nwww:x:33:\nssl:x:107:\n", gshadow=b"root:*::\nwww:!::\nssl:!::\n", subuid=b"",
    )  # fmt: skip
    clone = etc(
        {"group": (b"ssl:x:107:", b"ssl:x:107:mail,root"), "gshadow": (b"ssl:!::", b"ssl:!::mail,root")},
        passwd=b"+=anna:x:1000:33:::\n",
        subuid=b"mail:1:2\n",
    )
    merged = merge_accounts(base, gold, clone)
    assert not any(b"mail" in (data or b"") for data in merged.files.values())
    assert b"ssl:x:107:root\n" in text(merged, "group")
    assert merged.conflicts == []


GONE = {"passwd": (b"mail:x:8:8:mail:/var/mail:/bin/false\n", b""), "shadow": (b"mail:*:20000::::::\n", b"")}


def test_a_removed_account_that_a_file_names_stays_and_is_noted() -> None:
    merged = merge_accounts(etc(), etc(GONE), etc(), users_in_use={b"mail"})
    assert text(merged, "passwd") == PASSWD
    assert text(merged, "shadow") == SHADOW
    assert kinds(merged) == ["account-kept"]
    assert merged.conflicts == []


def test_a_removed_group_that_a_user_of_the_result_has_stays() -> None:
    gold = etc({"group": (b"ssl:x:107:\n", b""), "gshadow": (b"ssl:!::\n", b"")})
    clone = etc(passwd=b"+=anna:x:1000:107:::\n")
    merged = merge_accounts(etc(), gold, clone)
    assert text(merged, "group") == GROUP
    assert text(merged, "gshadow") == GSHADOW
    assert kinds(merged) == ["account-kept"]


@pytest.mark.parametrize(
    "change",
    [
        {"passwd": (b"mail:/bin/false", b"mail:/bin/sh")},
        {"shadow": (b"mail:*:20000", b"mail:$y$x:20050")},
        {"group": (b"ssl:x:107:", b"ssl:x:107:mail")},
        {"gshadow": (b"ssl:!::", b"ssl:!:mail:")},
        {"passwd": (b"mail:x:8", b"mail:x:9")},
    ],
)
def test_a_removed_account_that_the_clone_changed_is_a_conflict(change: dict[str, tuple[bytes, bytes]]) -> None:
    clone = etc(change)
    merged = merge_accounts(etc(), etc(GONE), clone)
    conflict = only(merged)
    assert (conflict.path, conflict.axis, conflict.kind) == (b"/etc/passwd", "accounts:mail:record", "gold-deleted")
    assert "$y$" not in conflict.detail
    assert merged.files["passwd"] == clone.files["passwd"]
    assert merged.files["shadow"] == clone.files["shadow"]
    assert merged.files["group"] == clone.files["group"]
    assert merged.files["gshadow"] == clone.files["gshadow"]
    decided = merge_accounts(etc(), etc(GONE), clone, decisions={conflict.key: Decision("gold")})
    assert b"mail:" not in text(decided, "passwd") + text(decided, "shadow")
    assert b"ssl:x:107:\n" in text(decided, "group")
    assert b"ssl:!::\n" in text(decided, "gshadow")


def test_a_kept_account_keeps_its_memberships() -> None:
    base = etc({"group": (b"ssl:x:107:", b"ssl:x:107:mail,www")})
    gold = etc(GONE, group=GROUP.replace(b"ssl:x:107:", b"ssl:x:107:www"))
    merged = merge_accounts(base, gold, base, users_in_use={b"mail"})
    assert b"ssl:x:107:mail,www\n" in text(merged, "group")


def test_an_account_deleted_by_the_clone_stays_deleted() -> None:
    merged = merge_accounts(etc(), etc(passwd=b"+=new:x:101:0:::\n"), etc(GONE))
    assert b"mail:" not in text(merged, "passwd") + text(merged, "shadow")
    assert merged.conflicts == []


def test_a_rebuilt_gold_that_only_dates_passwords_anew_changed_nothing() -> None:
    gold = etc(shadow=SHADOW.replace(b"20000", b"20100"))
    merged = merge_accounts(etc(), gold, etc(GONE))
    assert b"mail:" not in text(merged, "shadow")
    assert merged.conflicts == []


def test_an_account_deleted_by_the_clone_and_changed_by_gold_is_a_conflict() -> None:
    gold = etc({"passwd": (b"mail:/bin/false", b"mail:/bin/sh"), "group": (b"ssl:x:107:", b"ssl:x:107:mail")})
    merged = merge_accounts(etc(), gold, etc(GONE))
    conflict = only(merged)
    assert (conflict.axis, conflict.kind) == ("accounts:mail:record", "clone-deleted")
    assert b"mail:" not in text(merged, "passwd") + text(merged, "shadow")
    assert b"ssl:x:107:\n" in text(merged, "group")
    back = merge_accounts(etc(), gold, etc(GONE), decisions={conflict.key: Decision("gold")})
    assert back.files["passwd"] == gold.files["passwd"]
    assert back.files["shadow"] == gold.files["shadow"]
    assert back.files["group"] == gold.files["group"]


def test_an_account_that_a_person_took_back_is_in_the_groups_that_it_has_in_gold() -> None:
    member = {"group": (b"ssl:x:107:", b"ssl:x:107:mail"), "gshadow": (b"ssl:!::", b"ssl:!::mail")}
    gold = etc({"passwd": (b"mail:/bin/false", b"mail:/bin/sh"), **member})
    asked = only(merge_accounts(etc(member), gold, etc(GONE)))
    back = merge_accounts(etc(member), gold, etc(GONE), decisions={asked.key: Decision("gold")})
    assert back.files["group"] == gold.files["group"]
    assert back.files["gshadow"] == gold.files["gshadow"]


def test_single_records_have_their_own_presence() -> None:
    """Only shadow's line is deleted on one side while passwd keeps the account."""
    less = {"shadow": (b"mail:*:20000::::::\n", b"")}
    changed = {"shadow": (b"mail:*:20000", b"mail:$y$x:20050")}
    assert b"mail" not in text(merge_accounts(etc(), etc(), etc(less)), "shadow")
    deleted = merge_accounts(etc(), etc(changed), etc(less))
    assert asked(deleted) == [(b"/etc/shadow", "accounts:mail:record", "clone-deleted")]
    assert b"mail" not in text(deleted, "shadow")
    removed = merge_accounts(etc(), etc(less), etc(changed))
    assert asked(removed) == [(b"/etc/shadow", "accounts:mail:record", "gold-deleted")]
    assert b"mail:$y$x" in text(removed, "shadow")


def test_a_single_record_that_gold_only_dated_anew_stays_deleted() -> None:
    gold = etc(shadow=SHADOW.replace(b"20000", b"20100"))
    merged = merge_accounts(etc(), gold, etc({"shadow": (b"mail:*:20000::::::\n", b"")}))
    assert b"mail" not in text(merged, "shadow")
    assert merged.conflicts == []


@pytest.mark.parametrize(
    ("file", "was", "now"), [("group", b"ssl:x:107:", b"ssl:x:107:mail"), ("gshadow", b"ssl:!:", b"ssl:!:mail")]
)
def test_a_new_membership_is_a_change_of_an_account_that_the_clone_deleted(file: str, was: bytes, now: bytes) -> None:
    merged = merge_accounts(etc(), etc({file: (was, now)}), etc(GONE))
    assert only(merged).kind == "clone-deleted"
    assert text(merged, file) == BASE[file]


def test_records_of_one_name_are_questions_of_their_own() -> None:
    twice = b"+=ghost:!:1\nghost:!:1\n"
    changed = b"+=ghost:$y$a:1\nghost:$y$a:1\n"
    merged = merge_accounts(etc(shadow=twice), etc(shadow=changed), etc())
    assert [conflict.axis for conflict in merged.conflicts] == ["accounts:ghost:record", "accounts:ghost#2:record"]
    assert len({conflict.key for conflict in merged.conflicts}) == 2


def test_a_record_without_an_account_is_kept() -> None:
    clone = etc(shadow=b"+=ghost:*:20000::::::\n")
    merged = merge_accounts(etc(), etc(passwd=b"+=new:x:101:0:::\n"), clone)
    assert merged.files["shadow"] == clone.files["shadow"]


def test_both_add_the_same_and_different_records() -> None:
    gold = etc(passwd=b"+=new:x:101:0::/gold:/bin/sh\n")
    same = merge_accounts(etc(), gold, gold)
    assert same.conflicts == []
    merged = merge_accounts(etc(), gold, etc(passwd=b"+=new:x:101:0::/clone:/bin/sh\n"))
    assert only(merged).axis == "accounts:new:home"
    assert b"new:x:101:0::/clone:" in text(merged, "passwd")


def test_missing_files_are_empty_tables() -> None:
    none = AccountTables.of({})
    merged = merge_accounts(none, none, none)
    assert set(merged.files.values()) == {None}
    assert merged.users == {}
    assert merged.conflicts == []
    assert merge_accounts(none, etc(), none).files["passwd"] == PASSWD
    assert merge_accounts(etc(), none, etc()).files["passwd"] is None
    emptied = merge_accounts(etc(), none, etc(), users_in_use={b"www"})
    assert text(emptied, "passwd") == b"www:x:33:33:www:/var/www:/bin/false\n"


def test_short_and_long_lines_merge_by_field() -> None:
    base = etc(group=b"one:x:50\n", passwd=b"one:x:50:50::\n")
    gold = etc(group=b"one:x:50:root\n", passwd=b"one:x:50:50:One:\n")
    clone = etc(group=b"one:x:51\n", passwd=b"one:x:51:51:::/bin/sh:more:fields\n")
    merged = merge_accounts(base, gold, clone)
    assert merged.files["group"] == b"one:x:51:root\n"
    assert merged.files["passwd"] == b"one:x:51:51:One::/bin/sh:more:fields\n"
    assert merged.conflicts == []


def test_gold_reordering_arrives_where_the_clone_kept_the_order() -> None:
    turned = b"".join(reversed(PASSWD.splitlines(keepends=True)))
    assert text(merge_accounts(etc(), etc(passwd=turned), etc()), "passwd") == turned
    added = merge_accounts(etc(), etc(passwd=turned), etc(passwd=b"+=anna:x:1000:0:::\n"))
    assert text(added, "passwd") == PASSWD + b"anna:x:1000:0:::\n"


def test_a_subuid_range_is_one_field() -> None:
    base, gold, clone = (etc(subuid=b"anna:%d:%d\n" % pair) for pair in ((100000, 10), (200000, 10), (100000, 20)))
    assert only(merge_accounts(base, gold, clone)).values == (b"100000:10", b"200000:10", b"100000:20")


class TestOverlappingRanges:
    gold = etc(subuid=b"gold:100000:65536\n", subgid=b"gold:100000:65536\n")
    clone = etc(subuid=b"anna:100000:65536\n")

    def test_is_a_conflict_and_gold_s_new_range_moves(self) -> None:
        merged = merge_accounts(etc(), self.gold, self.clone)
        conflict = only(merged)
        assert (conflict.path, conflict.axis, conflict.kind) == (b"/etc/subuid", "accounts:gold:range", "range-overlap")
        assert merged.files["subuid"] == b"anna:100000:65536\ngold:165536:65536\n"
        assert merged.files["subgid"] == b"gold:100000:65536\n"

    @pytest.mark.parametrize(
        ("decision", "lines"),
        [
            (Decision("gold"), b"anna:165536:65536\ngold:100000:65536\n"),
            (Decision("clone"), b"anna:100000:65536\n"),
            (Decision("content", b"500000:10"), b"anna:100000:65536\ngold:500000:10\n"),
        ],
    )
    def test_decided(self, decision: Decision, lines: bytes) -> None:
        key = only(merge_accounts(etc(), self.gold, self.clone)).key
        merged = merge_accounts(etc(), self.gold, self.clone, decisions={key: decision})
        assert sorted(text(merged, "subuid").splitlines()) == sorted(lines.splitlines())
        assert merged.conflicts == []

    @pytest.mark.parametrize("content", [b"100500:10", b"many", b"5:5:5", b""])
    def test_an_answer_that_overlaps_again_is_not_used(self, content: bytes) -> None:
        key = only(merge_accounts(etc(), self.gold, self.clone)).key
        merged = merge_accounts(etc(), self.gold, self.clone, decisions={key: Decision("content", content)})
        assert b"gold:165536:65536\n" in text(merged, "subuid")
        assert "cannot be used" in only(merged).detail

    def test_what_gold_lets_overlap_may(self) -> None:
        base = etc(subuid=b"anna:100000:10\n")
        gold = etc(subuid=b"anna:100000:10\nbert:100000:10\n")
        merged = merge_accounts(base, gold, etc(subuid=b"anna:100000:10\ncarl:1:1\n"))
        assert b"bert:100000:10\n" in text(merged, "subuid")
        assert merged.conflicts == []

    def test_what_overlapped_on_one_side_already_stays(self) -> None:
        both = etc(subuid=b"anna:100000:65536\nbert:100000:65536\n")
        merged = merge_accounts(etc(), etc(subuid=b"gold:1:1\n"), both)
        assert merged.files["subuid"] == b"anna:100000:65536\nbert:100000:65536\ngold:1:1\n"
        assert merged.conflicts == []


def test_a_group_that_the_clone_deleted_comes_back_with_a_user_who_has_it() -> None:
    base = AccountTables.of({"passwd": b"root:x:0:0:::\n", "group": b"root:x:0:\ngames:x:60:\n"})
    gold = AccountTables.of({"passwd": b"root:x:0:0:::\nfoo:x:150:60:::\n", "group": b"root:x:0:\ngames:x:60:\n"})
    clone = AccountTables.of({"passwd": b"root:x:0:0:::\n", "group": b"root:x:0:\n"})
    merged = merge_accounts(base, gold, clone)
    assert text(merged, "passwd") == b"root:x:0:0:::\nfoo:x:150:60:::\n"
    assert text(merged, "group") == b"root:x:0:\ngames:x:60:\n"
    assert kinds(merged) == ["account-back"]
    assert merged.conflicts == []
