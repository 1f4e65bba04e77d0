"""The directory manager: rewriting, locks, replacement, creation, disks and space."""

from __future__ import annotations

import itertools
import json
import struct

import pytest

from goldroot.errors import BadInput
from goldroot.zvm.simulator import Options, Simulator, Storage, System
from goldroot.zvm.simulator.directory import Directory
from goldroot.zvm.simulator.keywords import entry_items
from goldroot.zvm.simulator.site import GROUPS, VOLUMES

SENT = [
    "USER gt@pong @sm8pi@ 1G 1G ABCDEFG    ",
    "  MDISK 777 3390 1 10 lx3000 W",
    "   MINIOPT NOMDC",
    "  CONSOLE   0009 3215               ",
    "  IPL CMS                           ",
    "  LINK MAINT 190 190 RR             ",
]


def test_what_is_read_back_is_not_what_was_sent(zvm, part):
    """Upper case, 72 columns, general statements first and minidisks last, the password in EBCDIC: as captured."""
    zvm("Image_Deactivate", "GT@PONG", "IMMED")
    assert zvm("Image_Lock_DM", "gt@pong", "").code == (0, 0)
    assert zvm("Image_Replace_DM", "gt@pong", part.records(SENT)).code == (0, 0)
    records = zvm.records("gt@pong")
    assert {len(record) for record in records} == {72}
    assert [record.rstrip() for record in records] == [
        "USER GT@PONG @SM8PI@  1G 1G ABCDEFG",
        "  IPL CMS",
        "*PW00= 7CE2D4F8D7C97C40",
        "  CONSOLE   0009 3215",
        "  LINK MAINT 190 190 RR",
        "  MDISK 777 3390 1 10 LX3000 W",
        "   MINIOPT NOMDC",
    ]


def test_replacing_what_was_read_changes_nothing(zvm, part):
    for name in ("S10RWMNT", "S10RO1", "GT@PONG", "S10GOLD"):
        zvm("Image_Lock_DM", name, "")
        assert zvm("Image_Replace_DM", name, part.records(zvm.records(name))).code == (0, 0)
        first = zvm.records(name)
        zvm("Image_Lock_DM", name, "")
        zvm("Image_Replace_DM", name, part.records(first))
        assert zvm.records(name) == first


def test_replace_needs_the_callers_lock_and_leaves_none(zvm, part):
    records = part.records(zvm.records("S10RO1"))
    assert zvm("Image_Replace_DM", "S10RO1", records).code == (400, 24)
    assert zvm("Image_Lock_DM", "S10RO1", "", user="OTHER").code == (0, 0)
    assert zvm("Image_Lock_DM", "S10RO1", "").code == (400, 12)
    assert zvm("Image_Replace_DM", "S10RO1", records).code == (400, 24)
    locked = zvm("Image_Lock_Query_DM", "S10RO1")
    assert locked.code == (0, 12)
    assert locked.data == part.packed("IMAGE OTHER") + part.int4(0)
    assert zvm("Image_Unlock_DM", "S10RO1", "").code == (0, 0)
    zvm("Image_Lock_DM", "S10RO1", "")
    assert zvm("Image_Replace_DM", "S10RO1", records).code == (0, 0)
    assert zvm("Image_Lock_Query_DM", "S10RO1").code == (0, 24)
    assert zvm("Image_Unlock_DM", "S10RO1", "").code == (400, 24)


def test_a_locked_entry_takes_no_other_change(zvm, part):
    zvm("Image_Lock_DM", "S10RO3", "")
    calls = {
        "Image_Delete_DM": [part.byte(0)],
        "Image_Disk_Delete_DM": ["1B5", part.byte(0)],
        "Image_Disk_Share_DM": ["190", "MAINT", "F00", "RR", ""],
        "Image_Disk_Create_DM": disk(part),
        "Image_IPL_Set_DM": ["CMS", "", ""],
        "Image_Device_Dedicate_DM": ["F00", "600", part.byte(0)],
    }
    for api, parameters in calls.items():
        assert zvm(api, "S10RO3", *parameters).code == (400, 12), api


