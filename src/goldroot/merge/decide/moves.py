"""Moved files: one side deleted a file, the other changed it, and the first has it somewhere else now.

``moved`` is then an answer: the change is made where the file is now.  The new place is found

1. by content, where one file of base and one addition have it;
2. by the same path but for version numbers, with enough equal lines (``8.2/fpm/php.ini`` and ``8.4/fpm/php.ini``);
3. by likeness (:mod:`goldroot.merge.decide.likeness`), where one candidate is clearly the best.

Both directions: gold may have moved it, or the server.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from goldroot.conflicts import CLONE, CONTENT, GOLD, MOVED, Conflict
from goldroot.kinds import ConflictKind
from goldroot.merge.compare.comparison import Delta
from goldroot.merge.compare.meaning import SIGNATURES
from goldroot.merge.compare.parts import BASE_SIDE, CLONE_SIDE, GOLD_SIDE
from goldroot.merge.decide.answers import settle_conflict
from goldroot.merge.decide.axes import merge_axes
from goldroot.merge.decide.closed import as_closed
from goldroot.merge.decide.moved_to import NewPlaces
from goldroot.merge.decide.presence import own_content
from goldroot.merge.decide.text import merge_text
from goldroot.merge.decide.verdict import CONFLICT, MERGED, Decided, Setting, Verdict, Want, as_is
from goldroot.policy import CONFIG
from goldroot.tree import FILE, INLINE, path_text

#: Kinds of the questions about a file that one side deleted and the other changed -> (who deleted it, the kind where it
#: was moved).
_KINDS: Mapping[str, tuple[int, ConflictKind]] = {
    "gold-deleted-clone-changed": (GOLD_SIDE, "gold-moved-clone-changed"),
    "clone-deleted-gold-changed": (CLONE_SIDE, "clone-moved-gold-changed"),
}


def look_for_moves(decided: Decided, setting: Setting) -> None:
    """Name the new place in each question that is about a moved file, and offer to make the change there, in place."""
    asked = [
        path
        for path, verdict in decided.verdicts.items()
        if verdict.conflicts and not verdict.because and verdict.conflicts[0].kind in _KINDS
    ]
    if asked:
        bases = (decided.comparison.deltas[path][BASE_SIDE] for path in asked)
        sizes = [base.size for base in bases if base is not None and base.kind == FILE]
        finder = _Asker(decided, setting, NewPlaces(decided, setting, sizes))
        for path in asked:
            base = decided.comparison.deltas[path][BASE_SIDE]
            if base is not None and base.kind == FILE and base.size:
                finder.look(path)


@dataclass
class _Asker:
    """Asks about new places in one part."""

    decided: Decided
    setting: Setting
    places: NewPlaces
    _taken: set[bytes] = field(default_factory=set)

    def look(self, path: bytes) -> None:
        """Look for the new place of one file; the verdict is as it was where there is none."""
        delta = self.decided.comparison.delta(path)
        conflict = self.decided.verdicts[path].conflicts[0]
        side, kind = _KINDS[conflict.kind]
        new = self.places.of(delta, side)
        if new is None or new in self._taken:
            return
        self._taken.add(new)
        merged = self._merged(delta, new, side)
        self._ask(delta, new, replace(conflict, kind=kind), merged)

    def _merged(self, delta: Delta, new: bytes, side: int) -> Verdict | None:
        """The verdict about the new place if the change is made there; ``None`` where that cannot be offered."""
        part, there = self.decided.comparison.part, self.decided.comparison.delta(new)
        if new not in self.places.additions(side):
            return None
        if (
            delta.rule.cls != CONFIG
            or there.rule.cls != CONFIG
            or not as_closed(part, (BASE_SIDE, delta.path), (side, new))
        ):
            return None
        other = CLONE_SIDE if side == GOLD_SIDE else GOLD_SIDE
        versions = [self.places.text(delta, BASE_SIDE), self.places.text(there, side), self.places.text(delta, other)]
        if any(version is None for version in versions):
            return None
        base, moved, changed = (version or b"" for version in versions)
        done = merge_text(base, moved, changed)
        if not done.clean:
            return None
        rows = [delta.rows[BASE_SIDE], None, None]
        rows[side], rows[other] = there.rows[side], delta.rows[other]
        setting = replace(self.setting, decisions={}, merger=lambda _: done.merged)
        verdict = merge_axes(Delta(new, there.place, (rows[0], rows[1], rows[2]), there.rule), setting)
        if verdict.conflicts or verdict.want is None:
            return None
        verdict.want = _with_content(verdict.want, done.merged, as_is(there, side, self.setting))
        verdict.axes["content"] = verdict.outcome = MERGED
        verdict.notes.append(f"moved from {path_text(delta.place)}, with what was changed there")
        return verdict

    def _ask(self, delta: Delta, new: bytes, old: Conflict, merged: Verdict | None) -> None:
        comparison, verdict = self.decided.comparison, self.decided.verdicts[delta.path]
        place = path_text(comparison.part.place(new))
        mover, changer = ("gold", "the server") if old.kind.startswith("gold") else ("the server", "gold")
        verdict.notes.append(f"{mover} moved it to {place}")
        values = (old.values[0], old.values[1], old.values[2] + b"\0moved to " + comparison.part.place(new))
        conflict = replace(
            old, values=values, answers=(*old.answers, *((MOVED,) if merged is not None else ())),
            detail=f"{mover} moved it to {place}; {changer} had changed it at its old place",
            secret=old.secret or comparison.rules[new].secret,
        )  # fmt: skip
        verdict.conflicts, verdict.axes = [], {}
        answer, own = settle_conflict(verdict, conflict, self.setting, own=True)
        self._answer(delta, (answer, own), verdict)
        if answer == MOVED and merged is not None:
            merged.decided = dict(verdict.decided)
            self.decided.verdicts[new] = merged

    def _answer(self, delta: Delta, answer: tuple[str, bytes | None], verdict: Verdict) -> None:
        """What is at the old place then."""
        take, own = answer
        gold, clone = (as_is(delta, side, self.setting) for side in (GOLD_SIDE, CLONE_SIDE))
        verdict.want = {GOLD: gold, CLONE: clone, MOVED: None}.get(take)
        if take == CONTENT and own is not None:
            verdict.want = own_content(own, (as_is(delta, BASE_SIDE, self.setting), gold, clone))
        if verdict.conflicts:
            verdict.outcome = CONFLICT
        else:
            verdict.outcome = take if take in (GOLD, CLONE) else MERGED


def _with_content(want: Want, content: bytes, moved: Want | None) -> Want:
    """A file with a merged content: the mover's own, where nothing was to be changed in it."""
    digest = hashlib.sha256(content).digest()
    if moved is not None and moved.content == digest:
        return replace(want, side=moved.side, content=digest, inline=None)
    xattrs = {name: value for name, value in want.xattrs.items() if name not in SIGNATURES}
    return replace(want, side=INLINE, content=digest, inline=content, xattrs=xattrs)
