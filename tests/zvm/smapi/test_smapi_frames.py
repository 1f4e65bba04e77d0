"""The client against bytes captured from a z/VM 7.1 system.

A handful of frames stands here in hex.  All the others are read from ``$GOLDROOT_SHARED`` (or ``../shared`` beside the
checkout) when that folder is there; the test says so when it is not.
"""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from goldroot.zvm.smapi import DirectoryEntry, SearchHit
from goldroot.zvm.smapi.decode import decode_reply
from goldroot.zvm.smapi.encode import encode_request
from goldroot.zvm.smapi.reply import Reply
from goldroot.zvm.smapi.table import layouts

ROOT = Path(__file__).parents[3]
FRAMES = Path(os.environ.get("GOLDROOT_SHARED", ROOT.parent / "shared")) / "zvm" / "smapi-frames"

#: Part of every captured request: user ID and password of the one who captured it.
USER = PASSWORD = "maint"

Frame = tuple[str, str, dict[str, Any], str, str]

CAPTURED: list[Frame] = [
    (
        "Image_Lock_Query_DM",
        "gt@pong",
        {},
        "0000003400000013496d6167655f4c6f636b5f51756572795f444d000000056d61696e74000000056d61696e740000000767"
        "7440706f6e67",
        "000000000000001f00000000000000000000000c0000000b494d414745204d41494e5400000000",
    ),
    (
        "Image_Deactivate",
        "gt@pong",
        {"force_time": "immed"},
        "0000003a00000010496d6167655f44656163746976617465000000056d61696e74000000056d61696e740000000767744070"
        "6f6e6700000005696d6d6564",
        "000000000000000c000000000000000000000000",
    ),
    (
        "Image_Disk_Create_DM",
        "gt@pong",
        {
            "image_disk_number": "999",
            "image_disk_device_type": "3390",
            "image_disk_allocation_type": "AUTOG",
            "allocation_area_name_or_volser": "LINUX",
            "allocation_unit_size": 1,
            "image_disk_size": 10,
            "image_disk_mode": "W",
            "image_disk_formatting": 5,
            "image_disk_label": "DSK999",
            "read_password": "READ",
            "write_password": "WRITE",
            "multi_password": "MULTIPLE",
        },
        "0000008800000014496d6167655f4469736b5f4372656174655f444d000000056d61696e74000000056d61696e7400000007"
        "677440706f6e67000000033939390000000433333930000000054155544f47000000054c494e5558010000000a0000000157"
        "050000000644534b3939390000000452454144000000055752495445000000084d554c5449504c45",
        "000000000000001000000000000000000000000000000000",
    ),
    (
        "Image_Disk_Share_DM",
        "gt@pong",
        {
            "target_image_name": "gt@ping",
            "image_disk_number": "777",
            "target_image_disk_number": "555",
            "read_write_mode": "MR",
            "optional_password": "MULTIPLE",
        },
        "0000005f00000013496d6167655f4469736b5f53686172655f444d000000056d61696e74000000056d61696e740000000767"
        "7440706f6e67000000033737370000000767744070696e6700000003353535000000024d52000000084d554c5449504c45",
        "000000000000000c000000000000000000000000",
    ),
    (
        "Image_Disk_Share",
        "gt@pong",
        {
            "target_image_name": "gt@ping",
            "image_disk_number": "557",
            "target_image_disk_number": "777",
            "read_write_mode": "MW",
            "optional_password": "MULTIPLE",
        },
        "0000005c00000010496d6167655f4469736b5f5368617265000000056d61696e74000000056d61696e740000000767744070"
        "6f6e67000000033535370000000767744070696e6700000003373737000000024d57000000084d554c5449504c45",
        "000000000000000c000000000000000000000000",
    ),
    (
        "Image_Replace_DM",
        "gt@pong",
        {
            "image_record_array": [
                "USER gt@pong @sm8pi@ 1G 1G ABCDEFG    ",
                "  IPL CMS                           ",
                "  CONSOLE   0009 3215               ",
                "  SPOOL 00C 2540 READER *           ",
                "  SPOOL 00D 2540 PUNCH A            ",
                "  SPOOL 00E 1403 A                  ",
                "  LINK MAINT 190 190 RR             ",
                "  LINK MAINT 19E 19E RR             ",
            ]
        },
        "0000017700000010496d6167655f5265706c6163655f444d000000056d61696e74000000056d61696e740000000767744070"
        "6f6e6700000142000000265553455220677440706f6e672040736d3870694020314720314720414243444546472020202000"
        "000024202049504c20434d53202020202020202020202020202020202020202020202020202020000000242020434f4e534f"
        "4c4520202030303039203332313520202020202020202020202020202000000024202053504f4f4c20303043203235343020"
        "524541444552202a202020202020202020202000000024202053504f4f4c2030304420323534302050554e43482041202020"
        "20202020202020202000000024202053504f4f4c203030452031343033204120202020202020202020202020202020202000"
        "00002420204c494e4b204d41494e542031393020313930205252202020202020202020202020200000002420204c494e4b20"
        "4d41494e54203139452031394520525220202020202020202020202020",
        "000000000000000c000000000000000000000000",
    ),
    (
        "Directory_Manager_Search_DM",
        "maint",
        {"search_pattern": "user sys*"},
        "000000470000001b4469726563746f72795f4d616e616765725f5365617263685f444d000000056d61696e74000000056d61"
        "696e74000000056d61696e740000000975736572207379732a",
        "00000000000000ac0000000000000000000000000000009c000000035359530000002455534552205359532020202020204e"
        "4f4c4f4720202020202033324d20202033324d20470000000853595341444d494e00000023555345522053595341444d494e"
        "2053595341444d494e202031364d20202031364d2047000000085359534d41494e540000002a55534552205359534d41494e"
        "54204e4f4c4f4720202020202033324d20202033324d2041424344454647",
    ),
    (
        "Image_Status_Query",
        "gt@pong",
        {},
        "0000003300000012496d6167655f5374617475735f5175657279000000056d61696e74000000056d61696e74000000076774"
        "40706f6e67",
        "000000000000001b0000000000000000000000000000000b00000007475440504f4e47",
    ),
    (
        "Image_Definition_Create_DM",
        "gt@ping",
        {"definition_create_directory_keyword_parameter_list": ["BOGUS_KEYWORD=BAD"]},
        "000000510000001a496d6167655f446566696e6974696f6e5f4372656174655f444d000000056d61696e74000000056d6169"
        "6e740000000767744070696e6700000012424f4755535f4b4559574f52443d42414400",
        "0000000000000042000000000000000800000bba00000032554e4b4e4f574e5f4449524543544f52595f4b4559574f52445f"
        "504152414d455445523d424f4755535f4b4559574f524400",
    ),
    (
        "Image_Delete_DM",
        "gt@pong",
        {"data_security_erase": 1},
        "000000310000000f496d6167655f44656c6574655f444d000000056d61696e74000000056d61696e7400000007677440706f6e6701",
        "0000000000000010000000000000000000000000ffffffff",
    ),
    (
        "Response_Recovery",
        "maint",
        {"failed_request_id": 1234},
        "0000003400000011526573706f6e73655f5265636f76657279000000056d61696e74000000056d61696e74000000056d6169"
        "6e74000004d2",
        "000000000000000c000000000000000400000004",
    ),
    (
        "Query_Asynchronous_Operation_DM",
        "maint",
        {"operation_id": 1234},
        "000000420000001f51756572795f4173796e6368726f6e6f75735f4f7065726174696f6e5f444d000000056d61696e740000"
        "00056d61696e74000000056d61696e74000004d2",
        "000000000000000c000000000000000000000000",
    ),
    (
        "Shared_Memory_Create",
        "gt@ping",
        {
            "memory_segment_name": "SHAREMEM",
            "begin_page": 61440,
            "end_page": 61695,
            "page_access_descriptor": 1,
            "memory_attributes": 1,
            "memory_access_identifier": "maint",
        },
        "0000005c000000145368617265645f4d656d6f72795f437265617465000000056d61696e74000000056d61696e7400000007"
        "67744070696e670000000853484152454d454d000000000000f000000000000000f0ff0101000000056d61696e74",
        "000000000000000c000000000000000000000000",
    ),
    (
        "Metadata_Set",
        "maint",
        {"metadata_entry_array": [["key1", "val1"], ["key2", "val2"]]},
        "000000570000000c4d657461646174615f536574000000056d61696e74000000056d61696e74000000056d61696e74000000"
        "2800000010000000046b6579310000000476616c3100000010000000046b6579320000000476616c32",
        "000000000000000c000000000000000000000000",
    ),
    (
        "Virtual_Network_Vswitch_Query_Stats",
        "maint",
        {"switch_name": "GT@VSW1", "fmt_version": "4"},
        "00000064000000235669727475616c5f4e6574776f726b5f567377697463685f51756572795f5374617473000000056d6169"
        "6e74000000056d61696e74000000056d61696e747377697463685f6e616d653d4754405653573100666d745f76657273696f"
        "6e3d3400",
        "000000000000001f0000000000000000000000000000000f000000074754405653573100000000",
    ),
    (
        "Virtual_Network_VLAN_Query_Stats",
        "maint",
        {"userid": "tcpip", "device": "BOTH"},
        "00000058000000205669727475616c5f4e6574776f726b5f564c414e5f51756572795f5374617473000000056d61696e7400"
        "0000056d61696e74000000056d61696e747573657269643d7463706970006465766963653d424f544800",
        "000000000000003500000000000000000000000000000025000000214e494320463030302032313736000000000f30203131"
        "3137203020353737203000",
    ),
    (
        "Image_Volume_Space_Define_Extended_DM",
        "maint",
        {
            "function_type": 2,
            "image_vol_id": "TST002",
            "region_name": "RGN002",
            "start_cylinder": 1,
            "size": 32760,
            "group_name": "GRP001",
            "device_type": 1,
        },
        "000000bb00000025496d6167655f566f6c756d655f53706163655f446566696e655f457874656e6465645f444d000000056d"
        "61696e74000000056d61696e74000000056d61696e740000007366756e6374696f6e5f747970653d3200726567696f6e5f6e"
        "616d653d52474e30303200696d6167655f766f6c5f69643d5453543030320073746172745f63796c696e6465723d31007369"
        "7a653d33323736300067726f75705f6e616d653d475250303031006465766963655f747970653d3100",
        "000000000000000c000000000000000000000000",
    ),
    (
        "Network_IP_Interface_Remove",
        "maint",
        {"tcpip_stack": "tcpip", "interface_id": "eth99", "permanent": "yes"},
        "0000006d0000001b4e6574776f726b5f49505f496e746572666163655f52656d6f7665000000056d61696e74000000056d61"
        "696e74000000056d61696e7474637069705f737461636b3d746370697000696e746572666163655f69643d65746839390070"
        "65726d616e656e743d79657300",
        "000000000000003400000000000000080000000c00000024445443494643323631324520556e6b6e6f776e20696e74657266"
        "6163653a204554483939",
    ),
    (
        "Image_CPU_Query",
        "gt@pong",
        {},
        "000000300000000f496d6167655f4350555f5175657279000000056d61696e74000000056d61696e7400000007677440706f6e67",
        "0000000000000052000000000000000000000000000000020000003e0000001b000000000000001046463031393137373239"
        "3634303030300103020000001b000000010000001046463031393137373239363430303030000102",
    ),
    (
        "Query_ABEND_Dump",
        "maint",
        {"location": "all"},
        "0000003c0000001051756572795f4142454e445f44756d70000000056d61696e74000000056d61696e74000000056d61696e"
        "746c6f636174696f6e3d616c6c00",
        "00000000000001d7000000000000000000000000013031313920202020323031392d30342d3134534e503030312020013033"
        "393220202020323031392d30342d3136534e503030312020025052423030303030323031392d30342d313120202020202020"
        "20025052423030303031323031392d30342d31342020202020202020025052423030303032323031392d30342d3132202020"
        "2020202020025052423030303033323031392d30342d31322020202020202020025052423030303034323031392d30342d31"
        "322020202020202020025052423030303035323031392d30342d31322020202020202020025052423030303036323031392d"
        "30342d31322020202020202020025052423030303037323031392d30342d3132202020202020202002505242303030303832"
        "3031392d30342d31342020202020202020025052423030303039323031392d30342d31342020202020202020025052423030"
        "303130323031392d30342d31342020202020202020025052423030303131323031392d30342d313420202020202020200250"
        "52423030303132323031392d30342d31342020202020202020025052423030303133323031392d30342d3134202020202020"
        "2020025052423030303134323031392d30342d31352020202020202020",
    ),
    (
        "VMRELOCATE",
        "gt@pong",
        {"destination": "vm2", "action": "test", "force": "domain storage"},
        "0000005c0000000a564d52454c4f43415445000000056d61696e74000000056d61696e7400000007677440706f6e67646573"
        "74696e6174696f6e3d766d3200616374696f6e3d7465737400666f7263653d646f6d61696e2073746f7261676500",
        "0000000000000020000000000000000400000bb83139343020313939362031393936203139383100",
    ),
]


