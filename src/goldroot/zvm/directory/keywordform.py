"""The directory manager's keyword form of an entry, as ``Query_All_DM format=yes`` answers it.

Profiles are included (their statements under ``..._PROFILE`` names), an IDENTITY is merged with the SUBCONFIG of one
member, abbreviations are resolved and defaults written out.  Every rule here was read from the captured answer of a
z/VM 7.1 directory manager and is checked against all of it; where a rule had no example there it is marked so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from goldroot.zvm.directory import redact
from goldroot.zvm.directory.model import Directory, Entry
from goldroot.zvm.directory.secret import MASK, Secret
from goldroot.zvm.directory.statement import Statement, own_address
from goldroot.zvm.directory.views import (
    Build,
    Device,
    Ipl,
    Link,
    Mdisk,
    Nicdef,
    Plain,
    User,
    View,
    is_short,
    view,
)

#: Keywords of which one is enough: the entry's own replaces the profile's.
_SINGLE = frozenset({"CONSOLE", "CPU_MAXIMUM", "IPL", "OPTION", "SHARE", "VMRELOCATE"})

Grouped = list[tuple[Statement, tuple[Statement, ...]]]


class Parts(NamedTuple):
    """What the keyword form of one machine is made of."""

    header: Statement
    #: Statements with their MDISK options: the SUBCONFIG's first, then the entry's own.
    own: Grouped
    profile: Grouped
    profile_name: str
    reveal: bool

    def of(self, keyword: str) -> tuple[Grouped, Grouped]:
        """The own and the profile's statements of one keyword; the profile's without devices that the entry has."""
        own = [pair for pair in self.own if pair[0].keyword == keyword]
        taken = {own_address(statement) for statement, _ in self.own if own_address(statement)}
        profile = [pair for pair in self.profile if pair[0].keyword == keyword and own_address(pair[0]) not in taken]
        return own, profile


def parts_of(directory: Directory, entry: Entry, member: str, reveal: bool) -> Parts:
    """Collects the statements that make up a machine."""
    subconfig = subconfig_of(directory, entry, member)
    own = [*(list(subconfig.with_options())[1:] if subconfig else []), *list(entry.with_options())[1:]]
    include = next((statement for statement, _ in own if statement.keyword == "INCLUDE"), None)
    name = "".join(include.operands[:1]).upper() if include else ""
    profile = directory.find(name, "PROFILE") if name else None
    return Parts(entry.header, own, list(profile.with_options())[1:] if profile else [], name, reveal)


def subconfig_of(directory: Directory, entry: Entry, member: str = "") -> Entry | None:
    """The SUBCONFIG that an IDENTITY is built with on a member; on the first that it names, where none is given."""
    builds = [found for statement in entry.code("BUILD") if isinstance(found := view(statement), Build)]
    chosen = next((build for build in builds if member.upper() in ("", build.member)), None)
    return directory.find(chosen.subconfig, "SUBCONFIG") if chosen else None


def subconfigs_of(directory: Directory, entry: Entry) -> list[Entry]:
    """The SUBCONFIG entries that an IDENTITY is built with, of all members; those that exist."""
    builds = [build for statement in entry.code("BUILD") if isinstance(build := view(statement), Build)]
    return [found for one in builds if (found := directory.find(one.subconfig, "SUBCONFIG"))]


def keyword_form(directory: Directory, entry: Entry, *, member: str = "", reveal: bool = False) -> list[str]:
    """The items of the keyword form, in the directory manager's order, without the empty one at its end.

    :param member: for an IDENTITY: the member whose SUBCONFIG is merged; the first one where not given.
    :param reveal: write passwords out, as the directory manager does; masked otherwise.
    """
    parts = parts_of(directory, entry, member, reveal)
    items = {keyword: _MAKERS[keyword](keyword, parts) for keyword in KEYWORDS}
    shown = str if reveal else lambda item: redact.field(item)
    filled = [shown(item) for keyword in KEYWORDS for item in items[keyword]]
    # The word in the place of the password stands bare, where PASSWORD would be in the alphabet.
    at = next((n for n, item in enumerate(filled) if item >= "PASSWORD"), len(filled))
    return [
        *filled[:at],
        *_password(parts),
        *filled[at:],
        *(f"{keyword}=" for keyword in KEYWORDS if not items[keyword]),
    ]


def _password(parts: Parts) -> list[str]:
    user = view(parts.header)
    if not isinstance(user, User):
        return []
    word = user.logon or _shown(user.password, parts.reveal)
    return [word] if word else []


def _shown(secret: Secret | None, reveal: bool) -> str:
    if secret is None:
        return ""
    return secret.reveal() if reveal else MASK


def _each(keyword: str, parts: Parts, write: Callable[[View, bool], str]) -> list[str]:
    """One item for each statement of a keyword, the profile's under the keyword with ``_PROFILE``."""
    own, profile = parts.of(keyword)
    if own and keyword in _SINGLE:
        profile = []
    return [
        f"{name}={write(view(statement, options), parts.reveal)}"
        for name, group in ((keyword, own), (f"{keyword}_PROFILE", profile))
        for statement, options in group
    ]


