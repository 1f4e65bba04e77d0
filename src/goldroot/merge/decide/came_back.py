"""Lines that a merge by lines would bring back: one side moved them within the text, and the other removed them.

A merge by lines sees a line that was moved as one that is gone here and new there.  So a user's line that gold took out of a
file of sudoers stands again where the server put it, and no place of the text was changed by both.
"""

from __future__ import annotations

import re
from collections import Counter

#: Lines that say something; not a remark, a brace, or an end of a block.
_TELLING = re.compile(rb"[ \t]*(?![#;]|//|/?\*)(?:[^\n]*[A-Za-z0-9]){4}")


def came_back(base: bytes, gold: bytes, clone: bytes, merged: bytes) -> bool:
    """Whether a merged text has a line more often than what both sides did to it comes to.

    Where both sides added it, or both removed it, nothing was moved past anybody.
    """
    was, golds, clones, result = (Counter(_telling(text)) for text in (base, gold, clone, merged))
    for line, times in result.items():
        old, new, own = was[line], golds[line], clones[line]
        most = new + own - old
        if new < old and own < old:
            most = max(most, min(new, own))
        if old and times > most:
            return True
    return False


def one_removed(base: bytes, gold: bytes, clone: bytes) -> bool:
    """Whether one side removed a line that the other has."""
    golds, clones = set(_telling(gold)), set(_telling(clone))
    return any((line in golds) != (line in clones) for line in _telling(base))


def _telling(text: bytes) -> list[bytes]:
    return [line.strip() for line in text.split(b"\n") if _TELLING.match(line)]
