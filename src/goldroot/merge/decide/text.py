"""Three-way merge of text, line by line, by ``git merge-file``: what it may not do, and line ends beside it."""

from __future__ import annotations

import functools
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from goldroot.errors import ProgramFailed
from goldroot.merge.decide.line_sets import final_newline
from goldroot.run import run

# -- Lines that a merge by lines would bring back: one side moved them within the text, and the other removed them.  A merge by
# lines sees a line that was moved as one that is gone here and new there.  So a user's line that gold took out of a file of
# sudoers stands again where the server put it, and no place of the text was changed by both.

#: Lines that say something; not a remark, a brace, or an end of a block.
_TELLING = re.compile(rb"[ \t]*(?![#;]|//|/?\*)(?:[^\n]*[A-Za-z0-9]){4}")


def came_back(base: bytes, gold: bytes, clone: bytes, merged: bytes) -> bool:
    """Whether a merged text has a line more often than what both sides did to it comes to.

    Where both sides added it, or both removed it, nothing was moved past anybody.
    """
    was, golds, clones, result = (Counter(_telling(text)) for text in (base, gold, clone, merged))
    for line, times in result.items():
        old, new, own = was[line], golds[line], clones[line]
        most = new + own - old
        if new < old and own < old:
            most = max(most, min(new, own))
        if old and times > most:
            return True
    return False


def one_removed(base: bytes, gold: bytes, clone: bytes) -> bool:
    """Whether one side removed a line that the other has."""
    golds, clones = set(_telling(gold)), set(_telling(clone))
    return any((line in golds) != (line in clones) for line in _telling(base))


def _telling(text: bytes) -> list[bytes]:
    return [line.strip() for line in text.split(b"\n") if _TELLING.match(line)]


# -- One setting that a merge by lines would leave twice in a text, with two values.
#
# Gold adds ``PermitRootLogin yes`` at the top of sshd_config, the server has added ``PermitRootLogin no`` at its end: no
# place was changed by both, and sshd goes by the first. Looked for where a key has one value by custom: ``key = value``,
# by its section, and keywords of OpenSSH and login.defs(5). A key that stands more than once on one side is a list there.

#: Here ``key = value`` is not a setting with one value: lists of systemd's, rules, scripts, tables.
_NOT_HERE = re.compile(
    rb"/etc/(?:systemd/|udev/|init\.d/|cron|sudoers|pam\.d/|fstab|hosts)|.*\.(?:rules|sh|py|pl)\Z", re.DOTALL
)
_ASSIGNED = re.compile(rb"[ \t]*(?:export[ \t]+)?(?P<key>[A-Za-z_][\w.-]*)[ \t]*=(?!=)[ \t]*(?P<value>.*?)[ \t\r]*")
_SECTION = re.compile(rb"[ \t]*\[[^\]]+\][ \t\r]*")

_KEYWORDS = re.compile(rb"/etc/(?:ssh/sshd?_config(?:\.d/[^/]+)?|login\.defs)", re.DOTALL)
_KEYWORD = re.compile(rb"[ \t]*(?P<key>[A-Za-z_]\w*)(?:[ \t]*=[ \t]*|[ \t]+)(?P<value>\S.*?)[ \t\r]*")
_BLOCK = re.compile(rb"[ \t]*(?:match|host)[ \t]", re.IGNORECASE)
#: Of these each line counts: sshd_config(5), ssh_config(5).
_LISTS = frozenset(
    (
        b"acceptenv", b"allowusers", b"allowgroups", b"denyusers", b"denygroups", b"hostkey", b"hostcertificate", b"include",
        b"identityfile", b"certificatefile", b"listenaddress", b"localforward", b"remoteforward", b"sendenv", b"setenv", b"subsystem",
    )
)  # fmt: skip

_Setting = tuple[bytes, bytes]  #: section and key


