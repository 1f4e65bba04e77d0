"""Calls on shared segments (DCSS): made, asked about, and who may use them."""

from __future__ import annotations

from goldroot.zvm.simulator.answer import Answer
from goldroot.zvm.simulator.calls.registry import Call, api, ok
from goldroot.zvm.simulator.wire import array, int1, int8, string, struct4

#: A segment's status: active.
ACTIVE = 2


@api("Shared_Memory_Create", "name/1-8 begin@ end@ access! attributes! user/0-8")
def create(call: Call) -> Answer:
    """A segment of pages; 0/4 where the user who shall have it is not in the directory."""
    call.must(0 <= call.number("begin") <= call.number("end"), (600, 8))
    stores = call.system.stores
    stores.segments[call.upper("name")] = (call.number("begin"), call.number("end"), call.number("access"))
    return grant(call)


@api("Shared_Memory_Replace", "name/1-8 user/0-8")
def replace(call: Call) -> Answer:
    call.must(call.upper("name") in call.system.stores.segments, (600, 28))
    return grant(call)


def grant(call: Call) -> Answer:
    user, name = call.upper("user"), call.upper("name")
    if not user:
        return ok()
    if call.system.directory.user(user) is None:
        return Answer(0, 4)
    users = call.system.stores.segment_users
    if (name, user) in users:
        return Answer(0, 12)
    users.add((name, user))
    return ok()


@api("Shared_Memory_Delete", "name/1-8")
def delete(call: Call) -> Answer:
    call.must(call.system.stores.segments.pop(call.upper("name"), None) is not None, (600, 28))
    return ok()


@api("Shared_Memory_Query", "name/1-8")
def query(call: Call) -> Answer:
    segments = call.system.stores.segments
    wanted = segments if call.text("name") == "*" else [call.upper("name")]
    found = [(name, segments[name]) for name in wanted if name in segments]
    if not found:
        return Answer(0, 28)
    return ok(array(segment(name, *pages) for name, pages in found))


def segment(name: str, begin: int, end: int, access: int) -> bytes:
    """Name, status, and its ranges of pages."""
    return struct4(string(name) + int1(ACTIVE) + array([struct4(int8(begin) + int8(end) + int1(access))]))


@api("Shared_Memory_Access_Add_DM", "name/1-8")
def access_add(call: Call) -> Answer:
    entry = call.system.manager.changeable(call.target)
    users = call.system.stores.segment_users
    call.must((call.upper("name"), entry.name) not in users, (424, 4))
    users.add((call.upper("name"), entry.name))
    return ok()


@api("Shared_Memory_Access_Remove_DM", "name/1-8")
def access_remove(call: Call) -> Answer:
    entry = call.system.manager.changeable(call.target)
    users = call.system.stores.segment_users
    call.must((call.upper("name"), entry.name) in users, (424, 8))
    users.discard((call.upper("name"), entry.name))
    return ok()


@api("Shared_Memory_Access_Query_DM", "name/1-8")
def access_query(call: Call) -> Answer:
    name = call.upper("name")
    users = sorted(user for segment_name, user in call.system.stores.segment_users if segment_name == name)
    return ok(array(map(string, users))) if users else Answer(0, 20)
