"""Several processes of pytest share the files of tests out among themselves."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

RUNNER = Path(__file__).parents[1] / "tools/run-tests"
CONFTEST = Path(__file__).parent / "conftest.py"


def run_tests(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, RUNNER, "--jobs", "3", sys.executable, "-p", "no:cacheprovider", f"--rootdir={place}"]
    words = [*command, "-c", "/dev/null", *arguments, str(place)]
    env = {**os.environ, "PYTHONPATH": str(CONFTEST.parent)}
    return subprocess.run(words, capture_output=True, text=True, check=False, cwd=place, env=env)


def made(place: Path, files: int) -> Path:
    shutil.copy(CONFTEST, place)
    for number in range(files):
        body = "    open(__file__ + str(__import__('os').getpid()) + name, 'x').close()\n    assert 'bad' not in name\n"
        text = f"import pytest\n@pytest.mark.parametrize('name', ['one', 'two'])\ndef test_it(name):\n{body}"
        (place / f"test_{number}.py").write_text(text)
    return place


def test_each_test_is_run_once(tmp_path: Path) -> None:
    done = run_tests(made(tmp_path, 7))
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "14 passed, 0 failed, 0 skipped")
    left = sorted(re.sub(r"py\d+", "py ", each.name) for each in tmp_path.glob("*.py?*"))
    assert left == sorted(f"test_{number}.py {name}" for number in range(7) for name in ("one", "two"))


def test_a_failure_of_any_process_is_one_of_all(tmp_path: Path) -> None:
    made(tmp_path, 4)
    bad = (tmp_path / "test_2.py").read_text().replace("'two'", "'bad'")
    (tmp_path / "test_2.py").write_text(bad)
    done = run_tests(tmp_path)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "7 passed, 1 failed, 0 skipped")
    assert "FAILED test_2.py::test_it[bad]" in done.stdout


def test_no_test_at_all_is_no_success(tmp_path: Path) -> None:
    assert run_tests(made(tmp_path, 1), "-k", "nothing").returncode == 5
