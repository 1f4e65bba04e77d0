"""A text that both sides changed, in parts: what is agreed, and what a person takes from one side or both."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from goldroot.merge.decide.text import marker_size, merge_text

BOTH = "both"


@dataclass(frozen=True, slots=True)
class TextPart:
    """Some lines of the result: agreed, or three versions of them to choose from."""

    agreed: bytes | None = None
    base: bytes = b""
    gold: bytes = b""
    clone: bytes = b""

    @property
    def asks(self) -> bool:
        """Whether a person has to choose."""
        return self.agreed is None

    def taken(self, answer: str) -> bytes:
        """The lines by an answer: ``gold``, ``clone``, or ``both``, the server's first."""
        if self.agreed is not None:
            return self.agreed
        if answer == BOTH:
            ended = self.clone if self.clone.endswith(b"\n") or not self.clone else self.clone + b"\n"
            return ended + self.gold
        return self.gold if answer == "gold" else self.clone


def parts_of(base: bytes, gold: bytes, clone: bytes) -> list[TextPart]:
    """The parts of three versions of a text, in order; the parts that ask are those that ``git merge-file`` leaves."""
    merged = merge_text(base, gold, clone)
    if merged.clean:
        return [TextPart(merged.merged)]
    parts = list(_between_markers(merged.merged, marker_size(base, gold, clone)))
    if parts and parts[-1].asks:
        # To end the line before a marker, git adds a newline that no version has.
        last = parts[-1]
        parts[-1] = TextPart(None, _as_in(base, last.base), _as_in(gold, last.gold), _as_in(clone, last.clone))
    return parts


def _between_markers(text: bytes, size: int) -> Iterator[TextPart]:
    """The markers are longer than any that a version holds, so nothing else is taken for one."""
    begin, middle, turn, end = (mark * size for mark in (b"<", b"|", b"=", b">"))
    lines: list[bytes] = []
    sides: list[bytes] = []
    for line in _lines(text):
        mark = line.rstrip(b"\r\n")
        if mark == begin + b" clone":
            if lines:
                yield TextPart(b"".join(lines))
            lines = []
        elif mark in (middle + b" base", turn):
            sides.append(b"".join(lines))
            lines = []
        elif mark == end + b" gold":
            clone, base = sides
            yield TextPart(None, base, b"".join(lines), clone)
            lines, sides = [], []
        else:
            lines.append(line)
    if lines:
        yield TextPart(b"".join(lines))


def _lines(text: bytes) -> list[bytes]:
    """Lines by LF alone, with it: a lone CR is a byte like others."""
    found = [line + b"\n" for line in text.split(b"\n")]
    found[-1] = found[-1][:-1]
    return found if found[-1] else found[:-1]


def _as_in(version: bytes, lines: bytes) -> bytes:
    if version.endswith(b"\n") or not lines.endswith(b"\n"):
        return lines
    body = lines[:-1]
    return body if version.endswith(body) else body.removesuffix(b"\r")


def split_part(part: TextPart) -> list[TextPart]:
    """A part in smaller ones, cut where none of the sides changed across; itself alone where there is no such place."""
    if not part.asks:
        return [part]
    base, gold, clone = (_lines(side) for side in (part.base, part.gold, part.clone))
    cuts = _cuts_at_base(base, gold, clone) if base else _cuts_at_equal(gold, clone)
    made = []
    for (b0, g0, c0), (b1, g1, c1) in itertools.pairwise(cuts):
        was, there, here = (b"".join(side[low:high]) for side, low, high in
                            ((base, b0, b1), (gold, g0, g1), (clone, c0, c1)))  # fmt: skip
        made.append(TextPart(there) if there == here else TextPart(None, was, there, here))
    return made if sum(one.asks for one in made) > 1 else [part]


def _cuts_at_base(base: list[bytes], gold: list[bytes], clone: list[bytes]) -> list[tuple[int, int, int]]:
    """Places of base at which both differences have a boundary."""
    there, here = _boundaries(base, gold), _boundaries(base, clone)
    inner = [(at, there[at], here[at]) for at in range(1, len(base)) if at in there and at in here]
    return [(0, 0, 0), *inner, (len(base), len(gold), len(clone))]


def _boundaries(old: list[bytes], new: list[bytes]) -> dict[int, int]:
    """Places of the old text that have one in the new: around lines that are the same, and between replaced ones."""
    found: dict[int, int] = {}
    for word, low, high, new_low, new_high in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if word == "equal" or (word == "replace" and high - low == new_high - new_low):
            found |= {low + step: new_low + step for step in range(1, high - low)}
        if word != "insert":
            found[high] = new_high  # before what is inserted there
    return found


def _cuts_at_equal(gold: list[bytes], clone: list[bytes]) -> list[tuple[int, int, int]]:
    """Both added it: around the lines that both have."""
    cuts = [(0, 0, 0)]
    for found in difflib.SequenceMatcher(None, gold, clone, autojunk=False).get_matching_blocks():
        for cut in ((0, found.a, found.b), (0, found.a + found.size, found.b + found.size)):
            if cut != cuts[-1]:
                cuts.append(cut)
    if cuts[-1] != (0, len(gold), len(clone)):
        cuts.append((0, len(gold), len(clone)))
    return cuts


def put_together(parts: Sequence[TextPart], taken: Iterable[bytes]) -> bytes:
    """The text of parts.

    :param taken: the lines for each part that asks, in order.
    """
    chosen = iter(taken)
    pieces = [part.agreed if part.agreed is not None else next(chosen) for part in parts]
    # What stood at the end of a version without a newline may stand before other lines now.
    for number, piece in enumerate(pieces[:-1]):
        if piece and not piece.endswith(b"\n") and any(pieces[number + 1 :]):
            pieces[number] = piece + b"\n"
    return b"".join(pieces)


def marked(parts: Sequence[TextPart], number: int) -> bytes:
    """A part that asks, between the markers of a merge."""
    part = parts[number]
    size = marker_size(*(side for one in parts for side in (one.agreed or b"", one.base, one.gold, one.clone)))
    ended = [side if side.endswith(b"\n") or not side else side + b"\n" for side in (part.clone, part.base, part.gold)]
    heads = [mark * size + label for mark, label in ((b"<", b" clone"), (b"|", b" base"), (b"=", b""))]
    return b"".join(head + b"\n" + side for head, side in zip(heads, ended, strict=True)) + b">" * size + b" gold\n"


def part_changes(part: TextPart) -> dict[str, list[str]]:
    """What each side made of the lines, as lines of a difference: ``gold`` and ``clone`` against base."""
    was = _shown(part.base)
    return {word: _difference(was, _shown(lines)) for word, lines in (("gold", part.gold), ("clone", part.clone))}


def _shown(lines: bytes) -> list[str]:
    return [line.decode("utf-8", "surrogateescape").removesuffix("\n") for line in _lines(lines)]


def _difference(old: list[str], new: list[str]) -> list[str]:
    if old == new:
        return [f" {line}" for line in old]
    lines: list[str] = []
    for word, low, high, new_low, new_high in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if word == "equal":
            lines += [f" {line}" for line in old[low:high]]
        else:
            lines += [f"-{line}" for line in old[low:high]] + [f"+{line}" for line in new[new_low:new_high]]
    return lines
