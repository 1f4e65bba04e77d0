"""What differs between two manifests: pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from goldroot.tree import DIRECTORY, Entry, Manifest, path_text, tree_key

ADDED, REMOVED, CHANGED = "added", "removed", "changed"


@dataclass(frozen=True, slots=True)
class Change:
    """One path that differs; ``axes`` says in what, for a changed one (``content``, ``mode``, ``owner``, ...)."""

    path: bytes
    what: str
    axes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        return {"path": "/" + path_text(self.path), "what": self.what, "axes": list(self.axes)}

    @property
    def only_time(self) -> bool:
        """Nothing but its modification time differs."""
        return self.axes == ("time",)

    def __str__(self) -> str:
        more = f" ({', '.join(self.axes)})" if self.axes else ""
        return f"{self.what:8}/{path_text(self.path)}{more}"


def changes_between(old: Manifest, new: Manifest) -> Iterator[Change]:
    """Every path that differs, in tree order.  The times of directories do not count: they follow from what is in them."""
    before, after = old.rows(), new.rows()
    left, right = next(before, None), next(after, None)
    while left is not None or right is not None:
        if right is None or (left is not None and tree_key(left[0]) < tree_key(right[0])):
            assert left is not None
            yield Change(left[0], REMOVED)
            left = next(before, None)
        elif left is None or left[0] != right[0]:
            yield Change(right[0], ADDED)
            right = next(after, None)
        else:
            if left[1:11] != right[1:11] and (axes := differing(Entry._make(left), Entry._make(right))):
                yield Change(left[0], CHANGED, axes)
            left, right = next(before, None), next(after, None)


def differing(old: Entry, new: Entry) -> tuple[str, ...]:
    """The names of what differs between two entries of one path."""
    if old.kind != new.kind:
        return ("type",)
    return tuple(
        name
        for name, differs in (
            ("content", (old.content, old.size) != (new.content, new.size)),
            ("mode", old.mode != new.mode),
            ("owner", old.uid != new.uid),
            ("group", old.gid != new.gid),
            ("attributes", old.xattrs != new.xattrs),
            ("flags", (old.flags, old.project) != (new.flags, new.project)),
            ("time", old.mtime != new.mtime and old.kind != DIRECTORY),
        )
        if differs
    )
