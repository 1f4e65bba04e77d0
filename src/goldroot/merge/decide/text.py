"""Three-way merge of text, line by line, by ``git merge-file``."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from goldroot.errors import ProgramFailed
from goldroot.merge.decide.came_back import came_back, one_removed
from goldroot.run import run

#: As git does (and a little more than its 8000 bytes, so that git never calls binary what we call text).
TEXT_PROBE = 8192

#: git's own limit is just below a gigabyte; three versions this large are not a text that anybody wrote.
MAX_TEXT = 64 * 1024 * 1024

#: ``git merge-file`` says how many conflicts there are, up to this; greater is an error.
_MOST_CONFLICTS = 127

_MARKERS = re.compile(rb"^(?:<{7,}|\|{7,}|={7,}|>{7,})", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class TextMerge:
    """``merged`` is the result when ``clean``; else a text for a reviewer, with both sides between conflict markers
    (without, where one side removed a line that the other moved), or empty where the versions are too large to be merged."""

    clean: bool
    merged: bytes


def is_text(data: bytes) -> bool:
    """Whether content (or its first 8 KiB) is text: no NUL."""
    return b"\0" not in data[:TEXT_PROBE]


def merge_text(base: bytes, gold: bytes, clone: bytes) -> TextMerge:
    """Merge three versions of a text; bytes outside of the changes stay as they are (line ends, encoding).

    A line that one side removed and the other moved is a conflict, though no place was changed by both.

    :raises MissingProgram: both sides changed and git is not installed.
    :raises ProgramFailed: git ended with an error.
    """
    if gold in (base, clone):
        return TextMerge(True, clone)
    if clone == base:
        return TextMerge(True, gold)
    if not all(is_text(side) for side in (base, gold, clone)):
        return TextMerge(False, b"")
    if max(len(base), len(gold), len(clone)) > MAX_TEXT:
        return TextMerge(False, b"")
    return _merge_file(base, gold, clone)


def is_moved_and_removed(base: bytes, gold: bytes, clone: bytes) -> bool:
    """Whether no place of the texts was changed by both, and a line stands at another place that one side removed."""
    if not all(is_text(side) for side in (base, gold, clone)) or not one_removed(base, gold, clone):
        return False
    merged = _merge_file(base, gold, clone).merged
    return not _MARKERS.search(merged) and came_back(base, gold, clone, merged)


def _merge_file(base: bytes, gold: bytes, clone: bytes) -> TextMerge:
    sides = {"clone": clone, "base": base, "gold": gold}
    labels = [word for side in sides for word in ("-L", side)]
    size = f"--marker-size={marker_size(*sides.values())}"
    with ExitStack() as stack:
        handles = [stack.enter_context(_in_memory(side, content)) for side, content in sides.items()]
        files = [f"/proc/self/fd/{handle}" for handle in handles]
        done = run(
            ["git", "-C", "/", "merge-file", "-p", "-q", _style(), size, *labels, *files],
            ok=range(_MOST_CONFLICTS + 1),
            env=_UNCONFIGURED,
            pass_fds=handles,
        )
    return TextMerge(done.status == 0 and not came_back(base, gold, clone, done.out), done.out)


@contextmanager
def _in_memory(name: str, content: bytes) -> Iterator[int]:
    """A file that is nowhere: a text may be a secret, and a command that is killed tidies nothing up."""
    handle = os.memfd_create(name)
    try:
        with open(handle, "wb", closefd=False) as file:
            file.write(content)
        yield handle
    finally:
        os.close(handle)


#: An environment in which no configuration, attributes or repository of anybody has a say.
_UNCONFIGURED = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_DIR": os.devnull,
    "HOME": os.devnull,
    "XDG_CONFIG_HOME": os.devnull,
}


def marker_size(*sides: bytes) -> int:
    """Longer than any marker that the texts hold, so that a reviewer can tell ours from theirs; git's own is 7."""
    return max([7, *(len(found) + 1 for side in sides for found in _MARKERS.findall(side))])


@functools.cache
def _style() -> str:
    """``--zdiff3`` keeps common lines out of the conflict; git has it since 2.35."""
    return "--zdiff3" if _version(run(["git", "--version"]).text()) >= (2, 35) else "--diff3"


def _version(said: str) -> tuple[int, int]:
    found = re.search(r"(\d+)\.(\d+)", said)
    if found is None:
        raise ProgramFailed(f"git does not say which version it is: {said.strip()!r}")
    return int(found[1]), int(found[2])
