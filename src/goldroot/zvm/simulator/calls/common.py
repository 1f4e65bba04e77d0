"""Calls about the server itself: authentication, levels, the queue, a reply that was lost."""

from __future__ import annotations

from goldroot.zvm.simulator.answer import Answer, SmapiError
from goldroot.zvm.simulator.calls.registry import Call, api, ok
from goldroot.zvm.simulator.wire import string


@api("Check_Authentication", targeted=False)
def check_authentication(call: Call) -> Answer:
    """Whoever gets here is authenticated."""
    return ok()


@api("Query_API_Functional_Level")
def functional_level(call: Call) -> Answer:
    """The level is the reason code."""
    return Answer(0, call.system.options.level)


@api("Query_Directory_Manager_Level_DM")
def manager_level(call: Call) -> Answer:
    return ok(string(call.system.options.manager_level))


@api("Query_Asynchronous_Operation_DM", "operation#")
def query_operation(call: Call) -> Answer:
    """0/100 done, 0/104 running, 0/108 failed; an operation that is not known has long been done."""
    state = call.system.operations.ask(call.number("operation"))
    return Answer(0, 0 if state is None else state)


@api("Directory_Manager_Task_Cancel_DM", "operation#")
def cancel(call: Call) -> Answer:
    call.must(call.system.operations.cancel(call.number("operation")), (452, 4))
    return ok()


@api("Response_Recovery", "request#")
def response_recovery(call: Call) -> Answer:
    """The reply of an earlier request: return code, reason code and output, as it would have come."""
    kept = call.recover(call.number("request"))
    if kept is None:
        raise SmapiError(4, 4)
    return ok(kept)


@api("Static_Image_Changes_Activate_DM")
@api("Static_Image_Changes_Deactivate_DM")
@api("Static_Image_Changes_Immediate_DM")
def static_changes(call: Call) -> Answer:
    """When the directory is put online; here it always is at once."""
    return ok()


@api("SMAPI_Status_Capture")
def status_capture(call: Call) -> Answer:
    return ok()
