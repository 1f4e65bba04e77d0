"""The kinds of hosts there are, and the hosts of a site: a table ``[hosts.NAME]`` for each in ``goldroot.toml``.

A new kind is one line here, a dataclass for its table, and a function that opens it.  pydantic checks a table against
the dataclass; a table of plain texts and numbers that are right costs no import of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING, Any, Protocol

from goldroot.errors import UsageError, did_you_mean
from goldroot.hosts.port import Host
from goldroot.hosts.sets import check_host_name

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

#: The host of a site whose file has ``[host]``, or none: as if it were written ``[hosts.local]``.
ONLY_HOST = "local"
DIRECTORY, NSPAWN, QEMU, LIBVIRT, ZVM = "directory", "nspawn", "qemu", "libvirt", "zvm"

#: What pydantic calls a wrong value -> what it has to be.
_MUST_BE = {
    "string_type": "a text",
    "list_type": "a list",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "dict_type": "a table",
}


#: Values of these fields of a dataclass need no more than a look at their type, and what they have to be.
_PLAIN: Mapping[str, tuple[type, str]] = {
    "str": (str, "a text"),
    "int": (int, "a whole number"),
    "bool": (bool, "true or false"),
}


@dataclass(frozen=True, slots=True)
class SeenDisk:
    """What there is of a disk on a host, whoever names it."""

    id: str
    owner: str = ""  #: the entry that its label names; "": it has no label
    whole: bool = False  #: its bytes are there
    begun: bool = False  #: its making or removal was begun, and is not done
    why: str = ""  #: what is wrong with its label, where that cannot be told otherwise
    damage: str = ""  #: what is wrong with its bytes


class SiteHost(Host, Protocol):
    """A host, with what a site does with the place where it keeps what is its own."""

    @property
    def store(self) -> str:
        """Absolute path of that place."""

    @property
    def own_paths(self) -> list[str]:
        """What of the store is goldroot's, for :func:`goldroot.private.tighten`; the store's directory is the last."""

    @property
    def trees(self) -> list[str]:
        """The directories of the store in which trees are: what is in these has modes of its own."""

    def create(self) -> None:
        """Make the store; what is there already stays."""

    def is_made(self) -> bool:
        """Whether the store is there."""

    def label(self) -> str:
        """What :meth:`set_label` wrote last; "" where nothing was."""

    def set_label(self, label: str) -> None:
        """Write down whose the store is."""

    def disk_ids(self) -> list[str]:
        """The ids of all disks that there are anything of; for lists, never to answer about one."""

    def look_at_disk(self, id: str) -> SeenDisk:
        """What there is of a disk, whoever names it; nothing is changed."""

    def leftovers(self) -> list[str]:
        """Work on disks that was begun, is not done, and that nobody does now; one line each."""

    def give_up_disk(self, id: str) -> None:
        """Remove a disk that no entry names.  Again: nothing.

        :raises Refused: an entry names it, or it is in use. :raises Damaged: an entry cannot be read: it may name it.
        """


@dataclass(frozen=True)
class Kind:
    """A kind of hosts: the dataclass of its table, and what opens one (name, table, the site's directory)."""

    config: type
    open: Callable[[str, Any, str], SiteHost]


@dataclass(frozen=True)
class HostTable:
    """A host as the site's file has it; ``config`` is of its kind's dataclass."""

    name: str
    kind: str
    config: Any


class BadTable(UsageError):
    """A host's table is wrong at ``key``; "": as a whole."""

    kind = "bad-host-table"

    def __init__(self, brief: str, key: str = "", *, todo: str = "") -> None:
        super().__init__(brief, todo=todo)
        self.key = key


def _directory() -> Kind:
    from goldroot.hosts.directory import DirectoryConfig, open_host

    return Kind(DirectoryConfig, open_host)


def _nspawn() -> Kind:
    from goldroot.hosts.nspawn import NspawnConfig, open_host

    return Kind(NspawnConfig, open_host)


def _qemu() -> Kind:
    from goldroot.hosts.qemu import QemuConfig, open_host

    return Kind(QemuConfig, open_host)


def _libvirt() -> Kind:
    from goldroot.hosts.libvirt import LibvirtConfig, open_host

    return Kind(LibvirtConfig, open_host)


def _zvm() -> Kind:
    from goldroot.hosts.zvm import ZvmConfig, open_host

    return Kind(ZvmConfig, open_host)


#: A kind is loaded when it is first used: what it stands on may not be installed.
KINDS: Mapping[str, Callable[[], Kind]] = {
    DIRECTORY: _directory,
    NSPAWN: _nspawn,
    QEMU: _qemu,
    LIBVIRT: _libvirt,
    ZVM: _zvm,
}


def host_table(name: str, values: Mapping[str, Any]) -> HostTable:
    """A host as its table says.

    :param values: the table, ``kind`` among it.
    :raises BadTable: there is no such kind, or its table is not like this; with the key.
    """
    try:
        check_host_name(name)
    except UsageError as error:
        raise BadTable(error.brief, todo=error.todo) from None
    rest = dict(values)
    kind = rest.pop("kind", DIRECTORY)
    if not isinstance(kind, str) or kind not in KINDS:
        raise BadTable(f"there is no kind of host {kind!r}", "kind", todo=f"Use {_or(KINDS)}.")
    return HostTable(name, kind, _checked(KINDS[kind]().config, rest))


def open_host(table: HostTable, root: str) -> SiteHost:
    """The host, for the site at ``root``; nothing is read or made yet."""
    return KINDS[table.kind]().open(table.name, table.config, root)


def _checked(config: type, values: dict[str, Any]) -> Any:
    if (plain := _plain(config, values)) is not None:
        return plain
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(config).validate_python(values)
    except ValidationError as error:
        raise _bad_table(error.errors(include_url=False)[0], [field.name for field in fields(config)]) from None


def _plain(config: type, values: Mapping[str, Any]) -> Any:
    """What a table says, where that takes no more than a look; ``None``: it does.

    :raises BadTable: a plain value is of another type; pydantic would take ``true`` for 1, and "3" for 3.
    """
    known = {one.name: str(one.type) for one in fields(config)}
    needed = {one.name for one in fields(config) if one.default is MISSING and one.default_factory is MISSING}
    for key, value in values.items():
        wanted, words = _PLAIN.get(known.get(key, ""), (object, ""))
        if wanted is not object and type(value) is not wanted:
            raise BadTable(f"{key!r} must be {words}", key)
    if needed - values.keys() or not all(_is_plain(known.get(key, ""), value) for key, value in values.items()):
        return None
    try:
        return config(**values)
    except ValueError:  # pydantic says it in its own words
        return None


def _is_plain(kind: str, value: object) -> bool:
    """Whether a value of a field of that kind is known to be right."""
    if kind == "list[str]":
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    return kind in _PLAIN


def _bad_table(found: ErrorDetails, known: list[str]) -> BadTable:
    key = str(found["loc"][0]) if found["loc"] else ""
    if found["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        todo = did_you_mean(key, known) or f"Known here: {', '.join(['kind', *known])}."
        return BadTable(f"unknown key {key!r}", key, todo=todo)
    if found["type"] in ("missing", "missing_argument"):
        return BadTable(f"{key!r} is missing")
    what = _MUST_BE.get(found["type"], "")
    if what and len(found["loc"]) > 1:
        return BadTable(f"{key!r} must hold, each time, {what}", key)
    return BadTable(f"{key!r} must be {what}" if what else f"{key!r}: {found['msg']}", key)


def _or(words: Mapping[str, object]) -> str:
    return " or ".join(f'kind = "{word}"' for word in words)
