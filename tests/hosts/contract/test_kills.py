"""Every change of every host may be repeated after a kill, at whatever point that was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from goldroot.errors import NotFound
from goldroot.hosts import Entry, Host, Link, exchange, park
from goldroot.hosts.points import POINTS
from support.hosts import (
    LABS,
    SINCE,
    Lab,
    content,
    found,
    gold,
    live,
    make_machine,
    make_slot,
    new_disk,
    prepare,
    state,
)
from support.killing import kill_at, points_of
from support.points import named_points


def new_labs(make: Callable[[Path], Lab], root: Path) -> Iterator[Lab]:
    """Labs that are alike: two slots, and a machine whose set 5 is prepared for the second."""
    first: Lab | None = None
    for number in range(1000):
        if first is not None and (copied := first.copied_to(root / str(number))) is not None:
            yield copied
            continue
        lab = make(root / str(number))
        make_slot(lab, "DEBIANGOLD", 1)
        make_slot(lab, "DEBIANGOLD2", 2)
        make_machine(lab)
        prepare(lab)
        if (copied := lab.copied_to(root / "copy")) is not None:
            first, lab = lab, copied
        yield lab


@dataclass(frozen=True)
class Change:
    """A change that is killed; ``before`` makes the host ready for it.

    :param halfway: what may be seen of it after a kill, besides the old state and the new one.
    """

    act: Callable[[Lab, Host], object]
    before: Callable[[Lab, Host], object] = lambda lab, host: None
    halfway: Callable[[Lab], None] = lambda lab: None


def switch(lab: Lab, host: Host) -> None:
    """As a command does it: who finds its own mark has switched already."""
    with host.hold("WEB1"):
        if found(host, "WEB1").marks["1"].by != "update":
            host.apply(exchange(found(host, "WEB1"), "5", "update", "kept", since=SINCE))


def park_five(lab: Lab, host: Host) -> None:
    if "6" not in found(host, "WEB1").marks:
        host.apply(park(found(host, "WEB1"), "5", "6"))


def remove_machine(lab: Lab, host: Host) -> None:
    """As deletion does it."""
    entry = host.find("WEB1")
    if entry is not None:
        host.apply(replace(entry, startable=False))
        for disk in entry.disks.values():
            host.delete_disk(disk.id)
        host.apply(replace(found(host, "WEB1"), links={}))
    host.undefine("WEB1")


CHANGES = {
    "create": Change(lambda lab, host: host.create_disk(new_disk(lab, "new", "WEB1", "6B5"))),
    "copy": Change(
        lambda lab, host: host.create_disk(
            new_disk(lab, "new", "WEB1", "6B5", size=16 << 20, copy_of="DEBIANGOLD2-1B5")
        )
    ),
    "copy of a sealed one": Change(
        lambda lab, host: host.create_disk(new_disk(lab, "new", "WEB1", "6B5", copy_of="DEBIANGOLD2-1B5")),
        before=lambda lab, host: host.seal_disk("DEBIANGOLD2-1B5", lab.sealed),
    ),
    "empty": Change(lambda lab, host: host.empty_disk("WEB1-5B5")),
    "empty a sealed one": Change(
        lambda lab, host: host.empty_disk("WEB1-5B5"),
        before=lambda lab, host: host.seal_disk("WEB1-5B5", lab.sealed),
    ),
    "seal": Change(lambda lab, host: host.seal_disk("WEB1-5B5", lab.sealed)),
    "delete": Change(lambda lab, host: host.delete_disk("WEB1-5B5")),
    "delete a sealed one": Change(
        lambda lab, host: host.delete_disk("WEB1-5B5"),
        before=lambda lab, host: host.seal_disk("WEB1-5B5", lab.sealed),
    ),
    "define": Change(
        lambda lab, host: host.define(
            Entry("WEB2", "machine", links={"1B1": Link("DEBIANGOLD", "1B1")}, marks={"1": live()})
        )
    ),
    "undefine": Change(
        lambda lab, host: host.undefine("WEB2"),
        before=lambda lab, host: host.define(
            Entry("WEB2", "machine", links={"1B1": Link("DEBIANGOLD", "1B1")}, marks={"1": live()})
        ),
    ),
    "switch": Change(switch),
    "park": Change(park_five),
    "remove": Change(remove_machine),
}


@pytest.mark.parametrize("kind", sorted(LABS))
@pytest.mark.parametrize("name", sorted(CHANGES))
def test_what_was_killed_is_finished_by_the_same_call(kind: str, name: str, tmp_path: Path) -> None:
    change = CHANGES[name]
    labs = new_labs(LABS[kind], tmp_path)
    whole = next(labs)
    change.before(whole, whole.again())
    before = state(whole.host)
    passed = points_of(partial(change.act, whole, whole.again()))
    assert passed, "it passes no crash point: a kill cannot be tried"
    after = state(whole.again())
    for point in passed:
        lab = next(labs)
        change.before(lab, lab.again())
        kill_at(point, partial(change.act, lab, lab.again()))
        old_or_new(lab.again(), before, after)
        change.act(lab, lab.again())
        assert state(lab.again()) == after, f"killed at {point}"
        lab.again().tidy()
        assert lab.halves() == [], f"killed at {point}"
        assert not any(path.name.endswith((".new", ".tmp")) for path in (lab.root / "store").rglob("*")), point


def old_or_new(host: Host, before: dict[str, object], after: dict[str, object]) -> None:
    """After a kill: nobody sees a part of a copy, disks that were not meant are as they were, links are known."""
    for entry in host.entries():
        for disk in entry.disks.values():
            try:
                seen = content(host, disk.id)
            except Exception as error:  # noqa: BLE001  a disk whose emptying was cut off says so
                assert before[disk.id] != after.get(disk.id), error
                continue
            known = [values[disk.id][3] for values in (before, after) if disk.id in values]  # type: ignore[index]
            assert seen in known, disk.id
        for link in entry.links.values():
            assert any(machine == entry.name for machine, _, _ in host.linked(link.owner))


@pytest.mark.parametrize("kind", sorted(LABS))
def test_a_killed_making_may_be_undone_instead(kind: str, tmp_path: Path) -> None:
    labs = new_labs(LABS[kind], tmp_path)
    whole = next(labs)
    before = state(whole.host)
    for point in points_of(partial(CHANGES["create"].act, whole, whole.again())):
        lab = next(labs)
        kill_at(point, partial(CHANGES["create"].act, lab, lab.again()))
        lab.again().delete_disk("new")
        lab.again().tidy()
        assert state(lab.again()) == before, f"killed at {point}"
        assert lab.halves() == [], f"killed at {point}"
        with pytest.raises(NotFound):
            lab.host.info(["new"])


def test_a_killed_publishing_leaves_a_slot_that_can_be_begun_again(tmp_path: Path) -> None:
    """A slot that is there, but whose second disk was never named."""
    lab = LABS["directory"](tmp_path)
    lab.host.define(Entry("GOLD", "owner", marks={"1": gold(1)}))
    kill_at("host.disk-made:1", lambda: lab.again().create_disk(new_disk(lab, "g-1B1", "GOLD", "1B1")))
    assert found(lab.host, "GOLD").disks == {}
    with pytest.raises(NotFound, match="in no entry"):
        lab.host.open_disks({"g-1B1": "ro"}).__enter__()
    lab.host.create_disk(new_disk(lab, "g-1B1", "GOLD", "1B1"))
    assert content(lab.host, "g-1B1") == {}


def test_the_list_of_points_is_that_of_the_source_and_each_was_killed_at(tmp_path: Path) -> None:
    assert {name for name in named_points() if name.startswith("host.") and name.count(".") == 1} == set(POINTS)
    passed = set()
    labs = new_labs(LABS["directory"], tmp_path)
    for change in CHANGES.values():
        lab = next(labs)
        change.before(lab, lab.again())
        passed |= {point.partition(":")[0] for point in points_of(partial(change.act, lab, lab.again()))}
    assert passed == set(POINTS)


pytestmark = pytest.mark.slow
