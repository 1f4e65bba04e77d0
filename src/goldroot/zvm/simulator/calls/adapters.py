"""Calls on the network adapters and channel connections of running guests."""

from __future__ import annotations

from goldroot.zvm.simulator.answer import Answer
from goldroot.zvm.simulator.calls.images import running
from goldroot.zvm.simulator.calls.registry import Call, api, ok
from goldroot.zvm.simulator.cp import Device, Guest
from goldroot.zvm.simulator.statements import vdev
from goldroot.zvm.simulator.wire import array, asciiz_list, int1, int4, string, struct4

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
    stores = call.system.stores
    return (owner, name) in stores.lans or (owner == "SYSTEM" and name in stores.switches)


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
