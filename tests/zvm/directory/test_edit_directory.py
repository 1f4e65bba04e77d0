"""Edits: exact results, and nothing changed but what was asked for."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from goldroot.errors import BadInput, GoldrootError, NotFound, Refused
from goldroot.zvm.directory import (
    Directory,
    Entry,
    add_link,
    add_mdisk,
    disks,
    edited,
    exchange,
    links,
    relink,
    remove,
    same_meaning,
)
from goldroot.zvm.directory.edit import add
from goldroot.zvm.directory.records import Record, replace_words

NUMBERED = [
    b"USER C1 PW 1G 4G G".ljust(72) + b"00010000",
    b" IPL 1B5",
    b" LINK S10GOLD  11B0 01B0 RR  * root".ljust(72) + b"00020000",
    b" link s10gold 190",
    b" LINK MAINT 19E 19E RR",
    b" MDISK 1B5 3390 0001 100 VOL001 MR RPW WPW MPW".ljust(72) + b"XYZ",
    b"* remark".ljust(72) + b"00030000",
    b" MINIOPT NOMDC".ljust(80),
    b" MDISK 05B5 3390 0101 100 VOL001 MR",
]


def entry_of(lines: list[bytes], eol: bytes = b"\n") -> Entry:
    (entry,) = Directory.parse(b"".join(line + eol for line in lines)).entries
    return entry


def changed(before: list[bytes], after: Entry) -> dict[int, bytes]:
    """Which lines (0-based) differ, and what they are now."""
    lines = after.to_bytes().split(b"\n")[:-1]
    assert len(lines) == len(before)
    return {at: new for at, (old, new) in enumerate(zip(before, lines, strict=True)) if old != new}


def test_relink_changes_the_owner_alone() -> None:
    after = relink(entry_of(NUMBERED), "S10GOLD", "S10GOLD2")
    assert changed(NUMBERED, after) == {
        2: b" LINK S10GOLD2 11B0 01B0 RR  * root".ljust(72) + b"00020000",
        3: b" link s10gold2 190",
    }


def test_relink_back_restores_every_byte() -> None:
    entry = entry_of(NUMBERED)
    there = relink(entry, "S10GOLD", "S10GLD2")
    assert relink(there, "S10GLD2", "S10GOLD").to_bytes() == entry.to_bytes()


def test_exchange_moves_disks_with_their_options() -> None:
    entry = entry_of(NUMBERED)
    after = exchange(entry, "1B5", "5b5")
    assert changed(NUMBERED, after) == {
        5: b" MDISK 5B5 3390 0001 100 VOL001 MR RPW WPW MPW".ljust(72) + b"XYZ",
        8: b" MDISK 01B5 3390 0101 100 VOL001 MR",
    }
    assert [(d.address, len(d.options)) for d, _ in disks(after)] == [("05B5", 1), ("01B5", 0)]
    assert exchange(after, "5B5", "1B5").to_bytes() == entry.to_bytes()


def test_exchange_gives_a_link_its_own_address_where_it_had_none() -> None:
    after = exchange(entry_of(NUMBERED), "190", "1B0")
    assert changed(NUMBERED, after) == {
        2: b" LINK S10GOLD  11B0 0190 RR  * root".ljust(72) + b"00020000",
        3: b" link s10gold 190 1B0",
    }
    assert [link.address for link, _ in links(after)] == ["0190", "01B0", "019E"]


def test_exchange_of_a_link_and_a_disk() -> None:
    after = exchange(entry_of(NUMBERED), "1B0", "1B5")
    assert sorted(changed(NUMBERED, after)) == [2, 5]
    assert [d.address for d, _ in disks(after)] == ["01B0", "05B5"]


def test_all_statements_of_an_adapter_move() -> None:
    before = [b"USER A B", b" NICDEF 600 TYPE QDIO", b" NICDEF 0600 LAN SYSTEM V", b" MDISK 1000 3390 1 1 V MR"]
    after = exchange(entry_of(before), "600", "1000")
    assert changed(before, after) == {
        1: b" NICDEF 1000 TYPE QDIO",
        2: b" NICDEF 1000 LAN SYSTEM V",
        3: b" MDISK 0600 3390 1 1 V MR",
    }


@pytest.mark.parametrize(
    ("one", "other", "error"),
    [("1B5", "1B5", BadInput), ("1B5", "01b5", BadInput), ("1B5", "777", NotFound), ("XYZ", "1B5", BadInput)],
)
def test_exchange_that_cannot_be(one: str, other: str, error: type[GoldrootError]) -> None:
    with pytest.raises(error):
        exchange(entry_of(NUMBERED), one, other)


def test_remove_takes_the_options_along_and_leaves_comments() -> None:
    after = remove(entry_of(NUMBERED), "01b5")
    left = [line for at, line in enumerate(NUMBERED) if at not in (5, 7)]
    assert after.to_bytes() == b"".join(line + b"\n" for line in left)
    assert remove(entry_of(NUMBERED), "190").to_bytes().count(b"link") == 0


def test_remove_that_cannot_be() -> None:
    with pytest.raises(NotFound):
        remove(entry_of(NUMBERED), "777")
    with pytest.raises(Refused, match="CONSOLE"):
        remove(entry_of([b"USER A B", b" CONSOLE 009 3215"]), "9")
    with pytest.raises(Refused, match="LINK, LINK"):
        remove(entry_of([b"USER A B", b" LINK X 190", b" LINK Y 190"]), "190")


def test_new_statements_stand_with_their_kind() -> None:
    entry = add_link(entry_of(NUMBERED), "maint", "19d", mode="rr")
    entry = add_mdisk(entry, "6B5 3390 AUTOG 100 POOL1 MR", ["MINIOPT NOMDC"])
    lines = entry.to_bytes().split(b"\n")
    assert lines[5] == b" LINK MAINT 019D 019D RR"
    assert lines[-3:] == [b" MDISK 6B5 3390 AUTOG 100 POOL1 MR", b" MINIOPT NOMDC", b""]
    assert [line for line in lines[:-1] if line in NUMBERED] == NUMBERED


def test_a_link_goes_before_the_first_disk_and_a_disk_behind_all() -> None:
    entry = entry_of([b"USER A B", b" IPL CMS", b" CONSOLE 009 3215", b" MDISK 191 3390 1 1 V MR", b"*", b""])
    assert add_link(entry, "X", "190").to_bytes().split(b"\n")[3] == b" LINK X 0190 0190 RR"
    entry = entry_of([b"USER A B", b"*PW00= 00", b" IPL CMS", b"* end"])
    assert add_mdisk(entry, "191 3390 1 1 V").to_bytes().split(b"\n")[3] == b" MDISK 191 3390 1 1 V"


@pytest.mark.parametrize(
    "text",
    [
        "MDISK 191",
        "MDISK 191 3390 1 5",
        "MDISK XYZ 3390 1 5 V MR",
        "MDISK 191 3390 1 5 V XX",
        "MDISK 191 3390 1 5 V MR A B C D",
        "LINK A",
        "LINK A XYZ",
        "LINK A 190 191 QQ",
        "LINK A 190 191 RR more",
        "IPL CMS",
        "",
        "MDISK 191 3390 1 5 V MR \x00",
        "MDISK 191 3390 1 5 \u20ac MR",
        "MDISK 191 3390 0000000001 0000000100 VOLUME MRV PPPPPPPP PPPPPPPP PPPPPPPPPP",
    ],
)
def test_statements_that_are_not_added(text: str) -> None:
    with pytest.raises(BadInput):
        add(entry_of([b"USER A B"]), text)


@pytest.mark.parametrize("operands", ["01B5 3390 1 1 V MR", "1b0 3390 1 1 V MR", "190 3390 1 1 V MR"])
def test_an_address_that_is_taken(operands: str) -> None:
    with pytest.raises(Refused, match="already"):
        add_mdisk(entry_of(NUMBERED), operands)


def test_only_disk_options_go_with_a_disk() -> None:
    with pytest.raises(BadInput):
        add_mdisk(entry_of(NUMBERED), "200 3390 1 1 V MR", ["LINK A 190"])


@pytest.mark.parametrize("name", ["", "TOOLONGNAME", "A B", "Ä", "A\n"])
def test_bad_user_ids(name: str) -> None:
    with pytest.raises(BadInput, match="user ID"):
        relink(entry_of(NUMBERED), "S10GOLD", name)


def test_column_72_is_never_passed() -> None:
    """Blanks are given up first; what does not fit even so is an error, and the sequence number stays."""
    tight = b"LINK   A   190  190  RR  * " + b"x" * 45 + b"00010000"
    assert len(tight) == 80
    after = relink(entry_of([b"USER U P", tight]), "A", "LONGNAME")
    line = after.to_bytes().split(b"\n")[1]
    assert line == (b"LINK LONGNAME 190 190 RR * " + b"x" * 45) + b"00010000"
    with pytest.raises(BadInput, match="74 columns"):
        relink(entry_of([b"USER U P", b"LINK A 190 190 RR * " + b"x" * 47]), "A", "LONGNAME")


def test_words_on_continuation_records() -> None:
    before = [
        b"USER C P",
        b" LINK GOLD ,",
        b"* remark",
        b"   11B0,",
        b"   01B0 RR",
        b" MDISK 1B5 3390 1 1 V MR,",
        b" A B C",
    ]
    after = exchange(relink(entry_of(before), "GOLD", "GOLD2"), "1B0", "1B5")
    assert changed(before, after) == {
        1: b" LINK GOLD2 ,",
        4: b"   01B5 RR",
        5: b" MDISK 1B0 3390 1 1 V MR,",
    }


def test_a_last_record_without_line_end() -> None:
    data = b"USER A B\n MDISK 191 3390 1 1 V MR"
    directory = edited(Directory.parse(data), "A", lambda entry: add_link(entry, "X", "190"))
    assert directory.to_bytes() == b"USER A B\n LINK X 0190 0190 RR\n MDISK 191 3390 1 1 V MR"
    directory = edited(Directory.parse(data), "A", lambda entry: add_mdisk(entry, "192 3390 2 1 V MR"))
    assert directory.to_bytes() == data + b"\n MDISK 192 3390 2 1 V MR"
    directory = edited(directory, "A", lambda entry: remove(entry, "192"))
    assert directory.to_bytes() == data


def test_edits_in_every_layout(old_bytes: bytes) -> None:
    """Fixed records stay 80 bytes, CRLF stays CRLF, and a new record looks like the others."""
    directory = Directory.parse(old_bytes)
    layout = directory.layout()

    def change(entry: Entry) -> Entry:
        return relink(add_mdisk(exchange(entry, "190", "192"), "5B5 3350 1 1 V MR", layout=layout), "dosstart", "x")

    result = edited(directory, "maint", change)
    again = Directory.parse(result.to_bytes())
    assert again == result
    assert [(d.address, d.start) for d, _ in disks(again.entry("MAINT"))] == [("0192", "103"), ("05B5", "1")]
    assert {link.owner for link, _ in links(again.entry("MAINT"))} == {"X"}
    if len(old_bytes) % 80 == 0 and b"\n" not in old_bytes:
        assert {len(record.raw) for record in again.records()} == {80}
    assert {record.eol for record in again.records()} == {record.eol for record in directory.records()}


ADDRESSES = ["190", "0190", "19e", "1B5", "05B5", "1000", "600"]
device_lines = st.sampled_from(
    [f"LINK GOLD 11B0 {a} RR" for a in ADDRESSES]
    + [f" link gold {a}" for a in ADDRESSES]
    + [f"MDISK {a} 3390 0001 0100 VOL001 MR   RPW    WPW" for a in ADDRESSES]
    + [f"NICDEF {a} TYPE QDIO" for a in ADDRESSES]
    + ["MINIOPT NOMDC", "* remark", "", "SPOOL 00C 2540 READER *", "NOSUCH thing \xf3", "COMMAND COUPLE 600 TO X"]
)
sequence = st.sampled_from(["", "", "00010000", "  x"])


@st.composite
def entries(draw: st.DrawFn) -> bytes:
    rows = draw(st.lists(st.tuples(device_lines, sequence), max_size=12))
    eol = draw(st.sampled_from(["\n", "\r\n"]))
    lines = ["USER C1 PW 1G 1G", *(text.ljust(72) + number if number else text for text, number in rows)]
    return "".join(line + eol for line in ["USER OTHER PW", " LINK GOLD 190", *lines, "USER LAST PW"]).encode("latin-1")


@given(entries(), st.sampled_from(ADDRESSES), st.sampled_from(ADDRESSES))
def test_exchange_changes_only_addresses_and_undoes_itself(data: bytes, one: str, other: str) -> None:
    directory = Directory.parse(data)
    try:
        after = edited(directory, "C1", lambda entry: exchange(entry, one, other))
    except GoldrootError:
        return
    before_lines, after_lines = data.split(b"\n"), after.to_bytes().split(b"\n")
    assert len(before_lines) == len(after_lines)
    for old, new in zip(before_lines, after_lines, strict=True):
        if old != new:
            assert old[72:] == new[72:]
            same = [word for word in old[:72].split() if word in new[:72].split()]
            assert old[:72].split()[0] == new[:72].split()[0] == same[0]
            assert len(set(old[:72].split()) - set(new[:72].split())) <= 1
    assert Directory.parse(after.to_bytes()) == after
    back = edited(after, "C1", lambda entry: exchange(entry, one, other))
    assert same_meaning(back.entry("C1"), directory.entry("C1"))


@given(entries())
def test_relink_changes_only_owners(data: bytes) -> None:
    directory = Directory.parse(data)
    assume(any(directory.entry("C1").code("LINK")))
    after = edited(directory, "C1", lambda entry: relink(entry, "GOLD", "GOLD2"))
    back = edited(after, "C1", lambda entry: relink(entry, "GOLD2", "GOLD"))
    assert back.to_bytes().split() == data.split()
    assert after.to_bytes().replace(b"GOLD2", b"GOLD").replace(b"gold2", b"gold").split() == data.split()
    assert after.entries[0] == directory.entries[0] and after.entries[2] == directory.entries[2]


@given(entries(), st.sampled_from(["2B5", "2B6"]))
def test_add_and_remove_is_nothing(data: bytes, where: str) -> None:
    directory = Directory.parse(data)
    layout = directory.layout()
    for text in (f"MDISK {where} 3390 1 1 VOL MR", f"LINK GOLD 1B0 {where} RR"):
        more = edited(directory, "C1", lambda entry, text=text: add(entry, text, layout=layout))  # type: ignore[misc]
        assert len(more.records()) == len(directory.records()) + 1
        assert Directory.parse(more.to_bytes()) == more
        assert edited(more, "C1", lambda entry: remove(entry, where)).to_bytes() == data


text_bytes = st.binary(max_size=72).map(lambda raw: raw.replace(b"\n", b" ").replace(b"\r", b" "))


#: One word: what would part it is written otherwise.
one_word = st.binary(min_size=1, max_size=8).map(lambda raw: b"".join(raw.split()) or b"x")


@given(text_bytes, st.binary(max_size=8), st.integers(0, 9), one_word)
def test_a_replaced_word_leaves_the_others(text: bytes, tail: bytes, which: int, word: bytes) -> None:
    record = Record(text.ljust(72) + tail if tail else text, b"\n")
    assume(record.words())
    index = which % len(record.words())
    try:
        new = replace_words(record, {index: word})
    except BadInput:
        assert len(text) + len(word) > 72
        return
    words = text[:72].split()
    words[index] = word
    assert new.text.split() == words
    assert new.sequence == record.sequence and new.eol == record.eol
    assert len(new.text) <= 72
