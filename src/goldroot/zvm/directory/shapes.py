"""Where the operands of MDISK and LINK stand: each has several forms, which differ in what follows what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from goldroot.zvm.directory.statement import is_address

#: The link modes of CP (IBM z/VM 7.3, "Linking to other users' minidisks").
MODES = ("R", "RR", "W", "WR", "M", "MR", "MW", "SR", "SW", "SM", "ER", "EW")
#: What may be appended to a mode on MDISK: V (virtual reserve/release), S, SD, D, E and their combinations.
_SUFFIX = frozenset("VSDEX")

#: Units of storage sizes.
_IN_KIB = {"K": 1, "M": 1 << 10, "G": 1 << 20, "T": 1 << 30, "P": 1 << 40, "E": 1 << 50}


class MdiskShape(NamedTuple):
    """Word indexes (0 is the statement's name) of one form of MDISK; 0 where the form has no such word."""

    disktype: str
    start: int
    size: int
    volume: int
    mode: int


#: ``MDISK vdev type start count volume mode`` and the forms with a keyword in the place of the start.
_PERMANENT = MdiskShape("PERM", 3, 4, 5, 6)
_BY_WORD = {
    "DEVNO": MdiskShape("DEVNO", 0, 0, 4, 5),
    "V-DISK": MdiskShape("V-DISK", 0, 4, 0, 5),
    "T-DISK": MdiskShape("T-DISK", 0, 4, 0, 5),
}


class LinkShape(NamedTuple):
    """Word indexes of LINK; None where the word is missing."""

    vdev2: int | None
    mode: int | None


def mdisk_shape(words: Sequence[str]) -> MdiskShape:
    """The form of an MDISK statement, by the word behind the device type."""
    return _BY_WORD.get(words[3].upper(), _PERMANENT) if len(words) > 3 else _PERMANENT


def link_shape(words: Sequence[str]) -> LinkShape:
    """Where the second address and the mode of a LINK stand; the address may be left out."""
    second = 3 if len(words) > 3 and is_address(words[3]) else None
    mode = 4 if second else 3
    return LinkShape(second, mode if len(words) > mode and words[mode][:1] != "*" else None)


def is_mode(word: str) -> bool:
    """Whether a word is a link mode, with or without a suffix."""
    word = word.upper()
    if word in MODES:
        return True
    return len(word) <= 5 and any(word[: len(mode)] == mode and set(word[len(mode) :]) <= _SUFFIX for mode in MODES)


def kib(word: str) -> int | None:
    """A storage size such as 512M or 2G in KiB; None for a word that is none."""
    number, unit = word[:-1], word[-1:].upper()
    good = number.isascii() and number.isdigit() and len(number) < 20 and unit in _IN_KIB
    return int(number) * _IN_KIB[unit] if good else None
