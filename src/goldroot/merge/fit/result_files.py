"""Single files of a result that is planned and not yet written: which there are below a place, and what they hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from goldroot.accounts import OwnerNames
from goldroot.merge.compare.parts import read_unless_torn
from goldroot.merge.decide.verdict import NO_SIDE, Want
from goldroot.merge.fit.part_plan import PartPlan
from goldroot.tree import FILE

#: A table that people write is not larger (bytes); what is, is not read.
LARGEST = 1 << 20


class ResultFiles:
    """The files of a planned result, by their places in the system.

    :param parts: all parts of the plan, decided and made one tree.
    """

    def __init__(self, parts: Sequence[PartPlan], names: tuple[OwnerNames, OwnerNames, OwnerNames]) -> None:
        self.parts, self.names = parts, names
        self._texts: dict[bytes, bytes | None] = {}

    def final(self, place: bytes) -> tuple[PartPlan, bytes, Want] | None:
        """What stands at a place in the result, with its part and its path there."""
        for one in self.parts:
            prefix = one.part.place(b"").rstrip(b"/") + b"/"
            if place.startswith(prefix):
                want = one.final(place[len(prefix) :], self.names)
                if want is not None:
                    return one, place[len(prefix) :], want
        return None

    def below(self, place: bytes) -> Iterator[bytes]:
        """The places below a directory, each once, sorted; links and directories among them."""
        found: set[bytes] = set()
        for one in self.parts:
            prefix = one.part.place(b"").rstrip(b"/") + b"/"
            if (place + b"/").startswith(prefix):
                inside = place[len(prefix) :]
                held = {row.path for tree in one.part.trees for row in tree.manifest.below(inside)}
                found |= {prefix + path for path in held if one.final(path, self.names) is not None}
        return iter(sorted(found))

    def children(self, place: bytes) -> Iterator[bytes]:
        """The places directly in a directory, each once, sorted."""
        found: set[bytes] = set()
        for one in self.parts:
            prefix = one.part.place(b"").rstrip(b"/") + b"/"
            if (place + b"/").startswith(prefix):
                inside = place[len(prefix) :]
                held = {path for tree in one.part.trees for path in tree.manifest.children(inside)}
                found |= {prefix + path for path in held if one.final(path, self.names) is not None}
        return iter(sorted(found))

    def text(self, place: bytes) -> bytes | None:
        """A regular file's bytes; ``None`` where there is none, or it is too large, or it is being written."""
        if place not in self._texts:
            self._texts[place] = self._read(place)
        return self._texts[place]

    def _read(self, place: bytes) -> bytes | None:
        found = self.final(place)
        if found is None or found[2].kind != FILE:
            return None
        one, path, want = found
        if want.inline is not None or want.side == NO_SIDE:
            return want.inline
        tree = one.part.trees[one.part.source(want.side, path)]
        held = tree.manifest.get(path)
        if held is None or held.size > LARGEST:
            return None
        return read_unless_torn(tree, path)
