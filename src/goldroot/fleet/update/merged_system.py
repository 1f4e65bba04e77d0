"""What is looked at in a merged system beside the checks, and what is made there before anything runs.

Identity: what a server must have of its own since the new gold is made on the merged disks.

Owners: nobody can give the files on the disks that a clone links other owners.  An account of gold's that has another number on a clone
than in gold is not the owner of what gold says is its, and who has gold's number there is: a local group with the number of
``crontab`` would own gold's set-gid program.

Links that a program made: the merge leaves them out of what it asks about, since a rebuild changes them: ``update-ca-certificates``
takes the links of authorities away that are gone.  One that leads to nothing after it, and led somewhere on the server as it is, is
told.
"""

from __future__ import annotations

import os.path
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

from goldroot import crash
from goldroot.accounts import AccountTables, numbers_in_acl
from goldroot.fleet.inputs import Disks
from goldroot.fleet.update import open_update
from goldroot.fleet.update.open_update import OpenUpdate
from goldroot.image import Gold
from goldroot.merge import REBUILD_DUE, note_data, record_bytes
from goldroot.site import work_room
from goldroot.system import FirstIdentity, OwnDisks, UpdateTrees, make_first
from goldroot.tree import LINK, Manifest, Note, path_bytes, path_text

#: More links in a row lead nowhere (path_resolution(7)).
_MOST = 40
_ARROW = b"-> "


@dataclass(frozen=True)
class Look:
    """A server's system: its own disks over those that it shares with a gold."""

    own: OwnDisks
    gold: Gold

    def leads(self, path: bytes) -> bool:
        """Whether a link (no leading slash) leads to something; one into what is not on a disk does."""
        for _ in range(_MOST):
            target = self._target(path)
            if target is None:
                return self._is_there(path)
            path = os.path.normpath(os.path.join(b"/" + os.path.dirname(path), target)).lstrip(b"/")
        return False

    def _target(self, path: bytes) -> bytes | None:
        if self.own.root(path) is not None:
            return (self.own.read(path) or b"").removeprefix(_ARROW) if self.own.kind(path) == "link" else None
        entry = self._shared(path)
        return entry.content if entry is not None and entry.kind == LINK else None

    def _is_there(self, path: bytes) -> bool:
        if self.own.root(path) is not None:
            return bool(self.own.kind(path))
        # By way of a linked directory (/lib) a path is not in the list: that is not known, and not told.
        return self._shared(path) is not None or self._shared(os.path.dirname(path)) is None

    def _shared(self, path: bytes) -> Any:
        return self.gold.manifest(self.gold.layout.disk_of(path).address).get(path)


def dangling(record: Mapping[str, Any], before: Look, after: Look) -> Iterator[str]:
    """The links beside what was made again that lead to nothing after it, and led somewhere before."""
    notes = record.get("notes", ())
    places = {os.path.dirname(path_bytes(note["path"])).lstrip(b"/") for note in notes if note["kind"] == REBUILD_DUE}
    for place in sorted(places):
        for name in after.own.names(place):
            path = place + b"/" + name
            if after.own.kind(path) == "link" and not after.leads(path) and before.leads(path):
                yield "/" + path_text(path)


USER, GROUP = "user", "group"


@dataclass(frozen=True, slots=True)
class OtherNumber:
    """An account of gold's that has another number on a clone, or none while another has its; names as text."""

    kind: str  #: USER or GROUP
    name: str
    number: int  #: in gold
    own: int | None  #: on the clone; None where there is no such account
    holder: str | None  #: who has gold's number on the clone

    @property
    def axes(self) -> set[str]:
        """The axes on which its number may have been decided."""
        field = "uid" if self.kind == USER else "gid"
        return {f"accounts:{name}:{field}" for name in (self.name, self.holder) if name is not None}

    def __str__(self) -> str:
        here = "does not exist here" if self.own is None else f"has {self.own} here"
        return here + ("" if self.holder is None else f", where {self.number} is {self.holder}'s")