def _fields(*pairs: tuple[str, str]) -> str:
    """``A=1 B=2`` of the pairs that have a value."""
    return " ".join(f"{name}={value}" for name, value in pairs if value)


def _console(found: View, _: bool) -> str:
    assert isinstance(found, Device)
    rest = (*found.rest, "", "")
    return _fields(("VDEV", found.vdev), ("DEVTYPE", found.devtype), ("CLASS", rest[0] or "T"), ("USERID", rest[1]))


def _spool(found: View, _: bool) -> str:
    assert isinstance(found, Device)
    devtype = f"{found.devtype}_{found.unit}" if found.unit else found.devtype
    return _fields(("VDEV", found.address), ("DEVTYPE", devtype), ("CLASS", found.rest[0] if found.rest else "A"))


def _dedicate(found: View, _: bool) -> str:
    assert isinstance(found, Device)
    return _fields(("VDEV", found.address), ("RDEV", " ".join((found.devtype, *found.rest))))


def _ipl(found: View, _: bool) -> str:
    assert isinstance(found, Ipl)
    return _fields(("VDEV", found.system), ("LOADPARM", found.loadparm), ("PARM", found.parm))


def _link(found: View, _: bool) -> str:
    assert isinstance(found, Link)
    return _fields(("USERID", found.owner), ("VDEV1", found.vdev1), ("VDEV2", found.address), ("MODE", found.mode))


def _mdisk(found: View, reveal: bool) -> str:
    assert isinstance(found, Mdisk)
    fields = [("VDEV", found.address), ("DEVTYPE", found.devtype), ("DISKTYPE", found.disktype)]
    fields += [
        ("START", found.start),
        ("COUNT", found.size),
        ("VOLID", found.volume),
        ("MODE", found.mode),
    ]
    secrets = (("READ", found.read), ("WRITE", found.write), ("MULTI", found.multiple))
    shown = " ".join(f"{name}PASSWORD={_shown(secret, reveal)}" for name, secret in secrets)
    return f"{_fields(*fields)} {shown}"


def _nicdef(found: View, _reveal: bool) -> str:
    assert isinstance(found, Nicdef)
    pairs = [("VDEV", found.address)]
    for keyword, value in found.operands:
        owner, _, name = value.partition(" ")
        pairs += [("LAN", owner), ("SWITCHNAME", name)] if keyword == "LAN" else [(keyword, value or "YES")]
    return _fields(*pairs)


def _include(_: str, parts: Parts) -> list[str]:
    return [f"INCLUDE={parts.profile_name}"] if parts.profile_name else []


def _cpus(_: str, parts: Parts) -> list[str]:
    """CPU statements; BASE is said only where it is given, and written out for the one CPU of a machine without any."""
    own, profile = parts.of("CPU")
    if not own and not profile:
        return ["CPU=CPUADDR=00 BASE=YES"]
    taken = {_cpu_address(statement) for statement, _ in own}
    others = [pair for pair in profile if _cpu_address(pair[0]) not in taken]
    pairs = [("CPU", statement) for statement, _ in own] + [("CPU_PROFILE", statement) for statement, _ in others]
    return [f"{name}=CPUADDR={_cpu_address(statement)}{_cpu_words(statement)}" for name, statement in pairs]


def _cpu_words(statement: Statement) -> str:
    words = [word.upper() for word in statement.operands[1:]]
    base = " BASE=YES" if any(is_short(word, "BASE") for word in words) else ""
    return f"{base} DEDICATE={'YES' if any(is_short(word, 'DEDICATE') for word in words) else 'NO'}"


def _cpu_address(statement: Statement) -> str:
    return "".join(statement.operands[:1]).upper().zfill(2)


