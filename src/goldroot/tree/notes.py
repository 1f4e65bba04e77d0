"""What a person should know about a scan or a copy and need not decide."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from goldroot.kinds import ConflictKind, NoteKind

#: Called with the number of entries done since the last call.
Progress = Callable[[int], None]


#: Kind of the note of a scan that something is mounted on a path.
OTHER_FILE_SYSTEM: Final = "other-file-system"


@dataclass(frozen=True, slots=True)
class Note:
    """One remark.

    Every kind, with a sentence, stands in :mod:`goldroot.kinds`.
    """

    kind: NoteKind | ConflictKind  #: a word for a program
    path: bytes  #: relative to the tree; ``b""`` where it concerns the tree or no one path
    text: str  #: for a person; no secrets
    data: Mapping[str, object] = field(default_factory=dict)


def owners_not_kept(count: int) -> Note:
    """One remark about all paths that could not be given to their owners."""
    text = (
        "1 path belongs to the caller, as giving it away needs root; its owner is recorded"
        if count == 1
        else f"{count:,} paths belong to the caller, as giving them away needs root; their owners are recorded"
    )
    return Note("owner-not-kept", b"", text, {"count": count})
