"""Hosts of a site, by the commands of a person and of a program."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from goldroot.cli.failure import guarded
from goldroot.cli.main import cli
from support.fleet import IMAGE, next_gold, small_site
from support.trees import Seen, dump_tree
from support.two_hosts import with_west

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def goldroot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command on a site with two hosts and one gold version; gives exit code and output."""
    with_west(small_site(tmp_path)).close()
    monkeypatch.setenv("GOLDROOT_SITE", str(tmp_path / "site"))

    def run(*args: str) -> tuple[int, str]:
        code = guarded(cli, list(args))
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


def data(done: tuple[int, str], code: int = 0) -> Any:
    assert done[0] == code, done[1]
    return json.loads(done[1])


def test_gold_is_copied_listed_verified_and_removed_for_each_host(goldroot: Run) -> None:
    assert goldroot("gold", "replicate", IMAGE, "--to", "west", "--plan") == (
        0, "would copy gold version 1 of small from host local\nto the slot SMALLGOLD on host west\n",
    )  # fmt: skip
    note = "note: 48 paths belong to the caller, as giving them away needs root; their owners are recorded\n"
    assert goldroot("gold", "replicate", IMAGE, "--to", "west") == (
        0, ("" if os.geteuid() == 0 else note) + "Gold version 1 of small has a copy on host west, in SMALLGOLD.\n",
    )  # fmt: skip
    assert "already" in goldroot("gold", "replicate", IMAGE, "1", "--to", "west")[1]
    assert data(goldroot("gold", "replicate", IMAGE, "--to", "west", "--plan", "--json"))["new"] is False
    assert "local: SMALLGOLD, west: SMALLGOLD" in goldroot("gold", "list")[1]
    (row,) = data(goldroot("gold", "list", "--json"))
    assert [(one["host"], one["state"]) for one in row["copies"]] == [("local", "whole"), ("west", "whole")]
    assert "slot          local: SMALLGOLD, west: SMALLGOLD\n" in goldroot("gold", "show", IMAGE)[1]
    assert goldroot("gold", "verify", IMAGE)[1].count("is what was published") == 2
    assert [one["host"] for one in data(goldroot("gold", "verify", IMAGE, "--host", "west", "--json"))["copies"]] == [
        "west"
    ]
    assert goldroot("gold", "retire", IMAGE, "1", "--host", "west")[0] == 2
    assert goldroot("gold", "retire", IMAGE, "1", "--remove", "--host", "west") == (
        0, "The copy of gold version 1 of small on host west is removed.\n",
    )  # fmt: skip
    code, said = goldroot("gold", "verify", IMAGE, "--host", "west")
    assert (code, "has no copy on host west" in said) == (3, True)
    assert data(goldroot("gold", "show", IMAGE, "--json"))["state"] == "published"


def test_servers_say_where_they_live(goldroot: Run) -> None:
    code, said = goldroot("clone", "create", "web1", "--image", IMAGE, "--host", "west")
    assert (code, "goldroot gold replicate small 1 --to west" in said) == (3, True)
    assert goldroot("clone", "create", "web1", "--image", IMAGE, "--host", "east")[0] == 3
    goldroot("gold", "replicate", IMAGE, "--to", "west")
    assert (
        data(goldroot("clone", "create", "web1", "--image", IMAGE, "--host", "west", "--json"))["clones"][0]["host"]
        == "west"
    )
    assert goldroot("clone", "create", "web2", "--image", IMAGE)[0] == 0
    assert [(one["name"], one["host"]) for one in data(goldroot("clone", "list", "--json"))] == [
        ("web1", "west"), ("web2", "local"),
    ]  # fmt: skip
    assert [line.split()[3] for line in goldroot("clone", "list")[1].splitlines()] == ["host", "west", "local"]
    assert "  host       west\n" in goldroot("clone", "show", "web1")[1]
    rows = [line.split() for line in goldroot("linked")[1].splitlines()]
    assert [row[2] for row in rows if "SMALLGOLD" in row] == ["local", "west"]


@pytest.mark.slow
def test_an_update_that_lacks_its_gold_says_what_to_do(goldroot: Run, tmp_path: Path) -> None:
    from goldroot.site import Site

    goldroot("gold", "replicate", IMAGE, "--to", "west")
    goldroot("clone", "create", "web1", "--image", IMAGE, "--host", "west")
    site = Site.open(str(tmp_path / "site"))
    next_gold(site, {"etc/plain.conf": "2\n"})
    site.close()
    code, said = goldroot("update", "run", "web1")
    assert (code, "goldroot gold replicate small 2 --to west" in said) == (3, True)
    goldroot("gold", "replicate", IMAGE, "--to", "west")
    assert goldroot("update", "run", "web1")[0] == 0
    assert data(goldroot("clone", "show", "web1", "--json"))["version"] == 2


def test_plans_change_nothing(goldroot: Run, tmp_path: Path) -> None:
    def seen() -> dict[str, Seen]:
        """All but the catalog's files, and the index of links, which is made again in a copied store."""
        there = dump_tree(str(tmp_path / "site"))
        return {path: one for path, one in there.items() if path and "catalog" not in path and "/links" not in path}

    goldroot("linked")  # labels the stores
    before = seen()
    for words in (
        ("gold", "replicate", IMAGE, "--to", "west", "--plan"),
        ("clone", "create", "web1", "--image", IMAGE, "--plan"),
        ("gold", "retire", IMAGE, "1", "--remove", "--host", "local", "--plan"),
        ("image", "import", "other", "--from", str(tmp_path / "root"), "--host", "west", "--plan"),
        ("init", str(tmp_path / "site"), "--plan"),
    ):
        assert goldroot(*words)[0] == 0, words
    assert seen() == before


def test_an_image_stays_on_its_host(goldroot: Run, tmp_path: Path) -> None:
    assert goldroot("image", "import", "other", "--from", str(tmp_path / "root"), "--host", "west")[0] == 0
    assert {one["name"]: one["host"] for one in data(goldroot("image", "list", "--json"))} == {
        "other": "west",
        IMAGE: "local",
    }
    words = ("image", "import", "other", "--from", str(tmp_path / "root"), "--replace")
    assert goldroot(*words, "--host", "local")[0] == 2
    assert goldroot(*words)[0] == 0
    assert any(name.startswith("otherrwmnt") for name in os.listdir(tmp_path / "site" / "west" / "disks"))


def test_init_makes_a_host_of_another_kind(goldroot: Run, tmp_path: Path) -> None:
    assert goldroot("init", str(tmp_path / "new"), "--host", "nspawn")[0] == 0
    assert 'kind = "nspawn"' in (tmp_path / "new" / "goldroot.toml").read_text()
    assert goldroot("init", str(tmp_path / "new"), "--host", "cloud")[0] == 2
