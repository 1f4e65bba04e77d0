"""The hosts of a site as its file has them: ``[host]``, or a table ``[hosts.NAME]`` for each."""

from __future__ import annotations

import os

from goldroot import toml
from goldroot.errors import BadInput, UsageError
from goldroot.hosts.registry import DIRECTORY, ONLY_HOST, BadTable, HostTable, host_table


def read_hosts(top: toml.Table, here: str) -> dict[str, HostTable]:
    """By name, as they stand in the file; a file that names none has a directory host.

    :param top: the file's top table.
    :param here: the directory to which stores are relative.
    :raises BadPolicy: a mistake, with its line.
    """
    alone, several = top.table("host"), top.table("hosts")
    if "host" in top and several.names():
        raise top.error(
            "there are [host] and [hosts.NAME]",
            "hosts",
            todo=f"Give each host a table [hosts.NAME]; the one of [host] is called {ONLY_HOST}: [hosts.{ONLY_HOST}].",
        )
    tables = {name: several.table(name) for name in several.names()} or {ONLY_HOST: alone}
    found = {name: _read(name, table) for name, table in tables.items()}
    _check_apart(tables, found, here)
    return found


def store_of(table: HostTable, here: str) -> str:
    """The absolute path of what a host keeps as its own."""
    return os.path.normpath(os.path.join(here, table.config.store))


def default_table() -> HostTable:
    """The host of a site whose file names none."""
    return host_table(ONLY_HOST, {"kind": DIRECTORY})


def template(kind: str) -> str:
    """The file of a new site whose host is of that kind.

    :raises BadInput: there is no such kind, or its table cannot be written without knowing more.
    """
    from goldroot.site.config import TEMPLATE

    try:
        host_table(ONLY_HOST, {"kind": kind})
    except BadTable as error:
        if error.key:
            raise BadInput(error.brief, todo=error.todo) from None
        raise BadInput(
            f"a host of kind {kind!r} is made only from a table that says more: {error.brief}",
            todo="Make the site with a directory host, then write the table in its goldroot.toml, and run init again.",
        ) from None
    return TEMPLATE.replace(f'kind = "{DIRECTORY}"', f'kind = "{kind}"', 1)


def _read(name: str, table: toml.Table) -> HostTable:
    try:
        return host_table(name, table.values())
    except BadTable as error:
        raise table.error(error.brief, error.key, todo=error.todo) from None
    except UsageError as error:
        raise table.error(error.brief, todo=error.todo) from None


def _check_apart(tables: dict[str, toml.Table], hosts: dict[str, HostTable], here: str) -> None:
    """No store is another host's, or stands in it: each takes what it does not know there for what was left."""
    seen: dict[str, str] = {}
    for name, table in hosts.items():
        store = os.path.realpath(store_of(table, here))
        for other, place in seen.items():
            if os.path.commonpath([store, place]) in (store, place):
                raise tables[name].error(
                    f"the stores of hosts {other!r} and {name!r} are the same, or one is in the other",
                    "store",
                    todo="Give each host a store of its own.",
                )
        seen[name] = store
