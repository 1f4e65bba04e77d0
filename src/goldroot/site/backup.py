"""Writing a backup of a site: the catalog, the keys, signed records and records of merges, entries, the configuration.

Not in it: the disks (back up the stores for these), what is known of them and can be scanned again, and the journal, whose
steps any command repeats.  The catalog comes first: whatever is copied after it is as new as it is, or newer, and that is
what ``goldroot doctor`` puts right.  Where a database server has the catalog, its rows are in the backup in the same form, as a
file of SQLite: a backup is one thing, wherever its rows come from and go to.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from goldroot import files
from goldroot.catalog import copy_catalog, open_catalog
from goldroot.errors import Damaged, NoSpace, NotFound, Refused
from goldroot.files import OPEN_DIRECTORY, open_regular, says_full
from goldroot.hosts.registry import SiteHost
from goldroot.site.backup_file import BackupWriter, is_name, new_backup, new_head, refuse_other_file
from goldroot.site.site import CONFIG, Site
from goldroot.site.space import work_room

CATALOG = "catalog.sqlite"
#: Directories of a site that are copied with all that is in them.
DIRECTORIES = ("keys", "images", "records")
#: The same of a host's store, and files: its label, and the register of extents of a z/VM host.
OF_STORE, LABEL, EXTENTS = ("entries", "labels"), "label", "disks.sqlite"


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was written, or would be."""

    file: str
    made_at: str
    files: int
    bytes: int
    catalog: bool
    left_out: tuple[str, ...]  #: what belongs to the site and is not in it, for people
    plan: bool = False

    def as_dict(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "file": self.file, "made_at": self.made_at, "files": self.files, "bytes": self.bytes, "catalog": self.catalog,
            "left_out": list(self.left_out), "plan": self.plan,
        }  # fmt: skip


def write_backup(site: Site, file: str, *, plan_only: bool = False) -> Backup:
    """Write a backup; commands may go on meanwhile.

    :param plan_only: only say what would be in it.
    :raises Refused: something else is there under that name. :raises Damaged: the catalog is.
    """
    path = os.path.abspath(file)
    refuse_other_file(path)
    stores = {name: site.look_at_host(name).label() for name in site.config.hosts}
    head = new_head(site.root, stores, catalog=True)
    outside = tuple(_outside(site))
    if plan_only:
        listed = [*_site_files(site), *_host_files(site)]
        sizes = [size for place, _ in listed if (size := _size(place)) >= 0]
        # How large the rows of a database server will be is not known before they are read.
        sizes += [os.path.getsize(site.catalog_file) if os.path.exists(site.catalog_file) else 0]
        return Backup(path, head.made_at, len(sizes), sum(sizes), True, outside, plan=True)
    with work_room(site, "backup") as room, new_backup(path, head) as out:
        source = site.catalog_file or _rows_of_server(site, os.path.join(room.path, "rows.sqlite"))
        _add_database(out, source, f"site/{CATALOG}", os.path.join(room.path, CATALOG))
        for place, name in (*_site_files(site), *_host_files(site)):
            _add(out, place, name)
        for name in site.config.hosts:
            extents = os.path.join(site.look_at_host(name).store, EXTENTS)
            if os.path.exists(extents):
                _add_database(out, extents, f"host/{name}/{EXTENTS}", os.path.join(room.path, f"{name}-{EXTENTS}"))
        written = list(out.files.values())
    return Backup(path, head.made_at, len(written), sum(one["size"] for one in written), True, outside)


def _rows_of_server(site: Site, place: str) -> str:
    """The rows of a catalog that a database server has, as they are at one moment, in a file of SQLite."""
    files.prepare(place)
    with open_catalog(place, create=True) as copy:
        copy_catalog(site.catalog, copy)
    return place


