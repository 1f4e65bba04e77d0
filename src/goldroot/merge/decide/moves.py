"""Moved files: one side deleted a file, the other changed it, and the first has it somewhere else now.

``moved`` is then an answer: the change is made where the file is now.  The new place is found

1. by content, where one file of base and one addition have it;
2. by the same path but for version numbers, with enough equal lines (``8.2/fpm/php.ini`` and ``8.4/fpm/php.ini``);
3. by likeness (:mod:`goldroot.merge.decide.likeness`), where one candidate is clearly the best.

Both directions: gold may have moved it, or the server.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from goldroot.conflicts import CLONE, CONTENT, GOLD, MOVED, Conflict
from goldroot.kinds import ConflictKind
from goldroot.merge.compare.compare import Delta
from goldroot.merge.compare.parts import BASE_SIDE, CLONE_SIDE, GOLD_SIDE, SIGNATURES, read_file
from goldroot.merge.decide.axes import merge_axes
from goldroot.merge.decide.likeness import (
    CLEAR,
    LEAST,
    LEAST_LINES,
    MOST_PAIRS,
    Lines,
    as_closed,
    by_shared_lines,
    clear_best,
    files_with_lines,
    likeness,
    lines_of,
    only_rare,
    without_versions,
)
from goldroot.merge.decide.presence import own_content
from goldroot.merge.decide.text import is_text, merge_text
from goldroot.merge.decide.verdict import CONFLICT, MERGED, Decided, Setting, Verdict, Want, as_is, settle_conflict
from goldroot.policy import CONFIG
from goldroot.tree import FILE, INLINE, Entry, path_text

#: Nobody's configuration is larger; such a file is not compared by lines (bytes).
_LARGEST = 1 << 20
#: A text that is so many times as long as another, or as short, is not the same one.
_NEAR = 4
#: To tell which lines stand everywhere, so many files of base are read, up to so many bytes in all.
_MOST_FILES, _MOST_BYTES = 5000, 32 << 20


@dataclass
class NewPlaces:
    """Looks for new places in one part.

    :param sizes: of the files that are asked about (bytes).
    :param tops: directories of base whose texts tell which lines stand everywhere, besides those in which something is asked.
    """

    decided: Decided
    setting: Setting
    sizes: list[int]
    tops: frozenset[bytes] = frozenset()
    _pairs: int = MOST_PAIRS
    _additions: dict[int, dict[bytes, Entry]] = field(default_factory=dict)
    _read: dict[int, dict[bytes, Lines]] = field(default_factory=dict)
    _by_content: dict[int, dict[bytes, list[bytes]]] = field(default_factory=dict)

    def of(self, delta: Delta, side: int) -> bytes | None:
        """Where a side has a file of base's now; ``None`` where nobody can say."""
        base = delta.rows[BASE_SIDE]
        assert base is not None
        same = self._with_content(side).get(base.content, ()) if base.content else ()
        if same:
            once = len(same) == 1 and self.decided.comparison.contents_of_base[base.content] == 1
            return same[0] if once else self._by_place(delta, same, side)
        if delta.rule.cls != CONFIG:
            return None
        texts = self._texts(side)
        wanted = self.text(delta, BASE_SIDE)
        if wanted is None or not texts:
            return None
        return self._by_version(delta, wanted, texts) or self._by_likeness(delta, wanted, texts, side)

    def of_version(self, delta: Delta, side: int) -> bytes | None:
        """Where a side has a text of base's under another version number."""
        texts = self._texts(side) if delta.rule.cls == CONFIG else {}
        wanted = self.text(delta, BASE_SIDE) if texts else None
        return None if wanted is None else self._by_version(delta, wanted, texts)

    def like(self, delta: Delta, side: int, other: int) -> bytes | None:
        """Which of the texts that another side added is like one of a side's."""
        texts = self._texts(other)
        wanted = self.text(delta, side) if texts else None
        return None if wanted is None else self._by_likeness(delta, wanted, texts, other)

    def _by_place(self, delta: Delta, candidates: Iterable[bytes], side: int) -> bytes | None:
        """Of candidates that are all as good, the one at the same place but for a version, or for one directory that was
        renamed; ``None`` where there are several, or another file of base's has as good a claim."""
        same = [path for path in candidates if self._is_renamed(delta.path, path, side)]
        if len(same) != 1:
            return None
        own = delta.rows[BASE_SIDE]
        rivals = (
            path
            for path, (base, *sides) in self.decided.comparison.deltas.items()
            if path != delta.path and base is not None and own is not None and sides[side - GOLD_SIDE] is None
            if (base.kind, base.content) == (own.kind, own.content)
        )
        return None if any(self._is_renamed(path, same[0], side) for path in rivals) else same[0]

    def _is_renamed(self, old: bytes, new: bytes, side: int) -> bool:
        """Whether a path is another one below a renamed directory, or but for version numbers."""
        if without_versions(old) == without_versions(new):
            return True
        before, after = old.split(b"/"), new.split(b"/")
        differs = [depth for depth, (one, other) in enumerate(zip(before, after, strict=False)) if one != other]
        if len(before) != len(after) or len(differs) != 1 or differs[0] == len(before) - 1:
            return False
        top = differs[0] + 1
        trees = self.decided.comparison.part.trees
        gone = trees[side].manifest.get(b"/".join(before[:top])) is None
        return gone and trees[BASE_SIDE].manifest.get(b"/".join(after[:top])) is None

    def additions(self, side: int) -> Mapping[bytes, Entry]:
        """What a side added, and nobody else has."""
        if side not in self._additions:
            self._additions[side] = dict(self._added_by(side, CLONE_SIDE if side == GOLD_SIDE else GOLD_SIDE))
        return self._additions[side]

    def _added_by(self, side: int, other: int) -> Iterator[tuple[bytes, Entry]]:
        for path, verdict in self.decided.verdicts.items():
            rows = self.decided.comparison.deltas[path]
            entry = rows[side]
            if entry is None or entry.kind != FILE or not entry.size or rows[BASE_SIDE] is not None:
                continue
            if rows[other] is None and verdict.want is not None and not verdict.conflicts and not verdict.because:
                yield path, entry

    def _with_content(self, side: int) -> Mapping[bytes, list[bytes]]:
        """Content -> where a side has it and base had not: added, or written over another file."""
        if side not in self._by_content:
            found = self._by_content[side] = {}
            for path, rows in self.decided.comparison.deltas.items():
                was, now = rows[BASE_SIDE], rows[side]
                if now is None or now.kind != FILE or not now.content:
                    continue
                if was is None or was.kind != FILE or was.content != now.content:
                    found.setdefault(now.content, []).append(path)
        return self._by_content[side]

    def _texts(self, side: int) -> Mapping[bytes, Lines]:
        """The texts among what a side added."""
        if side not in self._read:
            self._read[side] = dict(self._texts_of(side))
        return self._read[side]

    def _texts_of(self, side: int) -> Iterator[tuple[bytes, Lines]]:
        for path, entry in self.additions(side).items():
            delta = self.decided.comparison.delta(path)
            near = any(size <= entry.size * _NEAR and entry.size <= size * _NEAR for size in self.sizes)
            if near and delta.rule.cls == CONFIG and (text := self.text(delta, side)) is not None:
                yield path, lines_of(text)

    def text(self, delta: Delta, side: int) -> bytes | None:
        """What a side has at a path, if it is a text; ``None`` if not."""
        entry = delta.rows[side]
        if entry is None or entry.size > _LARGEST:
            return None
        content = self.setting.sameness.read(delta, side)
        return content if is_text(content) else None

    def _by_version(self, delta: Delta, wanted: bytes, texts: Mapping[bytes, Lines]) -> bytes | None:
        same = without_versions(delta.path)
        lines = lines_of(wanted)
        scores = {path: likeness(lines, texts[path])[0] for path in texts if without_versions(path) == same}
        return clear_best(
            {path: score for path, score in scores.items() if score >= LEAST}, delta.path.rpartition(b"/")[2]
        )

    def _by_likeness(self, delta: Delta, wanted: bytes, texts: Mapping[bytes, Lines], side: int) -> bytes | None:
        whole = lines_of(wanted)
        if not any(likeness(whole, text)[1] >= LEAST_LINES for text in texts.values()):
            return None  # so many files of base are read only where something may come of it
        lines = only_rare(whole, self._files_with)
        scores: dict[bytes, float] = {}
        for path in by_shared_lines(lines, texts, self._pairs):
            self._pairs -= 1
            score, equal = likeness(lines, only_rare(texts[path], self._files_with))
            if score >= LEAST and equal >= LEAST_LINES:
                scores[path] = score
        best = clear_best(scores, delta.path.rpartition(b"/")[2])
        near = (path for path, score in scores.items() if max(scores.values()) - score < CLEAR)
        return best if best is not None else self._by_place(delta, near, side)

    @cached_property
    def _files_with(self) -> Lines:
        return files_with_lines(self._files_of_base())

    def _files_of_base(self) -> Iterator[bytes]:
        """The texts of base's configuration: below the directories in which something is asked."""
        comparison = self.decided.comparison
        part, budget = comparison.part, _MOST_BYTES
        tops = {path.split(b"/")[0] for path, one in self.decided.verdicts.items() if one.conflicts} | self.tops
        count = 0
        for entry in part.trees[BASE_SIDE].manifest.of_kind(FILE):
            if entry.path.split(b"/")[0] not in tops or entry.size > _LARGEST or count >= _MOST_FILES:
                continue
            budget -= entry.size
            count += 1
            if budget < 0:
                return
            content = read_file(part.trees[part.source(BASE_SIDE, entry.path)].root, entry.path)
            if is_text(content):
                yield content


# -- Asking about new places

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
