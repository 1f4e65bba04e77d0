"""What a server had removed and gold does not have at the moment: so that it stays removed when gold has it again.

Between the old gold and the new one a path that the server removed is told from the old gold.  Where gold dropped the
path too, and brings it back a version later, nothing tells any more; so the record of a merge keeps a list::

    "memory": {"given": true,
               "before": [{"path": "/etc/motd", "digest": "..."}],     what the merge was given
               "after": [...]}                                         what holds once the server runs from the result

``digest`` is over the whole value that the server removed: equal, and the path stays removed without a question.  A
secret has none, as a digest of a short secret could be guessed back.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from goldroot.errors import BadInput
from goldroot.files import digest_of, read_given
from goldroot.tree import path_bytes, path_text


@dataclass(frozen=True, slots=True)
class Removed:
    """One path that the server removed."""

    place: bytes  #: absolute in the system
    digest: bytes  #: of the whole value; ``b""`` where it is a secret
    target: bytes = b""  #: of a link


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
        return cls.of(
            Removed(
                path_bytes(one["path"]), bytes.fromhex(one.get("digest") or ""), path_bytes(one.get("target") or "")
            )
            for one in data
        )

    @classmethod
    def of_record(cls, record: Mapping[str, Any], which: str = "after") -> Memory:
        """The list in a record's data; empty where an older goldroot wrote it.

        :param which: ``after`` the merge, or ``before`` it.
        """
        return cls.from_data((record.get("memory") or {}).get(which, ()))

    def digest(self) -> bytes:
        """A hash over it: another list may make another merge."""
        return digest_of([part for one in self.entries.values() for part in (one.place, one.digest, one.target)])

    def data(self) -> list[dict[str, str]]:
        """The list as JSON data."""
        return [
            {"path": path_text(one.place)}
            | ({"digest": one.digest.hex()} if one.digest else {})
            | ({"target": path_text(one.target)} if one.target else {})
            for one in self.entries.values()
        ]

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
        data = json.loads(read_given(file))
    except OSError as error:
        raise BadInput(f"{name}: the record cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
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
