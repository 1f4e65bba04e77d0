"""What a z/VM system is like, as far as goldroot has to know: asked without changing anything.

Most of what goldroot believes of z/VM was read, never seen.  Each point here looks at one such thing on a real system,
says what it saw, and what follows for the configuration.  A question that is refused is an answer too: the report is
there to be attached to a report of a bug, so no point may fail, and none may tell a password.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from goldroot.errors import GoldrootError
from goldroot.hosts.port import Entry
from goldroot.hosts.zvm.cp import Cp
from goldroot.hosts.zvm.entries import DirectoryEntries
from goldroot.hosts.zvm.manager import Manager
from goldroot.hosts.zvm.members import Members
from goldroot.hosts.zvm.pool import Pool
from goldroot.zvm import directory as source
from goldroot.zvm.directory import redact
from goldroot.zvm.smapi import Client, SmapiError

#: well: as it has to be.  note: works, and something follows.  wrong: goldroot cannot work so.  unknown: it could not be seen.
State = Literal["well", "note", "wrong", "unknown"]


@dataclass(frozen=True)
class Point:
    """One thing that was looked at.

    :param key: its name, which stays the same: ``tls``, ``links``, ...
    :param what: the question.
    :param saw: what was seen, in one line for each thing.
    :param follows: what a person should do, or what goldroot does because of it; "": nothing.
    """

    key: str
    what: str
    state: State
    saw: tuple[str, ...]
    follows: str = ""

    def as_dict(self) -> dict[str, object]:
        """As JSON data."""
        return {
            "key": self.key, "what": self.what, "state": self.state, "saw": list(self.saw), "follows": self.follows
        }  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """What points are asked of.

    :param me: the management guest's user ID.
    :param addresses: of the management guest, for links.
    :param link_mode: of links to gold.
    :param snapshots: FLASHCOPY is used.
    :param members: of the cluster, who tell of their guests.
    :param simulated: CP is a simulator's, and this Linux is not its guest.
    """

    client: Client
    manager: Manager
    entries: DirectoryEntries
    cp: Cp
    pool: Pool
    me: str
    addresses: Sequence[str]
    link_mode: str = "RR"
    snapshots: bool = False
    simulated: bool = False
    members: Members | None = None

    @cached_property
    def everybody(self) -> list[source.Entry]:
        """Every USER and IDENTITY, asked once."""
        return list(self.manager.all())

    @cached_property
    def managed(self) -> list[Entry]:
        """The entries in which goldroot has written, asked once."""
        return list(self.entries.all())


Question = Callable[[Asked], Iterable[Point]]


def examined(asked: Asked, questions: Iterable[tuple[str, str, Question]]) -> Iterator[Point]:
    """Every point, in order; one that cannot be asked is ``unknown``, with what was said instead.

    :param questions: key, question in words, and what asks.
    """
    for key, what, question in questions:
        try:
            yield from question(asked)
        except SmapiError as error:
            yield Point(key, what, "unknown", (redact.line(error.brief),), _advice(error))
        except (GoldrootError, OSError, ValueError) as error:
            said = error.brief if isinstance(error, GoldrootError) else str(error)
            yield Point(key, what, "unknown", (redact.line(said),))


def _advice(error: SmapiError) -> str:
    code = getattr(error, "code", (0, 0))
    if code[0] == 100:
        return "The call is not allowed for this user ID: 'Set-up on z/VM' in the docs has the table of calls."
    return error.todo
