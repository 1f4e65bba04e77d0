"""``bin/goldroot``, the command that is installed: Ctrl-C waits in it until there is code that takes it."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

LAUNCHER = Path(__file__).resolve().parents[2] / "bin/goldroot"
#: In the place of what an installer writes beside it: tells what was passed on.
TELLS = '#!/bin/sh\nprintf "<%s>" "$@"\nexit 7\n'
OLD_ENV = "#!/bin/sh\n[ \"$1\" = --help ] && { echo 'Usage: env'; exit 0; }\nexit 125\n"


def script(path: Path, words: str) -> Path:
    path.write_text(words)
    path.chmod(0o755)
    return path


def installed(place: Path, python: str = TELLS) -> Path:
    place.mkdir(parents=True)
    script(place / "goldroot-python", python)
    return Path(shutil.copy(LAUNCHER, place))


@pytest.mark.parametrize(
    ("name", "linked", "able"),
    [("bin", False, False), ("bin", True, True), ("with a space", True, False), ("a=b/bin", False, True)],
)
def test_starts_what_stands_beside_it_with_ctrl_c_waiting(tmp_path: Path, name: str, linked: bool, able: bool) -> None:
    command = installed(tmp_path / name)
    environment = dict(os.environ)
    if linked:
        (tmp_path / "local").mkdir()
        installed(tmp_path / "another", "#!/bin/sh\necho another\n")
        (tmp_path / "local/goldroot-python").symlink_to(tmp_path / "another/goldroot-python")
        (tmp_path / "local/goldroot").symlink_to(command)
        command = tmp_path / "local/goldroot"
    if not able:
        (tmp_path / "old").mkdir()
        script(tmp_path / "old/env", OLD_ENV)
        environment["PATH"] = f"{tmp_path / 'old'}:{environment['PATH']}"
    words = ["a b", "", "--help", "X=1", "l\nm", b"\xff"]
    ended = subprocess.run([command, *words], env=environment, capture_output=True)
    assert (ended.returncode, ended.stderr, ended.stdout) == (7, b"", b"<a b><><--help><X=1><l\nm><\xff>")

    grep = shutil.which("grep")  # what starts here is not a shell: some unblock all signals
    assert grep is not None
    (tmp_path / name / "goldroot-python").unlink()
    (tmp_path / name / "goldroot-python").symlink_to(grep)
    for ignored, how in ((False, ""), (True, 'trap "" INT; ')):
        asks = ["sh", "-c", f'{how}exec "$@"', "sh", command, "Sig[BI]", "/proc/self/status"]
        signals = subprocess.check_output(asks, env=environment, text=True)
        kept = {line.split()[0]: int(line.split()[1], 16) >> (signal.SIGINT - 1) & 1 for line in signals.splitlines()}
        assert kept == {"SigBlk:": able, "SigIgn:": ignored}


def test_by_a_bare_name_and_without_a_path(tmp_path: Path) -> None:
    installed(tmp_path / "bin")
    by_sh = subprocess.run(["sh", "goldroot", "x"], cwd=tmp_path / "bin", capture_output=True)
    (tmp_path / "linked").symlink_to("bin/goldroot")  # as pipx and uv install it
    no_path = [
        subprocess.run([tmp_path / name, "x"], env={"PATH": path}, capture_output=True).stdout
        for name in ("bin/goldroot", "linked")
        for path in ("", "/nonexistent")
    ]
    assert [by_sh.stdout, *no_path] == [b"<x>"] * 5


def test_says_what_is_missing(tmp_path: Path) -> None:
    command = installed(tmp_path / "bin")
    (tmp_path / "bin/goldroot-python").unlink()
    ended = subprocess.run([command], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (127, "")
    assert ended.stderr == (
        f"goldroot: {tmp_path}/bin/goldroot-python is missing\n  goldroot is not wholly installed. Install it again.\n"
    )


@pytest.mark.slow
@pytest.mark.parametrize("group", [False, True])
def test_at_any_moment_of_the_first_seconds_no_traceback(tmp_path: Path, group: bool) -> None:
    real = f"#!{sys.executable}\nfrom goldroot.cli.begin import main\nmain()\n"
    command = installed(tmp_path / "bin", real)
    whole = time.monotonic()
    subprocess.run([command, "--help"], check=True, stdout=subprocess.DEVNULL)
    whole = time.monotonic() - whole
    for _ in range(60):
        with subprocess.Popen(
            [command, "--help"], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as begun:
            time.sleep(random.uniform(0, 1.3 * whole))
            (os.killpg if group else os.kill)(begun.pid, signal.SIGINT)
            said = begun.communicate()[1]
        assert b"Traceback" not in said and b"Fatal" not in said
        assert begun.returncode in (0, 128 + signal.SIGINT, -signal.SIGINT)
