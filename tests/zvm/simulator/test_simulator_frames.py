"""The captured calls of a z/VM 7.1 system against the simulator: accepted, and answered in the captured layout.

The layouts are written down here once more, by hand, so that neither the simulator's nor the client's table is
judged by itself.
"""

from __future__ import annotations

import json
import struct

import pytest

from goldroot.zvm.simulator.calls import APIS
from goldroot.zvm.simulator.codes import legal, table
from goldroot.zvm.simulator.cp import Device
from goldroot.zvm.simulator.dispatch import Dispatcher
from goldroot.zvm.simulator.site import ACTIVE, DIRECTORY, GROUPS, VOLUMES
from goldroot.zvm.simulator.system import Dump, SpoolFile, Storage, System

# s string, z text with a zero byte, i int4, b byte, q int8, fN N bytes; A(x) counted array of x, S(x) counted
# structure, *x repeated to the end, - nothing.
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
    "Image_Definition_Query_DM": "A(z)",
    "Image_Definition_Update_DM": "e",
    "Image_Delete_DM": "i",
    "Image_Disk_Copy_DM": "i",
    "Image_Disk_Create_DM": "i",
    "Image_Disk_Delete_DM": "i",
    "Image_Disk_Query": "*(f4f4bf4qbz)",
    "Image_IPL_Query_DM": "sss",
    "Image_Lock_Query_DM": "sA(z)",
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
    "Network_IP_Interface_Modify": "sb",
    "Network_IP_Interface_Remove": "s",
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
    "Virtual_Network_Adapter_Query": "A(S(sbibss))",
    "Virtual_Network_Adapter_Query_Extended": "A(z)",
    "Virtual_Network_LAN_Access_Query": "*(z)",
    "Virtual_Network_LAN_Query": "A(S(ssbA(S(ss))))",
    "Virtual_Network_OSA_Query": "*(z)",
    "Virtual_Network_Vswitch_Query_Byte_Stats": "*(z)",
    "Virtual_Network_Vswitch_Query_Stats": "A(sA(z))",
    "Virtual_Network_Vswitch_Query": "A(S(sbbibiiqbbbA(S(issbb))A(S(sA(S(i))))A(S(ss))))",
    "Virtual_Network_Vswitch_Query_Extended": "i*(S(A(z)A(z)A(z)A(z)A(z)A(z)))",
    "Virtual_Network_VLAN_Query_Stats": "A(S(zA(z)))",
    "VMRELOCATE": "*(z)",
    "VMRELOCATE_Modify": "*(z)",
    "VMRM_Configuration_Query": "A(z)",
    "VMRM_Measurement_Query": "sssA(s)",
    "Query_ABEND_Dump": "*(bf26)",
}

#: A switch with a user who may connect, and one who is connected.
CONNECTED = [
    "switch", "Virtual_Network_Vswitch_Set.1", "Virtual_Network_Adapter_Create_Extended.1",
    "Virtual_Network_Adapter_Connect_Vswitch.1",
]  # fmt: skip

