"""What a person should know about the numbers of accounts once they are given out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from goldroot.accounts.numbers import Claim, Numbering
from goldroot.accounts.questions import Questions, shown
from goldroot.accounts.tables import GROUP, PASSWD
from goldroot.tree import some_names

USER, GROUP_TABLE = "user", "group"
#: So many are named to a person; the note has all.
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Renumbered:
    """An account whose number in the result is not what gold or the clone has."""

    table: str  #: ``user`` or ``group``
    name: bytes
    base: int | None
    gold: int | None
    clone: int | None
    number: int  #: in the result
    kept: bool = False  #: gold removed the account, and may have given its number away

    @property
    def is_user(self) -> bool:
        return self.table == USER

    @property
    def moved(self) -> bool:
        """Whether its number on the clone was another one."""
        return self.clone not in (None, self.number)

    @property
    def file(self) -> str:
        return PASSWD if self.is_user else GROUP

    def data(self) -> dict[str, object]:
        """For a note."""
        data: dict[str, object] = {"table": self.table, "name": shown(self.name), "from": self.clone, "to": self.number}
        return {**data, "gold": self.gold, **({"kept": True} if self.kept else {})}

    def __str__(self) -> str:
        return f"{self.table} {shown(self.name)}"


def renumbered_of(numbering: Numbering, claims: Iterable[Claim]) -> Iterator[Renumbered]:
    """The accounts of one table that end with another number than one of their sides has."""
    table = USER if numbering.file == PASSWD else GROUP_TABLE
    for claim in claims:
        number = numbering.numbers[claim.key]
        if not claim.key.nth and any(old not in (None, number) for old in (claim.gold, claim.clone)):
            yield Renumbered(table, claim.key.text, claim.base, claim.gold, claim.clone, number, kept=claim.kept)


def note_renumbered(ask: Questions, found: Sequence[Renumbered]) -> None:
    """Note all that got other numbers, once; and each that has not gold's."""
    for one in found:
        if not one.moved:
            text = f"{one} has the number {one.number}, in gold {one.gold}"
            ask.note("not-gold-number", one.file, text, **one.data())
    moved = [one for one in found if one.moved]
    if not moved:
        return
    shown = some_names((f"{one} from {one.clone} to {one.number}" for one in moved), SHOWN)
    text = (
        f"{shown}: their files follow; lastlog, quotas, sudoers and other files that hold a number inside were not"
        " rewritten"
    )
    ask.note("renumbered", moved[0].file, text, accounts=[one.data() for one in moved])
