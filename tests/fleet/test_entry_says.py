"""What a clone's entry says, and what the catalog has to say then: pure, without a site."""

from __future__ import annotations

from dataclasses import replace

import pytest

from goldroot.catalog import Clone, Fallback, Update
from goldroot.errors import Refused
from goldroot.fleet.update.entry_says import Rows, follow, has_switched
from goldroot.hosts import Disk, Entry, Link, Mark, exchange, park, with_mark

PLACES = ("B5", "B6")


def mark(state: str, by: str, version: int, since: str = "1") -> Mark:
    return Mark(state, by, "small", "web1", version, since)  # type: ignore[arg-type]


def standing(entry: Entry, digit: str, by: Mark) -> Entry:
    """The entry with a set whose disks are called after the work."""
    disks = {f"{digit}{place}": Disk(f"{by.by}-{place}", "rw" if digit == "1" else "ro") for place in PLACES}
    links = {f"{digit}B1": Link(f"SMALLGOLD{by.version}", "1B1")}
    return with_mark(replace(entry, disks={**entry.disks, **disks}, links={**entry.links, **links}), digit, by)


MADE = standing(Entry("WEB1", "machine", startable=True, serial="1.5"), "1", mark("live", "make", 1))
PREPARED = standing(MADE, "5", mark("preparing", "up2", 2))
MOVED = exchange(PREPARED, "5", "up2", "kept", since="2")
TWICE = exchange(standing(park(MOVED, "5", "6"), "5", mark("preparing", "up3", 3, "3")), "5", "up3", "kept", since="4")

CLONE = Clone("web1", "small", 1, "read-only", "active", "", {}, 1, "0", "make", "WEB1")
NEW = Rows(CLONE, {}, {})


def disks(work: str) -> dict[str, str]:
    return {f"1{place}": f"{work}-{place}" for place in PLACES}


def row(work: str, state: str, frm: int = 1, to: int = 2) -> Update:
    return Update(1, "web1", "small", frm, to, "update", state, "", "", "0", "0", work, disks=disks(work))  # type: ignore[arg-type]


def kept(work: str, left: str, version: int, state: str = "kept") -> Fallback:
    return Fallback(1, "web1", 1, "small", version, disks(left), "9", state, "0", work, False)  # type: ignore[arg-type]


def states(rows: Rows) -> dict[str, str]:
    return {work: one.state for work, one in rows.updates.items()}


def test_a_catalog_that_says_the_same_stays_as_it_is() -> None:
    assert follow(NEW, MADE) == NEW
    after = Rows(replace(CLONE, version=2, last="up2"), {"up2": row("up2", "done")}, {"up2": kept("up2", "make", 1)})
    assert follow(after, MOVED) == after


@pytest.mark.parametrize(
    "state", ["planned", "preparing", "merged", "needs-review", "checked", "switching", "cancelled"]
)
def test_a_switch_is_known_from_whatever_state_its_row_is_in(state: str) -> None:
    after = follow(NEW.put_update(row("up2", state)), MOVED)
    assert (after.clone.version, after.clone.last, states(after)) == (2, "up2", {"up2": "switching"})
    assert has_switched(after.clone, after.updates["up2"])
    assert dict(after.fallbacks["up2"].disks) == disks("make") and after.fallbacks["up2"].from_version == 1


def test_switches_without_rows_are_found_by_the_marks() -> None:
    after = follow(NEW, TWICE)
    assert (after.clone.version, after.clone.last) == (3, "up3")
    assert states(after) == {"up3": "switching", "up2": "done"}
    assert [(one.from_version, one.to_version) for one in after.updates.values()] == [(2, 3), (1, 2)]
    assert {work: (one.from_version, one.state) for work, one in after.fallbacks.items()} == {
        "up3": (2, "kept"), "up2": (1, "kept"),
    }  # fmt: skip


@pytest.mark.parametrize(("state", "then"), [("merged", "merged"), ("switching", "checked"), ("planned", "planned")])
def test_prepared_disks_stay_with_their_work(state: str, then: str) -> None:
    assert states(follow(NEW.put_update(row("up2", state)), PREPARED)) == {"up2": then}


def test_a_work_whose_disks_are_not_all_there_begins_again() -> None:
    some = replace(PREPARED, disks={a: disk for a, disk in PREPARED.disks.items() if a != "5B6"})
    assert states(follow(NEW.put_update(row("up2", "checked")), some)) == {"up2": "preparing"}
    assert states(follow(NEW.put_update(row("up2", "checked")), MADE)) == {"up2": "preparing"}


def test_prepared_disks_of_an_unknown_work_get_a_row_and_are_filled_again() -> None:
    after = follow(NEW.put_update(row("lost", "merged")), PREPARED)
    assert states(after) == {"lost": "cancelled", "up2": "preparing"}
    assert dict(after.updates["up2"].disks) == disks("up2")


def test_a_higher_generation_is_taken_over_and_prepared_disks_are_not_believed() -> None:
    after = follow(NEW.put_update(row("up2", "checked")), replace(PREPARED, serial="4.9"))
    assert (after.clone.generation, states(after)) == (4, {"up2": "preparing"})


