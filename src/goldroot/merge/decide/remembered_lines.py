"""What a server removed from a file stays removed, also where gold dropped it in between (see :mod:`goldroot.merge.memory`).

Lines of a set (``/etc/shells``), keys of sshd, entries of tables (``/etc/hosts``) and choices of alternatives are told apart
by themselves.  An update from 1 to 3 sees in base what the server removed; one from 2 to 3 does not.  So what is
remembered, and gold has again, is merged as if base had it: it stays removed, or it is the question that it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from goldroot.merge.compare.comparison import Delta
from goldroot.merge.compare.parts import BASE_SIDE, CLONE_SIDE, GOLD_SIDE
from goldroot.merge.decide.alternatives import is_record, parse_record, written_record
from goldroot.merge.decide.authorized_keys import element_of_key, is_key_file
from goldroot.merge.decide.line_sets import join_lines, split_lines, stripped
from goldroot.merge.decide.tables import kind_of
from goldroot.merge.memory import NO_MEMORY, Memory
from goldroot.policy import CONFIG, LINES, Rule
from goldroot.tree import FILE

#: A larger file has no entries that a person removed (bytes).
_LARGEST = 4 << 20

Elements = Mapping[bytes, bytes]  #: by what an entry is told apart -> its text
Splitter = Callable[[bytes], Elements]


class Kept(NamedTuple):
    """What of a file gold has again.

    ``base``: base's content as if it had it, too; ``None`` where only a person can say (of a secret no lines are known).
    """

    base: bytes | None
    texts: tuple[bytes, ...]


@dataclass
class RememberedLines:
    """The remembered entries of one part's files.

    :param read: a side's bytes of a path that it has as a file.
    :param going_back: on the way back nothing is asked: what gold has again, however it differs, stays removed.
    """

    read: Callable[[Delta, int], bytes]
    memory: Memory = NO_MEMORY
    going_back: bool = False
    _known: dict[bytes, Kept | None] = field(default_factory=dict)

    def of(self, delta: Delta) -> Kept | None:
        """What stays away from one file that gold and the clone have; ``None`` where nothing does."""
        if self.memory.lines(delta.place) is None:
            return None
        if delta.path not in self._known:
            self._known[delta.path] = self._find(delta)
        return self._known[delta.path]

    def _find(self, delta: Delta) -> Kept | None:
        split = splitter_of(delta.place, delta.rule)
        if split is None or not _is_file(delta, GOLD_SIDE) or not _is_file(delta, CLONE_SIDE):
            return None
        base = self.read(delta, BASE_SIDE) if _is_file(delta, BASE_SIDE) else b""
        content = self.read(delta, GOLD_SIDE)
        golds, held = split(content), {*split(base), *split(self.read(delta, CLONE_SIDE))}
        lines = self.memory.lines(delta.place) or ()
        if not lines:
            new = tuple(text for element, text in golds.items() if element not in held)
            return Kept(None, new) if new else None
        known = split(_joined(lines))
        again = {element: text for element, text in known.items() if element in golds and element not in held}
        if not again:
            return None
        texts = [golds[element] if self.going_back else text for element, text in again.items()]
        if is_record(delta.place):
            return Kept(_with_choices(base, content, again), tuple(again))
        end = base.endswith(b"\n") or not base
        return Kept(join_lines([*split_lines(base), *texts], end), tuple(texts))


def removed_lines(
    delta: Delta, read: Callable[[Delta, int], bytes], before: tuple[bytes, ...] | None
) -> tuple[bytes, ...] | None:
    """The entries of a file that base or the memory had, and neither gold nor the clone has; empty where these are a
    secret, ``None`` where there are none.

    :param before: what was remembered of the file.
    """
    split = splitter_of(delta.place, delta.rule)
    if split is None or not _is_file(delta, CLONE_SIDE) or (before is None and not _both_changed(delta)):
        return None
    base, gold, clone = (
        split(read(delta, side)) if _is_file(delta, side) else {} for side in (BASE_SIDE, GOLD_SIDE, CLONE_SIDE)
    )
    known = {**split(_joined(before or ())), **base}
    gone = [text for element, text in known.items() if element not in gold and element not in clone]
    if delta.rule.secret:
        return () if gone or before == () else None
    return tuple(gone) or None


def _both_changed(delta: Delta) -> bool:
    """Whether gold and the clone may both lack something of base's: what one of them did not change holds all of it."""
    base, *others = (row.content if row is not None and row.kind == FILE else None for row in delta.rows)
    return base is not None and base not in others


def splitter_of(place: bytes, rule: Rule) -> Splitter | None:
    """What takes a file apart into entries; ``None`` for a file that is one text."""
    if rule.cls == LINES:
        element_of = element_of_key if is_key_file(place) else stripped
        return lambda content: {element_of(line): line for line in split_lines(content) if element_of(line)}
    if rule.cls != CONFIG:
        return None
    if is_record(place):
        return lambda content: {path: path for path in _choices(content)}
    kind = kind_of(place)
    if kind is None:
        return None

    def entries(content: bytes) -> Elements:
        found: dict[bytes, bytes] = {}
        for item in kind.parse(content) or ():
            if item.key:
                found[item.key] = found[item.key] + b"\n" + item.text if item.key in found else item.text
        return found

    return entries


def _choices(content: bytes) -> Iterator[bytes]:
    """The choices of an alternative's record, or the paths of a list of them."""
    record = parse_record(content)
    yield from record.choices if record is not None else filter(None, split_lines(content))


def _with_choices(base: bytes, gold: bytes, again: Elements) -> bytes | None:
    was, now = parse_record(base), parse_record(gold)
    if was is None or now is None:
        return None
    choices = {**was.choices, **{path: now.choices[path] for path in again}}
    return written_record(replace(was, choices=choices), ends_blank=base.endswith(b"\n\n"))


def _joined(lines: tuple[bytes, ...]) -> bytes:
    return join_lines(list(lines), True)


def _is_file(delta: Delta, side: int) -> bool:
    row = delta.rows[side]
    return row is not None and row.kind == FILE and row.size <= _LARGEST
