"""Which family of systems a merge is about: by the os-release(5) of the old gold and the new one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from goldroot.conflicts import CLONE, GOLD, Conflict
from goldroot.merge.compare.parts import BASE_SIDE, GOLD_SIDE, Part
from goldroot.policy import family_of
from goldroot.tree import FILE

#: os-release(5): the first of these that is there.
RELEASES = (b"/etc/os-release", b"/usr/lib/os-release")


def families(parts: Sequence[Part], read: Callable[[bytes, bytes], bytes]) -> tuple[str, str]:
    """The families of base and of gold; "" where one is not known.

    :param read: the bytes of a file, by its tree's root and its path.
    """
    base, gold = (_family(parts, side, read) for side in (BASE_SIDE, GOLD_SIDE))
    return base, gold


def _family(parts: Sequence[Part], side: int, read: Callable[[bytes, bytes], bytes]) -> str:
    for part in parts:
        tree = part.trees[side]
        if tree.family:
            return tree.family
        prefix = part.place(b"").rstrip(b"/") + b"/"
        for file in RELEASES:
            path = file[len(prefix) :] if file.startswith(prefix) else b""
            entry = tree.manifest.get(path) if path else None
            if entry is not None and entry.kind == FILE and (found := family_of(read(tree.root, path))):
                return found
    return ""


def other_family(base: str, gold: str) -> Conflict | None:
    """The question whether a server may become one of another family; once for a server, whatever differs in it."""
    if not base or not gold or base == gold:
        return None
    return Conflict(
        RELEASES[0], "family", "family-changed", (base.encode(), gold.encode(), b""), (GOLD, CLONE), GOLD,
        f"gold was a system of the family {base} and is one of {gold} now: 'gold' merges by the rules for {gold},"
        f" 'clone' by those for {base}",
    )  # fmt: skip
