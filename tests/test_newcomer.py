"""The tests run for whoever runs them: in the background or under nohup(1), and from a directory that is closed to others."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from support import open_way

TESTS = Path(__file__).parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{open_way.PROJECT}/src:{TESTS}"}


def test_signals_that_are_ignored_here_are_heard_by_the_programs_of_tests() -> None:
    def ignore() -> None:
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)

    one = f"{TESTS}/zvm/simulator/test_simulator_cli.py::test_it_listens_answers_and_ends_with_ctrl_c"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", one]
    done = subprocess.run(command, preexec_fn=ignore, cwd=open_way.PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


LOOK = """
import os, sys
from pathlib import Path
from support import open_way
open_way.PROJECT = Path(sys.argv[1])
os.chdir(open_way.PROJECT)
open_way.open_way()
Path("../../new").write_text("seen by others")
os.setgroups([]); os.setgid(65534); os.setuid(65534)
print(Path(sys.argv[1], "file").read_text(), Path(sys.argv[1], "../../beside").read_text(), os.getcwd() == sys.argv[1])
"""


@pytest.mark.root
def test_what_is_in_a_closed_home_can_be_read_by_the_users_of_tests() -> None:
    open_way.need_other_users()
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        pytest.skip("mounts of one's own are not allowed here")
    with tempfile.TemporaryDirectory() as name:
        room = Path(name)
        room.chmod(0o755)
        project = room / "home/closed/project"
        project.mkdir(parents=True)
        (project / "file").write_text("read")
        (room / "home/beside").write_text("too")
        (room / "home/link").symlink_to("beside")
        for place in (project.parent, room / "home"):
            place.chmod(0o700)
        words = [sys.executable, "-c", LOOK, str(project)]
        done = subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True)
        assert (done.stdout, done.stderr) == ("read too True\n", "")
        assert {stat.S_IMODE(place.stat().st_mode) for place in (project.parent, room / "home")} == {0o700}
        assert sorted(os.listdir(room / "home")) == ["beside", "closed", "link"], "nothing is left of it outside"
