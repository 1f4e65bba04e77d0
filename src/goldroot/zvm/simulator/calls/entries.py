"""Calls on whole directory entries: query, lock, replace, create, delete, profiles and prototypes."""

from __future__ import annotations

from goldroot.zvm.simulator.answer import Answer, SmapiError
from goldroot.zvm.simulator.calls.registry import Call, api, at_once, ok
from goldroot.zvm.simulator.directory import Entry, entries_of
from goldroot.zvm.simulator.dirmaint import Change
from goldroot.zvm.simulator.keywords import entry_items
from goldroot.zvm.simulator.statements import vdev
from goldroot.zvm.simulator.wire import array, asciiz, asciiz_list, int4, string, struct4


@api("Image_Query_DM")
def image_query(call: Call) -> Answer:
    """The records of an entry, passwords in clear, as the real one gives them."""
    return ok(array(string(record) for record in call.system.manager.query(call.target)))


@api("Profile_Query_DM")
def profile_query(call: Call) -> Answer:
    profile_of(call)
    return image_query(call)


def profile_of(call: Call) -> Entry:
    """The profile that is the target; 400/4 for anything else."""
    entry = call.system.manager.entry(call.target)
    call.must(entry.kind == "PROFILE", (400, 4))
    return entry


@api("Image_Name_Query_DM")
def name_query(call: Call) -> Answer:
    names = call.system.directory.names()
    return ok(array(map(string, names))) if names else Answer(0, 28)


@api("Directory_Manager_Search_DM", "pattern/1-72")
def search(call: Call) -> Answer:
    found = call.system.manager.search(call.text("pattern"))
    if not found:
        return Answer(0, 28)
    return ok(array(string(name) + string(statement) for name, statement in found))


@api("Query_All_DM", "params+")
def query_all(call: Call) -> Answer:
    """Every entry: its records (format=no), or the manager's keyword form of users and profiles (format=yes)."""
    form = call.params(["format"]).get("format", "no").lower()
    call.must(form in ("yes", "no"), (8, 3003))
    directory = call.system.directory
    if form == "no":
        return ok(array(as_records(entry) for entry in directory.entries.values()))
    shown = [entry for entry in directory.entries.values() if entry.kind in ("USER", "IDENTITY", "PROFILE")]
    return ok(array(as_items(entry.kind, entry.name, entry_items(directory, entry)) for entry in shown))


def as_records(entry: Entry) -> bytes:
    name = "GLOBALDEFS" if entry.kind == "GLOBALDEFS" else entry.name
    return struct4(int4(entry.type_number), string(name), array(map(string, entry.records)))


def as_items(kind: str, name: str, items: list[str]) -> bytes:
    number = 1 if kind == "PROFILE" else 0
    return struct4(int4(number), string(name), array([asciiz_list(items)]))


# --- locks ---


@api("Image_Lock_DM", "device/0-4h")
def lock(call: Call) -> Answer:
    """Lock an entry, or one device of it, for the caller."""
    manager = call.system.manager
    entry = manager.changeable(call.target)
    address = vdev(call.text("device")) if call.text("device") else ""
    if not manager.locks.lock(entry.name, call.user, address):
        raise SmapiError(404, 12)
    return ok()


@api("Image_Unlock_DM", "device/0-4h")
def unlock(call: Call) -> Answer:
    """Whoever may call this may also take another's lock away."""
    manager = call.system.manager
    entry = manager.entry(call.target)
    address = vdev(call.text("device")) if call.text("device") else ""
    if not manager.locks.unlock(entry.name, address):
        raise SmapiError(404 if address else 400, 24)
    return ok()


@api("Profile_Lock_DM")
def profile_lock(call: Call) -> Answer:
    entry = profile_of(call)
    call.must(call.system.manager.locks.lock(entry.name, call.user), (400, 12))
    return ok()


@api("Profile_Unlock_DM")
def profile_unlock(call: Call) -> Answer:
    entry = profile_of(call)
    call.must(call.system.manager.locks.unlock(entry.name), (400, 24))
    return ok()


@api("Image_Lock_Query_DM")
@api("Profile_Lock_Query_DM")
def lock_query(call: Call) -> Answer:
    """Locked: 0/12 with ``IMAGE`` and by whom, and the locked devices with theirs.  Nothing locked: 0/24."""
    manager = call.system.manager
    entry = manager.entry(call.target)
    by = manager.locks.image(entry.name)
    devices = [asciiz(f"{address} {who}") for address, who in manager.locks.devices(entry.name)]
    if by is None and not devices:
        return Answer(0, 24)
    return Answer(0, 12, string(f"IMAGE {by}" if by else "IMAGE") + array(devices))


