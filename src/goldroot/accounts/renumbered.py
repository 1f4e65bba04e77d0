"""What a person should know about the numbers of accounts once they are given out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from goldroot.accounts.numbers import Claim, Numbering
from goldroot.accounts.questions import Questions, shown
from goldroot.accounts.tables import PASSWD

USER, GROUP_TABLE = "user", "group"


@dataclass(frozen=True, slots=True)
class Renumbered:
    """An account whose number in the result is not what gold or the clone has."""

    table: str  #: ``user`` or ``group``
    name: bytes
    base: int | None
    gold: int | None
    clone: int | None
    number: int  #: in the result

    @property
    def is_user(self) -> bool:
        return self.table == USER


def report(ask: Questions, numbering: Numbering, claims: Iterable[Claim]) -> list[Renumbered]:
    """The renumbered accounts of one table, each noted."""
    changed = []
    table = USER if numbering.file == PASSWD else GROUP_TABLE
    for claim in claims:
        number = numbering.numbers[claim.key]
        if claim.key.nth or all(old in (None, number) for old in (claim.gold, claim.clone)):
            continue
        one = Renumbered(table, claim.key.text, claim.base, claim.gold, claim.clone, number)
        changed.append(one)
        _note(ask, numbering.file, one, kept=claim.kept)
    return changed


def _note(ask: Questions, file: str, one: Renumbered, *, kept: bool) -> None:
    what = f"{one.table} {shown(one.name)}"
    data = {"table": one.table, "name": shown(one.name), "gold": one.gold, "clone": one.clone, "number": one.number}
    if one.clone is None or one.clone == one.number:
        ask.note("not-gold-number", file, f"{what} has the number {one.number}, in gold {one.gold}", **data)
    else:
        if kept:
            ask.note("account-moved", file, f"{what}: gold gave its number {one.clone} away", **data)
        ask.note("re-owned", file, f"{what}: from {one.clone} to {one.number}, its files with it", **data)
        text = f"{what}: lastlog, quotas, sudoers and other files that hold the number {one.clone} were not rewritten"
        ask.note("numbers-inside-files", file, text, **data)
