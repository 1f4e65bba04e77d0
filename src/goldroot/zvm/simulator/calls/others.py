"""Calls for things that the simulated system has little of: TCP/IP interfaces, VMRM, SCSI disks."""

from __future__ import annotations

import time

from goldroot.zvm.simulator.answer import Answer
from goldroot.zvm.simulator.calls.registry import Call, api, ok
from goldroot.zvm.simulator.wire import array, asciiz_list, string

_INTERFACE = ("tcpip_stack", "interface_id")


def interface(call: Call) -> tuple[str, list[str] | None]:
    """Name of the interface that is asked about, and what is known about it."""
    found = call.params()
    call.must(all(found.get(name) for name in _INTERFACE), (8, 3004))
    name = found["interface_id"].upper()
    return name, call.system.stores.interfaces.get(name)


def message(text: str, end: bytes = b"") -> bytes:
    """IFCONFIG's message as error buffer; where a zero byte ends it, its length does not count that (captured)."""
    return string(text) + end


@api("Network_IP_Interface_Create", "params*")
def interface_create(call: Call) -> Answer:
    name, known = interface(call)
    if known is not None:
        raise call.refuse((8, 12), data=message(f"DTCIFC2613E Interface {name} already exists"))
    call.system.stores.interfaces[name] = call.texts("params")
    return ok()


@api("Network_IP_Interface_Modify", "params*")
def interface_modify(call: Call) -> Answer:
    name, known = interface(call)
    if known is None:
        raise call.refuse((8, 12), data=message(f"DTCIFC2612E Unknown interface: {name}", b"\0"))
    known.extend(call.texts("params"))
    return ok()


@api("Network_IP_Interface_Remove", "params*")
def interface_remove(call: Call) -> Answer:
    name, known = interface(call)
    if known is None:
        raise call.refuse((8, 12), data=message(f"DTCIFC2612E Unknown interface: {name}"))
    del call.system.stores.interfaces[name]
    return ok()


@api("Network_IP_Interface_Query", "params*")
def interface_query(call: Call) -> Answer:
    _, known = interface(call)
    call.must(known is not None, (8, 4))
    return ok(asciiz_list(known or []))


# --- VMRM ---

_FILE = "name/1-8 type/1-8 directory/1-153"


def configuration(call: Call) -> str:
    return " ".join(call.upper(name) for name in ("name", "type", "directory"))


@api("VMRM_Configuration_Query", _FILE)
def vmrm_query(call: Call) -> Answer:
    """The configuration file, line by line."""
    lines = call.system.stores.texts.get(configuration(call))
    call.must(lines is not None, (800, 28))
    return ok(array([asciiz_list(lines or [])]))


@api("VMRM_Configuration_Update", f"{_FILE} check! params+")
def vmrm_update(call: Call) -> Answer:
    """A new configuration file; with ``check`` 1 it is only looked at."""
    if call.number("check") != 1:
        call.system.stores.texts[configuration(call)] = call.texts("params")
    return ok()


@api("VMRM_Measurement_Query")
def vmrm_measurements(call: Call) -> Answer:
    """Nothing is measured: the workloads of the configuration, each without a value."""
    texts = call.system.stores.texts
    name = next((name for name in texts if name.startswith("VMRM ")), None)
    call.must(name is not None, (800, 8))
    words = [line.split() for line in texts[name or ""]]
    loads = [one[1].upper() for one in words if len(one) > 1 and one[0].upper() == "WORKLOAD"]
    now = time.strftime("%m/%d/%y %H:%M:%S", time.localtime(call.system.clock()))
    lines = array(string(f"{load:<17}CPU null DASD null") for load in loads)
    return ok(string(now) + string("VMRM CONFIG A1") + string(now) + lines)


# --- what there is little of ---


@api("System_WWPN_Query", "params*")
def wwpn(call: Call) -> Answer:
    call.params(["owner"])
    return Answer(4, 28)


@api("System_SCSI_Disk_Add", "params*")
def scsi_add(call: Call) -> Answer:
    """There is no FCP device to reach a disk through: CP's own number for that (captured)."""
    call.params(["option", "persist"], ["dev_num", "dev_path_array"])
    raise call.refuse((396, 8700))


@api("System_SCSI_Disk_Delete", "params*")
def scsi_delete(call: Call) -> Answer:
    device = call.params(["persist"], ["dev_num"])["dev_num"].upper()
    call.must(device in call.system.stores.scsi, (8, 8))
    call.system.stores.scsi.remove(device)
    return ok()


@api("System_SCSI_Disk_Query", "params*")
def scsi_query(call: Call) -> Answer:
    """``6000 FBA SCSI 0`` for every disk; the last has no zero byte (captured)."""
    wanted = call.params(required=["dev_num"])["dev_num"].upper()
    shown = [device for device in call.system.stores.scsi if wanted in ("ALL", device)]
    if not shown:
        return Answer(4, 28) if wanted == "ALL" else Answer(8, 8)
    return ok(asciiz_list(f"{device} FBA SCSI 0" for device in shown)[:-1])


@api("System_RDR_File_Manage", "params*")
def reader_manage(call: Call) -> Answer:
    """Purging, which is meant where no action is given (Feilong does so), takes all files away."""
    action = call.params(["spoolids", "userid", "action"]).get("action", "PURGE").upper()
    if action.startswith("PURGE"):
        call.system.stores.readers.pop(call.user, None)
    return ok()


@api("System_Performance_Threshold_Enable", "params*")
@api("System_Performance_Threshold_Disable", "params*")
def threshold(call: Call) -> Answer:
    """Kept for nobody: no event is ever sent."""
    return ok()
