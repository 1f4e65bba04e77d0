"""``goldroot init`` and how commands find their site."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from goldroot.cli.failure import guarded
from goldroot.cli.main import cli
from support.fleet import small_site
from support.two_hosts import HOSTS


def test_init_shows_makes_and_completes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = str(tmp_path / "site")
    assert guarded(cli, ["init", place, "--plan", "--json"]) == 0
    planned = json.loads(capsys.readouterr().out)
    assert planned["plan"] is True
    assert not os.path.exists(place)
    assert guarded(cli, ["init", place, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["made"] == planned["made"]
    assert all(os.path.exists(path) for path in planned["made"])
    assert guarded(cli, ["init", place]) == 0
    assert capsys.readouterr().out == f"{place} is a complete site; nothing to do.\n"


def test_init_says_what_comes_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = str(tmp_path / "a site")
    assert guarded(cli, ["init", place]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"Next: goldroot image import NAME --from DIRECTORY-OR-TAR --site '{place}'"


def test_init_of_more_hosts_says_what_comes_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = small_site(tmp_path)
    place, file = site.root, Path(site.path("goldroot.toml"))
    site.close()
    file.write_text(f"{HOSTS}[hosts.east]\nstore = 'east'\n")
    assert guarded(cli, ["init", place]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"Next: goldroot gold replicate small --to west --site {place}, "
        f"then goldroot gold replicate small --to east --site {place}, "
        f"then goldroot clone create NAME --image small --host west --site {place}"
    )
    (Path(place) / "records").rmdir()
    assert guarded(cli, ["init", place]) == 0
    assert "Next:" not in capsys.readouterr().out, "nothing follows from what was completed"


def test_init_of_a_host_before_the_first_gold_names_what_gold_needs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = small_site(tmp_path, versions=0)
    place, file = site.root, Path(site.path("goldroot.toml"))
    site.close()
    file.write_text(HOSTS)
    assert guarded(cli, ["init", place]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("Next: goldroot maintain test small ") and "then goldroot gold publish small" in last


def test_init_refuses_other_directories(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "letter").touch()
    assert guarded(cli, ["init", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "not empty" in said
    assert "Name a new directory" in said


@pytest.mark.parametrize("args", [["image", "list"], ["gold", "list"], ["maintain", "diff", "x"]])
def test_a_command_without_a_site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], args: list[str]
) -> None:
    monkeypatch.delenv("GOLDROOT_SITE", raising=False)
    monkeypatch.chdir(tmp_path)
    assert guarded(cli, args) == 3
    assert "no goldroot site here" in capsys.readouterr().err
    assert guarded(cli, [*args, "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["error"] == "not-found"


def test_a_mistake_in_the_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "site"
    guarded(cli, ["init", str(place)])
    (place / "goldroot.toml").write_text("slots = 3\nfallback_day = 14\n")
    capsys.readouterr()
    assert guarded(cli, ["gold", "list", "--site", str(place)]) == 2
    said = capsys.readouterr().err
    assert "goldroot.toml:2: unknown key 'fallback_day'" in said
    assert "'fallback_days'" in said