def test_a_set_that_lost_a_disk_or_is_being_removed_is_no_way_back() -> None:
    before = Rows(replace(CLONE, version=2, last="up2"), {"up2": row("up2", "done")}, {"up2": kept("up2", "make", 1)})
    some = replace(MOVED, disks={a: disk for a, disk in MOVED.disks.items() if a != "5B6"})
    going = with_mark(MOVED, "5", replace(MOVED.marks["5"], state="removing"))
    gone = with_mark(
        replace(
            MOVED,
            disks={a: disk for a, disk in MOVED.disks.items() if a[0] == "1"},
            links={a: link for a, link in MOVED.links.items() if a[0] == "1"},
        ),
        "5",
        None,
    )
    for entry, is_gone in ((some, False), (going, False), (gone, True)):
        found = follow(before, entry).fallbacks["up2"]
        assert (found.state, found.gone) == ("pruned", is_gone)


def test_a_return_is_told_by_the_mark_that_it_has_left() -> None:
    """The update has failed, and a rollback that nobody asked for is done; a second look changes nothing."""
    back = exchange(MOVED, "5", "return", "set-aside", since="3")
    told = {"returned_by": "return", "was_on": True}
    moved = Rows(
        replace(CLONE, version=2, last="up2"),
        {"up2": replace(row("up2", "switching"), told=told)},
        {"up2": kept("up2", "make", 1)},
    )
    after = follow(moved, back)
    assert (after.clone.version, after.clone.last) == (1, "return")
    assert {work: (one.kind, one.stands) for work, one in after.updates.items()} == {
        "up2": ("update", "returned"), "return": ("rollback", "done"),
    }  # fmt: skip
    assert (after.updates["return"].from_version, after.updates["return"].to_version) == (2, 1)
    assert after.updates["return"].start_due and after.updates["return"].told["returns"] == "up2"
    assert {work: one.state for work, one in after.fallbacks.items()} == {"up2": "used", "return": "set-aside"}
    assert follow(after, back) == after


@pytest.mark.parametrize(
    ("state", "told", "stands"),
    [
        ("checked", {"step": "stopping"}, "stopping"),
        ("switching", {"step": "stopping"}, "switching"),
        ("switching", {"step": "starting"}, "starting"),
        ("switching", {"step": "returning", "returned_by": "x"}, "returning"),
        ("failed", {"step": "returning", "returned_by": "x"}, "returned"),
        ("failed", {}, "failed"),
        ("done", {"step": "starting"}, "done"),
    ],
)
def test_where_an_update_stands_is_its_state_with_the_step_of_the_power(
    state: str, told: dict[str, object], stands: str
) -> None:
    assert replace(row("up2", state), told=told).stands == stands


def test_a_rollback_uses_its_fallback_and_sets_the_rest_aside() -> None:
    before = Rows(replace(CLONE, version=2, last="up2"), {"up2": row("up2", "done")}, {"up2": kept("up2", "make", 1)})
    back = exchange(MOVED, "5", "back", "set-aside", since="3")
    after = follow(before, back)
    assert (after.clone.version, after.clone.last) == (1, "back")
    assert (after.updates["back"].kind, after.updates["back"].to_version) == ("rollback", 1)
    assert {work: one.state for work, one in after.fallbacks.items()} == {"up2": "used", "back": "set-aside"}


def test_a_rollback_that_has_nothing_to_go_back_to_any_more_came_to_nothing() -> None:
    going = replace(row("back", "checked", 2, 1), kind="rollback", back="up2", disks={})
    before = Rows(replace(CLONE, version=2, last="up2"), {"up2": row("up2", "done"), "back": going}, {})
    assert follow(before, MOVED).updates["back"].state == "planned"
    alone = replace(MOVED, disks={a: d for a, d in MOVED.disks.items() if a[0] == "1"}, links={})
    assert follow(before, with_mark(alone, "5", None)).updates["back"].state == "cancelled"


def test_a_host_that_is_older_than_the_catalog_is_for_a_person() -> None:
    before = Rows(
        replace(CLONE, version=3, last="up3"), {"up2": row("up2", "done"), "up3": row("up3", "done", 2, 3)}, {}
    )
    with pytest.raises(Refused, match="other work came after that"):
        follow(before, MOVED)


def test_a_making_and_a_removal_are_told_by_the_entry() -> None:
    assert follow(replace(NEW, clone=replace(CLONE, state="creating")), MADE).clone.state == "active"
    begun = replace(NEW, clone=replace(CLONE, state="creating"))
    assert follow(begun, replace(MADE, startable=False)) == begun
    going = with_mark(replace(MADE, startable=False), "1", mark("removing", "make", 1))
    assert follow(NEW, going).clone.state == "deleting"
    only_begun = replace(NEW, clone=replace(CLONE, state="deleting"))
    assert follow(only_begun, MADE) == only_begun
    another = with_mark(MADE, "1", mark("live", "again", 2))
    assert follow(only_begun, another).clone.state == "active"
