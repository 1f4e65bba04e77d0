"""What leaves a command: words and an exit code for each error, an object where ``--json`` was asked for."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import click
import pytest

from goldroot.cli.failure import FLEET, guarded
from goldroot.cli.main import cli
from goldroot.errors import EXIT_UNPRINTED, NoSpace
from goldroot.sshsig import LIBRARY

#: As an installation without the extra is.
BASE_ONLY = f"import sys; sys.modules.update(dict.fromkeys({[*sorted(FLEET), LIBRARY]!r}))"
COMMAND_LINE = "from goldroot.cli.main import main; main()"


def base_only(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", f"{BASE_ONLY}; {COMMAND_LINE}", *words]
    return subprocess.run(program, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("words", ["init site", "clone list", "gold list", "update run web1", "review list", "linked"])
def test_without_the_extra_a_site_is_no_bug_but_a_package_to_install(words: str, tmp_path: Path) -> None:
    (tmp_path / "goldroot.toml").touch()
    done = base_only(*words.split(), cwd=tmp_path)
    assert done.returncode == 4
    assert "'fleet'" in done.stderr and "pip install" in done.stderr
    told = json.loads(base_only(*words.split(), "--json", cwd=tmp_path).stdout)
    assert told["error"] == "missing-package"


@pytest.mark.slow
def test_without_the_extra_the_merge_and_the_policy_work(tmp_path: Path) -> None:
    for side in ("base", "gold", "clone"):
        (tmp_path / side).mkdir()
    trees = ("--base", "base", "--gold", "gold", "--clone", "clone", "--at", "/etc/app")
    assert base_only("merge", *trees, "--into", "out", cwd=tmp_path).returncode == 0
    assert base_only("policy", "explain", "/etc/shadow", cwd=tmp_path).returncode == 0
    assert base_only("zvm", "call", "--list", cwd=tmp_path).returncode == 0


def test_the_packages_of_the_extra_are_those_of_the_project() -> None:
    wanted = "\n".join(each for each in metadata.requires("goldroot") or [] if re.search("extra == .fleet", each))
    # The library of the keys may be missing: then ssh-keygen serves; and DBOS: then the journal of a run is kept in memory.
    assert set(re.findall(r"^\w+", wanted, re.MULTILINE)) == FLEET | {LIBRARY, "dbos"}


@pytest.mark.parametrize(
    "words", [("--help",), ("--version",), ("help", "merge"), ("merge", "--help"), ("policy", "show")]
)
def test_what_cannot_be_printed_has_one_code(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert guarded(cli, words) == EXIT_UNPRINTED


def test_a_full_disk_is_not_an_output_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def fill() -> None:
        with open("/dev/full", "w") as full:
            full.write("x")

    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert guarded(click.Command("fill", callback=fill), []) == NoSpace.exit_code


@pytest.mark.parametrize(
    "words", [("nosuch",), ("clone", "show"), ("linked", "--nosuch"), ("gold", "show", "small", "x")]
)
def test_a_mistake_of_the_command_line_is_an_object_too(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert guarded(cli, [*words, "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert (told["error"], told["exit_code"]) == ("usage", 2)
    assert told["todo"].startswith("See: goldroot") and told["todo"].endswith("--help")
