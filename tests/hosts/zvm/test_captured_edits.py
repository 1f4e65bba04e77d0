"""Every edit that goldroot makes, in the directory of a z/VM 7.1 system (277 entries) and in each form of records.

Each USER and IDENTITY gets the devices of a clone behind its own statements.  Then it is edited, and the whole file is what
it was, byte for byte, but for the records that are said here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest

from goldroot.errors import Refused
from goldroot.hosts import Disk, Entry, Link, exchange, park, with_links, with_mark
from goldroot.hosts.zvm.names import Names
from goldroot.hosts.zvm.reading import Standing, beside, checked, standing, with_known_disks
from goldroot.hosts.zvm.writing import Words, changed, uncached
from goldroot.zvm import directory as source
from goldroot.zvm.directory import edit
from goldroot.zvm.directory.keywords import DEVICE
from goldroot.zvm.directory.records import Record

CAPTURED = Path(os.environ.get("GOLDROOT_SHARED", Path(__file__).resolve().parents[4] / "shared")) / "zvm"
SINCE = "2026-11-26T09:30:00Z"
WORDS = Words(Names())
#: What a clone has; the disk of set 6 has no mode yet.
CLONE = """\
 LINK S10GOLD 11B1 01B1 RR
 link s10gold 11b2 01b2 sr
 LINK S10GOLD2 11B1 05B1 RR
 MDISK 1B5 3390 03001 00100 LX3002 MW READ    WRITE   MULTIPLE
  MINIOPT NOMDC
 MDISK 05B5 3390 04001 00100 LX3003 RR READ    WRITE   MULTIPLE
 MDISK 06B5 3390 05001 00100 LX3003