#: What must be so before a call can succeed: guests on or off, entries that are not there, other captured calls.
BEFORE = {
    "Asynchronous_Notification_Disable_DM": ["Asynchronous_Notification_Enable_DM.1"],
    "Asynchronous_Notification_Query_DM": ["Asynchronous_Notification_Enable_DM.1"],
    "Authorization_List_Query": ["Authorization_List_Add.1"],
    "Authorization_List_Remove": ["Authorization_List_Add.1"],
    "Directory_Manager_Local_Tag_Delete_DM": ["Directory_Manager_Local_Tag_Define_DM.1"],
    "Directory_Manager_Local_Tag_Query_DM": [
        "Directory_Manager_Local_Tag_Define_DM.1", "Directory_Manager_Local_Tag_Set_DM.1",
    ],
    "Directory_Manager_Local_Tag_Set_DM": ["Directory_Manager_Local_Tag_Define_DM.1"],
    "Image_Activate": ["-GT@PING"],
    "Image_CPU_Delete": ["Image_CPU_Define.1"],
    "Image_CPU_Delete_DM": ["Image_CPU_Define_DM.1"],
    "Image_CPU_Query": ["Image_CPU_Define.1"],
    "Image_CPU_Query_DM": ["Image_CPU_Define_DM.1"],
    "Image_Create_DM": ["-GT@PONG", "!GT@PONG"],
    "Image_Definition_Create_DM.2": ["-GT@PING", "!GT@PING"],
    "Image_Definition_Delete_DM.2": ["+MDISK 999 3390 1 10 LX3004 W"],
    "Image_Delete_DM": ["-GT@PONG"],
    "Image_Device_Undedicate": ["Image_Device_Dedicate.1"],
    "Image_Device_Reset": ["Image_Device_Dedicate.1"],
    "Image_Device_Undedicate_DM": ["Image_Device_Dedicate_DM.1"],
    "Image_Disk_Copy": ["Image_Disk_Delete.777"],
    "Image_Disk_Create": ["Image_Disk_Create_DM.1"],
    "Image_Disk_Copy_DM": ["Image_Disk_Delete_DM.777"],
    "Image_Disk_Delete": ["Image_Disk_Create_DM.1", "Image_Disk_Create.1"],
    "Image_Disk_Delete_DM": ["Image_Disk_Create_DM.1"],
    "Image_Disk_Unshare": ["Image_Disk_Share.1"],
    "Image_Disk_Unshare_DM": ["Image_Disk_Share_DM.1"],
    "Image_IPL_Query_DM": ["Image_IPL_Set_DM.1"],
    "Image_Lock_Query_DM": ["lock"],
    "Image_Replace_DM": ["lock"],
    "Image_SCSI_Characteristics_Query_DM": ["Image_SCSI_Characteristics_Define_DM.1"],
    "Image_Unlock_DM": ["Image_Lock_DM.1"],
    "Image_Volume_Space_Define_DM.2": ["Image_Volume_Space_Define_DM.1"],
    "Image_Volume_Space_Define_Extended_DM.3": ["Image_Volume_Space_Define_Extended_DM.2"],
    "Image_Volume_Space_Remove_DM": ["groups"],
    "Image_Volume_Space_Remove_DM.1": ["Image_Volume_Space_Define_DM.1", "Image_Volume_Space_Define_DM.2"],
    "Image_Volume_Space_Remove_DM.2": ["Image_Volume_Space_Define_DM.1"],
    "Image_Volume_Delete": ["Image_Volume_Add.1"],
    "Metadata_Space_Query": ["Metadata_Set.1"],
    "Name_List_Add": ["list USERLIST A B"],
    "Name_List_Destroy": ["Name_List_Add.1"],
    "Name_List_Query": ["Name_List_Add.1"],
    "Name_List_Remove": ["list USERLIST MYNAME OTHER"],
    "Shared_Memory_Access_Query_DM": ["Shared_Memory_Access_Add_DM.1"],
    "Shared_Memory_Access_Remove_DM": ["Shared_Memory_Access_Add_DM.1"],
    "Shared_Memory_Delete": ["Shared_Memory_Create.1"],
    "Shared_Memory_Query": ["Shared_Memory_Create.1"],
    "Shared_Memory_Replace": ["Shared_Memory_Create.1"],
    "Virtual_Channel_Connection_Delete": ["Virtual_Channel_Connection_Create.1"],
    "Virtual_Channel_Connection_Delete_DM": ["Virtual_Channel_Connection_Create_DM.1"],
    "Virtual_Network_Adapter_Connect_LAN": ["Virtual_Network_LAN_Create.1", "Virtual_Network_Adapter_Create.1"],
    "Virtual_Network_Adapter_Connect_Vswitch": ["switch", "Virtual_Network_Adapter_Create_Extended.1"],
    "Virtual_Network_Adapter_Connect_Vswitch_Extended": ["switch", "nic 9200"],
    "Virtual_Network_Adapter_Delete": ["Virtual_Network_Adapter_Create.1"],
    "Virtual_Network_Adapter_Disconnect": [
        "Virtual_Network_LAN_Create.1", "Virtual_Network_Adapter_Create.1", "Virtual_Network_Adapter_Connect_LAN.1",
    ],
    "Virtual_Network_Adapter_Query": ["Virtual_Network_Adapter_Create.1"],
    "Virtual_Network_Adapter_Query_Extended": ["Virtual_Network_Adapter_Create.1"],
    "Virtual_Network_Adapter_Connect_LAN_DM": ["Virtual_Network_Adapter_Create_DM.1"],
    "Virtual_Network_Adapter_Connect_Vswitch_DM": ["Virtual_Network_Adapter_Create_Extended_DM.1"],
    "Virtual_Network_Adapter_Delete_DM": ["Virtual_Network_Adapter_Create_DM.1"],
    "Virtual_Network_Adapter_Disconnect_DM": [
        "Virtual_Network_Adapter_Create_DM.1", "Virtual_Network_Adapter_Connect_LAN_DM.1",
    ],
    "Virtual_Network_LAN_Access_Query": ["Virtual_Network_LAN_Access.1"],
    "Virtual_Network_LAN_Delete": ["Virtual_Network_LAN_Create.1"],
    "Virtual_Network_LAN_Query": ["Virtual_Network_LAN_Create.1"],
    "Virtual_Network_Vswitch_Create.1": ["switch"],
    "Virtual_Network_Vswitch_Delete": ["switch"],
    "Virtual_Network_Vswitch_Delete_Extended": ["Virtual_Network_Vswitch_Create_Extended.1"],
    "Virtual_Network_Vswitch_Query_Byte_Stats": ["switch"],
    "Virtual_Network_Vswitch_Query_Stats": ["switch"],
    "Virtual_Network_Vswitch_Set": ["switch"],
    "Virtual_Network_Vswitch_Set_Extended": ["switches"],
    "Virtual_Network_Vswitch_Query": CONNECTED,
    "Virtual_Network_Vswitch_Query_Extended": CONNECTED,
    "Virtual_Network_VLAN_Query_Stats": ["a nic of TCPIP"],
    "VMRELOCATE.2": ["no links"],
    "VMRELOCATE.3": ["no links"],
    "Delete_ABEND_Dump": ["dump"],
    "Process_ABEND_Dump": ["dump"],
    "Query_ABEND_Dump": ["dump"],
    "System_RDR_File_Query": ["reader"],
    "System_SCSI_Disk_Delete": ["scsi"],
    "System_SCSI_Disk_Query": ["scsi"],
    "VMRM_Configuration_Query": ["VMRM_Configuration_Update.0"],
    "VMRM_Measurement_Query": ["VMRM_Configuration_Update.0"],
}  # fmt: skip

