"""Entries over SMAPI: whatever goes wrong between goldroot and z/VM, an entry is exactly old or new, and nobody's lock is left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from goldroot.errors import Busy, HostError, NotFound, Refused
from goldroot.hosts import Applied, Entry, EntryChanged, Link, Mark, exchange, fenced, with_links, with_mark
from goldroot.hosts.zvm.entries import DirectoryEntries
from goldroot.hosts.zvm.extents import Row
from goldroot.hosts.zvm.reading import Extent
from goldroot.zvm.simulator import Options
from goldroot.zvm.smapi import SmapiError
from support.killing import kill_at, points_of
from support.marks import slow
from support.zvmsite import Site, simulator

SINCE = "2026-11-26T09:30:00Z"


def mark(state: str = "live", by: str = "making", version: int = 1) -> Mark:
    return Mark(state, by, "debian", "web1", version, SINCE)  # type: ignore[arg-type]


@pytest.fixture(params=["", "always"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """A slot, a second one, and a machine with two sets; changes are made at once, or asynchronously."""
    options = Options(asynchronous=request.param or "captured")
    with simulator(tmp_path, options=options) as sim:
        site = Site(sim, tmp_path)
        entries = site.entries()
        for number, name in enumerate(("DEBIANGOLD", "DEBIANGOLD2")):
            entries.define(Entry(name, "owner", marks={"1": Mark("gold", "publish", "debian", "", number, SINCE)}))
            has_disk(site, name, "1B1", f"{name}-1B1", 200 + 10 * number)
        entries.define(Entry("WEB1", "machine", links={"1B1": Link("DEBIANGOLD", "1B1")}, marks={"1": mark()}))
        has_disk(site, "WEB1", "1B5", "old", 300)
        has_disk(site, "WEB1", "5B5", "new", 400)
        entry = with_mark(with_links(found(entries), "5", "DEBIANGOLD2", ["B1"]), "5", mark("preparing", "update", 2))
        assert entries.apply(replace(entry, startable=True)).outcome == "done"
        yield site
        assert sim.bugs == []


def has_disk(site: Site, name: str, address: str, id: str, start: int) -> None:
    """A minidisk is made by hand, and registered."""
    user = {"DEBIANGOLD": "DEBGOLD", "DEBIANGOLD2": "DEBGOLD2"}.get(name, name)
    site.sim.system.manager.add(user, f"MDISK {'1' if name != user else '0'}{address} 3390 {start} 10 LX3001 MR")
    site.extents.write(Row(id, name, address, 0, "ext4", state="made", extent=Extent("LX3001", start, 10)))


def found(entries: DirectoryEntries, name: str = "WEB1") -> Entry:
    entry = entries.find(name)
    assert entry is not None
    return entry


def switched(entries: DirectoryEntries) -> Entry:
    return exchange(found(entries), "5", "update", "kept", since=SINCE)


def no_locks(site: Site) -> bool:
    left = [name for name in site.notes.names() if name.startswith("directory-")]
    return not left and not any(site.sim.system.manager.locks.image(name) for name in site.sim.system.directory.entries)


def test_a_switch_is_one_replace_and_is_kept_as_it_was_wanted(site: Site) -> None:
    wanted = switched(site.entries())
    done = site.entries().apply(wanted)
    assert (done.outcome, done.entry) == ("done", found(site.entries()))
    assert replace(found(site.entries()), token="", serial="") == replace(wanted, token="", serial="")
    assert [device for device, _ in sorted(found(site.entries()).disks.items())] == ["1B5", "5B5"]
    again = site.entries().apply(wanted)
    assert again == Applied("done", found(site.entries())), "what was made already is done"
    assert no_locks(site)


FAULTS = {
    "lost-reply@Image_Replace_DM": "done",
    "cut-reply@Image_Replace_DM": "done",
    "hang@Image_Replace_DM": "done",
    "lost-request@Image_Replace_DM": "unchanged",
    "lost-reply@Image_Lock_DM": "done",
    "cut-reply@Image_Lock_DM": "done",
    "lost-reply@Image_Query_DM": "done",
    "lost-request@Image_Unlock_DM": "done",
    "stale-lock@Image_Replace_DM": "unchanged",
    "object-offline@Image_Replace_DM": "done",
    "changed@Image_Replace_DM": "done",
    "logon=WEB1@Image_Replace_DM": "done",
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("recovery", ["", slow("lost-request@Response_Recovery")])
def test_under_a_fault_the_answer_is_true_and_a_second_call_finishes(site: Site, fault: str, recovery: str) -> None:
    before, wanted = found(site.entries()), switched(site.entries())
    site.sim.faults.add(f"{fault}#1")
    if recovery:
        site.sim.faults.add(recovery)
    # Only where no answer comes is one waited for: a machine under load may be late with the others.
    done = site.entries(timeout=1.0 if fault.startswith("hang") else 20.0).apply(wanted)
    expected = FAULTS[fault]
    assert done.outcome == expected
    assert done.entry is not None
    assert done.entry.disks == (wanted if expected == "done" else before).disks
    site.sim.faults.clear()
    held = site.sim.system.manager.locks
    if "stale-lock" in fault:
        assert held.image("WEB1") == "MAINT", "another's lock is never given back"
        held.unlock("WEB1")
    assert no_locks(site)
    if expected == "unchanged":
        assert found(site.entries()) == before
        assert site.entries().apply(wanted).outcome == "done"
    assert found(site.entries()).disks == wanted.disks
    assert no_locks(site)


@pytest.mark.parametrize(
    "fault",
    [
        "not-authorised=12@Image_Replace_DM",
        "server-away@Image_Lock_DM",
        "server-away@Image_Replace_DM",
        "internal-error@Image_Replace_DM",
        "internal-error@Image_Query_DM",
    ],
)
def test_what_zvm_refuses_changes_nothing_and_leaves_no_lock(site: Site, fault: str) -> None:
    before, wanted = found(site.entries()), switched(site.entries())
    site.sim.faults.add(fault)
    with pytest.raises(SmapiError):
        site.entries().apply(wanted)
    site.sim.faults.clear()
    assert found(site.entries()) == before
    assert no_locks(site)
    assert site.entries().apply(wanted).outcome == "done"


def test_nobody_knows_where_the_reply_is_lost_and_nothing_can_be_read(site: Site) -> None:
    wanted = switched(site.entries())
    for fault in (
        "lost-reply@Image_Replace_DM#1",
        "lost-request@Response_Recovery",
        "lost-request@Image_Lock_Query_DM",
    ):
        site.sim.faults.add(fault)
    assert site.entries().apply(wanted) == Applied("unknown", None)
    site.sim.faults.clear()
    assert site.entries().apply(wanted).outcome == "done"
    assert no_locks(site)


def test_what_may_wait_in_a_queue_keeps_the_lock_that_it_needs(tmp_path: Path) -> None:
    """An asynchronous replacement whose answer was lost: to say that nothing was changed would be a guess."""
    with simulator(tmp_path, options=Options(asynchronous="always", questions=1)) as sim:
        site = Site(sim, tmp_path)
        site.entries().define(Entry("WEB1", "machine", marks={"1": mark()}))
        before = found(site.entries())
        sim.faults.add("lost-reply@Image_Replace_DM#1")
        sim.faults.add("lost-request@Response_Recovery")
        wanted = with_mark(before, "1", mark(by="update"))
        assert site.entries().apply(wanted) == Applied("unknown", None)
        assert sim.system.manager.locks.image("WEB1") == "GOLDMGMT"
        for number in range(1001, 1010):  # the queue comes to it
            sim.system.operations.ask(number)
            sim.system.operations.ask(number)
        assert found(site.entries()).marks == wanted.marks
        assert site.entries().apply(wanted).outcome == "done"
        assert no_locks(site)


@pytest.mark.parametrize("fault", ["server-away", "not-authorised=16", "lost-request", "internal-error=3300"])
def test_a_replacement_whose_end_cannot_be_asked_may_still_come(tmp_path: Path, fault: str) -> None:
    """It was accepted: that a question about it is refused does not say that it was."""
    with simulator(tmp_path, options=Options(asynchronous="always", questions=1)) as sim:
        site = Site(sim, tmp_path)
        site.entries().define(Entry("WEB1", "machine", marks={"1": mark()}))
        wanted = with_mark(found(site.entries()), "1", mark(by="update"))
        sim.faults.add(f"{fault}@Query_Asynchronous_Operation_DM")
        assert site.entries(timeout=0.5).apply(wanted) == Applied("unknown", None)
        assert sim.system.manager.locks.image("WEB1") == "GOLDMGMT"
        sim.faults.clear()
        for number in range(1001, 1010):  # the queue comes to it
            sim.system.operations.ask(number)
            sim.system.operations.ask(number)
        assert site.entries().apply(wanted).outcome == "done"
        assert no_locks(site)


def test_an_entry_that_another_administrator_has_locked_is_waited_for_and_then_told(site: Site) -> None:
    wanted = switched(site.entries())
    site.sim.system.manager.locks.lock("WEB1", "MAINT")
    with pytest.raises(Busy, match="WEB1 is locked by MAINT"):
        site.entries().apply(wanted)
    assert site.sim.system.manager.locks.image("WEB1") == "MAINT"
    site.sim.system.manager.locks.unlock("WEB1")
    # a lock of goldroot's own user that no command of this host has noted is somebody's, too
    site.sim.system.manager.locks.lock("WEB1", "GOLDMGMT")
    with pytest.raises(Busy, match="WEB1 is locked by GOLDMGMT"):
        site.entries().apply(wanted)
    assert site.sim.system.manager.locks.image("WEB1") == "GOLDMGMT"


def test_an_object_directory_that_stays_offline_is_told(site: Site) -> None:
    if site.sim.system.options.asynchronous == "always":
        pytest.skip("an asynchronous change is not answered with 0/8")
    site.sim.faults.add("object-offline@Image_Replace_DM")
    with pytest.raises(HostError, match="object directory of z/VM is offline"):
        site.entries().apply(switched(site.entries()))
    assert no_locks(site)


def test_a_change_by_others_between_query_and_lock_is_seen(site: Site) -> None:
    old = found(site.entries())
    site.sim.faults.add("changed=SPECIAL 0600 CTCA@Image_Lock_DM#1")
    with pytest.raises(EntryChanged) as caught:
        site.entries().apply(exchange(old, "5", "update", "kept", since=SINCE))
    assert "600: nothing -> something goldroot does not manage" in caught.value.diff
    assert replace(caught.value.entry, token="") == replace(old, token="", others=old.others | {"600"})
    assert no_locks(site)


def test_a_higher_generation_shuts_out_a_lower_one(site: Site) -> None:
    stalled = found(site.entries())
    site.entries().apply(fenced(stalled, 7))
    with pytest.raises(Busy, match="taken over"):
        site.entries().apply(exchange(stalled, "5", "update", "kept", since=SINCE))


def test_links_are_known_of_machines_that_goldroot_never_saw(site: Site) -> None:
    site.sim.system.manager.put(site.sim.system.directory.entries["MAINT"])
    site.sim.system.manager.add("MAINT", "LINK DEBGOLD 11B1 0F01 RR")
    site.sim.system.manager.add("GOLDMGMT", "LINK DEBGOLD 11B1 1234 MR")
    assert site.entries().linked("DEBIANGOLD") == [
        ("GOLDMGMT", "1234", "1B1"),
        ("MAINT", "F01", "1B1"),
        ("WEB1", "1B1", "1B1"),
    ]
    with pytest.raises(Refused):
        site.entries().undefine("DEBIANGOLD")
    assert [entry.name for entry in site.entries().all()] == ["DEBIANGOLD", "DEBIANGOLD2", "WEB1"]


@pytest.mark.slow
def test_who_links_a_slot_is_one_question_however_many_do(site: Site) -> None:
    for number in range(30):
        site.entries().define(Entry(f"W{number:02}", "machine", links={"1B1": Link("DEBIANGOLD", "1B1")}))
    before = site.sim.dispatcher.calls
    assert len(site.entries().linked("DEBIANGOLD")) == 31
    assert site.sim.dispatcher.calls == before + 1


def test_a_directory_manager_that_keeps_no_comments_is_found_out_at_the_first_change(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    from goldroot.zvm.simulator import dirmaint

    def without_comments(entry: dirmaint.Entry) -> dirmaint.Entry:
        kept = tuple(record for record in rewritten(entry).records if not record.startswith("* GOLDROOT"))
        return dirmaint.Entry(entry.kind, entry.name, kept)

    rewritten = dirmaint.rewritten
    wanted = switched(site.entries())
    monkeypatch.setattr(dirmaint, "rewritten", without_comments)
    with pytest.raises(HostError, match="does not keep the comments of WEB2"):
        site.entries().define(Entry("WEB2", "machine", marks={"1": mark()}))
    with pytest.raises(HostError, match="does not keep the comments of WEB1"):
        site.entries().apply(wanted)
    assert no_locks(site)


@pytest.mark.parametrize("fault", ["lost-reply", "lost-request"])
@pytest.mark.parametrize("api", ["Image_Create_DM", "Image_Delete_DM"])
def test_making_and_removing_an_entry_may_be_repeated(site: Site, api: str, fault: str) -> None:
    new = Entry("WEB2", "machine", links={"1B1": Link("DEBIANGOLD", "1B1")}, marks={"1": mark()})
    site.sim.faults.add(f"{fault}@{api}#1")
    site.sim.faults.add("lost-request@Response_Recovery")
    for _ in range(2):
        try:
            assert site.entries().define(new).links == new.links
        except HostError:
            assert (api, fault) == ("Image_Create_DM", "lost-request")
    for _ in range(2):
        try:
            site.entries().undefine("WEB2")
        except HostError:
            assert (api, fault) == ("Image_Delete_DM", "lost-request")
    assert site.entries().find("WEB2") is None
    assert no_locks(site)


@pytest.mark.parametrize(
    ("statement", "others"),
    [
        ("MDISK 0191 3390 00900 00010 LX3001 MR", ["0191 (LX3001:900:10)"]),
        ("MDISK 0200 3390 00900 00010 LX3001 MR", ["0200 (LX3001:900:10)"]),
        ("MDISK 0200 3390 00900 END LX3001 MR", ["0200 (LX3001:00900:END)"]),
        ("MDISK 0200 3390 T-DISK 10", []),
        ("MDISK 0200 FB-512 V-DISK 1000", []),
        ("MDISK 0200 3390 00900 00010 $$$$$$ MR", []),
    ],
)
def test_an_entry_never_goes_with_disks_that_are_not_goldroot_s(site: Site, statement: str, others: list[str]) -> None:
    site.entries().define(Entry("WEB9", "machine", marks={"1": mark()}))
    site.sim.system.manager.add("WEB9", statement)
    assert site.entries().others_disks("WEB9") == others
    assert site.entries().others_disks("WEB8") == []
    if others:
        with pytest.raises(Refused, match="WEB9 has disks that goldroot did not make"):
            site.entries().undefine("WEB9")
    else:
        site.entries().undefine("WEB9")
    assert (site.entries().find("WEB9") is None) == (not others)


def test_new_links_lead_somewhere(site: Site) -> None:
    for owner, place in (("NOBODY", "B1"), ("DEBIANGOLD", "B9")):
        with pytest.raises(NotFound, match=f"{owner} 1{place}"):
            site.entries().apply(with_links(found(site.entries()), "6", owner, [place]))
    assert no_locks(site)


def test_killed_anywhere_the_next_command_gives_our_lock_back_and_finishes(tmp_path: Path) -> None:
    with simulator(tmp_path) as sim:
        site = Site(sim, tmp_path)
        entries = site.entries()
        entries.define(Entry("WEB1", "machine", marks={"1": mark()}))
        has_disk(site, "WEB1", "1B5", "old", 300)
        has_disk(site, "WEB1", "5B5", "new", 400)
        entries.apply(with_mark(found(entries), "5", mark("preparing", "update", 2)))

        def switch(work: str) -> None:
            mine = site.entries()
            if found(mine).marks["1"].by != work:
                mine.apply(exchange(found(mine), "5", work, "kept", since=SINCE))

        points = points_of(partial(switch, "work0"))
        assert {point.partition(":")[0] for point in points} == {
            "zvm.lock-noted",
            "zvm.entry-locked",
            "zvm.entry-replaced",
        }
        for number, point in enumerate(points, 1):
            before = found(site.entries())
            kill_at(point, partial(switch, f"work{number}"))
            assert found(site.entries()).disks in (
                before.disks,
                {"1B5": replace(before.disks["5B5"], mode="rw"), "5B5": replace(before.disks["1B5"], mode="ro")},
            )
            switch(f"work{number}")
            assert found(site.entries()).marks["1"].by == f"work{number}"
            assert site.manager().left() in ([], ["WEB1"])
            site.manager().unlock_left("WEB1")
            assert no_locks(site), point
