"""A z/VM directory entry as an entry, and back: what goldroot knows, and byte for byte what it does not."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from goldroot.errors import BadInput, Damaged, Refused
from goldroot.hosts import Disk, Entry, Link, Mark, exchange, free_set, park, with_links, with_mark
from goldroot.hosts.port import Role
from goldroot.hosts.zvm.names import Names
from goldroot.hosts.zvm.reading import Extent, Standing, beside, checked, is_managed, standing
from goldroot.hosts.zvm.records import read, written
from goldroot.hosts.zvm.writing import Words, changed, new_entry
from goldroot.zvm import directory as source

SINCE = "2026-11-26T09:30:00Z"
NAMES = Names({"DEBIANGOLD": "DEBGOLD", "DEBIANGOLD2": "DEBGOLD2", "PING": "GT@PING"})
WORDS = Words(NAMES)
#: A clone of the paper's, with what else may stand in an entry.
WEB1 = b"""\
USER WEB1 SECRET 512M 1G G
*DVHOPT LNK0 LOG1 RCM1 SMS0 NPW1 LNGAMENG PWC20240101 CRC\xf3:
 INCLUDE LINDFLT
 IPL 1B0 LOADPARM 1
 NICDEF 0700 TYPE QDIO DEVICES 3 LAN SYSTEM VSWITCH1
 LINK MAINT 0190 0190 RR
 link debgold 11b0 01b0 rr
 LINK DEBGOLD 11B1 01B1 SR
 LINK GT@PONG 11B2 01B2 RR
 LINK DEBGOLD 11B3 01B3 MR
 MDISK 0191 3390 00100 00005 LX3002 MR READ    WRITE   MULTIPLE
* the server's own etc
 MDISK 01B5 3390 03001 00100 LX3002 MW READ    WRITE   MULTIPLE
  MINIOPT NOMDC
 MDISK 05B5 3390 04001 00100 LX3003 RR READ    WRITE   MULTIPLE
 MDISK 01B9 3390 T-DISK 100
 MDISK 0600 3390 00200 00005 LX3002 MR
