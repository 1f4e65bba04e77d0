"""Calls that keep something and give it back: name lists, authorisations, metadata, tags, subscriptions."""

from __future__ import annotations

from goldroot.zvm.simulator.answer import Answer
from goldroot.zvm.simulator.calls.registry import Call, api, at_once, ok
from goldroot.zvm.simulator.wire import CHARSET, array, asciiz, int1, int4, string, struct4

#: A subscriber's data comes back between two letters and filled up to this length (captured).
SUBSCRIBER_BYTES = 66


# --- name lists ---


@api("Name_List_Add", "name/1-64")
def name_add(call: Call) -> Answer:
    lists = call.system.stores.name_lists
    names = lists.get(call.target)
    if names is None:
        lists[call.target] = [call.upper("name")]
        return Answer(0, 12)
    if call.upper("name") in names:
        return Answer(0, 36)
    names.append(call.upper("name"))
    return ok()


@api("Name_List_Remove", "name/1-64")
def name_remove(call: Call) -> Answer:
    lists = call.system.stores.name_lists
    names = lists.get(call.target)
    call.must(names is not None, (200, 24))
    if names is None or call.upper("name") not in names:
        return Answer(0, 32)
    names.remove(call.upper("name"))
    if names:
        return ok()
    del lists[call.target]
    return Answer(0, 16)


@api("Name_List_Query")
def name_query(call: Call) -> Answer:
    """The names in a list, or with ``*`` the names of all lists."""
    lists = call.system.stores.name_lists
    if call.target == "*":
        return ok(array(map(string, sorted(lists))))
    names = lists.get(call.target)
    call.must(names is not None, (200, 24))
    return ok(array(map(string, names or [])))


@api("Name_List_Destroy")
def name_destroy(call: Call) -> Answer:
    call.must(call.system.stores.name_lists.pop(call.target, None) is not None, (200, 24))
    return ok()


# --- authorisations ---


@api("Authorization_List_Add", "for_id/1-64 function/1-64")
def authorization_add(call: Call) -> Answer:
    entries = call.system.stores.authorizations
    entry = (call.target, call.upper("for_id"), call.upper("function"))
    call.must(entry not in entries, (108, 0))
    entries.append(entry)
    return ok()


@api("Authorization_List_Remove", "for_id/1-64 function/1-64")
def authorization_remove(call: Call) -> Answer:
    entries = call.system.stores.authorizations
    gone = [one for one in entries if fits(one, call)]
    call.must(bool(gone), (112, 0))
    for one in gone:
        entries.remove(one)
    return ok()


@api("Authorization_List_Query", "for_id/0-64 function/0-64")
def authorization_query(call: Call) -> Answer:
    found = [one for one in call.system.stores.authorizations if fits(one, call)]
    call.must(bool(found), (112, 0))
    return ok(array(struct4(*(string(name) + int1(listed(call, name)) for name in one)) for one in found))


def fits(entry: tuple[str, str, str], call: Call) -> bool:
    wanted = (call.target, call.upper("for_id"), call.upper("function"))
    return all(asked in ("", "*", has) for asked, has in zip(wanted, entry, strict=True))


def listed(call: Call, name: str) -> int:
    """1 where a name is that of a list."""
    return int(name in call.system.stores.name_lists)


# --- metadata ---


@api("Metadata_Set", "entries{}")
def metadata_set(call: Call) -> Answer:
    for name, value in call.values["entries"]:
        call.system.stores.metadata[(call.target, str(name))] = str(value)
    return ok()


def names_of(call: Call) -> list[str]:
    return [name for text in call.texts("params") for name in text.split()]


@api("Metadata_Get", "params*")
def metadata_get(call: Call) -> Answer:
    """What is kept under each name; nothing for a name that is not there."""
    kept = call.system.stores.metadata
    names = names_of(call)
    return ok(array(struct4(string(name) + string(kept.get((call.target, name), ""))) for name in names))


@api("Metadata_Delete", "params*")
def metadata_delete(call: Call) -> Answer:
    for name in names_of(call):
        call.system.stores.metadata.pop((call.target, name), None)
    return ok()


@api("Metadata_Space_Query", "params*")
def metadata_space(call: Call) -> Answer:
    """Length and name of what is kept."""
    key = call.params(["searchkey"]).get("searchkey", "")
    found = [(name, value) for (owner, name), value in call.system.stores.metadata.items() if key in ("*", name)]
    if key and not found:
        return Answer(4, 4)
    return ok(b"".join(asciiz(f"{len(value)} {name}") for name, value in found) if key else asciiz("1024 1024"))


