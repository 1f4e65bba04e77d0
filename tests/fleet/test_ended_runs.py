"""Runs of works that ended otherwise than by their own command: nobody goes on with them, so they go."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from goldroot.catalog import updates
from goldroot.cli.failure import guarded
from goldroot.cli.main import cli
from goldroot.errors import Busy
from goldroot.fleet import cancel_update, clones, engine_of, roll_back, run_update
from goldroot.fleet.update.update import close_ended
from goldroot.site import Site
from goldroot.workflow import Crash, InProcess
from support.fleet import moved_site
from support.killing import kill_at
from support.marks import slow


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """web1 was moved to gold 2, web2 is on gold 1."""
    return moved_site(tmp_path)


def cut_off(site: Site, at: str, act: Callable[[Site, InProcess], object]) -> InProcess:
    """What the engine is after a command on web2 was killed."""

    def crash(place: str) -> None:
        if place == at:
            raise Crash

    engine = InProcess(crash=crash)
    with pytest.raises(Crash):
        act(site, engine)
    return InProcess(engine.journal)


def update(site: Site, engine: InProcess) -> object:
    return run_update(site, engine, "web2")


@pytest.mark.parametrize("at", ["begun:merge", slow("recorded:prove"), slow("done:switch"), "done:note"])
def test_a_run_that_the_same_command_goes_on_with_or_reports_is_left_to_it(site: Site, at: str) -> None:
    engine = cut_off(site, at, update)
    (key,) = engine.unfinished()
    close_ended(site, engine)
    assert engine.unfinished() == [key]
    done = run_update(site, engine, "web2")
    assert (done.outcome, done.to_version) == ("done", 2)
    assert engine.unfinished() == []
    assert engine.journal[key].finished


def test_the_run_of_what_was_cancelled_goes(site: Site) -> None:
    engine = cut_off(site, "recorded:merge", update)
    cancel_update(site, "web2")
    close_ended(site, engine)
    assert engine.unfinished() == []


@pytest.mark.parametrize("at", ["done:switch", slow("done:note")])
def test_the_run_of_an_update_that_a_rollback_found_done_goes(site: Site, at: str) -> None:
    engine = cut_off(site, at, update)
    roll_back(site, engine, "web2")
    close_ended(site, engine)
    assert engine.unfinished() == []


def test_the_run_of_a_rollback_that_an_update_found_done_goes(site: Site) -> None:
    engine = cut_off(site, "done:note", lambda site, engine: roll_back(site, engine, "web1"))
    assert run_update(site, engine, "web1").to_version == 2
    close_ended(site, engine)
    assert engine.unfinished() == []


def test_the_run_of_a_server_that_was_deleted_goes(site: Site) -> None:
    engine = cut_off(site, "done:note", update)
    clones.delete_clone(site, "web2")
    close_ended(site, engine)
    assert engine.unfinished() == []


def test_the_run_of_an_earlier_attempt_goes(site: Site) -> None:
    engine = cut_off(site, "recorded:merge", update)
    with site.catalog.begin() as tx:
        going = updates.in_flight(tx, "web2")
        assert going is not None
        updates.begin_attempt(tx, going.id)
    close_ended(site, engine)
    assert engine.unfinished() == []


def test_one_that_is_at_its_end_in_another_process_is_left_to_it(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = cut_off(site, "recorded:merge", update)
    cancel_update(site, "web2")

    def busy(key: str) -> None:
        raise Busy(key)

    monkeypatch.setattr(engine, "forget", busy)
    close_ended(site, engine)
    assert len(engine.unfinished()) == 1


@pytest.mark.parametrize(
    ("point", "args"),
    [
        ("update.merge.done:1", ["update", "cancel", "web2"]),
        slow("update.noted:1", ["rollback", "web2"]),
        slow("update.noted:1", ["clone", "delete", "web2"]),
        slow("update.noted:1", ["update", "run", "web1", "web2"]),
    ],
)
def test_the_next_command_leaves_nothing_in_the_durable_engine(
    site: Site, point: str, args: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOLDROOT_SITE", site.root)
    site.close()
    kill_at(point, lambda: guarded(cli, ["update", "run", "web2"]))
    assert guarded(cli, args) == 0
    with closing(Site.open(site.root)) as again, engine_of(again) as engine:
        assert engine.unfinished() == []
