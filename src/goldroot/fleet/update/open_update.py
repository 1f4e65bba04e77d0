"""What one piece of work on a clone stands on: the clone, its update or rollback, the gold versions, the disks of the three sides;
and what is kept of it besides the catalog's row.

::

    SITE/records/web1/u7k2m9q4xa/    clone, id of the work
    ├── record.json            the record of its last merge
    ├── decisions.json         the answers that its last merge was given (0600: they may hold contents)
    ├── policy.toml            the image's policy as it was, where it has one of its own
    ├── 1B5.clone              what the merge saw of the clone's disk: what was written since is told from it
    ├── 1B5.rows               what was written on the disk, and for what: the next merge takes it over
    └── base/KEY               of a carry: the base's content for each question
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from goldroot import crash, files
from goldroot.catalog import Clone, Tx, Update, clones, decisions, gold, updates
from goldroot.conflicts import Decision, Remembered, decisions_text, load_decisions
from goldroot.errors import Busy, Damaged, Refused
from goldroot.fleet.inputs import Server, check_layouts, open_own, own_addresses, policy_of
from goldroot.hosts import Access, Entry, Host, View, applied, fenced, find_entry
from goldroot.image import Gold, newest_gold, open_version
from goldroot.policy import Policy
from goldroot.site import DiskRegister, Layout, Site
from goldroot.tree import Manifest, Writers

T = TypeVar("T")

#: What every record has.  Its model would say more (:class:`goldroot.views.Record`), and loading that takes as long as the update.
_PARTS_OF_A_RECORD = {
    "conflicts": {"path", "axis", "kind", "key", "answers", "stands", "detail", "secret"},
    "entries": {"path", "outcome", "axis", "rule"},
    "notes": {"kind", "path", "text"},
}
#: Opened gold versions, by image, number and host.
Golds = dict[tuple[str, int, str], Gold]


@dataclass
class OpenUpdate:
    """One update or rollback of one clone, open; ``attempt`` is that of its workflow, and shuts earlier ones out."""

    site: Site
    clone: Clone
    update: Update
    attempt: int
    golds: Golds

    @property
    def name(self) -> str:
        """The clone's name."""
        return self.clone.name

    @property
    def work(self) -> str:
        """The id of the work."""
        return self.update.work

    @property
    def host(self) -> Host:
        """Where the clone lives."""
        return self.site.host_named(self.clone.host)

    @property
    def machine_name(self) -> str:
        """The machine's name."""
        return self.clone.machine

    @property
    def disk_register(self) -> DiskRegister:
        """The disks of the machine, to make some."""
        return DiskRegister(self.site, self.host, self.machine_name, "clone")

    @property
    def entry(self) -> Entry:
        """The machine's entry as it is now."""
        return find_entry(self.host, self.machine_name)

    @cached_property
    def base(self) -> Gold:
        """The clone's own gold."""
        return self._gold(self.update.from_version)

    @cached_property
    def target(self) -> Gold:
        """The gold that it goes to."""
        gold = self._gold(self.update.to_version)
        check_layouts(self.base, gold)
        return gold

    def _gold(self, number: int) -> Gold:
        what = self.clone.image, number, self.clone.host
        if what not in self.golds:
            self.golds[what] = open_version(self.site, *what)
        return self.golds[what]

    @property
    def layout(self) -> Layout:
        """The layout of both versions."""
        return self.target.layout

    @property
    def places(self) -> list[str]:
        """The places of the layout."""
        return [disk.place for disk in self.layout.disks]

    @cached_property
    def policy(self) -> Policy:
        """The rules of the merge."""
        return policy_of(self.site, self.clone.image)

    @property
    def torn(self) -> int:
        """Paths that the running server wrote while they were merged: the switch merges again."""
        return int(self.update.told.get("torn", 0))

    def live_disks(self) -> dict[str, str]:
        """The ids of the clone's own live disks by address."""
        entry = self.entry
        return {address: entry.disks[address].id for address in own_addresses(self.layout, entry)}

    def open_live(self, view: View = "live") -> AbstractContextManager[Server]:
        """The clone's own live disks, open for the block."""
        return open_own(self.host, self.layout, self.live_disks(), view=view)

    def writers(self, server: Server) -> Writers:
        """Who may write to the live disks while they are open as they are: what a scan has to know."""
        if not all(disk.exact for disk in server.opened.values()):
            return "live"
        if self.host.abilities.live_view == "snapshot" and self.host.power(self.machine_name).state == "on":
            return "snapshot"
        return "unknown"

    def open_prepared(self, access: Access = "ro") -> AbstractContextManager[Server]:
        """The disks that are made for this work, open for the block."""
        return open_own(self.host, self.layout, self.update.disks, access)

    def check(self) -> None:
        """See that nobody began other work on the clone since.

        :raises Busy: somebody did.
        """
        with self.site.catalog.read() as tx:
            self.check_in(tx)

    def note(self, **values: Any) -> None:
        """Write down what is known of the work besides its state, if it is still the clone's."""
        with self.site.catalog.begin() as tx:
            self.check_in(tx)
            self.update = updates.note(tx, self.update.id, **values)

    def tell(self, **values: Any) -> None:
        """Write down what a person is told of the work."""
        told = {**self.update.told, **values}
        if told != self.update.told:
            self.note(told=told)

    def set_state(self, state: updates.State, *, error: str | None = None, **values: Any) -> None:
        """Move the update on, if this work is still the clone's."""
        with self.site.catalog.begin() as tx:
            self.check_in(tx)
            if values:
                updates.note(tx, self.update.id, **values)
            self.update = updates.set_state(tx, self.update.id, state, error=error)

    def raise_generation(self) -> None:
        """Nothing that is known of the prepared disks holds any more: before the first write the host knows that, too."""
        with self.site.catalog.begin() as tx:
            self.check_in(tx)
            clones.fence(tx, self.name)
            self.update = updates.note(tx, self.update.id, inputs="", migration="", seen={})
            self.clone = clones.get(tx, self.name)
        crash.point("update.generation-raised")
        self.fence()

    def fence(self) -> None:
        """The entry has this work's generation, or a higher one: who did other work before it is shut out."""
        entry = self.entry
        if entry.generation < self.clone.generation:
            applied(self.host, fenced(entry, self.clone.generation))

    def record(self) -> Mapping[str, Any]:
        """The record of the last merge; empty where there was none yet."""
        return read_record(self.site, self.name, self.work)

    def check_in(self, tx: Tx) -> None:
        """:meth:`check`, within a transaction."""
        self._check_row(updates.get(tx, self.update.id))

    def _check_row(self, row: updates.Update) -> None:
        if row.attempt != self.attempt:
            raise Busy(
                f"other work on clone {self.name!r} began in the meantime",
                meaning="This command stops here; it has not written since.",
                todo="See `goldroot update list` for what goes on.",
            )


