"""Files that a program made from another: a lookup map follows its source.

Postfix reads ``sasl_passwd.db``, which ``postmap`` makes from ``sasl_passwd``.  Merged by themselves the two may come out of
different sides, and mail goes by a table that nobody wrote.  So a map is that of the side whose source the result has;
where the source was merged, or gold's map has another format, it has to be made again before the server may run.

Pairs only by the places that these programs use: ``app.db`` beside ``app`` is data anywhere else.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from goldroot.conflicts import CLONE, GOLD
from goldroot.merge.compare.compare import Comparison, Delta
from goldroot.merge.compare.parts import BASE_SIDE, CLONE_SIDE, GOLD_SIDE, Rows
from goldroot.merge.decide.text import is_text
from goldroot.merge.decide.together import take_content
from goldroot.merge.decide.verdict import (
    BOTH,
    MERGED,
    SAME,
    Decided,
    Rebuild,
    Setting,
    Verdict,
    as_is,
)
from goldroot.policy import Policy
from goldroot.tree import DIRECTORY, FILE, path_text

#: Where such maps are kept; and the one file beside them that has a map.
PLACES, ALONE = (b"/etc/postfix", b"/etc/mail"), b"/etc/aliases"
SUFFIXES = (b".db", b".lmdb", b".cdb", b".dir", b".pag")

#: What a Berkeley database says of itself at byte 12, in either order of bytes (magic(5)).
_BERKELEY = {0x00061561: b"hash", 0x00053162: b"btree"}


class Pair(NamedTuple):
    """A map and what it is made from; paths in the trees."""

    source: bytes
    path: bytes
    suffix: bytes


class _State(NamedTuple):
    """What the result's source is."""

    word: str  #: CLONE, GOLD, BOTH (equal on both sides) or MERGED; of a source that is gone, who removed it
    secret: bool
    gone: bool = False


def follow_sources(decided: Decided, setting: Setting, policy: Policy) -> None:
    """Let the maps of one part follow their sources, in place."""
    follower = _Follower(decided, setting, policy)
    for pair in _pairs(decided.comparison):
        follower.follow(pair)


def _pairs(comparison: Comparison) -> Iterator[Pair]:
    """Every map that a side has, beside a file that it may have been made from."""
    part = comparison.part
    prefix = part.place(b"").rstrip(b"/") + b"/"
    found: dict[bytes, Pair] = {}
    for tree in part.trees:
        for place in PLACES:
            if place.startswith(prefix):
                for row in tree.manifest.below(place[len(prefix) :]):
                    _add(found, row.path)
        if ALONE.startswith(prefix):
            for suffix in SUFFIXES:
                if tree.manifest.get(ALONE[len(prefix) :] + suffix) is not None:
                    _add(found, ALONE[len(prefix) :] + suffix)
    for pair in found.values():
        kinds = {row.kind for path in pair[:2] for row in part.rows(path) if row is not None}
        if kinds == {FILE} and any(part.rows(pair.source)):
            yield pair


def _add(found: dict[bytes, Pair], path: bytes) -> None:
    stem, suffix = os.path.splitext(path)
    if suffix in SUFFIXES and path not in found:
        found[path] = Pair(stem, path, suffix)


