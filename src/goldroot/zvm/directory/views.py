"""Typed views of directory statements: what each says, with the words as written (names and addresses in capitals).

Fields that a statement leaves out, or fills with the placeholder ``*``, are "".  Passwords are ``Secret``: they
compare, and print as asterisks.  Source of the operands: IBM, CP Planning and Administration (z/VM 7), and VM/370's
Planning Guide for the older forms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from goldroot.zvm.directory import redact
from goldroot.zvm.directory.model import Entry
from goldroot.zvm.directory.secret import MASK, Secret
from goldroot.zvm.directory.shapes import is_mode, link_shape, mdisk_shape
from goldroot.zvm.directory.statement import Statement, address_of


class User(NamedTuple):
    """USER and IDENTITY.  ``logon``: NOLOG, AUTOONLY, LBYONLY, NOPASS, or "" where a password stands."""

    kind: str
    userid: str
    logon: str
    password: Secret | None
    storage: str
    maximum: str
    classes: str
    priority: str
    #: line-end, line-delete, character-delete and escape symbols
    symbols: tuple[str, ...]


class Named(NamedTuple):
    """SUBCONFIG, PROFILE and INCLUDE: a name and no more."""

    kind: str
    name: str


class Build(NamedTuple):
    """BUILD ON member USING SUBCONFIG id."""

    member: str
    subconfig: str


class Link(NamedTuple):
    """LINK.  ``vdev2`` is ``vdev1`` where the statement leaves it out; ``mode`` is "" then."""

    owner: str
    vdev1: str
    vdev2: str
    mode: str

    @property
    def address(self) -> str:
        """The address on this machine, four digits."""
        return address_of(self.vdev2)


class DiskOption(NamedTuple):
    """A MINIOPT or DASDOPT statement."""

    kind: str
    options: tuple[str, ...]


class Mdisk(NamedTuple):
    """MDISK with the options that belong to it.

    ``disktype``: PERM, T-DISK, V-DISK or DEVNO.  ``start``: cylinder or block, or AUTOG, AUTOR, AUTOV.  ``size``:
    cylinders or blocks, or END.  ``volume``: volume label, area or group; the real device number for DEVNO.
    """

    vdev: str
    devtype: str
    disktype: str
    start: str
    size: str
    volume: str
    mode: str
    read: Secret | None
    write: Secret | None
    multiple: Secret | None
    options: tuple[DiskOption, ...]

    @property
    def address(self) -> str:
        return address_of(self.vdev)


class Ipl(NamedTuple):
    """IPL of a device address or a named system."""

    system: str
    loadparm: str
    parm: str


class Machine(NamedTuple):
    """MACHINE: ESA, XA, XC, Z; ``cpus`` the most that may be defined."""

    mode: str
    cpus: str


class Option(NamedTuple):
    options: tuple[str, ...]


class Nicdef(NamedTuple):
    """NICDEF: operands by keyword, as TYPE, DEVICES, LAN (owner and name), MACID, VLAN."""

    vdev: str
    operands: tuple[tuple[str, str], ...]

    @property
    def address(self) -> str:
        return address_of(self.vdev)


class Command(NamedTuple):
    """COMMAND; the text may hold a password, so that it is a ``Secret`` too."""

    text: Secret


class Device(NamedTuple):
    """DEDICATE, SPOOL, CONSOLE and SPECIAL.

    ``devtype`` is the real device (or VOLID ...) for DEDICATE; ``reader`` or ``punch`` stands in ``unit`` for SPOOL;
    ``rest`` is the class for SPOOL, class and secondary user for CONSOLE, and what else there is.
    """

    kind: str
    vdev: str
    devtype: str
    unit: str
    rest: tuple[str, ...]

    @property
    def address(self) -> str:
        return address_of(self.vdev)


class Plain(NamedTuple):
    """Any other statement; words that are or may be passwords are ``Secret``."""

    keyword: str
    words: tuple[str | Secret, ...]


View = User | Named | Build | Link | DiskOption | Mdisk | Ipl | Machine | Option | Nicdef | Command | Device | Plain


def view(statement: Statement, options: tuple[Statement, ...] = ()) -> View:
    """The view of one statement; ``options`` are the MINIOPT and DASDOPT statements behind an MDISK."""
    words = [word.decode("latin-1") for word in statement.raw_words]
    if statement.keyword == "MDISK":
        return _mdisk(words, tuple(_option(option) for option in options))
    if statement.keyword == "COMMAND":
        return Command(Secret(statement.tail))
    make = _MAKERS.get(statement.keyword)
    if make:
        return make(statement.keyword, words)
    shown = redact.operands(statement)
    return Plain(
        redact.field(statement.keyword),
        tuple(a if a == b else Secret(a) for a, b in zip(words[1:], shown, strict=False)),
    )


def views(entry: Entry) -> Iterator[View]:
    """The views of all statements of an entry, options folded into their MDISK, comments left out."""
    before: Statement | None = None
    for statement, options in entry.with_options():
        if redact.is_rest(before, statement):
            yield Plain(MASK, tuple(Secret(word) for word in statement.operands))
        else:
            before = statement
            yield view(statement, options)


def disks(entry: Entry) -> list[tuple[Mdisk, Statement]]:
    """The minidisks of an entry with the statement of each."""
    return [
        (disk, statement)
        for statement, options in entry.with_options()
        if statement.keyword == "MDISK" and isinstance(disk := view(statement, options), Mdisk)
    ]


def links(entry: Entry) -> list[tuple[Link, Statement]]:
    """The links of an entry with the statement of each."""
    return [(link, statement) for statement in entry.code("LINK") if isinstance(link := view(statement), Link)]


def _at(words: list[str], at: int | None) -> str:
    """A word in capitals; "" where it is missing or a placeholder."""
    word = words[at] if at is not None and at < len(words) else ""
    return "" if word == "*" else word.upper()


def _mode(words: list[str], at: int | None) -> str:
    """A link mode; "" for a word that is none, which may be a password in the wrong place."""
    word = _at(words, at)
    return word if is_mode(word) else ""


def _secret(words: list[str], at: int) -> Secret | None:
    return Secret(words[at].upper()) if at < len(words) else None


def _user(kind: str, words: list[str]) -> User:
    logon = _at(words, 2) if _at(words, 2) in redact.LOGON_WORDS else ""
    password = None if logon else _secret(words, 2)
    storage, maximum, classes, priority = (_at(words, at) for at in (3, 4, 5, 6))
    return User(kind, _at(words, 1), logon, password, storage, maximum, classes, priority, tuple(words[7:11]))


def _named(kind: str, words: list[str]) -> Named:
    return Named(kind, _at(words, 1))


def _build(_: str, words: list[str]) -> Build:
    upper = [word.upper() for word in words]
    member = _after(upper, "ON")
    return Build(member, _after(upper, "SUBCONFIG", "SUBC") or _after(upper, "USING"))


def _after(words: list[str], *keywords: str) -> str:
    """The word behind the first of ``keywords``; "" where there is none."""
    return next((words[at + 1] for at, word in enumerate(words[:-1]) if at and word in keywords), "")


def _link(_: str, words: list[str]) -> Link:
    shape = link_shape(words)
    vdev1 = _at(words, 2)
    return Link(_at(words, 1), vdev1, _at(words, shape.vdev2) or vdev1, _mode(words, shape.mode))


def _option(statement: Statement) -> DiskOption:
    return DiskOption(statement.keyword, tuple(word.upper() for word in statement.operands))


def _mdisk(words: list[str], options: tuple[DiskOption, ...]) -> Mdisk:
    shape = mdisk_shape(words)
    start, size, volume = (_at(words, at) if at else "" for at in (shape.start, shape.size, shape.volume))
    read, write, multiple = (_secret(words, shape.mode + at) for at in (1, 2, 3))
    mode = _mode(words, shape.mode)
    return Mdisk(
        _at(words, 1), _at(words, 2), shape.disktype, start, size, volume, mode, read, write, multiple, options
    )


def _ipl(_: str, words: list[str]) -> Ipl:
    upper = [word.upper() for word in words]
    parm = next((at for at, word in enumerate(upper) if at > 1 and word in ("PARM", "PARMREGS")), len(words))
    return Ipl(_at(words, 1), _after(upper[:parm], "LOADPARM", "LOADP"), " ".join(words[parm + 1 :]))


def _machine(_: str, words: list[str]) -> Machine:
    return Machine(_at(words, 1), _at(words, 2))


def _options(_: str, words: list[str]) -> Option:
    return Option(tuple(word.upper() for word in words[1:]))


#: NICDEF keywords that take two words, and those that take none.
_NIC_TWO = ("LAN",)
_NIC_NONE = ("PROMISCUOUS", "NOPROMISCUOUS", "PRO", "NOPRO")


def _nicdef(_: str, words: list[str]) -> Nicdef:
    upper = [word.upper() for word in words]
    operands: list[tuple[str, str]] = []
    at = 2
    while at < len(upper):
        size = 2 if upper[at] in _NIC_TWO else 0 if upper[at].startswith(_NIC_NONE) else 1
        keyword = "DEVICES" if upper[at].startswith("DEV") else upper[at]
        operands.append((keyword, " ".join(upper[at + 1 : at + 1 + size])))
        at += 1 + size
    return Nicdef(_at(words, 1), tuple(operands))


def _device(kind: str, words: list[str]) -> Device:
    upper = [word.upper() for word in words]
    unit = ""
    if kind == "SPOOL" and len(upper) > 3:
        long = {"RDR": "READER", "PCH": "PUNCH", "PRT": "PRINTER"}.get(upper[3], upper[3])
        unit = next((name for name in ("READER", "PUNCH", "PRINTER") if is_short(long, name)), "")
    return Device(kind, _at(words, 1), _at(words, 2), unit, tuple(upper[4 if unit else 3 :]))


def is_short(word: str, name: str, shortest: int = 2) -> bool:
    """Whether ``word`` is ``name`` or an abbreviation of it, e.g. READ for READER."""
    return len(word) >= shortest and name.startswith(word)


_MAKERS: dict[str, Callable[[str, list[str]], View]] = {
    "USER": _user,
    "IDENTITY": _user,
    "SUBCONFIG": _named,
    "PROFILE": _named,
    "INCLUDE": _named,
    "BUILD": _build,
    "LINK": _link,
    "MINIOPT": lambda kind, words: DiskOption(kind, tuple(word.upper() for word in words[1:])),
    "DASDOPT": lambda kind, words: DiskOption(kind, tuple(word.upper() for word in words[1:])),
    "IPL": _ipl,
    "MACHINE": _machine,
    "OPTION": _options,
    "NICDEF": _nicdef,
    "DEDICATE": _device,
    "SPOOL": _device,
    "CONSOLE": _device,
    "SPECIAL": _device,
}
