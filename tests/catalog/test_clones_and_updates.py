"""Clones, updates, decisions, fallbacks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest

from goldroot.catalog import Tx, clones, decisions, events, gold, images, open_catalog, updates
from goldroot.catalog.decisions import FoundConflict
from goldroot.conflicts import Decision
from goldroot.errors import Busy, NotFound, Refused

SSHD = FoundConflict("k-sshd", b"/etc/ssh/sshd_config", "content", "both-changed", ("clone", "gold"), "clone")
ODD = FoundConflict("k-odd", b"/etc/\xff\n", "owner", "both-changed", ("clone", "gold"), "clone", secret=True)


@pytest.fixture
def tx(database: str) -> Iterator[Tx]:
    with open_catalog(database, create=True) as catalog, catalog.begin() as transaction:
        images.create(transaction, "s10", "readonly-root", {"ID": "sles"})
        for number in (1, 2):
            gold.begin_publish(transaction, "s10")
            gold.finish_publish(transaction, "s10", number, digests={}, signature={})
        for name in ("web1", "web2"):
            clones.create(transaction, name, "s10", 1, "read-only")
            clones.set_identity(transaction, name, {"hostname": name})
            clones.activate(transaction, name)
        yield transaction


def advance(tx: Tx, update: int, *states: updates.State) -> None:
    for state in states:
        updates.set_state(tx, update, state)


def test_a_clone_is_what_it_was_made_as(tx: Tx) -> None:
    clone = clones.get(tx, "web1")
    assert (clone.version, clone.kind, clone.state, clone.identity) == (1, "read-only", "active", {"hostname": "web1"})
    assert [clone.name for clone in clones.every(tx, "s10", 1)] == ["web1", "web2"]
    assert clones.every(tx, "s10", 2) == []
    with pytest.raises(Refused, match="already"):
        clones.create(tx, "web1", "s10", 2, "read-write")
    with pytest.raises(NotFound):
        clones.get(tx, "web9")


def test_work_that_was_overtaken_is_shut_out_even_by_a_new_clone_of_the_same_name(tx: Tx) -> None:
    first = clones.fence(tx, "web1")
    clones.check_generation(tx, "web1", first)
    second = clones.fence(tx, "web1")
    with pytest.raises(Busy, match="in the meantime"):
        clones.check_generation(tx, "web1", first)
    clones.begin_delete(tx, "web1")
    clones.forget(tx, "web1")
    again = clones.create(tx, "web1", "s10", 1, "read-only")
    assert again.generation > second > first


def test_a_clone_goes_in_two_steps_and_not_in_the_middle_of_an_update(tx: Tx) -> None:
    update = updates.begin(tx, "web1", 2)
    with pytest.raises(Refused, match="is planned"):
        clones.begin_delete(tx, "web1")
    with pytest.raises(Refused, match="begin_delete"):
        clones.forget(tx, "web1")
    updates.set_state(tx, update.id, "cancelled")
    clones.begin_delete(tx, "web1")
    with pytest.raises(Refused, match="deleting"):
        updates.begin(tx, "web1", 2)
    clones.forget(tx, "web1")
    clones.forget(tx, "web1")
    assert updates.every(tx, "web1") == []
    assert "clone-deleted" in [event.what for event in events.latest(tx, "clone:web1")]


def test_an_update_goes_its_way_and_no_other(tx: Tx) -> None:
    update = updates.begin(tx, "web1", 2)
    assert (update.from_version, update.to_version, update.state) == (1, 2, "planned")
    with pytest.raises(Refused, match="cannot become switching"):
        updates.set_state(tx, update.id, "switching")
    way: tuple[updates.State, ...] = ("preparing", "merged", "needs-review", "preparing", "merged", "checked")
    for state in way:
        updates.set_state(tx, update.id, state)
        updates.set_state(tx, update.id, state)  # a step that is done again
    advance(tx, update.id, "switching")
    with pytest.raises(Refused, match="cannot become cancelled"):
        updates.set_state(tx, update.id, "cancelled")
    clones.move(tx, "web1", 2)
    done = updates.set_state(tx, update.id, "done", record="records/1.json")
    assert (done.ended, done.record, updates.in_flight(tx, "web1")) == (True, "records/1.json", None)
    said = [event.what for event in events.latest(tx, "clone:web1")]
    assert all(first != second for first, second in pairwise(said))


def test_a_clone_has_one_update_at_a_time(tx: Tx) -> None:
    update = updates.begin(tx, "web1", 2)
    with pytest.raises(Refused, match="to version 2, is planned"):
        updates.begin(tx, "web1", 2)
    updates.begin(tx, "web2", 2)
    updates.set_state(tx, update.id, "failed", error="no space")
    again = updates.begin(tx, "web1", 2)
    assert again.id > update.id
    assert [one.error for one in updates.every(tx, "web1")] == ["no space", ""]


def test_an_update_goes_to_a_published_version_a_rollback_to_one_that_has_its_disks(tx: Tx) -> None:
    gold.retire(tx, "s10", 2)
    with pytest.raises(Refused, match="is retired"):
        updates.begin(tx, "web1", 2)
    rollback = updates.begin(tx, "web1", 2, kind="rollback")
    updates.set_state(tx, rollback.id, "cancelled")
    gold.remove(tx, "s10", 2)
    with pytest.raises(Refused, match="is removed"):
        updates.begin(tx, "web1", 2, kind="rollback")


def test_a_decision_answers_the_same_conflict_on_every_clone(tx: Tx) -> None:
    first, second = updates.begin(tx, "web1", 2), updates.begin(tx, "web2", 2)
    assert decisions.set_conflicts(tx, first.id, [SSHD, ODD]) == 2
    assert decisions.set_conflicts(tx, second.id, [SSHD]) == 1
    assert [one.clone for one in decisions.with_key(tx, "s10", "k-ss")] == ["web1", "web2"]
    assert decisions.decide(tx, "s10", "k-sshd", Decision("gold"), who="ann", note="as agreed") == [first.id, second.id]
    assert decisions.conflicts_of(tx, second.id, state="open") == []
    (waiting,) = decisions.conflicts_of(tx, first.id, state="open")
    assert waiting.found == ODD
    assert (decisions.remembered(tx, "s10")["k-sshd"].take, decisions.remembered(tx, "s10")["k-sshd"].who) == (
        "gold",
        "ann",
    )
    # What comes later is answered from memory; a new merge replaces what the last one asked.
    assert decisions.set_conflicts(tx, first.id, [SSHD, replace(ODD, key="k-new")]) == 1
    assert decisions.withdraw(tx, "s10", "k-sshd")
    assert len(decisions.conflicts_of(tx, first.id, state="open")) == 2
    assert not decisions.withdraw(tx, "s10", "k-sshd")


def test_an_answer_must_be_one_and_bytes_come_back_as_they_went(tx: Tx) -> None:
    update = updates.begin(tx, "web1", 2)
    decisions.set_conflicts(tx, update.id, [ODD])
    with pytest.raises(Refused, match="not an answer here"):
        decisions.decide(tx, "s10", "k-odd", Decision("base"))
    with pytest.raises(Refused, match="content"):
        decisions.decide(tx, "s10", "k-odd", Decision("content"))
    decisions.decide(tx, "s10", "k-odd", Decision("content", b"\x00\xffmine"))
    decisions.decide(tx, "s10", "k-odd", Decision("content", b"\x00\xffnewer"))
    assert decisions.remembered(tx, "s10")["k-odd"].content == b"\x00\xffnewer"


def test_ended_updates_are_not_asked_any_more(tx: Tx) -> None:
    update = updates.begin(tx, "web1", 2)
    decisions.set_conflicts(tx, update.id, [SSHD])
    updates.set_state(tx, update.id, "cancelled")
    assert decisions.with_key(tx, "s10", "k") == []
    assert decisions.decide(tx, "s10", "k-sshd", Decision("gold")) == []


def test_a_fallback_is_kept_used_or_pruned_once(tx: Tx) -> None:
    update = updates.begin(tx, "web1", 2)
    kept = updates.keep(tx, update.id, {"1B5": "5B5"}, "2020-01-01T00:00:00Z")
    assert updates.keep(tx, update.id, {}, "2030-01-01T00:00:00Z") == kept
    assert updates.last_fallback(tx, "web1") == kept
    assert [one.id for one in updates.due_fallbacks(tx)] == [kept.id]
    assert updates.due_fallbacks(tx, "2019-12-31T23:59:59Z") == []
    assert updates.set_fallback(tx, kept.id, "used") == updates.set_fallback(tx, kept.id, "used")
    with pytest.raises(Refused, match="is used"):
        updates.set_fallback(tx, kept.id, "pruned")
    assert updates.last_fallback(tx, "web1") is None
    assert updates.fallbacks(tx) == []
    assert [one.state for one in updates.fallbacks(tx, all_states=True)] == ["used"]


def test_disks_set_aside_are_no_way_back_and_hold_no_gold(tx: Tx) -> None:
    rollback = updates.begin(tx, "web1", 2, kind="rollback")
    aside = updates.keep(tx, rollback.id, {}, "2020-01-01T00:00:00Z", state="set-aside")
    assert updates.last_fallback(tx, "web1") is None
    with pytest.raises(Refused, match="cannot be used"):
        updates.set_fallback(tx, aside.id, "used")
    assert updates.set_fallback(tx, aside.id, "pruned").state == "pruned"
