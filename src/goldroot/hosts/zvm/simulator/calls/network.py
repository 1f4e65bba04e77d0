"""Calls on virtual networks: adapters of guests, LANs, switches, and who may connect to them."""

from __future__ import annotations

from ..answer import Answer
from ..cp import Device, Guest
from ..dirmaint import address_taken
from ..statements import Statement, vdev
from ..wire import array, asciiz, asciiz_list, int1, int4, string, struct4
from .images import running
from .registry import Call, api, at_once, ok

#: Adapter types by number, and by the word of the extended calls.
HIPERSOCKETS, QDIO = 1, 2
WORDS = {"HIPERS": 1, "IEDN": 3, "INMN": 4, "QDIO": 2}


def adapter(call: Call, guest: Guest, address: str) -> Device:
    """A network adapter of a running guest; 204/8 no such device, 204/28 another kind."""
    device = guest.devices.get(vdev(address))
    call.must(device is not None, (204, 8))
    call.must(device is not None and device.kind == "nic", (204, 28), (212, 28), (204, 8))
    assert device is not None
    return device


def detail(device: Device) -> dict[str, str]:
    """What is known about an adapter: TYPE, DEVICES, OWNER and LAN (of one that is connected)."""
    words = list(device.detail)
    found = {"TYPE": "QDIO", "DEVICES": "3", "OWNER": "", "LAN": ""}
    while words:
        name = words.pop(0)
        if name == "LAN" and len(words) > 1:
            found["OWNER"], found["LAN"] = words.pop(0), words.pop(0)
        elif words:
            found[name] = words.pop(0)
    return found


def changed(device: Device, **values: str) -> Device:
    now = {**detail(device), **values}
    words = ["TYPE", now["TYPE"], "DEVICES", now["DEVICES"]]
    words += ["LAN", now["OWNER"], now["LAN"]] if now["LAN"] else []
    return Device(device.address, "nic", tuple(words))


# --- adapters of running guests ---


@api("Virtual_Network_Adapter_Create", "device/1-4h type! devices# channel/0-2")
def adapter_create(call: Call) -> Answer:
    call.must(call.number("type") in (HIPERSOCKETS, QDIO), (24, 619))
    kind = {1: "HIPERS", 2: "QDIO"}[call.number("type")]
    return make_adapter(call, call.text("device"), kind, str(call.number("devices")))


@api("Virtual_Network_Adapter_Create_Extended", "params*")
def adapter_create_extended(call: Call) -> Answer:
    found = extended(call)
    return make_adapter(call, found["image_device_number"], found["adapter_type"].upper(), found.get("devices", "3"))


def extended(call: Call) -> dict[str, str]:
    """The parameters of the extended calls, checked."""
    known = ("devices", "channel_path_id", "mac_id")
    found = call.params(known, ["image_device_number", "adapter_type"])
    call.must(found["adapter_type"].upper() in WORDS, (8, 3003))
    call.must(all(one in "0123456789abcdefABCDEF" for one in found["image_device_number"]), (8, 3003))
    call.must(found.get("devices", "3").isdigit(), (8, 3003))
    return found


def make_adapter(call: Call, device: str, kind: str, devices: str) -> Answer:
    guest = running(call)
    address = vdev(device)
    call.must(address not in guest.devices, (204, 4))
    guest.devices[address] = Device(address, "nic", ("TYPE", kind, "DEVICES", devices))
    return ok()


@api("Virtual_Network_Adapter_Delete", "device/1-4h")
def adapter_delete(call: Call) -> Answer:
    guest = running(call)
    del guest.devices[adapter(call, guest, call.text("device")).address]
    return ok()


@api("Virtual_Network_Adapter_Connect_LAN", "device/1-4h lan/1-8 owner/1-8")
def connect_lan(call: Call) -> Answer:
    return connect(call, call.text("device"), call.upper("owner"), call.upper("lan"))


@api("Virtual_Network_Adapter_Connect_Vswitch", "device/1-4h switch/1-8")
def connect_switch(call: Call) -> Answer:
    return connect(call, call.text("device"), "SYSTEM", call.upper("switch"))


