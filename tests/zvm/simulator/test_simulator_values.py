"""Right values, not only right lengths: space, switches, tags, fixed records."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from goldroot.cli.zvm_simulate import directory_from, simulate
from goldroot.errors import BadInput
from goldroot.zvm.directory import files
from goldroot.zvm.simulator import Simulator, System
from goldroot.zvm.simulator.directory import Directory
from goldroot.zvm.simulator.site import DIRECTORY

DEFINED, FREE, USED = 1, 2, 3
VOLUME, REGION, GROUP = 1, 2, 3


def space(zvm, part, query: int, entry: int, names: str = "*") -> list[list[str]]:
    got = zvm("Image_Volume_Space_Query_DM", "MAINT", part.byte(query), part.byte(entry), names)
    assert got.code == (0, 0)
    return [line.split() for line in got.strings()]


def pool_of(words: list[str]) -> str:
    """Where Feilong's smtLayer reads the name of the pool (getHost.getDiskPoolSpace)."""
    return words[7] if len(words) == 9 else words[4]


def test_space_by_group_has_the_pool_where_feilong_reads_it(zvm, part):
    used, free = space(zvm, part, USED, GROUP, "LINUX"), space(zvm, part, FREE, GROUP, "LINUX")
    assert used and free
    assert {pool_of(words) for words in used + free} == {"LINUX"}
    assert ["LX3004", "3390", "2467", "1000", "GT@PING", "0777", "*", "LINUX", "LX3004"] in used
    assert ["LX3004", "3390", "1", "2466", "LINUX", "LX3004"] in free


def test_used_and_free_space_make_up_the_group(zvm, part):
    total = sum(int(words[3]) for query in (USED, FREE) for words in space(zvm, part, query, GROUP, "LINUX"))
    assert total == 5 * 32759


def test_the_lines_by_region_are_the_captured_ones(zvm, part):
    assert ["LX3004", "3390", "2467", "1000", "GT@PING", "0777", "*", "*", "LX3004"] in space(zvm, part, USED, REGION)
    request = part.texts("query_type=3", "entry_type=2", "entry_names=*", counted=True)
    got = zvm("Image_Volume_Space_Query_Extended_DM", "MAINT", request)
    assert "LX3004 3390 2467 1000 GT@PING 0777 * LX3004 *" in got.data.decode().split("\0")


def test_a_region_that_is_a_part_of_a_volume_gives_that_part_only(zvm, part):
    zvm.simulator.system.dasd.groups["SMALL"] = ["PART"]
    define = zvm.simulator.system.dasd.regions
    from goldroot.zvm.simulator.dasd import Extent, Region

    define["PART"] = Region("PART", Extent("LX3004", 2000, 1000))
    assert space(zvm, part, FREE, GROUP, "SMALL") == [["LX3004", "3390", "2000", "467", "SMALL", "PART"]]
    assert [words[4] for words in space(zvm, part, USED, GROUP, "SMALL")] == ["GT@PING"]


def test_definitions_as_feilong_reads_them(zvm, part):
    assert ["LX3000", "3390", "32760"] in space(zvm, part, DEFINED, VOLUME)
    (group,) = space(zvm, part, DEFINED, GROUP, "LINUX")
    assert group == ["LINUX", "LX3000", "LX3001", "LX3002", "LX3003", "LX3004"]


def words_of(got) -> list[str]:
    assert got.code == (0, 0) and got.data.endswith(b"\0")
    return got.data.decode()[:-1].split("\0")


def read_like_feilong(words: list[str]) -> list[dict]:
    """The fields of a byte statistic, in the order in which Feilong and the captured answer have them."""
    at = iter(words)
    found = []
    for _ in range(int(next(at))):
        switch: dict = {"name": next(at), "rdevs": {}, "nics": {}}
        for _ in range(int(next(at))):
            device = next(at)
            switch["rdevs"][device] = [int(next(at)) for _ in range(8)]
        switch["bridge"] = [int(next(at)) for _ in range(8)]
        for _ in range(int(next(at))):
            adapter = next(at)
            switch["nics"][adapter] = [int(next(at)) for _ in range(8)]
        switch["vlans"] = int(next(at))
        found.append(switch)
    assert list(at) == []
    return found


def test_byte_statistics_have_all_their_fields(zvm, part):
    zvm.simulator.system.stores.switches["GT@VSW2"] = {"real_device_address": "0640 0650"}
    got = zvm("Virtual_Network_Vswitch_Query_Byte_Stats", "MAINT", part.texts("switch_name=*"))
    first, second = read_like_feilong(words_of(got))
    assert first["name"] == "VSWITCH1" and sorted(first["nics"]) == ["GOLDMGMT 0600", "S10RO1 0600", "S10RO2 0600"]
    assert (second["name"], list(second["rdevs"]), second["nics"]) == ("GT@VSW2", ["0640", "0650"], {})


def test_the_captured_byte_statistics_are_read_by_the_same_rules(shared):
    import json

    frame = json.loads((shared / "smapi-frames" / "Virtual_Network_Vswitch_Query_Byte_Stats.1.json").read_text())
    words = bytes.fromhex(frame["recv_hex"])[20:].decode()[:-1].split("\0")
    found = read_like_feilong(words)
    assert [one["name"] for one in found] == ["DTCSMAPI", "EXTERN", "GT@VSWI", "GT@VSW1", "GT@VSW2"]
    assert found[1]["nics"]["M1 F000"] == [422, 0, 0, 87, 0, 0, 31927, 10738]