def _cpu_maximum(_: str, parts: Parts) -> list[str]:
    """MACHINE; the number of CPUs where it gives none."""
    own, profile = parts.of("MACHINE")
    cpus = max(len(_cpus("", parts)), 1)
    if not own and not profile:
        return [f"CPU_MAXIMUM=COUNT={cpus} TYPE=ESA"]
    name = "CPU_MAXIMUM" if own else "CPU_MAXIMUM_PROFILE"
    words = [word.upper() for word in (*(own or profile)[0][0].operands, "", "")]
    return [f"{name}=COUNT={words[1] or cpus} TYPE={words[0]}"]


def _option(_: str, parts: Parts) -> list[str]:
    own, profile = parts.of("OPTION")
    name, group = ("OPTION", own) if own else ("OPTION_PROFILE", profile)
    text = " ".join(word.upper() for statement, _ in group for word in statement.operands)
    return [f"{name}={text}"] if text else []


def _share(_: str, parts: Parts) -> list[str]:
    own, profile = parts.of("SHARE")
    name, group = ("SHARE", own) if own else ("SHARE_PROFILE", profile)
    if not group:
        return []
    words = [word.upper() for word in (*group[0][0].operands, "", "")]
    kind = next((full for full in ("RELATIVE", "ABSOLUTE") if is_short(words[0], full, 3)), words[0])
    limit = next((word for word in words[2:] if word.startswith(("LIMIT", "NOLIMIT"))), "NOLIMIT")
    return [f"{name}={kind}={words[1]} LIMIT={limit}"]


def _single(keyword: str, statement: str, field: str) -> Callable[[str, Parts], list[str]]:
    """An operand of the header that a statement of its own overrides."""

    def make(_: str, parts: Parts) -> list[str]:
        # The captured directory manager does not see MAXSTORAGE where it is abbreviated.
        said = [s.operands[0].upper() for s, _ in parts.of(statement)[0] if s.operands and _in_full(s)]
        user = view(parts.header)
        value = said[0] if said else getattr(user, field) if isinstance(user, User) else ""
        return [f"{keyword}={value}"] if value else []

    return make


def _in_full(statement: Statement) -> bool:
    return statement.raw_words[0].upper().decode("latin-1") == statement.keyword


def _command(*verb: str) -> Callable[[str, Parts], list[str]]:
    """COMMAND statements of one kind; the captured system had none, so that the form of the value is a guess."""

    def make(keyword: str, parts: Parts) -> list[str]:
        texts = [[word.upper() for word in statement.operands] for statement, _ in parts.of("COMMAND")[0]]
        return [f"{keyword}={' '.join(text[len(verb) :])}" for text in texts if tuple(text[: len(verb)]) == verb]

    return make


def _by_view(write: Callable[[View, bool], str]) -> Callable[[str, Parts], list[str]]:
    return lambda keyword, parts: _each(keyword, parts, write)


#: Keyword -> how its items are made.
_MAKERS: dict[str, Callable[[str, Parts], list[str]]] = {
    "COMMAND_DEFINE_CPU": _command("DEFINE", "CPU"),
    "COMMAND_SET_CPUAFFINITY": _command("SET", "CPUAFFINITY"),
    "COMMAND_SET_SHARE": _command("SET", "SHARE"),
    "COMMAND_SET_VCONFIG": _command("SET", "VCONFIG"),
    "CONSOLE": _by_view(_console),
    "CPU": _cpus,
    "CPU_MAXIMUM": _cpu_maximum,
    "DEDICATE": _by_view(_dedicate),
    "INCLUDE": _include,
    "IPL": _by_view(_ipl),
    "LINK": _by_view(_link),
    "MDISK": _by_view(_mdisk),
    "NICDEF": _by_view(_nicdef),
    "OPTION": _option,
    "PRIVILEGE_CLASSES": _single("PRIVILEGE_CLASSES", "CLASS", "classes"),
    "SHARE": _share,
    "SPOOL": _by_view(_spool),
    "STORAGE_INITIAL": _single("STORAGE_INITIAL", "STORAGE", "storage"),
    "STORAGE_MAXIMUM": _single("STORAGE_MAXIMUM", "MAXSTORAGE", "maximum"),
    "VMRELOCATE": _by_view(
        lambda found, _: " ".join(str(word) for word in found.words) if isinstance(found, Plain) else ""
    ),
}
KEYWORDS = tuple(_MAKERS)
