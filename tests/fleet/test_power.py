"""A server that runs is stopped for its switch, started after it, asked how it does, and taken back where that is bad."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from goldroot.catalog import clones as catalog_clones
from goldroot.catalog import updates
from goldroot.errors import ChecksFailed, HealthFailed, Refused, StillRunning
from goldroot.fleet import clones, machines
from goldroot.fleet.doctor.doctor import examine
from goldroot.fleet.rollback.rollback import roll_back
from goldroot.fleet.update import power
from goldroot.fleet.update.cancel import cancel_update, plan_cancel
from goldroot.fleet.update.kept import prune_kept
from goldroot.fleet.update.memory import memory_of
from goldroot.fleet.update.reconcile import clone_lock
from goldroot.fleet.update.update import run_update
from goldroot.site import Site
from goldroot.workflow import InProcess
from support import booting
from support.booting import BootingHost, behave
from support.fleet import IMAGE, configured, dump, next_gold, on_clone, small_site, text


@pytest.fixture
def site(room: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """web1 on gold 1 and running, gold 2 there; no answer is waited for."""
    monkeypatch.setattr("goldroot.hosts.registry.KINDS", booting.kinds())
    monkeypatch.setattr("goldroot.system.health._STANDS", 0.0)
    site = small_site(room)
    clones.create_clone(site, "web1", IMAGE)
    on_clone(site, "web1", {"srv/mine": "mine\n"})
    next_gold(site, {"etc/plain.conf": "gold 2\n", "usr/bin/tool": "two\n"})
    machines.start_machine(site, "web1")
    yield site
    site.close()


def host(site: Site) -> BootingHost:
    assert isinstance(site.host, BootingHost)
    return site.host


def state(site: Site) -> tuple[int, str, str]:
    """The clone's version, and how its machine is."""
    with site.catalog.read() as tx:
        version = catalog_clones.get(tx, "web1").version
    now = site.host.power("WEB1")
    return version, now.state, now.runs


def rows(site: Site) -> list[tuple[str, str]]:
    with site.catalog.read() as tx:
        return [(one.kind, one.stands) for one in updates.every(tx, "web1")]


def test_a_running_server_is_stopped_switched_and_started(site: Site, engine: InProcess) -> None:
    assert run_update(site, engine, "web1").outcome == "done"
    assert state(site) == (2, "on", "current")
    assert host(site).log("WEB1") == ["start 1", "stop 1", "start 2"]
    assert text(site, "web1", "srv/mine") == "mine\n"
    assert rows(site) == [("update", "done")]


def test_a_server_that_was_off_stays_off_and_is_asked_at_its_next_start(site: Site, engine: InProcess) -> None:
    machines.stop_machine(site, "web1")
    behave(site.host, 2, failed=["web.service"])
    assert run_update(site, engine, "web1").outcome == "done"
    assert state(site) == (2, "off", "nothing")
    before = dump(site, "web1")
    with pytest.raises(HealthFailed, match=r"first start after the update to gold 2: the unit web\.service has failed"):
        machines.start_machine(site, "web1")
    assert state(site) == (1, "on", "current")
    assert dump(site, "web1") != before
    assert host(site).log("WEB1") == ["start 1", "stop 1", "start 2", "stop 2", "start 1"]
    assert rows(site) == [("update", "returned"), ("rollback", "done")]
    assert not machines.start_machine(site, "web1").started  # it was asked, once


def test_a_server_that_was_off_and_does_well_is_asked_once(site: Site, engine: InProcess) -> None:
    behave(site.host, 1, failed=["old.service"])
    behave(site.host, 2, failed=["old.service"])
    machines.stop_machine(site, "web1")
    assert run_update(site, engine, "web1").health == "at next start"
    assert machines.start_machine(site, "web1").started, "old.service had failed in its last boot already"
    assert (state(site), rows(site)) == ((2, "on", "current"), [("update", "done")])
    behave(site.host, 2, failed=["old.service", "web.service"])
    machines.stop_machine(site, "web1")
    assert machines.start_machine(site, "web1").started, "this is a start like others"


