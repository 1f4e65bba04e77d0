"""The benchmarks run, at their smallest: what nobody runs for a month measures nothing any more."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench"

SMALLEST = {
    "merge.py": ["--entries", "300"],
    "references.py": ["--links", "100", "--runs", "1"],
    "running.py": ["--small", "--clones", "2", "--boots", "1", "--paths", "100"],
    "tree.py": ["--entries", "300", "--runs", "1"],
    "update.py": ["--entries", "300", "--small"],
    "update_run.py": ["--entries", "300", "--rounds", "1"],
    "zvm_directory.py": [],
    "zvm_simulator.py": ["--calls", "10", "--workers", "2"],
}


def test_all_benchmarks_are_here() -> None:
    assert {file.name for file in BENCH.glob("*.py")} == set(SMALLEST)


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALLEST)
def test_it_runs(name: str, tmp_path: Path) -> None:
    if name in ("merge.py", "tree.py", "update.py") and not shutil.which("rsync"):
        pytest.skip("rsync is not installed")
    if name == "running.py" and not shutil.which("busybox"):
        pytest.skip("busybox is not installed")
    words = [sys.executable, BENCH / name, *SMALLEST[name]]
    done = subprocess.run(words, env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
