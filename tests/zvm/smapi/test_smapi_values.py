"""Every value of every captured answer, read a second time by rules that stand here alone.

The client's table and its decoder are judged by neither of themselves: the layouts below were written down by hand from
the bytes.  s string, n name that is padded with blanks, z text with a zero byte, i int4, b byte, q int8, cN N characters;
A(x) counted array of x, S(x) counted structure, *(x) repeated to the end, T records with lengths or texts with zeros,
e error text; k a number of members, which is not a value.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from goldroot.zvm.smapi.decode import decode_reply
from goldroot.zvm.smapi.outcome import refused
from goldroot.zvm.smapi.reply import Reply
from goldroot.zvm.smapi.results import space_record
from goldroot.zvm.smapi.table import layouts

ROOT = Path(__file__).parents[3]
FRAMES = Path(os.environ.get("GOLDROOT_SHARED", ROOT.parent / "shared")) / "zvm" / "smapi-frames"

LAYOUTS = {
    "Asynchronous_Notification_Query_DM": "A(S(sbbisbs))",
    "Authorization_List_Query": "A(S(sbsbsb))",
    "Directory_Manager_Local_Tag_Query_DM": "s",
    "Directory_Manager_Search_DM": "A(ss)",
    "Image_Active_Configuration_Query": "ibbsiA(S(isb))A(S(bs))",
    "Image_CPU_Query": "iA(S(isbbb))",
    "Image_CPU_Query_DM": "sbsbb",
    "Image_Create_DM": "i",
    "Image_Definition_Create_DM": "e",
    "Image_Definition_Delete_DM": "e",
    "Image_Definition_Update_DM": "e",
    "Image_Delete_DM": "i",
    "Image_Disk_Copy_DM": "i",
    "Image_Disk_Create_DM": "i",
    "Image_Disk_Delete_DM": "i",
    "Image_Disk_Query": "*(c4c4bc4qbz)",
    "Image_IPL_Query_DM": "sss",
    "Image_Lock_Query_DM": "ss",
    "Image_MDISK_Link_Query": "A(z)",
    "Image_Name_Query_DM": "A(s)",
    "Image_Query_Activate_Time": "sss",
    "Image_Query_DM": "A(s)",
    "Image_SCSI_Characteristics_Query_DM": "ssssbs",
    "Image_Status_Query": "A(s)",
    "Image_Volume_Space_Query_DM": "A(s)",
    "Image_Volume_Space_Query_Extended_DM": "*(z)",
    "Metadata_Get": "A(S(ss))",
    "Metadata_Space_Query": "*(z)",
    "Name_List_Query": "A(s)",
    "Network_IP_Interface_Modify": "e",
    "Network_IP_Interface_Remove": "e",
    "Query_ABEND_Dump": "*(bc8c10c8)",
    "Query_All_DM": "A(S(isT))",
    "Shared_Memory_Access_Query_DM": "A(s)",
    "Shared_Memory_Query": "A(S(sbA(S(qqb))))",
    "System_Disk_Query": "*(z)",
    "System_EQID_Query": "A(z)",
    "System_Info_Query": "*(z)",
    "System_Information_Query": "A(z)",
    "System_Page_Utilization_Query": "A(z)",
    "System_Performance_Info_Query": "*(z)",
    "System_Performance_Information_Query": "A(z)",
    "System_RDR_File_Query": "*(z)",
    "System_SCSI_Disk_Query": "*(z)",
    "System_Service_Query": "A(z)",
    "System_Spool_Utilization_Query": "A(z)",
    "VMRELOCATE": "e",
    "VMRELOCATE_Modify": "e",
    "VMRM_Configuration_Query": "A(z)",
    "VMRM_Measurement_Query": "sssA(s)",
    "Virtual_Network_Adapter_Query": "A(S(sbibnn))",
    "Virtual_Network_Adapter_Query_Extended": "A(z)",
    "Virtual_Network_LAN_Access_Query": "*(z)",
    "Virtual_Network_LAN_Query": "A(S(nnbA(S(ns))))",
    "Virtual_Network_OSA_Query": "*(z)",
    "Virtual_Network_VLAN_Query_Stats": "A(S(zA(z)))",
    "Virtual_Network_Vswitch_Query": "A(S(nbbibiiqbbbA(S(innbb))A(S(nA(S(i))))A(S(ns))))",
    "Virtual_Network_Vswitch_Query_Byte_Stats": "*(z)",
    "Virtual_Network_Vswitch_Query_Extended": "k*(S(A(z)A(z)A(z)A(z)A(z)A(z)))",
    "Virtual_Network_Vswitch_Query_Stats": "A(sA(z))",
}
#: The same call with another answer.
OTHERS = {"Image_Definition_Query_DM.1": "e", "Image_Definition_Query_DM.2": "A(z)"}


def inside(layout: str) -> tuple[str, str]:
    depth = 0
    for at, letter in enumerate(layout):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if depth == 0:
            return layout[1:at], layout[at + 1 :]
    raise AssertionError(layout)


def plainly(layout: str, data: bytes) -> tuple[list[object], bytes]:
    """The values at the beginning of ``data``, without the structure around them, and what is left."""
    found: list[object] = []
    while layout:
        kind, layout = layout[0], layout[1:]
        if kind in "AS*":
            inner, layout = inside(layout)
            part, data = (data, b"") if kind == "*" else counted(data)
            while part:
                more, part = plainly(inner, part)
                found += more
        elif kind in "ibq":
            size = {"i": 4, "b": 1, "q": 8}[kind]
            found.append(int.from_bytes(data[:size], "big"))
            data = data[size:]
        elif kind == "k":
            data = data[4:]
        elif kind == "c":
            digits = layout[: len(layout) - len(layout.lstrip("0123456789"))]
            layout = layout[len(digits) :]
            found.append(data[: int(digits)].rstrip(b" "))
            data = data[int(digits) :]
        elif kind in "sn":
            part, data = counted(data)
            found.append(part.rstrip(b" ") if kind == "n" else part)
        elif kind == "z":
            part, _, data = data.partition(b"\0")
            found.append(part)
        elif kind == "T":
            part, data = counted(data)
            found += plainly("*(z)" if part.endswith(b"\0") else "*(s)", part)[0]
    return found, data


def counted(data: bytes) -> tuple[bytes, bytes]:
    size = int.from_bytes(data[:4], "big")
    assert 4 + size <= len(data)
    return data[4 : 4 + size], data[4 + size :]


def flat(value: object) -> Iterator[object]:
    """The values that the client read, in the same plain form."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for one in dataclasses.fields(value):
            yield from flat(getattr(value, one.name))
    elif isinstance(value, tuple):
        for item in value:
            yield from flat(item)
    else:
        yield value.encode("latin-1") if isinstance(value, str) else value


