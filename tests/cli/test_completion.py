"""Completion: the scripts name goldroot's own variable, and what a shell asks for is answered."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from goldroot.cli.failure import guarded
from goldroot.cli.main import cli
from goldroot.fleet import clones
from goldroot.fleet.update.update import run_update
from goldroot.site import Site
from goldroot.workflow import InProcess
from support.fleet import IMAGE, next_gold, on_clone, small_site

GOLDROOT = [sys.executable, "-c", "from goldroot.cli.main import main; main()"]


NAMES_LOADED = "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); "


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell(shell: str) -> None:
    done = CliRunner().invoke(cli, ["completion", shell])
    assert done.exit_code == 0
    assert f"_GOLDROOT_COMPLETE={shell}_complete" in done.output


def test_an_unknown_shell_is_refused() -> None:
    assert CliRunner().invoke(cli, ["completion", "csh"]).exit_code == 2


@pytest.mark.parametrize(
    ("words", "expected"), [("goldroot pol", "plain,policy"), ("goldroot policy ex", "plain,explain")]
)
def test_bash_is_answered(words: str, expected: str) -> None:
    asked = {"_GOLDROOT_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    done = subprocess.run(GOLDROOT, env=asked, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [expected]


@pytest.mark.parametrize(
    "words",
    [
        "merge --base x",
        "merge --into x",
        "image import a --from x",
        "linked --site x",
        "policy check x",
        "demo --keep x",
    ],
)
def test_paths_are_left_to_the_shell(words: str) -> None:
    assert offered(*words.split()) == [("file", "x")]


def offered(*words: str) -> list[tuple[str, str]]:
    asked = ShellComplete(cli, {}, "goldroot", "_GOLDROOT_COMPLETE").get_completions(list(words[:-1]), words[-1])
    return [(one.type, one.value) for one in asked]


@pytest.mark.slow
def test_names_are_those_of_the_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = small_site(tmp_path)
    for name in ("web1", "web2", "db1"):
        clones.create_clone(site, name, IMAGE)
    site.close()
    assert offered("clone", "show", "--site", site.root, "web") == [("plain", "web1"), ("plain", "web2")]
    monkeypatch.setenv("GOLDROOT_SITE", site.root)
    assert offered("update", "run", "web1", "w") == [("plain", "web2")]
    assert offered("gold", "show", "") == offered("clone", "create", "x", "--image", "") == [("plain", IMAGE)]
    monkeypatch.setenv("GOLDROOT_SITE", str(tmp_path / "nowhere"))
    assert offered("clone", "show", "") == offered("gold", "show", "") == []


def test_names_come_without_what_a_key_has_no_time_for(tmp_path: Path) -> None:
    site = small_site(tmp_path)
    clones.create_clone(site, "web1", IMAGE)
    site.close()
    words = ["goldroot", "clone", "show", "--site", site.root, "w"]
    asked = {"_GOLDROOT_COMPLETE": "bash_complete", "COMP_WORDS": shlex.join(words), "COMP_CWORD": "5"}
    program = [*GOLDROOT[:-1], NAMES_LOADED + GOLDROOT[-1]]
    done = subprocess.run(program, env=asked, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["plain,web1"]
    assert sorted(name for name in os.listdir(site.root) if "sqlite-" in name) == []
    assert {"sqlalchemy", "pydantic", "rich"} & set(done.stderr.split()) == set()


def test_another_catalog_is_asked_as_every_command_asks_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = small_site(tmp_path)
    clones.create_clone(site, "web1", IMAGE)
    site.close()
    monkeypatch.setattr(Site, "catalog_file", "")
    assert offered("clone", "show", "--site", site.root, "") == [("plain", "web1")]
    assert offered("gold", "show", "--site", site.root, "") == [("plain", IMAGE)]


def test_versions_and_open_conflicts_are_those_of_the_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = small_site(tmp_path)
    clones.create_clone(site, "web1", IMAGE)
    on_clone(site, "web1", {"etc/plain.conf": "mine\n", "etc/app.conf": "mine\n"})
    next_gold(site, {"etc/plain.conf": "gold's\n", "etc/app.conf": "gold's\n"})
    assert run_update(site, InProcess(), "web1").outcome == "needs-review"
    site.close()
    monkeypatch.setenv("GOLDROOT_SITE", site.root)
    newest_first = [("plain", "2"), ("plain", "1")]
    assert offered("clone", "create", "x", "--image", IMAGE, "--gold", "") == newest_first
    assert offered("update", "run", "web1", "--to", "") == offered("gold", "show", IMAGE, "") == newest_first
    assert offered("update", "run", "web1", "--to", "2") == newest_first[:1]
    assert offered("gold", "show", "other", "") == []
    both = [("plain", "/etc/app.conf"), ("plain", "/etc/plain.conf")]
    assert offered("review", "resolve", "web1", "") == both
    assert offered("review", "resolve", "web1", "/etc/app.conf", "/etc/") == both[1:]
    assert offered("review", "resolve", "web2", "") == []
    assert offered("review", "edit", "web1", "") == both
    assert offered("gold", "diff", IMAGE, "") == newest_first
    assert offered("gold", "diff", IMAGE, "1", "") == newest_first[:1]
    assert offered("gold", "restore", IMAGE, "") == [] == offered("review", "forget", "")
    assert guarded(cli, ["review", "resolve", "web1", "/etc/app.conf", "--take", "gold"]) == 0
    assert guarded(cli, ["gold", "retire", IMAGE, "2"]) == 0
    assert offered("review", "forget", "/") == both[:1]
    assert offered("gold", "restore", IMAGE, "") == newest_first[:1]


def test_what_has_names_of_its_own_is_offered_by_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GOLDROOT_SITE", str(tmp_path))
    assert offered("review", "resolve", "web1", "/etc/x", "--take", "g") == [("plain", "gold")]
    assert offered("review", "resolve", "web1", "/etc/x", "--take", "./own") == [("file", "./own")]
    assert offered("image", "import", "x", "--layout", "sh") == [("plain", "shared-usr")]
    assert offered("image", "import", "x", "--layout", "./own.toml") == [("file", "./own.toml")]
    assert offered("zvm", "call", "image_act") == [
        ("plain", "Image_Activate"),
        ("plain", "Image_Active_Configuration_Query"),
    ]
