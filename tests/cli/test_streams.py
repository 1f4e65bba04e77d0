"""What is around a command: standard streams that are closed, full or broken, and where it stands."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support.marks import slow
from support.trees import make_tree

GOLDROOT = [sys.executable, "-c", "from goldroot.cli.main import main; main()"]


@pytest.fixture(autouse=True)
def buffered(monkeypatch: pytest.MonkeyPatch) -> None:
    """As users have it: what cannot be written is still there when Python ends."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)


def merge_of(room: Path) -> list[str]:
    for number, name in enumerate(("base", "gold", "clone")):
        make_tree(room / name, {"etc/a": f"{number}\n"})
    return [*GOLDROOT, "merge", "--plan", *(f"--{name}={room / name}" for name in ("base", "gold", "clone"))]


def closing(*numbers: int) -> Callable[[], None]:
    return lambda: [os.close(number) for number in numbers] and None


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_streams_that_are_closed_are_none(tmp_path: Path, more: list[str]) -> None:
    command = [*merge_of(tmp_path), *more]
    assert subprocess.run(command, preexec_fn=closing(0, 1, 2), check=False).returncode == 1
    assert subprocess.run(command, preexec_fn=closing(1), stderr=subprocess.PIPE, check=False).stderr == b""


@pytest.mark.parametrize("more", [["merge", "--help"], ["policy", "show"], ["policy", "show", "--json"]])
def test_a_reader_that_went_away_is_no_finding(more: list[str]) -> None:
    """Exit code 1 would say that something waits for a person."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*GOLDROOT, *more], stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "code"),
    [
        (["policy", "show"], 74),
        slow(["policy", "show", "--toml"], 74),
        slow(["policy", "show", "--json"], 74),
        slow(["completion", "bash"], 74),
        slow(["merge", "--help"], 74),
        slow(["--version"], 74),
        (["clone", "show", "none", "--site", "/nowhere", "--json"], 3),
    ],
)
def test_an_output_that_cannot_be_written_is_said(more: list[str], code: int) -> None:
    """By a code that says no more than that; where the command failed by itself, that counts."""
    with open("/dev/full", "w") as full:
        done = subprocess.run([*GOLDROOT, *more], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        assert done.returncode == code
        assert done.stderr.startswith("goldroot: ")
        assert "Traceback" not in done.stderr
        silent = subprocess.run([*GOLDROOT, "clone", "show", "x", "--site", "/nowhere"], stderr=full, check=False)
        assert silent.returncode == 3


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_merge_whose_output_cannot_be_written_is_there_and_the_code_says_so(tmp_path: Path, more: list[str]) -> None:
    command = [*merge_of(tmp_path), f"--into={tmp_path / 'out'}", *more]
    command.remove("--plan")
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (tmp_path / "out/etc/a").exists()
    assert done.returncode == 74
    assert "what it did stands" in done.stderr and "room" not in done.stderr


def test_a_directory_that_is_gone_is_said(tmp_path: Path) -> None:
    script = f'mkdir gone; cd gone; rmdir ../gone; exec "$0" -c "{GOLDROOT[2]}" linked'
    done = subprocess.run(["sh", "-c", script, sys.executable], cwd=tmp_path, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 4
    assert b"the current directory is not there any more\n  Go to one" in done.stderr


@pytest.mark.slow
def test_an_empty_variable_names_no_site(tmp_path: Path) -> None:
    env = {**os.environ, "GOLDROOT_SITE": ""}
    said = subprocess.run([*GOLDROOT, "linked"], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert "there is no goldroot site here" in said.stderr
