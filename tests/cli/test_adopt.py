"""``goldroot clone adopt``: what it prints, for people and programs, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fleet.test_adopt import GOLD, SERVER
from goldroot.cli.main import main
from goldroot.fleet.clones import show_clone
from goldroot.site import Site
from goldroot.views import CloneAdopted
from support.fleet import next_gold, small_site, text
from support.former import former
from support.killing import kill_at
from support.trees import File, dump_tree, make_tree


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A server of which a package, a program and a service have no place in gold."""
    site: Site = small_site(tmp_path, GOLD)
    site.close()
    monkeypatch.setenv("GOLDROOT_SITE", site.root)
    return make_tree(tmp_path / "server", {
        **SERVER, "opt/app/run": File("app\n", mode=0o755), "etc/systemd/system/app.service": "[Service]\nExecStart=/opt/app/run\n",
    })  # fmt: skip


def run(*args: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(args))
    code = ended.value.code
    assert isinstance(code, int)
    return code


def adopt(server: Path, *more: str) -> int:
    return run("clone", "adopt", "shop", "--from", str(server), "--image", "small", *more)


def as_json(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(capsys.readouterr().out)
    CloneAdopted.model_validate(data)
    return data


@pytest.mark.root
def test_it_says_what_does_not_come_along_and_exits_with_1(server: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert adopt(server, "--plan") == 1
    planned = capsys.readouterr().out
    assert adopt(server) == 1
    done = capsys.readouterr().out
    assert planned.replace("would become", "is") == done
    for words in (
        "shop is a clone of small 1, host name shop", "the nearest version: gold 1: 2 packages differ",
        "packages that only the server has, whose programs do not come along: 1\n  own 3\n",
        "packages that only gold has, and the server has from now on: 1\n  new 1\n",
        "  added    /opt (2 paths in it), of no package\n", "  changed  /etc/app.conf (content)\n",
        "gold's, and removed by the server; it stays removed: 1\n  /etc/gone.conf\n", "/opt/app",
    ):  # fmt: skip
        assert words in done, words
    assert adopt(server) == 0
    assert capsys.readouterr().out.startswith("shop: nothing is new on the server\n")
    (server / "srv/www/index").write_text("new\n")
    assert adopt(server, "--plan") == 0
    assert "shop: would take 1 path that is new on the server\n  changed  /srv/www/index\n" in capsys.readouterr().out
    assert adopt(server) == 0
    assert run("clone", "show", "shop") == 0


@pytest.mark.root
def test_programs_get_the_published_shape(server: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert adopt(server, "--plan", "--json") == 1
    planned = as_json(capsys)
    assert adopt(server, "--json") == 1
    done = as_json(capsys)
    assert {**planned, "plan": False} == done
    assert (done["extra"], [one["path"] for one in done["lost"]]) == (
        [{"name": "own", "server": "3", "gold": ""}], ["/opt"],
    )  # fmt: skip
    (server / "etc/own.conf").write_text("own = 2\n")
    assert adopt(server, "--json") == 0
    later = as_json(capsys)
    assert (later["first"], later["new"]) == (False, [{"path": "/etc/own.conf", "what": "changed"}])


def test_a_server_that_has_nothing_beside_gold_ends_with_0(tmp_path: Path, server: Path) -> None:
    same = make_tree(tmp_path / "same", {**GOLD, "etc/hostname": "same\n"})
    assert run("clone", "adopt", "same", "--from", str(same), "--image", "small") == 0


def test_mistakes_are_told(server: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert adopt(server / "none") == 2
    assert adopt(server, "--sudo") == 2
    assert adopt(server, "--gold", "9") == 3
    assert run("clone", "adopt", "shop", "--from", "ssh:-x", "--image", "small") == 2
    assert run("clone", "adopt", "shop", "--from", str(server), "--image", "none") == 3
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.root
def test_a_read_write_clone_has_copies_of_the_shared_disks(server: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert adopt(server, "--read-write", "--plan") == 1
    planned = capsys.readouterr().out
    assert planned.startswith("shop would become a read-write clone of small 1")
    assert adopt(server, "--read-write", "--json") == 1
    assert as_json(capsys)["kind"] == "read-write"
    site = Site.open()
    shown = show_clone(site, "shop")
    assert (shown["kind"], shown["links"]) == ("read-write", {}) and set(shown["disks"]) == {"1B1", "1B5", "1B6"}
    gold, copy = (former(site).at(name, "1B1").path for name in ("SMALLGOLD", "SHOP"))
    assert dump_tree(copy) == dump_tree(gold)
    assert text(site, "shop", "etc/own.conf") == "own = 1\n"
    (server / "etc/own.conf").write_text("own = 2\n")
    assert adopt(server, "--json") == 0
    later = as_json(capsys)
    assert (later["kind"], later["new"]) == ("read-write", [{"path": "/etc/own.conf", "what": "changed"}])
    assert set(show_clone(site, "shop")["disks"]) == {"1B1", "1B5", "1B6"} and dump_tree(copy) == dump_tree(gold)
    assert run("doctor") == 0
    next_gold(site, {"usr/bin/tool": "#!/bin/sh\necho 2\n", "etc/plain.conf": "gold\n"})
    site.close()
    capsys.readouterr()
    assert run("update", "run", "shop") in (0, 1)
    out = capsys.readouterr().out
    if "to decide" in out:
        assert run("review", "resolve", "shop", "--all", "--take", "server") == 0 and run("update", "run", "shop") == 0
    again = Site.open()
    gold, copy = (former(again).at(name, "1B1").path for name in ("SMALLGOLD2", "SHOP"))
    assert dump_tree(copy) == dump_tree(gold) and text(again, "shop", "etc/own.conf") == "own = 2\n"
    again.close()
    assert run("doctor") == 0


@pytest.mark.root
@pytest.mark.slow
def test_what_was_cut_off_goes_on_in_the_same_form_only(server: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for point in ("adopt.shared-copied", "adopt.disk-filled"):
        kill_at(point, lambda: adopt(server, "--read-write"))
        assert adopt(server) == 3
        assert "the making of shop, read-write, from small 1 on host local was cut off" in capsys.readouterr().err
        assert adopt(server, "--read-write") == 1
        assert run("clone", "delete", "shop") == 0
    assert adopt(server) == 1 and adopt(server, "--read-write") == 3
    assert "as a read-only clone" in capsys.readouterr().err