def reading(api: str, received: str | bytes) -> Reply:
    data = bytes.fromhex(received) if isinstance(received, str) else received
    assert len(data) == 8 + int.from_bytes(data[4:8], "big")
    return decode_reply(layouts()[api], int.from_bytes(data[:4], "big"), data[8:])


def sending(api: str, target: str, params: dict[str, Any]) -> bytes:
    return encode_request(layouts()[api], params, userid=USER, password=PASSWORD, target=target)


@pytest.mark.parametrize("frame", CAPTURED, ids=[frame[0] for frame in CAPTURED])
def test_the_request_is_the_captured_one_byte_for_byte(frame: Frame) -> None:
    api, target, params, sent, _ = frame
    assert sending(api, target, params).hex() == sent


@pytest.mark.parametrize("frame", CAPTURED, ids=[frame[0] for frame in CAPTURED])
def test_the_captured_answer_is_read_whole(frame: Frame) -> None:
    reply = reading(frame[0], frame[4])
    assert reply.api == frame[0]
    assert bool(reply.values or reply.detail) == (len(frame[4]) > 40)


def captured(api: str) -> Reply:
    return next(reading(frame[0], frame[4]) for frame in CAPTURED if frame[0] == api)


def test_values_of_the_captured_answers() -> None:
    assert captured("Image_Lock_Query_DM").code == (0, 12)
    assert captured("Image_Lock_Query_DM").values == {"locked": "IMAGE MAINT", "locked_dev_array": b""}
    assert captured("Image_Status_Query").texts("image_name_array") == ("GT@PONG",)
    hits = captured("Directory_Manager_Search_DM").values["statement_array"]
    assert isinstance(hits, tuple)
    assert hits[1] == SearchHit("SYSADMIN", "USER SYSADMIN SYSADMIN  16M   16M G")
    assert captured("Image_Definition_Create_DM").code == (8, 3002)
    assert captured("Image_Definition_Create_DM").detail == "UNKNOWN_DIRECTORY_KEYWORD_PARAMETER=BOGUS_KEYWORD"
    assert captured("Response_Recovery").code == (4, 4)
    assert captured("VMRELOCATE").detail == "1940 1996 1996 1981"
    assert captured("Network_IP_Interface_Remove").detail == "DTCIFC2612E Unknown interface: ETH99"
    cpus = captured("Image_CPU_Query").values["cpu_info_array"]
    assert isinstance(cpus, tuple)
    assert [cpu.cpu_id for cpu in cpus] == ["FF01917729640000"] * 2
    dumps = captured("Query_ABEND_Dump").values["abend_dump_array"]
    assert isinstance(dumps, tuple)
    assert dumps[0].abend_dump_id == "0119" and dumps[0].abend_dump_dist == "SNP001"


