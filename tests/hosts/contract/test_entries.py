"""What every host promises of entries: one atomic change, from a token; links are known; nothing foreign is touched."""

from __future__ import annotations

from dataclasses import replace

import pytest

from goldroot.errors import BadInput, Busy, HostError, NotFound, Refused
from goldroot.hosts import (
    Disk,
    Entry,
    EntryChanged,
    Link,
    change,
    exchange,
    fenced,
    free_set,
    park,
    with_links,
    with_mark,
)
from support.hosts import (
    SINCE,
    Lab,
    applied,
    found,
    gold,
    live,
    make_machine,
    make_slot,
    new_disk,
    prepare,
)


@pytest.fixture
def ready(lab: Lab) -> Lab:
    """Two slots, and a machine whose set 5 is prepared for the second."""
    make_slot(lab, "DEBIANGOLD", 1)
    make_slot(lab, "DEBIANGOLD2", 2)
    make_machine(lab)
    prepare(lab)
    return lab


def test_a_switch_is_an_exchange_that_is_applied_and_the_way_back_is_another(ready: Lab) -> None:
    before = found(ready.host, "WEB1")
    after = applied(ready.host.apply(exchange(before, "5", "update", "kept", since=SINCE)))
    assert after.disks == {"1B5": Disk("WEB1-5B5", "rw"), "5B5": Disk("WEB1-1B5", "ro")}
    assert after.links == {"1B1": Link("DEBIANGOLD2", "1B1"), "5B1": Link("DEBIANGOLD", "1B1")}
    assert (after.marks["1"].by, after.marks["1"].version, after.marks["5"].state) == ("update", 2, "kept")
    assert found(ready.again(), "WEB1") == after
    back = applied(ready.host.apply(exchange(after, "5", "rollback", "set-aside", since=SINCE)))
    assert (back.disks, back.links) == (before.disks, before.links)
    assert back.token != before.token
    assert (back.marks["1"].version, back.marks["5"].version) == (1, 2)


def test_a_parked_set_keeps_its_gold(ready: Lab) -> None:
    entry = found(ready.host, "WEB1")
    ready.host.apply(park(entry, "5", free_set(entry, ["B1", "B5"])))
    assert ("WEB1", "6B1", "1B1") in ready.host.linked("DEBIANGOLD2")


def test_find_knows_what_is_not_there(lab: Lab) -> None:
    assert lab.host.find("NOBODY") is None
    with pytest.raises(NotFound):
        lab.host.apply(Entry("NOBODY", "machine"))


def test_a_damaged_entry_is_an_error_and_the_others_are_as_good_as_before(ready: Lab) -> None:
    make_machine(ready, "WEB2")
    ready.damage("WEB1")
    with pytest.raises(HostError, match="WEB1"):
        ready.host.find("WEB1")
    entry = found(ready.host, "WEB2")
    applied(ready.host.apply(with_links(entry, "5", "DEBIANGOLD2", ["B1"])))
    if ready.searches:
        assert ("WEB1", "5B1", "1B1") in ready.host.linked("DEBIANGOLD2"), "its statements are as good as before"
    else:
        with pytest.raises(HostError, match="WEB1"):
            ready.host.linked("DEBIANGOLD2")  # nobody can say that it does not link it


def test_all_entries_are_listed_by_name(ready: Lab) -> None:
    assert [entry.name for entry in ready.host.entries()] == ["DEBIANGOLD", "DEBIANGOLD2", "WEB1"]


def test_a_definition_is_new_or_of_the_same_work(lab: Lab) -> None:
    entry = Entry("WEB1", "machine", marks={"1": live("making")})
    made = lab.host.define(entry)
    assert not made.startable
    again = lab.again().define(replace(entry, marks={"1": replace(live("making"), since="later")}))
    assert again == made
    for other in (replace(entry, marks={"1": live("another")}), replace(entry, marks={}), replace(entry, role="owner")):
        with pytest.raises(Refused, match="already"):
            lab.host.define(other)
    for bad in (replace(entry, startable=True), replace(entry, disks={"1B5": Disk("x", "rw")})):
        with pytest.raises(ValueError, match="WEB1"):
            lab.host.define(bad)


