"""Calls on moving guests to another member.  There is none here: tests and errors are as captured, and a guest that
was moved is where it was."""

from __future__ import annotations

from goldroot.zvm.simulator.answer import Answer
from goldroot.zvm.simulator.calls.registry import Call, api, ok
from goldroot.zvm.simulator.cp import Guest
from goldroot.zvm.simulator.wire import asciiz

#: CP's messages, given by number: not eligible, a link that holds the guest here, not eligible after all; not moving.
NOT_ELIGIBLE, LINKED, REFUSED, NOT_MOVING = 1940, 1996, 1981, 1926


def messages(*numbers: int) -> bytes:
    """The numbers of CP's messages, as they come with an error (captured)."""
    return asciiz(" ".join(map(str, numbers)))


def what_holds(guest: Guest) -> list[int]:
    """Why a guest cannot move: each link to a disk of somebody else is one reason."""
    linked = [LINKED for device in guest.devices.values() if device.kind == "dasd" and device.owner != guest.name]
    return [NOT_ELIGIBLE, *linked, REFUSED] if linked else []


@api("VMRELOCATE", "params*")
def relocate(call: Call) -> Answer:
    """Test, move or cancel; a test is what is meant where nothing is said."""
    found = call.params(["destination", "action", "force", "immediate", "max_total", "max_quiesce"])
    action = found.get("action", "TEST").upper()
    call.must(action in ("TEST", "MOVE", "CANCEL"), (8, 3003))
    if action == "CANCEL" or not call.system.cp.is_on(call.target):
        raise call.refuse((8, 3000), data=messages(NOT_MOVING))
    call.must(bool(found.get("destination")), (8, 3004))
    if numbers := what_holds(call.system.cp.guest(call.target)):
        raise call.refuse((4, 3000) if action == "TEST" else (8, 3000), data=messages(*numbers))
    return ok()


@api("VMRELOCATE_Modify", "params*")
def relocate_modify(call: Call) -> Answer:
    """The limits of a move; none is under way, ever (captured)."""
    found = call.params(["max_total", "max_quiesce"])
    call.must(bool(found), (8, 3004))
    raise call.refuse((8, 3010), data=messages(NOT_MOVING))


@api("VMRELOCATE_Status", "params*")
def relocation_status(call: Call) -> Answer:
    """Nothing moves: there is one member."""
    call.params(["status_target", "status_details"])
    return Answer(4, 3001)


@api("VMRELOCATE_Image_Attributes", "params*")
def relocation_attributes(call: Call) -> Answer:
    """Kept by nobody, as there is nowhere to go."""
    found = call.params(["relocation_setting", "domain_name", "archforce"])
    call.must(found.get("relocation_setting", "ON").upper() in ("ON", "OFF"), (8, 3003))
    call.must(call.system.cp.is_on(call.target), (8, 12))
    return ok()
