"""Which of the questions a person means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

from goldroot.errors import NotFound, UsageError
from goldroot.merge.review.question import Asked
from goldroot.tree import path_text

A = TypeVar("A", bound=Asked)

_KEY = re.compile(r"[0-9a-f]{6,64}")


def chosen_questions(every: Sequence[A], wanted: Sequence[str], *, of: str, show: str) -> list[A]:
    """The questions that are named by path (and all below a path that ends in a slash) or by the beginning of a key.

    :param of: whose they are, for the error. :param show: the command that shows them.
    :raises NotFound: a name that names none.
    """
    named: dict[str, A] = {}
    for text in wanted:
        hits = [one for one in every if _named(one, text)]
        if not hits:
            raise NotFound(f"{text} is not a conflict of {of}", todo=f"See: {show}")
        named |= {one.key: one for one in hits}
    return list(named.values())


def and_alike(named: Sequence[A], open_ones: Sequence[A]) -> list[A]:
    """These, and all open ones with the same axis and kind as one of them."""
    kinds = {(one.axis, one.kind) for one in named}
    found = {one.key: one for one in (*named, *(one for one in open_ones if (one.axis, one.kind) in kinds))}
    return list(found.values())


def only_one(hits: Sequence[A], text: str) -> A:
    """The one question that is named, for commands that take only one.

    :raises UsageError: there are several.
    """
    if len(hits) != 1:
        keys = ", ".join(f"{one.key[:12]} ({one.axis})" for one in hits)
        raise UsageError(f"{text} names {len(hits)} conflicts: {keys}", todo="Name one by its key.")
    return hits[0]


def _named(one: Asked, text: str) -> bool:
    shown = path_text(one.path)
    if text.startswith("/"):
        return shown == text or (text.endswith("/") and shown.startswith(text))
    return bool(_KEY.fullmatch(text)) and one.key.startswith(text)
