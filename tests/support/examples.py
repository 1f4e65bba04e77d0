"""How many examples a property is tried with: few where all tests are run often, more where somebody has the time."""

from __future__ import annotations

import os


def examples(few: int) -> int:
    """So many, or what ``GOLDROOT_EXAMPLES`` says, where that is more."""
    return max(few, int(os.environ.get("GOLDROOT_EXAMPLES", "0")))
