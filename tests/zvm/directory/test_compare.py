"""Comparison of meaning, and the differences that a person reads."""

from __future__ import annotations

import random

import pytest

from goldroot.zvm.directory import Directory, Entry, differences, exchange, relink, same_meaning


def entry_of(*lines: str) -> Entry:
    (entry,) = Directory.parse("\n".join(("USER A PW", *lines)).encode("latin-1")).entries
    return entry


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("LINK MAINT 190 190 RR", "link  maint 0190 190 rr"),
        ("LINK MAINT 190", "LINK MAINT 190 190"),
        ("LINK MAINT 190 190 RR", "LINK MAINT 190 190 RR * remark"),
        ("MDISK 191 3390 0001 005 V MR a B", "MDISK 0191 3390 1 5 V MR A B"),
        ("MDISK 191 3390 1 5 V", "MDISK 191 3390 1 5 V W"),
        ("OPTION A\nOPTION MAXCONN 5 B", "OPTION B A MAXCONN 5"),
        ("LOGONBY A B", "LOGONBY B\nLOGONBY A"),
        ("SPOOL 00C 2540 READ *", "SPOOL 000C 2540 READER *"),
        ("CONSOLE 009 3215", "CONSOLE 0009 3215 T"),
        ("CLASS GBA", "CLASS ABG"),
        ("STORAGE 1024M", "STOR 1G"),
        ("IPL 190", "IPL 0190"),
        ("CPU 0 BASE", "CPU 00 BASE"),
        ("* remark\n*DVHOPT X\n*PW= 1", ""),
        ("NICDEF 600 TYPE QDIO LAN SYSTEM V", "nicdef 0600 lan system v type qdio"),
        ("MDISK 191 3390 1 5 V MR\nMINIOPT A\nDASDOPT B", "MDISK 191 3390 1 5 V MR\nDASDOPT B\nMINIOPT A"),
        ("COMMAND set run on", "COMMAND  SET RUN  ON"),
        ("LINK B 190\nLINK A 191", "LINK A 191\nLINK B 190"),
        ("COMMAND A,\n B", "COMMAND A B"),
    ],
)
def test_the_same_in_other_words(one: str, other: str) -> None:
    assert same_meaning(entry_of(*one.split("\n")), entry_of(*other.split("\n")))
    assert differences(entry_of(*one.split("\n")), entry_of(*other.split("\n"))) == []


@pytest.mark.parametrize(
    ("one", "other", "text"),
    [
        ("LINK G1 190 1B0 RR", "LINK G2 190 1B0 RR", "~ LINK 01B0: owner G1 -> G2"),
        ("LINK G1 190 1B0 RR", "LINK G1 190 1B0 R", "~ LINK 01B0: mode RR -> R"),
        ("MDISK 1B5 3390 1 5 V MR", "MDISK 5B5 3390 1 5 V MR", "~ MDISK V 1 5: vdev 01B5 -> 05B5"),
        ("MDISK 1B5 3390 1 5 V MR", "MDISK 1B5 3390 1 9 V MR", "~ MDISK V 1 9: size 5 -> 9"),
        ("MDISK 1B5 3390 1 5 V MR A", "MDISK 1B5 3390 1 5 V MR B", "~ MDISK V 1 5: read (set) -> (another)"),
        ("MDISK 1B5 3390 1 5 V MR", "MDISK 1B5 3390 1 5 V MR B", "~ MDISK V 1 5: read - -> (set)"),
        (
            "MDISK 1B5 3390 1 5 V MR\nMINIOPT NOMDC",
            "MDISK 1B5 3390 1 5 V MR",
            "~ MDISK V 1 5: options MINIOPT NOMDC -> -",
        ),
        ("IPL 1B0", "IPL CMS PARM X", "~ IPL: system 01B0 -> CMS, parm - -> X"),
        ("MACHINE ESA", "MACHINE ESA 4", "~ MACHINE: cpus - -> 4"),
        ("OPTION A", "OPTION A B", "+ OPTION A B"),
        ("OPTION MAXCONN 5", "OPTION MAXCONN 6", "~ OPTION MAXCONN: options MAXCONN 5 -> MAXCONN 6"),
        ("LINK G1 190", "", "- LINK G1 190"),
        ("", "MDISK 1B5 3390 1 5 V MR SECRET", "+ MDISK 1B5 3390 1 5 V MR ********"),
        ("APPCPASS A B C SECRET1", "APPCPASS A B C SECRET2", "~ APPCPASS: operands A B C ******** -> A B C ********"),
        ("COMMAND SET X ON", "COMMAND SET Y ON", "~ COMMAND: operands SET X ON -> SET Y ON"),
        ("COMMAND SET X\nCOMMAND SET Y", "COMMAND SET Y\nCOMMAND SET X", "~ COMMAND: order as before -> another"),
        ("ACCOUNT 1", "ACCOUNT 2", "- ACCOUNT 1"),
    ],
)
def test_a_difference_in_words(one: str, other: str, text: str) -> None:
    before, after = entry_of(*one.split("\n")), entry_of(*other.split("\n"))
    assert not same_meaning(before, after)
    assert differences(before, after)[0].text() == text


