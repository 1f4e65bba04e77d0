"""Files of the server's own in a directory of a version that gold does not have any more.

Gold moved from ``/etc/php/8.2`` to ``/etc/php/8.4``; the server's own pools stay in 8.2, where nothing reads them.  That is one
question at the directory.  The answer ``moved`` puts them beside gold's, where that takes nobody's place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from goldroot.conflicts import CLONE, MOVED, Conflict
from goldroot.merge.compare.parts import CLONE_SIDE, GOLD_SIDE
from goldroot.merge.decide.likeness import as_closed, without_versions
from goldroot.merge.decide.removed import is_added
from goldroot.merge.decide.verdict import CONFLICT, MERGED, Decided, Setting, Verdict, Want, settle_conflict
from goldroot.tree import (
    DIRECTORY,
    FILE,
    INLINE,
    LINK,
    Note,
    in_tree_order,
    is_below,
    parent,
    path_text,
    some_paths,
    upwards,
)

AXIS = "place"
#: Kind of the conflict, and of the note on the way back.
KIND: Final = "left-behind"
#: A larger file is not moved (bytes).
_LARGEST = 1 << 20
#: What editors and package tools leave; nobody misses it.
_LEAVINGS = (b"~", b".bak", b".swp", b".dpkg-old", b".dpkg-dist", b".dpkg-new", b".rpmsave", b".rpmnew", b".ucf-old")

#: Where tools such as phpenmod(8) note what the administrator chose; the choice itself is in /etc, and is asked about there.
_NOTED = b"/var/lib/"


@dataclass
class _Directory:
    """A directory of base's that gold has under another version number."""

    old: bytes
    new: bytes
    own: list[bytes]  #: the server's own files below it


def ask_about_left(decided: Decided, setting: Setting) -> None:
    """Ask about what stays behind, and carry out what was answered, in place."""
    for one in _directories(decided):
        place, new = decided.comparison.part.place(one.old), decided.comparison.part.place(one.new)
        detail = f"gold has {path_text(new)} in its place, and the server's own stay here: {_named(decided, one.own)}"
        if setting.going_back:
            decided.notes.append(Note(KIND, place, detail))
            continue
        moved = {path: one.new + path[len(one.old) :] for path in one.own}
        can_move = all(_may_move(decided, old, path) for old, path in moved.items())
        secret = any(decided.comparison.rules[path].secret for path in one.own)
        answers = (CLONE, *((MOVED,) if can_move else ()))
        conflict = Conflict(place, AXIS, KIND, (b"", new, b""), answers, CLONE, detail, secret)
        asked = Verdict(None, CONFLICT)
        answer, _ = settle_conflict(asked, conflict, setting)
        decided.conflicts += asked.conflicts
        if not asked.conflicts:
            data = {"key": conflict.key, "take": answer, "axis": AXIS}
            decided.notes.append(Note("decided", place, f"{AXIS}: decided", data))
        if answer == MOVED:
            for old, path in moved.items():
                _move(decided, setting, (old, path), (one.old, one.new))


def _named(decided: Decided, paths: list[bytes]) -> str:
    return some_paths(map(decided.comparison.part.place, paths))


def _directories(decided: Decided) -> Iterator[_Directory]:
    """The topmost of such directories."""
    own = [path for path in decided.verdicts if _is_own(decided, path)]
    if not own:
        return
    deltas = decided.comparison.deltas
    gone = {
        path for path, (base, gold, _) in deltas.items() if base is not None and base.kind == DIRECTORY and gold is None
    }
    below: dict[bytes, list[bytes]] = {}
    for path in own:
        for above in upwards(parent(path)):
            if above in gone:
                below.setdefault(above, []).append(path)
    added: dict[bytes, list[bytes]] = {}
    for path, (base, gold, _) in deltas.items() if below else ():
        if base is None and gold is not None and gold.kind == DIRECTORY:
            added.setdefault(without_versions(path), []).append(path)
    top: bytes | None = None
    for path in in_tree_order(below):
        new = added.get(without_versions(path), [])
        if (top is None or not is_below(path, top)) and len(new) == 1 and parent(path) == parent(new[0]):
            top = path
            yield _Directory(path, new[0], below[path])


def _is_own(decided: Decided, path: bytes) -> bool:
    """Whether a path is a file or link of the server's alone, that stays and nobody asks about."""
    noted = decided.comparison.part.place(path).startswith(_NOTED)
    return not (noted or path.endswith(_LEAVINGS)) and is_added(decided, path, CLONE_SIDE)


def _may_move(decided: Decided, old: bytes, new: bytes) -> bool:
    """Whether the new place is free, in directories that gold has and that are no more open than the old ones."""
    part = decided.comparison.part
    clone = part.trees[CLONE_SIDE].manifest.get(old)
    above = part.trees[GOLD_SIDE].manifest.get(parent(new))
    free = not any(part.rows(new)) and new not in decided.verdicts
    whole = clone is not None and clone.size <= _LARGEST
    known = all(decided.verdicts[one].want is not None for one in upwards(parent(new)) if one in decided.verdicts)
    is_there = above is not None and above.kind == DIRECTORY and known
    return free and whole and is_there and as_closed(part, (CLONE_SIDE, old), (GOLD_SIDE, new))


def _move(decided: Decided, setting: Setting, paths: tuple[bytes, bytes], tops: tuple[bytes, bytes]) -> None:
    old, new = paths
    comparison = decided.comparison
    delta, verdict = comparison.delta(old), decided.verdicts[old]
    assert verdict.want is not None
    want = _at_new_place(comparison.part.place(tops[0]), comparison.part.place(tops[1]), verdict.want)
    if want.kind == FILE:
        content = setting.sameness.read(delta, CLONE_SIDE)
        want = replace(want, side=INLINE, inline=content, content=hashlib.sha256(content).digest())
    place = path_text(delta.place)
    decided.verdicts[old] = Verdict(None, MERGED, {"presence": MERGED}, decided={AXIS: MOVED})
    decided.verdicts[old].notes.append(f"moved to {path_text(comparison.part.place(new))}")
    comparison.add(new, (None, None, None), comparison.rules[old])
    decided.verdicts[new] = Verdict(want, MERGED, {"presence": MERGED}, decided={AXIS: MOVED})
    decided.verdicts[new].notes.append(f"moved from {place}")


def _at_new_place(old: bytes, new: bytes, want: Want) -> Want:
    """A link into the directory itself leads into the new one."""
    if want.kind == LINK and want.content.startswith(old + b"/"):
        return replace(want, content=new + want.content[len(old) :])
    return want
