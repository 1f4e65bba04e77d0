"""Putting a backup back: what is missing or damaged comes from it, what is there and right stays, the catalog is the backup's.

The hosts went on since the backup: gold was published, servers were moved.  Signed records, records of merges and entries that are
newer than the backup are kept, for a catalog that is older than its hosts is brought up to them by just these
(:mod:`goldroot.fleet.doctor`).  What is replaced is kept below ``before-restore-.../`` of the site.

Nothing is put anywhere before the whole backup was read and is what it says.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import IO, Any

from goldroot import crash, files
from goldroot.catalog import copy_catalog, has_rows, is_there, open_catalog
from goldroot.errors import BadInput, Busy, GoldrootError, NotFound, Refused
from goldroot.fleet.put_back import PutBack, below, holds, is_json, move, reads
from goldroot.ids import new_id
from goldroot.image import papers_hold
from goldroot.locks import held_by, lock, lock_file
from goldroot.site import (
    CONFIG,
    FORMER_NAMES,
    RESTORE,
    BackupHead,
    Config,
    Site,
    keys_work,
    load_config,
    load_layout,
    read_backup,
)

JOURNAL, CATALOG = "workflow.sqlite", "catalog.sqlite"
#: How the directory begins that a backup is unpacked into.
UNPACKED = ".restore-"
#: Beside a database of SQLite.
_BESIDE = ("-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put back, or would be; paths are relative to the site."""

    file: str
    root: str
    made_at: str
    put: tuple[str, ...]  #: were missing
    replaced: tuple[str, ...]  #: were damaged, or the catalog that was there
    kept: tuple[str, ...]  #: are otherwise than in the backup, and stay
    refused: tuple[str, ...]  #: entries of the backup that do not fit what is on the host
    aside: str  #: where is what was replaced; "": nothing was
    plan: bool = False
    catalog: bool = True  #: whether the catalog is the backup's now

    def as_dict(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "file": self.file, "root": self.root, "made_at": self.made_at, "put": list(self.put),
            "replaced": list(self.replaced), "kept": list(self.kept), "refused": list(self.refused), "aside": self.aside,
            "catalog": self.catalog, "plan": self.plan,
        }  # fmt: skip


def restore_backup(file: str, to: str = "", *, plan_only: bool = False) -> Restored:
    """Put a backup back.

    :param to: the site's directory; "": where the backup was made.
    :raises BadInput: it is foreign or damaged. :raises Refused: the directory is another site's, or holds other things.
    :raises Busy: a command works on that site.
    """
    head, _ = read_backup(file)
    root = os.path.abspath(to or head.root)
    _check_place(root, head, plan_only=plan_only)
    if plan_only:
        with _unpacked(file, tempfile.gettempdir()) as unpacked:
            return _Restoring(root, unpacked, True, file=file, made_at=head.made_at).run()
    made = not os.path.lexists(root)
    files.make_directory(root)
    try:
        with lock(lock_file(os.path.join(root, "locks"), RESTORE), 0.0, f"goldroot restore {file}"):
            _sweep(root)
            with _unpacked(file, root) as unpacked:
                return _Restoring(root, unpacked, False, file=file, made_at=head.made_at).run()
    finally:
        if made and os.listdir(root) == ["locks"]:
            shutil.rmtree(root)


def _sweep(root: str) -> None:
    """What a restore that was killed had unpacked."""
    for name in os.listdir(root):
        if name.startswith(UNPACKED):
            shutil.rmtree(os.path.join(root, name), ignore_errors=True)


def _check_place(root: str, head: BackupHead, *, plan_only: bool) -> None:
    if not os.path.lexists(root):
        above = os.path.dirname(root)
        if plan_only and not os.path.isdir(above):
            raise NotFound(f"there is no directory {above!r}", todo="Make it, or name another place with --to.")
        return
    if not os.path.isdir(root):
        raise BadInput(f"{root} is not a directory", todo="Name a site, a new directory, or an empty one.")
    there = set(os.listdir(root))
    of_a_site = {CONFIG, CATALOG, "store", "images", "keys", "records", "locks", "work"}
    if there and not there & of_a_site:
        raise Refused(
            f"{root} is not empty, and is not a site (it holds {min(there)})",
            meaning="Nothing was changed.",
            todo="Name a site, a new directory, or an empty one.",
        )
    _refuse_another(root, head)
    _refuse_busy(root)