def test_a_first_start_that_was_cut_off_is_gone_on_with(
    site: Site, engine: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    machines.stop_machine(site, "web1")
    behave(site.host, 2, failed=["web.service"])
    run_update(site, engine, "web1")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(power, "until_healthy", interrupted)
        machines.start_machine(site, "web1")
    assert rows(site) == [("update", "starting")]
    with pytest.raises(HealthFailed, match="first start after"):
        machines.start_machine(site, "web1")
    assert state(site) == (1, "on", "current")


@pytest.mark.slow
def test_a_first_start_whose_way_back_is_gone_tells_and_runs(site: Site, engine: InProcess) -> None:
    machines.stop_machine(site, "web1")
    behave(site.host, 2, failed=["web.service"])
    run_update(site, engine, "web1")
    with site.catalog.read() as tx:
        (kept,) = updates.fallbacks(tx, "web1")
    with clone_lock(site, "web1", "a test"):
        prune_kept(site, kept)
    with pytest.raises(HealthFailed, match="first start after") as caught:
        machines.start_machine(site, "web1")
    assert "cannot go back" in caught.value.meaning and "console: start 2" in caught.value.lines
    assert state(site) == (2, "on", "current")


def interrupted(*args: object, **more: object) -> None:
    raise KeyboardInterrupt


def test_what_has_switched_is_not_cancelled(site: Site, engine: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(power, "until_healthy", interrupted)
        run_update(site, engine, "web1")
    for refused in (cancel_update, plan_cancel):
        with pytest.raises(Refused, match=r"has switched already \(starting\)") as caught:
            refused(site, "web1")
        assert "Nothing was changed." in caught.value.meaning and "update run web1" in caught.value.todo
    assert rows(site) == [("update", "starting")], "and it was not closed behind anybody's back"
    behave(site.host, 2, failed=["web.service"])
    with pytest.raises(HealthFailed):
        run_update(site, engine, "web1")
    assert state(site) == (1, "on", "current")


@pytest.mark.slow
def test_what_is_on_its_way_back_is_not_cancelled(
    site: Site, engine: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    behave(site.host, 2, failed=["web.service"])
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(power, "_back", interrupted)
        run_update(site, engine, "web1")
    with pytest.raises(Refused, match=r"\(returning\): it cannot be cancelled") as caught:
        cancel_update(site, "web1")
    assert "on its way back to gold 1" in caught.value.meaning
    with pytest.raises(HealthFailed):
        run_update(site, engine, "web1")
    assert state(site) == (1, "on", "current")


@pytest.mark.slow
def test_a_question_that_another_command_left_is_asked_at_the_next_start(
    site: Site, engine: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    behave(site.host, 2, failed=["web.service"])
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(power, "until_healthy", interrupted)
        run_update(site, engine, "web1")
    machines.stop_machine(site, "web1")
    assert rows(site) == [("update", "done")]
    with pytest.raises(HealthFailed):
        machines.start_machine(site, "web1")
    assert state(site) == (1, "on", "current")


def test_what_became_of_an_update_keeps_its_reason_and_its_time(site: Site, engine: InProcess) -> None:
    behave(site.host, 2, failed=["web.service"])
    with pytest.raises(HealthFailed):
        run_update(site, engine, "web1")
    with site.catalog.read() as tx:
        went, back = updates.every(tx, "web1")
    assert went.reason == "not well: the unit web.service has failed"
    assert back.reason == "the server went back by itself"
    for work in (lambda: machines.stop_machine(site, "web1"), lambda: machines.start_machine(site, "web1")):
        work()
    with site.catalog.begin() as tx:
        updates.note(tx, went.id, told={**went.told, "more": 1})
        updates.set_state(tx, back.id, "done")
        assert [one.changed_at for one in updates.every(tx, "web1")] == [went.changed_at, back.changed_at]


def test_a_bad_server_goes_back_by_itself_and_says_why(site: Site, engine: InProcess) -> None:
    before = dump(site, "web1")
    behave(site.host, 2, failed=["web.service"])
    with pytest.raises(HealthFailed) as caught:
        run_update(site, engine, "web1")
    assert caught.value.brief == "web1 did not come up well after the update to gold 2: the unit web.service has failed"
    assert "back on gold 1" in caught.value.meaning
    assert caught.value.lines == [
        "web.service: why it failed",
        "console: start 1",
        "console: stop 1",
        "console: start 2",
    ]
    assert state(site) == (1, "on", "current")
    assert dump(site, "web1") == before
    assert host(site).log("WEB1") == ["start 1", "stop 1", "start 2", "stop 2", "start 1"]
    assert rows(site) == [("update", "returned"), ("rollback", "done")]
    with site.catalog.read() as tx:
        assert [(one.from_version, one.state) for one in updates.fallbacks(tx, "web1")] == [(2, "set-aside")]
    assert examine(site).told == (), "what is set aside is kept for a person"


@pytest.mark.slow
def test_after_a_return_the_next_update_begins_anew(site: Site, engine: InProcess) -> None:
    behave(site.host, 2, failed=["web.service"])
    for _ in range(2):
        with pytest.raises(HealthFailed):
            run_update(site, engine, "web1")
    behave(site.host, 2)
    assert run_update(site, engine, "web1").outcome == "done"
    assert state(site) == (2, "on", "current")
    assert rows(site) == [("update", "returned"), ("rollback", "done")] * 2 + [("update", "done")]


def test_what_had_failed_before_is_not_held_against_the_new_system(site: Site, engine: InProcess) -> None:
    behave(site.host, 1, failed=["old.service"])
    behave(site.host, 2, failed=["old.service"])
    assert run_update(site, engine, "web1").outcome == "done"


def test_a_server_that_does_not_start_goes_back(site: Site, engine: InProcess) -> None:
    behave(site.host, 2, start="its kernel was not found")
    with pytest.raises(HealthFailed, match="its kernel was not found"):
        run_update(site, engine, "web1")
    assert state(site) == (1, "on", "current")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("health", "how", "why"),
    [
        ("run check-it", {"commands": ["check-it"]}, "run check-it: status 1: no"),
        ("units", {"state": "maintenance"}, "emergency mode"),
        ("units", {"state": "starting"}, "its boot is not over after 1 s"),
    ],
)
def test_each_question_can_send_it_back(site: Site, engine: InProcess, health: str, how: object, why: str) -> None:
    site = configured(site, f'health = ["{health}"]\nhealth_time = 1')
    behave(site.host, 2, **how)  # type: ignore[arg-type]
    with pytest.raises(HealthFailed, match=why):
        run_update(site, engine, "web1")
    assert state(site) == (1, "on", "current")
    site.close()


def test_a_server_that_cannot_be_stopped_is_never_switched(site: Site, engine: InProcess) -> None:
    behave(site.host, 1, stop=True)
    with pytest.raises(StillRunning, match="nothing ended it"):
        run_update(site, engine, "web1")
    assert state(site) == (1, "on", "current")
    behave(site.host, 1)
    assert run_update(site, engine, "web1").outcome == "done"


def test_a_question_that_comes_up_behind_the_stop_starts_it_again(
    site: Site, engine: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it wrote while it was stopped is merged, too, and cannot be without a person."""
    stop = BootingHost.stop

    def stop_and_write(self: BootingHost, name: str, patience: float) -> str:
        done = stop(self, name, patience)
        on_clone(site, "web1", {"etc/plain.conf": "web1\n"})
        return done

    monkeypatch.setattr(BootingHost, "stop", stop_and_write)
    assert run_update(site, engine, "web1").outcome == "needs-review"
    assert state(site) == (1, "on", "current")
    assert cancel_update(site, "web1").state == "cancelled"
    assert state(site) == (1, "on", "current")


def test_a_check_that_fails_behind_the_stop_starts_it_again(
    site: Site, engine: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> None:
        raise ChecksFailed("web1: 1 check failed", meaning="Nothing was switched.")

    monkeypatch.setattr("goldroot.fleet.update.update.go_live", refuse)
    with pytest.raises(ChecksFailed):
        run_update(site, engine, "web1")
    assert state(site) == (1, "on", "current")
    assert host(site).log("WEB1") == ["start 1", "stop 1", "start 1"]


@pytest.mark.slow
@pytest.mark.parametrize("carry", [False, True])
def test_a_rollback_of_a_running_server(site: Site, engine: InProcess, carry: bool) -> None:
    run_update(site, engine, "web1")
    on_clone(site, "web1", {"etc/since.conf": "since\n"})
    assert roll_back(site, engine, "web1", carry=carry).outcome == "done"
    assert state(site) == (1, "on", "current")
    assert text(site, "web1", "etc/since.conf") == ("since\n" if carry else None)


@pytest.mark.slow
@pytest.mark.parametrize("carry", [False, True])
def test_a_rollback_that_comes_up_badly_goes_forward_again_and_can_be_tried_again(
    site: Site, engine: InProcess, carry: bool
) -> None:
    run_update(site, engine, "web1")
    on_clone(site, "web1", {"etc/since.conf": "since\n"})
    newer = dump(site, "web1")
    behave(site.host, 1, failed=["web.service"])
    with pytest.raises(HealthFailed, match="after the rollback to gold 1"):
        roll_back(site, engine, "web1", carry=carry)
    assert state(site) == (2, "on", "current")
    assert dump(site, "web1") == newer
    with site.catalog.read() as tx:
        assert updates.last_fallback(tx, "web1") is not None, "the way back is still there"
    behave(site.host, 1)
    assert roll_back(site, engine, "web1", carry=carry).outcome == "done"
    assert state(site) == (1, "on", "current")


def test_what_was_removed_is_remembered_through_a_return(site: Site, engine: InProcess) -> None:
    on_clone(site, "web1", {"etc/app.conf": None})
    run_update(site, engine, "web1")
    removed = memory_of(site, "web1").data()
    behave(site.host, 1, failed=["web.service"])
    with pytest.raises(HealthFailed):
        roll_back(site, engine, "web1")
    assert memory_of(site, "web1").data() == removed


def test_the_host_that_starts_no_machines_is_as_it_was(room: Path, engine: InProcess) -> None:
    site = small_site(room)
    clones.create_clone(site, "web1", IMAGE)
    next_gold(site, {"etc/plain.conf": "gold 2\n"})
    assert run_update(site, engine, "web1").outcome == "done"
    with site.catalog.read() as tx:
        assert not {"was_on", "health", "step"} & updates.every(tx, "web1")[0].told.keys()
    with pytest.raises(Refused, match="does not start machines"):
        machines.start_machine(site, "web1")
    with pytest.raises(Refused, match="does not start or stop machines"):
        machines.plan_start(site, "web1")
    site.close()


def test_the_machine_of_a_clone_is_told_from_what_it_runs(site: Site) -> None:
    (found,) = machines.machine_states(site)
    assert (found.clone.name, found.power.state, found.power.runs) == ("web1", "on", "current")
    assert clones.show_clone(site, "web1")["runs"] == "current"
    assert machines.run_in_machine(site, "web1", ["true"], 5).status == 0
    assert machines.console_lines(site, "web1", 5) == ["start 1"]
    with pytest.raises(StillRunning) as caught:
        clones.enter_clone(site, "web1", ["true"], capture=True)
    assert caught.value.todo == "Run it in the running system: goldroot machine run web1 COMMAND"
    assert machines.stop_machine(site, "web1") == "asked"
    assert machines.stop_machine(site, "web1") == "off"
    with pytest.raises(Refused, match="does not run"):
        machines.run_in_machine(site, "web1", ["true"], 5)


def test_a_clone_that_is_removed_is_stopped_by_a_person(site: Site) -> None:
    with pytest.raises(StillRunning):
        clones.delete_clone(site, "web1")
    machines.stop_machine(site, "web1")
    clones.delete_clone(site, "web1")
    assert not os.path.exists(site.path("records", "web1"))


def test_words_of_a_return_name_what_did_not_start(site: Site, engine: InProcess) -> None:
    behave(site.host, 2, failed=["web.service"])
    behave(site.host, 1, start="no room")
    with pytest.raises(HealthFailed, match=r"web\.service") as caught:
        run_update(site, engine, "web1")
    assert "was not started: no room" in caught.value.meaning
    assert state(site) == (1, "off", "nothing")
    assert power.RETURNED == "returned"
