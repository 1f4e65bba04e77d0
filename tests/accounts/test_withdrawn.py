"""Access that gold withdrew: an account that it deleted, and that something on the server still needs."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from goldroot.accounts import (
    SUDOERS,
    UNITS,
    AccountsMerge,
    AccountTables,
    AccountUse,
    InUse,
    Questions,
    merge_account_tables,
)
from goldroot.conflicts import Decision

HASH, OTHER = b"$y$j9T$old$hash", b"$y$j9T$new$hash"


def etc(*, with_him: bool = True, **changes: tuple[bytes, bytes]) -> AccountTables:
    """A system with a person anna, and tomcat and backup of services; texts in files (``_`` for ``.``) are replaced."""
    files = {
        "passwd": b"root:x:0:0::/root:/bin/bash\ndaemon:x:1:1::/:/sbin/nologin\ntomcat:x:110:110::/:/usr/sbin/false\n"
        b"backup:x:34:34::/:/sbin/nologin\nanna:x:1000:1000:Anna:/home/anna:/bin/bash\n",
        "group": b"root:x:0:\ndaemon:x:1:\nsudo:x:27:anna\nssl-cert:x:107:tomcat\ntomcat:x:110:\nbackup:x:34:\nanna:x:1000:\n",
        "shadow": b"root:*:20000:0:99999:7:::\ndaemon:*:20000::::::\ntomcat:!:20000::::::\nbackup:" + HASH + b":20000::::::\n"
        b"anna:" + HASH + b":20000:0:99999:7:::\n",
        "gshadow": b"root:*::\ndaemon:*::\nsudo:*:anna:anna\nssl-cert:!::tomcat\ntomcat:!::\nbackup:!::\nanna:!::\n",
        "subuid": b"anna:100000:65536\n",
        "subgid": b"anna:100000:65536\n",
        "nsswitch.conf": b"passwd: files\n",
        "login.defs": b"UID_MIN 1000\nUID_MAX 60000\n",
    }  # fmt: skip
    for file, (old, new) in changes.items():
        name = file.replace("_", ".")
        assert old in files[name], (name, old)
        files[name] = files[name].replace(old, new)
    return AccountTables.of(files)


def without(tables: AccountTables, *names: bytes) -> AccountTables:
    """Gold, with accounts deleted from all files."""

    def left(file: str, data: bytes) -> bytes:
        lines = [line.split(b":") for line in data.splitlines() if line.partition(b":")[0] not in names]
        if file in ("group", "gshadow"):
            lines = [[b",".join(n for n in one.split(b",") if n not in names) for one in line] for line in lines]
        return b"".join(b":".join(line) + b"\n" for line in lines)

    kept = {file: data for file, data in tables.files.items() if "." in file}
    return AccountTables.of({**{f: left(f, d) for f, d in tables.files.items() if "." not in f}, **kept})


def merge(
    base: AccountTables, gold: AccountTables, clone: AccountTables, *, files: Mapping[bytes, int] | None = None,
    named: Mapping[str, list[bytes]] | None = None, bare: set[int] | None = None,
    decisions: Mapping[str, Decision] | None = None, back: bool = False,
) -> AccountsMerge:  # fmt: skip
    """A merge whose result has so many files of each name, and other places that name everybody."""
    files = files or {}

    def of(name: bytes) -> AccountUse:
        return AccountUse([b"/srv/%d" % number for number in range(files.get(name, 0))], named or {})

    used = InUse(set(files), set(), bare or set(), bare or set(), of)
    return merge_account_tables((base, gold, clone), used, Questions(decisions or {}, "clone", going_back=back))


def lines_of(merged: AccountsMerge, name: bytes) -> dict[str, bytes]:
    found = {}
    for file, data in merged.files.items():
        for line in (data or b"").splitlines():
            if line.startswith(name + b":"):
                found[file] = line
    return found


def groups_of(merged: AccountsMerge, name: bytes) -> list[bytes]:
    """The groups and administrators' lists that name a user, but for his own group."""
    text = (merged.files["group"] or b"") + (merged.files["gshadow"] or b"")
    rows = [line.split(b":") for line in text.splitlines()]
    return [row[0] for row in rows if any(name in field.split(b",") for field in row[2:])]


