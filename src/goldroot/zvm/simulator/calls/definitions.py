"""``Image_Definition_*_DM``: an entry as keywords, ``MDISK=VDEV=777 DEVTYPE=3390 ...``.

The keywords are those of :mod:`..keywords`.  One that there is not is 8/3002 with its name in an error buffer
(captured).
"""

from __future__ import annotations

from goldroot.zvm.simulator.answer import Answer, SmapiError
from goldroot.zvm.simulator.calls.registry import Call, api, ok
from goldroot.zvm.simulator.checks import address_taken
from goldroot.zvm.simulator.directory import Entry
from goldroot.zvm.simulator.dirmaint import AUTOMATIC, NewDisk
from goldroot.zvm.simulator.keywords import KEYWORDS, entry_items
from goldroot.zvm.simulator.rewrite import rewritten
from goldroot.zvm.simulator.statements import vdev
from goldroot.zvm.simulator.wire import array, asciiz, asciiz_list

#: Keyword -> the statement that it becomes, with its values in order; a value in brackets is its own name and value.
STATEMENTS = {
    "CONSOLE": "CONSOLE {VDEV} {DEVTYPE} {CLASS} {USERID}",
    "CPU_MAXIMUM": "MACHINE {TYPE} {COUNT}",
    "DEDICATE": "DEDICATE {VDEV} {RDEV}",
    "IPL": "IPL {VDEV}",
    "LINK": "LINK {USERID} {VDEV1} {VDEV2} {MODE}",
    "SPOOL": "SPOOL {VDEV} {DEVTYPE} {CLASS}",
}

#: Keywords whose value is the operand of a statement.
PLAIN = {
    "INCLUDE": "INCLUDE",
    "OPTION": "OPTION",
    "PRIVILEGE_CLASSES": "CLASS",
    "STORAGE_INITIAL": "STORAGE",
    "STORAGE_MAXIMUM": "MAXSTORAGE",
    "COMMAND_DEFINE_CPU": "COMMAND DEFINE CPU",
    "COMMAND_SET_CPUAFFINITY": "COMMAND SET CPUAFFINITY",
    "COMMAND_SET_SHARE": "COMMAND SET SHARE",
    "COMMAND_SET_VCONFIG": "COMMAND SET VCONFIG",
    "VMRELOCATE": "VMRELOCATE",
}

#: Keywords of things of which an entry has many, and the value that tells them apart.
MANY = {"CPU": "CPUADDR", "DEDICATE": "VDEV", "LINK": "VDEV2", "MDISK": "VDEV", "NICDEF": "VDEV", "SPOOL": "VDEV"}

#: Besides the keywords of the queried form.
KNOWN = frozenset({*KEYWORDS, "PASSWORD", "NOLOG", "AUTOONLY", "LBYONLY", "ACCOUNT"})

#: Keywords of an entry's first record.
OF_THE_HEAD = ("PASSWORD", "NOLOG", "AUTOONLY", "LBYONLY")


def items(call: Call) -> list[tuple[str, str]]:
    """The request as (keyword, value).

    :raises SmapiError: 8/3002 and the name of a keyword that there is not.
    """
    found = []
    for text in call.texts("params"):
        keyword, _, value = text.partition("=")
        name = keyword.strip().upper()
        if name not in KNOWN:
            raise unknown(name)
        found.append((name, value.strip()))
    return found


def unknown(name: str) -> SmapiError:
    return SmapiError(8, 3002, array([asciiz(f"UNKNOWN_DIRECTORY_KEYWORD_PARAMETER={name}")]))


def values_of(value: str) -> dict[str, str]:
    """``VDEV=777 DEVTYPE=3390`` as a dictionary; a word without ``=`` goes on with the value before it."""
    found: dict[str, str] = {}
    last = ""
    for word in value.split():
        name, sign, rest = word.partition("=")
        if sign:
            last = name.upper()
            found[last] = rest
        elif last:
            found[last] += f" {word}"
    return found


def statement(keyword: str, value: str) -> str:
    """The directory statement for an item."""
    if keyword in PLAIN:
        return f"{PLAIN[keyword]} {value}"
    values = values_of(value)
    if keyword == "CPU":
        words = ["CPU", values.get("CPUADDR", "00"), *(["BASE"] if values.get("BASE", "").upper() == "YES" else [])]
        words += ["CPUID", values["CPUID"]] if values.get("CPUID") else []
        return " ".join([*words, *(["DEDICATE"] if values.get("DEDICATE", "").upper() == "YES" else [])])
    if keyword == "NICDEF":
        named = {"SWITCHNAME": "", "VDEV": ""}
        return " ".join(["NICDEF", values.get("VDEV", "")] + [
            word for name, one in values.items() if name != "VDEV" for word in (named.get(name, name), one) if word
        ])  # fmt: skip
    if keyword == "SHARE":
        kind = next((name for name in ("RELATIVE", "ABSOLUTE") if name in values), "RELATIVE")
        return f"SHARE {kind} {values.get(kind, '100')}"
    words = [values.get(name[1:-1], "") if name.startswith("{") else name for name in STATEMENTS[keyword].split()]
    if keyword == "IPL":
        words += [word for name in ("LOADPARM", "PARM") if values.get(name) for word in (name, values[name])]
    return " ".join(" ".join(words).replace("2540_", "2540 ").split())