def open_update(site: Site, update: int, attempt: int, golds: Golds | None = None) -> OpenUpdate:
    """The work of an update that was begun.

    :param golds: the versions that were opened for it already; what is opened besides gets into it.
    :raises Busy: another attempt of it began since.
    """
    with site.catalog.read() as tx:
        row = updates.get(tx, update)
        task = OpenUpdate(site, clones.get(tx, row.clone), row, attempt, {} if golds is None else golds)
        task._check_row(row)
    return task


def active_clone(site: Site, name: str) -> Clone:
    """The clone, if it can be worked on.

    :raises NotFound: there is none. :raises Refused: its making or removal was cut off.
    """
    with site.catalog.read() as tx:
        clone = clones.get(tx, name)
    if clone.state != "active":
        how = f"goldroot clone create {name} --image {clone.image}" if clone.state == "creating" else ""
        raise Refused(
            f"clone {name} is {clone.state}: that was cut off",
            todo=f"Finish it with: {how or f'goldroot clone delete {name}'}",
        )
    if site.host_named(clone.host).find(clone.machine) is None:
        raise Refused(
            f"clone {name} has no machine: the host has none of the name {clone.machine}",
            meaning="It was deleted, and the catalog is older than that; or its definition was lost.",
            todo=f"If it was deleted, finish that: goldroot clone delete {name}. Else put its definition back.",
        )
    return clone


def target_of(site: Site, clone: Clone, to: int | None) -> int:
    """The version to go to: the one asked for, else the current one; a clone that is on a newer one, which was retired,
    stays there: nobody is taken back without a word.

    :raises NotFound: there is no such version, or none that is not retired. :raises Refused: it is not published.
    """
    with site.catalog.read() as tx:
        if to is None:
            return max(newest_gold(tx, clone.image).number, clone.version)
        version = gold.get(tx, clone.image, to)
    if version.state != "published":
        raise Refused(f"gold version {to} of {clone.image} is {version.state}", todo="Take a published version.")
    return to


def why_it_stays(site: Site, clone: Clone, number: int) -> str:
    """Why a clone whose target is what it is on is not taken to the newest published version; "" where it is on that."""
    if number != clone.version:
        return ""
    with site.catalog.read() as tx:
        known = gold.get(tx, clone.image, number)
        newest = gold.current(tx, clone.image)
    if known.state != "retired" or newest is None or newest.number >= number:
        return ""
    return (
        f"gold {number} is retired, and the newest that is published, gold {newest.number}, is older; "
        f"to go there all the same: goldroot update run {clone.name} --to {newest.number}"
    )