def _refuse_another(root: str, head: BackupHead) -> None:
    """:raises Refused: the store of the site that is there is not the one that the backup is of."""
    config = os.path.join(root, CONFIG)
    try:
        site = Site(root, load_config(config)) if os.path.exists(config) else None
    except GoldrootError:  # it cannot be read, and is put back
        return
    for name in () if site is None else site.config.hosts:
        assert site is not None
        label, of_backup = site.look_at_host(name).label(), head.stores.get(name, "")
        if label and of_backup and label != of_backup:
            raise Refused(
                f"{root} is another site than the backup is of: the store of host {name} carries another label",
                meaning="Its catalog would be lost for one that does not know what stands there. Nothing was changed.",
                todo="Name the site that the backup is of, or a new directory, with --to.",
            )


def _refuse_busy(root: str) -> None:
    """:raises Busy: a command works on the site."""
    place = os.path.join(root, "locks")
    own = os.path.basename(lock_file(place, RESTORE))
    for name in sorted(os.listdir(place)) if os.path.isdir(place) else ():
        if name != own and (holder := held_by(os.path.join(place, name))) is not None:
            raise Busy(
                f"{name.removesuffix('.lock')} is in use by {holder}",
                meaning="A catalog is not exchanged below a command. Nothing was changed.",
                todo="Run it again when that one has finished.",
            )


@contextmanager
def _unpacked(file: str, beside: str) -> Iterator[str]:
    """The members of a backup in a directory of their own, on the file system where they go."""
    place = os.path.join(beside, f"{UNPACKED}{new_id()}")
    files.make_directory(place)

    @contextmanager
    def sink(name: str) -> Iterator[IO[bytes]]:
        path = os.path.join(place, name)
        files.make_directory(os.path.dirname(path))
        with os.fdopen(files.open_new(path, exclusive=True), "wb") as out:
            yield out

    try:
        read_backup(file, sink)
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