@api("Virtual_Network_Adapter_Connect_Vswitch_Extended", "params*")
def connect_switch_extended(call: Call) -> Answer:
    known = ("port_selection", "port_num")
    found = call.params(known, ["image_device_number", "switch_name"])
    return connect(call, found["image_device_number"], "SYSTEM", found["switch_name"].upper())


def connect(call: Call, address: str, owner: str, name: str) -> Answer:
    """Connect, where the network is there and the guest may."""
    guest = running(call)
    device = adapter(call, guest, address)
    call.must(known_network(call, owner, name), (212, 40), (212, 12), (212, 8))
    allowed = call.system.stores.lan_access.get((owner, name), {})
    call.must(not allowed or guest.name in allowed, (212, 8))
    guest.devices[device.address] = changed(device, OWNER=owner, LAN=name)
    return ok()


def known_network(call: Call, owner: str, name: str) -> bool:
    switches = call.system.stores.switches
    return f"{owner} {name}" in switches or (owner == "SYSTEM" and name in switches)


@api("Virtual_Network_Adapter_Disconnect", "device/1-4h")
def disconnect(call: Call) -> Answer:
    guest = running(call)
    device = adapter(call, guest, call.text("device"))
    call.must(bool(detail(device)["LAN"]), (204, 48))
    guest.devices[device.address] = changed(device, OWNER="", LAN="")
    return ok()


def adapters(call: Call, wanted: str) -> list[Device]:
    """The adapters asked about; 212/8 where there is none."""
    guest = running(call)
    found = [one for _, one in sorted(guest.devices.items()) if one.kind == "nic"]
    found = [one for one in found if wanted in ("*", "") or one.address == vdev(wanted)]
    call.must(bool(found), (212, 8))
    return found


@api("Virtual_Network_Adapter_Query", "device/1-4")
def adapter_query(call: Call) -> Answer:
    return ok(array(as_struct(one) for one in adapters(call, call.text("device"))))


def as_struct(device: Device) -> bytes:
    """Address, type, number of devices, status, and the network as two names of eight."""
    known = detail(device)
    numbers = int1(WORDS.get(known["TYPE"], QDIO)) + int4(int(known["DEVICES"])) + int1(1 if known["LAN"] else 0)
    return struct4(string(device.address) + numbers + string(f"{known['OWNER']:<8}") + string(f"{known['LAN']:<8}"))


@api("Virtual_Network_Adapter_Query_Extended", "params+")
def adapter_query_extended(call: Call) -> Answer:
    found = adapters(call, call.params(required=["image_device_number"])["image_device_number"])
    lines = [f"adapter_count={len(found)}"]
    for one in found:
        known = detail(one)
        lines += [
            f"adapter_address={one.address}", "port_type=0", "extended_port_status=00",
            f"adapter_type={WORDS.get(known['TYPE'], QDIO)}", f"network_device_count={known['DEVICES']}",
            f"adapter_status={'01' if known['LAN'] else '00'}", f"lan_owner={known['OWNER']}",
            f"lan_name={known['LAN']}", "adapter_info_end",
        ]  # fmt: skip
    return ok(array([asciiz_list(lines)]))


# --- adapters in the directory ---


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


# --- channel-to-channel adapters ---


@api("Virtual_Channel_Connection_Create", "device/1-4h partner/1-8 partner_device/1-4h")
def channel_create(call: Call) -> Answer:
    guest = running(call)
    call.must(call.system.cp.is_on(call.text("partner")), (212, 4))
    partner = call.system.cp.guest(call.text("partner"))
    pairs = ((guest, call.text("device")), (partner, call.text("partner_device")))
    call.must(all(vdev(address) not in one.devices for one, address in pairs), (204, 12))
    for one, address in pairs:
        one.devices[vdev(address)] = Device(vdev(address), "special", ("CTCA",))
    return ok()


