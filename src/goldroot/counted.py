"""Numbers of things in words, for a person."""

from __future__ import annotations


def counted(number: int, one: str, many: str = "") -> str:
    """``1 path``, ``2,000 paths``; with both said, ``1 path has``, ``2 paths have``.

    :param many: what stands behind another number than one; "": ``one`` and an s.
    """
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