def test_an_entry_goes_when_it_has_no_disks_and_nobody_links_it(ready: Lab) -> None:
    with pytest.raises(Refused, match="has disks"):
        ready.host.undefine("WEB1")
    ready.host.define(Entry("EMPTY", "owner", marks={"1": gold(3)}))
    ready.host.create_disk(new_disk(ready, "e", "EMPTY", "1B1"))
    ready.host.define(Entry("WEB2", "machine", links={"1B1": Link("EMPTY", "1B1")}, marks={"1": live()}))
    with pytest.raises(Refused, match="WEB2 links EMPTY"):
        ready.host.delete_disk("e")
    ready.host.undefine("WEB2")
    ready.host.delete_disk("e")
    ready.host.undefine("EMPTY")
    ready.host.undefine("EMPTY")
    assert ready.host.find("EMPTY") is None


def test_what_is_linked_is_not_undefined_though_its_disk_was_lost_from_it(ready: Lab) -> None:
    ready.host.define(Entry("LEFT", "owner", marks={"1": gold(3)}))
    ready.host.create_disk(new_disk(ready, "left", "LEFT", "1B1"))
    entry = found(ready.host, "WEB1")
    ready.host.apply(with_links(entry, "6", "LEFT", ["B1"]))
    with pytest.raises(Refused):
        ready.host.delete_disk("left")
    assert ready.host.linked("LEFT") == [("WEB1", "6B1", "1B1")]


def test_links_of_all_sets_are_known_by_their_owner(ready: Lab) -> None:
    assert ready.host.linked("DEBIANGOLD") == [("WEB1", "1B1", "1B1")]
    assert ready.host.linked("DEBIANGOLD2") == [("WEB1", "5B1", "1B1")]
    assert ready.host.linked("WEB1") == []
    entry = found(ready.host, "WEB1")
    ready.host.apply(with_links(entry, "5", "DEBIANGOLD2", []))
    assert ready.host.linked("DEBIANGOLD2") == []


def test_links_are_known_without_the_index_too(ready: Lab) -> None:
    ready.lose_index()
    assert ready.again().linked("DEBIANGOLD2") == [("WEB1", "5B1", "1B1")]


