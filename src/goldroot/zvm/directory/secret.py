"""A password in memory."""

from __future__ import annotations

MASK = "********"


class Secret:
    """A password: compared and kept, never shown.  ``reveal()`` gives the word."""

    __slots__ = ("_word",)

    def __init__(self, word: str) -> None:
        self._word = word

    def reveal(self) -> str:
        """The password itself, for what must write it."""
        return self._word

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._word == other._word

    def __hash__(self) -> int:
        return hash(self._word)

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__
