"""Writes the schemas into a directory, and the pages of kinds and of commands beside it:
``python -m goldroot.views.publish docs/reference/schemas``."""

from __future__ import annotations

import sys
from pathlib import Path

from goldroot.views.kinds import CONFLICT_KINDS, NOTE_KINDS
from goldroot.views.printed import PRINTED, printed_by
from goldroot.views.schemas import VIEWS, schema_text


def publish(directory: Path) -> None:
    """One file for each view; a file of a view that is gone is removed."""
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.glob("*.json"):
        if old.stem not in VIEWS:
            old.unlink()
    (directory.parent / "kinds.md").write_text(kinds_text(), encoding="utf-8")
    (directory.parent / "json.md").write_text(commands_text(), encoding="utf-8")
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


def commands_text() -> str:
    """The page of what every command prints with ``--json``."""

    def linked(shape: str) -> str:
        name = shape.removesuffix("[]")
        return ("a list of " if shape != name else "") + f"[{name}](schemas/{name}.json)"

    rows = [f"| `goldroot {command}` | {', or '.join(map(linked, shapes))} |" for command, shapes in PRINTED.items()]
    inside = [name for name in VIEWS if not printed_by(name)]
    return "\n".join(
        [
            "# The JSON of the commands",
            "",
            "Made from `goldroot.views`; written again by `python -m goldroot.views.publish docs/reference/schemas`.",
            "",
            "Every command takes `--json`. What it prints is one document, in one line for a program and laid out on a terminal.",
            "The shapes are published as JSON Schemas (2020-12): in this folder, and by `goldroot schema NAME`; `goldroot schema`",
            "lists them. An error, of whatever command, has the shape [error](schemas/error.json); of many servers, those that failed",
            "have it in `failed`, each with its `clone`.",
            "",
            "Fields have one name wherever they stand: a server is `clone`, a gold version `version`, an update goes `from` one `to`",
            "another, questions are `conflicts`, and `plan` says whether it was only looked. Older names (`name`, `number`,",
            "`from_version`, `old`, `servers`) are still printed beside them where they once were. Programs ignore fields that they",
            "do not know: a newer goldroot may have more.",
            "",
            "| command | what it prints |",
            "| --- | --- |",
            *rows,
            "",
            f"Shapes that stand inside others, as in `plans` or `clones`: {', '.join(map(linked, inside))}.",
            "",
        ]
    )


if __name__ == "__main__":
    publish(Path(sys.argv[1]))
