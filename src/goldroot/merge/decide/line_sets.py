"""Three-way merge of a file that is a set of lines (``/etc/shells``), or of sshd's keys, order kept.

What gold added and removed is done to the clone's lines.  Lines are told apart by their text without white space at
the end.  Blank lines are layout, not elements: the clone's stay and gold's are not taken over.  There are no conflicts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

Line = TypeVar("Line")


def merge_lines(base: bytes, gold: bytes, clone: bytes) -> bytes:
    """The clone's lines, less those that gold removed, plus those that gold added, each after the line before it there.

    ``merge(b, b, c) == c``, ``merge(b, g, b) == g``, ``merge(b, x, x) == x``; merging the result again changes nothing.
    """
    if gold in (base, clone):
        return clone
    if clone == base:
        return gold
    before, now = _elements(base), _elements(gold)
    removed = set(before) - set(now)
    kept = [line for line in split_lines(clone) if stripped(line) not in removed]
    missing = set(now) - set(before) - set(map(stripped, kept))
    return join_lines(insert_lines(kept, split_lines(gold), missing, stripped), final_newline(base, gold, clone))


def insert_lines(
    kept: list[Line], gold: list[Line], missing: set[bytes], element_of: Callable[[Line], bytes]
) -> list[Line]:
    """``kept`` with gold's ``missing`` lines, each after the nearest line before it in gold that is there.

    Lines with none before them stand before the first one that is there, or at the end.

    :param missing: elements.
    :param element_of: by what a line is told apart; ``b""`` for one that is layout.
    """
    anchors = {element_of(line) for line in kept} & {element_of(line) for line in gold} - {b""}
    first: list[Line] = []
    after: dict[bytes, list[Line]] = {}
    queue = first
    for line in gold:
        element = element_of(line)
        if element in missing:
            queue.append(line)
            missing = missing - {element}
        elif element in anchors:
            queue = after.setdefault(element, [])
    result: list[Line] = []
    for line in kept:
        element = element_of(line)
        if element in anchors:
            result += first
            first = []
        result += [line, *after.pop(element, [])]
    return result + first


def split_lines(content: bytes) -> list[bytes]:
    """Lines without their newline."""
    lines = content.split(b"\n")
    return lines[:-1] if lines[-1] == b"" else lines


def stripped(line: bytes) -> bytes:
    """A line without white space at its end: by this it is told apart from others."""
    return line.rstrip(b" \t\r")


def _elements(content: bytes) -> list[bytes]:
    return [element for element in map(stripped, split_lines(content)) if element]


def final_newline(base: bytes, gold: bytes, clone: bytes) -> bool:
    """Whether the last line ends with a newline, merged three-way; an empty side has no say."""
    sides = [side.endswith(b"\n") if side else None for side in (base, gold, clone)]
    was, golds, clones = sides
    if clones is None or (golds is not None and clones == was):
        return True if golds is None else golds
    return clones


def join_lines(lines: list[bytes], final_newline: bool) -> bytes:
    return b"\n".join(lines) + (b"\n" if final_newline and lines else b"")


# -- Three-way merge of sshd's lists of keys (``authorized_keys``, ``authorized_keys2``): access that was withdrawn stays so.
#
# A key is told apart by its blob, the base64 word that holds it; what stands before and behind it on the line, options
# and comment, is its value (sshd(8), "AUTHORIZED_KEYS FILE FORMAT"). So
#
# * a key that gold withdrew goes, whatever the server wrote into its comment;
# * a key that the server removed, or put a ``#`` before, does not come back because gold changed its comment or options;
# * gold's new options and the server's new comment become *one* line: sshd goes by the first line of a key, and an
#   unrestricted one before gold's ``restrict,command=`` would win.
#
# Options are merged as a whole; where both sides changed them differently there is no answer, and a person is asked.
# Lines that are not keys are told apart by their text, as in every set of lines.

#: Such files by their own names, or by that of a directory: ``AuthorizedKeysFile /etc/ssh/authorized_keys/%u`` (sshd_config(5)).
#: Of what else a rule calls a set of lines, all of sshd's are.
_KEY_FILES = re.compile(rb".*/authorized[_-]keys.*|/etc/ssh/.*", re.DOTALL)
#: Where sshd is told to look for the keys of one user (sshd_config(5)): below his home, and by his name.
_IN_HOME = (b"/.ssh/authorized_keys", b"/.ssh/authorized_keys2")
_BY_NAME = (
    b"/etc/ssh/authorized_keys/", b"/etc/ssh/authorized_keys.d/", b"/etc/ssh/authorized-keys/", b"/etc/ssh/keys/",
    b"/etc/ssh/userkeys/",
)  # fmt: skip

#: Options end at the first blank outside of quotes; a quote inside is written ``\"``.
_LINE = re.compile(
    rb"""[ \t]*
    (?:(?P<options>(?:[^ \t"\#]|"(?:[^"\\]|\\.)*")(?:[^ \t"]|"(?:[^"\\]|\\.)*")*)[ \t]+)??
    (?P<type>(?:webauthn-)?(?:sk-)?(?:ssh|ecdsa|rsa)-[A-Za-z0-9@.-]+)[ \t]+
    (?P<blob>AAAA[A-Za-z0-9+/]*=*)
    (?:[ \t]+(?P<comment>.*?))?[ \t\r]*""",
    re.VERBOSE | re.DOTALL,
)


class Key(NamedTuple):
    """One line of a key, and the line itself."""

    options: bytes
    comment: bytes
    line: bytes

    @property
    def value(self) -> tuple[bytes, bytes]:
        """What is merged."""
        return self.options, self.comment


def is_key_file(place: bytes) -> bool:
    """Whether a set of lines at this place is one of sshd's lists of keys."""
    return _KEY_FILES.fullmatch(place) is not None


def key_files_of(name: bytes, home: bytes) -> list[bytes]:
    """Where the keys of a user may be."""
    return [home.rstrip(b"/") + end for end in _IN_HOME if home] + [directory + name for directory in _BY_NAME]


Keys = dict[bytes, list[Key]]  #: blob -> its lines; one that stands more than once has one value all the same


def merge_keys(base: bytes, gold: bytes, clone: bytes) -> bytes | None:
    """The clone's lines with gold's changes of keys; ``None`` where both changed the options of a key differently.

    ``merge(b, b, c) == c``, ``merge(b, g, b) == g``, ``merge(b, x, x) == x``.
    """
    if gold in (base, clone):
        return clone
    if clone == base:
        return gold
    known, new, own = map(_keys, (base, gold, clone))
    before, now = _elements_of_keys(base), _elements_of_keys(gold)
    withdrawn = before - now
    kept: list[bytes] = []
    written: set[bytes] = set()
    for line in split_lines(clone):
        element = element_of_key(line)
        if element in withdrawn or element in written:
            continue
        blob = element.removeprefix(_KEY)
        if element.startswith(_KEY) and blob in new:
            lines = _decided(known.get(blob, []), new[blob], own[blob])
            if lines is None:
                return None
            kept += lines
            written.add(element)
        else:
            kept.append(line)
    missing = now - before - set(map(element_of_key, kept))
    lines = insert_lines(kept, _each_key_once(gold), missing, element_of_key)
    return join_lines(lines, final_newline(base, gold, clone))


def _each_key_once(content: bytes) -> list[bytes]:
    """Lines, of which those of one key are one: a key that is new arrives with all of its lines."""
    keys, result = _keys(content), []
    for line in split_lines(content):
        blob = element_of_key(line).removeprefix(_KEY)
        if blob not in keys:
            result.append(line)
        elif line is keys[blob][0].line or line == keys[blob][0].line:
            result.append(b"\n".join(key.line for key in keys.pop(blob)))
    return result


def _decided(known: Sequence[Key], new: Sequence[Key], own: Sequence[Key]) -> list[bytes] | None:
    """The lines of a key that both sides have; ``None``: its options were changed in two ways."""
    was, golds, clones = ([key.value for key in lines] for lines in (known, new, own))
    if golds in (was, clones):
        return [key.line for key in own]
    if clones == was:
        return [key.line for key in new]
    options = [[key.options for key in lines] for lines in (known, new, own)]
    if options[0] != options[1] != options[2] != options[0]:
        return None
    # Comments alone, or one side's options beside the other's comment.
    lines = new if options[2] == options[0] else own
    if len(new) == len(own) == len(known) == 1:
        was_said, gold_says, own_says = was[0][1], golds[0][1], clones[0][1]
        return [_with_comment(lines[0], gold_says if own_says == was_said else own_says)]
    return [key.line for key in (own if options[1] == options[0] else lines)]


def _with_comment(key: Key, comment: bytes) -> bytes:
    """A key's line with another comment."""
    if key.comment == comment:
        return key.line
    line = stripped(key.line)
    if key.comment:
        line = stripped(line[: len(line) - len(key.comment)])
    return line + (b" " + comment if comment else b"")


_KEY = b"\0key "  # no line of a text begins so


def element_of_key(line: bytes) -> bytes:
    """By what a line is told apart: the blob of a key, else its text."""
    found = _LINE.fullmatch(line)
    return _KEY + found["blob"].rstrip(b"=") if found else stripped(line)


def blobs_of(content: bytes) -> set[bytes]:
    """The keys of a list."""
    return set(_keys(content))


def _elements_of_keys(content: bytes) -> set[bytes]:
    return {element for element in map(element_of_key, split_lines(content)) if element}


def _keys(content: bytes) -> Keys:
    keys: Keys = {}
    for line in split_lines(content):
        if found := _LINE.fullmatch(line):
            key = Key(found["options"] or b"", found["comment"] or b"", line)
            keys.setdefault(found["blob"].rstrip(b"="), []).append(key)
    return keys
