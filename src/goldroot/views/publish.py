"""Writes the schemas into a directory: ``python -m goldroot.views.publish docs/reference/schemas``."""

from __future__ import annotations

import sys
from pathlib import Path

from goldroot.views.schemas import VIEWS, schema_text


def publish(directory: Path) -> None:
    """One file for each view; a file of a view that is gone is removed."""
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.glob("*.json"):
        if old.stem not in VIEWS:
            old.unlink()
    for name in VIEWS:
        (directory / f"{name}.json").write_text(schema_text(name), encoding="utf-8")


if __name__ == "__main__":
    publish(Path(sys.argv[1]))
