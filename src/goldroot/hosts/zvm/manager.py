"""The directory manager over SMAPI: entries that are read, and replaced under a lock that is always given back.

A lock stops everybody's updates of an entry, so it is held for one query and one replace.  Before it is asked for, a
file of the host's store says so, locked by this process: what a killed command left locked is known by that, and
nobody else's lock is ever given back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal, TypeVar

from goldroot import crash
from goldroot.errors import Busy, HostError
from goldroot.hosts.inuse import InUse, Taken, new_note
from goldroot.hosts.zvm.reading import beside, token_of
from goldroot.zvm import directory as source
from goldroot.zvm.directory.model import MACHINES
from goldroot.zvm.smapi import (
    BadReply,
    CallRefused,
    CannotConnect,
    Client,
    LostReply,
    OperationFailed,
    SmapiError,
    StillWorking,
)

T = TypeVar("T")

#: Return and reason codes (IBM, SC24-6327).
NO_ENTRY, EXISTS, LOCKED, NOT_LOCKED = (400, 4), (400, 8), (400, 12), (400, 24)
DISK_LOCKED = (408, 12)
#: Done, and the object directory is offline: what was changed is not in force.
OFFLINE = (0, 8)

#: Seconds between tries where another administrator has an entry locked, or the object directory is offline.
PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)

#: After these it is not known whether a change was made.
UNSURE = (LostReply, BadReply, OperationFailed)


@dataclass(frozen=True, slots=True)
class Replaced:
    """What became of a replacement, and the entry afterwards where that can be read."""

    outcome: Literal["done", "unchanged", "unknown"]
    entry: source.Entry | None


class Manager:
    """:param notes: where this host writes down which entries it has locked.

    :param pauses: seconds between tries.
    """

    def __init__(self, client: Client, notes: InUse, *, pauses: Sequence[float] = PAUSES) -> None:
        self.client = client
        self._notes = notes
        self._pauses = tuple(pauses)

    # -- reading

    def read(self, user: str) -> source.Entry | None:
        """An entry as it stands; ``None``: there is none."""
        try:
            return _entry(self.client.image_query_dm(user))
        except CallRefused as error:
            if error.code == NO_ENTRY:
                return None
            raise

    def beside(self, entry: source.Entry) -> list[source.Entry]:
        """The profiles that an entry includes, and the SUBCONFIGs that an IDENTITY is built with."""
        return beside(entry, lambda kind, name: self._profile(name) if kind == "PROFILE" else self.read(name))

    def all(self) -> Iterator[source.Entry]:
        """Every USER and IDENTITY of the directory, in one call."""
        return (entry for entry in self.everything() if entry.kind in MACHINES)

    def everything(self) -> Iterator[source.Entry]:
        """Every entry of the directory, of any kind, in one call."""
        for found in self.client.query_all_dm():
            if (entry := _entry(found.directory_entry_data)) is not None:
                yield entry

    def linking(self, user: str) -> list[tuple[str, str]]:
        """(entry, statement) of every LINK to a user's disks, by the directory manager's search."""
        hits = self.client.directory_manager_search_dm(f"LINK {user} *")
        return [(hit.target_id.strip().upper(), hit.statement) for hit in hits]

    def _profile(self, name: str) -> source.Entry | None:
        try:
            return _entry(self.client.call("Profile_Query_DM", name).texts("profile_record_array"))
        except CallRefused as error:
            if error.code == NO_ENTRY:
                return None
            raise

    # -- changing

    def replace(self, user: str, make: Callable[[source.Entry | None], source.Entry | None]) -> Replaced:
        """Lock, query, make the new entry of what is there, replace; an error in ``make`` changes nothing.

        :param make: ``None``: nothing is to be done.
        :raises Busy: somebody else has it locked.
        :raises SmapiError: z/VM refused; nothing was changed.
        """
        try:
            return self._replaced_locked(user, make)
        except CallRefused as error:
            if error.code != NO_ENTRY:
                raise
        make(None)
        return Replaced("done", None)

    def _replaced_locked(self, user: str, make: Callable[[source.Entry | None], source.Entry | None]) -> Replaced:
        with self._locked(user) as lock:
            now = self.read(user)
            new = make(now)
            if now is None or new is None:
                return Replaced("done", now)
            crash.point("zvm.entry-locked")
            try:
                code = self._replace(user, new)
            except UNSURE as error:
                return self._settled(user, now, lock, error)
            except CallRefused as error:
                if error.code != NOT_LOCKED:  # else somebody took our lock away; nothing was done
                    raise
                return Replaced("unchanged", now)
            lock.ended = True
            crash.point("zvm.entry-replaced")
        if code == OFFLINE:
            self._until_online(user)
        return Replaced("done", self._read_again(user))

    def create(self, user: str, entry: source.Entry) -> None:
        """A new entry.  :raises CallRefused: 400/8, there is one."""
        self.waiting(user, lambda: self.client.image_create_dm(user, entry.lines()))

    def delete(self, user: str) -> None:
        """An entry goes; again: nothing."""
        self.unlock_left(user)
        try:
            self.waiting(user, lambda: self.client.image_delete_dm(user))
        except CallRefused as error:
            if error.code != NO_ENTRY:
                raise
        except UNSURE:
            if self.read(user) is not None:
                raise

    def waiting(self, user: str, act: Callable[[], T]) -> T:
        """Do something that a lock of somebody else hinders for a while.

        :raises Busy: it still does; who.
        """
        for pause in self._pauses:
            try:
                return act()
            except CallRefused as error:
                if error.code not in (LOCKED, DISK_LOCKED):
                    raise
            self.client.clock.sleep(pause)
        try:
            return act()
        except CallRefused as error:
            if error.code not in (LOCKED, DISK_LOCKED):
                raise
            raise self._busy(user) from error

    # -- locks

    def unlock_left(self, user: str) -> bool:
        """Give back the lock of an entry that a killed command has left; whether there was one."""
        note = self._notes.note(_file(user))
        if note.what != "hold":
            return False
        taken = self._notes.take_left(_file(user), new_note("hold"))
        if taken is None:
            return False  # a living command's
        try:
            return self._give_back(user, taken)
        finally:
            taken.leave()  # where it could not be given back, the next command tries

    def left(self) -> list[str]:
        """Users whose entries a command of this host has locked, or had when it was killed."""
        return [name.removeprefix(_file("")) for name in self._notes.names() if name.startswith(_file(""))]

    @contextmanager
    def _locked(self, user: str) -> Iterator[_Lock]:
        taken = self._notes.take(_file(user), note=new_note("hold"))
        if taken is None:
            raise Busy(f"the directory entry {user} is being changed by {self._notes.note(_file(user))}")
        lock = _Lock(kept=True)  # until it is known whether we have it
        try:
            crash.point("zvm.lock-noted")
            if taken.left:
                self._unlock(user)
            self._take(user, lock)
            yield lock
        finally:
            if lock.ended:
                taken.gone()
            elif not lock.kept:
                with suppress(SmapiError):  # then the note stays, and the next command gives it back
                    self._give_back(user, taken)
            taken.leave()

    def _take(self, user: str, lock: _Lock) -> None:
        try:
            self.waiting(user, lambda: self._lock(user))
        except (Busy, CallRefused, CannotConnect):
            lock.ended = True  # it is not ours
            raise
        lock.kept = False

    def _lock(self, user: str) -> None:
        try:
            self.client.image_lock_dm(user)
        except UNSURE:
            if not self._is_ours(user):
                raise

    def _give_back(self, user: str, taken: Taken) -> bool:
        ours = self._unlock(user)
        taken.gone()
        return ours

    def _unlock(self, user: str) -> bool:
        """Take our lock away; whether there was one.  Whoever calls has the note of it."""
        try:
            ours = self._is_ours(user)
            if ours:
                self.client.image_unlock_dm(user)
        except CallRefused as error:
            if error.code not in (NO_ENTRY, NOT_LOCKED):
                raise
            return False
        return ours

    def _is_ours(self, user: str) -> bool:
        info = self.client.image_lock_query_dm(user)
        return info.locked and info.by.upper() == self.client.userid.upper()

    def _busy(self, user: str) -> Busy:
        by = ""
        with suppress(SmapiError):
            by = self.client.image_lock_query_dm(user).by
        return Busy(
            f"the directory entry {user} is locked" + (f" by {by}" if by else ""),
            meaning="Nothing was changed. goldroot gives no lock back that is not its own.",
            todo=f"Ask {by or 'whoever administers the system'}, or look: goldroot zvm call Image_Lock_Query_DM "
            f"--target {user}",
        )

    # -- replacing

    def _replace(self, user: str, entry: source.Entry) -> tuple[int, int]:
        reply = self.client.call("Image_Replace_DM", user, image_record_array=entry.lines())
        return reply.code

    def _settled(self, user: str, before: source.Entry, lock: _Lock, error: SmapiError) -> Replaced:
        """What became of a replacement whose answer was lost.

        One that is made takes our lock away, and without it none is made: so the lock tells.  It is given back only where
        z/VM has not even begun (it answers with a number before it does); one that may wait in a queue keeps it.
        """
        try:
            ended = any(self._has_ended(user, pause) for pause in (0, *self._pauses))
            if not ended and _may_wait(error):
                lock.kept = True
                return Replaced("unknown", None)
            if not ended:
                self.client.image_unlock_dm(user)
            lock.ended = True
            now = self.read(user)
        except SmapiError:
            lock.kept = not lock.ended
            return Replaced("unknown", None)
        unchanged = now is not None and token_of(now) == token_of(before)
        return Replaced("unchanged" if unchanged else "done", now)

    def _has_ended(self, user: str, pause: float) -> bool:
        self.client.clock.sleep(pause)
        return not self._is_ours(user)

    def _until_online(self, user: str) -> None:
        """Written, but not in force: write again what is there until it is."""
        for pause in self._pauses:
            self.client.clock.sleep(pause)
            with self._locked(user) as lock:
                if (now := self.read(user)) is None or self._replace(user, now) != OFFLINE:
                    lock.ended = now is not None
                    return
                lock.ended = True
        raise HostError(
            f"the object directory of z/VM is offline: the change of {user} is written and not in force",
            meaning="A guest that logs on now gets what the directory said before.",
            todo="Put the directory online (DIRM ONLINE on the system), before the server is started.",
        )

    def _read_again(self, user: str) -> source.Entry | None:
        with suppress(CannotConnect, LostReply, BadReply):
            return self.read(user)
        return None


@dataclass(slots=True)
class _Lock:
    """``ended``: a replacement has taken it.  ``kept``: one may still come, and the next command looks after it."""

    ended: bool = False
    kept: bool = False


def _may_wait(error: SmapiError) -> bool:
    """Whether what was asked for may still be done, after this error."""
    if isinstance(error, LostReply):
        return error.request_id is not None
    return isinstance(error, BadReply | StillWorking)


def _entry(records: Sequence[str]) -> source.Entry | None:
    lines = [record.encode("latin-1") for record in records]
    entries = source.Directory.of_lines(lines).entries
    return entries[0] if entries else None


def _file(user: str) -> str:
    return f"directory-{user}"