@api("Virtual_Channel_Connection_Delete", "device/1-4h")
def channel_delete(call: Call) -> Answer:
    guest = running(call)
    device = guest.devices.get(vdev(call.text("device")))
    call.must(device is not None and device.kind == "special", (204, 8))
    del guest.devices[vdev(call.text("device"))]
    return ok()


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


# --- LANs and switches ---


@api("Virtual_Network_LAN_Create", "lan/1-8 owner/1-8 type! transport!")
def lan_create(call: Call) -> Answer:
    key = f"{call.upper('owner')} {call.upper('lan')}"
    switches = call.system.stores.switches
    wanted = {"type": str(call.number("type")), "transport": str(call.number("transport"))}
    call.must(switches.get(key, wanted) == wanted, (212, 24))
    switches[key] = wanted
    return ok()


@api("Virtual_Network_LAN_Delete", "lan/1-8 owner/1-8")
def lan_delete(call: Call) -> Answer:
    key = f"{call.upper('owner')} {call.upper('lan')}"
    call.must(call.system.stores.switches.pop(key, None) is not None, (212, 12))
    return ok()


@api("Virtual_Network_LAN_Query", "lan/1-8 owner/1-8")
def lan_query(call: Call) -> Answer:
    """Name, owner, type, and the adapters that are connected."""
    wanted, owner = call.upper("lan"), call.upper("owner")
    keys = [key.split() for key in call.system.stores.switches if " " in key]
    found = [(one, lan) for one, lan in keys if owner in ("*", one) and wanted in ("*", lan)]
    call.must(bool(found), (212, 12))
    return ok(array(lan_struct(call, one, lan) for one, lan in found))


def lan_struct(call: Call, owner: str, lan: str) -> bytes:
    connected = [
        struct4(string(f"{guest.name:<8}") + string(device.address))
        for guest in call.system.cp.guests.values()
        for device in guest.devices.values()
        if device.kind == "nic" and (detail(device)["OWNER"], detail(device)["LAN"]) == (owner, lan)
    ]
    return struct4(string(f"{lan:<8}") + string(f"{owner:<8}") + int1(2) + array(connected))


def words_of(call: Call, count: int) -> list[str]:
    """Positional parameters that end with a zero byte."""
    words = [text.strip().upper() for text in call.texts("params")]
    return (words + [""] * count)[:count]


@api("Virtual_Network_LAN_Access", "params*")
def lan_access(call: Call) -> Answer:
    """Let a user connect, or no more."""
    lan, owner, action, user, promiscuity = words_of(call, 5)
    call.must(action in ("GRANT", "REVOKE"), (8, 3))
    call.must(bool(user), (8, 2))
    call.must(promiscuity in ("", "NONPROMISCUOUS", "PROMISCUOUS"), (8, 4))
    users = call.system.stores.lan_access.setdefault((owner, lan), {})
    if action == "GRANT":
        users[user] = promiscuity or "NONPROMISCUOUS"
    else:
        users.pop(user, None)
    return ok()


@api("Virtual_Network_LAN_Access_Query", "params*")
def lan_access_query(call: Call) -> Answer:
    lan, owner = words_of(call, 2)
    users = call.system.stores.lan_access.get((owner, lan))
    call.must(bool(users) or known_network(call, owner, lan), (212, 12))
    if not users:
        return Answer(4, 6)
    return ok(asciiz_list(f"{user:<8} {mode}" for user, mode in users.items()))


_CONFIGURATION = (
    "config/0-8 config_type/0-8 parm_owner/0-8 parm_disk/0-4 parm_password/0-8 "
    "alt_config/0-8 alt_config_type/0-8 alt_parm_owner/0-8 alt_parm_disk/0-4 alt_parm_password/0-8"
)


@api(
    "Virtual_Network_Vswitch_Create",
    "switch/1-8 device/0-14 port/0-26 controller/0-71 connection! queue# routing! transport! vlan# port_type! "
    f"update! {_CONFIGURATION} gvrp! native#",
)
def switch_create(call: Call) -> Answer:
    return make_switch(call, call.upper("switch"), {"device": call.upper("device")})


