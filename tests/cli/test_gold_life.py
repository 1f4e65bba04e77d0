"""The life of gold by command: retired, taken back, removed with its image; and plans of many servers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from goldroot.catalog import disks, events, gold
from goldroot.cli.failure import guarded
from goldroot.cli.main import cli
from goldroot.image import MAINTENANCE, System
from goldroot.site import Site
from goldroot.views import GoldRestored, GoldRetired, GroupedConflict, ImageDeleted, UpdatePlan
from support.commands import data, said
from support.fleet import IMAGE, next_gold, on_clone, text
from support.former import former
from support.killing import kill_at, points_of


@pytest.fixture
def moved(fleet: Site, capsys: pytest.CaptureFixture[str]) -> Site:
    """web1 is on gold 2, web2 on gold 1."""
    next_gold(fleet, {"etc/plain.conf": "gold\n"})
    assert said(capsys, "update", "run", "web1")[0] == 0
    return fleet


@pytest.mark.slow
def test_a_retirement_says_what_follows(moved: Site, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = said(capsys, "gold", "retire", IMAGE, "2", "--plan")
    assert code == 0 and "In its place that is gold 1, which is older." in out
    assert "1 server (web1) on it: no update takes one back by itself" in out
    assert f"goldroot gold restore {IMAGE} 2" in out
    one = data(capsys, "gold", "retire", IMAGE, "2")
    assert GoldRetired.model_validate(one).as_json() == one
    assert one["follows"] == {"was_current": True, "current": 1, "on_it": ["web1"], "under_way": []}


@pytest.mark.slow
def test_a_retirement_of_an_older_version_changes_nothing_for_updates(
    moved: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = said(capsys, "gold", "retire", IMAGE, "1")
    assert code == 0 and "In its place" not in out and "1 server (web2) on it" in out
    assert said(capsys, "update", "run", "web2")[0] == 0


def test_a_retirement_of_the_only_version_says_that_nothing_is_left(
    fleet: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "No version is published then" in said(capsys, "gold", "retire", IMAGE, "1")[1]
    code, out = said(capsys, "clone", "create", "web3", "--image", IMAGE)
    assert code == 3 and "retired" in out


@pytest.mark.slow
def test_no_update_takes_a_server_back(moved: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "gold", "retire", IMAGE, "2")[0] == 0
    words = "gold 2 is retired, and the newest that is published, gold 1, is older"
    for command in (("update", "plan", "web1"), ("update", "run", "web1"), ("update", "run", "--all")):
        code, out = said(capsys, *command)
        assert code == 0 and words in out
    assert text(moved, "web1", "etc/plain.conf") == "gold\n"
    (plan,) = data(capsys, "update", "plan", "web1")["plans"]
    assert plan["to"] == 2 and words in plan["stays"] and UpdatePlan.model_validate(plan).as_json() == plan
    assert "2 (retired)" in said(capsys, "clone", "list")[1]
    assert said(capsys, "update", "run", "web1", "--to", "1")[0] == 0, "who names it may go there"
    assert text(moved, "web1", "etc/plain.conf") == "plain\n"


@pytest.mark.slow
def test_an_update_on_its_way_to_a_retired_version_goes_on(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    on_clone(fleet, "web1", {"etc/plain.conf": "mine\n"})
    next_gold(fleet, {"etc/plain.conf": "gold\n"})
    assert said(capsys, "update", "run", "web1")[0] == 1
    assert "1 server (web1) on the way to it: that goes on." in said(capsys, "gold", "retire", IMAGE, "2")[1]
    assert said(capsys, "review", "resolve", "web1", "--all", "--take", "server")[0] == 0
    assert said(capsys, "update", "run", "web1")[0] == 0
    assert data(capsys, "clone", "show", "web1")["version"] == 2


@pytest.mark.slow
def test_a_retirement_is_taken_back_while_the_slot_is_untouched(
    moved: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(capsys, "gold", "retire", IMAGE, "2")[0] == 0
    assert said(capsys, "gold", "restore", IMAGE, "2", "--plan")[0] == 0
    assert [row["state"] for row in data(capsys, "gold", "list", IMAGE)].count("retired") == 1
    one = data(capsys, "gold", "restore", IMAGE, "2")
    assert GoldRestored.model_validate(one).as_json() == one
    assert (one["state"], one["current"]) == ("published", 2)
    assert data(capsys, "gold", "restore", IMAGE, "2") == one, "again: nothing"
    assert said(capsys, "update", "run", "web2")[0] == 0
    assert text(moved, "web2", "etc/plain.conf") == "gold\n"


@pytest.mark.slow
def test_what_is_gone_or_was_written_is_not_taken_back(moved: Site, capsys: pytest.CaptureFixture[str]) -> None:
    next_gold(moved, {"etc/plain.conf": "newer\n"})
    for words in (("gold", "retire", IMAGE, "3", "--remove"), ("gold", "retire", IMAGE, "2")):
        assert said(capsys, *words)[0] == 0
    for plan in ((), ("--plan",)):
        code, out = said(capsys, "gold", "restore", IMAGE, "3", *plan)
        assert code == 3 and "has no disks any more" in out
        assert said(capsys, "gold", "restore", IMAGE, "9", *plan)[0] == 3
    Path(former(moved).at("SMALLGOLD2", "1B5").path, "etc/plain.conf").write_text("somebody's\n")
    for plan in ((), ("--plan",)):
        code, out = said(capsys, "gold", "restore", IMAGE, "2", *plan)
        assert code == 4 and "is not what was published: /etc/plain.conf" in out
    with moved.catalog.read() as tx:
        assert gold.get(tx, IMAGE, 2).state == "retired"


@pytest.mark.slow
def test_a_removal_that_was_cut_off_is_not_taken_back(moved: Site, capsys: pytest.CaptureFixture[str]) -> None:
    next_gold(moved, {"etc/plain.conf": "newer\n"})
    remove = ["gold", "retire", IMAGE, "3", "--remove"]
    kill_at("retire-marked", lambda: guarded(cli, remove))
    code, out = said(capsys, "gold", "restore", IMAGE, "3")
    assert code == 3 and f"goldroot gold retire {IMAGE} 3 --remove" in out
    assert said(capsys, *remove)[0] == 0


def nothing_stands(site: Site) -> bool:
    """Whether the host has no entry and no disk, and the catalog has no row of one."""
    with site.catalog.read() as tx:
        rows = [disks.of_owner(tx, site.host.name, name) for name in ("SMALLRWMNT", "SMALLGOLD", "SMALLGOLD2")]
    return list(site.host.entries()) == [] and os.listdir(site.path("store", "disks")) == [] and not any(rows)


def test_an_image_with_clones_is_not_removed(moved: Site, capsys: pytest.CaptureFixture[str]) -> None:
    for plan in ((), ("--plan",)):
        code, out = said(capsys, "image", "delete", IMAGE, *plan)
        assert code == 3 and "clones are made from image small: web1, web2" in out
    assert said(capsys, "image", "delete", "nosuch")[0] == 3
    assert said(capsys, "image", "delete", "../locks")[0] == 2


@pytest.mark.slow
def test_an_image_is_removed_with_all_that_is_of_it(
    moved: Site, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert said(capsys, "clone", "delete", "web1", "web2")[0] == 0
    planned = data(capsys, "image", "delete", IMAGE, "--plan")
    assert ImageDeleted.model_validate(planned).as_json() == planned
    assert planned["versions"] == [1, 2] and set(planned["machines"]) == {"SMALLRWMNT", "SMALLGOLD", "SMALLGOLD2"}
    assert data(capsys, "image", "delete", IMAGE) == {**planned, "plan": False}
    assert nothing_stands(moved)
    assert os.listdir(moved.path("images")) == [] and data(capsys, "image", "list") == []
    with moved.catalog.read() as tx:
        assert events.latest(tx, f"image:{IMAGE}")[-1].what == "image-deleted"
    code, out = said(capsys, "image", "delete", IMAGE)
    assert code == 3 and "there is no image" in out
    assert said(capsys, "image", "import", IMAGE, "--from", str(tmp_path / "root"))[0] == 0, "the name is free again"
    assert said(capsys, "gold", "publish", IMAGE, "--untested")[0] == 0
    assert said(capsys, "clone", "create", "web1", "--image", IMAGE)[0] == 0


def test_an_image_in_which_somebody_works_is_not_removed(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "clone", "delete", "web1", "web2")
    system = System(fleet, IMAGE, MAINTENANCE)
    with system.host.hold(system.machine, runs=True):
        code, out = said(capsys, "image", "delete", IMAGE)
    assert code == 3 and "SMALLRWMNT" in out
    assert data(capsys, "image", "list")[0]["name"] == IMAGE


REMOVE = ["image", "delete", IMAGE]


@pytest.mark.parametrize("point", ["disk.removed:2", "image-forgotten"])
def test_a_removal_that_was_killed_is_finished_by_its_repetition(
    point: str, fleet: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(capsys, "clone", "delete", "web1", "web2")[0] == 0
    kill_at(point, lambda: guarded(cli, REMOVE))
    assert said(capsys, *REMOVE)[0] == 0
    assert nothing_stands(fleet) and os.listdir(fleet.path("images")) == []


@pytest.mark.slow
def test_a_removal_that_is_killed_anywhere_is_finished_by_its_repetition(
    fleet: Site, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert said(capsys, "clone", "delete", "web1", "web2")[0] == 0
    points = points_of(lambda: guarded(cli, REMOVE))
    assert {point.partition(":")[0] for point in points} >= {
        "image-marked", "disk.removed", "image-undefined", "image-disks-removed", "image-forgotten",
    }  # fmt: skip
    for point in points:
        assert guarded(cli, ["image", "import", IMAGE, "--from", str(tmp_path / "root")]) == 0
        assert guarded(cli, ["gold", "publish", IMAGE, "--untested"]) == 0
        kill_at(point, lambda: guarded(cli, REMOVE))
        code, out = said(capsys, *REMOVE)
        assert code == 0, (point, out)
        assert nothing_stands(fleet), point
        assert os.listdir(fleet.path("images")) == [], point


@pytest.mark.slow
def test_plans_of_many_servers_tell_each_conflict_once(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "clone", "create", "web3", "--image", IMAGE)
    for name, line in (("web1", "mine\n"), ("web2", "mine\n"), ("web3", "its\n")):
        on_clone(fleet, name, {"etc/plain.conf": line})
    next_gold(fleet, {"etc/plain.conf": "gold\n"})
    code, out = said(capsys, "update", "plan", "web1", "web2", "web3")
    assert code == 1 and out.count("/etc/plain.conf  [content]") == 1
    assert "on web1, web2  (key " in out and "one answer serves them)" in out and "on web3  (key " in out
    found = data(capsys, "update", "plan", "web1", "web2", "web3")
    (group,) = found["conflicts"]
    assert GroupedConflict.model_validate(group).as_json() == group
    assert list(group["clones"].values()) == [["web1", "web2"], ["web3"]]
    key = next(iter(group["clones"]))
    assert key in {one["key"] for one in found["plans"][0]["record"]["conflicts"]}
    assert "To be decided:" not in said(capsys, "update", "plan", "web1")[1]


def test_a_gold_version_is_called_version_in_the_json_of_every_command(
    fleet: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    (row,) = data(capsys, "gold", "list")
    one = data(capsys, "gold", "verify", IMAGE, "1")
    assert row["version"] == row["number"] == one["version"] == 1
    assert data(capsys, "clone", "diff", "web1")["version"] == 1
    assert {row["version"] for row in data(capsys, "linked")} == {1, None}, "of free slots there is none"
