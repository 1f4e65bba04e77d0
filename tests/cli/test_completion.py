"""Completion: the scripts name goldroot's own variable, and what a shell asks for is answered."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

from goldroot.cli.main import cli

GOLDROOT = [sys.executable, "-c", "from goldroot.cli.main import main; main()"]


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
