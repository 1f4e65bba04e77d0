"""Records of update-alternatives(1), merged by what they mean: mode, master, slaves, and choices by their path.

The form is the same for Debian (``/var/lib/dpkg/alternatives``) and chkconfig (``/var/lib/alternatives``)::

    manual                              or auto
    /usr/bin/editor                     the link that programs use
    editor.1.gz                         each slave: its name, its link
    /usr/share/man/man1/editor.1.gz
                                        an empty line
    /usr/bin/vim.basic                  each choice: its path,
    30                                  its priority,
    /usr/share/man/man1/vim.1.gz        and one line for each slave; it may be empty

By lines, ``manual`` would stay for a choice that is gone, and a choice of the server's own could stand between a path and its priority.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from goldroot.merge.decide.line_sets import join_lines

AUTO, MANUAL = b"auto", b"manual"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Choice:
    """One program that may stand in the place of a master."""

    priority: bytes
    slaves: Mapping[bytes, bytes]  #: name of the slave -> what it leads to; none for an empty line

    @property
    def rank(self) -> int:
        """chkconfig writes the name of an init script behind the number, and a family before it."""
        found = re.fullmatch(rb"(?:@[^@]*@)?\s*(-?\d+)\b.*", self.priority)
        return int(found[1]) if found else 0


@dataclass(frozen=True, slots=True)
class Record:
    """One alternative."""

    mode: bytes
    link: bytes
    slaves: Mapping[bytes, bytes]  #: name -> link, in their order
    choices: Mapping[bytes, Choice]  #: by path, in their order

    @property
    def best(self) -> bytes | None:
        """The choice of an automatic alternative: the highest priority, the first of several."""
        return max(self.choices, key=lambda path: self.choices[path].rank, default=None)


def parse_record(content: bytes) -> Record | None:
    """A record; ``None`` for bytes that are none."""
    lines = content.split(b"\n")
    if len(lines) < 3 or lines[0] not in (AUTO, MANUAL) or b"" not in lines[2:]:
        return None
    end = lines.index(b"", 2)
    pairs, rest = lines[2:end], lines[end + 1 :]
    if len(pairs) % 2:
        return None
    slaves = dict(zip(pairs[::2], pairs[1::2], strict=True))
    width = 2 + len(slaves)
    choices: dict[bytes, Choice] = {}
    while rest and rest[0]:
        block, rest = rest[:width], rest[width:]
        if len(block) < width or not block[1]:
            return None
        held = {name: target for name, target in zip(slaves, block[2:], strict=True) if target}
        choices[block[0]] = Choice(block[1], held)
    return Record(lines[0], lines[1], slaves, choices)


def merge_records(base: bytes, gold: bytes, clone: bytes) -> bytes | None:
    """Gold's record with the clone's mode and its own choices; ``None`` where both changed one thing differently."""
    records = [parse_record(side) for side in (base, gold, clone)]
    was, golds, clones = records
    if golds is None or clones is None or (was is None and base):
        return None
    before = was or Record(AUTO, golds.link, {}, {})
    if golds.link != clones.link and before.link not in (golds.link, clones.link):
        return None
    slaves = _merged(before.slaves, golds.slaves, clones.slaves)
    choices = _merged(before.choices, golds.choices, clones.choices)
    if slaves is None or choices is None:
        return None
    mode = golds.mode if clones.mode == before.mode else clones.mode
    link = golds.link if clones.link == before.link else clones.link
    return written_record(Record(mode, link, slaves, choices), ends_blank=gold.endswith(b"\n\n"))


def _merged(base: Mapping[bytes, T], gold: Mapping[bytes, T], clone: Mapping[bytes, T]) -> dict[bytes, T] | None:
    """Three-way by key, in gold's order, then the clone's own."""
    result: dict[bytes, T] = {}
    for key in {**gold, **clone}:
        was, golds, clones = base.get(key), gold.get(key), clone.get(key)
        if golds != clones and was not in (golds, clones):
            return None
        value = golds if clones == was else clones
        if value is not None:
            result[key] = value
    return result


def written_record(record: Record, *, ends_blank: bool) -> bytes:
    """A record's bytes; Debian ends them with an empty line, chkconfig does not."""
    lines = [record.mode, record.link]
    for name, link in record.slaves.items():
        lines += [name, link]
    lines.append(b"")
    for path, choice in record.choices.items():
        lines += [path, choice.priority, *(choice.slaves.get(name, b"") for name in record.slaves)]
    return join_lines([*lines, b""] if ends_blank else lines, True)
