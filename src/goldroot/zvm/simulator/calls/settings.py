"""Calls that set one thing in a directory entry: processors, IPL, devices, SCSI characteristics."""

from __future__ import annotations

from goldroot.zvm.simulator.answer import Answer
from goldroot.zvm.simulator.calls.images import running
from goldroot.zvm.simulator.calls.registry import Call, api, at_once, ok
from goldroot.zvm.simulator.checks import address_taken
from goldroot.zvm.simulator.cp import Device
from goldroot.zvm.simulator.statements import Statement, vdev
from goldroot.zvm.simulator.wire import int1, string

#: Processors that a guest can have.
MOST_CPUS = 64


def cpu_of(call: Call) -> Statement | None:
    """The CPU statement of the address that is asked about."""
    number = int(call.text("cpu"), 16)
    entry = call.system.manager.entry(call.target)
    return next((one for one in entry.find("CPU") if int(one.operand(0, "0"), 16) == number), None)


@api("Image_CPU_Define_DM", "cpu/1-2h base! cpuid/0-6h dedicate! crypto!")
def cpu_define_dm(call: Call) -> Answer:
    """A CPU statement; one that is there already is written again."""
    manager = call.system.manager
    entry = manager.changeable(call.target)
    call.must(int(call.text("cpu"), 16) < MOST_CPUS, (520, 28))
    old = cpu_of(call)
    others = [one for one in entry.find("CPU") if one is not old]
    base = call.number("base") == 1
    call.must(not (base and any("BASE" in one.operands for one in others)), (520, 24))
    words = ["CPU", f"{call.upper('cpu'):0>2}", *(["BASE"] if base else [])]
    words += ["CPUID", call.upper("cpuid")] if call.text("cpuid") else []
    words += {1: ["NODEDICATE"], 2: ["DEDICATE"]}.get(call.number("dedicate"), [])
    words += ["CRYPTO"] if call.number("crypto") else []

    def do() -> None:
        if old:
            manager.drop(entry.name, [one for one in manager.entry(entry.name).find("CPU") if one.text == old.text])
        manager.add(entry.name, " ".join(words))

    return call.make(at_once(do))


@api("Image_CPU_Query_DM", "cpu/1-2h")
def cpu_query_dm(call: Call) -> Answer:
    one = cpu_of(call)
    call.must(one is not None, (520, 30), (0, 28), (404, 8))
    if one is None:
        return ok()
    crypto, dedicated = int1("CRYPTO" in one.operands), int1(2 if "DEDICATE" in one.operands else 1)
    return ok(string(one.operand(0)) + int1("BASE" in one.operands) + string(one.value("CPUID")) + dedicated + crypto)


@api("Image_CPU_Delete_DM", "cpu/1-2h")
def cpu_delete_dm(call: Call) -> Answer:
    manager = call.system.manager
    manager.changeable(call.target)
    one = cpu_of(call)
    call.must(one is not None, (520, 30), (404, 8))
    return call.make(at_once(lambda: manager.drop(call.target, [one] if one else [])))


@api("Image_CPU_Set_Maximum_DM", "maximum#")
def cpu_set_maximum_dm(call: Call) -> Answer:
    """The number on the MACHINE statement."""
    manager = call.system.manager
    entry = manager.changeable(call.target)
    call.must(0 < call.number("maximum") <= MOST_CPUS, (24, 518))
    kind = next((one.operand(0) for one in entry.find("MACHINE")), "ESA")
    record = f"MACHINE {kind} {call.number('maximum')}"
    return call.make(at_once(lambda: manager.set_statement(entry.name, "MACHINE", record)))


# --- IPL ---


@api("Image_IPL_Set_DM", "system/1-8 loadparm/0-10 parm/0-64")
def ipl_set_dm(call: Call) -> Answer:
    manager = call.system.manager
    manager.changeable(call.target)
    words = ["IPL", call.upper("system")]
    words += ["LOADPARM", call.upper("loadparm")] if call.text("loadparm") else []
    words += ["PARM", call.text("parm")] if call.text("parm") else []
    return call.make(at_once(lambda: manager.set_statement(call.target, "IPL", " ".join(words))))


@api("Image_IPL_Query_DM")
def ipl_query_dm(call: Call) -> Answer:
    entry = call.system.manager.entry(call.target)
    one = next(entry.find("IPL"), None)
    if one is None:
        return Answer(0, 28)
    words = one.text.split()
    upper = [word.upper() for word in words]
    parm = " ".join(words[upper.index("PARM") + 1 :]) if "PARM" in upper else ""
    return ok(string(one.operand(0)) + string(one.value("LOADPARM")) + string(parm))


@api("Image_IPL_Delete_DM")
def ipl_delete_dm(call: Call) -> Answer:
    manager = call.system.manager
    entry = manager.changeable(call.target)
    if next(entry.find("IPL"), None) is None:
        # There is no code for "no IPL statement" in every release; nothing is to be done then.
        return ok()
    return call.make(at_once(lambda: manager.set_statement(entry.name, "IPL", None)))


