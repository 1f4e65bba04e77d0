"""One path, axis by axis: the heart of the merge, pure.

On every axis: equal on both sides -> that; only one side changed -> the change; both changed differently -> a conflict,
unless a content merger answers (MERGE.md, section 1).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from goldroot.merge.model import CLONE, CONTENT, GOLD, WITH_CONTENT, Conflict, Decision, Decisions
from goldroot.merge.owners import Names
from goldroot.merge.policy import Rule
from goldroot.tree.entry import FILE, Entry

T = TypeVar("T")
SAME, BOTH, MERGED, CONFLICT = "same", "both", "merged", "conflict"  # verdicts, beside GOLD and CLONE

BASE_SIDE, GOLD_SIDE, CLONE_SIDE, INLINE = 0, 1, 2, -1
SIDE_OF = {GOLD: GOLD_SIDE, CLONE: CLONE_SIDE}

#: They sign or measure the content, so they go where it goes and cannot survive a merge of it.
CONTENT_XATTRS = (b"security.ima", b"security.evm")


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


@dataclass(frozen=True, slots=True)
class Three:
    """One path in the three trees, its place in the system and the rule it goes by."""

    path: bytes  #: relative to the trees
    place: bytes  #: absolute in the system
    rows: tuple[Entry | None, Entry | None, Entry | None]
    rule: Rule


#: A path whose content both sides changed -> merged bytes, or ``None`` where no merger answers.
ContentMerger = Callable[[Three], bytes | None]


@dataclass(frozen=True, slots=True)
class Setting:
    """What decides besides the three rows."""

    names: tuple[Names, Names, Names]
    decisions: Decisions
    prefer: str  #: whose version stands at a conflict: CLONE or GOLD
    merger: ContentMerger


def three(base: T | None, gold: T | None, clone: T | None) -> str:
    """Which side an axis follows; ``None`` is an absent value."""
    if gold == clone:
        return SAME if base == gold else BOTH
    if base == gold:
        return CLONE
    return GOLD if base == clone else CONFLICT


def spoken(entry: Entry, names: Names, side: int) -> Want:
    """One side's path as it is."""
    return Want(
        entry.kind, side, entry.content, None, entry.mode, names.users[entry.uid], names.groups[entry.gid],
        names.xattrs(entry), entry.flags, entry.project, entry.mtime,
    )  # fmt: skip


def as_is(item: Three, side: int, setting: Setting) -> Want | None:
    """What ``side`` (BASE_SIDE, GOLD_SIDE or CLONE_SIDE) has at this path."""
    entry = item.rows[side]
    return None if entry is None else spoken(entry, setting.names[side], side)


def equal(one: Want | None, other: Want | None) -> bool:
    """Equal on every axis; times are no axis."""
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


def settle_conflict(
    verdict: Verdict, item: Three, axis: str, kind: str, values: tuple[bytes, bytes, bytes], setting: Setting,
    detail: str, stands: str = "", own: bool = True,
) -> tuple[str, bytes | None]:  # fmt: skip
    """Answer a conflict by a remembered decision, or let it stand.

    :param own: whether content of a person's own is an answer here.
    :returns: the answer in force (CLONE, GOLD or CONTENT) and, for CONTENT, its bytes.
    """
    conflict = Conflict(item.place, axis, kind, values, stands=stands or setting.prefer, detail=detail,
                        secret=item.rule.secret)  # fmt: skip
    decision = setting.decisions.get(conflict.key)
    trouble = _trouble(decision, conflict, own and axis in WITH_CONTENT)
    if decision is None or trouble:
        verdict.conflicts.append(conflict.unanswered(trouble))
        verdict.axes[axis] = CONFLICT
        return conflict.stands, None
    verdict.axes[axis] = decision.take if decision.take != CONTENT else MERGED
    verdict.decided[axis] = decision.take
    return decision.take, decision.content


def _trouble(decision: Decision | None, conflict: Conflict, own: bool) -> str:
    """Why a remembered answer cannot be used; "" where it can, or there is none."""
    if decision is None or decision.take in conflict.answers:
        return ""
    if decision.take != CONTENT:
        return f"{decision.take!r} is none of its answers"
    return "" if own and decision.content is not None else "it takes no value of one's own"


