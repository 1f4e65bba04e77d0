"""The laws again, with many more examples than the quick tests have time for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

LAWS = (
    "test_laws.py",
    "test_laws_classes.py",
    "test_laws_sameness.py",
    "test_laws_kinds.py",
    "../accounts/test_laws.py",
    "../tree/test_tree_laws.py",
    "../hosts/test_sets.py",
    "../zvm/smapi/test_smapi_properties.py",
    "../zvm/directory/test_edit_directory.py",
)


@pytest.mark.slow
@pytest.mark.parametrize("file", LAWS)
def test_the_laws_hold_for_many_more_trees(file: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(Path(__file__).parent / file)]
    asked = os.environ.get("GOLDROOT_EXAMPLES")
    more, profile = (asked, "random") if asked else ("250", "same")
    command.append(f"--hypothesis-profile={profile}")
    done = subprocess.run(
        command, env={**os.environ, "GOLDROOT_EXAMPLES": more}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
