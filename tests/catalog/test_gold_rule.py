"""The first rule: gold is never written."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from goldroot.catalog import Tx, clones, copies, events, gold, holders_of, images, open_catalog, updates
from goldroot.errors import NoFreeSlot, NotFound, Refused, UsageError

LATER = "2999-01-01T00:00:00Z"


@pytest.fixture
def tx(database: str) -> Iterator[Tx]:
    with open_catalog(database, create=True) as catalog, catalog.begin() as transaction:
        images.create(transaction, "s10", "readonly-root", {"ID": "sles"})
        yield transaction


def publish(tx: Tx) -> int:
    version = gold.begin_publish(tx, "s10", fingerprint="f")
    gold.finish_publish(tx, "s10", version.number, digests={"1B1": "d"}, signature={})
    return version.number


def active_clone(tx: Tx, name: str, version: int) -> None:
    clones.create(tx, name, "s10", version, "read-only")
    clones.activate(tx, name)


def switched(tx: Tx, clone: str, to: int, *, keep: bool = True) -> updates.Update:
    update = updates.begin(tx, clone, to)
    for state in ("preparing", "merged", "checked", "switching"):
        updates.set_state(tx, update.id, state)
    clones.move(tx, clone, to)
    if keep:
        updates.keep(tx, update.id, {"1B5": "5B5"}, LATER)
    return updates.set_state(tx, update.id, "done")


def test_slots_have_the_names_of_the_paper_and_the_first_empty_one_is_taken(tx: Tx) -> None:
    assert [slot.name for slot in copies.all_slots(tx, "s10")] == ["S10GOLD", "S10GOLD2", "S10GOLD3"]
    assert [publish(tx), publish(tx)] == [1, 2]
    assert [slot.version for slot in copies.all_slots(tx, "s10")] == [1, 2, None]
    assert gold.get(tx, "s10", 2).slot_name == "S10GOLD2"


def test_a_slot_is_not_overwritten_and_a_version_not_removed_while_any_clone_fallback_or_update_holds_it(
    tx: Tx,
) -> None:
    for _ in range(3):
        publish(tx)
    active_clone(tx, "web1", 1)
    active_clone(tx, "web2", 1)
    active_clone(tx, "web3", 1)
    switched(tx, "web2", 3)
    clones.begin_delete(tx, "web1")  # still there until its disks are gone
    waiting = updates.begin(tx, "web3", 2)
    with pytest.raises(NoFreeSlot) as caught:
        gold.begin_publish(tx, "s10")
    for part in (
        f"S10GOLD (version 1): clone web1, clone web3, the fallback of web2 until {LATER}",
        f"S10GOLD2 (version 2): update {waiting.id} of web3 (planned)",
        "S10GOLD3 (version 3): the current gold, held by clone web2",
    ):
        assert part in caught.value.brief
    for version in (1, 2, 3):
        with pytest.raises(Refused, match="cannot be removed"):
            gold.remove(tx, "s10", version)
    assert [slot.version for slot in copies.all_slots(tx, "s10")] == [1, 2, 3]
    assert {version.state for version in gold.every(tx, "s10")} == {"published"}
    assert [holder.kind for holder in holders_of(tx, "s10", 1)] == ["clone", "clone", "fallback", "update"]


def test_each_holder_alone_is_enough_and_the_slot_is_free_when_the_last_one_left(tx: Tx) -> None:
    for _ in range(3):
        publish(tx)
    active_clone(tx, "web1", 1)
    active_clone(tx, "web2", 2)
    with pytest.raises(NoFreeSlot):
        gold.begin_publish(tx, "s10")
    switched(tx, "web1", 3)
    with pytest.raises(NoFreeSlot):
        gold.begin_publish(tx, "s10")
    fallback = updates.last_fallback(tx, "web1")
    assert fallback is not None
    updates.set_fallback(tx, fallback.id, "pruned")
    taken = gold.begin_publish(tx, "s10")
    assert (taken.number, taken.slot_name) == (4, "S10GOLD")
    old = gold.get(tx, "s10", 1)
    assert (old.state, old.slot) == ("retired", None)


def test_a_slot_that_a_running_machine_links_is_left_alone(tx: Tx) -> None:
    for _ in range(3):
        publish(tx)
    assert gold.begin_publish(tx, "s10", linked={"S10GOLD": "WEB1 links it at 1B1"}).slot_name == "S10GOLD2"


def test_a_retired_version_loses_its_slot_first_and_takes_no_clone(tx: Tx) -> None:
    for _ in range(3):
        publish(tx)
    gold.retire(tx, "s10", 2)
    with pytest.raises(Refused, match="retired"):
        clones.create(tx, "web1", "s10", 2, "read-only")
    assert gold.begin_publish(tx, "s10").slot_name == "S10GOLD2"


def test_a_publish_that_was_begun_is_gone_on_with_and_finished_once(tx: Tx) -> None:
    first = gold.begin_publish(tx, "s10")
    assert gold.begin_publish(tx, "s10") == first
    assert gold.current(tx, "s10") is None
    with pytest.raises(Refused, match="publishing"):
        clones.create(tx, "web1", "s10", 1, "read-only")
    done = gold.finish_publish(tx, "s10", 1, digests={"1B1": "x"}, signature={"by": "site"})
    assert gold.finish_publish(tx, "s10", 1, digests={"1B1": "x"}, signature={"by": "site"}) == done
    with pytest.raises(Refused, match="published already"):
        gold.finish_publish(tx, "s10", 1, digests={"1B1": "other"}, signature={})
    with pytest.raises(Refused, match="cannot be abandoned"):
        gold.abandon_publish(tx, "s10", 1)
    assert [event.what for event in events.latest(tx, "image:s10")].count("published") == 1


def test_an_abandoned_publish_gives_number_and_slot_back(tx: Tx) -> None:
    gold.begin_publish(tx, "s10")
    gold.abandon_publish(tx, "s10", 1)
    gold.abandon_publish(tx, "s10", 1)
    again = gold.begin_publish(tx, "s10")
    assert (again.number, again.slot) == (1, 1)


def test_numbers_go_on_after_a_version_was_removed(tx: Tx) -> None:
    publish(tx)
    publish(tx)
    freed = gold.remove(tx, "s10", 2)
    assert freed is not None
    assert (freed.name, gold.remove(tx, "s10", 2)) == ("S10GOLD2", None)
    assert publish(tx) == 3
    current = gold.current(tx, "s10")
    assert current is not None
    assert current.number == 3


def test_unknown_things_are_named_with_those_that_there_are(tx: Tx) -> None:
    publish(tx)
    with pytest.raises(NotFound) as image:
        gold.get(tx, "s11", 1)
    assert "s10" in image.value.todo
    with pytest.raises(NotFound) as version:
        gold.get(tx, "s10", 9)
    assert "versions: 1" in version.value.todo


def test_two_slots_at_least_and_more_on_demand(tx: Tx) -> None:
    with pytest.raises(UsageError):
        images.create(tx, "small", "shared-usr", {}, slot_count=1)
    images.create(tx, "debian", "shared-usr", {}, slot_count=2)
    assert copies.add_slot(tx, "debian", "local").name == "DEBIANGOLD3"
    for name in ("debian", "DEBIAN"):
        with pytest.raises(Refused, match="'debian' already"):
            images.create(tx, name, "shared-usr", {})


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", ".x", "-x", "x\n", "ü", "x" * 64])
def test_a_name_that_could_leave_its_directory_is_none(tx: Tx, name: str) -> None:
    publish(tx)
    with pytest.raises(UsageError, match="cannot be the name of an image"):
        images.create(tx, name, "shared-usr", {})
    with pytest.raises(UsageError, match="cannot be the name of a clone"):
        clones.create(tx, name, "s10", 1, "read-only")


def test_tested_means_both_forms_of_exactly_this_system(tx: Tx) -> None:
    assert images.touched(tx, "s10", "maintenance").changes == 1
    assert images.fingerprinted(tx, "s10", "maintenance", "f1").fingerprint == "f1"
    images.add_test(tx, "s10", "read-write", "f1", passed=True, log="")
    images.add_test(tx, "s10", "read-only", "f0", passed=True, log="")
    assert images.untested_forms(tx, "s10", "f1") == ("read-only",)
    images.add_test(tx, "s10", "read-only", "f1", passed=True, log="")
    assert images.untested_forms(tx, "s10", "f1") == ()
    images.add_test(tx, "s10", "read-write", "f1", passed=False, log="sshd did not start")
    assert images.untested_forms(tx, "s10", "f1") == ("read-write",)
    changed = images.touched(tx, "s10", "maintenance")
    assert (changed.changes, changed.fingerprint) == (2, "")
    assert images.system(tx, "s10", "test") is None
