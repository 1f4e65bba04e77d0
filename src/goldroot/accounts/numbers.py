"""Which number each account of the result has: users and groups each on their own, all at once.

Gold's number holds wherever gold says anything, because the shared root carries gold's numbers and cannot be re-owned.
Two accounts end with one number only where they had one number together in gold or on the clone; number 0 alone, which
several accounts have on purpose, may be shared by what gold and the clone each gave it to.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from goldroot.accounts.tables import GROUP, LAST_NUMBER, NOBODY, PASSWD, Key, NumberRanges, number_of
from goldroot.accounts.three_way import BOTH, PROPOSAL, Questions, changed_by, etc, record_name, shown
from goldroot.conflicts import CLONE, CONTENT, GOLD, Conflict
from goldroot.kinds import ConflictKind
from goldroot.tree import some_names

#: Kinds of conflicts whose answer gives an account of gold's its number.
DIFFERS: Final = "number-differs"
TAKEN: Final = "number-taken"
NUMBER_KINDS = (DIFFERS, TAKEN)

#: Never given out: nobody's, and what 16-bit programs read as "no number".
_UNUSABLE = frozenset({NOBODY, 65535})


@dataclass(frozen=True, slots=True)
class Claim:
    """A record of the result that has a number, with its numbers in the three tables; None where it is in none."""

    key: Key
    base: int | None
    gold: int | None
    clone: int | None
    kept: bool = False  #: gold removed the account, and it stays


def _share(one: Claim, other: Claim) -> bool:
    """Whether the two may have one number: a side gave them one, or they are one name twice."""
    same_gold = one.gold is not None and one.gold == other.gold
    same_clone = one.clone is not None and one.clone == other.clone
    return same_gold or same_clone or one.key.text == other.key.text


class Numbering:
    """Gives the claims of one table their numbers.

    :param file: ``passwd`` or ``group``; :param field: ``uid`` or ``gid``.
    :param taken: numbers that must not be given to an account that moves: all of the three tables and the bare ones.
    """

    def __init__(self, file: str, field: str, ranges: NumberRanges, taken: Collection[int], ask: Questions) -> None:
        self.file, self.field = file, field
        self.ranges = ranges
        self.taken = frozenset(taken)
        self.ask = ask
        self.numbers: dict[Key, int] = {}
        self.at: dict[int, list[Claim]] = {}
        #: lower end of a range -> the number found free there last, and those to try after it
        self.tried: dict[int, tuple[int, Iterator[int]]] = {}

    def assign(self, claims: Sequence[Claim]) -> None:
        """Number all claims; ``claims`` are in the clone's order, gold's additions last."""
        golds_of = {claim.gold: claim for claim in claims if claim.gold is not None}
        clusters: dict[int, list[Claim]] = {}
        for claim in claims:
            number, by_gold = self._wanted(claim, golds_of)
            if by_gold:
                self._place([claim], number)
            else:
                clusters.setdefault(number, []).append(claim)
        leaders: dict[int, list[Claim]] = {}
        for claim in claims:
            if claim.clone is not None and claim.gold is not None:
                leaders.setdefault(claim.clone, []).append(claim)
        displaced: list[tuple[int, list[Claim]]] = []
        for number, cluster in clusters.items():
            target = self._followed(number, cluster, leaders.get(number, ()))
            if self._fits(cluster, target):
                self._place(cluster, target)
            else:
                displaced.append((number, cluster))
        for number, cluster in displaced:
            self._settle(number, cluster)

    def _wanted(self, claim: Claim, golds_of: dict[int, Claim]) -> tuple[int, bool]:
        """The number that the claim should have, and whether it is to hold against the clone's accounts."""
        if claim.clone is None or claim.gold is None:
            return (claim.clone, False) if claim.clone is not None else (claim.gold or 0, True)
        who = changed_by(claim.base, claim.gold, claim.clone)
        if who == BOTH:
            return self._both(claim, claim.gold, claim.clone, golds_of)
        return (claim.clone, False) if who == CLONE else (claim.gold, True)

    def _both(self, claim: Claim, gold: int, clone: int, golds_of: dict[int, Claim]) -> tuple[int, bool]:
        if self.ranges.is_system(gold) and self.ranges.is_system(clone):
            return gold, True
        # Where gold gave the clone's number to another account, gold's is the only one of the two that can be had.
        rival = golds_of.get(clone)
        free = rival is None or rival is claim
        answers = (CLONE, GOLD) if free else (GOLD,)
        stands = CLONE if free and self.ask.prefer != GOLD else GOLD
        detail = f"{shown(claim.key.text)} has the number {gold} in gold and {clone} on the server"
        value = b"%d" % gold
        if rival is not None and not free:
            # Another question than the one that can be answered with the clone's number.
            detail += f", which gold gave to {shown(rival.key.text)}"
            value += b", %d %s" % (clone, rival.key.text)
        conflict = self._conflict(claim, DIFFERS, value, answers, stands, detail)
        decision = self.ask.ask(conflict, self._trouble)
        if decision.take == CONTENT and decision.content is not None:
            return int(decision.content), True
        return (clone, False) if decision.take == CLONE else (gold, True)

    def _conflict(
        self, claim: Claim, kind: ConflictKind, gold: bytes, answers: tuple[str, ...], stands: str, detail: str
    ) -> Conflict:
        axis = f"accounts:{record_name(claim.key)}:{self.field}"
        values = (_text(claim.base), gold, _text(claim.clone))
        return Conflict(etc(self.file), axis, kind, values, answers, stands, detail)

    def _trouble(self, content: bytes) -> str:
        number = number_of(content)
        if number is None:
            return "it is not a number"
        if number in self.taken or number in self.at or number in _UNUSABLE:
            return f"the number {number} is taken"
        return ""

    def _followed(self, number: int, cluster: Sequence[Claim], leaders: Iterable[Claim]) -> int:
        """Where accounts that gold does not know go: with the account, if gold moved it, whose second name they are."""
        if any(claim.gold is not None for claim in cluster):
            return number
        places = [self.numbers[claim.key] for claim in leaders if claim.key in self.numbers]
        # Nobody becomes root by following.
        if not places or number in places or places[0] == 0 or not self._fits(cluster, places[0]):
            return number
        return places[0]

    def _fits(self, cluster: Sequence[Claim], number: int) -> bool:
        there = self.at.get(number, ())
        # Second accounts of root are meant: gold's and the clone's may stand beside each other.
        if number == 0 and all(0 in (claim.gold, claim.clone) for claim in (*cluster, *there)):
            return True
        return all(_share(claim, other) for claim in cluster for other in there)

    def _place(self, cluster: Iterable[Claim], number: int) -> None:
        for claim in cluster:
            self.numbers[claim.key] = number
            self.at.setdefault(number, []).append(claim)

    def _settle(self, number: int, cluster: Sequence[Claim]) -> None:
        """Find a place for accounts of the clone whose number gold gave to another."""
        lead = next((claim for claim in cluster if not claim.kept), None)
        if lead is None:
            self._move(cluster, number)
            return
        rivals = b",".join(claim.key.text for claim in self.at[number])
        detail = (
            f"gold gives the number {number} to {shown(rivals)}, and on the server it is {shown(lead.key.text)}'s;"
            f" proposed: {shown(lead.key.text)} becomes {self._proposed(lead, number)}"
        )
        values = b"%d %s" % (number, rivals)
        conflict = self._conflict(lead, TAKEN, values, (PROPOSAL, CLONE), PROPOSAL, detail)
        decision = self.ask.ask(conflict, self._trouble)
        if decision.take == CONTENT and decision.content is not None:
            self._place(cluster, int(decision.content))
        elif decision.take == CLONE:
            self._give_way(number, cluster)
        else:
            self._move(cluster, number)

    def _proposed(self, claim: Claim, number: int) -> int:
        """Gold's number of an account that the clone renumbered, where nobody has it, else a free one."""
        if claim.gold is not None and claim.gold not in self.at:
            return claim.gold
        return self._free(number)

    def _move(self, cluster: Sequence[Claim], number: int) -> None:
        """Move accounts that had ``number``; those that gold does not know stay together."""
        together = [claim for claim in cluster if self._proposed(claim, number) != claim.gold]
        for claim in cluster:
            if claim not in together:
                self._place([claim], self._proposed(claim, number))
        if together:
            self._place(together, self._free(number))

    def _give_way(self, number: int, cluster: Sequence[Claim]) -> None:
        """Move gold's accounts off a number that the clone's keep by decision."""
        rivals = [claim for claim in self.at[number] if not all(_share(claim, other) for other in cluster)]
        self.at[number] = [claim for claim in self.at[number] if claim not in rivals]
        self._place(cluster, number)
        self._place(rivals, self._free(number))

    def _free(self, number: int) -> int:
        """The highest free number of the range that ``number`` lies in; above all ranges where that is full, at last any."""
        ranges = self.ranges
        low, high = (
            (ranges.system_min, ranges.system_max)
            if ranges.is_system(number)
            else (ranges.person_min, ranges.person_max)
        )
        # Numbers only ever become taken, so what was found taken once needs no second look.
        if low not in self.tried:
            more = self._in_turn(low, high)
            self.tried[low] = next(more), more
        tried, more = self.tried[low]
        found = next(number for number in chain((tried,), more) if self._usable(number))
        self.tried[low] = found, more
        return found

    def _in_turn(self, low: int, high: int) -> Iterator[int]:
        """Every number in the order in which a free one is looked for; none is higher than a file's owner can have."""
        above = max(self.ranges.person_max, self.ranges.system_max) + 1
        return chain(range(high, low - 1, -1), range(above, LAST_NUMBER + 1), range(LAST_NUMBER, 0, -1))

    def _usable(self, number: int) -> bool:
        return number not in self.taken and number not in self.at and number not in _UNUSABLE

    def reserve(self, claim: Claim) -> int:
        """A number for a name that files carry and the result has no account of; it displaces nobody."""
        wanted = next(number for number in (claim.gold, claim.clone, claim.base) if number is not None)
        number = wanted if self._fits([claim], wanted) else self._free(wanted)
        self.at.setdefault(number, []).append(claim)
        return number

    def bare(self, number: int, names_of: Mapping[bytes, int]) -> int:
        """Ask about a number without a name on its side that the result gives a name; the number to write instead.

        An answer of a person's own is a number, or a name of ``names_of``.
        """

        def meant(value: bytes) -> int | None:
            return names_of.get(value, number_of(value))

        names = b",".join(claim.key.text for claim in self.at[number])
        conflict = Conflict(
            etc(self.file),
            f"accounts:#{number}:{self.field}",
            "bare-number",
            (b"", names, b"#%d" % number),
            (CLONE, PROPOSAL),
            CLONE,
            f"files or accounts carry the bare number {number}, and the result gives it to {shown(names)};"
            f" proposed: {self._free(number)}",
        )
        decision = self.ask.ask(conflict, lambda value: "there is no such account" if meant(value) is None else "")
        if decision.take == PROPOSAL:
            # Taken from now on, so that a second bare number does not get the same.
            moved = self._free(number)
            self.at[moved] = []
            return moved
        own = meant(decision.content) if decision.take == CONTENT and decision.content is not None else None
        return number if own is None else own


def _text(number: int | None) -> bytes:
    return b"" if number is None else b"%d" % number


# -- What a person should know about the numbers of accounts once they are given out.

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
