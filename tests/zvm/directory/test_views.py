"""What the statements say: today's forms, the old ones, abbreviations and small letters."""

from __future__ import annotations

import pytest

from goldroot.errors import BadInput, NotFound
from goldroot.zvm.directory import Directory, Secret, disks, links, view, views
from goldroot.zvm.directory.keywords import keyword_of
from goldroot.zvm.directory.views import (
    Build,
    Command,
    Device,
    DiskOption,
    Ipl,
    Link,
    Machine,
    Mdisk,
    Named,
    Nicdef,
    Option,
    Plain,
    User,
    View,
)


def one(text: str) -> View:
    (statement,) = Directory.parse(text.encode()).statements()
    return view(statement)


def secrets(*words: str) -> list[Secret | None]:
    return [Secret(word) if word else None for word in words]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("USER L1 PW 2G 4G G", User("USER", "L1", "", Secret("PW"), "2G", "4G", "G", "", ())),
        ("u l1 nolog", User("USER", "L1", "NOLOG", None, "", "", "", "", ())),
        ("USER L1 LBYONLY 1G", User("USER", "L1", "LBYONLY", None, "1G", "", "", "", ())),
        ("USER L1 PW * * * 64", User("USER", "L1", "", Secret("PW"), "", "", "", "64", ())),
        (
            'USER A B 1M 2M G 64 ! ON # "',
            User("USER", "A", "", Secret("B"), "1M", "2M", "G", "64", ("!", "ON", "#", '"')),
        ),
        ("IDENT L1 AUTOONLY 1G 2G G", User("IDENTITY", "L1", "AUTOONLY", None, "1G", "2G", "G", "", ())),
        ("SUBCONFIG L1-1", Named("SUBCONFIG", "L1-1")),
        ("PROFILE LINDFLT", Named("PROFILE", "LINDFLT")),
        ("INC lindflt", Named("INCLUDE", "LINDFLT")),
        ("BUILD ON VM1 USING SUBCONFIG L1-1", Build("VM1", "L1-1")),
        ("LINK MAINT 190 0190 RR", Link("MAINT", "190", "0190", "RR")),
        ("LINK MAINT 190 190 RR * CMS SYSTEM DISK", Link("MAINT", "190", "190", "RR")),
        ("l maint 19e", Link("MAINT", "19E", "19E", "")),
        ("LINK MAINT 190 MR", Link("MAINT", "190", "190", "MR")),
        ("LINK MAINT 190 * remark", Link("MAINT", "190", "190", "")),
        ("IPL CMS", Ipl("CMS", "", "")),
        ("IPL 1B0 LOADPARM 2 PARM AUTOCR x", Ipl("1B0", "2", "AUTOCR x")),
        ("i cms parm autocr", Ipl("CMS", "", "autocr")),
        ("MACH XA", Machine("XA", "")),
        ("MACHINE ESA 8", Machine("ESA", "8")),
        ("OPTION MAXCONN 10 lnknopas", Option(("MAXCONN", "10", "LNKNOPAS"))),
        ("NICDEF 0600 TYPE QDIO LAN SYSTEM VSW1", Nicdef("0600", (("TYPE", "QDIO"), ("LAN", "SYSTEM VSW1")))),
        ("NICDEF 600 DEVICE 3 PRO MACID 0E4E8E", Nicdef("600", (("DEVICES", "3"), ("PRO", ""), ("MACID", "0E4E8E")))),
        ("COMMAND  COUPLE 0600  TO SYSTEM", Command(Secret("COUPLE 0600  TO SYSTEM"))),
        ("CMD SET X", Command(Secret("SET X"))),
        ("DEDICATE 360 361", Device("DEDICATE", "360", "361", "", ())),
        ("DEDICATE 1000 VOLID X R/O", Device("DEDICATE", "1000", "VOLID", "", ("X", "R/O"))),
        ("SPOOL 00C 2540 READ A", Device("SPOOL", "00C", "2540", "READER", ("A",))),
        ("SPOOL 00C 2540 RDR A", Device("SPOOL", "00C", "2540", "READER", ("A",))),
        (
            "SPOOL 00D 2540 PUNCH A SPOOL 00E 1403 A",
            Device("SPOOL", "00D", "2540", "PUNCH", ("A", "SPOOL", "00E", "1403", "A")),
        ),
        ("SPOOL 00E 1403 A", Device("SPOOL", "00E", "1403", "", ("A",))),
        ("CONSOLE 009 3215 T MAINT", Device("CONSOLE", "009", "3215", "", ("T", "MAINT"))),
        ("SPECIAL 0FF TIMER", Device("SPECIAL", "0FF", "TIMER", "", ())),
        ("MINIOPT NOMDC", DiskOption("MINIOPT", ("NOMDC",))),
        ("DASDOPT WRKALLEG", DiskOption("DASDOPT", ("WRKALLEG",))),
        ("ACCOUNT 1 SYSPROG", Plain("ACCOUNT", ("1", "SYSPROG"))),
        ("NOSUCH thing", Plain("NOSUCH", ("thing",))),
    ],
)
def test_views(text: str, said: View) -> None:
    assert one(text) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("MDISK 191 3390 1 5 V MR", ("PERM", "1", "5", "V", "MR", *secrets("", "", ""))),
        ("MDISK 191 3330 101 010 CPVOL1 WR RP WP", ("PERM", "101", "010", "CPVOL1", "WR", *secrets("RP", "WP", ""))),
        ("m 191 3390 000 end v1 mr all w m", ("PERM", "000", "END", "V1", "MR", *secrets("ALL", "W", "M"))),
        ("MDISK 191 3390 AUTOG 100 POOL1 MR", ("PERM", "AUTOG", "100", "POOL1", "MR", *secrets("", "", ""))),
        ("MDISK 191 3390 T-DISK 10 W R1", ("T-DISK", "", "10", "", "W", *secrets("R1", "", ""))),
        ("MDISK 401 FB-512 V-DISK 8000 MR", ("V-DISK", "", "8000", "", "MR", *secrets("", "", ""))),
        ("MDISK 199 3390 DEVNO 0201 MRV R1", ("DEVNO", "", "", "0201", "MRV", *secrets("R1", "", ""))),
        ("MDISK 100 3390", ("PERM", "", "", "", "", *secrets("", "", ""))),
    ],
)
def test_forms_of_mdisk(text: str, said: tuple[object, ...]) -> None:
    disk = one(text)
    assert isinstance(disk, Mdisk)
    assert disk[2:10] == said