# --- SCSI characteristics ---

#: ``scp_data_type`` -> how LOADDEV names it.
SCP_TYPES = {1: "DELETE", 2: "EBCDIC", 3: "HEX"}


@api("Image_SCSI_Characteristics_Define_DM", "boot/0-6 lba/0-16h lun/0-16h port/0-16h scp_type! scp_data/0-4096")
def scsi_define_dm(call: Call) -> Answer:
    manager = call.system.manager
    entry = manager.changeable(call.target)
    records = [f"LOADDEV {name} {call.upper(key)}" for name, key in SCSI_FIELDS.items() if call.text(key)]
    data = call.text("scp_data")
    if data and call.number("scp_type") in (2, 3):
        records.insert(0, f"LOADDEV SCPDATA {scp_text(call.number('scp_type'), data)}")

    def do() -> None:
        manager.set_statement(entry.name, "LOADDEV", None)
        for record in records:
            manager.add(entry.name, record)

    return call.make(at_once(do))


#: LOADDEV's names and the parameters.
SCSI_FIELDS = {"PORTNAME": "port", "LUN": "lun", "BR_LBA": "lba", "BOOTPROG": "boot"}


def scp_text(kind: int, data: str) -> str:
    """HEX data comes as EBCDIC digits (captured: F0 F1 F2 F3 for '0123')."""
    if kind == 3:
        return f"HEX '{data.encode('iso8859-1').decode('cp037', 'replace')}'"
    return f"'{data}'"


@api("Image_SCSI_Characteristics_Query_DM")
def scsi_query_dm(call: Call) -> Answer:
    entry = call.system.manager.entry(call.target)
    found = {one.operand(0): one for one in entry.find("LOADDEV")}
    if not found:
        return Answer(0, 28)
    values = [found[name].operand(1) if name in found else "" for name in ("BOOTPROG", "BR_LBA", "LUN", "PORTNAME")]
    kind, data = scp_data(found.get("SCPDATA"))
    return ok(b"".join(map(string, values)) + int1(kind) + string(data))


def scp_data(one: Statement | None) -> tuple[int, bytes]:
    """Type and bytes of SCPDATA; hexadecimal digits come back as bytes."""
    if one is None:
        return 0, b""
    inside = one.text.partition("'")[2].rpartition("'")[0]
    if one.operand(1) != "HEX":
        return 2, inside.encode("iso8859-1", "replace")
    try:
        return 3, bytes.fromhex(inside)
    except ValueError:
        return 3, inside.encode("iso8859-1", "replace")


# --- dedicated devices ---


@api("Image_Device_Dedicate_DM", "device/1-4h real/1-4h readonly!")
def dedicate_dm(call: Call) -> Answer:
    manager = call.system.manager
    entry = manager.changeable(call.target)
    address = vdev(call.text("device"))
    call.must(not address_taken(entry, address), (404, 4))
    record = f"DEDICATE {address} {vdev(call.text('real'))}" + (" R/O" if call.number("readonly") == 1 else "")
    return call.make(at_once(lambda: manager.add(entry.name, record)))


@api("Image_Device_Undedicate_DM", "device/1-4h")
def undedicate_dm(call: Call) -> Answer:
    manager = call.system.manager
    entry = manager.changeable(call.target)
    found = [one for one in entry.find("DEDICATE") if vdev(one.operand(0)) == vdev(call.text("device"))]
    call.must(bool(found), (404, 8), (404, 4))
    return call.make(at_once(lambda: manager.drop(entry.name, found)))


@api("Image_Device_Dedicate", "device/1-4h real/1-4h readonly!")
def dedicate(call: Call) -> Answer:
    """A real device for a running guest; one device for one guest."""
    guest = running(call)
    address, real = vdev(call.text("device")), vdev(call.text("real"))
    call.must(address not in guest.devices, (204, 4))
    holders = call.system.stores.real_devices
    call.must(real not in holders, (204, 16))
    holders[real] = guest.name
    guest.devices[address] = Device(address, "dedicated", (real,))
    return ok()


@api("Image_Device_Undedicate", "device/1-4h")
def undedicate(call: Call) -> Answer:
    guest = running(call)
    device = guest.devices.get(vdev(call.text("device")))
    call.must(device is not None and device.kind == "dedicated", (204, 8), (204, 24))
    if device:
        call.system.stores.real_devices.pop(device.detail[0], None)
        call.system.cp.detach(guest.name, device.address)
    return ok()


@api("Image_Device_Reset", "device/1-4h")
def device_reset(call: Call) -> Answer:
    guest = running(call)
    call.must(vdev(call.text("device")) in guest.devices, (204, 8))
    return ok()
