"""What a merge knows besides its three trees: all of it may be unknown."""

from __future__ import annotations

from dataclasses import dataclass

from goldroot.merge.memory import NO_MEMORY, Memory
from goldroot.merge.refer.view import SharedFiles


@dataclass(frozen=True)
class Surroundings:
    """What a merge knows besides its three trees.

    :param memory: what the server had removed before base.
    :param shared: what the server's system has beside the trees, before and after; ``None`` where nobody said.
    :param going_back: the server goes back: new questions are notes, with the server's version standing, and a state unit
        that it wrote is asked about (see :class:`goldroot.merge.decide.units.UnitDecider`).
    """

    memory: Memory = NO_MEMORY
    shared: tuple[SharedFiles, SharedFiles] | None = None
    going_back: bool = False