def test_an_operation_id_of_minus_one_is_no_operation() -> None:
    """Captured from a delete that was done at once."""
    assert captured("Image_Delete_DM").values == {"operation_id": 0xFFFFFFFF}
    assert captured("Image_Delete_DM").operations == ()


def frame_files() -> list[Path]:
    files = sorted(FRAMES.glob("*.json"))
    if not files:
        pytest.skip(f"no captured frames in {FRAMES}: set GOLDROOT_SHARED to the folder that holds zvm/smapi-frames")
    return files


def fault(frame: dict[str, Any]) -> str:
    """What the client does otherwise than the frame; "" when nothing."""
    layout = layouts().get(frame["api"])
    if layout is None:
        return "not spoken: no layout"
    params = {name: unquoted(value) for name, value in frame["kwargs"].items()}
    target = str(params.pop("target", ""))
    if sending(layout.api, target, params).hex() != frame["send_hex"]:
        return "the request differs"
    if layout.kind == "event":
        return ""  # A stream: the capture holds the request id alone.
    reply = reading(layout.api, frame["recv_hex"])
    if reply.code != (frame["return_code"], frame["reason_code"]):
        return f"read as {reply.code}"
    return "" if reply.values or reply.detail or len(frame["recv_hex"]) == 40 else "its values were not read"


