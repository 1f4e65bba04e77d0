"""Plain English in messages, names, docstrings and pages: words that the project does not use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
#: Texts of others (SMAPI's and CP's own words).
OTHERS = ("zvm/smapi/layouts.txt", "docs/zvm/calls.md", "docs/zvm/smapi.md")
#: Pattern -> what is written in its place.
WORDS = {
    r"(?<![Tt]here )\b(?:is|was) no (?!longer|more|other|such|less|good|use\b|room|matter|\w+er\b)[a-z]": "is not a",
    r"(?<![Tt]here )\b(?:are|were) no (?!longer|more|other|such|less|\w+er\b)[a-z]": "are not",
    r"\banew\b": "again",
    r"\b[Mm]end(?:s|ed|ing)?\b": "fix",
    r"\bsaid no:": "reported an error",
}


def texts() -> Iterator[Path]:
    """What people read, and what programs are made of."""
    for top, endings in (("src", (".py", ".sh", ".txt", ".toml")), ("docs", (".md",)), ("news", (".md",))):
        for path in sorted((ROOT / top).rglob("*")):
            name = path.relative_to(ROOT).as_posix()
            if path.suffix in endings and "/generated/" not in name and not name.endswith(OTHERS):
                yield path
    yield from (ROOT / "README.md", ROOT / "CONTRIBUTING.md")


def found(pattern: str, paths: list[Path]) -> list[str]:
    looked = re.compile(pattern)
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in paths
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if looked.search(line)
    ]


PATHS = list(texts())


@pytest.mark.parametrize("pattern", WORDS, ids=WORDS.get)
def test_words_that_are_not_used(pattern: str) -> None:
    assert found(pattern, PATHS) == [], f"write: {WORDS[pattern]}"


def test_the_words_are_looked_for() -> None:
    said = ["it is no file", "these are no files", "made anew", "Mend it", "the database said no: x"]
    assert [bool(re.search(pattern, text)) for pattern, text in zip(WORDS, said, strict=True)] == [True] * 5
    fine = "there is no file; it is no longer there; this is no other one; there are no files; it is no use"
    assert not any(re.search(pattern, fine) for pattern in WORDS)
    assert len(PATHS) > 300