#: Captured calls that the simulator does not have, and why.
NOT_SPOKEN = {
    "Event_Subscribe": "a connection that stays open",
    "Event_Unsubscribe": "belongs to Event_Subscribe",
}


class Shape:
    """Reads bytes by a layout into a tree of kinds."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        assert self.at + count <= len(self.data), "shorter than its layout"
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self) -> int:
        return int(struct.unpack(">I", self.take(4))[0])

    def read(self, layout: str) -> list[object]:
        tree: list[object] = []
        rest = layout
        while rest:
            kind, rest = rest[0], rest[1:]
            if kind in "AS*":
                inner, rest = inside(rest)
                tree.append((kind, self.repeated(kind, inner)))
            elif kind == "f":
                digits = "".join(one for one in rest[:2] if one.isdigit())
                rest = rest[len(digits) :]
                self.take(int(digits))
                tree.append(kind)
            else:
                self.one(kind)
                tree.append(kind)
        return tree

    def one(self, kind: str) -> None:
        if kind == "s":
            self.take(self.number())
        elif kind == "z":
            end = self.data.find(b"\0", self.at)
            self.at = end + 1 if end >= 0 else len(self.data)
        elif kind == "T":
            Shape(self.take(self.number())).texts()
        elif kind == "e":
            if self.at < len(self.data):
                Shape(self.take(self.number())).texts()
        else:
            self.take({"i": 4, "b": 1, "q": 8}[kind])

    def texts(self) -> None:
        """Records with lengths, or texts that end with zero bytes."""
        if b"\0\0" not in self.data[:4] or self.data[-1:] == b"\0":
            assert self.data.endswith(b"\0")
            return
        while self.at < len(self.data):
            self.take(self.number())

    def repeated(self, kind: str, layout: str) -> object:
        part = self if kind == "*" else Shape(self.take(self.number()))
        found = []
        while part.at < len(part.data):
            found.append(part.read(layout))
            if kind == "S":
                break
        assert part.at == len(part.data) or kind == "*"
        return found[0] if found else None


def inside(text: str) -> tuple[str, str]:
    depth = 0
    for index, letter in enumerate(text):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if depth == 0:
            return text[1:index], text[index + 1 :]
    raise AssertionError(text)


def tree_of(layout: str, data: bytes) -> list[object]:
    shape = Shape(data)
    tree = shape.read(layout)
    assert shape.at == len(data), "longer than its layout"
    return tree


@pytest.fixture(scope="module")
def frames(shared):
    found = {}
    for path in sorted((shared / "smapi-frames").glob("*.json")):
        one = json.loads(path.read_text())
        found[f"{one['api']}.{one['case']}"] = one
    return found


def fresh() -> Dispatcher:
    settings = {"storage": Storage(VOLUMES, GROUPS), "active": [*ACTIVE, "GT@PING"]}
    return Dispatcher(System(DIRECTORY, **settings))


def body(text: str) -> bytes:
    return bytes.fromhex(text)[4:]


def links_of(system: System, user: str) -> list[Device]:
    return [one for one in system.query_virtual(user) if one.kind == "dasd" and one.owner != user]


#: Steps that no captured call takes.
STEPS = {
    "lock": lambda system: system.manager.locks.lock("GT@PONG", "MAINT"),
    "switch": lambda system: system.stores.switches.update({"GT@VSW1": {}}),
    "switches": lambda system: system.stores.switches.update({"GT@VSW2": {}, "GT@VSWI": {}}),
    "groups": lambda system: system.dasd.groups.update({"GRP001": [], "GRP002": []}),
    "a nic of TCPIP": lambda system: system.cp.guest("TCPIP").devices.update({"F000": Device("F000", "nic")}),
    "no links": lambda system: [system.cp.detach("GT@PONG", one.address) for one in links_of(system, "GT@PONG")],
    "dump": lambda system: system.stores.dumps.extend(
        [Dump(1, "0119", "2019-04-14", "SNP001"), Dump(2, "0148", "2019-04-14", "")]
    ),
    "reader": lambda system: system.stores.readers.update({"MAINT": [SpoolFile(1, "VSMGUARD", ("a line",))]}),
    "scsi": lambda system: system.stores.scsi.extend(["6000", "6001", "7000"]),
    "Image_Disk_Delete.777": lambda system: system.cp.detach("GT@PONG", "777"),
    "Image_Disk_Delete_DM.777": lambda system: system.manager.delete_disk("GT@PONG", "777").do(),
    "VMRM_Configuration_Update.0": lambda system: system.stores.texts.update(
        {"VMRM CONFIG VMSYS:VMRMSVM.": ["ADMIN MSGUSER VMRMADMN", "WORKLOAD WORK1 USER M1"]}
    ),
}


def prepare(server: Dispatcher, step: str, frames: dict) -> None:
    system = server.system
    if step in STEPS:
        STEPS[step](system)
    elif step.startswith("nic "):
        made = body(frames["Virtual_Network_Adapter_Create_Extended.1"]["send_hex"]).replace(b"9100", b"9200")
        server.answer(1, made)
    elif step.startswith("list "):
        system.stores.name_lists[step.split()[1]] = step.split()[2:]
    elif step.startswith("+"):
        system.manager.add("GT@PING", step[1:])
    elif step.startswith("-"):
        system.cp.logoff(step[1:])
    elif step.startswith("!"):
        del system.directory.entries[step[1:]]
    else:
        server.answer(1, body(frames[step]["send_hex"]))


def tried(name: str, one: dict, frames: dict) -> str:
    """What is wrong with the simulator's answer; "" where nothing is."""
    server = fresh()
    for step in BEFORE.get(name, BEFORE.get(one["api"], [])):
        prepare(server, step, frames)
    data = server.answer(7, body(one["send_hex"])).data
    assert server.bugs == []
    code = struct.unpack(">II", data[8:16])
    if not legal(one["api"], *code):
        return f"illegal {code}"
    wanted = (one["return_code"], one["reason_code"])
    if code[0] == 592:
        code = (0, 0)
    if code != wanted:
        return f"answers {code}, captured {wanted}"
    layout = LAYOUTS.get(one["api"], "")
    captured = tree_of(layout, bytes.fromhex(one["recv_hex"])[20:])
    given = tree_of(layout, data[16:])
    return "" if captured == given else f"layout {given}, captured {captured}"


