"""How two paths or two texts are told to be the same one that was moved: but for version numbers, by the lines that they share."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from goldroot.merge.compare.parts import Part
from goldroot.tree import upwards

_VERSION = re.compile(rb"[0-9]+(?:\.[0-9]+)*")


def without_versions(path: bytes) -> bytes:
    """A path with ``#`` for each version number, in its directories too.

    What stands behind an ``@`` is the instance of a unit (``postgresql@15-main.service``, systemd.unit(5)), and no
    version: two instances are two services.
    """
    return b"/".join(_name(name) for name in path.split(b"/"))


def _name(name: bytes) -> bytes:
    head, at, instance = name.partition(b"@")
    return _VERSION.sub(b"#", head) + at + instance


def as_closed(part: Part, old: tuple[int, bytes], new: tuple[int, bytes]) -> bool:
    """Whether the directories of a new place let nobody through whom those of the old one keep out.

    :param old: the side whose directories count, and the path; ``new`` likewise.
    """
    was, now = (
        [part.trees[side].manifest.get(above) for above in upwards(path) if above != path] for side, path in (old, new)
    )
    return all(
        all(row is None or row.mode & bit for row in was) or not all(row is None or row.mode & bit for row in now)
        for bit in (0o001, 0o010)
    )


# -- How much two texts have in common, line by line; lines that stand everywhere (a licence, blank lines) count for nothing

#: A line counts where it stands in no more files of base than these.
RARE = 2
#: From so much on two texts are taken for one that was moved, and so many lines they must share.
LEAST, LEAST_LINES = 0.6, 5
#: Two candidates that are nearer to each other than this name nobody.
CLEAR = 0.1
#: So many pairs of texts are compared in one merge.
MOST_PAIRS = 2000

Lines = Counter[bytes]


def lines_of(content: bytes) -> Lines:
    """How often each line stands in a text."""
    return Counter(line.rstrip(b"\r") for line in content.split(b"\n"))


def only_rare(lines: Lines, files_with: Mapping[bytes, int]) -> Lines:
    """The lines that stand in at most :data:`RARE` files.

    :param files_with: line -> in how many files of base it stands.
    """
    return Counter({line: times for line, times in lines.items() if files_with.get(line, 0) <= RARE})


def likeness(one: Lines, other: Lines) -> tuple[float, int]:
    """(equal lines of the lines of the longer text, equal lines)."""
    equal = (one & other).total()
    longer = max(one.total(), other.total())
    return (equal / longer if longer else 0.0), equal


def clear_best(scores: Mapping[bytes, float], name: bytes) -> bytes | None:
    """The candidate that is clearly the best one.

    Of several that are as good as the best, or nearly, the only one with the same file name wins; else nobody does.

    :param scores: candidate -> its likeness.
    """
    if not scores:
        return None
    best = max(scores.values())
    near = [path for path, score in scores.items() if best - score < CLEAR]
    if len(near) > 1:
        near = [path for path in near if path.rpartition(b"/")[2] == name]
    return near[0] if len(near) == 1 else None


def by_shared_lines(wanted: Lines, candidates: Mapping[bytes, Lines], most: int) -> Sequence[bytes]:
    """The candidates that share a line with a text, those that share most first."""
    shared = {path: len(wanted.keys() & lines.keys()) for path, lines in candidates.items()}
    found = sorted((path for path, count in shared.items() if count), key=lambda path: (-shared[path], path))
    return found[:most]


def files_with_lines(contents: Iterable[bytes]) -> Lines:
    """Line -> in how many of these texts it stands."""
    found: Lines = Counter()
    for content in contents:
        found.update(lines_of(content).keys())
    return found
