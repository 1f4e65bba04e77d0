"""Calls that ask about virtual switches: settings, real devices, who may connect, who is connected."""

from __future__ import annotations

from collections.abc import Iterator

from goldroot.zvm.simulator.answer import Answer
from goldroot.zvm.simulator.calls.adapters import detail
from goldroot.zvm.simulator.calls.registry import Call, api, ok
from goldroot.zvm.simulator.cp import Device, Guest
from goldroot.zvm.simulator.wire import array, asciiz, asciiz_list, int1, int4, int8, string, struct4

#: The first half of the addresses that a switch gives, and what is left to count in.
MAC = 0x020001000000
#: Numbers of the words that a switch is made with; what is not said is the last.
TRANSPORT = {"IP": 1, "ETHERNET": 2}
PORT_TYPE = {"ACCESS": 1, "TRUNK": 2}
#: ``switch_status``: defined, and no real device works for it.
WITHOUT_DEVICE = 3


def asked(call: Call, name: str) -> list[str]:
    """The switches that a name means, ``*`` all; 212/40 where it means none."""
    found = [switch for switch in call.system.stores.switches if name.upper() in ("*", switch)]
    call.must(bool(found), (212, 40))
    return found


def adapters_on(call: Call, switch: str) -> Iterator[tuple[Guest, Device]]:
    for guest in call.system.cp.guests.values():
        for device in guest.devices.values():
            if device.kind == "nic" and (detail(device)["OWNER"], detail(device)["LAN"]) == ("SYSTEM", switch):
                yield guest, device


def users_of(call: Call, switch: str) -> list[str]:
    return list(call.system.stores.lan_access.get(("SYSTEM", switch), {}))


def devices_of(values: dict[str, str]) -> list[int]:
    """Numbers of the real devices that a switch was made with."""
    words = (values.get("real_device_address") or values.get("device") or "").split()
    return [int(word.partition(".")[0], 16) for word in words if word.upper() != "NONE" and is_hex(word)]


def is_hex(word: str) -> bool:
    return all(digit in "0123456789abcdefABCDEF" for digit in word.partition(".")[0]) and word[:1] != "."


def number(values: dict[str, str], name: str, default: int = 0) -> int:
    text = values.get(name, "")
    return int(text) if text.isdigit() else default


@api("Virtual_Network_Vswitch_Query", "switch/1-8")
def switch_query(call: Call) -> Answer:
    names = asked(call, call.text("switch"))
    return ok(array(switch_struct(call, name, place) for place, name in enumerate(names, 1)))


def switch_struct(call: Call, name: str, place: int) -> bytes:
    values = call.system.stores.switches[name]
    settings = (
        string(name)
        + int1(TRANSPORT.get(values.get("transport_type", "").upper(), 1))
        + int1(PORT_TYPE.get(values.get("port_type", "").upper(), 0))
        + int4(number(values, "queue_memory_limit", 8))
        + int1(1)
        + int4(number(values, "vlan_id"))
        + int4(number(values, "native_vlanid"))
        + int8(MAC + place)
        + int1(2) + int1(2) + int1(WITHOUT_DEVICE)
    )  # fmt: skip
    return struct4(
        settings,
        array(struct4(int4(one), string(" " * 8), string(" " * 8), int1(0), int1(0)) for one in devices_of(values)),
        array(struct4(string(f"{user:<8}"), array([])) for user in users_of(call, name)),
        array(struct4(string(f"{guest.name:<8}"), string(device.address)) for guest, device in adapters_on(call, name)),
    )


@api("Virtual_Network_Vswitch_Query_Extended", "params*")
def switch_query_extended(call: Call) -> Answer:
    """The number of switches, and six lists of texts for each; no uplink and no other member here."""
    names = asked(call, call.params(["vepa_status"], ["switch_name"])["switch_name"])
    return ok(int4(len(names)) + b"".join(switch_texts(call, name, place) for place, name in enumerate(names, 1)))


def switch_texts(call: Call, name: str, place: int) -> bytes:
    values = call.system.stores.switches[name]
    said = (
        f"{name} {values.get('transport_type', 'IP')} {values.get('port_type') or 'NONE'} "
        f"{number(values, 'queue_memory_limit', 8)} NA {'AWARE' if number(values, 'vlan_id') else 'UNAWARE'} "
        f"{number(values, 'vlan_id'):05d} {number(values, 'native_vlanid'):05d} {mac(place)} NOGVRP NOGVRP "
        f"{WITHOUT_DEVICE} LAG: 0 (NOGRP) 5 QDIO NOISOLATION UNSPECIFIED USERBASED NOCOUNTERS OFF (NONE)"
    )
    connected = (
        f"{guest.name} {device.address} {mac(256 * place + at)} QDIO"
        for at, (guest, device) in enumerate(adapters_on(call, name), 1)
    )
    return struct4(
        array([asciiz(said)]),
        array([asciiz_list(f"{one:04X} 0000 (NONE) (NONE) 0 0" for one in devices_of(values))]),
        array([asciiz_list(f"0000 {user} NOPROM NOOSDSIM 0 " for user in users_of(call, name))]),
        array([asciiz_list(connected)]),
        array([]),
        array([]),
    )


def mac(place: int) -> str:
    digits = f"{MAC + place:012X}"
    return "-".join(digits[at : at + 2] for at in range(0, 12, 2))


@api("Virtual_Network_VLAN_Query_Stats", "params*")
def vlan_statistics(call: Call) -> Answer:
    """Each adapter of a guest and its segments; here none has carried anything."""
    found = call.params(["device", "fmt_version"], ["userid"])
    call.must(found.get("device", "BOTH").upper() in ("NIC", "RDEV", "BOTH"), (8, 3003))
    name = found["userid"].upper()
    devices = call.system.cp.guest(name).devices.values() if call.system.cp.is_on(name) else []
    adapters = [device for device in devices if device.kind == "nic"]
    return ok(array(struct4(asciiz(f"NIC {one.address} 0"), array([asciiz("0 0 0 0 0")])) for one in adapters))


#: Counters of a real device, of the bridge and of an adapter: frames in, discarded, wrong; the same out; bytes in, out.
COUNTERS = ("0",) * 8


@api("Virtual_Network_Vswitch_Query_Byte_Stats", "params*")
def switch_byte_statistics(call: Call) -> Answer:
    """The number of switches, and of each: its name; the number of its real devices, and each with its counters; those
    of its bridge; the number of its adapters, and each with its counters; the number of its VLANs (captured)."""
    wanted = call.params(required=["switch_name"])["switch_name"]
    names = [name for name in call.system.stores.switches if wanted.upper() in ("*", name)]
    words = [str(len(names))]
    for name in names:
        devices = devices_of(call.system.stores.switches[name])
        adapters = list(adapters_on(call, name))
        words += [name, str(len(devices)), *(word for one in devices for word in (f"{one:04X}", *COUNTERS)), *COUNTERS]
        words += [str(len(adapters))]
        words += [word for guest, device in adapters for word in (f"{guest.name} {device.address}", *COUNTERS)]
        words += ["0"]
    return ok(asciiz_list(words))
