"""What goldroot writes into a directory entry besides statements: comment records.

::

    * GOLDROOT MACHINE 3.17                                     what it is, and its serial
    * GOLDROOT 1 LIVE K3V9S1M2QX S10 WEB1 11 20261101T120000Z   a mark: set, state, by, image, server, version, since
    * GOLDROOT 6 KEPT U7K2M9Q4XA S10 WEB1 12 20261126T093000Z
    * GOLDROOT LINKS 1B1 5B1                                    links that cannot be told from others' by their number

A directory manager may make capitals of comments, so case says nothing here: what is written in small letters is
written in capitals, ``-`` is "", and any other text is ``=`` and its bytes in hexadecimal.  A record that would pass
column 72 is cut, and goes on in one whose set has a ``+``: ``* GOLDROOT 6+ ...``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import get_args

from goldroot.hosts.port import Entry, Mark, Role, State
from goldroot.hosts.sets import SETS

#: The first words of each record.
SIGN = "* GOLDROOT"
#: Columns for what follows the set's digit and a blank.
ROOM = 58

_PLAIN = re.compile(r"[a-z0-9][a-z0-9._-]*")
_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d{1,9})?Z")
_STAMP = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\.\d{1,9})?Z")
_SERIAL = re.compile(r"\d{1,18}\.\d{1,18}")


@dataclass(frozen=True, slots=True)
class Said:
    """What the records of an entry say.  ``role`` is "" where no record does."""

    role: Role | str = ""
    serial: str = "0.0"
    marks: Mapping[str, Mark] = field(default_factory=dict)
    links: frozenset[str] = frozenset()


def is_ours(text: str) -> bool:
    """Whether a comment is one of goldroot's."""
    return text.upper().split()[:2] == SIGN.split()


def written(entry: Entry, links: Iterable[str] = ()) -> list[str]:
    """The records of an entry.

    :param links: addresses of its links to entries of machines.
    """
    lines = [f"{SIGN} {entry.role.upper()} {entry.serial}"]
    if named := sorted(links):
        lines += _cut("LINKS", " ".join(named))
    for digit, mark in sorted(entry.marks.items()):
        words = (mark.state.upper(), *map(_word, (mark.by, mark.image, mark.server)), str(mark.version))
        lines += _cut(digit, " ".join((*words, _stamp(mark.since))))
    return lines


def read(texts: Iterable[str]) -> Said:
    """What comments say, of which only goldroot's count.

    :raises ValueError: one of these is not one that goldroot writes; why.
    """
    role, serial, links = "", "0.0", frozenset[str]()
    marks: dict[str, Mark] = {}
    for key, rest in _joined(texts):
        if key.lower() in get_args(Role):
            if role or not _SERIAL.fullmatch(rest):
                raise ValueError("the record with its serial")
            role, serial = key.lower(), rest
        elif key == "LINKS":
            links = frozenset(rest.split())
        elif len(key) == 1 and key in SETS and key not in marks:
            marks[key] = _mark(key, rest.split())
        else:
            raise ValueError(f"the record {key[:8]!r}")
    if marks and not role:
        raise ValueError("marks without a serial")
    return Said(role, serial, marks, links)


def _joined(texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Key and text of each record, with those that go on put together."""
    found: list[tuple[str, str]] = []
    for text in texts:
        if not is_ours(text):
            continue
        words = text.strip().upper().split(None, 3)
        key, rest = (words[2] if len(words) > 2 else ""), (words[3] if len(words) > 3 else "")
        if key.endswith("+") and found and found[-1][0] == key[:-1]:
            found[-1] = (found[-1][0], found[-1][1] + rest)
        else:
            found.append((key, rest))
    return iter(found)


def _cut(key: str, text: str) -> list[str]:
    """Pieces that neither begin nor end with a blank, which padding would take away."""
    pieces = []
    while len(text) > ROOM:
        at = ROOM
        while " " in text[at - 1 : at + 1]:
            at -= 1
        pieces.append(text[:at])
        text = text[at:]
    pieces.append(text)
    return [f"{SIGN} {key}{'+' if number else ''} {piece}" for number, piece in enumerate(pieces)]


def _mark(digit: str, words: list[str]) -> Mark:
    if len(words) != 6 or not words[4].isdecimal() or words[0].lower() not in get_args(State):
        raise ValueError(f"the mark of set {digit}")
    state: State = words[0].lower()  # type: ignore[assignment]  # one of them: just looked
    by, image, server = map(_text, words[1:4])
    return Mark(state, by, image, server, int(words[4]), _since(words[5]))


def _word(text: str) -> str:
    if not text:
        return "-"
    return text.upper() if _PLAIN.fullmatch(text) else "=" + text.encode("utf-8", "surrogateescape").hex().upper()


def _text(word: str) -> str:
    if word == "-":
        return ""
    if word.startswith("="):
        return bytes.fromhex(word[1:]).decode("utf-8", "surrogateescape")
    return word.lower()


def _stamp(since: str) -> str:
    found = _TIME.fullmatch(since)
    if found is None:
        return _word(since)
    year, month, day, hour, minute, second, rest = found.groups()
    return f"{year}{month}{day}T{hour}{minute}{second}{rest or ''}Z"


def _since(word: str) -> str:
    found = _STAMP.fullmatch(word)
    if found is None:
        return _text(word)
    year, month, day, hour, minute, second, rest = found.groups()
    return f"{year}-{month}-{day}T{hour}:{minute}:{second}{rest or ''}Z"