def set_twice(place: bytes, base: bytes, gold: bytes, clone: bytes, merged: bytes) -> list[bytes]:
    """The keys of a merged text that stand there twice with two values, and at most once on each side.

    :param place: where the text stands in the system.
    """
    if _NOT_HERE.match(place) or merged.startswith(b"#!"):
        return []
    sides = [Counter(setting for setting, _ in _settings(place, text)) for text in (base, gold, clone)]
    values: dict[_Setting, set[bytes]] = {}
    for setting, value in _settings(place, merged):
        values.setdefault(setting, set()).add(value)
    return [
        setting[1] for setting, found in values.items() if len(found) > 1 and all(side[setting] <= 1 for side in sides)
    ]


def _settings(place: bytes, text: bytes) -> Iterator[tuple[_Setting, bytes]]:
    has_keywords = _KEYWORDS.fullmatch(place) is not None
    if not has_keywords and re.search(rb"^[^#;\n]*\{[ \t\r]*$", text, re.MULTILINE):
        return  # blocks: what is in one says nothing of another
    section = b""
    for line in text.split(b"\n"):
        if (_BLOCK if has_keywords else _SECTION).match(line):
            section = b" ".join(line.split())
        elif found := (_KEYWORD if has_keywords else _ASSIGNED).fullmatch(line):
            key = found["key"].lower() if has_keywords else found["key"]
            if key not in _LISTS:
                yield (section, key), found["value"]


# -- The merge itself

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


# -- Line ends of a text: what editors and tools of other systems change without anybody meaning it.
#
# A missing newline at the end and CRLF in every line are each a value of their own, merged three ways beside the text. A
# text in which some lines end with CRLF and others do not is merged by its bytes: nothing says what was meant.

#: Merges three texts; ``None`` where there is no answer.
TextMerger = Callable[[bytes, bytes, bytes], bytes | None]


class Text(NamedTuple):
    """A text in one form: every line ended, by LF."""

    body: bytes
    crlf: bool | None  #: every line ended with CRLF; ``None``: a text without line ends has no say


def in_one_form(data: bytes) -> Text | None:
    """A text without its line ends; ``None`` for one whose line ends are mixed."""
    ended, pairs = data.count(b"\n"), data.count(b"\r\n")
    if pairs not in (0, ended):
        return None
    body = data.replace(b"\r\n", b"\n") if pairs else data
    if body and not body.endswith(b"\n"):
        body = (body[:-1] if pairs and body.endswith(b"\r") else body) + b"\n"
    return Text(body, bool(pairs) if ended else None)


def canonical_text(data: bytes) -> bytes:
    """A text as it is compared with another: in one form where it has one, else its bytes."""
    text = in_one_form(data)
    return data if text is None else text.body


def merge_with_ends(base: bytes, gold: bytes, clone: bytes, merge: TextMerger) -> bytes | None:
    """Merge three texts by ``merge``, which sees them in one form; their line ends are merged beside it.

    ``None`` where ``merge`` has no answer.
    """
    texts = [in_one_form(side) for side in (base, gold, clone)]
    if any(text is None for text in texts):
        return merge(base, gold, clone)
    bodies = [text.body for text in texts if text is not None]
    merged = _merged(bodies, merge)
    if merged is None:
        return None
    if not final_newline(base, gold, clone):
        merged = merged.removesuffix(b"\n")
    crlf = _three_way([text.crlf for text in texts if text is not None])
    return merged.replace(b"\n", b"\r\n") if crlf else merged


def _merged(bodies: Sequence[bytes], merge: TextMerger) -> bytes | None:
    base, gold, clone = bodies
    if gold in (base, clone):
        return clone
    return gold if clone == base else merge(base, gold, clone)


def _three_way(values: Sequence[bool | None]) -> bool:
    """What the three say; one without a line end has no say."""
    base, gold, clone = values
    if clone is None or (gold is not None and clone == base):
        return bool(gold)
    return clone