# --- local tags ---


@api("Directory_Manager_Local_Tag_Define_DM", "tag/1-8 ordinal# action!")
def tag_define(call: Call) -> Answer:
    """Action 1 makes a tag, 2 changes the place of one."""
    tags = call.system.stores.tags
    tag = call.upper("tag")
    call.must(call.number("action") in (1, 2), (24, 719))
    if call.number("action") == 1:
        call.must(tag not in tags, (432, 4))
    else:
        call.must(tag in tags, (432, 8))
    others = [ordinal for name, ordinal in tags.items() if name != tag]
    call.must(call.number("ordinal") not in others, (432, 12))
    return call.make(at_once(lambda: tags.update({tag: call.number("ordinal")})))


@api("Directory_Manager_Local_Tag_Delete_DM", "tag/1-8")
def tag_delete(call: Call) -> Answer:
    stores = call.system.stores
    tag = call.upper("tag")
    call.must(tag in stores.tags, (432, 8))
    call.must(not any(name == tag for _, name in stores.tag_values), (432, 16))
    return call.make(at_once(lambda: stores.tags.pop(tag)))


#: The value of a tag that removes it.
DELETE = "DELETE"


@api("Directory_Manager_Local_Tag_Set_DM", "tag/1-8 value/0-240")
def tag_set(call: Call) -> Answer:
    """The value DELETE takes the tag away from the entry (as another client's test does), and so does an empty one."""
    stores = call.system.stores
    entry = call.system.manager.entry(call.target)
    tag, value = call.upper("tag"), call.text("value")
    call.must(tag in stores.tags, (432, 8))

    def do() -> None:
        stores.tag_values.pop((entry.name, tag), None)
        if value and value.upper() != DELETE:
            stores.tag_values[(entry.name, tag)] = value

    return call.make(at_once(do))


@api("Directory_Manager_Local_Tag_Query_DM", "tag/1-8")
def tag_query(call: Call) -> Answer:
    entry = call.system.manager.entry(call.target)
    value = call.system.stores.tag_values.get((entry.name, call.upper("tag")))
    return Answer(0, 28) if value is None else ok(string(value))


# --- subscriptions to directory changes: kept, never sent ---

_SUBSCRIPTION = "port# address/0-15 encoding! data/0-64"


@api("Asynchronous_Notification_Enable_DM", f"entity! subscription! communication! {_SUBSCRIPTION}")
def notification_enable(call: Call) -> Answer:
    entry = call.system.manager.entry(call.target)
    kind, communication, port = (call.number(name) for name in ("subscription", "communication", "port"))
    whole = (entry.name, kind, communication, port, call.text("address"), call.number("encoding"), subscriber(call))
    kept = call.system.stores.notifications
    call.must(whole not in kept, (428, 4))
    kept.append(whole)
    return ok()


def subscriber(call: Call) -> bytes:
    return call.text("data").encode(CHARSET, "replace")


def subscriptions(call: Call) -> list[tuple[str, int, int, int, str, int, bytes]]:
    wanted = (call.number("communication"), call.number("port"), call.text("address"))
    return [
        one for one in call.system.stores.notifications
        if one[0] == call.target and (one[2], one[3], one[4]) == wanted
    ]  # fmt: skip


@api("Asynchronous_Notification_Disable_DM", f"entity! communication! {_SUBSCRIPTION}")
def notification_disable(call: Call) -> Answer:
    gone = subscriptions(call)
    call.must(bool(gone), (428, 8))
    for one in gone:
        call.system.stores.notifications.remove(one)
    return ok()


@api("Asynchronous_Notification_Query_DM", f"entity! communication! {_SUBSCRIPTION}")
def notification_query(call: Call) -> Answer:
    found = subscriptions(call)
    if not found:
        return Answer(0, 28)
    return ok(array(map(subscription, found)))


def subscription(one: tuple[str, int, int, int, str, int, bytes]) -> bytes:
    name, kind, communication, port, address, encoding, data = one
    filled = b"o" + data + b"o"
    head = string(name) + int1(kind) + int1(communication) + int4(port) + string(address) + int1(encoding)
    return struct4(head + string(filled.ljust(SUBSCRIBER_BYTES, b"@")))


@api("Image_Definition_Async_Updates", "params*")
def async_updates(call: Call) -> Answer:
    call.must(call.params(required=["enabled"])["enabled"].upper() in ("YES", "NO"), (8, 3003))
    return ok()