def test_a_person_with_a_stray_file_is_withdrawn() -> None:
    merged = merge(etc(), without(etc(), b"anna"), etc(), files={b"anna": 12})
    assert lines_of(merged, b"anna") == {
        "passwd": b"anna:x:1000:1000:Anna:/home/anna:/sbin/nologin",
        "group": b"anna:x:1000:",
        "shadow": b"anna:!*:20000:0:99999:7::1:",
        "gshadow": b"anna:!::",
    }
    assert groups_of(merged, b"anna") == []
    assert merged.conflicts == []
    note = next(note for note in merged.notes if note.kind == "account-withdrawn")
    assert (note.data["name"], note.data["count"]) == ("anna", 12)
    assert len(note.data["files"]) == 10  # type: ignore[arg-type]
    assert "12 files" in note.text


def test_a_person_without_anything_goes_from_every_file() -> None:
    merged = merge(etc(), without(etc(), b"anna"), etc())
    assert lines_of(merged, b"anna") == {}
    assert groups_of(merged, b"anna") == []
    assert (merged.conflicts, merged.notes) == ([], [])


@pytest.mark.parametrize(
    "own",
    [
        {"shadow": (b"anna:" + HASH + b":20000", b"anna:" + OTHER + b":20300")},
        {"shadow": (b"anna:" + HASH + b":20000:0:99999", b"anna:" + OTHER + b":20300:1:90")},
        {"passwd": (b"anna:/bin/bash", b"anna:/bin/zsh")},
        {"passwd": (b":Anna:", b":Anna B.,room 3,,:")},
    ],
    ids=["password", "ageing", "shell", "name"],
)
def test_what_a_user_may_change_himself_saves_nobody(own: dict[str, tuple[bytes, bytes]]) -> None:
    for files in ({}, {b"anna": 1}):
        merged = merge(etc(), without(etc(), b"anna"), etc(**own), files=files)
        assert merged.conflicts == []
        found = lines_of(merged, b"anna")
        assert bool(found) == bool(files)
        if found:
            assert found["shadow"].startswith(b"anna:!*:")
            assert found["shadow"].split(b":")[7] == b"1"
            assert found["passwd"].endswith(b":/sbin/nologin")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"passwd": (b"anna:x:1000:", b"anna:x:1005:")}, "passwd uid"),
        ({"passwd": (b"/home/anna", b"/srv/anna")}, "passwd home"),
        ({"passwd": (b"anna:x:1000:1000", b"anna:x:1000:27")}, "passwd gid"),
        ({"shadow": (HASH + b":20000:0:99999:7:::\n", HASH + b":20000:0:99999:7::30000:\n")}, "shadow expire"),
        ({"group": (b"ssl-cert:x:107:tomcat", b"ssl-cert:x:107:tomcat,anna")}, "groups"),
        ({"group": (b"sudo:x:27:anna", b"sudo:x:27:")}, "groups"),
        ({"subuid": (b"anna:100000", b"anna:300000")}, "subuid range"),
    ],
)
def test_what_root_changed_is_a_question_with_a_key_for_all_servers(
    change: dict[str, tuple[bytes, bytes]], said: str
) -> None:
    gold = without(etc(), b"anna")
    merged = merge(etc(), gold, etc(**change), files={b"anna": 1})
    [conflict] = merged.conflicts
    assert (conflict.axis, conflict.kind, conflict.answers) == (
        "accounts:anna:record", "gold-deleted", ("clone", "gold", "withdraw"))  # fmt: skip
    assert said in conflict.detail
    assert HASH[:6] not in b"".join(conflict.values)
    other = etc(**change)
    other = AccountTables.of(
        {**other.files, "shadow": other.files["shadow"].replace(b"anna:" + HASH, b"anna:" + OTHER)}
    )
    assert merge(etc(), gold, other, files={b"anna": 3}).conflicts[0].key == conflict.key
    assert merged.files["passwd"] == etc(**change).files["passwd"]
    withdrawn = merge(etc(), gold, etc(**change), files={b"anna": 1}, decisions={conflict.key: Decision("withdraw")})
    assert lines_of(withdrawn, b"anna")["shadow"].startswith(b"anna:!*:")
    assert groups_of(withdrawn, b"anna") == []
    gone = merge(etc(), gold, etc(**change), files={b"anna": 1}, decisions={conflict.key: Decision("gold")})
    assert b"anna:" not in (gone.files["passwd"] or b"")
    assert gone.users[b"anna"] == (1005 if said == "passwd uid" else 1000)
    assert gone.conflicts == []


def test_unlocking_is_roots_change_and_locking_is_none() -> None:
    locked = etc(shadow=(b"anna:" + HASH, b"anna:!" + HASH))
    merged = merge(locked, without(etc(), b"anna"), etc(), files={b"anna": 1})
    assert [conflict.detail.endswith("shadow password") for conflict in merged.conflicts] == [True]
    other = merge(etc(), without(etc(), b"anna"), locked, files={b"anna": 1})
    assert other.conflicts == []
    assert lines_of(other, b"anna")["shadow"].startswith(b"anna:!*:")


