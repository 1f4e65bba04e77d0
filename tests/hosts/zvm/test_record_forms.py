"""Each kind of edit that goldroot makes of an entry, in each form of records: only what is meant changes, byte for byte.

The forms are variable lines, records of 72 columns, and of 80 with sequence numbers, each with and without line ends.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import replace

import pytest

from goldroot.hosts import Disk, Entry, Link, exchange, park, with_links, with_mark
from goldroot.hosts.zvm.names import Names
from goldroot.hosts.zvm.reading import Standing, checked, standing
from goldroot.hosts.zvm.writing import Words, changed, uncached
from goldroot.zvm import directory as source

SINCE = "2026-11-26T09:30:00Z"
WORDS = Words(Names())
WEB1 = """\
USER WEB1 SECRET 512M 1G G
*DVHOPT LNK0 LOG1 RCM1 SMS0 NPW1 LNGAMENG PWC20240101 CRC\xf3:
 IPL 1B1 LOADPARM 1
 NICDEF 0700 TYPE QDIO DEVICES 3 LAN SYSTEM VSWITCH1
 LINK MAINT 0190 0190 RR
 link s10gold 11b1 01b1 rr
 LINK S10GOLD 11B2 01B2 SR
 MDISK 0191 3390 00100 00005 LX3002 MR READ    WRITE   MULTIPLE
* the server's own etc
 MDISK 1B5 3390 03001 00100 LX3002 MW READ    WRITE   MULTIPLE
  MINIOPT NOMDC
\x20
 MDISK 05B5 3390 04001 00100 LX3003 RR READ    WRITE   MULTIPLE
      MDISK 06B5 3390 05001 00100 LX3003
* GOLDROOT MACHINE 3.17
* GOLDROOT 1 LIVE MAKING DEBIAN WEB1 1 20261126T093000Z
* GOLDROOT 5 PREPARING U7K2M9Q4XA DEBIAN WEB1 2 20261126T093000Z
* GOLDROOT 6 KEPT OLDER DEBIAN WEB1 1 20261120T093000Z
""".replace("\\x20", " ")
#: Of VM/370's time: abbreviated, in small letters, and without anything of goldroot's.
OLD = """\
user cms cms 1m 16m bcegh
 account 101 system
 option ecmode isam
 console 009 3215
 spool c 2540 reader a
 link maint 190 190 rr
 mdisk 191 3350 055 010 vm50-1 wr rpass wpass
 mdisk 192 3350 065 010 vm50-1 wr rpass wpass
"""
IDS = {3001: "live", 4001: "next", 5001: "kept"}

Edit = Callable[[Standing], source.Entry]


def to(wanted: Callable[[Entry], Entry]) -> Edit:
    return lambda now: changed(now, wanted(now.entry), WORDS, lambda name: "owner")


def without_links(entry: Entry) -> Entry:
    return replace(entry, links={})


#: Every change that goldroot makes of an entry that is there.
EDITS: dict[str, Edit] = {
    "a serial": to(lambda entry: replace(entry, serial="3.18")),
    "a mark": to(lambda entry: with_mark(entry, "1", replace(entry.marks["1"], state="locked"))),
    "a mark goes": to(lambda entry: with_mark(entry, "5", None)),
    "links more": to(lambda entry: with_links(entry, "5", "S10GOLD2", ["B1", "B2"])),
    "links lead elsewhere": to(lambda entry: replace(entry, links=dict.fromkeys(entry.links, Link("S10GOLD2", "1B1")))),
    "links go": to(without_links),
    "a switch": to(lambda entry: exchange(entry, "5", "update", "kept", since=SINCE)),
    "a fallback is parked": to(lambda entry: park(entry, "5", "7")),
    "a disk is only read": to(lambda entry: replace(entry, disks={**entry.disks, "1B5": Disk("live", "ro")})),
    "nobody logs it on": to(lambda entry: replace(entry, startable=False)),
    "it boots elsewhere": to(lambda entry: replace(entry, boot="1B2")),
    "it boots nowhere": to(lambda entry: replace(entry, boot="")),
    "no cache": lambda now: uncached(now.text, "05B5"),
}  # fmt: skip


def in_form(text: str, width: int, end: str) -> bytes:
    """An entry in records of that width; 0: as its lines are.  Sequence numbers stand in columns 73 to 80."""
    rows = text.splitlines()
    if width:
        rows = [row.ljust(72) + (f"{number:08d}" if width == 80 else "") for number, row in enumerate(rows, 1)]
    return "".join(row + end for row in rows).encode("latin-1")


def seen(data: bytes) -> Standing:
    (entry,) = source.Directory.parse(data).entries
    return checked(
        standing(
            entry,
            [],
            name=entry.name,
            names=Names(),
            registry=lambda name, address, extent: IDS.get(extent.start, f"d{extent.start}"),
        )
    )


def records(entry: source.Entry) -> list[bytes]:
    """Its records, each with its line end, as they stand in the file."""
    return [record.raw + record.eol for statement in entry.statements for record in statement.records]


def said(record: bytes) -> bytes:
    """Columns 1 to 72."""
    return record.rstrip(b"\r\n")[:72].rstrip()


def only_meant(before: source.Entry, after: source.Entry, meant: list[bytes], width: int) -> None:
    """The records say what is meant; all that say the same as before are the same, and a changed one keeps its number.

    :param meant: what the same edit makes of plain lines.
    """
    old, new = records(before), records(after)
    assert [said(one) for one in new] == meant
    matcher = difflib.SequenceMatcher(None, [said(one) for one in old], meant, autojunk=False)
    for what, first, last, begin, end in matcher.get_opcodes():
        if what == "equal":
            assert new[begin:end] == old[first:last]
        elif what == "replace" and width == 80:
            numbers = {one[72:80] for one in old[first:last]} | {b" " * 8}
            assert {one[72:80] for one in new[begin:end]} <= numbers
    assert {len(one) for one in new} == {len(one) for one in old} if width else True


FORMS = [(0, "\n"), (0, "\r\n"), (72, "\n"), (72, ""), (80, "\n"), (80, "\r\n"), (80, "")]


@pytest.mark.parametrize(("width", "end"), FORMS)
@pytest.mark.parametrize("name", EDITS)
def test_each_edit_changes_what_is_meant_in_each_form(name: str, width: int, end: str) -> None:
    plain, now = seen(in_form(WEB1, 0, "\n")), seen(in_form(WEB1, width, end))
    meant = [said(one) for one in records(EDITS[name](plain))]
    assert meant != [said(one) for one in records(plain.text)], "it is an edit"
    only_meant(now.text, EDITS[name](now), meant, width)


@pytest.mark.parametrize(("width", "end"), FORMS)
def test_an_entry_of_vm370s_time_gets_what_is_goldroots_and_keeps_the_rest(width: int, end: str) -> None:
    def edit(now: Standing) -> source.Entry:
        mark = seen(in_form(WEB1, 0, "\n")).entry.marks["1"]
        wanted = replace(with_mark(now.entry, "1", mark), links={"1B1": Link("S10GOLD", "1B1")}, startable=False)
        return changed(now, wanted, WORDS, lambda name: "owner")

    meant = [said(one) for one in records(edit(seen(in_form(OLD, 0, "\n"))))]
    assert b"user cms NOLOG 1m 16m bcegh" in [b" ".join(one.split()) for one in meant]
    assert sum(b"GOLDROOT" in one for one in meant) == 2
    now = seen(in_form(OLD, width, end))
    only_meant(now.text, edit(now), meant, width)
