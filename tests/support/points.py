"""The crash points that the source names, to see that tests come to each of them."""

from __future__ import annotations

import importlib
import re
from collections.abc import Collection
from pathlib import Path

_CALL = re.compile(r"""crash\.point\(f?"([^"]+)"\)""")


def named_points() -> list[str]:
    """Names as they stand in the source; a part in braces stands for any word."""
    source = Path(importlib.import_module("goldroot").__path__[0])
    names = {name for file in source.rglob("*.py") for name in _CALL.findall(file.read_text())}
    assert len(names) > 40, "the source is not where it was, or names its points otherwise"
    return sorted(names)


def hit(name: str, killed_at: Collection[str]) -> bool:
    """Whether one of the points at which something was killed is that one."""
    pattern = re.compile("[^.]+".join(map(re.escape, re.split(r"\{[^}]*\}", name))))
    return any(pattern.fullmatch(one) for one in killed_at)