def test_a_shell_that_root_gave_to_a_service_is_roots_change() -> None:
    clone = etc(passwd=(b"tomcat:x:110:110::/:/usr/sbin/false", b"tomcat:x:110:110::/:/bin/bash"))
    [conflict] = merge(etc(), without(etc(), b"tomcat"), clone, files={b"tomcat": 1}).conflicts
    assert "passwd shell" in conflict.detail


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ({b"tomcat": 3}, {}),
        ({}, {UNITS: [b"/etc/systemd/system/shop.service"]}),
        ({}, {SUDOERS: [b"/etc/sudoers.d/x"]}),
    ],
)
def test_a_service_that_is_still_used_stays_whole(files: Mapping[bytes, int], named: dict[str, list[bytes]]) -> None:
    """Tomcat, run from /opt, in ssl-cert: withdrawal would stop it."""
    merged = merge(etc(), without(etc(), b"tomcat"), etc(), files=files, named=named)
    whole = {file: data for file, data in etc().files.items() if "." not in file}
    assert merged.files == whole
    assert next(note.kind for note in merged.notes if note.data.get("name") == "tomcat") == "account-kept"
    assert merged.conflicts == []


@pytest.mark.parametrize("left", [b"tomcat:!:20000::::::\n", b"tomcat:" + OTHER + b":20001::::::\n", b"tomcat:*\n"])
@pytest.mark.parametrize("with_own", [True, False])
def test_what_gold_forgot_of_an_account_is_no_password_of_one_that_is_kept(left: bytes, with_own: bool) -> None:
    """Gold's passwd has no tomcat any more, its shadow still has one, or has one now."""
    mine = etc() if with_own else etc(shadow=(b"tomcat:!:20000::::::\n", b""))
    gold = without(etc(), b"tomcat")
    files = dict(gold.files)
    gold = AccountTables.of({**files, "shadow": (files["shadow"] or b"") + left, "subuid": b"tomcat:100000:65536\n"})
    merged = merge(mine, gold, mine, files={b"tomcat": 1})
    for file in ("passwd", "shadow"):
        assert sorted((merged.files[file] or b"").splitlines()) == sorted((mine.files[file] or b"").splitlines())
    assert lines_of(merged, b"tomcat") == lines_of(merge(mine, mine, mine), b"tomcat")
    assert merged.conflicts == []


def test_a_service_with_a_password_is_a_question() -> None:
    gold = without(etc(), b"backup")
    [conflict] = merge(etc(), gold, etc(), files={b"backup": 1}).conflicts
    assert (conflict.axis, conflict.stands) == ("accounts:backup:record", "clone")
    assert merge(etc(), gold, etc()).conflicts == []
    assert merge(etc(), gold, etc(), files={b"backup": 1}, back=True).conflicts == []


def test_a_person_who_only_sudoers_names_goes_and_one_whom_a_unit_names_stays_withdrawn() -> None:
    gold = without(etc(), b"anna")
    assert lines_of(merge(etc(), gold, etc(), named={SUDOERS: [b"/etc/sudoers"]}), b"anna") == {}
    unit = merge(etc(), gold, etc(), named={UNITS: [b"/etc/systemd/system/a.service"]})
    assert lines_of(unit, b"anna")["shadow"].startswith(b"anna:!*:")


@pytest.mark.parametrize(
    "line",
    [b"passwd: files sss", b"passwd:\tfiles systemd", b"passwd: compat", b"passwd: ldap [NOTFOUND=return] files"],
)
def test_a_person_whom_gold_moved_to_another_source_is_a_question(line: bytes) -> None:
    gold = without(etc(nsswitch_conf=(b"passwd: files", line)), b"anna")
    merged = merge(etc(), gold, etc(), files={b"anna": 4})
    [conflict] = merged.conflicts
    assert (conflict.stands, conflict.answers) == ("clone", ("clone", "gold", "withdraw"))
    assert lines_of(merged, b"anna") == {**lines_of(merge(etc(), etc(), etc()), b"anna")}
    gone = merge(etc(), gold, etc(), files={b"anna": 4}, decisions={conflict.key: Decision("gold")})
    assert b"anna" not in (gone.files["passwd"] or b"") + (gone.files["shadow"] or b"")
    assert gone.users[b"anna"] == 1000, "his files keep the number"
    assert merge(etc(), gold, etc()).conflicts == [], "nothing of his remains"
    assert merge(etc(), gold, etc(), files={b"anna": 4}, back=True).conflicts == []


