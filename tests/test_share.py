"""Several processes of pytest share the files of tests out among themselves."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RUNNER = Path(__file__).parents[1] / "tools/run-tests"
CONFTEST = Path(__file__).parent / "conftest.py"


#: Fails at its first try, and passes at the second.
UNSTEADY = """
import pytest
@pytest.mark.parametrize('name', ['a b', 'two'])
def test_unsteady(name):
    with open(__file__ + name, 'a') as tries:
        assert tries.write('x') and (name == 'two' or tries.tell() > 1)
"""


def run_tests(place: Path, *arguments: str, again: int = 0) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        RUNNER,
        "--jobs",
        "3",
        "--again",
        str(again),
        sys.executable,
        "-p",
        "no:cacheprovider",
        f"--rootdir={place}",
    ]
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


@pytest.mark.slow
def test_each_test_is_run_once(tmp_path: Path) -> None:
    done = run_tests(made(tmp_path, 7))
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "14 passed, 0 failed, 0 skipped")
    left = sorted(re.sub(r"py\d+", "py ", each.name) for each in tmp_path.glob("*.py?*"))
    assert left == sorted(f"test_{number}.py {name}" for number in range(7) for name in ("one", "two"))


@pytest.mark.slow
def test_a_failure_of_any_process_is_one_of_all(tmp_path: Path) -> None:
    made(tmp_path, 4)
    bad = (tmp_path / "test_2.py").read_text().replace("'two'", "'bad'")
    (tmp_path / "test_2.py").write_text(bad)
    done = run_tests(tmp_path)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "7 passed, 1 failed, 0 skipped")
    assert "FAILED test_2.py::test_it[bad]" in done.stdout


@pytest.mark.slow
def test_what_failed_may_be_run_once_more_alone(tmp_path: Path) -> None:
    made(tmp_path, 2)
    (tmp_path / "test_3.py").write_text(UNSTEADY)
    done = run_tests(tmp_path, again=1)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (
        0,
        "6 passed (1 of them at the second try), 0 failed, 0 skipped",
    )
    assert "again, alone: test_3.py::test_unsteady[a b]" in done.stdout


@pytest.mark.slow
def test_what_fails_twice_has_failed(tmp_path: Path) -> None:
    """And where more failed than are to be run again, none is: it was not the machine."""
    made(tmp_path, 2)
    for number in (0, 1):
        (tmp_path / f"test_{number}.py").write_text(
            "def test_bad():\n    open(__file__ + '.tries', 'a').write('x')\n    assert 0\n"
        )
        for tried in tmp_path.glob("*.tries"):
            tried.unlink()
        done = run_tests(tmp_path, again=1)
        assert (done.returncode, done.stdout.splitlines()[-1]) == (
            1,
            f"{2 - 2 * number} passed, {number + 1} failed, 0 skipped",
        )
        assert {len(tried.read_text()) for tried in tmp_path.glob("*.tries")} == {2 - number}


@pytest.mark.slow
def test_no_test_at_all_is_no_success(tmp_path: Path) -> None:
    assert run_tests(made(tmp_path, 1), "-k", "nothing").returncode == 5
