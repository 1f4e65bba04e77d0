"""A store as goldroot 0.1 left it: machines in ``machines/``, disks that belong to nobody but by their names.

::

    STORE/machines/WEB1.json   {"name": "WEB1", "kind": "machine", "generation": 7,
                                "disks": {"1B5": {"disk": "web1-1B5-2", "mode": "rw"}},
                                "links": {"1B1": {"owner": "DEBIANGOLD2", "address": "1B1"}}}

Who converts one reads these, writes an entry for each, and renames the directory last: a kill before that repeats it all.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from goldroot import crash
from goldroot.errors import Damaged, Refused
from goldroot.hosts.directory.host import BEFORE, DirectoryHost, is_definition
from goldroot.hosts.inuse import entry_lock
from goldroot.hosts.port import Entry
from goldroot.hosts.sets import check_entry
from goldroot.hosts.storefiles import Label, encode, store_errors, sync_directory, write_whole
from goldroot.tree import remove_tree

#: What is kept of the definitions.
KEPT = "machines-before"


@dataclass(frozen=True, slots=True)
class FormerMachine:
    """A definition: disks (id) and links (owner, its address) by address; ``is_owner``: a gold slot."""

    name: str
    is_owner: bool
    generation: int
    disks: Mapping[str, str]
    links: Mapping[str, tuple[str, str]]


def former_machines(store: str) -> list[FormerMachine]:
    """All definitions, by name.

    :raises Damaged: one is not what goldroot wrote.
    """
    directory = os.path.join(store, BEFORE)
    names = sorted(filter(is_definition, os.listdir(directory)))
    return [_read(os.path.join(directory, name)) for name in names]


def convert(host: DirectoryHost, entries: Iterable[Entry], sealed: Collection[str]) -> None:
    """Write the entries, and labels for their disks; what stood in the store before goes out of use by one rename.

    A disk that no entry names goes: it was left by a command that was killed.  The caller is alone with the store.

    :param sealed: ids of disks that are never written again.
    """
    host.create()
    every = [check_entry(entry) for entry in entries]
    kept = {disk.id: entry.name for entry in every for disk in entry.disks.values()}
    disks = os.path.join(host.store, "disks")
    there = set(os.listdir(disks))
    if missing := sorted(kept.keys() - there):
        raise Damaged(
            f"the store {host.store!r} has no disk {missing[0]}, which {kept[missing[0]]} has",
            meaning="The store is of an older goldroot, and is converted only where it is whole. Nothing was changed.",
            todo="Put the disk back from a backup.",
        )
    for id, owner in sorted(kept.items()):
        host._labels.write(Label(id, owner, 0, "directory", "directory" if id in sealed else ""))
    for entry in every:
        write_whole(os.path.join(host.store, "entries", f"{entry.name}.json"), encode(entry))
        host._in_use.make(entry_lock(entry.name))
        crash.point("convert.entry-written")
    before = os.path.join(host.store, BEFORE)
    with store_errors(before):
        if os.path.exists(os.path.join(host.store, KEPT)):
            raise Refused(
                f"{host.store} holds {BEFORE} and {KEPT}", todo="Look at both, and remove the one not needed."
            )
        os.rename(before, os.path.join(host.store, KEPT))
        sync_directory(host.store)
    crash.point("convert.done")
    for name in there - kept.keys():
        remove_tree(os.path.join(disks, name))


def _read(path: str) -> FormerMachine:
    try:
        with open(path, "rb") as file:
            data = json.load(file)
        return FormerMachine(
            str(data["name"]),
            data["kind"] == "owner",
            int(data["generation"]),
            {address: str(disk["disk"]) for address, disk in data["disks"].items()},
            {address: (str(link["owner"]), str(link["address"])) for address, link in data["links"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Damaged(
            f"{path} is not a machine definition ({error})",
            meaning="It was damaged, or edited by hand; what the machine stands on is not known.",
            todo="Correct it, or put it back from a backup.",
        ) from error