@pytest.mark.parametrize(
    "line", [b"passwd: files", b"passwd:files [!UNAVAIL=return]", b"#passwd: sss", b"group: files sss"]
)
def test_files_alone_are_no_other_source(line: bytes) -> None:
    gold = without(etc(nsswitch_conf=(b"passwd: files", line)), b"anna")
    assert merge(etc(), gold, etc(), files={b"anna": 4}).conflicts == []


def test_a_source_that_the_server_added_counts_and_one_that_gold_left_does_not() -> None:
    ldap = (b"passwd: files", b"passwd: files ldap")
    assert len(merge(etc(), without(etc(), b"anna"), etc(nsswitch_conf=ldap), files={b"anna": 1}).conflicts) == 1
    both = etc(nsswitch_conf=ldap)
    assert merge(both, without(etc(), b"anna"), both, files={b"anna": 1}).conflicts == []


def test_a_number_that_gold_gave_to_another_moves_his_files() -> None:
    gold = without(etc(), b"anna")
    more = {"passwd": b"bert:x:1000:1000::/home/bert:/bin/sh\n", "group": b"bert:x:1000:\n"}
    gold = AccountTables.of({f: d + more.get(f, b"") for f, d in gold.files.items()})
    merged = merge(etc(), gold, etc(), files={b"anna": 1})
    assert merged.users[b"bert"] == 1000
    assert merged.users[b"anna"] == 60000
    assert lines_of(merged, b"anna")["passwd"].startswith(b"anna:x:60000:")


def test_his_ranges_stay_while_files_carry_their_numbers() -> None:
    gold = without(etc(), b"anna")
    assert "subuid" not in lines_of(merge(etc(), gold, etc(), files={b"anna": 1}, bare={99, 165536}), b"anna")
    kept = lines_of(merge(etc(), gold, etc(), files={b"anna": 1}, bare={100999}), b"anna")
    assert (kept["subuid"], kept["subgid"]) == (b"anna:100000:65536", b"anna:100000:65536")


@pytest.mark.parametrize(
    "files",
    [
        {"passwd": (b"anna:x:", b"anna:" + HASH + b":"), "shadow": (b"anna:" + HASH + b":20000:0:99999:7:::\n", b"")},
        {"shadow": (b"anna:" + HASH + b":20000:0:99999:7:::\n", b"")},
        {"shadow": (HASH + b":20000:0:99999:7:::\n", HASH + b"\n")},
    ],
    ids=["hash in passwd", "no line in shadow", "short line"],
)
def test_the_expiry_is_written_whatever_there_was(files: dict[str, tuple[bytes, bytes]]) -> None:
    both = etc(**files)
    merged = merge(both, without(both, b"anna"), both, files={b"anna": 1})
    assert lines_of(merged, b"anna")["passwd"] == b"anna:x:1000:1000:Anna:/home/anna:/sbin/nologin"
    assert lines_of(merged, b"anna")["shadow"] == b"anna:!*::::::1:"


def test_without_a_shadow_the_password_is_locked_where_it_stands() -> None:
    both = AccountTables.of({f: d for f, d in etc().files.items() if f not in ("shadow", "gshadow")})
    both = AccountTables.of({**both.files, "passwd": both.files["passwd"].replace(b"anna:x:", b"anna:" + HASH + b":")})
    merged = merge(both, without(both, b"anna"), both, files={b"anna": 1})
    assert lines_of(merged, b"anna")["passwd"] == b"anna:!*:1000:1000:Anna:/home/anna:/sbin/nologin"
    assert merged.files["shadow"] is None


def test_root_is_never_withdrawn() -> None:
    """Whatever a gold without root is: it is not to be locked out of its servers."""
    merged = merge(etc(), without(etc(), b"root"), etc(), files={b"root": 100})
    assert lines_of(merged, b"root") == lines_of(merge(etc(), etc(), etc()), b"root")


def test_merging_again_with_the_new_gold_as_base_changes_nothing() -> None:
    gold = without(etc(), b"anna", b"tomcat")
    files = {b"anna": 1, b"tomcat": 1}
    merged = merge(etc(), gold, etc(), files=files)
    result = AccountTables.of({f: d for f, d in merged.files.items() if d is not None} | {
        f: d for f, d in etc().files.items() if "." in f})  # fmt: skip
    again = merge(gold, gold, result, files=files)
    assert (again.files, again.conflicts) == (merged.files, [])


