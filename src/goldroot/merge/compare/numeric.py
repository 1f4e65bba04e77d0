"""Places whose owners are numbers of another system: what the accounts of the server call them means nothing there.

Such a place is marked by a path in the trees; the nearest mark on the way up counts for a path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from goldroot.tree import Manifest, in_tree_order, upwards


@dataclass(frozen=True)
class NumericPlaces:
    """``marks``: path in the trees -> whether owners are numbers there and below."""

    marks: Mapping[bytes, bool] = field(default_factory=dict)

    @cached_property
    def _starts(self) -> tuple[bytes, ...]:
        return tuple(path for path, numeric in self.marks.items() if numeric)

    def __bool__(self) -> bool:
        return bool(self._starts)

    def covers(self, path: bytes) -> bool:
        """Whether the owners of a path are numbers."""
        if not path.startswith(self._starts):
            return False
        return next((self.marks[above] for above in upwards(path) if above in self.marks), False)

    def rows(self, manifest: Manifest) -> bytearray:
        """For each row of a tree 1 where its owners are numbers, else 0."""
        flags = bytearray(len(manifest))
        for path in in_tree_order(self.marks):  # what lies deeper comes later, and counts
            span = manifest.span(path)
            flags[span.start : span.stop] = (b"\1" if self.marks[path] else b"\0") * len(span)
        return flags

    def marked(self, path: bytes, numeric: bool) -> NumericPlaces:
        """The same places, and one more mark."""
        return NumericPlaces({**self.marks, path: numeric})


#: Where every owner is an account of the system.
NOWHERE = NumericPlaces()
