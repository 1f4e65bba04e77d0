"""Start and stop links of runlevels (``/etc/rc2.d/S07cron``), told apart by runlevel and name.

The name of such a link holds a number that insserv and update-rc.d change as they like (update-rc.d(8)).  As paths,
``S07cron`` that the server removed and ``S08cron`` of gold's had nothing to do with each other, and the service was
started again.  What is merged three ways is whether there is a start link, a stop link, both or none; the number
follows gold where it changed it, else the clone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from goldroot.conflicts import CLONE, GOLD, Conflict
from goldroot.merge.compare.parts import BASE_SIDE, CLONE_SIDE, GOLD_SIDE, Part
from goldroot.merge.decide.verdict import CONFLICT, Decided, Setting, as_is, settle_conflict
from goldroot.policy import CONFIG, OPAQUE
from goldroot.tree import LINK, Note, parent, path_text

_DIRECTORY = re.compile(rb"/etc/(?:rc\.d/|init\.d/)?(?:rc[0-9S]|boot)\.d")
_LINK = re.compile(rb"(?P<letter>[SK])(?P<number>[0-9]{2})(?P<name>.+)", re.DOTALL)
START, STOP = b"S", b"K"

Links = Mapping[bytes, bytes]  #: letter -> name of the link
Sides = tuple[Links, Links, Links]  #: base's, gold's, the clone's


def settle_rc_links(decided: Decided, setting: Setting) -> None:
    """Decide again, by runlevel and name, where the paths alone said something else."""
    part = decided.comparison.part
    directories = {parent(path) for path in decided.verdicts if _DIRECTORY.fullmatch(part.place(parent(path)))}
    for directory in sorted(directories):
        held = [_scripts(part, directory, side) for side in (BASE_SIDE, GOLD_SIDE, CLONE_SIDE)]
        remembered = _remembered(setting, part.place(directory))
        for name in sorted({*held[0], *held[1], *held[2]}):
            base, gold, clone = (side.get(name, {}) for side in held)
            sides = base or remembered.get(name, {}), gold, clone
            paths = [directory + b"/" + name for name in _names(sides)]
            if not _told_by_paths(sides) and any(_may_settle(decided, path) for path in paths):
                _settle(decided, setting, paths, sides)


def _scripts(part: Part, directory: bytes, side: int) -> dict[bytes, dict[bytes, bytes]]:
    """Script -> its links of one side; of two with one letter none counts: nobody can say which is meant."""
    found: dict[bytes, dict[bytes, bytes]] = {}
    doubled: set[bytes] = set()
    for entry in part.trees[side].manifest.below(directory):
        name = entry.path[len(directory) + 1 :]
        match = _LINK.fullmatch(name)
        if match is None or entry.kind != LINK or b"/" in name:
            continue
        links = found.setdefault(match["name"], {})
        if match["letter"] in links:
            doubled.add(match["name"])
        links[match["letter"]] = name
    return {name: links for name, links in found.items() if name not in doubled}


def _remembered(setting: Setting, directory: bytes) -> dict[bytes, dict[bytes, bytes]]:
    """The links that the server had removed before, as if base had them."""
    found: dict[bytes, dict[bytes, bytes]] = {}
    for place in (known.place for _, known in setting.memory.paths()):
        above, _, name = place.rpartition(b"/")
        if above == directory and (match := _LINK.fullmatch(name)):
            found.setdefault(match["name"], {})[match["letter"]] = name
    return found


def _told_by_paths(sides: Sides) -> bool:
    """Whether merging path by path is right: one side left all as it was, both did the same, or there is one path."""
    base, gold, clone = sides
    return len(_names(sides)) < 2 or gold in (base, clone) or base == clone


def _names(sides: Sides) -> list[bytes]:
    """The names of all links of a script: gold's first, then the clone's."""
    base, gold, clone = (sorted(links.values()) for links in sides)
    return list(dict.fromkeys([*gold, *clone, *base]))


def _may_settle(decided: Decided, path: bytes) -> bool:
    verdict = decided.verdicts.get(path)
    if verdict is None or verdict.because:
        return False
    rule = decided.comparison.rules[path]
    return rule.cls in (CONFIG, OPAQUE) and not rule.pin


def _settle(decided: Decided, setting: Setting, paths: Sequence[bytes], sides: Sides) -> None:
    """:param paths: of all links of a script, gold's first."""
    own = [path for path in paths if _may_settle(decided, path)]
    wanted = _merged(*(frozenset(links) for links in sides))
    if wanted is None:
        wanted = _ask(decided, setting, own[0], sides)
    chosen = {_numbered(letter, sides) for letter in wanted}
    for path in own:
        _place(decided, setting, path, path.rpartition(b"/")[2] in chosen)


def _place(decided: Decided, setting: Setting, path: bytes, wanted: bool) -> None:
    """Let a link stand, or not; what was asked about it as a path goes with its question."""
    verdict, delta = decided.verdicts[path], decided.comparison.delta(path)
    if wanted == (verdict.want is not None):
        return
    side = CLONE_SIDE if delta.rows[CLONE_SIDE] is not None else GOLD_SIDE
    who = CLONE if (delta.rows[CLONE_SIDE] is None) != wanted else GOLD
    verdict.want = as_is(delta, side, setting) if wanted else None
    verdict.conflicts = [one for one in verdict.conflicts if one.kind == KIND]
    verdict.axes["presence"] = who
    verdict.outcome = CONFLICT if verdict.conflicts else who
    word = "stays" if wanted else "is left out"
    verdict.notes.append(f"it {word}: links of a runlevel are merged by the name of their script")


def _merged(base: frozenset[bytes], gold: frozenset[bytes], clone: frozenset[bytes]) -> frozenset[bytes] | None:
    """Which links there are; ``None`` where both sides changed it differently, and one of them would start it."""
    if gold in (base, clone):
        return clone
    if clone == base:
        return gold
    if not gold and START not in clone:
        return gold  # the script went, and a stop link of it stops nothing
    both = frozenset(letter for letter in gold | clone if (letter in gold and letter in clone) or letter not in base)
    return both if both in (gold, clone) or START not in both else None


#: Kind of the conflict about whether a script is started.
KIND: Final = "runlevel-changed"


def _ask(decided: Decided, setting: Setting, head: bytes, sides: Sides) -> frozenset[bytes]:
    """Ask at the first link; returns the letters of the side that stands."""
    _, gold, clone = sides
    verdict, place = decided.verdicts[head], decided.comparison.part.place(head)
    values = tuple(b" ".join(sorted(links)) for links in sides)
    words = [path_text(b" ".join(sorted(links.values()))) or "no link" for links in (gold, clone)]
    detail = f"gold and the server link this script differently: gold has {words[0]}, the server {words[1]}"
    if setting.going_back:
        decided.notes.append(Note(KIND, place, f"{detail}; the server's stands"))
        return frozenset(clone)
    conflict = Conflict(
        place, "presence", KIND, (values[0], values[1], values[2]), stands=setting.prefer, detail=detail
    )
    verdict.conflicts.clear()
    answer, _ = settle_conflict(verdict, conflict, setting)
    verdict.outcome = CONFLICT if verdict.conflicts else answer
    return frozenset(gold if answer == GOLD else clone)


def _numbered(letter: bytes, sides: Sides) -> bytes:
    """The name of the link with this letter: gold's where gold has it and changed it, else the clone's."""
    base, gold, clone = (links.get(letter) for links in sides)
    if gold is None or clone is None:
        found = gold or clone
    else:
        found = clone if gold == base else gold
    assert found is not None
    return found
