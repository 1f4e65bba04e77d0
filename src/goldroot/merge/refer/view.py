"""Looking a path up in a whole system, as the server before and after an update sees it.

By component; an absolute link starts again at the system's root; forty links are none (as the kernel has it, path_resolution(7)).
A path that any of the three trees has is the trees' matter alone: else a file that the server removed would be found
on the shared disk below.  What cannot be known from disks is *unknown*: what the kernel or a boot fills, what is mounted by
fstab or a mount unit, and the root of another system.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from goldroot.merge.compare.parts import CLONE_SIDE
from goldroot.merge.decide.verdict import NO_SIDE
from goldroot.merge.fit.part_plan import PartPlan
from goldroot.merge.refer.shared import Index, Node, SharedFiles
from goldroot.tree import DIRECTORY, LINK

THERE, GONE, UNKNOWN = "there", "gone", "unknown"

#: Filled by the kernel or at boot.
FILLED = frozenset((b"/run", b"/proc", b"/sys", b"/dev", b"/tmp"))

#: As many links as the kernel follows.
_MOST_LINKS = 40


@dataclass(frozen=True, slots=True)
class Found:
    """``place``: where the way ended, every link followed; for what is unknown, as far as it is known, and the rest."""

    state: str
    place: bytes
    node: Node | None = None
    outside: bool = False  #: unknown, since nobody told what is outside of the trees


@dataclass
class View:
    """A system as it is looked at.

    :param look: what stands at a place; :data:`OUTSIDE` where nobody knows.
    :param mounts: places at which something is mounted.
    :param foreign: whether a place is the root of another system.
    """

    look: Callable[[bytes], Node | None]
    mounts: frozenset[bytes] = frozenset()
    foreign: Callable[[bytes], bool] = lambda place: False
    made_units: frozenset[bytes] = frozenset()  #: that systemd makes of an fstab
    _directories: dict[bytes, Found] = field(default_factory=dict)

    def find(self, place: bytes, *, beneath: bool = False, links: int = 0) -> Found:
        """Where an absolute path leads.

        :param links: how many links led here.
        :param beneath: of a place at which something is mounted, look at the directory below the mount.
        """
        names = [name for name in place.split(b"/") if name not in (b"", b".")]
        if not names:
            return Found(THERE, b"/", Node(DIRECTORY, mode=0o755))
        if b".." in names:
            return self._walk(b"", names, links, beneath)
        above = self._directory(b"/".join(names[:-1]))
        if above.state != THERE:
            return Found(above.state, above.place + b"/" + names[-1], None, above.outside)
        return self._walk(above.place.rstrip(b"/"), names[-1:], links, beneath)

    def _directory(self, path: bytes) -> Found:
        """A directory, remembered: many paths have the same."""
        found = self._directories.get(path)
        if found is None:
            found = self._directories[path] = self.find(b"/" + path)
        if found.state == THERE and (found.node is None or found.node.kind != DIRECTORY):
            return Found(GONE, found.place)
        return found

    def _walk(self, at: bytes, names: Sequence[bytes], links: int, beneath: bool) -> Found:
        todo = list(reversed(names))
        node: Node | None = Node(DIRECTORY, mode=0o755)
        while todo:
            name = todo.pop()
            if name in (b"", b"."):
                continue
            if name == b"..":
                at = at.rpartition(b"/")[0]
                continue
            place = at + b"/" + name
            rest = b"".join(b"/" + one for one in reversed(todo))
            if self._is_unknown(place, beneath and not todo):
                return Found(UNKNOWN, place + rest)
            node = self.look(place)
            if node is None:
                return Found(GONE, place + rest)
            if node is OUTSIDE:
                return Found(UNKNOWN, place + rest, None, True)
            if node.kind == LINK:
                links += 1
                if links > _MOST_LINKS:
                    return Found(GONE, place + rest)
                at = b"" if node.target.startswith(b"/") else at
                todo += reversed(node.target.split(b"/"))
            elif todo and node.kind != DIRECTORY:
                return Found(GONE, place + rest)
            else:
                at = place
        return Found(THERE, at or b"/", node)

    def _is_unknown(self, place: bytes, beneath: bool) -> bool:
        return place in FILLED or (place in self.mounts and not beneath) or self.foreign(place)


#: Stands for whatever is at a place that nobody knows.
OUTSIDE = Node("?")


class Trees:
    """The trees of a merge, before and after, over what is shared."""

    def __init__(self, parts: Sequence[PartPlan]) -> None:
        self.parts = parts
        self.indexes = [[Index(tree.manifest) for tree in one.part.trees] for one in parts]

    def before(self, shared: SharedFiles | None) -> Callable[[bytes], Node | None]:
        """What the server has now."""
        return lambda place: self._look(place, shared, self._of_clone)

    def after(self, shared: SharedFiles | None) -> Callable[[bytes], Node | None]:
        """What it will have."""
        return lambda place: self._look(place, shared, self._of_result)

    def _look(self, place: bytes, shared: SharedFiles | None, own: Callable[[int, bytes], Node | None]) -> Node | None:
        known = inside = False
        for number, one in enumerate(self.parts):
            path = one.part.inside(place)
            if path is None:
                continue
            inside = True
            if path in one.decided.verdicts or any(path in index for index in self.indexes[number]):
                known = True
                found = own(number, path)
                if found is not None:
                    return found
        if known:
            return None
        if shared is not None:
            return shared.look(place)
        if not inside and any(one.part.at.startswith(place + b"/") for one in self.parts):
            return Node(DIRECTORY, mode=0o755)  # on the way to the trees
        return None if inside else OUTSIDE

    def _of_clone(self, number: int, path: bytes) -> Node | None:
        return self.indexes[number][CLONE_SIDE].look(path)

    def _of_result(self, number: int, path: bytes) -> Node | None:
        one = self.parts[number]
        verdict = one.decided.verdicts.get(path)
        if verdict is not None:
            want = verdict.want
            return None if want is None else Node(want.kind, want.content if want.kind == LINK else b"", want.mode)
        side = one.side_over(path)
        return None if side == NO_SIDE else self.indexes[number][CLONE_SIDE if side is None else side].look(path)
