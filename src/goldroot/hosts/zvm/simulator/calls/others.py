"""Calls for things that the simulated system has little of: TCP/IP interfaces, VMRM, clusters, SCSI disks."""

from __future__ import annotations

from ..answer import Answer
from ..wire import array, asciiz, asciiz_list
from .registry import Call, api, ok

_INTERFACE = ("tcpip_stack", "interface_id")


def interface(call: Call) -> tuple[str, list[str] | None]:
    """Name of the interface that is asked about, and what is known about it."""
    found = call.params()
    call.must(all(found.get(name) for name in _INTERFACE), (8, 3004))
    name = found["interface_id"].upper()
    return name, call.system.stores.interfaces.get(name)


def unknown_interface(call: Call, name: str) -> Answer:
    raise call.refuse((8, 12), data=array([asciiz(f"DTCIFC2612E Unknown interface: {name}")]))


@api("Network_IP_Interface_Create", "params*")
def interface_create(call: Call) -> Answer:
    name, known = interface(call)
    if known is not None:
        raise call.refuse((8, 12), data=array([asciiz(f"DTCIFC2613E Interface {name} already exists")]))
    call.system.stores.interfaces[name] = call.texts("params")
    return ok()


@api("Network_IP_Interface_Modify", "params*")
def interface_modify(call: Call) -> Answer:
    name, known = interface(call)
    if known is None:
        return unknown_interface(call, name)
    known.extend(call.texts("params"))
    return ok()


@api("Network_IP_Interface_Remove", "params*")
def interface_remove(call: Call) -> Answer:
    name, known = interface(call)
    if known is None:
        return unknown_interface(call, name)
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
    raise call.refuse((800, 8))


# --- what is not there ---


@api("SSI_Query", "params*")
def cluster(call: Call) -> Answer:
    """One system, no cluster."""
    return Answer(4, 3008)


@api("VMRELOCATE_Image_Attributes", "params*")
def relocation_attributes(call: Call) -> Answer:
    call.params(["relocation_setting", "domain_name", "archforce"])
    raise call.refuse((8, 3008))


@api("System_WWPN_Query", "params*")
def wwpn(call: Call) -> Answer:
    call.params(["owner"])
    return Answer(4, 28)


@api("System_SCSI_Disk_Delete", "params*")
def scsi_delete(call: Call) -> Answer:
    call.params(["persist"], ["dev_num"])
    raise call.refuse((8, 8))


@api("System_RDR_File_Manage", "params*")
def reader_manage(call: Call) -> Answer:
    """Purging takes all files away."""
    action = call.params(["spoolids", "userid"], ["action"])["action"].upper()
    if action.startswith("PURGE"):
        call.system.stores.texts.pop(f"reader {call.user}", None)
    return ok()


@api("System_Performance_Threshold_Enable", "params*")
@api("System_Performance_Threshold_Disable", "params*")
def threshold(call: Call) -> Answer:
    """Kept for nobody: no event is ever sent."""
    return ok()