* GOLDROOT MACHINE 3.17
* GOLDROOT 1 LIVE MAKING DEBIAN WEB1 1 20261126T093000Z
* GOLDROOT 5 PREPARING U7K2M9Q4XA DEBIAN WEB1 2 20261126T093000Z
"""
PROFILE = b"PROFILE LINDFLT\n MACHINE ESA 4\n SPOOL 000C 2540 READER *\n LINK MAINT 019E 019E RR\n"
IDS = {("WEB1", "LX3002", 3001): "web1-1B5-old", ("WEB1", "LX3003", 4001): "web1-1B5-new"}
SHARED = Path(os.environ.get("GOLDROOT_SHARED", Path(__file__).resolve().parents[4] / "shared")) / "zvm"


def only(data: bytes) -> source.Entry:
    (entry,) = source.Directory.parse(data).entries
    return entry


def seen(data: bytes, name: str = "WEB1", *, ids: Mapping[tuple[str, str, int], str] = IDS) -> Standing:
    def registry(owner: str, address: str, extent: Extent) -> str | None:
        return ids.get((owner, extent.volume, extent.start))

    beside = [only(PROFILE)] if b"INCLUDE" in data else []
    return checked(standing(only(data), beside, name=name, names=NAMES, registry=registry))


def owners(name: str) -> Role:
    return "machine" if name == "S10RWTST" else "owner"


def put(now: Standing, wanted: Entry, words: Words = WORDS) -> bytes:
    """The bytes after a change, which reads as wanted."""
    data = changed(now, wanted, words, owners).to_bytes()
    again = seen(data, wanted.name).entry
    assert replace(again, token="") == replace(wanted, token="")
    return data


def lines(before: bytes, after: bytes) -> tuple[set[bytes], set[bytes]]:
    """Lines that went, and lines that came."""
    old, new = before.splitlines(), after.splitlines()
    return set(old) - set(new), set(new) - set(old)


# -- reading


def test_an_entry_is_what_goldroot_manages_and_the_addresses_of_all_else() -> None:
    entry = seen(WEB1).entry
    assert (entry.name, entry.role, entry.serial, entry.boot, entry.startable) == (
        "WEB1",
        "machine",
        "3.17",
        "1B0",
        True,
    )
    assert entry.disks == {
        "191": Disk("?LX3002:100:5", "rw"),
        "1B5": Disk("web1-1B5-old", "rw"),
        "5B5": Disk("web1-1B5-new", "ro"),
        "600": Disk("?LX3002:200:5", "ro"),
    }
    assert entry.links == {"1B0": Link("DEBIANGOLD", "1B0"), "1B1": Link("DEBIANGOLD", "1B1")}
    # a card's three devices, what the profile brings, temporary disks, links of others and links that write
    assert entry.others == {"700", "701", "702", "C", "190", "19E", "1B2", "1B3", "1B9"}
    assert entry.marks["5"] == Mark("preparing", "u7k2m9q4xa", "debian", "web1", 2, SINCE)


@pytest.mark.parametrize(
    ("statement", "takes"),
    [
        ("SPECIAL 05B4 QDIO 3 SYSTEM LAN1", "5B4 5B5 5B6"),
        ("SPECIAL 05B4 HIPER 2 SYSTEM LAN1", "5B4 5B5"),
        ("SPECIAL 05B4 CTCA", "5B4"),
        ("COMMAND DEFINE NIC 05B4 TYPE QDIO", "5B4 5B5 5B6"),
        ("command cp define nic 5b4 hipersockets dev 4", "5B4 5B5 5B6 5B7"),
        ("CMD DEF VFB-512 AS 5B5 BLK 1000", "5B5"),
        ("COMMAND DEFINE T3390 5B5 CYL 600", "5B5"),
        ("COMMAND DEFINE 0190 AS 05B5", "5B5"),
        ("COMMAND LINK TO MAINT 0190 AS 05B5 RR", "5B5"),
        ("COMMAND ATTACH 1A00-1A02 TO * AS 05B5", "5B5 5B6 5B7"),
        ("COMMAND ATTACH 05B5 WEB1", "5B5"),
        ("COMMAND DEFINE STORAGE 512M STANDBY 1G", ""),
        ("COMMAND DEFINE CPU 01-03", ""),
        ("COMMAND COUPLE 05B5 TO SYSTEM VSWITCH1", ""),
        ("COMMAND SET VSWITCH EXTERN GRANT &USERID", ""),
    ],
)
def test_devices_that_a_statement_or_a_command_of_an_entry_makes_are_taken(statement: str, takes: str) -> None:
    plain = b"USER WEB1 SECRET 512M 1G G\n"
    assert seen(plain + f" {statement}\n".encode(), ids={}).entry.others == set(takes.split())


def test_a_set_where_a_command_makes_a_card_is_not_free() -> None:
    plain = b"USER WEB1 SECRET 512M 1G G\n COMMAND DEFINE NIC 06B4 TYPE QDIO\n"
    assert free_set(seen(plain, ids={}).entry, ["B1", "B7"]) == "6"
    assert free_set(seen(plain, ids={}).entry, ["B1", "B5"]) == "7"


def test_a_profile_of_a_member_alone_is_beside_too_and_names_of_profiles_are_apart() -> None:
    text = b"""\
PROFILE WEB1-1
 LINK MAINT 019E 019E RR
PROFILE LINDFLT
 SPOOL 000C 2540 READER *
SUBCONFIG WEB1-1
 INCLUDE LINDFLT
 MDISK 0191 3390 00100 00005 LX3002 MR
IDENTITY WEB1 SECRET 512M 1G G
 BUILD ON * USING SUBCONFIG WEB1-1
