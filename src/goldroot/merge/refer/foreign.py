"""Roots of other systems inside a tree: their links and paths are not the host's."""

from __future__ import annotations

from collections.abc import Iterable

from goldroot.merge.compare.parts import CLONE_SIDE
from goldroot.merge.fit.part_plan import PartPlan
from goldroot.tree import upwards

#: Where container engines and machine managers keep roots.
_PLACES = frozenset(
    b"/var/lib/" + name
    for name in (
        b"docker", b"containers", b"containerd", b"lxc", b"lxd", b"incus", b"machines", b"kubelet", b"rancher"
    )
)  # fmt: skip

#: What makes a directory a root.
_MARK = b"/etc/passwd"


def foreign_roots(parts: Iterable[PartPlan]) -> frozenset[bytes]:
    """The places of the clone at which another system's root begins."""
    found = set(_PLACES)
    for one in parts:
        paths = one.part.trees[CLONE_SIDE].manifest.columns.paths
        place = paths.find(_MARK + b"\0")
        while place >= 0:
            start = paths.rfind(b"\0", 0, place) + 1
            root = one.part.place(paths[start:place])
            if start < place and root not in (b"/", b""):
                found.add(root)
            place = paths.find(_MARK + b"\0", place + 1)
    return frozenset(found)


def is_inside(path: bytes, roots: frozenset[bytes]) -> bool:
    """Whether an absolute path is, or lies in, one of these."""
    return any(above in roots for above in upwards(path))
