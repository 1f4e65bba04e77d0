"""The record of a merge, as it stands in a file and under ``record`` in the output of commands.

The merge writes it as plain data (`goldroot.merge.record`), since a record may have a hundred thousand entries; these
models say what that data is, read it back, and make its published schema.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import Field, ValidationError

from goldroot.views.base import View
from goldroot.views.kinds import CONFLICT_KINDS, NOTE_KINDS

#: The newest schema that is read here, and the one that is written.
RECORD_SCHEMA = 1

Outcome = Literal["clone", "gold", "both", "merged", "conflict", "dropped", "same"]
Kind = Literal["file", "directory", "link", "char-device", "block-device", "fifo", "socket"]


_CONFLICT_KINDS: list[Any] = sorted(CONFLICT_KINDS)
_KINDS: list[Any] = sorted({*NOTE_KINDS, *CONFLICT_KINDS})
#: A record of another goldroot may have kinds that this one does not know: they are told, and not checked.
ConflictKindField: Any = Field(description="what is asked", json_schema_extra={"enum": _CONFLICT_KINDS})
NoteKindField: Any = Field(
    description="what it says; of a question on the way back, the question's", json_schema_extra={"enum": _KINDS}
)


class RuleUsed(View):
    """The rule of the policy that a path goes by."""

    pattern: str
    class_: str = Field(alias="class", description="config, lines, opaque, state, identity, clone, gold, cache ...")
    where: str = Field(description="the policy and the line in it")


class SideOfPath(View):
    """What one tree has at a path; for the result, what it shall have."""

    kind: Kind
    mode: str | None = Field(None, description="four octal digits; a socket has none")
    owner: str | None = None
    group: str | None = None
    uid: int | None = None
    gid: int | None = None
    hash: str | None = Field(None, description="of the content; secret-N for a secret; null where it was not read")
    size: int | None = Field(None, description="bytes")
    target: str | None = Field(None, description="of a link")
    device: str | None = Field(None, description="MAJOR:MINOR")
    mtime: int | None = Field(None, description="nanoseconds since 1970")
    xattrs: tuple[str, ...] = ()
    flags: int | None = Field(None, description="inode flags, as FS_IOC_GETFLAGS has them")
    project: int | None = Field(None, description="project number of a quota")


class ChangedSides(View):
    """Who changed something in a state unit."""

    gold: bool
    clone: bool


class Dropped(View):
    """What was left out of a cache."""

    files: int
    bytes: int


class RecordEntry(View):
    """One path that does not end as all three trees have it."""

    path: str
    outcome: Outcome
    axis: str = Field(description="the axis that the outcome is about")
    axes: dict[str, str] = Field(description="every axis that was decided, and how")
    rule: RuleUsed
    base: SideOfPath | None = None
    gold: SideOfPath | None = None
    clone: SideOfPath | None = None
    result: SideOfPath | None = None
    changed: ChangedSides | None = None
    dropped: Dropped | None = None
    notes: tuple[str, ...] = ()
    decided: dict[str, str] = Field(default_factory=dict, description="axis -> a person's answer that holds here")
    because: str | None = Field(None, description="the path above it that decided")


class RecordConflict(View):
    """A question that the merge did not answer alone."""

    path: str
    axis: str
    kind: str = ConflictKindField
    key: str = Field(description="the name of the question, alike on every server")
    answers: tuple[str, ...]
    stands: str = Field(description="the answer that is in force until somebody decides")
    detail: str
    secret: bool
    takes_content: bool = Field(False, description="a file of one's own is an answer, too")


class RecordNote(View):
    """Something that a person should know besides."""

    kind: str = NoteKindField
    path: str
    text: str
    data: dict[str, Any] = Field(default_factory=dict)


class RemovedBelow(View):
    """A link or file of a directory that the server removed."""

    path: str
    target: str | None = Field(None, description="of a link")
    content: str | None = Field(None, description="hash of a file's content")
    copies: bool = Field(False, description="the old gold had that content at other places, too")
    now: str | None = Field(None, description="where the server, which only renamed it, had it then")


class RemovedPath(View):
    """A path that the server removed, or some lines of one."""

    path: str
    digest: str | None = Field(None, description="of the whole value that was removed; none of a secret")
    target: str | None = Field(None, description="of a link")
    content: str | None = Field(None, description="hash of a file's content")
    copies: bool = Field(False, description="the old gold had that content at other places, too")
    now: str | None = Field(None, description="where the server, which only renamed it, had it then")
    below: tuple[RemovedBelow, ...] = Field((), description="of a directory: what can be told at another place")
    lines: tuple[str, ...] | None = Field(
        None, description="the server has the file, without these lines; of a secret file none of them is told"
    )


class RecordMemory(View):
    """What stays removed on the server although gold does not have it at the moment."""

    given: bool = Field(description="whether the merge was told what the server had removed before")
    before: tuple[RemovedPath, ...]
    after: tuple[RemovedPath, ...] = Field(description="what holds once the server runs from the result")


class RecordVersions(View):
    """What wrote the record."""

    goldroot: str
    record: int


class Record(View):
    """The record of one merge."""

    schema_: int = Field(alias="schema")
    versions: RecordVersions
    policy: str = Field(description="the hash of the policy that decided")
    counts: dict[str, int] = Field(description="paths for each outcome; unchanged; conflicts")
    conflicts: tuple[RecordConflict, ...]
    entries: tuple[RecordEntry, ...]
    notes: tuple[RecordNote, ...]
    memory: RecordMemory | None = Field(None, description="missing in records of an older goldroot")


class UnreadableRecord(ValueError):
    """The bytes are not a record, or that of a newer goldroot; the message says which."""


def read_record(content: bytes) -> Record:
    """A record from its file.

    :raises UnreadableRecord: it is not one, or its schema is newer than :data:`RECORD_SCHEMA`.
    """
    try:
        data = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UnreadableRecord(f"it is not JSON: {error}") from None
    schema = data.get("schema") if isinstance(data, dict) else None
    if isinstance(schema, int) and schema > RECORD_SCHEMA:
        raise UnreadableRecord(f"it has schema {schema}, and this goldroot reads records up to {RECORD_SCHEMA}")
    try:
        return Record.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        raise UnreadableRecord(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