def other_numbers(gold: AccountTables, own: AccountTables) -> Iterator[OtherNumber]:
    """Gold's accounts that are not what gold says in the tables of a clone.

    One that the clone deleted is none of them, as long as its number is nobody's.
    """
    tables = (
        (USER, gold.users, gold.user_names, own.users, own.user_names),
        (GROUP, gold.groups, gold.group_names, own.groups, own.group_names),
    )
    for kind, numbers, names, here, names_here in tables:
        for number, name in names.items():
            now, holder = here.get(name), names_here.get(number)
            # Gold may give one number two names, of which the clone may have deleted the first.
            known = holder is None or numbers.get(holder) == number
            if now != number and not (now is None and known):
                yield OtherNumber(kind, _text(name), number, now, None if holder is None else _text(holder))


def on_shared_disks(gold: Gold, own: AccountTables, addresses: Collection[str]) -> Mapping[OtherNumber, bytes]:
    """Those whose number files on gold's disks at these addresses carry: the first such path (no leading slash)."""
    strange = list(other_numbers(gold.accounts, own))
    found: dict[OtherNumber, bytes] = {}
    for address in addresses if strange else ():
        manifest = gold.manifest(address)
        for one in strange:
            path = None if one in found else first_path(manifest, one.kind, one.number)
            if path is not None:
                found[one] = path
    return found


def tells_of(note: Mapping[str, Any], one: OtherNumber) -> bool:
    """Whether a note of a record tells of a decision about the number of this account, or of who has it."""
    return note["kind"] == "decided" and note.get("data", {}).get("axis") in one.axes


def first_path(manifest: Manifest, kind: str, number: int) -> bytes | None:
    """The first path that belongs to a number, or whose ACLs name it."""
    columns = manifest.columns
    sets = {nth for nth, held in enumerate(columns.xattr_sets) if number in numbers_in_acl(held)[kind == GROUP]}
    rows = [next((row for row, nth in enumerate(columns.xattrs) if nth in sets), len(columns))] if sets else []
    with suppress(ValueError):
        rows.append((columns.uids if kind == USER else columns.gids).index(number))
    row = min(rows, default=len(columns))
    return manifest.entry(row).path if row < len(columns) else None


def _text(name: bytes) -> str:
    return name.decode("utf-8", "replace")


def give_first_identity(task: OpenUpdate, record: Mapping[str, Any]) -> bool:
    """Make it, and note in the update's record what was made; whether anything was.

    A rollback that carries makes nothing: the fallback has its own.
    """
    if task.update.carry:
        return False
    with ExitStack() as stack:
        result = stack.enter_context(task.open_prepared("rw")).tree
        live = stack.enter_context(task.open_live()).tree
        base, gold = (
            _of_gold(task, stack.enter_context(one.open(task.update.disks))) for one in (task.base, task.target)
        )
        hostname = (result.read(b"etc/hostname") or b"").strip().decode("utf-8", "replace") or task.name
        with work_room(task.site, f"keys-{task.name}") as room:
            done = make_first(UpdateTrees(base, gold, live, result), hostname, room.path)
    if not done:
        return False
    crash.point("update.identity-made")
    known = list(record.get("notes", ()))
    notes = [*known, *(data for note in _notes(done) if (data := note_data(note)) not in known)]
    path = open_update.record_file(task.site, task.name, task.work)
    open_update.write(path, record_bytes({**record, "notes": notes}))
    return True


def _of_gold(task: OpenUpdate, opened: Disks) -> OwnDisks:
    return OwnDisks(task.layout, {address: disk.path for address, disk in opened.items()})


def _notes(done: FirstIdentity) -> Iterator[Note]:
    for path in done.made:
        yield Note("identity-made", b"/" + path, "gold has it for the first time: the server got its own")
    for path in done.removed:
        yield Note("identity-removed", b"/" + path, "gold's own was left out: the server's program makes another")
