"""Records of subuid and subgid that have a number in the place of the login name: they follow the number's account."""

from __future__ import annotations

from goldroot.accounts import AccountTables
from goldroot.conflicts import Decision
from support.accounts import merge_accounts


def etc(number: int | None, ranges: bytes = b"", more: bytes = b"") -> AccountTables:
    """A system in which anna has a number (or is not there)."""
    anna = b"" if number is None else b"anna:x:%d:100::/home/anna:/bin/sh\n" % number
    return AccountTables.of({"passwd": b"root:x:0:0:::\n" + anna + more, "group": b"root:x:0:\n", "subuid": ranges})


def test_the_record_follows_the_account() -> None:
    merged = merge_accounts(etc(1000), etc(1005), etc(1000, b"1000:100000:65536\nroot:1:1\n"))
    assert merged.files["subuid"] == b"1005:100000:65536\nroot:1:1\n"
    assert merged.conflicts == []


def test_both_sides_mean_the_same_account_by_different_numbers() -> None:
    base, gold = etc(1000, b"1000:100000:65536\n"), etc(1005, b"1005:200000:65536\n")
    assert merge_accounts(base, gold, base).files["subuid"] == b"1005:200000:65536\n"
    clone = etc(1000, b"1000:300000:10\n")
    [conflict] = merge_accounts(base, gold, clone).conflicts
    assert conflict.values == (b"100000:65536", b"200000:65536", b"300000:10")


def test_a_number_is_written_as_it_was_where_it_means_the_same() -> None:
    both = etc(1000, b"01000:100000:65536\n")
    assert merge_accounts(both, etc(1000, b"01000:100000:65536\n", b"new:x:101:0:::\n"), both).files["subuid"] == (
        b"01000:100000:65536\n"
    )


def test_a_record_whose_account_gold_removed_goes_with_it() -> None:
    both = etc(1000, b"1000:100000:65536\n")
    assert merge_accounts(both, etc(None, b""), both).files["subuid"] == b""


def test_a_number_without_an_account_is_a_bare_number() -> None:
    """Gold gives 1000 to a new account: the range must not become another's without a word."""
    clone = etc(None, b"1000:100000:65536\n")
    merged = merge_accounts(etc(None), etc(1000), clone)
    [conflict] = merged.conflicts
    assert (conflict.kind, conflict.axis) == ("bare-number", "accounts:#1000:uid")
    assert merged.files["subuid"] == b"1000:100000:65536\n"
    moved = merge_accounts(etc(None), etc(1000), clone, decisions={conflict.key: Decision("proposal")})
    assert moved.files["subuid"] == b"60000:100000:65536\n"
    assert merge_accounts(etc(None), etc(None), clone).conflicts == []