def _add_database(out: BackupWriter, source: str, name: str, place: str) -> None:
    """A consistent copy, whoever writes meanwhile (https://sqlite.org/backup.html).

    :raises Damaged: it is. :raises NotFound: it is not there. :raises NoSpace: for it, or for the copy.
    """
    if not os.path.exists(source):
        raise NotFound(
            f"the catalog {source!r} is missing",
            meaning="Nothing was written.",
            todo="Make it again with `goldroot doctor --repair`, or put it back with `goldroot restore`.",
        )
    try:
        database = sqlite3.connect(f"file:{quote(source)}?mode=ro", uri=True, timeout=30)
        with closing(database), closing(sqlite3.connect(place)) as copy:
            database.backup(copy)
            found = [str(row[0]) for row in copy.execute("PRAGMA quick_check(1)")]
    except sqlite3.DatabaseError as error:
        if says_full(error.sqlite_errorcode, source, place):
            raise NoSpace(
                f"no space left for a copy of {source!r} at {place!r}",
                meaning="No backup was written: databases are copied in the site first. A former one stays as it is.",
                todo="Make room (goldroot fallback prune, clone delete and update cancel work all the same), then run the same "
                "command again.",
            ) from None
        found = [str(error)]
    if found != ["ok"]:
        raise Damaged(
            f"{source!r} is damaged: {found[0]}",
            meaning="No backup was written: it would not be one. A former one stays as it is.",
            todo="See what can be done about it: goldroot doctor",
        )
    with open(place, "rb") as file:
        out.add(name, file)


def _site_files(site: Site) -> Iterator[tuple[str, str]]:
    """Files of the site: path, and name in the backup."""
    yield site.path(CONFIG), f"site/{CONFIG}"
    for policy in _policies(site):
        inside = os.path.relpath(policy, site.root)
        if not inside.startswith("..") and is_name(f"site/{inside}"):
            yield policy, f"site/{inside}"
    for directory in DIRECTORIES:
        yield from _below(site.path(directory), f"site/{directory}")


def _host_files(site: Site) -> Iterator[tuple[str, str]]:
    for name in site.config.hosts:
        host: SiteHost = site.look_at_host(name)
        yield os.path.join(host.store, LABEL), f"host/{name}/{LABEL}"
        for directory in OF_STORE:
            yield from _below(os.path.join(host.store, directory), f"host/{name}/{directory}")


def _policies(site: Site) -> list[str]:
    return sorted({image.policy for image in site.config.images.values() if image.policy})


def _outside(site: Site) -> Iterator[str]:
    for policy in _policies(site):
        inside = os.path.relpath(policy, site.root)
        if inside.startswith("..") or not is_name(f"site/{inside}"):
            yield f"the policy {policy}: it stands outside of the site"
    stores = ", ".join(site.look_at_host(name).store for name in site.config.hosts)
    yield f"the disks of the stores: {stores}"


def _below(directory: str, name: str) -> Iterator[tuple[str, str]]:
    """What stands below a directory and is not being made: path and name; links are passed over."""
    try:
        handle = os.open(directory, OPEN_DIRECTORY)
    except OSError:
        return
    try:
        with os.scandir(handle) as found:
            inside = sorted((one.name, one.is_dir(follow_symlinks=False)) for one in found)
    finally:
        os.close(handle)
    for entry, is_directory in inside:
        if not is_name(f"{name}/{entry}") or entry.endswith(".new"):
            continue
        place = os.path.join(directory, entry)
        if is_directory:
            yield from _below(place, f"{name}/{entry}")
        else:
            yield place, f"{name}/{entry}"


def _add(out: BackupWriter, path: str, name: str) -> None:
    """A file, unless it went meanwhile, or is not one."""
    with suppress(FileNotFoundError, NotADirectoryError):
        above = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            handle = open_regular(os.path.basename(path), above)
        finally:
            os.close(above)
        if handle is None:
            return
        with os.fdopen(handle, "rb") as file:
            try:
                out.add(name, file)
            except OSError as error:
                if error.errno is not None:
                    raise
                raise Refused(  # tarfile's own: it got shorter while it was read
                    f"{path} changed while it was read", todo="Run the command again."
                ) from error


def _size(path: str) -> int:
    try:
        found = os.lstat(path)
    except OSError:
        return -1
    return found.st_size if stat.S_ISREG(found.st_mode) else -1