def test_a_device_lock_is_of_that_device(zvm, part):
    assert zvm("Image_Lock_DM", "S10RO3", "1B5").code == (0, 0)
    assert zvm("Image_Lock_DM", "S10RO3", "1B5").code == (404, 12)
    found = zvm("Image_Lock_Query_DM", "S10RO3")
    assert found.code == (0, 12)
    assert found.data.endswith(b"01B5 MAINT\0")
    assert zvm("Image_Disk_Delete_DM", "S10RO3", "1B5", part.byte(0)).code == (408, 12)
    assert zvm("Image_Disk_Delete_DM", "S10RO3", "1B6", part.byte(0)).code == (0, 0)
    assert zvm("Image_Unlock_DM", "S10RO3", "1B5").code == (0, 0)
    assert zvm("Image_Unlock_DM", "S10RO3", "1B5").code == (404, 24)


@pytest.mark.parametrize(
    ("records", "rs"),
    [
        ([], 3212),
        (["IPL CMS"], 3212),
        (["USER OTHER PW 1G 1G G"], 3213),
        (["USER S10RO3 PW", "USER S10RO3 PW"], 3212),
        (["USER S10RO3 PW", "MDISK 100 3390 1 2 LX3000", "LINK MAINT 190 100 RR"], 3214),
        (["USER S10RO3 PW", "MDISK 100"], 3215),
    ],
)
def test_entries_that_are_none_are_not_taken_and_the_lock_stays(zvm, part, records, rs):
    before = zvm.records("S10RO3")
    zvm("Image_Lock_DM", "S10RO3", "")
    assert zvm("Image_Replace_DM", "S10RO3", part.records(records)).code == (596, rs)
    assert zvm.records("S10RO3") == before
    assert zvm("Image_Lock_Query_DM", "S10RO3").code == (0, 12)


def disk(part, size: int = 10, *, address: str = "F00", kind: str = "AUTOG", area: str = "LINUX", format_as: int = 0):
    return [
        address, "3390", kind, area, part.byte(1), size, "MR", part.byte(format_as), "LABEL", "READ", "WRITE", "MULTI",
    ]  # fmt: skip


def test_automatic_allocation_finds_gaps_that_nobody_has(zvm, part):
    for number in range(12):
        assert zvm("Image_Disk_Create_DM", "S10RO3", *disk(part, 900, address=f"F{number:02X}")).code == (0, 0)
    taken: dict[str, list[tuple[int, int]]] = {}
    for name in zvm("Image_Name_Query_DM", "MAINT").strings():
        for record in zvm.records(name):
            words = record.split()
            if words[:1] == ["MDISK"] and int(words[3]) > 0:
                taken.setdefault(words[5], []).append((int(words[3]), int(words[3]) + int(words[4])))
    for volser, extents in taken.items():
        extents.sort()
        assert all(one[1] <= other[0] for one, other in itertools.pairwise(extents)), volser


def test_no_space_no_such_group_and_an_address_that_is_taken(zvm, part):
    assert zvm("Image_Disk_Create_DM", "S10RO3", *disk(part, 40_000)).code == (408, 24)
    assert zvm("Image_Disk_Create_DM", "S10RO3", *disk(part, area="NOGROUP")).code == (420, 8)
    assert zvm("Image_Disk_Create_DM", "S10RO3", *disk(part, address="1B5")).code == (408, 4)
    assert zvm("Image_Disk_Create_DM", "S10RO3", *disk(part, address="600")).code == (408, 4)
    assert zvm("Image_Disk_Create_DM", "NOBODY", *disk(part)).code == (400, 4)
    assert zvm("Image_Disk_Create_DM", "S10RO3", *disk(part, address="F0X")).code == (24, 516)