# --- whole entries ---


@api("Image_Replace_DM", "records[]")
def replace(call: Call) -> Answer:
    return call.make(call.system.manager.replace(call.target, call.user, records_of(call)))


@api("Profile_Replace_DM", "records[]")
def profile_replace(call: Call) -> Answer:
    profile_of(call)
    return replace(call)


def records_of(call: Call) -> list[str]:
    """The records of a request; 24 for one that is longer than a record can be."""
    records = call.texts("records")
    call.must(all(len(record) <= 80 for record in records), (24, 513))
    return records


@api("Image_Create_DM", "prototype/0-8 password/0-200 account/0-8 records[]")
def create(call: Call) -> Answer:
    """A new entry from records, or from a prototype with its name, password and account filled in."""
    manager = call.system.manager
    records = records_of(call)
    if call.text("prototype"):
        stored = manager.prototypes.get(call.upper("prototype"))
        call.must(stored is not None, (400, 20))
        records = renamed(stored or [], call.target, call.text("password"))
        if call.text("account"):
            records.insert(1, f"ACCOUNT {call.upper('account')}")
    if len(list(entries_of(records))) > 1:
        raise SmapiError(400, 40)
    return call.make(manager.create(call.target, records), numbered=True)


def renamed(records: list[str], name: str, password: str) -> list[str]:
    """A prototype's records for a new user."""
    first = records[0].split() if records else ["USER", name, "NOLOG"]
    words = [first[0], name, password or (first[2] if len(first) > 2 else "NOLOG"), *first[3:]]
    return [" ".join(words), *records[1:]]


@api("Profile_Create_DM", "records[]")
def profile_create(call: Call) -> Answer:
    return call.make(call.system.manager.create(call.target, records_of(call), ("PROFILE",)))


@api("Image_Delete_DM", "erase!")
def delete(call: Call) -> Answer:
    """Erasing the disks' data takes time."""
    change = call.system.manager.delete(call.target, "USER", "IDENTITY", "SUBCONFIG")
    return call.make(change, long=call.number("erase") == 2, numbered=True)


@api("Profile_Delete_DM")
def profile_delete(call: Call) -> Answer:
    return call.make(call.system.manager.delete(call.target, "PROFILE"))


# --- prototypes ---


@api("Prototype_Create_DM", "records[]")
def prototype_create(call: Call) -> Answer:
    return stored(call, (416, 8), exists=False)


@api("Prototype_Replace_DM", "records[]")
def prototype_replace(call: Call) -> Answer:
    return stored(call, (416, 4), exists=True)


def stored(call: Call, otherwise: tuple[int, int], *, exists: bool) -> Answer:
    prototypes = call.system.manager.prototypes
    call.must((call.target in prototypes) is exists, otherwise)
    records = records_of(call)
    return call.make(at_once(lambda: prototypes.update({call.target: records})))


@api("Prototype_Query_DM")
def prototype_query(call: Call) -> Answer:
    records = call.system.manager.prototypes.get(call.target)
    call.must(records is not None, (416, 4))
    return ok(array(string(record[:72]) for record in records or []))


@api("Prototype_Name_Query_DM")
def prototype_names(call: Call) -> Answer:
    names = sorted(call.system.manager.prototypes)
    return ok(array(map(string, names))) if names else call.refuse((0, 28)).answer


@api("Prototype_Delete_DM")
def prototype_delete(call: Call) -> Answer:
    prototypes = call.system.manager.prototypes
    call.must(call.target in prototypes, (416, 4))
    return call.make(Change(lambda: prototypes.pop(call.target)))


@api("Image_Password_Set_DM", "password/1-200")
def password_set(call: Call) -> Answer:
    """A new logon password; longer than eight characters is a format that the directory does not have."""
    manager = call.system.manager
    entry = manager.changeable(call.target)
    call.must(entry.kind in ("USER", "IDENTITY"), (400, 4))
    call.must(len(call.text("password")) <= 8 and " " not in call.text("password"), (500, 20))

    def do() -> None:
        from goldroot.zvm.simulator.rewrite import rewritten

        words = entry.records[entry.head.index].split()
        words[2:3] = [call.upper("password")]
        records = list(entry.records)
        records[entry.head.index] = " ".join(words)
        manager.put(rewritten(Entry(entry.kind, entry.name, tuple(records))))

    return call.make(at_once(do))