def test_every_switch_that_the_site_names_exists(zvm, part):
    """And everybody who names one may connect to it, and is connected."""
    named = {line.split()[-1] for line in DIRECTORY.splitlines() if " LAN SYSTEM " in line}
    assert named == set(zvm.simulator.system.stores.switches) == {"VSWITCH1"}
    assert zvm("Virtual_Network_Vswitch_Query", "MAINT", "VSWITCH1").code == (0, 0)
    assert zvm("Virtual_Network_Adapter_Disconnect", "S10RO1", "600").code == (0, 0)
    assert zvm("Virtual_Network_Adapter_Connect_Vswitch", "S10RO1", "600", "VSWITCH1").code == (0, 0)


def test_everything_that_the_site_names_exists(zvm):
    """Profiles, owners and disks of links, volumes of minidisks, IPL devices."""
    system = zvm.simulator.system
    for entry in system.directory.entries.values():
        for statement in entry.find("LINK"):
            assert system.directory.disk(statement.operand(0), f"{int(statement.operand(1), 16):04X}"), statement
        for statement in entry.find("INCLUDE"):
            assert system.directory.entries[statement.operand(0)].kind == "PROFILE"
        for statement in entry.find("MDISK"):
            assert statement.operand(4) in system.dasd.volumes
    assert all(not guest.messages for guest in system.cp.guests.values())


@pytest.mark.parametrize("value", ["DELETE", "delete", ""])
def test_the_value_delete_takes_a_tag_away(zvm, part, value):
    """As pysmapi's own tests do it, so that the tag can be removed afterwards."""
    assert zvm("Directory_Manager_Local_Tag_Define_DM", "MAINT", "TAG1", 1, part.byte(1)).code == (0, 0)
    assert zvm("Directory_Manager_Local_Tag_Set_DM", "S10RO1", "TAG1", "Val1").code == (0, 0)
    assert zvm("Directory_Manager_Local_Tag_Query_DM", "S10RO1", "TAG1").data == part.packed("Val1")
    assert zvm("Directory_Manager_Local_Tag_Delete_DM", "MAINT", "TAG1").code == (432, 16)
    assert zvm("Directory_Manager_Local_Tag_Set_DM", "S10RO1", "TAG1", value).code == (0, 0)
    assert zvm("Directory_Manager_Local_Tag_Query_DM", "S10RO1", "TAG1").code == (0, 28)
    assert zvm("Directory_Manager_Local_Tag_Delete_DM", "MAINT", "TAG1").code == (0, 0)


@pytest.mark.parametrize("width", [80, 72])
@pytest.mark.parametrize("indent", [0, 1, 8, 12])
def test_fixed_records_are_a_directory(width, indent):
    lines = [line for line in DIRECTORY.splitlines() if len(line) + indent <= 72]
    for count in (len(lines), len(lines) // 90 * 90):
        data = "".join((" " * indent + line).ljust(width) for line in lines[:count]).encode()
        plain = Directory.from_text("".join(" " * indent + line + "\n" for line in lines[:count]))
        made = Directory.from_text(data)
        assert list(made.entries) == list(plain.entries)
        assert [entry.records for entry in made.entries.values()] == [entry.records for entry in plain.entries.values()]


@pytest.mark.parametrize("width", [80, 72])
@pytest.mark.parametrize("indent", [0, 9])
@pytest.mark.parametrize("checksum", [b"\n\xf3\r:", b"\r\r\x85\r", b"\0\x1a\x0c\0"])
def test_a_binary_checksum_in_fixed_records_loses_nothing(tmp_path, width, indent, checksum):
    """``*DVHOPT`` ends in bytes that are no text: entries behind it are entries all the same."""
    made = []
    for line in DIRECTORY.splitlines():
        made.append((" " * indent + line)[:width].ljust(width).encode())
        if line.startswith("USER"):
            made.append((b" " * indent + b"*DVHOPT LNK0 LOG1 SMS0 NPW1 LNGAMENG CRC" + checksum).ljust(width))
    file = tmp_path / "FIXED.DIRECT"
    file.write_bytes(b"".join(made))
    read = {entry.name: [line.decode("latin-1") for line in entry.lines()] for entry in files.load(str(file)).entries}
    wanted = {name: [line[:72].rstrip() for line in lines if "*DVHOPT" not in line] for name, lines in read.items()}
    found = System(directory_from(str(file))).directory.entries
    assert {name: [line for line in entry.records if "*DVHOPT" not in line] for name, entry in found.items()} == wanted
    assert len(wanted) == len(Directory.from_text(DIRECTORY).entries)
    assert not any(byte in record for entry in found.values() for record in entry.records for byte in "\0\r\n")


def test_a_statement_with_zero_bytes_is_refused():
    with pytest.raises(BadInput, match="zero bytes"):
        System(b"USER ONE P\0W 1G\n")


def test_the_command_takes_what_the_directory_commands_take(tmp_path):
    lines = ["USER ONE PW 1G 2G G", " MDISK 191 3390 1 10 V1 MR", "USER TWO PW"]
    fixed = tmp_path / "FIXED.DIRECT"
    fixed.write_bytes(b"".join(line.ljust(80).encode() for line in lines))
    assert list(System(directory_from(str(fixed))).directory.entries) == ["ONE", "TWO"]
    index = tmp_path / "USER.DIRECT"
    index.write_text("LOAD FIXED DIRECT\nLOAD MORE DIRECT\n")
    (tmp_path / "MORE.DIRECT").write_text("USER THREE PW\n")
    with Simulator(directory_from(str(index))) as simulator:
        assert list(simulator.system.directory.entries) == ["ONE", "TWO", "THREE"]
    (tmp_path / "MORE.DIRECT").unlink()
    done = CliRunner().invoke(simulate, ["--directory", str(index)])
    assert isinstance(done.exception, BadInput) and "MORE DIRECT" in done.exception.brief
