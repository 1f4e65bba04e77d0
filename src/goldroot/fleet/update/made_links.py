"""Links that a program made: looked at when it has made them again, in the merged system as it will be.

The merge leaves them out of what it asks about, since a rebuild changes them: ``update-ca-certificates`` takes the links of
authorities away that are gone.  One that leads to nothing after it, and led somewhere on the server as it is, is told.
"""

from __future__ import annotations

import os.path
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from goldroot.image import Gold
from goldroot.merge import REBUILD_DUE
from goldroot.system import OwnDisks
from goldroot.tree import LINK, path_bytes, path_text

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
