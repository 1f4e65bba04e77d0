"""Who links whom, without reading every entry.

For each owner a directory holds an empty file for each machine that may link it.  "May": a file is there *before* the
entry links that owner and goes *after* it has ceased to, so after a kill there is one too many, never one too few; what
is true the entry says.  A change of ``entries/`` that did not come this way (a backup put back, a file brought by hand) is
seen by the directory's own times, and then the index is made again from all entries.  Whom a damaged entry links is
unknown: it may link every owner.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress

from goldroot.hosts.atomic import sync_directory

#: The entries directory's times as they were when the index was right.
STATE = ".entries"
#: In the place of an owner: machines that may link any.
UNKNOWN = ".unknown"


class LinkIndex:
    """The ``links/`` directory of a store.  Every method that changes it is called under the store's lock."""

    def __init__(self, directory: str, entries: str) -> None:
        self._directory = directory
        self._entries = entries

    def candidates(self, owner: str) -> list[str]:
        """The machines that may link this owner, sorted."""
        return sorted({*self._names(owner), *self._names(UNKNOWN)})

    def is_right(self) -> bool:
        """Whether nobody else has changed which entries there are since the index was last right."""
        try:
            with open(os.path.join(self._directory, STATE), encoding="ascii", errors="replace") as file:
                return file.read() == self._state()
        except (FileNotFoundError, NotADirectoryError):
            return False

    def add(self, machine: str, owners: Iterable[str]) -> None:
        """Before an entry links these owners."""
        for owner in owners:
            directory = os.path.join(self._directory, owner)
            place = os.path.join(directory, machine)
            if os.path.lexists(place):
                continue
            if not os.path.isdir(directory):
                os.mkdir(directory, 0o700)
                sync_directory(self._directory)
            os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
            sync_directory(directory)

    def drop(self, machine: str, owners: Iterable[str]) -> None:
        """After an entry has ceased to link these owners."""
        for owner in owners:
            with suppress(FileNotFoundError):
                os.unlink(os.path.join(self._directory, owner, machine))
            with suppress(OSError):  # others link it still
                os.rmdir(os.path.join(self._directory, owner))

    def settle(self) -> None:
        """After a change of ``entries/``: the index is right.  A kill before this costs a making of the whole."""
        place = os.path.join(self._directory, STATE)
        handle = os.open(f"{place}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(self._state())
        os.rename(f"{place}.new", place)

    def make(self, machines: Collection[str], owners_of: Callable[[str], Collection[str] | None]) -> None:
        """Make the index again from all entries.

        :param owners_of: the owners that a machine links; ``None``: nobody can tell.
        """
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        right: dict[str, Collection[str]] = {}
        for machine in machines:
            owners = owners_of(machine)
            right[machine] = (UNKNOWN,) if owners is None else owners
            self.add(machine, sorted(right[machine]))
        for owner in [name for name in os.listdir(self._directory) if not name.startswith(STATE)]:
            for machine in self._names(owner):
                if owner not in right.get(machine, ()):
                    self.drop(machine, [owner])
        self.settle()

    def _names(self, owner: str) -> list[str]:
        try:
            return os.listdir(os.path.join(self._directory, owner))
        except FileNotFoundError:
            return []

    def _state(self) -> str:
        found = os.stat(self._entries)
        return f"{found.st_ino} {found.st_mtime_ns} {found.st_ctime_ns}\n"
