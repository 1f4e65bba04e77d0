"""Orphans that a merge leaves in the account files are noted."""

from __future__ import annotations

from goldroot.accounts.merge import orphans
from goldroot.accounts.tables import AccountTables
from support.accounts import merge_accounts

PASSWD, SHADOW = b"root:x:0:0::/:/x\n", b"root:*:1::::::\n"


def tables(passwd: bytes = b"", shadow: bytes = b"", **more: bytes) -> AccountTables:
    return AccountTables.of({"passwd": PASSWD + passwd, "shadow": SHADOW + shadow, **more})


def noted(base: AccountTables, gold: AccountTables, clone: AccountTables) -> list[object]:
    notes = merge_accounts(base, gold, clone).notes
    return [note.data["names"] for note in notes if note.kind == "account-orphans"]


def test_orphans_of_a_system() -> None:
    found = orphans(
        tables(b"a:x:5:5::/:/x\n", b"a:!:1::::::\nb:!:1::::::\n", group=b"g:x:5:\n", gshadow=b"g:!::\nh:!::\n")
    )
    assert found == [("shadow", b"b"), ("gshadow", b"h")]
    assert orphans(tables(shadow=b"b:!:1::::::\n"), users=[b"b"]) == []
    assert orphans(AccountTables.of({"shadow": SHADOW})) == []


def test_one_that_gold_brings_is_noted_once_for_each_file() -> None:
    gold = tables(shadow=b"one:!:1::::::\ntwo:!:1::::::\n")
    assert noted(tables(), gold, tables()) == [["one", "two"]]


def test_one_that_the_server_had_before_is_not_news() -> None:
    old = tables(shadow=b"one:!:1::::::\n")
    assert noted(old, old, old) == []
    assert noted(tables(), tables(), old) == []