* GOLDROOT MACHINE 3.17
* GOLDROOT 1 LIVE MAKING DEBIAN WEB1 1 20261126T093000Z
* GOLDROOT 5 PREPARING U7K2M9Q4XA DEBIAN WEB1 2 20261126T093000Z
* GOLDROOT 6 KEPT OLDER DEBIAN WEB1 1 20261120T093000Z""".splitlines()
IDS = {3001: "live", 4001: "next", 5001: "kept"}
#: A disk outside of set 1 is only read: the first change of its entry says so.
READ_ONLY: dict[int, str | None] = {6: " MDISK 06B5 3390 05001 00100 LX3003 RR"}

Edit = Callable[[Standing], source.Entry]
#: What lines say afterwards, by their numbers, in the records that they had; ``None``: they go.
Said = dict[int, str | None]
#: New records: before which line, and what they say.
New = list[tuple[int, str]]
#: The same for a machine, by the numbers of records.
Meant = Callable[["Captured", "Machine"], tuple[Said, New]]


def to(wanted: Callable[[Entry], Entry]) -> Edit:
    return lambda now: changed(now, wanted(now.entry), WORDS, lambda name: "owner")


def without_links(entry: Entry) -> Entry:
    return replace(entry, links={})


EDITS: dict[str, tuple[Edit, Said, New]] = {
    "a serial": (to(lambda entry: replace(entry, serial="3.18")), {**READ_ONLY, 7: None}, [(7, "* GOLDROOT MACHINE 3.18")]),
    "a mark": (
        to(lambda entry: with_mark(entry, "1", replace(entry.marks["1"], state="removing"))),
        {**READ_ONLY, 8: None},
        [(8, "* GOLDROOT 1 REMOVING MAKING DEBIAN WEB1 1 20261126T093000Z")],
    ),
    "a mark goes": (to(lambda entry: with_mark(entry, "5", None)), {**READ_ONLY, 9: None}, []),
    "links more": (
        to(lambda entry: with_links(entry, "6", "S10GOLD2", ["B1", "B2"])),
        READ_ONLY,
        [(3, " LINK S10GOLD2 11B1 06B1 RR"), (3, " LINK S10GOLD2 11B2 06B2 RR")],
    ),
    "links lead elsewhere": (
        to(lambda entry: replace(entry, links=dict.fromkeys(entry.links, Link("S10GOLD3", "1B1")))),
        {
            **READ_ONLY,
            0: " LINK S10GOLD3 11B1 01B1 RR",
            1: " link S10GOLD3 11B1 01b2 sr",
            2: " LINK S10GOLD3 11B1 05B1 RR",
        },
        [],
    ),
    "links go": (to(without_links), {**READ_ONLY, 0: None, 1: None, 2: None}, []),
    "a switch": (
        to(lambda entry: exchange(entry, "5", "update", "kept", since=SINCE)),
        {
            **READ_ONLY,
            0: " LINK S10GOLD2 11B1 01B1 RR",
            2: " LINK S10GOLD  11B1 05B1 RR",
            3: " MDISK 5B5 3390 03001 00100 LX3002 RR READ    WRITE   MULTIPLE",
            5: " MDISK 01B5 3390 04001 00100 LX3003 MW READ    WRITE   MULTIPLE",
            8: None,
            9: None,
        },
        [
            (8, "* GOLDROOT 1 LIVE UPDATE DEBIAN WEB1 2 20261126T093000Z"),
            (9, "* GOLDROOT 5 KEPT UPDATE DEBIAN WEB1 1 20261126T093000Z"),
        ],
    ),
    "a fallback is parked": (
        to(lambda entry: park(entry, "5", "7")),
        {**READ_ONLY, 2: None, 5: " MDISK 07B5 3390 04001 00100 LX3003 RR READ    WRITE   MULTIPLE", 9: None},
        [
            (3, " LINK S10GOLD2 11B1 07B1 RR"),
            (11, "* GOLDROOT 7 PREPARING U7K2M9Q4XA DEBIAN WEB1 2 20261126T093000Z"),
        ],
    ),
    "a disk is only read": (
        to(lambda entry: replace(entry, disks={**entry.disks, "1B5": Disk("live", "ro")})),
        {**READ_ONLY, 3: " MDISK 1B5 3390 03001 00100 LX3002 RR READ    WRITE   MULTIPLE"},
        [],
    ),
    "no cache": (lambda now: uncached(now.text, "05B5"), {}, [(6, "  MINIOPT NOMDC")]),
    "owners": (
        lambda now: edit.relink(now.text, "S10GOLD", "S10GOLD9"),
        {0: " LINK S10GOLD9 11B1 01B1 RR", 1: " link s10gold9 11b2 01b2 sr"},
        [],
    ),
    "two devices change places": (
        lambda now: edit.exchange(now.text, "1B5", "5B1"),
        {2: " LINK S10GOLD2 11B1 01B5 RR", 3: " MDISK 5B1 3390 03001 00100 LX3002 MW READ    WRITE   MULTIPLE"},
        [],
    ),
    "a disk more": (
        lambda now: edit.add_mdisk(now.text, "07B6 3390 06001 00100 LX3003 RR", ["MINIOPT NOMDC"]),
        {},
        [(7, " MDISK 07B6 3390 06001 00100 LX3003 RR"), (7, " MINIOPT NOMDC")],
    ),
    "a disk less": (lambda now: edit.remove(now.text, "1B5"), {3: None, 4: None}, []),
}  # fmt: skip

#: Machines that have something of their own where the edit would put a device.
REFUSED = {"links more": {"MAINT710"}}

#: Width (0: as the lines are) and line end.
QUICK = [(0, "\n"), (80, "")]
FORMS = [*QUICK, (72, ""), (0, "\r\n"), (72, "\n"), (80, "\n"), (80, "\r\n")]


#: Has minidisks of its own at a clone's addresses.
NO_CLONE = "VMSECURE"


@dataclass
class Machine:
    """Where the records of a machine stand, by their numbers."""

    header: int
    clone: int  #: the first one of the clone's
    boots: list[int]  #: IPL statements
    boot_at: int  #: where a first one would stand: behind what is not a device


class Captured:
    """The directory in one form, with a clone's statements in each machine; its records are joined by hand."""

    def __init__(self, width: int, end: str) -> None:
        self.width, self.end = width, end
        plain = source.Directory.parse("".join(line + "\n" for line in lines()).encode("latin-1"))
        self.texts = [text(record) for statement in plain.preamble for record in statement.records]
        self.machines: dict[int, Machine] = {}  #: by the number of the entry
        for number, entry in enumerate(plain.entries):
            rows = [(one, text(record)) for one in entry.statements for record in one.records]
            last = 1 + max(at for at, (one, _) in enumerate(rows) if one.is_code)
            begin = len(self.texts)
            self.texts += [row for _, row in rows[:last]]
            if entry.kind in ("USER", "IDENTITY") and entry.name != NO_CLONE:
                boots = [begin + at for at, (one, _) in enumerate(rows) if one.keyword == "IPL"]
                others = [at for at, (one, _) in enumerate(rows) if one.is_code and one.keyword not in DEVICE]
                self.machines[number] = Machine(begin, len(self.texts), boots, begin + others[-1] + 1)
                self.texts += CLONE
            self.texts += [row for _, row in rows[last:]]
        self.records = [self.record(row, f"{number:08d}") for number, row in enumerate(self.texts, 1)]
        self.directory = source.Directory.parse(b"".join(self.records))
        assert len(self.directory.entries) == len(plain.entries)

    def record(self, row: str, number: str = "") -> bytes:
        """A record, as a punch would make it."""
        if self.width:
            row = row.ljust(72) + (number.ljust(8) if self.width == 80 else "")
        return (row + self.end).encode("latin-1")

    @cache  # noqa: B019  there are seven
    def seen(self, number: int) -> Standing:
        """An entry as goldroot sees it, with the profiles and SUBCONFIGs beside it."""
        return self.standing(self.directory.entries[number])

    def standing(self, entry: source.Entry) -> Standing:
        parts = beside(entry, lambda kind, name: self.directory.find(name, kind))
        found = standing(
            entry, parts, name="X", names=Names(), registry=lambda name, address, extent: IDS.get(extent.start)
        )
        return checked(with_known_disks(found))

    def changed(self, said: Said, new: New) -> bytes:
        """The file in which these records say something else, and new ones stand before these."""
        done = list(self.records)
        for at, row in said.items():
            done[at] = b"" if row is None else self.record(row, f"{at + 1:08d}")
        for at, row in reversed(new):
            done[at] = self.record(row) + done[at]
        return b"".join(done)


