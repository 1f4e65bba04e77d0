"""What a server had removed and gold does not have at the moment: so that it stays removed when gold has it again.

Between the old gold and the new one a path that the server removed is told from the old gold.  Where gold dropped the
path too, and brings it back a version later, nothing tells any more; so the record of a merge keeps a list::

    "memory": {"given": true,
               "before": [{"path": "/etc/motd", "digest": "..."}],     what the merge was given
               "after": [...]}                                         what holds once the server runs from the result

``digest`` is over the whole value that the server removed: equal, and the path stays removed without a question.  A
secret has none, as a digest of a short secret could be guessed back.

What gold has again at another place is told by where a link led (``target``), and by the content of a file that base had
once (``content``), or several times (``copies``; then only the same path but for a version number is taken for it); a text
that the server only renamed also by likeness with that (``now``); of a directory that was removed these stand in ``below``.
``lines`` are entries that the server
removed from a file that it has (``/etc/hosts``), of a secret file none of them::

    {"path": "/etc/nginx/old", "digest": "...", "below": [{"path": "/etc/nginx/old/a.conf", "content": "..."}]}
    {"path": "/etc/hosts", "lines": ["10.0.0.1 mirror"]}
    {"path": "/etc/group", "lines": ["games", "adm:::anna"]}     a group, and a user who was taken out of one
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from goldroot.errors import BadInput
from goldroot.files import digest_of, json_of, read_given
from goldroot.tree import path_bytes, path_text


@dataclass(frozen=True, slots=True)
class Removed:
    """One path that the server removed, or some lines of one."""

    place: bytes  #: absolute in the system
    digest: bytes = b""  #: of the whole value; ``b""`` where it is a secret
    target: bytes = b""  #: of a link
    content: bytes = b""  #: digest of the content of a file
    copies: bool = False  #: base had that content at other places, too
    now: bytes = b""  #: where the server, which only renamed it, had it then
    below: tuple[Removed, ...] = ()  #: of a directory: what can be told at another place
    lines: tuple[bytes, ...] | None = None  #: the server has the file, without these; none of a secret file

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Removed:
        """One object of the list in a record."""
        lines = data.get("lines")
        return cls(
            path_bytes(data["path"]),
            bytes.fromhex(data.get("digest") or ""),
            path_bytes(data.get("target") or ""),
            bytes.fromhex(data.get("content") or ""),
            bool(data.get("copies")),
            path_bytes(data.get("now") or ""),
            tuple(map(cls.from_data, data.get("below") or ())),
            None if lines is None else tuple(map(path_bytes, lines)),
        )

    def data(self) -> dict[str, Any]:
        """The same as JSON data."""
        return (
            {"path": path_text(self.place)}
            | ({"digest": self.digest.hex()} if self.digest else {})
            | ({"target": path_text(self.target)} if self.target else {})
            | ({"content": self.content.hex()} if self.content else {})
            | ({"copies": True} if self.copies else {})
            | ({"now": path_text(self.now)} if self.now else {})
            | ({"below": [one.data() for one in self.below]} if self.below else {})
            | ({"lines": [path_text(one) for one in self.lines]} if self.lines is not None else {})
        )


class Kept(NamedTuple):
    """What of a file gold has again.

    ``base``: base's content as if it had it, too; ``None`` where only a person can say (of a secret no lines are known).
    """

    base: bytes | None
    texts: tuple[bytes, ...]


@dataclass(frozen=True)
class Memory:
    """The list of one version of a system.

    :param entries: by place.
    :param given: whether it is known; a merge of three directories knows none unless it is told.
    """

    entries: Mapping[bytes, Removed] = field(default_factory=dict)
    given: bool = True

    @classmethod
    def of(cls, removed: Iterable[Removed]) -> Memory:
        """The list of these paths."""
        return cls({one.place: one for one in sorted(removed, key=lambda one: one.place)})

    @classmethod
    def from_data(cls, data: Iterable[Mapping[str, Any]]) -> Memory:
        """A list as it stands in a record."""
        return cls.of(map(Removed.from_data, data))

    @classmethod
    def of_record(cls, record: Mapping[str, Any], which: str = "after") -> Memory:
        """The list in a record's data; empty where an older goldroot wrote it.

        :param which: ``after`` the merge, or ``before`` it.
        """
        return cls.from_data((record.get("memory") or {}).get(which, ()))

    def path(self, place: bytes) -> Removed | None:
        """What is remembered of a path that the server removed as a whole."""
        known = self.entries.get(place)
        return known if known is not None and known.lines is None else None

    def lines(self, place: bytes) -> tuple[bytes, ...] | None:
        """The lines that the server removed from a file that it has; ``None`` where nothing is remembered."""
        known = self.entries.get(place)
        return None if known is None else known.lines

    def paths(self) -> Iterator[tuple[bytes, Removed]]:
        """(topmost place that was removed, path) of every path; a directory, then what is known below it."""
        for top, known in self.entries.items():
            if known.lines is None:
                yield from ((top, one) for one in (known, *known.below))

    def digest(self) -> bytes:
        """A hash over it: another list may make another merge."""
        return digest_of([json.dumps(one, sort_keys=True).encode() for one in self.data()])

    def data(self) -> list[dict[str, Any]]:
        """The list as JSON data."""
        return [one.data() for one in self.entries.values()]

    def without(self, places: Iterable[bytes]) -> Memory:
        """The list less some paths."""
        gone = set(places)
        return Memory({place: one for place, one in self.entries.items() if place not in gone}, self.given)


def load_memory(file: str | bytes) -> Memory:
    """What is to be remembered after the merge of which this is the record.

    :raises BadInput: it cannot be read, or is not the record of a merge.
    """
    name = os.fsdecode(file)
    try:
        data = json_of(read_given(file))
    except OSError as error:
        raise BadInput(f"{name}: the record cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise BadInput(f"{name}: this is not JSON: {error}") from error
    try:
        return Memory.from_data(data["memory"]["after"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BadInput(
            f"{name}: this is not a record that says what the server had removed",
            meaning="It is another file, or an older goldroot wrote it.",
            todo="Give what `goldroot merge --report FILE` wrote, or leave --after out.",
        ) from None


#: Nobody knows what the server had removed before.
NO_MEMORY = Memory(given=False)