def directory(site: Site, clone: str, work: str) -> str:
    """Where the files of an update are."""
    return site.path("records", clone, work)


def write(path: str, content: bytes) -> None:
    """A reader sees the old file or the new one."""
    files.make_directory(os.path.dirname(path))
    files.write(path, content)


def record_file(site: Site, clone: str, work: str) -> str:
    """The path of the record."""
    return _file(site, clone, work, "record.json")


def rows_file(site: Site, clone: str, work: str, address: str) -> str:
    """The path of the list of what was written on a prepared disk (:mod:`goldroot.fleet.update.memory`)."""
    return _file(site, clone, work, f"{address}.rows")


def forget_rows(site: Site, clone: str, work: str) -> None:
    """Remove the lists of what was written: nothing is merged again onto these disks.  Again: nothing."""
    with suppress(FileNotFoundError):
        for name in os.listdir(directory(site, clone, work)):
            if name.endswith(".rows"):
                os.unlink(_file(site, clone, work, name))


def read_kept(file: str, take: Callable[[Any], T]) -> T | None:
    """What stands in a JSON file that goldroot wrote; ``None`` where there is no file.

    :param take: makes of its data what is wanted.
    :raises Damaged: it cannot be read, or its data are not what was written.
    """
    try:
        with open(file, "rb") as stream:
            return take(files.json_of(stream.read()))
    except FileNotFoundError:
        return None
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise Damaged(
            f"{file} cannot be read: {error}",
            meaning="It was damaged or changed by hand; what it says of the server, as what was removed there, is not known.",
            todo="Put it back from a backup (goldroot restore). Without one, move it away and give the command again: "
            "then nothing of it is known any more.",
        ) from None


def read_record(site: Site, clone: str, work: str) -> dict[str, Any]:
    """The record of the last merge; empty where there was none yet.

    :raises Damaged: it cannot be read, or is not a record.
    """

    def whole(data: dict[str, Any]) -> dict[str, Any]:
        for part, names in _PARTS_OF_A_RECORD.items():
            if not all(names <= one.keys() for one in data[part]):
                raise ValueError(f"a part is missing in its {part}")
        return {**data, "counts": {**data["counts"]}}

    return read_kept(record_file(site, clone, work), whole) or {}


def save_seen(site: Site, clone: str, work: str, address: str, manifest: Manifest) -> None:
    """Keep what a merge saw of a disk of the clone."""
    path = _file(site, clone, work, f"{address}.clone")
    files.make_directory(os.path.dirname(path))
    manifest.save(path)


def load_seen(site: Site, clone: str, work: str, address: str) -> Manifest:
    """What the last merge saw of a disk of the clone."""
    return Manifest.load(_file(site, clone, work, f"{address}.clone"))


def save_decisions(site: Site, clone: str, work: str, used: Mapping[str, Decision], policy_file: str | None) -> None:
    """Keep what a merge was given, so that it can be made again."""
    write(_file(site, clone, work, "decisions.json"), decisions_text(used))
    rules = _file(site, clone, work, "policy.toml")
    if policy_file:
        with open(policy_file, "rb") as file:
            write(rules, file.read())
    else:
        with suppress(FileNotFoundError):
            os.unlink(rules)  # of an earlier merge of this update


def load_given(site: Site, clone: str, work: str) -> tuple[dict[str, Decision], Policy]:
    """The decisions and the policy that a merge was given."""
    rules = _file(site, clone, work, "policy.toml")
    policy = Policy.load(rules) if os.path.exists(rules) else Policy.default()
    return load_decisions(_file(site, clone, work, "decisions.json")), policy


def save_base(site: Site, clone: str, work: str, contents: Mapping[str, bytes | None]) -> None:
    """Keep the base's contents for the questions of a carry, by their keys: the base itself is not kept."""
    shutil.rmtree(_file(site, clone, work, "base"), ignore_errors=True)
    for key, content in contents.items():
        if content is not None:
            write(_file(site, clone, work, f"base/{key}"), content)


def load_base(site: Site, clone: str, work: str, key: str) -> bytes | None:
    """What :func:`save_base` kept for a question."""
    try:
        with open(_file(site, clone, work, f"base/{key}"), "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def remembered(site: Site, image: str) -> Remembered:
    """The catalog's decisions of an image, as a merge takes them."""
    with site.catalog.read() as tx:
        known = decisions.remembered(tx, image)
    return Remembered({key: Decision(one.take, one.content) for key, one in known.items()})


def forget(site: Site, clone: str) -> None:
    """Remove what was written down of a clone that is gone."""
    shutil.rmtree(site.path("records", clone), ignore_errors=True)


def _file(site: Site, clone: str, work: str, name: str) -> str:
    return os.path.join(directory(site, clone, work), name)
