"""Writes the schemas into a directory, and the page of kinds beside it:
``python -m goldroot.views.publish docs/reference/schemas``."""

from __future__ import annotations

import sys
from pathlib import Path

from goldroot.views.kinds import CONFLICT_KINDS, NOTE_KINDS
from goldroot.views.schemas import VIEWS, schema_text


def publish(directory: Path) -> None:
    """One file for each view; a file of a view that is gone is removed."""
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.glob("*.json"):
        if old.stem not in VIEWS:
            old.unlink()
    (directory.parent / "kinds.md").write_text(kinds_text(), encoding="utf-8")
    for name in VIEWS:
        (directory / f"{name}.json").write_text(schema_text(name), encoding="utf-8")


def kinds_text() -> str:
    """The page of all kinds of conflicts and notes."""
    parts = [
        "# Kinds of conflicts and notes",
        "Made from `goldroot.views.kinds`; written again by `python -m goldroot.views.publish docs/reference/schemas`.\n"
        "The kind of a conflict or note is a word for programs, in [records](record.md) and in what commands print with\n"
        "`--json`.",
    ]
    for title, kinds in (("Conflicts", CONFLICT_KINDS), ("Notes", NOTE_KINDS)):
        rows = [f"| `{kind}` | {sentence} |" for kind, sentence in sorted(kinds.items())]
        parts += [f"## {title}", "\n".join(["| kind | what it says |", "| --- | --- |", *rows])]
    parts.append("On the way back (`goldroot rollback --carry`) some questions are notes, under their own kinds.")
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    publish(Path(sys.argv[1]))
