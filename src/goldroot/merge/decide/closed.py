"""Whether what is moved comes to stand where no more people reach it."""

from __future__ import annotations

from goldroot.merge.compare.parts import Part
from goldroot.tree import upwards


def as_closed(part: Part, old: tuple[int, bytes], new: tuple[int, bytes]) -> bool:
    """Whether the directories of a new place let nobody through whom those of the old one keep out.

    :param old: the side whose directories count, and the path; ``new`` likewise.
    """
    was, now = (
        [part.trees[side].manifest.get(above) for above in upwards(path) if above != path] for side, path in (old, new)
    )
    return all(
        all(row is None or row.mode & bit for row in was) or not all(row is None or row.mode & bit for row in now)
        for bit in (0o001, 0o010)
    )