@api("Virtual_Network_Vswitch_Create_Extended", "params*")
def switch_create_extended(call: Call) -> Answer:
    found = call.params()
    call.must(bool(found.get("switch_name")), (8, 3004))
    return make_switch(call, found["switch_name"].upper(), found)


def make_switch(call: Call, name: str, values: dict[str, str]) -> Answer:
    switches = call.system.stores.switches
    call.must(name not in switches, (212, 36))
    switches[name] = values
    return ok()


def switch_named(call: Call, name: str) -> dict[str, str]:
    """A switch; 212/40 where there is none of that name."""
    found = call.system.stores.switches.get(name.upper())
    call.must(found is not None, (212, 40))
    return found if found is not None else {}


@api("Virtual_Network_Vswitch_Delete", f"switch/1-8 update! {_CONFIGURATION}")
def switch_delete(call: Call) -> Answer:
    switch_named(call, call.upper("switch"))
    del call.system.stores.switches[call.upper("switch")]
    return ok()


@api("Virtual_Network_Vswitch_Delete_Extended", "params*")
def switch_delete_extended(call: Call) -> Answer:
    found = call.params()
    call.must(bool(found.get("switch_name")), (8, 3004))
    switch_named(call, found["switch_name"])
    del call.system.stores.switches[found["switch_name"].upper()]
    return ok()


@api(
    "Virtual_Network_Vswitch_Set",
    "switch/1-8 grant/0-8 user_vlan/0-19 revoke/0-8 device/0-14 port/0-26 controller/0-71 connection! queue# routing! "
    f"port_type! update! {_CONFIGURATION} gvrp! mac/0-6",
)
def switch_set(call: Call) -> Answer:
    """Grant, revoke, or other devices."""
    switch = switch_named(call, call.upper("switch"))
    users = call.system.stores.lan_access.setdefault(("SYSTEM", call.upper("switch")), {})
    if call.text("grant"):
        users[call.upper("grant")] = "NONPROMISCUOUS"
    users.pop(call.upper("revoke"), None)
    if call.text("device"):
        switch["device"] = call.upper("device")
    return ok()


@api("Virtual_Network_Vswitch_Set_Extended", "params*")
def switch_set_extended(call: Call) -> Answer:
    found = call.params()
    call.must(bool(found.get("switch_name")), (8, 3004))
    switch = switch_named(call, found["switch_name"])
    users = call.system.stores.lan_access.setdefault(("SYSTEM", found["switch_name"].upper()), {})
    if granted := found.get("grant_userid", "").upper():
        call.must(granted not in users, (212, 44))
        users[granted] = "NONPROMISCUOUS"
    users.pop(found.get("revoke_userid", "").upper(), None)
    switch.update(found)
    return ok()


@api("Virtual_Network_Vswitch_Query_Stats", "params*")
def switch_statistics(call: Call) -> Answer:
    """Each switch and its segments; here none has carried anything."""
    found = call.params(["fmt_version"], ["switch_name"])
    names = [name for name in call.system.stores.switches if " " not in name]
    wanted = names if found["switch_name"] == "*" else [found["switch_name"].upper()]
    call.must(all(name in names for name in wanted) and bool(wanted), (212, 40))
    return ok(array(string(name) + array([]) for name in wanted))


@api("Virtual_Network_Vswitch_Query_Byte_Stats", "params*")
def switch_byte_statistics(call: Call) -> Answer:
    """The number of switches, and for each its name, its real devices and its users with their counters."""
    wanted = call.params(required=["switch_name"])["switch_name"].upper()
    names = [name for name in call.system.stores.switches if " " not in name and wanted in ("*", name)]
    words = [str(len(names))]
    for name in names:
        words += [name, "0", *["0"] * 8, "0"]
    return ok(b"".join(map(asciiz, words)))


@api("Virtual_Network_OSA_Query", "params*")
def osa_query(call: Call) -> Answer:
    """``0500 FREE OSA 05 NO`` for each device of the one card that there is."""
    call.params(["device", "osa_type"])
    return ok(asciiz_list(f"{0x500 + number:04X} FREE OSA 05 NO" for number in range(16)))