def unquoted(value: Any) -> Any:
    """The capture wrote bytes as their Python literal."""
    return ast.literal_eval(value) if isinstance(value, str) and value.startswith("b'") else value


def test_every_captured_frame(capsys: pytest.CaptureFixture[str], counted: Callable[[str, str], None]) -> None:
    files = frame_files()
    faults: dict[str, str] = {}
    for file in files:
        try:
            found = fault(json.loads(file.read_text()))
        except Exception as error:  # noqa: BLE001 - every frame is to be named
            found = repr(error)
        if found:
            faults[file.stem] = found
    counted("captured frames, client", f"{len(files) - len(faults)} of {len(files)} written and read")
    for name, why in faults.items():
        counted(f"  not {name}", why)
    with capsys.disabled():
        print(f"\nSMAPI frames: {len(files) - len(faults)} of {len(files)}")
        for name, why in faults.items():
            print(f"  not {name}: {why}")
    assert not {name: why for name, why in faults.items() if not why.startswith("not spoken")}


def test_the_whole_captured_directory() -> None:
    for name, entries, records in (("Query_All_DM.1", 277, 4519), ("Query_All_DM.2", 134, 3973)):
        file = next((file for file in frame_files() if file.stem == name), None)
        if file is None:
            pytest.skip(f"{name} is not among the frames")
        found = reading("Query_All_DM", json.loads(file.read_text())["recv_hex"]).values["directory_entries_array"]
        assert isinstance(found, tuple) and all(isinstance(entry, DirectoryEntry) for entry in found)
        assert len(found) == entries
        assert sum(len(entry.directory_entry_data) for entry in found) == records
