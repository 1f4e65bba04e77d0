"""How many commands of a host may do at one time what costs all of z/VM: copying blocks, erasing disks, logging guests on.

Each such piece of work has a place, and a place is a file of the host's store that is locked by whoever has it: the kernel
gives it back after a kill.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from goldroot.errors import Busy
from goldroot.hosts.inuse import InUse, Taken, new_note
from goldroot.zvm.smapi import Clock

Kind = Literal["copies", "logons"]

#: Seconds between two looks whether there is a place.
LOOK = 1.0
#: Seconds after which who waits gives up.
PATIENCE = 3600.0


@dataclass(frozen=True, slots=True)
class Limits:
    """:param copies: how many disks are copied or erased at once.  :param logons: how many guests are logged on at once."""

    copies: int = 2
    logons: int = 10


class Places:
    """The places of a host.

    :param notes: of its store.
    """

    def __init__(self, notes: InUse, limits: Limits, clock: Clock, *, patience: float = PATIENCE) -> None:
        self._notes, self._limits, self._clock, self._patience = notes, limits, clock, patience

    @contextmanager
    def one(self, kind: Kind) -> Iterator[None]:
        """Have a place in the block; waited for.

        :raises Busy: there was none for too long; who has them.
        """
        taken = self._waited(kind)
        try:
            yield
        finally:
            taken.close()

    def _waited(self, kind: Kind) -> Taken:
        names = [
            f"{kind}-{number}" for number in range(self._limits.copies if kind == "copies" else self._limits.logons)
        ]
        begun = self._clock.now()
        while True:
            for name in names:
                if (taken := self._notes.take(name, note=new_note("disk"), patient=False)) is not None:
                    return taken
            if self._clock.now() - begun >= self._patience:
                by = "; ".join(str(self._notes.note(name)) for name in names)
                raise Busy(
                    f"no more than {len(names)} {kind} at once are wanted, and others have had these for long: {by}",
                    meaning="Nothing was changed.",
                    todo=f"Look at these, or allow more: {kind} in the host's table.",
                )
            self._clock.sleep(LOOK)
