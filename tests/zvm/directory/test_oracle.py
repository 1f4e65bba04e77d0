"""The typed view against the directory manager's own form of the same directory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from goldroot.zvm.directory import Directory, Entry, disks, keyword_form, links


def entry_of(directory: Directory, known: dict[str, Any]) -> Entry:
    found = directory.find(known["id"], "PROFILE") if known["type"] == "PROFILE" else directory.entry(known["id"])
    assert found is not None
    return found


def test_keyword_form_equals_the_directory_managers(
    captured_bytes: bytes, captured_forms: list[dict[str, Any]], counted: Callable[[str, str], None]
) -> None:
    """Every item of every machine and profile, in order, passwords, profiles and SUBCONFIGs included."""
    directory = Directory.parse(captured_bytes)
    items: Counter[str] = Counter()
    for known in captured_forms:
        made = [*keyword_form(directory, entry_of(directory, known), reveal=True), ""]
        assert made == known["items"], known["id"]
        items.update(item.partition("=")[0] for item in made if "=" in item[:-1])
    counted("keyword forms equal to the directory manager's", f"{len(captured_forms)} of {len(captured_forms)}")
    counted("  their items", str(dict(items)))
    assert items["LINK"] + items["LINK_PROFILE"] == 542 + 211
    assert items["MDISK"] == 390


def test_no_entry_is_left_out(
    captured_bytes: bytes,
    captured_entries: list[dict[str, Any]],
    captured_forms: list[dict[str, Any]],
    counted: Callable[[str, str], None],
) -> None:
    """Each of the 277 entries is in the manager's form, merged into one there, or (the other member's
    SUBCONFIGs, of which the form has none) compared record by record below; three define no machine."""
    directory = Directory.parse(captured_bytes)
    listed = Counter((known["type"], known["id"]) for known in captured_forms)
    first = {next(entry.code("BUILD")).operands[-1] for entry in directory.entries if entry.kind == "IDENTITY"}
    how: Counter[str] = Counter()
    for known in captured_entries:
        kind, name = known["type"], known["id"]
        if kind in ("DIRECTORY", "GLOBAL", "POOL"):
            how["no machine"] += 1
        elif kind == "SUBCONFIG":
            how["merged" if name in first else "of the other member"] += 1
        else:
            assert listed[("USER" if kind == "IDENTITY" else kind, name)] == 1
            how["listed"] += 1
    counted("captured entries and the keyword form", str(dict(how)))
    assert how == {"listed": 134, "merged": 70, "of the other member": 70, "no machine": 3}


def test_links_and_minidisks_of_all_entries_by_plain_words(
    captured_bytes: bytes, captured_entries: list[dict[str, Any]], counted: Callable[[str, str], None]
) -> None:
    """All 277 entries, by a second reading that knows nothing but blanks."""
    directory = Directory.parse(captured_bytes)
    count: Counter[str] = Counter()
    for entry, known in zip(directory.entries, captured_entries, strict=True):
        rows = [row.split() for row in known["records"]]
        wanted = [row for row in rows if row and row[0] == "LINK"]
        assert [[x.owner, x.vdev1, x.vdev2, x.mode] for x, _ in links(entry)] == [row[1:5] for row in wanted]
        count["LINK"] += len(wanted)
        wanted = [row for row in rows if row and row[0] == "MDISK"]
        said = [[d.vdev, d.devtype, d.start, d.size, d.volume, d.mode] for d, _ in disks(entry)]
        assert said == [row[1:7] for row in wanted]
        for (disk, _), row in zip(disks(entry), wanted, strict=True):
            words = [secret.reveal() for secret in (disk.read, disk.write, disk.multiple) if secret]
            assert words == row[7:10]
        count["MDISK"] += len(wanted)
        count["MINIOPT"] += sum(len(disk.options) for disk, _ in disks(entry))
        count["entries"] += 1
    counted("read a second way", str(dict(count)))
    assert count == {"entries": 277, "LINK": 823, "MDISK": 512, "MINIOPT": 29}


def test_other_member(captured_bytes: bytes, captured_forms: list[dict[str, Any]]) -> None:
    """Built on VM2 a machine differs from the form (which is VM1's) in the disks of its SUBCONFIG alone."""
    directory = Directory.parse(captured_bytes)
    compared = 0
    for known in captured_forms:
        entry = entry_of(directory, known)
        if entry.kind == "IDENTITY":
            made = [item for item in keyword_form(directory, entry, member="vm2", reveal=True) if item]
            wanted = [item.replace("M01", "M02") for item in known["items"] if item]
            ours, theirs = [i for i in made if "VDEV=" not in i], [i for i in wanted if "VDEV=" not in i]
            assert ours == theirs
            assert len(made) == len(wanted)
            compared += 1
    assert compared == 70


#: Two machines as a z/VM 7.1 directory manager normalised them, written again with other names.
SMALL = b"""PROFILE LNXPROF
CPU 00
CPU 02
STORAGE 1111M
MAXSTOR 2222M
MACHINE ESA 4
  IPL 1000
  COMMAND SET VSWITCH EXTERN GRANT &USERID
  NICDEF F000 TYPE QDIO LAN SYSTEM EXTERN
  CONSOLE 0009 3215
  SPOOL 00C 2540 READER *
USER ONE SECRET *  4G  G 64
  INCLUDE LNXPROF
STORAGE 333M
  CPU 01
  MACHINE ESA
  IPL CMS
  SHARE ABS 3%
  OPTION DIAG88
  OPTION QUICKDSP ACCT
  LINK MAINT 190 190 RR * CMS SYSTEM DISK
MDISK 100 3390 1 21846 LX4004 W
IDENTITY TWO SECRET   128M 256M BEG
 BUILD ON VM1 USING SUBCONFIG TWO-1
 CONSOLE 009 3215 T MAINT
 MDISK 0176 3390 0001 4 SHR100 RR * 360 4K BLOCKS
SUBCONFIG TWO-1
 MDISK 01D0 3390 6110 2 VM2000 MR READ
"""
SMALL_FORMS = {
    "ONE": [
        "CONSOLE_PROFILE=VDEV=0009 DEVTYPE=3215 CLASS=T",
        "CPU=CPUADDR=01 DEDICATE=NO",
        "CPU_PROFILE=CPUADDR=00 DEDICATE=NO",
        "CPU_PROFILE=CPUADDR=02 DEDICATE=NO",
        "CPU_MAXIMUM=COUNT=3 TYPE=ESA",
        "INCLUDE=LNXPROF",
        "IPL=VDEV=CMS",
        "LINK=USERID=MAINT VDEV1=190 VDEV2=0190 MODE=RR",
        "MDISK=VDEV=0100 DEVTYPE=3390 DISKTYPE=PERM START=1 COUNT=21846 VOLID=LX4004 MODE=W"
        " READPASSWORD= WRITEPASSWORD= MULTIPASSWORD=",
        "NICDEF_PROFILE=VDEV=F000 TYPE=QDIO LAN=SYSTEM SWITCHNAME=EXTERN",
        "OPTION=DIAG88 QUICKDSP ACCT",
        "SECRET",
        "PRIVILEGE_CLASSES=G",
        "SHARE=ABSOLUTE=3% LIMIT=NOLIMIT",
        "SPOOL_PROFILE=VDEV=000C DEVTYPE=2540_READER CLASS=*",
        "STORAGE_INITIAL=333M",
        "STORAGE_MAXIMUM=4G",
    ],
    "TWO": [
        "CONSOLE=VDEV=009 DEVTYPE=3215 CLASS=T USERID=MAINT",
        "CPU=CPUADDR=00 BASE=YES",
        "CPU_MAXIMUM=COUNT=1 TYPE=ESA",
        "MDISK=VDEV=01D0 DEVTYPE=3390 DISKTYPE=PERM START=6110 COUNT=2 VOLID=VM2000 MODE=MR"
        " READPASSWORD=READ WRITEPASSWORD= MULTIPASSWORD=",
        "MDISK=VDEV=0176 DEVTYPE=3390 DISKTYPE=PERM START=0001 COUNT=4 VOLID=SHR100 MODE=RR"
        " READPASSWORD=* WRITEPASSWORD=360 MULTIPASSWORD=4K",
        "SECRET",
        "PRIVILEGE_CLASSES=BEG",
        "STORAGE_INITIAL=128M",
        "STORAGE_MAXIMUM=256M",
    ],
}


def test_keyword_form_of_small_machines() -> None:
    directory = Directory.parse(SMALL)
    for name, wanted in SMALL_FORMS.items():
        made = keyword_form(directory, directory.entry(name), reveal=True)
        assert [item for item in made if not item.endswith("=") or "PASSWORD=" in item] == wanted
        hidden = keyword_form(directory, directory.entry(name))
        assert "SECRET" not in " ".join(hidden) and "READPASSWORD=READ" not in " ".join(hidden)
