"""Updates, from clone to switch: what arrives, what is asked, what is never written."""

from __future__ import annotations

import pytest

from goldroot.catalog import clones as catalog_clones
from goldroot.catalog import decisions, fallbacks, updates
from goldroot.conflicts import Decision
from goldroot.errors import MissingProgram, Refused, StillRunning
from goldroot.fleet import clones
from goldroot.fleet.rollback.rollback import roll_back
from goldroot.fleet.update import update
from goldroot.fleet.update.cancel import cancel_update
from goldroot.fleet.update.plan import plan_update
from goldroot.fleet.update.update import run_update
from goldroot.site import Site
from goldroot.workflow import InProcess, Progress, State, Workflow
from support.fleet import IMAGE, dump, live, next_gold, on_clone, text
from support.former import former
from support.trees import dump_tree


def test_a_clone_is_moved_with_its_changes(site: Site, engine: InProcess) -> None:
    clones.create_clone(site, "web1", IMAGE)
    on_clone(
        site,
        "web1",
        {"etc/app.conf": text(site, "web1", "etc/app.conf").replace("one = 1", "one = 11"), "srv/site": "x"},
    )
    next_gold(
        site,
        {
            "etc/app.conf": "one = 1\ntwo = 2\nthree = 3\nfour = 4\nfive = 5\nsix = 6\nseven = 77\n",
            "usr/bin/tool": "#!/bin/sh\necho 2\n",
        },
    )
    plan = plan_update(site, "web1")
    assert (plan.to, plan.conflicts) == (2, [])
    done = run_update(site, engine, "web1")
    assert (done.outcome, done.from_version, done.to_version) == ("done", 1, 2)
    assert (
        text(site, "web1", "etc/app.conf") == "one = 11\ntwo = 2\nthree = 3\nfour = 4\nfive = 5\nsix = 6\nseven = 77\n"
    )
    assert text(site, "web1", "srv/site") == "x"
    assert former(site).at("WEB1", "1B1").owner == "SMALLGOLD2"
    assert former(site).at("WEB1", "5B1").owner == "SMALLGOLD"
    with site.catalog.read() as tx:
        assert catalog_clones.get(tx, "web1").version == 2
        kept = fallbacks.latest(tx, "web1")
        assert kept is not None and kept.from_version == 1
        assert set(kept.disks) == {"1B5", "1B6"}


def test_nothing_to_do_is_said(site: Site, engine: InProcess) -> None:
    clones.create_clone(site, "web1", IMAGE)
    assert run_update(site, engine, "web1").outcome == "nothing-to-do"


