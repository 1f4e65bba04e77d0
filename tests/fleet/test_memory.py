"""What a server removed is remembered from version to version, and each version of its system has a list of its own."""

from __future__ import annotations

import pytest

from goldroot.errors import NotFound, StillRunning
from goldroot.fleet import clones, forget_removed, plan_update, show_clone
from goldroot.fleet.rollback.rollback import roll_back
from goldroot.fleet.update.memory import memory_of
from goldroot.fleet.update.update import run_update
from goldroot.site import Site
from goldroot.workflow import InProcess
from support.fleet import IMAGE, next_gold, on_clone, text
from support.former import former
from support.marks import slow

MOTD = {"etc/motd": "hello\n"}
GONE = {"etc/motd": None}


def without(site: Site, engine: InProcess) -> None:
    """web1, made of gold 2 with a motd, has removed it, and is on gold 3, which has none."""
    next_gold(site, MOTD)
    clones.create_clone(site, "web1", IMAGE)
    assert remembered(site) == []
    on_clone(site, "web1", GONE)
    next_gold(site, GONE)
    assert run_update(site, engine, "web1").outcome == "done"


def remembered(site: Site) -> list[str]:
    return [place.decode() for place in memory_of(site, "web1").entries]


@pytest.mark.slow
def test_it_stays_removed_when_a_later_gold_has_it_again(site: Site, engine: InProcess) -> None:
    without(site, engine)
    assert remembered(site) == show_clone(site, "web1")["removed"] == ["/etc/motd"]
    next_gold(site, MOTD)
    plan = plan_update(site, "web1")
    assert [note["path"] for note in plan.record["notes"] if note["kind"] == "removed-before"] == ["/etc/motd"]
    assert run_update(site, engine, "web1").outcome == "done"
    assert text(site, "web1", "etc/motd") is None
    assert remembered(site) == []  # gold has it: the next merge tells by itself


@pytest.mark.slow
def test_forgotten_by_a_person_it_arrives(site: Site, engine: InProcess) -> None:
    without(site, engine)
    with pytest.raises(NotFound, match="does not remember that /etc/other"):
        forget_removed(site, "web1", "/etc/other")
    forget_removed(site, "web1", "/etc/motd", plan_only=True)
    assert remembered(site) == ["/etc/motd"]
    forget_removed(site, "web1", "/etc/motd")
    assert remembered(site) == []
    next_gold(site, MOTD)
    assert run_update(site, engine, "web1").outcome == "done"
    assert text(site, "web1", "etc/motd") == "hello\n"


@pytest.mark.slow
@pytest.mark.parametrize("carry", [False, slow(True)])
def test_a_rollback_takes_the_fallbacks_list(site: Site, engine: InProcess, carry: bool) -> None:
    without(site, engine)
    next_gold(site, MOTD)
    assert run_update(site, engine, "web1").outcome == "done"
    assert remembered(site) == []
    assert roll_back(site, engine, "web1", carry=carry).outcome == "done"
    assert remembered(site) == ["/etc/motd"]
    assert run_update(site, engine, "web1").outcome == "done"
    assert text(site, "web1", "etc/motd") is None


@pytest.mark.slow
def test_an_update_that_was_forgotten_about_meanwhile_is_merged_again(site: Site, engine: InProcess) -> None:
    """Between the merge and the switch a person has the path forgotten."""
    without(site, engine)
    next_gold(site, MOTD)
    with former(site).running("WEB1"), pytest.raises(StillRunning):
        run_update(site, engine, "web1")
    forget_removed(site, "web1", "/etc/motd")
    assert run_update(site, engine, "web1").outcome == "done"
    assert text(site, "web1", "etc/motd") == "hello\n"
