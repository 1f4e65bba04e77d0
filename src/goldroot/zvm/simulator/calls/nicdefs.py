"""Calls on network adapters and channel connections in the directory."""

from __future__ import annotations

from goldroot.zvm.simulator.answer import Answer
from goldroot.zvm.simulator.calls.adapters import HIPERSOCKETS, QDIO, extended
from goldroot.zvm.simulator.calls.registry import Call, api, at_once
from goldroot.zvm.simulator.checks import address_taken
from goldroot.zvm.simulator.statements import Statement, vdev


def nicdef(call: Call, address: str) -> Statement:
    """The NICDEF statement of an address; 404/8 where there is none."""
    entry = call.system.manager.changeable(call.target)
    found = [one for one in entry.find("NICDEF") if vdev(one.operand(0)) == vdev(address)]
    call.must(bool(found), (404, 8))
    return found[0]


def define(call: Call, address: str, kind: str, devices: str, channel: str, mac: str) -> Answer:
    manager = call.system.manager
    entry = manager.changeable(call.target)
    call.must(not address_taken(entry, vdev(address)), (404, 4))
    words = ["NICDEF", vdev(address), "TYPE", kind, "DEVICES", devices]
    words += ["CHPID", channel.upper()] if channel else []
    words += ["MACID", mac.upper()] if mac else []
    return call.make(at_once(lambda: manager.add(entry.name, " ".join(words))))


@api("Virtual_Network_Adapter_Create_DM", "device/1-4h type! devices# channel/0-2 mac/0-6")
def adapter_create_dm(call: Call) -> Answer:
    call.must(call.number("type") in (HIPERSOCKETS, QDIO), (24, 619))
    kind = {1: "HIPERS", 2: "QDIO"}[call.number("type")]
    return define(call, call.text("device"), kind, str(call.number("devices")), call.text("channel"), call.text("mac"))


@api("Virtual_Network_Adapter_Create_Extended_DM", "params+")
def adapter_create_extended_dm(call: Call) -> Answer:
    found = extended(call)
    values = (found.get("devices", "3"), found.get("channel_path_id", ""), found.get("mac_id", ""))
    return define(call, found["image_device_number"], found["adapter_type"].upper(), *values)


@api("Virtual_Network_Adapter_Delete_DM", "device/1-4h")
def adapter_delete_dm(call: Call) -> Answer:
    one = nicdef(call, call.text("device"))
    return call.make(at_once(lambda: call.system.manager.drop(call.target, [one])))


@api("Virtual_Network_Adapter_Connect_LAN_DM", "device/1-4h lan/1-8 owner/1-8")
def connect_lan_dm(call: Call) -> Answer:
    return rewire(call, f"LAN {call.upper('owner')} {call.upper('lan')}")


@api("Virtual_Network_Adapter_Connect_Vswitch_DM", "device/1-4h switch/1-8")
def connect_switch_dm(call: Call) -> Answer:
    return rewire(call, f"LAN SYSTEM {call.upper('switch')}")


@api("Virtual_Network_Adapter_Disconnect_DM", "device/1-4h")
def disconnect_dm(call: Call) -> Answer:
    one = nicdef(call, call.text("device"))
    call.must("LAN" in one.operands, (412, 16), (404, 8))
    return rewire(call, "")


def rewire(call: Call, network: str) -> Answer:
    """The same NICDEF statement with another network."""
    one = nicdef(call, call.text("device"))
    words = list(one.operands)
    if "LAN" in words:
        place = words.index("LAN")
        del words[place : place + 3]
    manager = call.system.manager

    def do() -> None:
        manager.drop(call.target, [one])
        manager.add(call.target, " ".join(["NICDEF", *words, network]).strip())

    return call.make(at_once(do))


@api("Virtual_Channel_Connection_Create_DM", "device/1-4h partner/0-8")
def channel_create_dm(call: Call) -> Answer:
    manager = call.system.manager
    entry = manager.changeable(call.target)
    partner = call.upper("partner") or "*"
    call.must(partner == "*" or call.system.directory.user(partner) is not None, (412, 4))
    call.must(not address_taken(entry, vdev(call.text("device"))), (404, 4))
    return call.make(at_once(lambda: manager.add(entry.name, f"SPECIAL {vdev(call.text('device'))} CTCA {partner}")))


@api("Virtual_Channel_Connection_Delete_DM", "device/1-4h")
def channel_delete_dm(call: Call) -> Answer:
    manager = call.system.manager
    entry = manager.changeable(call.target)
    found = [one for one in entry.find("SPECIAL") if vdev(one.operand(0)) == vdev(call.text("device"))]
    call.must(bool(found), (404, 8))
    return call.make(at_once(lambda: manager.drop(entry.name, found)))