USER LINDFLT NOLOG
"""
    directory = source.Directory.parse(text)
    found = beside(directory.entry("WEB1"), lambda kind, name: directory.find(name, kind))
    assert [(one.kind, one.name) for one in found] == [("SUBCONFIG", "WEB1-1"), ("PROFILE", "LINDFLT")]


def test_a_slot_has_its_disks_at_numbers_of_its_own() -> None:
    gold = b"USER DEBGOLD NOLOG 32M 32M G\n MDISK 11B1 3390 1 10 LX3001 RR\n MDISK 01B5 3390 20 10 LX3001 RR\n"
    entry = seen(gold, "DEBIANGOLD", ids={("DEBIANGOLD", "LX3001", 1): "gold-1B1"}).entry
    assert (entry.role, entry.startable) == ("owner", False)
    assert entry.disks == {"1B1": Disk("gold-1B1", "ro")}
    assert entry.others == {"01B5"}
    paper = Names({"DEBIANGOLD": "DEBGOLD"}, {"DEBIANGOLD": "2"})
    assert paper.device("DEBIANGOLD", "owner", "1B1") == "21B1"
    assert paper.device("OTHER", "owner", "1B1") == "11B1"
    assert paper.address("DEBIANGOLD", "owner", "21B1") == "1B1"


def test_a_disk_that_is_being_made_takes_an_address_and_is_not_one() -> None:
    entry = seen(WEB1, ids={**IDS, ("WEB1", "LX3003", 4001): ""}).entry
    assert "5B5" not in entry.disks
    assert "5B5" in entry.others


def test_no_password_no_logon() -> None:
    for word in (b"NOLOG", b"nolog"):
        assert not seen(WEB1.replace(b"SECRET", word)).entry.startable


def test_each_change_of_an_entry_makes_another_token_and_padding_makes_none() -> None:
    token = seen(WEB1).entry.token
    assert seen(WEB1.replace(b"NOMDC", b"CACHE")).entry.token != token
    assert seen(WEB1.replace(b"the server's", b"the clone's")).entry.token != token
    padded = b"".join(line.ljust(72) + b"12345678\n" for line in WEB1.splitlines())
    assert seen(padded).entry.token == token


def test_records_that_goldroot_does_not_write_are_damage() -> None:
    for bad in (
        WEB1.replace(b"MACHINE 3.17", b"MACHINE 3"),
        WEB1.replace(b"GOLDROOT MACHINE", b"GOLDROOT TAPE"),
        WEB1.replace(b" PREPARING ", b" COOKING "),
        WEB1.replace(b" WEB1 2 2026", b" WEB1 2026"),
        WEB1.replace(b"* GOLDROOT MACHINE 3.17\n", b""),
    ):
        with pytest.raises(Damaged, match="WEB1"):
            seen(bad)
    assert is_managed(only(WEB1))
    assert not is_managed(only(b"USER WEB1 X\n* GOLDROOTS\n"))


def test_names_are_user_ids_or_stand_in_the_table() -> None:
    assert (NAMES.user("WEB1"), NAMES.user("DEBIANGOLD2"), NAMES.entry("GT@PING")) == ("WEB1", "DEBGOLD2", "PING")
    assert NAMES.entry("GT@PONG") is None
    for bad in ("DEBIANGOLD3", "DEBGOLD", "web1", "../X"):
        with pytest.raises(BadInput):
            NAMES.user(bad)
    with pytest.raises(BadInput, match="two entries"):
        Names({"A": "X", "B": "X"})


# -- marks


@pytest.mark.parametrize(
    "mark",
    [
        Mark("kept", "u7k2m9q4xa", "s10", "web1", 12, SINCE),
        Mark("gold", "publish", "debian", "", 1, "2026-11-26T09:30:00.123456Z"),
        Mark("set-aside", "Mixed Case", "ä", "x" * 63, 0, "later"),
        Mark("removing", "", "=41", "-", 3, ""),
        Mark("live", "a b c d " * 20, "b", "c", 10**9, SINCE),
    ],
)
@pytest.mark.parametrize("fold", [str, str.upper, str.lower])
def test_marks_come_back_whatever_becomes_of_their_letters(mark: Mark, fold: type[str]) -> None:
    entry = Entry("WEB1", "machine", marks={"1": mark, "6": mark}, serial="7.8")
    texts = [fold(text.ljust(72)) for text in written(entry)]
    assert all(len(text) == 72 for text in texts)
    said = read(["*PW= X", *texts, "* something else"])
    assert (said.role, said.serial, said.marks) == ("machine", "7.8", {"1": mark, "6": mark})


# -- writing


def test_nothing_to_change_changes_nothing() -> None:
    now = seen(WEB1)
    assert changed(now, now.entry, WORDS, owners).to_bytes() == WEB1


def test_a_switch_exchanges_addresses_and_modes_and_nothing_else() -> None:
    now = seen(WEB1)
    linked = put(now, with_links(now.entry, "5", "DEBIANGOLD2", ["B0", "B1"]))
    assert lines(WEB1, linked)[1] == {b" LINK DEBGOLD2 11B0 05B0 RR", b" LINK DEBGOLD2 11B1 05B1 RR"}
    before = seen(linked)
    after = put(before, exchange(before.entry, "5", "update", "kept", since=SINCE))
    went, came = lines(linked, after)
    assert b" MDISK 05B5 3390 03001 00100 LX3002 RR READ    WRITE   MULTIPLE" in came
    assert b" MDISK 01B5 3390 04001 00100 LX3003 MW READ    WRITE   MULTIPLE" in came
    assert {line.split()[1].upper() for line in went if b"LINK" in line.upper().split()} <= {b"DEBGOLD", b"DEBGOLD2"}
    assert {line for line in went if line.split()[0].upper() not in (b"LINK", b"MDISK")} == {
        b"* GOLDROOT 1 LIVE MAKING DEBIAN WEB1 1 20261126T093000Z",
        b"* GOLDROOT 5 PREPARING U7K2M9Q4XA DEBIAN WEB1 2 20261126T093000Z",
    }
    text = after.splitlines()
    assert (
        text[text.index(b" MDISK 05B5 3390 03001 00100 LX3002 RR READ    WRITE   MULTIPLE") + 1] == b"  MINIOPT NOMDC"
    )
    assert b" LINK DEBGOLD2 11B1 01B1 SR" in text, "a link's mode is the address's"
    back = seen(after)
    again = seen(put(back, exchange(back.entry, "5", "rollback", "set-aside", since=SINCE))).entry
    assert (again.disks, again.links) == (before.entry.disks, before.entry.links)


def test_a_set_is_parked_and_given_up() -> None:
    now = seen(WEB1)
    full = seen(put(now, with_links(now.entry, "5", "DEBIANGOLD2", ["B1"])))
    free = free_set(full.entry, ["B1", "B5"])
    parked = seen(put(full, park(full.entry, "5", free)))
    assert parked.entry.links[f"{free}B1"] == Link("DEBIANGOLD2", "1B1")
    gone = put(parked, with_mark(with_links(parked.entry, free, "DEBIANGOLD2", []), free, None))
    assert b"DEBGOLD2" not in gone


def test_a_set_whose_places_are_taken_by_a_card_is_not_free() -> None:
    card = seen(WEB1.replace(b"NICDEF 0700", b"NICDEF 06B4"))
    assert "6B5" in card.entry.others
    assert free_set(card.entry, ["B5"]) == "7"


def test_a_disk_that_goldroot_did_not_make_is_not_moved() -> None:
    now = seen(WEB1)
    moved = {("1C1" if address == "191" else address): disk for address, disk in now.entry.disks.items()}
    with pytest.raises(Refused, match="191 that goldroot did not make"):
        changed(now, replace(now.entry, disks=moved), WORDS, owners)


def test_what_is_not_started_has_no_logon_and_what_is_again_has_no_password_of_old() -> None:
    now = seen(WEB1)
    off = put(now, replace(now.entry, startable=False))
    assert off.splitlines()[0] == b"USER WEB1 NOLOG  512M 1G G"
    on = put(seen(off), replace(now.entry, startable=True))
    assert on.splitlines()[0].split() == b"USER WEB1 AUTOONLY 512M 1G G".split()


def test_the_boot_disk_is_in_the_ipl_statement() -> None:
    now = seen(WEB1)
    assert b" IPL 01B1 LOADPARM 1" in put(now, replace(now.entry, boot="1B1")).splitlines()
    none = put(now, replace(now.entry, boot=""))
    assert b" IPL " not in none
    text = put(seen(none), replace(now.entry, boot="1B0")).splitlines()
    assert text.index(b" IPL 01B0") < text.index(b" NICDEF 0700 TYPE QDIO DEVICES 3 LAN SYSTEM VSWITCH1")


def test_links_to_another_machines_disks_are_known_by_a_record() -> None:
    now = seen(WEB1)
    entry = replace(now.entry, links={**now.entry.links, "1B7": Link("S10RWTST", "1B7")})
    data = put(now, entry)
    assert b" LINK S10RWTST 01B7 01B7 RR" in data.splitlines()
    assert b"* GOLDROOT LINKS 1B7" in data.splitlines()
    assert "190" in seen(data).entry.others
    assert b"GOLDROOT LINKS" not in put(seen(data), now.entry)


def test_a_new_entry_is_the_template_with_links_and_records() -> None:
    wanted = Entry(
        "WEB2",
        "machine",
        links={"1B1": Link("DEBIANGOLD", "1B1")},
        boot="1B1",
        marks={"1": Mark("live", "w", "i", "web2", 1, SINCE)},
    )
    made = new_entry(["USER {user} NOLOG 512M 1G G", " INCLUDE LINDFLT"], wanted, WORDS, owners)
    text = [line.decode() for line in made.lines()]
    assert text[:4] == ["USER WEB2 NOLOG 512M 1G G", " INCLUDE LINDFLT", " IPL 01B1", " LINK DEBGOLD 11B1 01B1 RR"]
    assert replace(seen(made.to_bytes(), "WEB2").entry, token="", others=frozenset()) == wanted


def test_a_minidisk_without_a_mode_gets_one_and_one_that_continues_too() -> None:
    bare = WEB1.replace(b"LX3002 MW READ    WRITE   MULTIPLE\n  MINIOPT", b"LX3002\n  MINIOPT")
    now = seen(bare)
    after = put(now, exchange(now.entry, "5", "update", "kept", since=SINCE))
    assert b" MDISK 05B5 3390 03001 00100 LX3002 RR" in after.splitlines()
    assert b" MDISK 01B5 3390 04001 00100 LX3003 MR READ    WRITE   MULTIPLE" in after.splitlines()


def claimed(owner: str, address: str, extent: Extent) -> str | None:
    return f"d-{extent.volume}-{extent.start}-{extent.size}" if address.startswith("1") else None


@pytest.mark.parametrize("layout", ["as it is", "72", "80"])
def test_every_machine_of_a_real_directory_is_read_and_changed_only_where_it_was_meant(layout: str) -> None:
    """The directory of a z/VM 7.1 system, also padded and with sequence numbers."""
    if not (SHARED / "zvm71-user-direct.txt").is_file():
        pytest.skip(f"no captured directory at {SHARED} (set GOLDROOT_SHARED)")
    plain = source.Directory.parse((SHARED / "zvm71-user-direct.txt").read_bytes())
    tried = 0
    for old in plain.entries:
        if old.kind not in ("USER", "IDENTITY"):
            continue
        one = laid_out(old, layout)
        parts = beside(one, lambda kind, name: plain.find(name, kind))
        now = standing(one, parts, name="X", names=Names(), registry=claimed)
        if len({disk.id for disk in now.entry.disks.values()}) < len(now.entry.disks):
            continue  # two minidisks on one extent, on purpose
        wanted = with_mark(now.entry, "1", Mark("live", "adopt", "s10", "x", 1, SINCE))
        free = "1F5" not in {*now.entry.others, *now.entry.links, *now.entry.disks}
        if now.entry.role == "machine" and free:
            wanted = replace(wanted, links={**wanted.links, "1F5": Link("S10GOLD", "1F5")})
        done = changed(now, wanted, WORDS, owners)
        again = standing(done, parts, name="X", names=Names(), registry=claimed)
        assert replace(again.entry, token="") == replace(wanted, token=""), old.name
        kept = [line for line in done.lines() if b"* GOLDROOT" not in line and b"S10GOLD" not in line]
        assert kept == one.lines(), old.name
        tried += 1
    assert tried > 110


def laid_out(entry: source.Entry, layout: str) -> source.Entry:
    if layout == "as it is":
        return entry
    rows = [line[:72].ljust(72) + (b"%08d" % n if layout == "80" else b"") for n, line in enumerate(entry.lines())]
    return only(b"".join(row + b"\n" for row in rows))
