"""Where DBOS is not installed, a run's journal ends with its process: what was done is known by catalog and entries alone."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

import pytest

from goldroot.catalog import clones, updates
from goldroot.cli.failure import guarded
from goldroot.cli.main import cli
from goldroot.fleet import engine_of
from goldroot.site import Site
from goldroot.workflow import InProcess
from support.fleet import dump, moved_site
from support.killing import kill_at, points_of
from support.marks import slow

#: Before the first attempt, in each step, and when all is done but what ends the run.
UPDATE = (
    "update.begun:1", "update.filling:1", slow("update.conflicts-stored:1"), slow("update.checks-passed:1"),
    slow("update.switching:1"), "update.switched:1", slow("update.switch-noted:1"), "update.noted:1",
)  # fmt: skip
ROLLBACK = ("rollback.begun:1", slow("rollback.switching:1"), "rollback.switched:1", slow("rollback.noted:1"))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """web1 was moved to gold 2, web2 is on gold 1; there is no DBOS."""
    found = moved_site(tmp_path)
    monkeypatch.setenv("GOLDROOT_SITE", found.root)
    for module in [name for name in sys.modules if name.partition(".")[0] == "dbos"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.delitem(sys.modules, "goldroot.workflow.durable", raising=False)
    monkeypatch.setitem(sys.modules, "dbos", None)  # an import of it fails as where it is not installed
    found.close()
    return found


def whole(site: Site, name: str, version: int) -> None:
    """The server is on that version, with its files, and nothing of it is in flight."""
    with closing(Site.open(site.root)) as now, now.catalog.read() as tx:
        assert clones.get(tx, name).version == version
        assert updates.in_flight(tx, name) is None
        line = dump(now, name)["1B5:etc/plain.conf"].content
    assert (line == b"gold\n") == (version == 2)


def test_the_engine_is_the_one_in_memory(site: Site) -> None:
    with closing(Site.open(site.root)) as now, engine_of(now) as engine:
        assert engine.pending() == []
        assert isinstance(getattr(engine, "_engine"), InProcess)  # noqa: B009


def test_commands_work_and_say_the_same(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(cli, ["update", "run", "web2"]) == 0
    assert "web2: switched from gold 1 to 2" in capsys.readouterr().out
    assert guarded(cli, ["update", "run", "web2"]) == 0
    assert guarded(cli, ["rollback", "web2"]) == 0
    whole(site, "web2", 1)
    assert guarded(cli, ["update", "run", "web1", "web2", "--jobs", "2"]) == 0
    whole(site, "web2", 2)


@pytest.mark.parametrize("point", UPDATE)
def test_an_update_that_was_killed_is_finished(site: Site, point: str) -> None:
    kill_at(point, lambda: guarded(cli, ["update", "run", "web2"]))
    assert guarded(cli, ["update", "run", "web2"]) == 0
    whole(site, "web2", 2)
    assert guarded(cli, ["rollback", "web2"]) == 0
    whole(site, "web2", 1)


@pytest.mark.parametrize("point", ROLLBACK)
def test_a_rollback_that_was_killed_is_finished(site: Site, point: str) -> None:
    kill_at(point, lambda: guarded(cli, ["rollback", "web1"]))
    assert guarded(cli, ["rollback", "web1"]) in (0, 3)  # 3: it was done, and there is nothing to go back to
    whole(site, "web1", 1)


@pytest.mark.slow
def test_killed_at_each_of_its_points_it_is_finished(site: Site, tmp_path: Path) -> None:
    twin = moved_site(tmp_path / "twin")
    twin.close()
    for number, point in enumerate(points_of(lambda: guarded(cli, ["update", "run", "web2", "--site", twin.root]))):
        one = moved_site(tmp_path / str(number))
        one.close()
        kill_at(point, lambda one=one: guarded(cli, ["update", "run", "web2", "--site", one.root]))  # type: ignore[misc]
        assert guarded(cli, ["update", "run", "web2", "--site", one.root]) == 0, point
        whole(one, "web2", 2)