def test_an_account_that_gold_has_again_comes_back_whole() -> None:
    """What only gold deleted is not remembered: no question about each field of the locked record."""
    gold = without(etc(), b"anna")
    locked = merge(etc(), gold, etc(), files={b"anna": 1})
    server = AccountTables.of({f: d for f, d in locked.files.items() if d is not None} | {
        f: d for f, d in etc().files.items() if "." in f})  # fmt: skip
    again = etc(shadow=(b"anna:" + HASH + b":20000", b"anna:" + OTHER + b":20500"))
    merged = merge(gold, again, server, files={b"anna": 1})
    assert merged.conflicts == []
    assert lines_of(merged, b"anna") == lines_of(merge(again, again, again), b"anna")
    assert groups_of(merged, b"anna") == groups_of(merge(again, again, again), b"anna")
    assert "account-returned" in {note.kind for note in merged.notes}


def test_a_rollback_that_carries_keeps_what_it_would_withdraw() -> None:
    merged = merge(etc(), without(etc(), b"anna"), etc(), files={b"anna": 1}, back=True)
    assert lines_of(merged, b"anna") == lines_of(merge(etc(), etc(), etc()), b"anna")
    assert next(note.kind for note in merged.notes if note.data.get("name") == "anna") == "account-kept"


def test_a_second_account_with_number_0_is_withdrawn_and_root_is_not() -> None:
    base = etc(passwd=(b"anna:x:1000:1000", b"anna:x:0:0"))
    merged = merge(base, without(base, b"anna"), base, named={"cron": [b"/etc/cron.d/x"]})
    assert lines_of(merged, b"anna")["shadow"] == b"anna:!*:20000:0:99999:7::1:"
    assert groups_of(merged, b"anna") == []
    alone = etc(
        passwd=(b"root:x:0:0", b"boss:x:0:0"), shadow=(b"root:*", b"boss:" + HASH), gshadow=(b"root:*::\n", b"")
    )
    merged = merge(alone, without(alone, b"boss"), alone, named={"cron": [b"/etc/cron.d/x"]})
    assert lines_of(merged, b"boss")["passwd"] == b"boss:x:0:0::/root:/bin/bash"


def renamed(**changes: tuple[bytes, bytes]) -> AccountTables:
    """A server on which ``usermod -l ann anna`` was said: his home is called as before."""
    files = {
        file: re.sub(rb"(?<!/)\banna\b", b"ann", data) if "." not in file else data
        for file, data in etc(**changes).files.items()
    }
    return AccountTables.of(files)


@pytest.mark.parametrize("answer", ["", "clone", "gold", "withdraw"])
def test_a_person_who_was_renamed_does_not_keep_what_gold_withdrew_without_a_word(answer: str) -> None:
    clone = renamed()
    assert b"ann:x:1000:1000:Anna:/home/anna" in clone.files["passwd"]
    [asked] = merge(etc(), without(etc(), b"anna"), clone).conflicts
    assert (asked.kind, asked.axis, asked.stands) == ("gold-deleted", "accounts:ann:record", "clone")
    assert "gold removed anna, which the server calls ann" in asked.detail
    given = {asked.key: Decision(answer)} if answer else {}
    merged = merge(etc(), without(etc(), b"anna"), clone, decisions=given)
    there = lines_of(merged, b"ann")
    members = merged.files["group"].partition(b"sudo:x:27:")[2].partition(b"\n")[0]
    assert members == (b"" if answer in ("gold", "withdraw") else b"ann")
    if answer == "gold":
        assert there.keys() == {"group", "gshadow"}, "the group is the server's own"
    elif answer == "withdraw":
        assert there["shadow"].startswith(b"ann:!*:") and b"nologin" in there["passwd"]
    else:
        assert there["shadow"].startswith(b"ann:" + HASH)


@pytest.mark.parametrize(
    "other",
    [
        {"passwd": (b":/home/anna:", b":/home/bob:"), "shadow": (b"anna:" + HASH, b"anna:" + OTHER)},
        {"passwd": (b":1000:1000:", b":1001:1001:")},
    ],
    ids=["the number was given again", "another number"],
)
def test_another_person_is_not_one_who_was_renamed(other: dict[str, tuple[bytes, bytes]]) -> None:
    assert not merge(etc(), without(etc(), b"anna"), renamed(**other)).conflicts


def test_on_the_way_back_a_renamed_person_stays() -> None:
    merged = merge(etc(), without(etc(), b"anna"), renamed(), back=True)
    assert not merged.conflicts and lines_of(merged, b"ann")["shadow"].startswith(b"ann:" + HASH)
