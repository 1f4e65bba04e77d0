"""What was taken over as it stood: marks of entries in which goldroot never wrote, and labels of disks that it did not format.

A site that follows the paper is adopted without any change of z/VM.  So the marks that its entries will get with their first
change are kept in a file of the host's store until then; once an entry has records of its own, these alone count.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from goldroot import files
from goldroot.errors import Damaged
from goldroot.hosts.port import Mark


@dataclass(frozen=True)
class Taken:
    """What a file says.

    :param entries: entry's name -> its marks by set.
    :param labels: id of a disk -> the volume label that it was found with; "" for none.
    """

    entries: Mapping[str, Mapping[str, Mark]] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


class Adopted:
    """:param path: the file; nothing was adopted where there is none."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._read: Taken | None = None

    def __call__(self) -> Taken:
        """What was adopted.  :raises Damaged: the file cannot be read as one."""
        if self._read is None:
            self._read = self._load()
        return self._read

    def add(self, entries: Mapping[str, Mapping[str, Mark]], labels: Mapping[str, str]) -> None:
        """More of it; again: the same."""
        before = self()
        both = Taken({**before.entries, **entries}, {**before.labels, **labels})
        data = {
            "entries": {name: {digit: asdict(mark) for digit, mark in marks.items()} for name, marks in both.entries.items()},
            "labels": dict(both.labels),
        }  # fmt: skip
        files.write(self._path, json.dumps(data, indent=1).encode() + b"\n")
        self._read = both

    def _load(self) -> Taken:
        try:
            with open(self._path, encoding="utf-8") as file:
                data: Any = files.json_of(file.read())
            entries = {
                str(name): {str(digit): Mark(**mark) for digit, mark in marks.items()}
                for name, marks in data["entries"].items()
            }
            return Taken(entries, {str(id): str(label) for id, label in data["labels"].items()})
        except FileNotFoundError:
            return Taken()
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Damaged(
                f"{self._path!r} cannot be read: {error}",
                meaning="It says what was adopted, and which set of an entry is which.",
                todo="Put it back from a backup, or adopt again.",
            ) from error
