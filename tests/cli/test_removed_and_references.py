"""The commands of what stays removed and of what a server points at, as a person gives them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from goldroot.cli.failure import guarded
from goldroot.cli.main import cli
from goldroot.site import Site
from support.commands import said
from support.fleet import IMAGE, ROOT, live, next_gold, on_clone, small_site
from support.trees import File, Link, make_tree

UNIT = "usr/lib/systemd/system/dhcpd.service"
WANTS = "etc/systemd/system/multi-user.target.wants"


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """web1 on gold 1, which has a unit that it has enabled, and a motd that it has removed."""
    made = small_site(tmp_path, {**ROOT, UNIT: "[Unit]\n", "etc/motd": "hello\n"})
    monkeypatch.setenv("GOLDROOT_SITE", made.root)
    assert guarded(cli, ["clone", "create", "web1", "--image", IMAGE]) == 0
    on_clone(made, "web1", {"etc/motd": None})
    root = live(made, "web1").root(b"etc")
    os.makedirs(f"{root}/{WANTS}")
    os.symlink(f"/{UNIT}", f"{root}/{WANTS}/dhcpd.service")
    yield made
    made.close()


@pytest.mark.slow
def test_what_is_remembered_is_shown_and_forgotten(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    next_gold(fleet, {"etc/motd": None})
    assert said(capsys, "update", "run", "web1")[0] == 0
    assert "removed    /etc/motd" in said(capsys, "clone", "show", "web1")[1]
    next_gold(fleet, {"etc/motd": "hello\n"})
    assert "1 removed-before" in said(capsys, "update", "plan", "web1")[1]
    code, out = said(capsys, "clone", "forget", "web1", "/etc/other")
    assert code != 0 and "does not remember that /etc/other was removed" in out
    assert said(capsys, "clone", "forget", "web1", "/etc/motd", "--plan")[0] == 0
    assert "removed    /etc/motd" in said(capsys, "clone", "show", "web1")[1]
    code, out = said(capsys, "clone", "forget", "web1", "/etc/motd")
    assert code == 0 and "/etc/motd is forgotten" in out
    assert json.loads(said(capsys, "clone", "show", "web1", "--json")[1])["removed"] == []


@pytest.mark.slow
def test_a_forecast_names_servers_and_what_they_would_lose(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = said(capsys, "gold", "forecast", IMAGE, "--tested")
    assert code != 0 and "was not tested" in out
    next_gold(fleet, {"etc/plain.conf": "2\n"})
    code, out = said(capsys, "gold", "forecast", IMAGE)
    assert code == 0 and "Not known, as no plan or merge has seen them: web1" in out
    assert said(capsys, "update", "run", "web1")[0] == 0
    next_gold(fleet, {UNIT: None})
    code, out = said(capsys, "gold", "forecast", IMAGE)
    assert code == 1 and "web1 would lose 1 thing" in out and f"/{WANTS}/dhcpd.service" in out
    code, out = said(capsys, "gold", "forecast", IMAGE, "--to", "3", "--json")
    assert code == 1 and json.loads(out)["servers"]["web1"][0]["kind"] == "unit"
    assert "are two things" in said(capsys, "gold", "forecast", IMAGE, "--to", "3", "--tested")[1]


def test_the_merge_of_a_part_is_told_the_roots_and_the_last_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = make_tree(tmp_path / "old", {"etc/keep": "x", "usr/bin/vim": File("#!/bin/sh\n", mode=0o755)})
    new = make_tree(tmp_path / "new", {"etc/keep": "x", "etc/motd": "m", "usr/bin": Link("../bin")})
    make_tree(tmp_path / "server", {"etc/keep": "x", "etc/editor": Link("/usr/bin/vim")})
    record = tmp_path / "last.json"
    data = {"memory": {"after": [{"path": "/etc/motd"}]}}
    record.write_text(json.dumps(data))
    args = ["merge", "--base", str(old / "etc"), "--gold", str(new / "etc"), "--clone", str(tmp_path / "server/etc")]
    code, out = said(capsys, *args, "--at", "/etc", "--plan")
    assert code == 0 and "references-not-checked (1)" in out and "memory-not-given (1)" in out
    more = ["--system", str(old), str(new), "--after", str(record)]
    code, out = said(capsys, *args, "--at", "/etc", "--plan", *more)
    assert code == 1 and "/etc/editor  [reference]" in out and "/etc/motd  [presence]" in out
