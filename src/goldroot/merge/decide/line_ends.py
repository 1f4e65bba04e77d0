"""Line ends of a text: what editors and tools of other systems change without anybody meaning it.

A missing newline at the end and CRLF in every line are each a value of their own, merged three ways beside the text.  A
text in which some lines end with CRLF and others do not is merged by its bytes: nothing says what was meant.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from goldroot.merge.decide.line_sets import final_newline

#: Merges three texts; ``None`` where there is no answer.
TextMerger = Callable[[bytes, bytes, bytes], bytes | None]


class Text(NamedTuple):
    """A text in one form: every line ended, by LF."""

    body: bytes
    crlf: bool | None  #: every line ended with CRLF; ``None``: a text without line ends has no say


def in_one_form(data: bytes) -> Text | None:
    """A text without its line ends; ``None`` for one whose line ends are mixed."""
    ended, pairs = data.count(b"\n"), data.count(b"\r\n")
    if pairs not in (0, ended):
        return None
    body = data.replace(b"\r\n", b"\n") if pairs else data
    if body and not body.endswith(b"\n"):
        body = (body[:-1] if pairs and body.endswith(b"\r") else body) + b"\n"
    return Text(body, bool(pairs) if ended else None)


def canonical_text(data: bytes) -> bytes:
    """A text as it is compared with another: in one form where it has one, else its bytes."""
    text = in_one_form(data)
    return data if text is None else text.body


def merge_with_ends(base: bytes, gold: bytes, clone: bytes, merge: TextMerger) -> bytes | None:
    """Merge three texts by ``merge``, which sees them in one form; their line ends are merged beside it.

    ``None`` where ``merge`` has no answer.
    """
    texts = [in_one_form(side) for side in (base, gold, clone)]
    if any(text is None for text in texts):
        return merge(base, gold, clone)
    bodies = [text.body for text in texts if text is not None]
    merged = _merged(bodies, merge)
    if merged is None:
        return None
    if not final_newline(base, gold, clone):
        merged = merged.removesuffix(b"\n")
    crlf = _three_way([text.crlf for text in texts if text is not None])
    return merged.replace(b"\n", b"\r\n") if crlf else merged


def _merged(bodies: Sequence[bytes], merge: TextMerger) -> bytes | None:
    base, gold, clone = bodies
    if gold in (base, clone):
        return clone
    return gold if clone == base else merge(base, gold, clone)


def _three_way(values: Sequence[bool | None]) -> bool:
    """What the three say; one without a line end has no say."""
    base, gold, clone = values
    if clone is None or (gold is not None and clone == base):
        return bool(gold)
    return clone
