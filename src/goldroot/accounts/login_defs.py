"""Account numbers: how they are written, and the ranges of login.defs(5) that they are given out from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

NOBODY = 65534
#: The highest usable number: 2**32 - 1 means "no change" to chown(2).
LAST_NUMBER = 2**32 - 2


def number_of(text: bytes) -> int | None:
    """The account number that ``text`` writes in decimal; None where it is none, or higher than can be used."""
    if not text.isdigit() or len(text) > 20:
        return None
    number = int(text)
    return number if number <= LAST_NUMBER else None


class NumberRanges(NamedTuple):
    """Where login.defs has numbers given out; both ends belong to their range."""

    person_min: int = 1000
    person_max: int = 60000
    system_min: int = 101
    system_max: int = 999

    def is_system(self, number: int) -> bool:
        """Whether the number is a system account's; 65534 (nobody, nogroup) is."""
        return number < self.person_min or number == NOBODY


class LoginDefs(NamedTuple):
    """What ``/etc/login.defs`` says about numbers, with the defaults of shadow-utils."""

    users: NumberRanges = NumberRanges()
    groups: NumberRanges = NumberRanges()
    sub_users: tuple[int, int] = (100000, 600100000)
    sub_groups: tuple[int, int] = (100000, 600100000)


def parse_login_defs(data: bytes | None) -> LoginDefs:
    """Read login.defs(5); what is missing or is not a number takes its default, and the last of several lines counts."""
    values: dict[bytes, int] = {}
    for line in (data or b"").split(b"\n"):
        words = line.split()
        if len(words) >= 2 and (number := number_of(words[1].strip(b'"'))) is not None:
            values[words[0]] = number
    return LoginDefs(
        _ranges(values, b"UID"),
        _ranges(values, b"GID"),
        (values.get(b"SUB_UID_MIN", 100000), values.get(b"SUB_UID_MAX", 600100000)),
        (values.get(b"SUB_GID_MIN", 100000), values.get(b"SUB_GID_MAX", 600100000)),
    )


def merge_login_defs(base: LoginDefs, gold: LoginDefs, clone: LoginDefs) -> LoginDefs:
    """What holds in a merged system, value by value, the clone's where both changed it: the file is merged as text."""
    users, groups = (
        NumberRanges(*(gold if clone == base else clone for base, gold, clone in zip(*three, strict=True)))
        for three in ((base.users, gold.users, clone.users), (base.groups, gold.groups, clone.groups))
    )
    return LoginDefs(
        users,
        groups,
        gold.sub_users if clone.sub_users == base.sub_users else clone.sub_users,
        gold.sub_groups if clone.sub_groups == base.sub_groups else clone.sub_groups,
    )


def _ranges(values: Mapping[bytes, int], kind: bytes) -> NumberRanges:
    # Older systems set only SYS_UID_MAX 499 and leave UID_MIN to follow it.
    system_max = values.get(b"SYS_" + kind + b"_MAX")
    person_min = values.get(kind + b"_MIN", 1000 if system_max is None else system_max + 1)
    if system_max is None:
        system_max = person_min - 1
    system_min = values.get(b"SYS_" + kind + b"_MIN", min(101, system_max))
    return NumberRanges(person_min, values.get(kind + b"_MAX", max(60000, person_min)), system_min, system_max)