def test_nothing_is_asked_of_all_entries(ready: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        ready.host.define(Entry(f"OTHER{number}", "machine", marks={"1": live()}))
    with ready.counting(monkeypatch) as read:
        assert ready.host.linked("DEBIANGOLD") == [("WEB1", "1B1", "1B1")]
        # its own, which says whether it is a slot, and those that link it
        assert read == ([] if ready.searches else ["DEBIANGOLD", "WEB1"])
        ready.host.apply(with_mark(found(ready.host, "WEB1"), "6", live()))
        ready.host.create_disk(new_disk(ready, "one", "WEB1", "6B7"))
        ready.host.info(["one"])
        ready.host.delete_disk("one")
        with ready.host.hold("WEB1"), ready.host.open_disks({"WEB1-5B5": "rw", "DEBIANGOLD-1B5": "ro"}):
            ready.host.power("WEB1")
        ready.host.tidy()
    assert set(read) <= {"WEB1", "DEBIANGOLD", "DEBIANGOLD2"}


# -- tokens and serials


def test_each_change_makes_a_new_serial_and_token(ready: Lab) -> None:
    seen = {found(ready.host, "WEB1").token}
    serials = [found(ready.host, "WEB1").serial]
    for number in range(3):
        entry = applied(ready.host.apply(found(ready.host, "WEB1")))
        assert entry.token not in seen, number
        seen.add(entry.token)
        serials.append(entry.serial)
    assert len(set(serials)) == len(serials)
    disks = found(ready.host, "WEB1")
    ready.host.create_disk(new_disk(ready, "more", "WEB1", "6B7"))
    ready.host.delete_disk("more")
    again = found(ready.host, "WEB1")
    assert again.disks == disks.disks
    assert again.token != disks.token


def test_a_change_from_an_old_token_is_not_made(ready: Lab) -> None:
    old = found(ready.host, "WEB1")
    now = applied(ready.host.apply(with_links(old, "5", "DEBIANGOLD2", [])))
    with pytest.raises(EntryChanged) as caught:
        ready.host.apply(exchange(old, "5", "update", "kept", since=SINCE))
    assert caught.value.entry == now == found(ready.host, "WEB1")
    assert any(line.startswith("5B1: link to") for line in caught.value.diff)


def test_a_change_that_was_made_already_is_done(ready: Lab) -> None:
    wanted = exchange(found(ready.host, "WEB1"), "5", "update", "kept", since=SINCE)
    done = applied(ready.host.apply(wanted))
    again = ready.again().apply(wanted)
    assert (again.outcome, again.entry) == ("done", done)
    assert found(ready.host, "WEB1") == done, "nothing was written again"


def test_a_change_by_others_is_seen_and_kept(ready: Lab) -> None:
    old = found(ready.host, "WEB1")
    ready.put_something_at("WEB1", "600")
    now = found(ready.host, "WEB1")
    assert now.token != old.token
    assert now.others == {"600"}
    with pytest.raises(EntryChanged) as caught:
        ready.host.apply(with_mark(old, "6", live()))
    assert "600: nothing -> something goldroot does not manage" in caught.value.diff
    after = applied(ready.host.apply(with_mark(now, "6", live())))
    assert after.others == {"600"}


def test_nothing_is_put_where_something_foreign_is(ready: Lab) -> None:
    ready.put_something_at("WEB1", "6B5")
    entry = found(ready.host, "WEB1")
    assert free_set(entry, ["B1", "B5"]) == "7"
    assert free_set(entry, ["B1"]) == "6"
    moved = replace(entry, disks={("6B5" if a == "5B5" else a): disk for a, disk in entry.disks.items()})
    with pytest.raises(Refused, match="6B5 of WEB1 is taken"):
        ready.host.apply(moved)
    with pytest.raises(Refused, match="6B5 of WEB1 is taken"):
        ready.host.create_disk(new_disk(ready, "x", "WEB1", "6B5"))
    assert found(ready.host, "WEB1") == entry


def test_who_took_the_work_over_shuts_out_who_had_it(ready: Lab) -> None:
    stalled = found(ready.host, "WEB1")
    taken = applied(ready.host.apply(fenced(stalled, 7)))
    assert taken.generation == 7
    with pytest.raises(Busy):
        ready.host.apply(exchange(stalled, "5", "update", "kept", since=SINCE))
    # Also where it finds the entry once more, but works in its own generation.
    with pytest.raises(Busy, match="taken over"):
        ready.host.apply(fenced(exchange(taken, "5", "update", "kept", since=SINCE), 6))
    assert found(ready.host, "WEB1") == taken
    assert applied(ready.host.apply(taken)).generation == 7


def test_a_change_neither_adds_nor_drops_a_disk(ready: Lab) -> None:
    entry = found(ready.host, "WEB1")
    disks = dict(entry.disks)
    for bad in (
        {"1B5": disks["1B5"]},
        {**disks, "6B5": Disk("invented", "ro")},
        {**disks, "5B5": Disk("invented", "ro")},
        {**disks, "6B5": replace(disks["5B5"])},
    ):
        with pytest.raises(ValueError, match="WEB1"):
            ready.host.apply(replace(entry, disks=bad))
    for other in (replace(entry, role="owner", links={}, disks={}), replace(entry, others=frozenset(["6B9"]))):
        with pytest.raises(ValueError, match="WEB1"):
            ready.host.apply(other)
    assert found(ready.host, "WEB1") == entry


def test_an_owner_of_disks_never_runs(ready: Lab) -> None:
    slot = found(ready.host, "DEBIANGOLD")
    with pytest.raises(ValueError, match="never runs"):
        ready.host.apply(replace(slot, startable=True))


def test_links_lead_somewhere_when_they_are_made(ready: Lab) -> None:
    entry = found(ready.host, "WEB1")
    for owner, place in (("NOBODY", "B1"), ("DEBIANGOLD", "B9")):
        with pytest.raises(NotFound, match=f"{owner} 1{place}"):
            ready.host.apply(with_links(entry, "6", owner, [place]))
    assert found(ready.host, "WEB1") == entry


def test_an_entry_that_cannot_be_is_refused(ready: Lab) -> None:
    entry = found(ready.host, "WEB1")
    for bad in (
        replace(entry, links={"1B5": Link("DEBIANGOLD", "1B1")}),
        replace(entry, disks={"1B5": entry.disks["1B5"], "5B5": replace(entry.disks["5B5"], mode="rw")}),
        replace(entry, disks={"1B5": entry.disks["1B5"], "2B5": entry.disks["5B5"]}),
        replace(entry, boot="5B1"),
        replace(entry, marks={"2": live()}),
    ):
        with pytest.raises(BadInput):
            ready.host.apply(bad)
    slot = found(ready.host, "DEBIANGOLD")
    with pytest.raises(BadInput, match="set 1 only"):
        ready.host.apply(replace(slot, disks={"1B1": slot.disks["1B1"], "5B5": replace(slot.disks["1B5"], mode="ro")}))
    assert found(ready.host, "WEB1") == entry


@pytest.mark.parametrize("name", ["", "../X", "web1", "A/B", ".X", "X" * 33, "A\n", "Ä"])
def test_names_cannot_leave_the_host(lab: Lab, name: str) -> None:
    host = lab.host
    for attempt in (
        lambda: host.find(name),
        lambda: host.define(Entry(name, "machine")),
        lambda: host.undefine(name),
        lambda: host.apply(Entry(name, "machine")),
        lambda: host.linked(name),
        lambda: host.power(name),
        lambda: host.start(name),
        lambda: host.stop(name, 1),
        lambda: host.hold(name).__enter__(),
        lambda: host.command(name, ["true"], 1),
        lambda: host.console(name, 1),
        lambda: host.create_disk(new_disk(lab, "x", name, "1B5")),
    ):
        with pytest.raises(BadInput):
            attempt()


# -- a change that others may be in the way of


def test_a_change_is_made_again_where_others_changed_something_else(ready: Lab) -> None:
    calls = []

    def wanted(entry: Entry) -> Entry:
        if not calls:
            ready.put_something_at("WEB1", "600")
        calls.append(entry.token)
        return exchange(entry, "5", "update", "kept", since=SINCE)

    after = applied(change(ready.host, "WEB1", wanted, ["B1", "B5"]))
    assert len(calls) == 2
    assert after.others == {"600"}
    assert after.disks["1B5"].id == "WEB1-5B5"


def test_a_change_is_not_made_where_others_changed_the_same(ready: Lab) -> None:
    def wanted(entry: Entry) -> Entry:
        ready.host.apply(with_links(found(ready.host, "WEB1"), "5", "DEBIANGOLD", ["B1"]))
        return exchange(entry, "5", "update", "kept", since=SINCE)

    with pytest.raises(EntryChanged) as caught:
        change(ready.host, "WEB1", wanted, ["B1", "B5"])
    assert "1B1: link to DEBIANGOLD2 1B1 -> link to DEBIANGOLD 1B1" in caught.value.diff
    assert found(ready.host, "WEB1").marks["1"].by == "making"


def test_who_is_always_too_late_gives_up(ready: Lab) -> None:
    calls = []

    def wanted(entry: Entry) -> Entry:
        calls.append(entry)
        ready.put_something_at("WEB1", f"60{len(calls)}")
        return with_mark(entry, "6", live())

    with pytest.raises(EntryChanged):
        change(ready.host, "WEB1", wanted, ["B1", "B5"])
    assert len(calls) == 4


pytestmark = pytest.mark.slow
