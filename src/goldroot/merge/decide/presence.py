"""Presence and type of one path, and the classes that take one side as a whole.

What gold deleted and the server edited is a conflict: :func:`_deleted` says so.

What lies above and below a path is not known here; :mod:`goldroot.merge.decide.decider` brings it in, and
:mod:`goldroot.merge.fit.one_tree` joins the answers to a tree.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from goldroot.conflicts import CLONE, CONTENT, GOLD
from goldroot.files import digest_of
from goldroot.kinds import ConflictKind
from goldroot.merge.compare.compare import Comparison, Delta
from goldroot.merge.compare.parts import BASE_SIDE, CLONE_SIDE, GOLD_SIDE, LABELS, Rows
from goldroot.merge.decide.axes import merge_axes
from goldroot.merge.decide.verdict import (
    BOTH,
    CONFLICT,
    MERGED,
    SAME,
    Setting,
    Verdict,
    Want,
    as_is,
    conflict_at,
    equal,
    settle_conflict,
    value_of,
    want_of,
)
from goldroot.tree import DIRECTORY, FILE, INLINE, is_below, some_paths

Wants = tuple[Want | None, Want | None, Want | None]  #: base, gold, clone

#: Conflicts about what a path is, not about whether it is there.
_OF_TYPE = ("both-added", "type-changed")

ADDED_BELOW_DELETED = "gold added it below a directory that the server deleted"


@dataclass(frozen=True, slots=True)
class Below:
    """What a path alone cannot tell: (path, side) -> what the side has below it."""

    changed: Callable[[bytes, int], bool]  #: whether the side changed anything below
    value: Callable[[bytes, int], bytes]  #: all that lies below as a digest; b"" where there is no directory


def decide_presence(delta: Delta, setting: Setting, below: Below) -> Verdict:
    """Decide one path by its presence and type, then by its axes."""
    _, gold_row, clone_row = delta.rows
    if gold_row is not None and clone_row is not None and gold_row.kind == clone_row.kind:
        return merge_axes(delta, setting)
    base, gold, clone = (as_is(delta, side, setting) for side in (BASE_SIDE, GOLD_SIDE, CLONE_SIDE))
    if gold is None and clone is None:
        return Verdict(None, BOTH, {"presence": BOTH})
    if base is None:
        return _added(delta, gold, clone, setting, below)
    if gold is None or clone is None:
        return _deleted(delta, base, gold, clone, setting, below)
    return _retyped(delta, base, gold, clone, setting, below)


def _added(delta: Delta, gold: Want | None, clone: Want | None, setting: Setting, below: Below) -> Verdict:
    if clone is None:
        return Verdict(gold, GOLD, {"presence": GOLD})
    if gold is None:
        return Verdict(clone, CLONE, {"presence": CLONE})
    detail = "gold and the server each added this path, of different types"
    return _ask(delta, "both-added", (None, gold, clone), setting, detail, below)


def added_below_deleted(delta: Delta, setting: Setting, below: Below) -> Verdict:
    """Gold added a path below a directory that the clone deleted."""
    gold = as_is(delta, GOLD_SIDE, setting)
    return _ask(delta, "below-deleted", (None, gold, None), setting, ADDED_BELOW_DELETED, below)


def added_below(delta: Delta, setting: Setting, added: Added) -> Verdict:
    """The clone deleted a directory, and gold added something below it; gold may have changed the directory, too."""
    base, gold = (as_is(delta, side, setting) for side in (BASE_SIDE, GOLD_SIDE))
    assert base is not None and gold is not None
    changed = b"" if setting.sameness.unchanged(delta, base, gold) else value_of(gold)
    verdict = Verdict(None, CONFLICT)
    values = b"", added.value + changed, b""
    asked = conflict_at(delta, setting, "presence", "below-deleted", values, added.detail)
    answer, _ = settle_conflict(verdict, asked, setting)
    verdict.want = gold if answer == GOLD else None
    if not verdict.conflicts:
        verdict.outcome = answer
    return verdict


def _deleted(
    delta: Delta, base: Want, gold: Want | None, clone: Want | None, setting: Setting, below: Below
) -> Verdict:
    changed = clone if gold is None else gold
    assert changed is not None
    if setting.sameness.unchanged(delta, base, changed):
        deleter = GOLD if gold is None else CLONE
        return Verdict(None, deleter, {"presence": deleter})
    within = None if base.kind == DIRECTORY else below  # what is in a new directory is part of it
    kind: ConflictKind
    if gold is None:
        kind, detail = "gold-deleted-clone-changed", "gold deleted it; the server had changed it"
    else:
        kind, detail = "clone-deleted-gold-changed", "the server deleted it; gold changed it"
    return _ask(delta, kind, (base, gold, clone), setting, detail, within)


def _retyped(delta: Delta, base: Want, gold: Want, clone: Want, setting: Setting, below: Below) -> Verdict:
    """Gold's and the clone's types differ, so at least one of them changed it."""
    same = setting.sameness.unchanged
    if clone.kind == base.kind and same(delta, base, clone) and not _below(delta, clone, CLONE_SIDE, below):
        return Verdict(gold, GOLD, {"type": GOLD})
    if gold.kind == base.kind and same(delta, base, gold) and not _below(delta, gold, GOLD_SIDE, below):
        return Verdict(clone, CLONE, {"type": CLONE})
    detail = "one side changed its type, the other changed it or something below it"
    return _ask(delta, "type-changed", (base, gold, clone), setting, detail, below)


def _below(delta: Delta, want: Want, side: int, below: Below) -> bool:
    return want.kind == DIRECTORY and below.changed(delta.path, side)


def _ask(
    delta: Delta, kind: ConflictKind, wants: Wants, setting: Setting, detail: str, below: Below | None = None
) -> Verdict:
    """A conflict about the whole path: its type, or whether it is there.

    :param below: given where the answer holds for all that lies below a directory too, which is then part of the question.
    """
    verdict = Verdict(None, CONFLICT)
    base, gold, clone = (
        value_of(want) + (below.value(delta.path, side) if below else b"") for side, want in enumerate(wants)
    )
    axis = "type" if kind in _OF_TYPE else "presence"
    answer, own = settle_conflict(
        verdict, conflict_at(delta, setting, axis, kind, (base, gold, clone), detail), setting, own=True
    )
    verdict.want = wants[GOLD_SIDE] if answer == GOLD else wants[CLONE_SIDE]
    if answer == CONTENT and own is not None:
        verdict.want = own_content(own, wants)
    if not verdict.conflicts:
        verdict.outcome = MERGED if answer == CONTENT else answer
    return verdict


def own_content(own: bytes, wants: Wants) -> Want | None:
    """A file with bytes that a person gave, and the metadata of the side that has it as a file."""
    like = next((want for want in (wants[2], wants[1], wants[0]) if want is not None and want.kind == FILE), None)
    if like is None:
        return wants[2]
    return replace(like, side=INLINE, content=hashlib.sha256(own).digest(), inline=own)


def _unchanged(delta: Delta, setting: Setting, base: Want | None, other: Want | None) -> bool:
    """Whether a side changed nothing that anybody means, its presence included."""
    if base is None or other is None:
        return base is other
    return setting.sameness.unchanged(delta, base, other)


def _with_labels(gold: Want | None, clone: Want | None) -> Want | None:
    """Gold's version of a path with the server's security labels, where gold gives it none."""
    if gold is None or clone is None or clone.kind != gold.kind:
        return gold
    labels = {name: value for name, value in clone.xattrs.items() if name in LABELS}
    return replace(gold, xattrs={**labels, **gold.xattrs}) if labels else gold


def take_gold(delta: Delta, setting: Setting) -> Verdict:
    """Class gold: gold's always; what the clone had changed is dropped, with a note."""
    base, gold, clone = (as_is(delta, side, setting) for side in (BASE_SIDE, GOLD_SIDE, CLONE_SIDE))
    verdict = Verdict(_with_labels(gold, clone), SAME if equal(base, gold) else GOLD)
    if equal(gold, clone):
        verdict.outcome = SAME if equal(base, gold) else BOTH
    elif not equal(base, clone):
        verdict.outcome = GOLD
    if verdict.outcome == GOLD and not _unchanged(delta, setting, base, clone):
        verdict.notes.append("the server's differing version was dropped: this path is always gold's")
    if verdict.outcome != SAME:
        verdict.axes["presence" if gold is None or clone is None else "content"] = verdict.outcome
    return verdict