def test_options_belong_to_the_disk_before_them(modern_bytes: bytes) -> None:
    entry = Directory.parse(modern_bytes).entry("c1")
    assert [(disk.address, disk.options) for disk, _ in disks(entry)] == [
        ("01B5", (DiskOption("MINIOPT", ("NOMDC",)),)),
        ("05B5", ()),
    ]
    assert not any(isinstance(said, DiskOption) for said in views(entry))


def test_an_old_entry(old_bytes: bytes) -> None:
    entry = Directory.parse(old_bytes).entry("MAINT")
    assert [(link.owner, link.vdev1, link.address) for link, _ in links(entry)] == [
        ("DOSSTART", "191", "0192"),
        ("DOSSTART", "148", "0148"),
    ]
    ((disk, _),) = disks(entry)
    assert (disk.address, disk.devtype, disk.start, disk.size, disk.volume) == ("0190", "3350", "103", "061", "VM50-1")
    assert (disk.read, disk.write) == (Secret("ALL"), Secret("WRITE"))


@pytest.mark.parametrize(
    ("short", "full"),
    [
        *(("U", "USER"), ("IDENT", "IDENTITY"), ("M", "MDISK"), ("L", "LINK"), ("S", "SPOOL"), ("SP", "SPOOL")),
        *(("SPE", "SPECIAL"), ("C", "CONSOLE"), ("CON", "CONSOLE"), ("COM", "COMMAND"), ("CMD", "COMMAND")),
        *(("D", "DEDICATE"), ("DIR", "DIRECTORY"), ("I", "IPL"), ("INC", "INCLUDE"), ("O", "OPTION")),
        *(("MAC", "MACHINE"), ("mach", "MACHINE"), ("MAXSTOR", "MAXSTORAGE"), ("STOR", "STORAGE")),
        *(("GLOBALDEF", "GLOBALDEFS"), ("PROF", "PROFILE"), ("SUBC", "SUBCONFIG"), ("A", "ACCOUNT")),
        *(("XYZ", "XYZ"), ("NICDEFX", "NICDEFX"), ("P", "P")),
    ],
)
def test_abbreviations(short: str, full: str) -> None:
    assert keyword_of(short.encode()) == full


def test_a_pool_is_no_machine_of_that_name() -> None:
    directory = Directory.parse(b"IDENTITY SSL PW\n POOL LOW 1 HIGH 5 PROFILE P\nIDENTITY SSL PW 1G\n")
    assert [entry.kind for entry in directory.entries] == ["POOL", "IDENTITY"]
    assert directory.entry("ssl").kind == "IDENTITY"


def test_names_that_are_not_there_or_twice() -> None:
    directory = Directory.parse(b"USER A PW\nUSER B PW\nUSER B PW\n")
    with pytest.raises(NotFound, match="no entry C"):
        directory.entry("c")
    with pytest.raises(BadInput, match="2 entries B"):
        directory.entry("b")
