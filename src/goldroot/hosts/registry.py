"""The kinds of hosts there are, and the hosts of a site: a table ``[hosts.NAME]`` for each in ``goldroot.toml``.

A new kind is one line here, a dataclass for its table, and a function that opens it.  pydantic checks a table against
the dataclass; a table that says nothing costs no import of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from goldroot.errors import UsageError
from goldroot.hosts.addresses import check_host_name
from goldroot.hosts.port import Host

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

#: The host of a site whose file has no ``[hosts.NAME]``.
ONLY_HOST = "local"
DIRECTORY, NSPAWN, QEMU, ZVM = "directory", "nspawn", "qemu", "zvm"

#: What pydantic calls a wrong value -> what it has to be.
_MUST_BE = {
    "string_type": "a text",
    "list_type": "a list",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "dict_type": "a table",
}


@dataclass(frozen=True)
class Kind:
    """A kind of hosts: the dataclass of its table, and what opens one (name, table, the site's directory)."""

    config: type
    open: Callable[[str, Any, str], Host]


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


def _zvm() -> Kind:
    from goldroot.hosts.zvm import ZvmConfig, open_host

    return Kind(ZvmConfig, open_host)


#: A kind is loaded when it is first used: what it stands on may not be installed.
KINDS: Mapping[str, Callable[[], Kind]] = {DIRECTORY: _directory, NSPAWN: _nspawn, QEMU: _qemu, ZVM: _zvm}


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


def open_host(table: HostTable, root: str) -> Host:
    """The host, for the site at ``root``; nothing is read or made yet."""
    return KINDS[table.kind]().open(table.name, table.config, root)


def _checked(config: type, values: dict[str, Any]) -> Any:
    if not values and not _needed(config):
        return config()
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(config).validate_python(values)
    except ValidationError as error:
        raise _bad_table(error.errors(include_url=False)[0], [field.name for field in fields(config)]) from None


def _needed(config: type) -> bool:
    """Whether a table cannot be empty."""
    return any(one.default is MISSING and one.default_factory is MISSING for one in fields(config))


def _bad_table(found: ErrorDetails, known: list[str]) -> BadTable:
    key = str(found["loc"][0]) if found["loc"] else ""
    if found["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        near = get_close_matches(key, known, 1)
        todo = f"Did you mean {near[0]!r}?" if near else f"Known here: {', '.join(['kind', *known])}."
        return BadTable(f"unknown key {key!r}", key, todo=todo)
    if found["type"] in ("missing", "missing_argument"):
        return BadTable(f"{key!r} is missing")
    what = _MUST_BE.get(found["type"], "")
    if what and len(found["loc"]) > 1:
        return BadTable(f"{key!r} must hold, each time, {what}", key)
    return BadTable(f"{key!r} must be {what}" if what else f"{key!r}: {found['msg']}", key)


def _or(words: Mapping[str, object]) -> str:
    return " or ".join(f'kind = "{word}"' for word in words)