def read(frame: dict[str, Any]) -> tuple[Reply, bytes]:
    data = bytes.fromhex(frame["recv_hex"])
    return decode_reply(layouts()[frame["api"]], int.from_bytes(data[:4], "big"), data[8:]), data[20:]


def test_every_value_of_every_captured_answer(request: pytest.FixtureRequest) -> None:
    files = sorted(FRAMES.glob("*.json"))
    if not files:
        pytest.skip(f"no captured frames in {FRAMES}: set GOLDROOT_SHARED to the folder that holds zvm/smapi-frames")
    compared = values = 0
    for file in files:
        frame = json.loads(file.read_text())
        if layouts()[frame["api"]].kind == "event":
            continue  # a stream: the capture holds the request id alone
        reply, data = read(frame)
        if not data:
            continue
        layout = OTHERS.get(file.stem) or LAYOUTS[frame["api"]]
        if layout == "e":
            assert reply.detail == text_of(data), file.stem
            values += 1
        else:
            wanted, left = plainly(layout, data)
            assert left == b"", file.stem
            assert list(flat(tuple(reply.values.values()))) == wanted, file.stem
            values += len(wanted)
        compared += 1
    said: Callable[[str, str], None] = request.getfixturevalue("counted")
    said("captured answers whose values were compared", f"{compared}, {values} values")
    assert compared >= 60


def text_of(data: bytes) -> str:
    """The text of a captured error: with its length in front where it begins with a zero byte."""
    return (data[4:] if data[:1] == b"\0" else data).rstrip(b"\0").decode("ascii")


#: Some of the captured answers again, for where the folder is not: API, answer, what it says.
MODIFY = (
    "0000000000000035000000000000000800"
    "00000c00000024445443494643323631324520556e6b6e6f776e20696e746572666163653a20455448393900"
)
REMOVE = (
    "0000000000000034000000000000000800"
    "00000c00000024445443494643323631324520556e6b6e6f776e20696e746572666163653a204554483939"
)


