"""Disks whose making or removal was begun and that their entry does not name: a file for each, by which who tidies finds them."""

from __future__ import annotations

import os
from contextlib import suppress

from goldroot import private
from goldroot.hosts.atomic import store_errors


class Begun:
    """The files below ``begun/`` of a store."""

    def __init__(self, store: str) -> None:
        self._place = os.path.join(store, "begun")

    def note(self, id: str) -> None:
        """Before anything is made of a disk, or its entry names it no more.

        :raises NoSpace: the store is full.
        """
        file = os.path.join(self._place, id)
        with store_errors(file):
            private.make_directory(self._place)
            private.prepare(file)

    def forget(self, id: str) -> None:
        """The work is done; where that cannot be noted, it is seen by the next that tidies."""
        with suppress(OSError):
            os.unlink(os.path.join(self._place, id))

    def ids(self) -> list[str]:
        """All of them, sorted; none in a store that is older than this."""
        with suppress(FileNotFoundError):
            return sorted(os.listdir(self._place))
        return []