def merge_axes(item: Three, setting: Setting) -> Verdict:
    """A path that gold and the clone both have, of one kind: every axis on its own."""
    sides = [as_is(item, side, setting) for side in (BASE_SIDE, GOLD_SIDE, CLONE_SIDE)]
    base, gold, clone = sides
    assert gold is not None and clone is not None
    if base is not None and base.kind != gold.kind:
        base = None  # what another type had says nothing about this one
    verdict = Verdict(None, SAME)
    side, content, inline = _content(item, base, gold, clone, setting, verdict)
    plain: dict[str, int | bytes] = {}
    for axis in ("mode", "owner", "group", "flags", "project"):
        values = (None if base is None else getattr(base, axis), getattr(gold, axis), getattr(clone, axis))
        plain[axis] = _plain_axis(item, axis, values, setting, verdict)
    xattrs = _xattrs(item, base, gold, clone, side, setting, verdict)
    verdict.want = Want(
        kind=clone.kind, side=side, content=content, inline=inline, xattrs=xattrs,
        mtime=_mtime(verdict.axes.get("content", SAME), base, gold, clone, side),
        **plain,  # type: ignore[arg-type]
    )  # fmt: skip
    if item.rows[BASE_SIDE] is None and set(verdict.axes.values()) <= {BOTH}:
        verdict.axes = {"presence": BOTH}
    verdict.outcome = outcome_of(verdict)
    return verdict


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


def _content(
    item: Three, base: Want | None, gold: Want, clone: Want, setting: Setting, verdict: Verdict
) -> tuple[int, bytes, bytes | None]:
    """(side, content, inline bytes) of the result."""
    word = three(None if base is None else base.content, gold.content, clone.content)
    if word != CONFLICT:
        if word != SAME:
            verdict.axes["content"] = word
        taken = gold if word == GOLD else clone
        return taken.side, taken.content, None
    if clone.kind == FILE:
        merged = setting.merger(item)
        if merged is not None:
            verdict.axes["content"] = MERGED
            return INLINE, hashlib.sha256(merged).digest(), merged
    values = (base.content if base else b"", gold.content, clone.content)
    kind = "both-added" if base is None else "both-changed"
    said, is_file = _say(kind, clone.kind), clone.kind == FILE
    answer, own = settle_conflict(verdict, item, "content", kind, values, setting, said, own=is_file)
    if answer == CONTENT and own is not None:
        return INLINE, hashlib.sha256(own).digest(), own
    taken = gold if answer == GOLD else clone
    return taken.side, taken.content, None


def _say(kind: str, what: str) -> str:
    thing = "file" if what == FILE else "link or device"
    if kind == "both-added":
        return f"gold and the clone each added this {thing}, with different contents"
    return f"gold and the clone both changed this {thing}"


def _canonical(value: int | bytes | None) -> bytes:
    return b"" if value is None else value if isinstance(value, bytes) else b"%d" % value


def _plain_axis(
    item: Three, axis: str, values: tuple[int | bytes | None, int | bytes, int | bytes], setting: Setting,
    verdict: Verdict,
) -> int | bytes:  # fmt: skip
    word = three(*values)
    if word == CONFLICT:
        keyed = (_canonical(values[0]), _canonical(values[1]), _canonical(values[2]))
        detail = f"gold and the clone set a different {axis}"
        word, _ = settle_conflict(verdict, item, axis, "both-changed", keyed, setting, detail)
    elif word != SAME:
        verdict.axes[axis] = word
    return values[1] if word == GOLD else values[2]


def _xattrs(
    item: Three, base: Want | None, gold: Want, clone: Want, side: int, setting: Setting, verdict: Verdict
) -> dict[bytes, bytes]:
    held = [{} if want is None else want.xattrs for want in (base, gold, clone)]
    result: dict[bytes, bytes] = {}
    for name in sorted({name for one in held for name in one}):
        values = (held[0].get(name), held[1].get(name), held[2].get(name))
        if name in CONTENT_XATTRS:
            value = None if side == INLINE else held[side].get(name)
            if side == INLINE:
                verdict.notes.append(f"{name.decode()} was dropped: it signed a content that was merged")
        else:
            value = _xattr(item, name, values, setting, verdict)
        if value is not None:
            result[name] = value
    return result


def _xattr(
    item: Three, name: bytes, values: tuple[bytes | None, bytes | None, bytes | None], setting: Setting,
    verdict: Verdict,
) -> bytes | None:  # fmt: skip
    axis = "xattr:" + name.decode("utf-8", "surrogateescape")
    word = three(*values)
    if word == CONFLICT:
        # A present, empty value must have another key than an absent one.
        keyed = tuple(b"" if value is None else b"=" + value for value in values)
        word, _ = settle_conflict(
            verdict, item, axis, "both-changed", (keyed[0], keyed[1], keyed[2]), setting,
            "gold and the clone set this extended attribute differently",
        )  # fmt: skip
    elif word != SAME:
        verdict.axes[axis] = word
    return values[1] if word == GOLD else values[2]


def _mtime(word: str, base: Want | None, gold: Want, clone: Want, side: int) -> int:
    """The time follows the side whose content won; a merged file gets the later of the two."""
    if word == GOLD or (word == CONFLICT and side == GOLD_SIDE):
        return gold.mtime
    if word in (CLONE, CONFLICT):
        return clone.mtime
    if word == SAME and base is not None:
        if base.mtime == gold.mtime:
            return clone.mtime
        if base.mtime == clone.mtime:
            return gold.mtime
    return max(gold.mtime, clone.mtime)