@pytest.mark.slow
def test_every_captured_call_is_accepted_and_answered_in_its_layout(frames, capsys, counted):
    spoken = {name: one for name, one in frames.items() if one["api"] in APIS}
    wrong = {name: tried(name, one, frames) for name, one in spoken.items()}
    wrong = {name: why for name, why in wrong.items() if why}
    counted("captured frames, simulator", f"{len(spoken) - len(wrong)} of {len(frames)} accepted and answered alike")
    for name in sorted(set(frames) - set(spoken)):
        counted(f"  not {name}", NOT_SPOKEN.get(frames[name]["api"], "unknown"))
    with capsys.disabled():
        print(f"\ncaptured calls: {len(spoken) - len(wrong)} of {len(spoken)} of the calls that the simulator has")
        for name, why in wrong.items():
            print(f"  not {name}: {why}")
        silent = sorted(set(frames) - set(spoken))
        print(f"  {len(silent)} of {len(frames)} are of calls that it does not have: {', '.join(silent)}")
    assert wrong == {}


def test_calls_that_are_not_spoken_are_named_with_a_reason(frames):
    assert {one["api"] for one in frames.values()} - set(APIS) == set(NOT_SPOKEN)


def test_what_is_not_spoken_is_answered_as_an_unknown_function(frames):
    for one in frames.values():
        if one["api"] in NOT_SPOKEN:
            data = fresh().answer(7, body(one["send_hex"])).data
            assert struct.unpack(">II", data[8:16]) == (900, 12)
            assert legal(one["api"], 900, 12)