@dataclass
class _Restoring(PutBack):
    """One restore: decides file by file, then puts in place."""

    file: str = ""
    made_at: str = ""
    refused: list[str] = field(default_factory=list)
    has_catalog: bool = False  #: whether the catalog is the backup's now

    def run(self) -> Restored:
        theirs = os.path.join(self.unpacked, "site", CONFIG)
        if not os.path.exists(theirs):
            raise BadInput(f"{self.file} has no {CONFIG}", meaning="It is not a whole backup. Nothing was changed.")
        config = load_config(theirs)
        self.choose(CONFIG, holds(load_config))
        self._keys()
        self._papers()
        self._records()
        self._policies(config)
        site = Site(self.root, load_config(os.path.join(self.root, CONFIG))) if not self.plan else self._as_planned()
        for name in site.config.hosts:
            self._host(site, name)
        self._catalog(site)
        return Restored(
            self.file, self.root, self.made_at, tuple(self.missing), tuple(self.replaced), tuple(self.kept),
            tuple(self.refused), self.aside, self.plan, self.has_catalog,
        )  # fmt: skip

    def _as_planned(self) -> Site:
        config = os.path.join(self.root, CONFIG)
        if CONFIG in (*self.missing, *self.replaced):
            config = os.path.join(self.unpacked, "site", CONFIG)
        return Site(self.root, replace(load_config(config), file=os.path.join(self.root, CONFIG)))

    # -- what is decided

    def _keys(self) -> None:
        """Key and signers together: a key whose other half is damaged signs nothing, and signers of another site verify none."""
        good = keys_work(os.path.join(self.root, "keys")) and self._verify_something()
        for name in self.names("site/keys"):
            self.choose(f"keys/{name}", lambda _: good)

    def _verify_something(self) -> bool:
        """Whether the signers that are there know a version that is there."""
        signers = os.path.join(self.root, "keys", "allowed_signers")
        images = os.path.join(self.root, "images")
        versions = (
            [name for name in below(images) if os.path.basename(name) == "record.json"] if os.path.isdir(images) else []
        )
        return any(papers_hold(os.path.dirname(os.path.join(images, name)), signers) for name in versions)

    def _papers(self) -> None:
        for image in self.names("site/images"):
            self.choose(f"images/{image}/layout.toml", holds(load_layout))
            if os.path.exists(os.path.join(self.unpacked, "site", "images", image, FORMER_NAMES)):
                self.choose(f"images/{image}/{FORMER_NAMES}", lambda _: True)
            for number in self.names(f"site/images/{image}/gold"):
                self._version(f"images/{image}/gold/{number}")
            for role in ("maintenance", "test"):
                self.all(f"images/{image}/{role}", lambda _: True, told=False)

    def _version(self, directory: str) -> None:
        """The files of a version: those that do not go with its signed record are replaced."""
        mine, theirs = os.path.join(self.root, directory), os.path.join(self.unpacked, "site", directory)
        allowed = [os.path.join(top, "keys", "allowed_signers") for top in (self.root, f"{self.unpacked}/site")]
        signers = next((file for file in allowed if os.path.exists(file)), allowed[0])
        good = papers_hold(mine, signers)
        if not good and not papers_hold(theirs, signers) and os.path.isdir(mine):
            good = dict.fromkeys(
                below(mine), True
            )  # neither of the two is: what is there stays for a person to look at
        self.all(directory, lambda path: good.get(os.path.relpath(path, mine), False))

    def _records(self) -> None:
        self.all("records", lambda path: not path.endswith(".json") or is_json(path))

    def _policies(self, config: Config) -> None:
        """What goldroot.toml names as policies, and nothing else."""
        base = os.path.dirname(config.file)
        for image in config.images.values():
            if image.policy is None:
                continue
            name = os.path.relpath(image.policy, base)
            if not name.startswith("..") and os.path.isfile(os.path.join(self.unpacked, "site", name)):
                self.choose(name, lambda _: True)

    def _host(self, site: Site, name: str) -> None:
        """Labels and entries that are missing or damaged, where they fit the disks that are there."""
        host = site.look_at_host(name)
        there = f"{self.unpacked}/host/{name}"
        if not host.is_made():
            return
        for file in self.names(f"host/{name}/labels"):
            self._labels(site, name, file)
        for file in self.names(f"host/{name}/entries"):
            self._entry(site, name, file)
        for file in ("label", "disks.sqlite"):
            if os.path.exists(os.path.join(there, file)) and not os.path.exists(os.path.join(host.store, file)):
                self.put(os.path.join(there, file), os.path.join(host.store, file))

    def _labels(self, site: Site, name: str, file: str) -> None:
        host = site.look_at_host(name)
        id = file.removesuffix(".json")
        seen = host.look_at_disk(id)
        place = os.path.join(host.store, "labels", file)
        if (
            id in host.disk_ids()
            and (seen.why or not seen.owner)
            and is_json(os.path.join(self.unpacked, "host", name, "labels", file))
        ):
            self.put(os.path.join(self.unpacked, "host", name, "labels", file), place)

    def _entry(self, site: Site, name: str, file: str) -> None:
        """An entry that is missing or cannot be read is put back where it names just the disks that carry its name."""
        host, entry = site.look_at_host(name), file.removesuffix(".json")
        theirs, place = (
            os.path.join(top, file) for top in (f"{self.unpacked}/host/{name}/entries", f"{host.store}/entries")
        )
        if reads(place, entry) is not None:
            return
        wanted = reads(theirs, entry)
        if wanted is None:
            return
        seen = {id: host.look_at_disk(id) for id in host.disk_ids()}
        own = {id for id, disk in seen.items() if disk.owner == entry}
        named = {disk.id for disk in wanted.disks.values()}
        # Labels that are put back in this restore are not there yet where it is a plan.
        if not named and not os.path.lexists(place):
            return
        if own - named or named - seen.keys():
            self.refused.append(entry)
            return
        self.put(theirs, place)

    def _into_server(self, site: Site, theirs: str) -> None:
        """The rows go into the database that the configuration names, where it has none; else it stays as it is."""
        where = site.config.catalog
        there = is_there(where)
        if there:
            with open_catalog(where) as catalog:
                there = has_rows(catalog)
        if there:
            self.kept.append("the catalog in the database, which is not empty")
            return
        self.missing.append("the catalog, in the database")
        self.has_catalog = True
        if not self.plan:
            with open_catalog(theirs) as source, open_catalog(where, create=True) as catalog:
                crash.point("restore.catalog-aside")
                copy_catalog(source, catalog)
            crash.point("restore.catalog")

    def _catalog(self, site: Site) -> None:
        """The catalog is the backup's; the one that is there is kept, and so is the journal, whose runs are another catalog's."""
        theirs = os.path.join(self.unpacked, "site", CATALOG)
        final = site.catalog_file
        if not os.path.exists(theirs):
            return
        if not final:
            self._into_server(site, theirs)
            return
        self.has_catalog = True
        if not self.plan:
            _refuse_busy(self.root)  # what began before this held its lock; who begins later sees that
        journal = os.path.join(self.root, JOURNAL)
        for database in (journal, final):
            if os.path.lexists(database):
                if database == final:
                    self.replaced.append(self.shown(final))
                for beside in ("", *_BESIDE):
                    self.set_aside(database + beside)
            else:
                for beside in _BESIDE:
                    self.set_aside(database + beside)
                if database == final:
                    self.missing.append(self.shown(final))
        if not self.plan:
            crash.point("restore.catalog-aside")
            move(theirs, final)
            crash.point("restore.catalog")
