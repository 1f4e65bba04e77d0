"""The directory manager's keyword form of an entry: ``Query_All_DM`` with ``format=yes``, ``Image_Definition_*``.

Each statement becomes ``KEYWORD=NAME=value ...``; what a profile brings is ``KEYWORD_PROFILE``; the items are in
alphabetical order, and behind them stands, empty, every keyword that the entry does not use.  Learned from the
captured directory, which is there in both forms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from goldroot.zvm.simulator.directory import Directory, Entry
from goldroot.zvm.simulator.links import MODES
from goldroot.zvm.simulator.statements import Statement, vdev

#: All keywords of the form, in its order.
KEYWORDS = (
    "COMMAND_DEFINE_CPU", "COMMAND_SET_CPUAFFINITY", "COMMAND_SET_SHARE", "COMMAND_SET_VCONFIG", "CONSOLE", "CPU",
    "CPU_MAXIMUM", "DEDICATE", "INCLUDE", "IPL", "LINK", "MDISK", "NICDEF", "OPTION", "PRIVILEGE_CLASSES", "SHARE",
    "SPOOL", "STORAGE_INITIAL", "STORAGE_MAXIMUM", "VMRELOCATE",
)  # fmt: skip

#: Instead of a password; shown where the password would be.
NO_PASSWORDS = ("NOLOG", "AUTOONLY", "LBYONLY", "NOPASS")

#: A value that is not given.
ABSENT = ("", "*")


def console(one: Statement) -> str:
    other = f" USERID={one.operand(3)}" if one.operand(3) else ""
    return f"VDEV={one.operand(0)} DEVTYPE={one.operand(1)} CLASS={one.operand(2, 'T')}{other}"


def cpu(one: Statement) -> str:
    words = [f"CPUADDR={one.operand(0):0>2}"]
    if "BASE" in one.operands:
        words.append("BASE=YES")
    if one.value("CPUID"):
        words.append(f"CPUID={one.value('CPUID')}")
    return " ".join([*words, f"DEDICATE={'YES' if 'DEDICATE' in one.operands else 'NO'}"])


def machine(one: Statement) -> str:
    return f"COUNT={one.operand(1)} TYPE={one.operand(0)}"


def ipl(one: Statement) -> str:
    words = one.text.split()
    upper = [word.upper() for word in words]
    found = f"VDEV={one.operand(0)}"
    if "LOADPARM" in upper:
        found += f" LOADPARM={one.value('LOADPARM')}"
    if "PARM" in upper:
        found += f" PARM={' '.join(words[upper.index('PARM') + 1 :])}"
    return found


def link(one: Statement) -> str:
    second, mode = one.operand(2), one.operand(3)
    if second in MODES and not mode:
        second, mode = "", second
    return f"USERID={one.operand(0)} VDEV1={one.operand(1)} VDEV2={vdev(second or one.operand(1))} MODE={mode or 'RR'}"


def mdisk(one: Statement) -> str:
    found = f"VDEV={vdev(one.operand(0))} DEVTYPE={one.operand(1)} "
    kind, size = one.operand(2), one.operand(3)
    if kind in ("T-DISK", "V-DISK"):
        return f"{found}DISKTYPE={kind} COUNT={size} MODE={one.operand(4, 'W')}{passwords(one, 5)}"
    if kind == "DEVNO":
        return f"{found}DISKTYPE=DEVNO RDEV={size} MODE={one.operand(4, 'W')}{passwords(one, 5)}"
    place = f"DISKTYPE=PERM START={kind} COUNT={size} VOLID={one.operand(4)}"
    return f"{found}{place} MODE={one.operand(5, 'W')}{passwords(one, 6)}"


def passwords(one: Statement, first: int) -> str:
    """The three passwords from operand ``first`` on, empty where there are none."""
    read, write, multi = (one.operand(first + number) for number in range(3))
    return f" READPASSWORD={read} WRITEPASSWORD={write} MULTIPASSWORD={multi}"


def spool(one: Statement) -> str:
    """``2540 READER`` is one device type here."""
    devtype, rest = one.operand(1), list(one.operands[2:])
    if devtype == "2540" and rest:
        kind = "READER" if "READER".startswith(rest[0]) else "PUNCH"
        devtype, rest = f"2540_{kind}", rest[1:]
    return f"VDEV={vdev(one.operand(0))} DEVTYPE={devtype} CLASS={rest[0] if rest else 'A'}"


def share(one: Statement) -> str:
    """``SHARE RELATIVE 3000 [maximum [LIMITSOFT|LIMITHARD]]``"""
    kind = "ABSOLUTE" if "ABSOLUTE".startswith(one.operand(0)) else "RELATIVE"
    limit = next((word for word in one.operands if word.startswith(("LIMIT", "NOLIMIT"))), "NOLIMIT")
    return f"{kind}={one.operand(1)} LIMIT={limit}"


def nicdef(one: Statement) -> str:
    """A network adapter; LAN and the switch behind it are two names."""
    words = [f"VDEV={vdev(one.operand(0))}"]
    rest = list(one.operands[1:])
    while rest:
        name = rest.pop(0)
        if name == "LAN" and len(rest) > 1:
            words += [f"LAN={rest.pop(0)}", f"SWITCHNAME={rest.pop(0)}"]
        elif rest:
            words.append(f"{name}={rest.pop(0)}")
    return " ".join(words)


def rest_of(one: Statement) -> str:
    return one.text.partition(" ")[2].strip()


#: Statement -> (keyword, how its operands are written).
FORMS: dict[str, tuple[str, Callable[[Statement], str]]] = {
    "CONSOLE": ("CONSOLE", console),
    "CPU": ("CPU", cpu),
    "MACHINE": ("CPU_MAXIMUM", machine),
    "DEDICATE": ("DEDICATE", lambda one: f"VDEV={vdev(one.operand(0))} RDEV={one.operand(1)}"),
    "IPL": ("IPL", ipl),
    "LINK": ("LINK", link),
    "MDISK": ("MDISK", mdisk),
    "NICDEF": ("NICDEF", nicdef),
    "OPTION": ("OPTION", rest_of),
    "SHARE": ("SHARE", share),
    "SPOOL": ("SPOOL", spool),
    "CLASS": ("PRIVILEGE_CLASSES", lambda one: one.operand(0)),
    "STORAGE": ("STORAGE_INITIAL", lambda one: one.operand(0)),
    "MAXSTORAGE": ("STORAGE_MAXIMUM", lambda one: one.operand(0)),
    "VMRELOCATE": ("VMRELOCATE", rest_of),
}

#: What holds where the entry, and the profile that it includes, say nothing.
DEFAULTS = {"CPU": "CPUADDR=00 BASE=YES", "CPU_MAXIMUM": "COUNT=1 TYPE=ESA"}


#: Of these a guest has one; its own hides its profile's.
SINGLE = frozenset({"CONSOLE", "CPU_MAXIMUM", "IPL"})

#: Of these a profile's are not told.
NOT_FROM_PROFILE = frozenset({"STORAGE_INITIAL", "STORAGE_MAXIMUM"})


def entry_items(directory: Directory, entry: Entry) -> list[str]:
    """The whole keyword form of a user (its SUBCONFIG of this member merged, its profile named) or a profile."""
    items: list[tuple[str, str]] = []
    # What a member has of its own stands before what all members have; the profile comes last.
    parts = sorted(directory.parts(entry.name) if entry.kind != "PROFILE" else [entry], key=part_order)
    for part in parts:
        if part.kind == "PROFILE" and part is not entry:
            said = {key for key, _ in items}
            items += [(f"{key}_PROFILE", value) for key, value in part_items(part) if shown_of_profile(key, said)]
        else:
            items += part_items(part)
    items = counted([*one_option(items), *head_items(entry, items)])
    used = {key.removesuffix("_PROFILE") for key, _ in items}
    items += [(key, value) for key, value in DEFAULTS.items() if key not in used]
    used |= set(DEFAULTS)
    present = sorted(items, key=lambda item: "PASSWORD" if item[0] in NO_PASSWORDS else item[0])
    shown = [f"{key}={value}" if value else key for key, value in present]
    return [*shown, *(f"{key}=" for key in KEYWORDS if key not in used)]


def part_order(part: Entry) -> int:
    return {"SUBCONFIG": 0, "PROFILE": 2}.get(part.kind, 1)


def shown_of_profile(key: str, said: set[str]) -> bool:
    return key not in NOT_FROM_PROFILE and not (key in SINGLE and key in said) and key != "INCLUDE"


def counted(items: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """A MACHINE statement without a number has as many processors as there are CPU statements."""
    cpus = sum(key in ("CPU", "CPU_PROFILE") for key, _ in items)
    return [(key, value.replace("COUNT= ", f"COUNT={max(cpus, 1)} ")) for key, value in items]


def one_option(items: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """All OPTION statements of an entry are one item."""
    options = [value for key, value in items if key == "OPTION"]
    others = [item for item in items if item[0] != "OPTION"]
    return [*others, ("OPTION", " ".join(options))] if options else others


def part_items(part: Entry) -> Iterable[tuple[str, str]]:
    for one in part.statements:
        if one.keyword == "INCLUDE":
            yield "INCLUDE", one.operand(0)
        elif one.keyword in FORMS:
            key, write = FORMS[one.keyword]
            yield key, write(one)


def head_items(entry: Entry, items: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """What stands on the USER or IDENTITY statement, unless a statement of its own says it."""
    if entry.kind not in ("USER", "IDENTITY"):
        return []
    said = {key for key, _ in items}
    password = entry.password
    found = [(password, "") if password in NO_PASSWORDS else ("PASSWORD", password)]
    for number, key in enumerate(("STORAGE_INITIAL", "STORAGE_MAXIMUM", "PRIVILEGE_CLASSES"), 2):
        value = entry.head.operand(number)
        if value not in ABSENT and key not in said:
            found.append((key, value))
    return found