def test_every_call_of_the_simulator_is_in_ibms_list():
    assert set(APIS) <= set(table())


def test_the_packaged_list_is_ibms(shared):
    theirs = json.loads((shared / "smapi-rc-by-api.json").read_text())
    ours = table()
    for api, listed in theirs.items():
        assert set(ours[api.strip()]) == set(listed), api


#: Captured calls, to be tried where the folder is not there: (request, request's answer).
SOME = {
    "Image_Status_Query": (
        "0000003000000012496d6167655f5374617475735f5175657279000000056d61696e74000000056d61696e74000000076774"
        "4070696e67",
        "000000000000001b00000000000000000000000" + "00000000b000000074754" + "4050494e47",
    ),
    "Directory_Manager_Task_Cancel_DM": (
        "0000003f000000204469726563746f72795f4d616e616765725f5461736b5f43616e63656c5f444d"
        "000000056d61696e74000000056d61696e74000000056d61696e74000004d2",
        "000000000000000c00000000000001c400000004",
    ),
}


@pytest.mark.parametrize("api", SOME)
def test_some_captured_calls_without_the_folder(api):
    sent, received = (bytes.fromhex(text) for text in SOME[api])
    sent = struct.pack(">I", len(sent) - 4) + sent[4:]
    data = fresh().answer(0, sent[4:]).data
    assert data[8:] == received[12:]