def test_header_passwords_are_compared_and_not_shown() -> None:
    (one,) = Directory.parse(b"USER A GEHEIM 1G 2G G").entries
    (other,) = Directory.parse(b"user a other 1024m 4g G").entries
    (found,) = differences(one, other)
    assert found.text() == "~ USER: password (set) -> (another), maximum 2097152K -> 4194304K"
    assert "GEHEIM" not in repr(found)


def test_a_switch_in_words(modern_bytes: bytes) -> None:
    """What an update changes: the gold owner, and each disk's address; options move with their disk."""
    entry = Directory.parse(modern_bytes).entry("C1")
    after = exchange(relink(entry, "S10GOLD", "S10GOLD2"), "1B5", "5B5")
    assert [one.text() for one in differences(entry, after)] == [
        "~ LINK 01B0: owner S10GOLD -> S10GOLD2",
        "~ MDISK LX0001 1 100: vdev 01B5 -> 05B5",
        "~ MDISK LX0001 101 100: vdev 05B5 -> 01B5",
    ]
    assert not same_meaning(entry, after)
    assert same_meaning(entry, exchange(relink(after, "S10GOLD2", "S10GOLD"), "1B5", "5B5"))


def rewritten_by_a_manager(data: bytes, chance: random.Random) -> bytes:
    """What a directory manager may do to entries: capitals, padding, other blanks, no comments, devices reordered."""

    def row(words: list[bytes]) -> bytes:
        wide = b" " * chance.randrange(4) + (b" " * chance.choice((1, 2, 3))).join(words)
        return (wide if len(wide) <= 72 else b" ".join(words)).upper().ljust(72)

    lines: list[bytes] = []
    for entry in Directory.parse(data).entries:
        head, *rest = [[row(s.raw_words) for s in (first, *options)] for first, options in entry.with_options()]
        fixed = [group for group in rest if group[0].split()[0] in (b"COMMAND", b"NICDEF")]
        loose = [group for group in rest if group not in fixed]
        chance.shuffle(loose)
        lines += [line for group in (head, *fixed, *loose, [b"* rewritten"]) for line in group]
    return b"\n".join(lines) + b"\n"


def test_the_captured_directory_rewritten_means_the_same(captured_bytes: bytes) -> None:
    one, other = (
        Directory.parse(captured_bytes),
        Directory.parse(rewritten_by_a_manager(captured_bytes, random.Random(3))),
    )
    pairs = list(zip(one.entries, other.entries, strict=True))
    assert sum(same_meaning(a, b) for a, b in pairs) == 277
    assert sum(same_meaning(a, b) for a, (_, b) in zip(one.entries, pairs[1:], strict=False)) < 10


#: An entry as a client sent it to a z/VM 7.1, and as the directory manager gave it back later (captured).
SENT = """USER gt@pong @sm8pi@ 1G 1G ABCDEFG
  IPL CMS
  CONSOLE   0009 3215
  SPOOL 00C 2540 READER *
  SPOOL 00D 2540 PUNCH A
  SPOOL 00E 1403 A
  LINK MAINT 190 190 RR
  LINK MAINT 19E 19E RR
"""
GIVEN_BACK = """USER GT@PONG @SM8PI@  1G 1G ABCDEFG
IPL CMS
MACHINE ESA 4
*PW00= 7CE2D4F8D7C97C40
  CONSOLE   0009 3215
  SPOOL 00C 2540 READER *
  SPOOL 00D 2540 PUNCH A
  SPOOL 00E 1403 A
  LINK MAINT 190 190 RR
  LINK MAINT 19E 19E RR
MDISK 0888 3390 1457 10 LX3002 W READ WRITE MULTIPLE
"""


def test_what_a_real_directory_manager_gave_back() -> None:
    """What it rewrote is not a difference; what other calls added since is, and passwords are not told."""
    sent = Directory.of_lines([line.ljust(38).encode() for line in SENT.splitlines()]).entry("GT@PONG")
    back = Directory.of_lines([line.ljust(72).encode() for line in GIVEN_BACK.splitlines()]).entry("GT@PONG")
    assert [one.text() for one in differences(sent, back)] == [
        "+ MACHINE ESA 4",
        "+ MDISK 0888 3390 1457 10 LX3002 W ******** ******** ********",
    ]
    assert back.lines()[0] == b"USER GT@PONG @SM8PI@  1G 1G ABCDEFG".ljust(72)
