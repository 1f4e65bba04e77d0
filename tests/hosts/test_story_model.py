"""The order of effects, as a model: killed before every effect, repeated with the catalog as it is and as it ever was.

The model (:mod:`support.story`) uses the real changes of entries on a host in memory.  What it asserts is what the product
has to keep: the entry is exactly old or new, gold that is linked is never written, nothing that the server wrote is lost,
and the next command finishes, also where the catalog is older than the host.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import pytest

from goldroot.errors import Busy, Refused
from support import story
from support.marks import slow
from support.story import Rows, World

Act = Callable[[World], object]

WEB = "web1"


def publish(number: int) -> Act:
    return partial(story.publish, number=number)


def update(to: int, until: str = "") -> Act:
    return partial(story.update, name=WEB, to=to, until=until)


create = partial(story.create, name=WEB, version=1)
rollback = partial(story.rollback, name=WEB)
carry = partial(story.rollback, name=WEB, carry=True)
cancel = partial(story.cancel, name=WEB)
prune = partial(story.prune, name=WEB)
delete = partial(story.delete, name=WEB)
on = partial(story.power_on, name=WEB)


def writes(what: str) -> Act:
    def act(world: World) -> None:
        assert story.server_writes(world, WEB, what)

    return act


def decide(what: str) -> Act:
    return partial(story.decide, name=WEB, what=what)


def bad(version: int) -> Act:
    return lambda world: world.bad.add(version)


@dataclass(frozen=True)
class Story:
    """What went before, the command that is killed, and the commands one of which comes next.

    :param ends: the version that is live when the same command was repeated; 0: no server.
    :param wrote: what the server wrote before.
    :param merges: all that the server wrote is on its live disks then.
    :param older: what may be live besides, where the catalog was older: a rollback that it does not know may be meant.
    """

    before: Sequence[Act]
    act: Act
    ends: int
    others: Sequence[Act] = ()
    wrote: frozenset[str] = field(default=frozenset())
    merges: bool = False
    older: frozenset[int] = field(default=frozenset())


NEW = (publish(1), create, on, writes("a"))
TWO = (*NEW, publish(2))
UPDATED = (*TWO, update(2), writes("b"))
THREE = (*UPDATED, publish(3))
A, AB = frozenset("a"), frozenset("ab")

STORIES = {
    "create": Story((publish(1),), create, 1, (delete,)),
    "publish": Story(NEW, publish(2), 1, (update(2),), A),
    "publish into a slot that was used": Story((*THREE, update(3), prune, publish(4)), publish(4), 3, (rollback,), AB),
    "publish over an old version": Story((*THREE, update(3), prune), publish(4), 3, (rollback,), AB),
    "update": Story(TWO, update(2), 2, (cancel, rollback, delete), A, merges=True),
    "update of one that is off": Story((publish(1), create, publish(2)), update(2), 2, (cancel, rollback)),
    "second update": Story(THREE, update(3), 3, (cancel, rollback, carry, prune, delete), AB, merges=True),
    "skip": Story((*TWO, publish(3)), update(3), 3, (cancel, rollback), A, merges=True),
    "rollback": Story(UPDATED, rollback, 1, (update(2), cancel, delete), AB),
    "rollback with another fallback": Story((*THREE, update(3)), rollback, 2, (update(3), cancel), AB),
    "prune the only one": Story(UPDATED, prune, 2, (rollback,), AB),
    "rollback after a rollback": Story(
        (*THREE, update(3), rollback), rollback, 1, (update(3),), AB, older=frozenset([2])
    ),
    "carry": Story(UPDATED, carry, 1, (cancel, rollback, delete), AB, merges=True),
    "cancel": Story((*TWO, update(2, "merged")), cancel, 1, (update(2), delete), A),
    "merge again after a review": Story(
        (*TWO, update(2, "merged")), decide("c"), 1, (update(2), cancel, rollback, delete), A
    ),
    "second cancel": Story((*THREE, update(3, "merged")), cancel, 2, (update(3), rollback), AB),
    "prune": Story((*THREE, update(3)), prune, 3, (rollback, update(3)), AB),
    "return after bad health": Story((*TWO, bad(2)), update(2), 1, (cancel, rollback, delete), A, older=frozenset([2])),
    "delete": Story((*TWO, update(2, "merged")), delete, 0, (), A),
}


def told(name: str) -> World:
    """The world before the killed command."""
    world = World()
    for act in STORIES[name].before:
        act(world)
    return world


def insist(world: World, act: Act) -> None:
    """The next command; where another work is in its way, that is finished by its own command first."""
    for _ in range(3):
        try:
            act(world)
            break
        except Busy:
            cancel(world)
        except Refused as error:
            if "no free slot" in str(error):
                story.first(world, WEB)  # by the catalog a work holds a version that is long over
                cancel(world)
                continue
            if "there is no version" in str(error) or "nothing to go back to" in str(error):
                break
            if "being made or removed" not in str(error):
                raise
            # With an older catalog nobody but a person knows which of both it is.
            delete(world)
            break
    story.first(world, WEB)
    if world.rows.in_flight(WEB) is not None:
        cancel(world)


def older(world: World, whole: bool) -> list[Rows]:
    """The catalog as it is and as it once was, newest first; for a quick run the ages that differ most."""
    ages = _distinct(world.history[::-1])
    return ages if whole else [*ages[:6], *ages[6::7]]


def _distinct(history: Sequence[Rows]) -> list[Rows]:
    found: list[Rows] = []
    for rows in history:
        if rows not in found:
            found.append(rows)
    return found


def go_on(name: str, *, whole: bool) -> None:
    tale = STORIES[name]
    for killed, was_killed in story.kills(told(name), tale.act):
        story.check_world(killed, WEB, set(tale.wrote))
        if not was_killed:
            ends(killed, tale, newest=True)
        for age, rows in enumerate(older(killed, whole)):
            for act in (tale.act, *tale.others):
                for late in (False, True):
                    world = killed.copy()
                    wrote = set(tale.wrote)
                    if late and story.server_writes(world, WEB, "late"):
                        wrote.add("late")
                    world.rows = rows
                    try:
                        insist(world, act)
                        story.check_world(world, WEB, set() if act is delete else wrote)
                        story.check_end(world, WEB)
                        if act is tale.act and (age or was_killed):  # else it is a new command
                            ends(world, tale, newest=age == 0)
                            if tale.merges:
                                assert wrote <= story.live_writes(world, WEB)
                    except Exception as error:
                        where = f"killed after {killed.trace[-1:]}, catalog {age} older, then {act}"
                        raise AssertionError(f"{where}: {error!r}\n{world.trace[-12:]}") from error


def ends(world: World, tale: Story, *, newest: bool) -> None:
    machine = world.host.find(WEB.upper())
    if not tale.ends:
        assert machine is None
        return
    assert machine is not None
    assert machine.marks["1"].version in ({tale.ends} if newest else {tale.ends, *tale.older})
    if newest and "a" in tale.wrote:
        assert world.host.power(machine.name).runs == "current", "it ran before, and runs again"


#: Those whose stories have most steps, which others have for themselves.
LONG = (
    "second update", "carry", "rollback after a rollback", "rollback with another fallback", "merge again after a review",
    "return after bad health", "second cancel", "publish over an old version",
)  # fmt: skip


@pytest.mark.parametrize("name", [slow(name) if name in LONG else name for name in sorted(STORIES)])
def test_what_was_killed_is_finished_by_the_next_command(name: str) -> None:
    go_on(name, whole=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(STORIES))
def test_what_was_killed_is_finished_with_every_older_catalog(name: str) -> None:
    go_on(name, whole=True)