def test_a_program_that_is_missing_is_missed_before_anything_is_made(
    site: Site, engine: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    clones.create_clone(site, "web1", IMAGE)
    next_gold(site, {"etc/plain.conf": "gold's\n"})
    before = dump(site, "web1"), former(site).disks()

    def missing(program: str) -> str:
        raise MissingProgram(f"the program {program!r} is not installed")

    with monkeypatch.context() as here:
        here.setattr(update, "find", missing)
        with pytest.raises(MissingProgram, match="'git'"):
            run_update(site, engine, "web1")
        with site.catalog.read() as tx:
            assert updates.in_flight(tx, "web1") is None
    assert (dump(site, "web1"), former(site).disks()) == before
    run_update(site, engine, "web1")
    with monkeypatch.context() as here:
        here.setattr(update, "find", missing)
        with pytest.raises(MissingProgram, match="'git'"):
            roll_back(site, engine, "web1", carry=True)
        assert roll_back(site, engine, "web1").to_version == 1, "the plain way back needs none"


def test_a_conflict_waits_and_its_decision_serves_every_clone(site: Site, engine: InProcess) -> None:
    for name in ("web1", "web2"):
        clones.create_clone(site, name, IMAGE)
        on_clone(site, name, {"etc/plain.conf": "mine\n"})
    next_gold(site, {"etc/plain.conf": "gold's\n"})
    before = dump(site, "web1")
    done = run_update(site, engine, "web1")
    assert (done.outcome, done.conflicts) == ("needs-review", 1)
    assert dump(site, "web1") == before
    with site.catalog.begin() as tx:
        [asked] = decisions.conflicts_of(tx, done.update, state="open")
        assert asked.found.path == b"/etc/plain.conf"
        decisions.decide(tx, IMAGE, asked.found.key, Decision("gold"))
    assert run_update(site, engine, "web1").outcome == "done"
    assert text(site, "web1", "etc/plain.conf") == "gold's\n"
    assert run_update(site, engine, "web2").outcome == "done"
    assert text(site, "web2", "etc/plain.conf") == "gold's\n"


def test_what_was_written_during_review_is_merged_at_the_switch(site: Site, engine: InProcess) -> None:
    clones.create_clone(site, "web1", IMAGE)
    on_clone(site, "web1", {"etc/plain.conf": "mine\n"})
    next_gold(site, {"etc/plain.conf": "gold's\n"})
    done = run_update(site, engine, "web1")
    on_clone(site, "web1", {"srv/later": "written during the review\n"})
    with site.catalog.begin() as tx:
        decisions.decide(tx, IMAGE, decisions.conflicts_of(tx, done.update)[0].found.key, Decision("clone"))
    assert run_update(site, engine, "web1").outcome == "done"
    assert text(site, "web1", "srv/later") == "written during the review\n"
    assert text(site, "web1", "etc/plain.conf") == "mine\n"


def test_rule_2_a_live_disk_is_never_written_by_an_update(site: Site, engine: InProcess) -> None:
    clones.create_clone(site, "web1", IMAGE)
    on_clone(site, "web1", {"etc/app.conf": "all mine\n", "var/lib/mysql/ibdata": "data"})
    next_gold(site, {"etc/plain.conf": "gold's\n"})
    before = dump(site, "web1")
    roots = dict(live(site, "web1").roots)
    first = former(site).get("WEB1").disks["1B5"].disk
    run_update(site, engine, "web1")
    assert dump(site, "web1") != before
    machine = former(site).get("WEB1")
    assert {a: former(site).at("WEB1", a.replace("1", "5", 1)).path for a in roots} == roots
    for address, root in roots.items():
        there = {f"{address}:{path}": seen for path, seen in dump_tree(root).items()}
        assert there == {key: seen for key, seen in before.items() if key.startswith(address)}
    assert machine.disks["5B5"].disk == first


def test_versions_can_be_skipped(site: Site, engine: InProcess) -> None:
    clones.create_clone(site, "web1", IMAGE)
    on_clone(site, "web1", {"srv/mine": "mine"})
    for number in (2, 3):
        next_gold(site, {"etc/plain.conf": f"gold {number}\n"})
    assert run_update(site, engine, "web1").to_version == 3
    assert text(site, "web1", "etc/plain.conf") == "gold 3\n"
    assert text(site, "web1", "srv/mine") == "mine"


def test_a_running_clone_is_merged_and_not_switched(site: Site, engine: InProcess) -> None:
    clones.create_clone(site, "web1", IMAGE)
    next_gold(site, {"etc/plain.conf": "gold 2\n"})
    with former(site).running("WEB1"):
        with pytest.raises(StillRunning):
            run_update(site, engine, "web1")
        assert text(site, "web1", "etc/plain.conf") == "plain\n"
    assert run_update(site, engine, "web1").outcome == "done"
    assert text(site, "web1", "etc/plain.conf") == "gold 2\n"
    with site.catalog.read() as tx:
        assert [one.state for one in updates.every(tx, "web1")] == ["done"]


def test_a_read_write_clone_merges_all_its_disks(site: Site, engine: InProcess) -> None:
    clones.create_clone(site, "web1", IMAGE, form=clones.CloneForm(read_write=True))
    on_clone(site, "web1", {"usr/bin/own": "mine\n"})
    next_gold(site, {"usr/bin/tool": "#!/bin/sh\necho 2\n"})
    assert run_update(site, engine, "web1").outcome == "done"
    assert text(site, "web1", "usr/bin/own") == "mine\n"
    assert text(site, "web1", "usr/bin/tool") == "#!/bin/sh\necho 2\n"
    assert former(site).get("WEB1").links == {}


def test_a_cancel_that_was_cut_off_is_finished_by_whatever_comes_next(site: Site, engine: InProcess) -> None:
    clones.create_clone(site, "web1", IMAGE)
    on_clone(site, "web1", {"etc/plain.conf": "mine\n"})
    next_gold(site, {"etc/plain.conf": "gold 2\n"})
    before = former(site).disks()
    begun = run_update(site, engine, "web1")
    assert begun.outcome == "needs-review" and former(site).disks() != before
    with site.catalog.begin() as tx:
        updates.set_state(tx, begun.update, "cancelled")
    assert cancel_update(site, "web1").id == begun.update
    assert former(site).disks() == before
    assert not any(address.startswith("5") for address in former(site).get("WEB1").addresses())
    with pytest.raises(Refused, match="no update of web1 is in flight"):
        cancel_update(site, "web1")


def test_a_run_of_another_time_with_the_same_key_is_no_run_of_this_update(site: Site, engine: InProcess) -> None:
    """The catalog came from a backup, or was made again: the engine knows a run that has ended by the key of a new one."""
    clones.create_clone(site, "web1", IMAGE)
    next_gold(site, {"etc/plain.conf": "gold 2\n"})
    keys: list[str] = []
    run = engine.run

    def remembering(workflow: Workflow, key: str, state: State, progress: Progress | None = None) -> State:
        keys.append(key)
        return {**state, "outcome": "done"} if len(keys) == 1 else run(workflow, key, state, progress)

    engine.run = remembering  # type: ignore[method-assign]
    assert run_update(site, engine, "web1").outcome == "done"
    assert len(set(keys)) == 2
    assert text(site, "web1", "etc/plain.conf") == "gold 2\n"
    with site.catalog.read() as tx:
        assert catalog_clones.get(tx, "web1").version == 2