def test_deleted_space_can_be_had_again(part, asking):
    with Simulator(FULL, storage=Storage({"VOL001": 101}, {"G": ["VOL001"]})) as simulator:
        zvm = asking(simulator)
        assert zvm("Image_Disk_Create_DM", "ONE", *disk(part, area="G")).code == (408, 24)
        assert zvm("Image_Disk_Delete_DM", "ONE", "100", part.byte(0)).code == (0, 0)
        assert zvm("Image_Disk_Create_DM", "ONE", *disk(part, area="G")).code == (0, 0)
        assert zvm.records("ONE")[-1].split()[:6] == ["MDISK", "0F00", "3390", "1", "10", "VOL001"]


FULL = "USER ONE PW 1G 1G G\n MDISK 100 3390 1 100 VOL001 MR\n"


def test_create_gives_automatic_disks_their_extents(zvm, part):
    records = ["USER NEW1 PW 1G 1G G", "INCLUDE LINDFLT", "MDISK 100 3390 AUTOG 50 LINUX MR READ WRITE MULTI"]
    got = zvm("Image_Create_DM", "NEW1", "", "", "", part.records(records))
    assert (got.code, got.data) == ((0, 0), part.int4(-1))
    words = zvm.records("NEW1")[-1].split()
    assert words[:3] == ["MDISK", "100", "3390"] and words[3].isdigit() and words[5].startswith("LX30")
    assert zvm("Image_Create_DM", "NEW1", "", "", "", part.records(records)).code == (400, 8)
    missing = ["USER NEW2 PW 1G 1G G", "INCLUDE NOPROF"]
    assert zvm("Image_Create_DM", "NEW2", "", "", "", part.records(missing)).code == (436, 4)


def test_a_creation_that_finds_no_room_takes_none(zvm, part):
    records = ["USER NEW1 PW 1G 1G G", "MDISK 100 3390 AUTOG 50 LINUX MR", "MDISK 101 3390 AUTOG 50000 LINUX MR"]
    assert zvm("Image_Create_DM", "NEW1", "", "", "", part.records(records)).code == (408, 24)
    assert zvm("Image_Query_DM", "NEW1").code == (400, 4)
    assert zvm.simulator.system.dasd.reserved == []


def test_prototypes(zvm, part):
    records = ["USER PROTO NOLOG 512M 1G G", "INCLUDE LINDFLT", "MDISK 191 3390 AUTOG 5 LINUX MR"]
    assert zvm("Prototype_Create_DM", "LINUXP", part.records(records)).code == (0, 0)
    assert zvm("Prototype_Name_Query_DM", "MAINT").strings() == ["LINUXP"]
    assert zvm("Image_Create_DM", "NEW3", "LINUXP", "SECRET", "ACCT", part.records([])).code == (0, 0)
    assert zvm.records("NEW3")[0].split()[:3] == ["USER", "NEW3", "SECRET"]
    assert zvm("Image_Create_DM", "NEW4", "NOPROTO", "", "", part.records([])).code == (400, 20)


def test_search(zvm):
    found = zvm("Directory_Manager_Search_DM", "MAINT", "LINK S10GOLD *")
    assert found.code == (0, 0)
    assert {name for name in ("S10RO1", "S10RO2", "S10RO3") if name.encode() in found.data} == {
        "S10RO1", "S10RO2", "S10RO3",
    }  # fmt: skip
    assert zvm("Directory_Manager_Search_DM", "MAINT", "LINK S10GOLD2 *").code == (0, 28)


def test_the_directory_acts_at_the_next_logon_only(zvm, part):
    """The switch: one replacement re-points links and exchanges addresses; the running guest keeps what it has."""
    system = zvm.simulator.system
    before = {one.address: one.extent for one in system.query_virtual("S10RO1") if one.kind == "dasd"}
    assert zvm("Image_Disk_Create_DM", "S10RO1", *disk(part, 100, address="5B5")).code == (0, 0)
    exchanged = {" 01B5 ": " 05B5 ", " 05B5 ": " 01B5 "}
    records = []
    for record in zvm.records("S10RO1"):
        key = next((key for key in exchanged if key in record and "MDISK" in record), None)
        record = record.replace(key, exchanged[key]) if key else record
        records.append(record.replace("LINK S10GOLD ", "LINK S10GOLD2 ").rstrip())
    zvm("Image_Lock_DM", "S10RO1", "")
    assert zvm("Image_Replace_DM", "S10RO1", part.records(records)).code == (0, 0)
    assert {one.address: one.extent for one in system.query_virtual("S10RO1") if one.kind == "dasd"} == before
    assert zvm("Image_Recycle", "S10RO1").code == (0, 0)
    after = {one.address: one.extent for one in system.query_virtual("S10RO1") if one.kind == "dasd"}
    assert after["05B5"] == before["01B5"]
    assert after["01B0"] != before["01B0"]
    assert {link.user for link in system.cp.links.of(system.cp.links.get("S10RO1", "01B0").disk)} == {"S10RO1"}


