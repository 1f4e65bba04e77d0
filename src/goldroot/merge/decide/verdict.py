"""How paths and state units were decided, what each shall be in the result, and how a conflict is answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from goldroot.accounts import NUMERIC_OWNERS, OwnerNames
from goldroot.conflicts import CLONE, CONTENT, GOLD, WITH_CONTENT, Conflict, Decision, Decisions
from goldroot.kinds import ConflictKind
from goldroot.merge.compare.compare import Comparison, Delta
from goldroot.merge.compare.parts import Names
from goldroot.merge.memory import NO_MEMORY, Kept, Memory
from goldroot.tree import DIRECTORY, INLINE, Entry, Note

SAME, BOTH, MERGED, CONFLICT = "same", "both", "merged", "conflict"  # verdicts, beside GOLD and CLONE

NO_SIDE = INLINE  #: of a cover or a unit: nothing is there


@dataclass(frozen=True, slots=True)
class Want:
    """What a path shall be in the result, owners as tokens."""

    kind: str
    side: int  #: whose content: BASE_SIDE, GOLD_SIDE, CLONE_SIDE, or INLINE
    content: bytes  #: digest of a file (of the inline bytes too), target of a link, number of a device
    inline: bytes | None
    mode: int
    owner: bytes
    group: bytes
    xattrs: Mapping[bytes, bytes]
    flags: int
    project: int
    mtime: int


@dataclass(slots=True)
class Verdict:
    """How one path was decided."""

    want: Want | None  #: ``None``: not in the result
    outcome: str
    axes: dict[str, str] = field(default_factory=dict)  #: axis -> SAME, GOLD, CLONE, BOTH, MERGED, CONFLICT
    conflicts: list[Conflict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    decided: dict[str, str] = field(default_factory=dict)  #: axis -> the answer that a person gave
    because: bytes = b""  #: the path above whose conflict this one shares


@dataclass(slots=True)
class UnitVerdict:
    """Whose a state unit is in the result."""

    side: int  #: GOLD_SIDE, CLONE_SIDE, or NO_SIDE
    outcome: str
    conflict: Conflict | None = None
    notes: list[str] = field(default_factory=list)
    because: bytes = b""  #: the path above whose conflict this one shares
    users: dict[bytes, bytes] = field(default_factory=dict)  #: owners of the clone's unit -> who gold made of them
    groups: dict[bytes, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rebuild:
    """How a derived file is made again."""

    command: str  #: run in the result; ``""``: nobody knows which, and a person has to see to it
    text: str


@dataclass
class Decided:
    """Every delta of a part with its verdict, every changed unit with its side."""

    comparison: Comparison
    verdicts: dict[bytes, Verdict] = field(default_factory=dict)  #: in tree order
    units: dict[bytes, UnitVerdict] = field(default_factory=dict)
    within: set[bytes] = field(default_factory=set)  #: verdicts about a unit itself, or about what gold has in it
    conflicts: list[Conflict] = field(default_factory=list)  #: that are not about one verdict
    notes: list[Note] = field(default_factory=list)  #: what is not about one verdict; their paths are places
    rebuilds: dict[bytes, Rebuild] = field(default_factory=dict)  #: derived files that have to be made again


class Sameness(Protocol):
    """What makes values the same although their bytes differ; see :mod:`goldroot.merge.decide.sameness`."""

    @property
    def read(self) -> Callable[[Delta, int], bytes]:
        """Reads a side's bytes of a path that it has as a file."""

    def unchanged(self, delta: Delta, base: Want, other: Want) -> bool:
        """Whether ``other`` is not a change of base's that anybody means."""

    def link_text(self, path: bytes, text: bytes) -> bytes:
        """Where a link leads, in one spelling."""


#: A path whose content both sides changed -> merged bytes, or ``None`` where no merger answers.
ContentMerger = Callable[[Delta], bytes | None]


@dataclass(frozen=True, slots=True)
class Setting:
    """What decides besides the three rows."""

    names: Names
    decisions: Decisions
    prefer: str  #: whose version stands at a conflict: CLONE or GOLD
    merger: ContentMerger
    sameness: Sameness
    memory: Memory = NO_MEMORY  #: what the server had removed before
    going_back: bool = False  #: on the way back new questions are notes, and the clone's stands
    trouble: Callable[[Delta], str] = lambda delta: ""  #: what of a content both sides changed, for a person
    kept_lines: Callable[[Delta], Kept | None] = lambda delta: None  #: what of a file's entries stays away