def new_disk(value: str) -> NewDisk:
    values = values_of(value)
    allocation = values.get("DISKTYPE", "AUTOG").upper()
    place = values.get("NAME", "") if allocation in AUTOMATIC else values.get("VOLID", "")
    devtype = values.get("DEVTYPE", "3390").upper()
    return NewDisk(
        values.get("VDEV", ""),
        "3390" if devtype in ("", "XXXX") else devtype,
        allocation if allocation in AUTOMATIC else values.get("START", "0"),
        place.upper(),
        int(values["COUNT"]) if values.get("COUNT", "").isdigit() else 0,
        values.get("MODE", "W").upper(),
        tuple(filter(None, (values.get(f"{kind}PASSWORD", "").upper() for kind in ("READ", "WRITE", "MULTI")))),
    )


@api("Image_Definition_Query_DM", "params+")
def definition_query(call: Call) -> Answer:
    """The items of the keywords asked about; ``*`` for all."""
    entry = call.system.manager.entry(call.target)
    wanted = [word.upper() for text in call.texts("params") for word in text.split()]
    for word in wanted:
        if (word.partition("=")[0] not in KNOWN and word != "*") or "=" in word:
            raise unknown(word)
    everything = entry_items(call.system.directory, entry)
    found = [one for one in everything if "*" in wanted or one.partition("=")[0].removesuffix("_PROFILE") in wanted]
    return ok(array([asciiz_list(found)]))


@api("Image_Definition_Create_DM", "params+")
def definition_create(call: Call) -> Answer:
    """A whole new user from keywords."""
    given = items(call)
    manager = call.system.manager
    if manager.directory.get(call.target):
        raise SmapiError(400, 8)
    first = next((one for one in given if one[0] in OF_THE_HEAD), ("NOLOG", ""))
    password = first[1].upper() if first[0] == "PASSWORD" else first[0]
    records = [f"USER {call.target} {password or 'NOLOG'} * * *"]
    records += [statement(*one) for one in given if one[0] not in ("MDISK", *OF_THE_HEAD)]
    change = manager.create(call.target, records)
    disks = [new_disk(value) for keyword, value in given if keyword == "MDISK"]
    change.do()
    try:
        for disk in disks:
            manager.new_disk(call.target, disk).do()
    except SmapiError:
        manager.delete(call.target).do()
        raise SmapiError(8, 3032) from None
    return ok()


@api("Image_Definition_Update_DM", "params+")
def definition_update(call: Call) -> Answer:
    """Things of which there is one are set; others are added."""
    given = items(call)
    manager = call.system.manager
    manager.changeable(call.target)
    for keyword, value in given:
        if keyword == "MDISK":
            update_disk(call, value)
        elif keyword in OF_THE_HEAD:
            set_password(call, value.upper() if keyword == "PASSWORD" else keyword)
        elif keyword in MANY:
            add_one(call, keyword, value)
        else:
            manager.set_statement(call.target, statement(keyword, value).split()[0], statement(keyword, value))
    return ok()


def update_disk(call: Call, value: str) -> None:
    try:
        call.system.manager.new_disk(call.target, new_disk(value)).do()
    except SmapiError as error:
        raise call.refuse((error.answer.rc, error.answer.rs), (8, 3032)) from None


def add_one(call: Call, keyword: str, value: str) -> None:
    entry = call.system.manager.entry(call.target)
    address = vdev(values_of(value).get(MANY[keyword], ""))
    if keyword != "CPU":
        call.must(not address_taken(entry, address), (404, 4))
    call.system.manager.add(entry.name, statement(keyword, value))


def set_password(call: Call, password: str) -> None:
    entry = call.system.manager.changeable(call.target)
    words = entry.records[entry.head.index].split()
    words[2:3] = [password]
    records = list(entry.records)
    records[entry.head.index] = " ".join(words)
    call.system.manager.put(rewritten(Entry(entry.kind, entry.name, tuple(records))))


@api("Image_Definition_Delete_DM", "params+")
def definition_delete(call: Call) -> Answer:
    """One thing by what tells it apart (``MDISK=VDEV=999``), or all of a kind."""
    given = items(call)
    manager = call.system.manager
    manager.changeable(call.target)
    for keyword, value in given:
        delete_one(call, keyword, value)
    return ok()


def delete_one(call: Call, keyword: str, value: str) -> None:
    manager = call.system.manager
    if keyword == "MDISK":
        address = values_of(value).get("VDEV", "")
        if call.system.directory.disk(call.target, vdev(address)) is None:
            raise SmapiError(408, 8)
        manager.delete_disk(call.target, address).do()
        return
    entry = manager.entry(call.target)
    name = (PLAIN.get(keyword) or STATEMENTS.get(keyword) or keyword).split()[0]
    found = list(entry.find(name))
    if keyword in MANY and value:
        place = 2 if keyword == "LINK" else 0
        wanted = vdev(values_of(value).get(MANY[keyword], ""))
        found = [one for one in found if vdev(one.operand(place)) == wanted]
    if not found:
        raise SmapiError(460, 4) if keyword == "IPL" else SmapiError(8, 4)
    manager.drop(entry.name, found)