def text(record: Record) -> str:
    return record.raw.decode("latin-1")


def lines() -> list[str]:
    if not (CAPTURED / "zvm71-user-direct.txt").is_file():
        pytest.skip(f"no captured directory at {CAPTURED} (set GOLDROOT_SHARED)")
    return (CAPTURED / "zvm71-user-direct.txt").read_text("latin-1").rstrip("\n").split("\n")


@cache
def captured(width: int, end: str) -> Captured:
    return Captured(width, end)


def compared(one: Captured, numbers: list[int], change: Callable[[Standing], source.Entry], meant: Meant) -> set[str]:
    """Edit these entries: the file says what is meant, and nothing else changes; who refused it."""
    entries, refused = list(one.directory.entries), set()
    said: Said = {}
    new: New = []
    for number in numbers:
        try:
            entries[number] = change(one.seen(number))
        except Refused:
            refused.add(entries[number].name)
            continue
        says, comes = meant(one, one.machines[number])
        said |= says
        new += comes
    assert source.Directory(one.directory.preamble, tuple(entries)).to_bytes() == one.changed(said, new)
    return refused


def of_the_clone(name: str) -> Meant:
    """What an edit of the clone's devices changes."""
    _, said, new = EDITS[name]

    def meant(one: Captured, there: Machine) -> tuple[Said, New]:
        return {there.clone + at: row for at, row in said.items()}, [(there.clone + at, row) for at, row in new]

    return meant


def word(row: str, which: int, new: str) -> str:
    """A row with another word; what follows stays in its columns where the blanks before it allow that."""
    begin, end = [found.span() for found in re.finditer(r"\S+", row)][which]
    behind = row[end:].lstrip(" ")
    if not behind:
        return (row[:begin] + new).ljust(len(row)) if row[end:] else row[:begin] + new
    return row[:begin] + new.ljust(len(row) - begin - len(behind) - 1) + " " + behind


def logon(new: str) -> Meant:
    """The word in the place of the password; the rest of the statement stays."""

    def meant(one: Captured, there: Machine) -> tuple[Said, New]:
        row = one.texts[there.header]
        is_same = (row.split()[2] == "NOLOG") == (new == "NOLOG")
        return read_only(there) | ({} if is_same else {there.header: word(row, 2, new)}), []

    return meant


def boots_elsewhere(one: Captured, there: Machine) -> tuple[Said, New]:
    if there.boots:
        return {**read_only(there), there.boots[-1]: word(one.texts[there.boots[-1]], 1, "01B2")}, []
    return read_only(there), [(there.boot_at, " IPL 01B2")]


def boots_nowhere(one: Captured, there: Machine) -> tuple[Said, New]:
    return {**read_only(there), **dict.fromkeys(there.boots)}, []


def read_only(there: Machine) -> Said:
    return {there.clone + at: row for at, row in READ_ONLY.items()}


def two_steps(one: Captured) -> Edit:
    """It boots from a disk of goldroot's, and then from none."""
    first, then = (to(lambda entry, boot=boot: replace(entry, boot=boot)) for boot in ("1B2", ""))  # type: ignore[misc]
    return lambda now: then(one.standing(first(now)))


#: Changes of the machine itself.
MACHINE: dict[str, tuple[Callable[[Captured], Edit], Meant]] = {
    "nobody logs it on": (lambda one: to(lambda entry: replace(entry, startable=False)), logon("NOLOG")),
    "it may be logged on": (lambda one: to(lambda entry: replace(entry, startable=True)), logon("AUTOONLY")),
    "it boots elsewhere": (lambda one: to(lambda entry: replace(entry, boot="1B2")), boots_elsewhere),
    "it boots nowhere": (two_steps, boots_nowhere),
}


@pytest.mark.parametrize(("width", "end"), QUICK)
def test_edits_of_some_machines_change_what_is_meant(width: int, end: str) -> None:
    one = captured(width, end)
    numbers = list(one.machines)[5::40]
    assert len(numbers) > 2
    for name in EDITS:
        assert compared(one, numbers, EDITS[name][0], of_the_clone(name)) == set(), name
    for name, (edit_of, meant) in MACHINE.items():
        assert compared(one, numbers, edit_of(one), meant) == set(), name


@pytest.mark.slow
@pytest.mark.parametrize(("width", "end"), FORMS)
@pytest.mark.parametrize("name", [*EDITS, *MACHINE])
def test_each_edit_of_every_machine_changes_what_is_meant(name: str, width: int, end: str) -> None:
    one = captured(width, end)
    assert (len(one.directory.entries), len(one.machines)) == (277, 127)
    if name in MACHINE:
        edit_of, meant = MACHINE[name]
        assert compared(one, list(one.machines), edit_of(one), meant) == set()
    else:
        refused = compared(one, list(one.machines), EDITS[name][0], of_the_clone(name))
        assert refused == REFUSED.get(name, set())