@pytest.mark.parametrize(
    ("api", "answer"), [("Network_IP_Interface_Modify", MODIFY), ("Network_IP_Interface_Remove", REMOVE)]
)
def test_the_length_of_an_error_is_not_its_first_letter(api: str, answer: str) -> None:
    """Both captured forms: the length counts the zero byte at the end, or there is one more."""
    reply, _ = read({"api": api, "recv_hex": answer})
    assert reply.code == (8, 12)
    assert reply.detail == "DTCIFC2612E Unknown interface: ETH99"
    assert refused(layouts()[api], "MAINT", reply).detail == "z/VM adds: DTCIFC2612E Unknown interface: ETH99"


def error(data: bytes, api: str = "Image_Definition_Create_DM") -> str:
    body = bytes(4) + (8).to_bytes(4, "big") + (3002).to_bytes(4, "big") + data
    return decode_reply(layouts()[api], 0, body).detail


@pytest.mark.parametrize("size", [1, 9, 0x20, 0x24, 0x41, 0x7E, 0x100, 0x2441])
@pytest.mark.parametrize("end", [b"", b"\0", b"\0\0\0"])
def test_an_error_text_of_any_length(size: int, end: bytes) -> None:
    text = ("X" * size)[:2000]
    for counted_bytes in (size, size + len(end)):
        assert error(counted_bytes.to_bytes(4, "big") + b"X" * size + end) == text
    assert error(b"X" * size + end) == text


def test_an_error_text_that_is_cut_or_nested() -> None:
    assert error((0x24).to_bytes(4, "big") + b"DTC") == "DTC"
    inner = (3).to_bytes(4, "big") + b"DTC"
    assert error(len(inner).to_bytes(4, "big") + inner) == "DTC"
    assert error(b"") == ""
    assert error(b"\0\0\0\0") == ""


def test_an_error_text_shows_no_password() -> None:
    statement = b"USER LNX1 GEHEIM 512M"
    for said in (
        b"INVALID STATEMENT: " + statement,
        statement,
        b"READPASSWORD=GEHEIM",
        b"in MDISK 191 3390 1 1 V MR GEHEIM",
    ):
        data = bytes(4) + (8).to_bytes(4, "big") + (3002).to_bytes(4, "big") + len(said).to_bytes(4, "big") + said
        reply = decode_reply(layouts()["Image_Definition_Create_DM"], 0, data)
        assert "GEHEIM" not in str(refused(layouts()[reply.api], "LNX1", reply).detail)


def test_padded_names_are_names() -> None:
    def string(text: str) -> bytes:
        return len(text).to_bytes(4, "big") + text.encode()

    adapter = string("9000") + b"\2" + (3).to_bytes(4, "big") + b"\1" + string("SYSTEM  ") + string("GT@VSW1 ")
    array = string("x" * len(adapter)).replace(b"x" * len(adapter), adapter)
    data = bytes(12) + len(array).to_bytes(4, "big") + array
    (found,) = decode_reply(layouts()["Virtual_Network_Adapter_Query"], 0, data).values["adapter_array"]
    assert (found.image_device_number, found.lan_owner, found.lan_name) == ("9000", "SYSTEM", "GT@VSW1")


def test_lines_about_space() -> None:
    used = space_record("LX3000 3390 29129 1000 GT@PONG 0777 * * LX3000")
    assert (used.volid, used.start, used.size, used.owner, used.vdev) == ("LX3000", 29129, 1000, "GT@PONG", "0777")
    assert (used.group, used.region) == ("", "LX3000")
    assert space_record("LX3000 3390 1 10 A 0777 * LINUX LX3000", 3, 3).group == "LINUX"
    free = space_record("LX3000 3390 1 5000 LINUX LX3000", 2, 3)
    assert (free.group, free.region, free.owner, free.size) == ("LINUX", "LX3000", "", 5000)
    assert space_record("LX3000 3390 1 5000 LX3000", 2, 1).owner == ""
    assert space_record("LINUX LX3000 LX3001", 1, 3).volid == "LINUX"


def test_keywords_that_begin_with_an_empty_one_are_not_taken_for_records() -> None:
    item = b"\0CPU=CPUADDR=00\0"
    entry = (0).to_bytes(4, "big") + (1).to_bytes(4, "big") + b"A" + len(item).to_bytes(4, "big") + item
    array = len(entry).to_bytes(4, "big") + entry
    data = bytes(12) + len(array).to_bytes(4, "big") + array
    (found,) = decode_reply(layouts()["Query_All_DM"], 0, data).values["directory_entries_array"]
    assert found.directory_entry_data == ("", "CPU=CPUADDR=00")
