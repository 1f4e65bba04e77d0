"""Changes of entries are pure functions: what they keep, what they move, and what they refuse."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldroot.errors import BadInput, HostError, Refused
from goldroot.hosts import (
    Applied,
    Disk,
    Entry,
    Link,
    Mark,
    applied,
    differences,
    exchange,
    fenced,
    free_set,
    is_live,
    park,
    place_of,
    reads_as,
    set_of,
    with_links,
    with_mark,
)
from goldroot.hosts.sets import PARKED, SETS, check_entry
from goldroot.hosts.storefiles import decode, encode

PLACES = ("B1", "B5", "B6", "B7", "0C")
SINCE = "2026-11-26T09:30:00Z"
LATER = "2026-11-27T10:00:00Z"

marks = st.builds(
    Mark, st.sampled_from(["live", "preparing", "kept", "set-aside"]), st.sampled_from(["w1", "w2"]), st.just("debian"),
    st.just("web1"), st.integers(1, 9), st.just(SINCE),
)  # fmt: skip


@st.composite
def entries(draw: st.DrawFn, sets: str = "15679", *, whole: bool = False) -> Entry:
    """A machine with anything at any place of some sets; ``whole``: each set has the places that set 1 has."""
    chosen = ["1", *draw(st.lists(st.sampled_from(sets[1:]), unique=True))]
    if "5" not in chosen and draw(st.booleans()):
        chosen.append("5")
    live_places = draw(st.lists(st.sampled_from(PLACES), unique=True, min_size=1))
    disks, links, found = {}, {}, {}
    for digit in chosen:
        places = live_places if whole else draw(st.lists(st.sampled_from(PLACES), unique=True))
        for place in places:
            address = digit + place
            if draw(st.booleans()):
                mode = draw(st.sampled_from(["ro", "rw"])) if digit == "1" else "ro"
                disks[address] = Disk(f"disk-{address}", mode)
            else:
                links[address] = Link(draw(st.sampled_from(["GOLD", "GOLD2"])), f"1{place}")
        found[digit] = draw(marks)
    others = draw(st.frozensets(st.sampled_from([d + p for d in SETS for p in (*PLACES, "00")]), max_size=4))
    return Entry("WEB1", "machine", disks, links, others - disks.keys() - links.keys(), True, "", found, "3.7", "t")


def standing(entry: Entry) -> dict[str, object]:
    return {**{a: disk.id for a, disk in entry.disks.items()}, **entry.links}


def can_exchange(entry: Entry) -> bool:
    moving = {place_of(address) for address in standing(entry) if set_of(address) == "5"}
    return bool(moving) and not any(f"1{place}" in entry.others for place in moving)


def expected(entry: Entry) -> dict[str, object]:
    """The same exchange in other words: place by place."""
    at = standing(entry)
    for place in PLACES:
        if f"5{place}" in at:
            came, was = at.pop(f"5{place}"), at.pop(f"1{place}", None)
            at[f"1{place}"] = came
            if was is not None:
                at[f"5{place}"] = was
    return at


@given(entries())
def test_an_exchange_swaps_place_by_place_and_writes_both_marks(entry: Entry) -> None:
    if not can_exchange(entry):
        with pytest.raises(Refused):
            exchange(entry, "5", "new", "kept", since=LATER)
        return
    after = exchange(entry, "5", "new", "kept", since=LATER)
    assert standing(after) == expected(entry)
    assert after.marks["1"] == replace(entry.marks["5"], state="live", by="new", since=LATER)
    assert after.marks["5"] == replace(entry.marks["1"], state="kept", by="new", since=LATER)
    rest = [digit for digit in entry.marks if digit not in "15"]
    assert {digit: after.marks[digit] for digit in rest} == {digit: entry.marks[digit] for digit in rest}
    assert (after.others, after.token, after.serial, after.startable) == (entry.others, "t", "3.7", True)
    check_entry(after)


@given(entries(whole=True))
def test_an_exchange_twice_is_where_it_began_but_for_its_marks(entry: Entry) -> None:
    if not can_exchange(entry) or any(f"5{place}" in entry.others for place in PLACES):
        return
    there = exchange(entry, "5", "update", "kept", since=LATER)
    back = exchange(there, "5", "rollback", "set-aside", since=LATER)
    assert standing(back) == standing(entry)
    assert {place: back.disks[place].mode for place in back.disks if is_live(place) and place in entry.disks} == {
        place: entry.disks[place].mode
        for place in entry.disks
        if is_live(place) and (f"5{place[1:]}" in entry.disks or f"5{place[1:]}" not in entry.links)
    } | {place: "rw" for place in back.disks if is_live(place) and f"5{place[1:]}" in entry.links}
    assert (back.marks["1"].version, back.marks["1"].by) == (entry.marks["1"].version, "rollback")
    assert (back.marks["5"].version, back.marks["5"].state) == (entry.marks["5"].version, "set-aside")


@given(entries())
def test_a_place_without_a_partner_stays(entry: Entry) -> None:
    if not can_exchange(entry):
        return
    at, after = standing(entry), standing(exchange(entry, "5", "new", "kept", since=LATER))
    for address, what in at.items():
        if not is_live(address) and set_of(address) != "5":
            assert after[address] == what
        if is_live(address) and f"5{place_of(address)}" not in at:
            assert after[address] == what


@given(entries())
def test_only_live_disks_can_be_written(entry: Entry) -> None:
    if can_exchange(entry):
        after = exchange(entry, "5", "new", "kept", since=LATER)
        assert all(is_live(address) or disk.mode == "ro" for address, disk in after.disks.items())
        for place in PLACES:
            if f"5{place}" in entry.disks:
                leaving = entry.disks.get(f"1{place}")
                assert after.disks[f"1{place}"].mode == (leaving.mode if leaving else "rw")


@given(entries(), st.sampled_from(PARKED))
def test_parking_moves_a_set_and_its_mark_as_they_are(entry: Entry, free: str) -> None:
    at = standing(entry)
    moving = {place_of(address) for address in at if set_of(address) == "5"}
    taken = free in entry.marks or any(set_of(address) == free for address in at)
    if taken or any(free + place in entry.others for place in moving):
        with pytest.raises(Refused):
            park(entry, "5", free)
        return
    after = park(entry, "5", free)
    assert standing(after) == {(free + a[1:] if a[0] == "5" else a): what for a, what in at.items()}
    assert after.marks.get(free) == entry.marks.get("5")
    assert "5" not in after.marks
    assert Counter(disk.id for disk in after.disks.values()) == Counter(disk.id for disk in entry.disks.values())
    check_entry(after)


@given(entries(), st.lists(st.sampled_from(PLACES), unique=True, min_size=1))
def test_a_free_set_is_the_lowest_at_which_no_place_is_taken_by_anything(entry: Entry, layout: list[str]) -> None:
    def is_free(digit: str) -> bool:
        ours = digit in entry.marks or any(set_of(address) == digit for address in standing(entry))
        return not ours and not any(digit + place in entry.others for place in layout)

    free = [digit for digit in PARKED if is_free(digit)]
    if free:
        assert free_set(entry, layout) == free[0]
    else:
        with pytest.raises(Refused):
            free_set(entry, layout)


def test_a_network_card_at_0600_leaves_set_6_to_a_layout_without_place_00() -> None:
    entry = Entry("WEB1", "machine", others=frozenset(["600", "6B5"]))
    assert free_set(entry, ["B1"]) == "6"
    assert free_set(entry, ["B1", "B5"]) == "7"
    assert free_set(entry, ["00"]) == "7"


def test_where_no_set_is_free_the_oldest_fallback_is_named() -> None:
    kept = {
        digit: Mark("kept", "w", "debian", "web1", 1, f"2026-11-{30 - int(digit, 16)}T00:00:00Z") for digit in PARKED
    }
    kept["7"] = Mark("set-aside", "w", "debian", "web1", 1, "2020-01-01T00:00:00Z")
    with pytest.raises(Refused) as caught:
        free_set(Entry("WEB1", "machine", marks=kept), ["B1"])
    assert "set F" in caught.value.todo


@given(entries(), st.sampled_from("567"), st.lists(st.sampled_from(PLACES), unique=True))
def test_links_of_a_set_become_those_that_are_named(entry: Entry, digit: str, places: list[str]) -> None:
    if any(digit + place in entry.disks or digit + place in entry.others for place in places):
        with pytest.raises(Refused):
            with_links(entry, digit, "NEW", places)
        return
    after = with_links(entry, digit, "NEW", places)
    assert {a: link for a, link in after.links.items() if a[0] == digit} == {
        digit + place: Link("NEW", f"1{place}") for place in places
    }
    assert {a: link for a, link in after.links.items() if a[0] != digit} == {
        a: link for a, link in entry.links.items() if a[0] != digit
    }
    assert after.disks == entry.disks


def test_sets_that_are_none_are_refused() -> None:
    entry = Entry("WEB1", "machine", {"1B5": Disk("a", "rw"), "5B5": Disk("b", "ro")}, marks={})
    for bad in ("1", "2", "", "55", "b"):
        with pytest.raises(BadInput):
            exchange(entry, bad, "w", "kept", since=SINCE)
        with pytest.raises(BadInput):
            park(entry, bad, "6")
    for bad in ("1", "5", "2", ""):
        with pytest.raises(BadInput):
            park(entry, "5", bad)
    with pytest.raises(Refused, match="no mark"):
        exchange(entry, "5", "w", "kept", since=SINCE)
    with pytest.raises(Refused, match="nothing in set 7"):
        exchange(entry, "7", "w", "kept", since=SINCE)


def test_the_generation_is_raised_and_the_rest_stays() -> None:
    entry = Entry("WEB1", "machine", serial="3.7", token="t")
    assert fenced(entry, 5) == replace(entry, serial="5.7")
    assert fenced(entry, 5).generation == 5
    assert not reads_as(entry, fenced(entry, 5))
    assert reads_as(entry, replace(entry, serial="3.9", token="u"))


@pytest.mark.slow
@given(entries(), entries())
def test_entries_that_differ_are_told_apart(one: Entry, other: Entry) -> None:
    assert differences(one, one) == []
    assert bool(differences(one, other)) == (not reads_as(one, other))
    assert differences(one, replace(one, serial="3.8", token="u")) == []


def test_what_differs_is_told_in_words() -> None:
    entry = Entry(
        "WEB1", "machine", {"1B5": Disk("a", "rw"), "5B5": Disk("b", "ro")}, {"1B1": Link("GOLD", "1B1")},
        marks={"1": Mark("live", "w1", "debian", "web1", 1, SINCE), "5": Mark("preparing", "w2", "debian", "web1", 2, SINCE)},
    )  # fmt: skip
    assert differences(entry, with_mark(exchange(entry, "5", "w2", "kept", since=LATER), "5", None)) == [
        "1B5: disk a (rw) -> disk b (rw)",
        "5B5: disk b (ro) -> disk a (ro)",
        "set 1: live, debian web1 version 1, by w1 since 2026-11-26T09:30:00Z"
        " -> live, debian web1 version 2, by w2 since 2026-11-27T10:00:00Z",
        "set 5: preparing, debian web1 version 2, by w2 since 2026-11-26T09:30:00Z -> nothing",
    ]


@given(entries())
def test_an_entry_is_the_same_after_its_file(entry: Entry) -> None:
    content = encode(entry)
    again = decode(content, "WEB1.json", "WEB1")
    assert replace(again, token="") == replace(entry, token="")
    assert encode(again) == content


class Unsure:
    """A host that answers changes so, one after the other."""

    name = "here"

    def __init__(self, *outcomes: str) -> None:
        self.outcomes = list(outcomes)

    def apply(self, wanted: Entry) -> Applied:
        outcome = self.outcomes.pop(0)
        return Applied(outcome, wanted if outcome == "done" else None)  # type: ignore[arg-type]  # one of them


def test_a_change_is_made_when_it_is_said_to_be() -> None:
    wanted = Entry("WEB1", "machine")
    for before in ([], ["unchanged"], ["unchanged", "unchanged"]):
        host = Unsure(*before, "done")
        assert applied(host, wanted) == wanted  # type: ignore[arg-type]  # no more of it is used
        assert host.outcomes == []


@pytest.mark.parametrize(
    ("outcomes", "why"),
    [
        (["unknown"], "it is not known whether the entry WEB1 was changed"),
        (["unchanged", "unknown"], "it is not known whether the entry WEB1 was changed"),
        (["unchanged"] * 3, "the entry WEB1 was not changed: host here does not do it"),
    ],
)
def test_a_change_that_is_not_made_is_an_error(outcomes: list[str], why: str) -> None:
    with pytest.raises(HostError, match=why):
        applied(Unsure(*outcomes), Entry("WEB1", "machine"))  # type: ignore[arg-type]  # no more of it is used
