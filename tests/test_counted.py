"""Numbers of things in words."""

from __future__ import annotations

import pytest

from goldroot.counted import counted


@pytest.mark.parametrize(
    ("number", "words", "said"),
    [
        (0, ("path",), "0 paths"),
        (1, ("path",), "1 path"),
        (2000, ("path",), "2,000 paths"),
        (1, ("record has", "records have"), "1 record has"),
        (1001, ("record has", "records have"), "1,001 records have"),
    ],
)
def test_one_and_many(number: int, words: tuple[str, ...], said: str) -> None:
    assert counted(number, *words) == said