def test_minidisks_are_files_that_keep_their_data_when_addresses_change(tmp_path, part, asking):
    with Simulator(storage=Storage(VOLUMES, GROUPS, str(tmp_path / "disks"))) as simulator:
        zvm = asking(simulator)
        path = simulator.system.disk_file("S10RWMNT", "1B5")
        assert path is not None
        with open(path, "r+b") as file:
            file.seek(5000)
            file.write(b"the data")
        got = zvm(
            "Image_Disk_Copy_DM", "S10RO3", "5B5", "S10RWMNT", "1B5", "AUTOG", "LINUX", "MR", "READ", "WRITE", "MULTI"
        )
        assert zvm.wait(got) == 100
        copy = simulator.system.disk_file("S10RO3", "5B5")
        assert copy and copy != path
        with open(copy, "rb") as file:
            file.seek(5000)
            assert file.read(8) == b"the data"
        assert (tmp_path / "disks").joinpath(copy.rpartition("/")[2]).stat().st_size == 100 * 737_280
        assert zvm("Image_Disk_Delete_DM", "S10RO3", "5B5", part.byte(0)).code == (0, 0)
        assert not (tmp_path / "disks" / copy.rpartition("/")[2]).exists()


def test_no_link_in_the_place_of_a_disk_is_followed(tmp_path):
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    system = System(FULL, storage=Storage(files=str(tmp_path / "disks")))
    path = system.disk_file("ONE", "100")
    assert path
    (tmp_path / "disks" / path.rpartition("/")[2]).unlink()
    (tmp_path / "disks" / path.rpartition("/")[2]).symlink_to(outside)
    with pytest.raises(OSError):
        system.disk_file("ONE", "100")
    assert outside.read_bytes() == b"precious"
    system.close()


def test_volume_labels_that_are_paths_make_no_files(tmp_path):
    system = System("USER ONE PW\n MDISK 100 3390 1 10 ../../X MR\n", storage=Storage(files=str(tmp_path / "disks")))
    assert system.disk_file("ONE", "100") is None
    assert list(tmp_path.iterdir()) == [tmp_path / "disks"]
    system.close()


@pytest.mark.parametrize("form", ["reason", "output", "auto"])
def test_asynchronous_starts_in_both_forms(form, part, asking):
    with Simulator(options=Options(form=form, questions=2)) as simulator:
        zvm = asking(simulator)
        got = zvm("Image_Disk_Create_DM", "S10RO3", *disk(part, format_as=5))
        assert got.code[0] == 592
        assert (got.code[1] == 0) is (form != "reason")
        number = got.code[1] or int.from_bytes(got.data, "big")
        states = [zvm("Query_Asynchronous_Operation_DM", "MAINT", number).code[1] for _ in range(4)]
        assert states == [104, 104, 100, 100]
        assert zvm.records("S10RO3")[-1].startswith("MDISK 0F00")
    assert simulator.bugs == []


def test_a_disk_is_in_the_entry_only_when_its_operation_is_done(part, asking):
    with Simulator(options=Options(questions=99)) as simulator:
        zvm = asking(simulator)
        got = zvm("Image_Disk_Create_DM", "S10RO3", *disk(part, format_as=5))
        assert not any("0F00" in record for record in zvm.records("S10RO3"))
        assert zvm("Image_Disk_Create_DM", "S10RO3", *disk(part)).code == (408, 4)
        assert zvm("Image_Disk_Delete_DM", "S10RO3", "F00", part.byte(0)).code == (408, 12)
        number = int.from_bytes(got.data, "big")
        assert zvm("Directory_Manager_Task_Cancel_DM", "MAINT", number).code == (0, 0)
        assert zvm("Image_Disk_Create_DM", "S10RO3", *disk(part)).code == (0, 0)