def take_clone(delta: Delta, setting: Setting) -> Verdict:
    """Classes clone and identity, and pinned paths: the clone's always; what gold changed is dropped, with a note."""
    base, gold, clone = (as_is(delta, side, setting) for side in (BASE_SIDE, GOLD_SIDE, CLONE_SIDE))
    verdict = Verdict(clone, SAME if equal(base, clone) else CLONE)
    if equal(gold, clone):
        verdict.outcome = SAME if equal(base, gold) else BOTH
    elif not equal(base, gold):
        verdict.outcome = CLONE
    if verdict.outcome == CLONE and not _unchanged(delta, setting, base, gold):
        verdict.notes.append("gold's change was not taken: this path is always the server's")
    if verdict.outcome != SAME:
        verdict.axes["presence" if gold is None or clone is None else "content"] = verdict.outcome
    return verdict


def take_generated(delta: Delta, setting: Setting) -> Verdict:
    """Class generated: until it is made again, the clone's where it differs from base, else gold's (or always gold's)."""
    base, gold, clone = (as_is(delta, side, setting) for side in (BASE_SIDE, GOLD_SIDE, CLONE_SIDE))
    if delta.rule.always == GOLD or _unchanged(delta, setting, base, clone):
        verdict = Verdict(gold, GOLD)
    else:
        verdict = Verdict(clone, CLONE)
    verdict.axes["content"] = verdict.outcome
    return verdict


