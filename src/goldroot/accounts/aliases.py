"""Several names of one number: which of them an owner is spoken of by.

``toor`` beside ``root``, ``exim`` beside ``mail``: a tree that lists them the other way round says nothing else of a file.
The name is a function of tree and number, so that two owners are equal where they are the same to all trees.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

ROOT = b"root"

Names = Mapping[int, bytes]  #: number -> the name by which an owner is spoken of


def owner_names(accounts: Mapping[bytes, int], gold: Mapping[bytes, int]) -> Names:
    """The name of each number of one tree: ``root`` for 0; else the first of gold's names for it that the tree has; else
    the first of its own that gold has at all; else its first.

    :param accounts: name -> number of the tree, in the order of its file.
    :param gold: the same of gold's tree.
    """
    names: dict[int, list[bytes]] = {}
    for name, number in accounts.items():
        names.setdefault(number, []).append(name)
    golds = {name: place for place, name in enumerate(gold)}
    return {number: held[0] if len(held) == 1 else _one_of(number, held, gold, golds) for number, held in names.items()}


def _one_of(number: int, held: Iterable[bytes], gold: Mapping[bytes, int], golds: Mapping[bytes, int]) -> bytes:
    """Of names that come first in their tree the first counts where nothing else tells."""

    def rank(name: bytes) -> tuple[bool, bool, int]:
        return not (number == 0 and name == ROOT), gold.get(name) != number, golds.get(name, len(golds))

    return min(held, key=rank)