def test_all_or_nothing_asynchronous(part, asking):
    with Simulator(options=Options(asynchronous="always")) as simulator:
        zvm = asking(simulator)
        assert zvm.wait(zvm("Image_IPL_Set_DM", "S10RO3", "CMS", "", "")) == 100
    with Simulator(options=Options(asynchronous="never")) as simulator:
        zvm = asking(simulator)
        assert zvm("Image_Disk_Create_DM", "S10RO3", *disk(part, format_as=5)).code == (0, 0)


# --- the captured directory ---


@pytest.fixture(scope="module")
def captured(shared):
    return Directory.from_text((shared / "zvm71-user-direct.txt").read_bytes())


def test_all_entries_of_the_captured_directory(captured, shared):
    assert len(captured.entries) == 277
    assert captured.text().encode("latin-1") == (shared / "zvm71-user-direct.txt").read_bytes()


def test_the_keyword_form_is_the_directory_managers_own(captured, shared):
    """``format=yes``: of 134 users and profiles all but those named are item for item the captured ones."""
    theirs = json.loads((shared / "zvm71-query-all-dm-format-yes.json").read_text())
    masked = {"X" * count for count in range(1, 9)}
    different = []
    for one in theirs:
        wanted = [item for item in one["items"] if item and item not in masked]
        entry = captured.get(one["id"])
        given = [item for item in entry_items(captured, entry) if not item.startswith("PASSWORD=")]
        if wanted != given:
            different.append((one["id"], sorted(set(wanted) ^ set(given))))
    # LNXPROF: the manager does not show a profile's MAXSTORAGE.  LNX008: two items in another order.
    assert different == [
        ("LNXPROF", ["STORAGE_MAXIMUM=", "STORAGE_MAXIMUM=2222M"]),
        ("LNX008", []),
    ]


def test_every_guest_of_the_captured_directory_can_be_logged_on(captured):
    system = System(captured.text(), active=["*"])
    assert len(system.active()) == sum(
        entry.password != "NOLOG" for entry in captured.entries.values() if captured.user(entry.name) is entry
    )
    tcpip = system.query_links("TCPIP", "592")
    assert {"DTCVSW1", "VSMGUARD"} <= {link.user for link in tcpip}


@pytest.mark.parametrize("text", ["", "nothing", "\0\1\2ELF", b"\xff\xfe\0\0"])
def test_what_is_no_directory_is_refused(text):
    with pytest.raises(BadInput):
        Directory.from_text(text)


def test_sequence_numbers_and_line_ends_do_not_matter():
    plain = ["USER ONE PW 1G 1G G", " MDISK 100 3390 1 10 VOL001 MR"]
    numbered = "\r\n".join(f"{line:<72}{number:08d}" for number, line in enumerate(plain))
    assert System(numbered).entry("ONE") == System("\n".join(plain)).entry("ONE")


def test_a_thousand_guests(part, asking):
    text = "".join(
        f"USER L{number:05d} PW 1G 1G G\n LINK GOLD 100 100 RR\n MDISK 191 3390 {number * 10 + 1} 10 VOL001 MR\n"
        for number in range(1000)
    )
    gold = "USER GOLD NOLOG\n MDISK 100 3390 20001 100 VOL001 MR\n"
    with Simulator(gold + text, active=["*"]) as simulator:
        zvm = asking(simulator)
        assert len(zvm("Image_Status_Query", "*").strings()) == 1000
        assert len(zvm("Image_Name_Query_DM", "MAINT").strings()) == 1001
        found = zvm("Directory_Manager_Search_DM", "MAINT", "LINK GOLD *")
        assert struct.unpack(">I", found.data[:4])[0] == len(found.data) - 4
        assert found.data.count(b"LINK GOLD") == 1000
