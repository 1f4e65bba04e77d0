"""A group that may look: it reads exported views, and nothing else of the site."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from goldroot.cli.failure import guarded
from goldroot.cli.main import cli
from goldroot.site import Site
from support.fleet import IMAGE, moved_site
from support.fork_server import ForkServer

pytestmark = pytest.mark.root

#: User 65534 is a member of this group, 60 of none.
GROUP, MEMBER, STRANGER = "nogroup", 65534, 60


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site of a group, in a place that others can come to."""
    room = Path(tempfile.mkdtemp(prefix="goldroot-group-"))
    room.chmod(0o755)
    made = moved_site(room)
    said(made, 'group = "nogroup"')
    yield made
    made.close()
    shutil.rmtree(room)


def said(site: Site, line: str) -> None:
    config = Path(site.path("goldroot.toml"))
    config.write_text(f"{line}\n{config.read_text()}")


def own(site: Site, *words: str) -> None:
    assert guarded(cli, [*words, "--site", site.root]) == 0


def test_members_look_and_nobody_else_does(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    own(site, "clone", "create", "web3", "--image", IMAGE)
    capsys.readouterr()
    server = ForkServer()
    try:
        for words in (("status",), ("log",), ("clone", "list"), ("update", "list", "--all"), ("fallback", "list")):
            own(site, *words, "--json")
            mine = json.loads(capsys.readouterr().out)
            ran = server.run(*words, "--site", site.root, "--json", "-q", user=MEMBER)
            assert ran.status == 0, ran.said
            assert json.loads(ran.said) == mine, words
            assert server.run(*words, "--site", site.root, user=STRANGER).status in (3, 4), words
        shown = server.run("clone", "list", "--site", site.root, user=MEMBER)
        assert "web3" in shown.said and "goldroot: as it was at" in shown.said
        for words in (
            ("clone", "show", "web1"),
            ("update", "run", "web1"),
            ("gold", "publish", IMAGE),
            ("doctor",),
            ("backup", "/tmp/x"),
        ):
            ran = server.run(*words, "--site", site.root, user=MEMBER)
            assert ran.status in (3, 4) and "bug" not in ran.said, (words, ran.said)
    finally:
        server.close()


@pytest.mark.slow
def test_members_see_the_plans_that_the_owner_made(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    own(site, "status", "-q")
    server = ForkServer()

    def looks(*words: str) -> Any:
        ran = server.run("update", "plan", *words, "--site", site.root, user=MEMBER)
        return ran.status, ran.said

    try:
        code, told = looks("web2")
        assert code == 3 and "no plan of web2 was written for others" in told and "goldroot update plan web2" in told
        own(site, "update", "plan", "web2", "--json")
        mine = json.loads(capsys.readouterr().out)
        code, told = looks("web2", "--json", "-q")
        assert code == 0 and json.loads(told) == mine and mine["plans"][0]["to"] == 2
        own(site, "update", "plan", "web2")
        words = capsys.readouterr().out
        code, told = looks("web2")
        assert code == 0 and words in told and "plan-web2: as it was at 2" in told
        assert looks("web2", "--to", "1")[0] == 3, "that is another plan"
        for name in ("../web2", "plan-web2", "web1"):
            assert looks(name)[0] in (2, 3), name
        assert server.run("update", "plan", "web2", "--site", site.root, user=STRANGER).status in (3, 4)
        loose = Path(site.path("views", "plan-web2.json"))
        assert loose.stat().st_mode & 0o7777 == 0o640
        own(site, "update", "run", "web2")
        assert not loose.exists() and looks("web2")[0] == 3, "it has moved on"
    finally:
        server.close()


@pytest.mark.slow
def test_without_a_group_a_plan_writes_nothing(site: Site) -> None:
    config = Path(site.path("goldroot.toml"))
    config.write_text(config.read_text().replace('group = "nogroup"', ""))
    own(site, "update", "plan", "web2")
    assert not Path(site.path("views")).exists()


def test_only_the_views_are_open(site: Site) -> None:
    own(site, "status")
    loose = {
        str(path.relative_to(site.root)): path.stat().st_mode & 0o7777
        for path in [Path(site.root), *Path(site.root).iterdir(), *Path(site.path("views")).iterdir()]
        if path.stat().st_mode & 0o077
    }
    assert loose.pop(".") == 0o710 and loose.pop("views") == 0o2750
    assert set(loose.values()) == {0o640} and all(name.startswith("views/") for name in loose)
    own(site, "status")
    assert os.stat(site.root).st_mode & 0o777 == 0o710, "it is not closed and opened at each command"


@pytest.mark.slow
def test_a_group_that_is_taken_back_sees_nothing_more(site: Site) -> None:
    own(site, "status")
    config = Path(site.path("goldroot.toml"))
    config.write_text(config.read_text().replace('group = "nogroup"', ""))
    own(site, "status")
    assert os.stat(site.root).st_mode & 0o077 == 0
    server = ForkServer()
    try:
        assert server.run("status", "--site", site.root, user=MEMBER).status == 4
    finally:
        server.close()


def test_a_group_that_there_is_not_is_told_and_stops_nobody(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    config = Path(site.path("goldroot.toml"))
    config.write_text(config.read_text().replace("nogroup", "no-such-group"))
    own(site, "status")
    assert "there is no group 'no-such-group'" in capsys.readouterr().err