def take_cache(delta: Delta, setting: Setting) -> Verdict:
    """Class cache: gold's; the clone's own directories stay, empty."""
    base, gold, clone = (as_is(delta, side, setting) for side in (BASE_SIDE, GOLD_SIDE, CLONE_SIDE))
    if gold is None and clone is not None and clone.kind == DIRECTORY and not equal(base, clone):
        return Verdict(clone, CLONE, {"presence": CLONE})
    return Verdict(gold, GOLD, {"presence": GOLD})


# -- What gold added or changed below a directory that the clone deleted: one question, at the topmost directory that is
# gone. Twenty new files below ``/etc/apache2`` of a server that has no Apache any more are one cause. The value of the
# question is all that gold added and changed there, so an answer holds for every server that deleted the directory, and
# not for a later gold that has something else. A single file that gold changed is asked about by itself.


@dataclass(frozen=True, slots=True)
class Added:
    """What gold added or changed below one directory."""

    paths: tuple[bytes, ...]  #: relative to the trees, in tree order
    value: bytes  #: a digest of all of it
    detail: str  #: for a person


def additions_below(comparison: Comparison, path: bytes, setting: Setting, apart: Collection[str]) -> Added | None:
    """What gold added or changed below a directory that the clone deleted and gold has.

    :param apart: the classes whose paths are not asked about.
    """
    added: list[bytes] = []
    changed: list[bytes] = []
    parts: list[bytes] = []
    for below in (*comparison.below(path), *(unit for unit in comparison.units if is_below(unit, path))):
        if _is_gold_added(comparison, below, apart):
            added.append(below)
        elif is_changed(comparison, below, setting, apart):
            changed.append(below)
        else:
            continue
        parts += [below, _value_of_added(comparison, below, setting)]
    if not added and len(changed) < 2:
        return None
    return Added((*added, *changed), digest_of(parts), _said_of_added(comparison, added, changed))


def is_changed(comparison: Comparison, path: bytes, setting: Setting, apart: Collection[str]) -> bool:
    """Whether gold changed a path that is not a directory and that the clone deleted."""
    if path in comparison.units:
        return False
    delta, rule = comparison.delta(path), comparison.rules[path]
    if delta.rows[CLONE_SIDE] is not None or rule.cls in apart or rule.cls == "accounts" or rule.pin:
        return False
    base, gold = (as_is(delta, side, setting) for side in (BASE_SIDE, GOLD_SIDE))
    if base is None or gold is None or DIRECTORY in (base.kind, gold.kind):
        return False
    return not setting.sameness.unchanged(delta, base, gold)


def rows_of(comparison: Comparison, path: bytes) -> Rows:
    """A path's rows; what is in a state unit is not a delta, nor is what is the same in all three."""
    return comparison.deltas.get(path) or comparison.part.rows(path)


def _is_gold_added(comparison: Comparison, path: bytes, apart: Collection[str]) -> bool:
    unit = comparison.units.get(path)
    if unit is not None:
        return unit.present[GOLD_SIDE] and not (unit.present[BASE_SIDE] or unit.present[CLONE_SIDE] or unit.pinned)
    base, gold, clone = comparison.deltas[path]
    rule = comparison.rules[path]
    return gold is not None and base is None and clone is None and rule.cls not in apart and not rule.pin


def _value_of_added(comparison: Comparison, path: bytes, setting: Setting) -> bytes:
    if path in comparison.units:
        return b"unit"
    gold = comparison.deltas[path][GOLD_SIDE]
    return b"" if gold is None else value_of(want_of(gold, setting.names[GOLD_SIDE], GOLD_SIDE))


def _said_of_added(comparison: Comparison, added: Collection[bytes], changed: Collection[bytes]) -> str:
    said = [
        f"{word} below it: {some_paths(map(comparison.part.place, paths))}"
        for word, paths in (("added", added), ("changed", changed))
        if paths
    ]
    return f"the server deleted this directory; gold {'; and '.join(said)}"