def want_of(entry: Entry, names: OwnerNames, side: int) -> Want:
    """One side's path as it is."""
    return Want(
        entry.kind, side, entry.content, None, entry.mode, names.users[entry.uid], names.groups[entry.gid],
        names.xattrs(entry), entry.flags, entry.project, entry.mtime,
    )  # fmt: skip


def as_is(delta: Delta, side: int, setting: Setting) -> Want | None:
    """What ``side`` (BASE_SIDE, GOLD_SIDE or CLONE_SIDE) has at this path."""
    entry = delta.rows[side]
    names = NUMERIC_OWNERS if delta.numeric else setting.names[side]
    return None if entry is None else want_of(entry, names, side)


def equal(one: Want | None, other: Want | None) -> bool:
    """Equal on every axis; times are not an axis."""
    if one is None or other is None:
        return one is other
    return (
        one.kind == other.kind
        and one.content == other.content
        and one.mode == other.mode
        and one.owner == other.owner
        and one.group == other.group
        and one.xattrs == other.xattrs
        and (one.flags, one.project) == (other.flags, other.project)
    )


def value_of(want: Want | None) -> bytes:
    """A whole path as canonical bytes, for the key of a conflict about its presence or type."""
    if want is None:
        return b""
    head = [want.kind.encode(), want.content, b"%o" % want.mode, want.owner, want.group]
    attributes = [part for pair in sorted(want.xattrs.items()) for part in pair]
    return b"".join(len(part).to_bytes(4, "big") + part for part in head + attributes)


def outcome_of(verdict: Verdict) -> str:
    """One word for a path from the words of its axes."""
    words = set(verdict.axes.values()) - {SAME}
    if CONFLICT in words:
        return CONFLICT
    if MERGED in words or {GOLD, CLONE} <= words:
        return MERGED
    if not words:
        return SAME
    words.discard(BOTH) if len(words) > 1 else None
    return words.pop()


def main_axis(verdict: Verdict) -> str:
    """The axis to name first: the conflicting one, else the first that changed."""
    for wanted in ((CONFLICT,), (MERGED,), (GOLD, CLONE, BOTH)):
        for axis, word in verdict.axes.items():
            if word in wanted:
                return axis
    return next(iter(verdict.axes), "")


def is_directory(row: Entry | None) -> bool:
    return row is not None and row.kind == DIRECTORY


def conflict_at(
    delta: Delta, setting: Setting, axis: str, kind: ConflictKind, values: tuple[bytes, bytes, bytes], detail: str
) -> Conflict:
    """The question about a path; the side that the policy prefers stands."""
    return Conflict(delta.place, axis, kind, values, stands=setting.prefer, detail=detail, secret=delta.rule.secret)


def settle_conflict(
    verdict: Verdict, conflict: Conflict, setting: Setting, *, own: bool = False
) -> tuple[str, bytes | None]:
    """Answer a conflict by a remembered decision, or let it stand.

    :param own: whether content of a person's own is an answer here, on an axis that has contents.
    :returns: the answer in force (CLONE, GOLD or CONTENT) and, for CONTENT, its bytes.
    """
    axis = conflict.axis
    decision = setting.decisions.get(conflict.key)
    trouble = _trouble(decision, conflict, own and axis in WITH_CONTENT)
    if decision is None or trouble:
        verdict.conflicts.append(conflict.unanswered(trouble))
        verdict.axes[axis] = CONFLICT
        return conflict.stands, None
    verdict.axes[axis] = decision.take if decision.take in (CLONE, GOLD) else MERGED
    verdict.decided[axis] = decision.take
    return decision.take, decision.content


def _trouble(decision: Decision | None, conflict: Conflict, own: bool) -> str:
    """Why a remembered answer cannot be used; "" where it can, or there is none."""
    if decision is None or decision.take in conflict.answers:
        return ""
    if decision.take != CONTENT:
        return f"{decision.take!r} is none of its answers"
    return "" if own and decision.content is not None else "it takes no value of one's own"
