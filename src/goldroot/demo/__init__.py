"""``goldroot demo``: the whole story in a temporary site, narrated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from goldroot.faces import names_of

__all__ = [
    "demo",
]

if TYPE_CHECKING:
    from goldroot.demo.command import demo
else:
    __getattr__, __dir__ = names_of(
        __name__,
        {
            "command": "demo",
        },
    )