class _Follower:
    """Lets maps follow their sources."""

    def __init__(self, decided: Decided, setting: Setting, policy: Policy) -> None:
        self.decided, self.setting, self.policy = decided, setting, policy
        self.comparison = decided.comparison

    def follow(self, pair: Pair) -> None:
        """Decide one map, unless its own rule or something above it does."""
        if not (pair.source in self.comparison.deltas or pair.path in self.comparison.deltas):
            return
        delta = self._delta(pair.path)
        verdict = self.decided.verdicts.get(pair.path)
        if delta.rule.cls not in ("config", "opaque") or delta.rule.pin or (verdict is not None and verdict.because):
            return
        state = self._state(pair.source)
        if state is None or not self._is_map(pair):
            return
        if state.secret and not delta.rule.secret:
            delta = replace(delta, rule=replace(delta.rule, secret=True))
            if pair.path in self.comparison.rules:
                self.comparison.rules[pair.path] = delta.rule
        if state.gone:
            self._without_source(pair, delta, GOLD_SIDE if state.word == GOLD else CLONE_SIDE)
        elif state.word == BOTH:
            if verdict is not None and verdict.conflicts:
                self._take(delta, CLONE_SIDE)  # made from one source, each by its own program
        elif state.word == MERGED:
            self._take(delta, CLONE_SIDE)
            self._due(pair, delta)
        else:
            self._of_one_side(pair, delta, GOLD_SIDE if state.word == GOLD else CLONE_SIDE)

    def _of_one_side(self, pair: Pair, delta: Delta, side: int) -> None:
        """The source is one side's: so is the map, where that side has one or took it away itself."""
        base, other = delta.rows[BASE_SIDE], delta.rows[GOLD_SIDE if side == CLONE_SIDE else CLONE_SIDE]
        if delta.rows[side] is None and base is None and other is not None:
            self._take(delta, CLONE_SIDE)
            self._due(pair, delta)
        else:
            self._take(delta, side)

    def _without_source(self, pair: Pair, delta: Delta, side: int) -> None:
        """A side removed the source: the map is as that side has it.  One that the server alone has made stays, and is stale."""
        if side == GOLD_SIDE and delta.rows[BASE_SIDE] is None and delta.rows[GOLD_SIDE] is None:
            place = path_text(self.comparison.part.place(pair.source))
            self.decided.rebuilds[pair.path] = Rebuild("", f"stale: gold removed its source {place}")
            return
        self._take(delta, side)
        verdict = self.decided.verdicts.get(pair.path)
        if verdict is not None and verdict.want is None:
            verdict.notes.append(f"it goes with its source {path_text(self.comparison.part.place(pair.source))}")

    def _state(self, path: bytes) -> _State | None:
        """What a source is in the result; ``None`` where it is not there, or not what either side has a map of."""
        delta = self._delta(path)
        gold, clone = delta.rows[GOLD_SIDE], delta.rows[CLONE_SIDE]
        verdict = self.decided.verdicts.get(path)
        want = verdict.want if verdict is not None else as_is(delta, CLONE_SIDE, self.setting)
        if want is None and (gold is None) != (clone is None):
            return _State(GOLD if gold is None else CLONE, delta.rule.secret, gone=True)
        if want is None or want.kind != FILE:
            return None
        is_gold = gold is not None and gold.content == want.content
        is_clone = clone is not None and clone.content == want.content
        word = BOTH if is_gold and is_clone else GOLD if is_gold else CLONE if is_clone else MERGED
        return _State(word, delta.rule.secret)

    def _delta(self, path: bytes) -> Delta:
        rows: Rows = self.comparison.deltas.get(path) or self.comparison.part.rows(path)
        place = self.comparison.part.place(path)
        return Delta(path, place, rows, self.comparison.rules.get(path) or self.policy.match(place))

    def _is_map(self, pair: Pair) -> bool:
        """Whether the one is a text and the other is none."""
        return self._text(pair.source) is True and self._text(pair.path) is False

    def _text(self, path: bytes) -> bool | None:
        head = self._head(path)
        return None if head is None else is_text(head)

    def _head(self, path: bytes) -> bytes | None:
        """A file's bytes, of the clone where it has it."""
        delta = self._delta(path)
        side = next((side for side in (CLONE_SIDE, GOLD_SIDE, BASE_SIDE) if delta.rows[side] is not None), None)
        return None if side is None else self.setting.sameness.read(delta, side)

    def _take(self, delta: Delta, side: int) -> None:
        """One side's content, or absence; mode, owner and attributes stay as they were merged."""
        path = delta.path
        verdict = self.decided.verdicts.get(path)
        wanted = as_is(delta, side, self.setting)
        if verdict is None:
            if wanted == as_is(delta, CLONE_SIDE, self.setting):
                return
            verdict = self.decided.verdicts[path] = Verdict(None, SAME)
            self.comparison.add(path, delta.rows, delta.rule)
        if wanted is None or self._has_directory(path):
            take_content(verdict, delta, side, self.setting)

    def _has_directory(self, path: bytes) -> bool:
        """Whether the directory of a map is in the result: if it goes, so does what is in it."""
        above = os.path.dirname(path)
        verdict = self.decided.verdicts.get(above)
        return verdict is None or (verdict.want is not None and verdict.want.kind == DIRECTORY)

    # -- how it is made

    def _due(self, pair: Pair, delta: Delta) -> None:
        command = self._command(pair, delta)
        source = path_text(self.comparison.part.place(pair.source))
        if command:
            rebuild = Rebuild(
                command, f"its source {source} is not what it was made from: to be made again by: {command}"
            )
        else:
            rebuild = Rebuild(
                "", f"stale: its source {source} is not what it was made from, and what makes it is not known"
            )
        self.decided.rebuilds[pair.path] = rebuild

    def _command(self, pair: Pair, delta: Delta) -> str:
        place = self.comparison.part.place(pair.source)
        source = path_text(place)
        if not source.isascii() or not all(one.isalnum() or one in "/._-+" for one in source):
            return ""
        if place == ALONE or place == b"/etc/mail/aliases":
            return "/usr/bin/newaliases"
        kind = self._kind(pair, delta)
        if place.startswith(b"/etc/mail/"):
            return f"/usr/sbin/makemap {kind} {source} < {source}" if pair.suffix in (b".db", b".cdb") else ""
        tool = "postalias" if os.path.basename(place) == b"aliases" else "postmap"
        return f"/usr/sbin/{tool} {kind}:{source}"

    def _kind(self, pair: Pair, delta: Delta) -> str:
        """What Postfix and makemap call the format of a map; one that does not say is of Postfix's default (postconf(5))."""
        if pair.suffix in (b".dir", b".pag"):
            return "sdbm"
        if pair.suffix != b".db":
            return pair.suffix[1:].decode()
        side = GOLD_SIDE if delta.rows[GOLD_SIDE] is not None else CLONE_SIDE
        head = self.setting.sameness.read(delta, side)[12:16] if delta.rows[side] is not None else b""
        found = _BERKELEY.get(int.from_bytes(head, "little")) or _BERKELEY.get(int.from_bytes(head, "big"))
        return found.decode() if found else "hash"
