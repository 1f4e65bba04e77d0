"""Calls on virtual networks: LANs, switches, and who may connect to them."""

from __future__ import annotations

from ..answer import Answer
from ..wire import array, asciiz_list, int1, string, struct4
from .adapters import detail, known_network
from .registry import Call, api, ok


@api("Virtual_Network_LAN_Create", "lan/1-8 owner/1-8 type! transport!")
def lan_create(call: Call) -> Answer:
    key = (call.upper("owner"), call.upper("lan"))
    lans = call.system.stores.lans
    wanted = {"type": str(call.number("type")), "transport": str(call.number("transport"))}
    call.must(lans.get(key, wanted) == wanted, (212, 24))
    lans[key] = wanted
    return ok()


@api("Virtual_Network_LAN_Delete", "lan/1-8 owner/1-8")
def lan_delete(call: Call) -> Answer:
    gone = call.system.stores.lans.pop((call.upper("owner"), call.upper("lan")), None)
    call.must(gone is not None, (212, 12))
    return ok()


@api("Virtual_Network_LAN_Query", "lan/1-8 owner/1-8")
def lan_query(call: Call) -> Answer:
    """Name, owner, type, and the adapters that are connected."""
    wanted, owner = call.upper("lan"), call.upper("owner")
    found = [(one, lan) for one, lan in call.system.stores.lans if owner in ("*", one) and wanted in ("*", lan)]
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


#: CP's message where a switch has no port of a number (captured).
NO_SUCH_PORT = (396, 3040)


@api("Virtual_Network_Vswitch_Set_Extended", "params*")
def switch_set_extended(call: Call) -> Answer:
    found = call.params()
    call.must(bool(found.get("switch_name")), (8, 3004))
    call.must("vlan_delete" not in found, (8, 3002))  # The captured system does not know it.
    call.must(not {"vlan_port_add", "vlan_port_remove"} & set(found), NO_SUCH_PORT)
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
    names = list(call.system.stores.switches)
    wanted = names if found["switch_name"] == "*" else [found["switch_name"].upper()]
    call.must(all(name in names for name in wanted) and bool(wanted), (212, 40))
    return ok(array(string(name) + array([]) for name in wanted))


@api("Virtual_Network_OSA_Query", "params*")
def osa_query(call: Call) -> Answer:
    """``0500 FREE OSA 05 NO`` for each device of the one card that there is."""
    call.params(["device", "osa_type"])
    return ok(asciiz_list(f"{0x500 + number:04X} FREE OSA 05 NO" for number in range(16)))
