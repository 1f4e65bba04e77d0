"""``goldroot zvm simulate`` as a program."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from goldroot.cli.zvm_simulate import simulate
from goldroot.errors import GoldrootError


@pytest.fixture
def started():
    """Starts the program and reads where it listens; ends it at the end."""
    running = []

    def start(*options: str) -> tuple[subprocess.Popen[str], dict]:
        code = "from goldroot.cli.main import main; main()"
        command = [sys.executable, "-c", code, "zvm", "simulate", "--json", *options]
        program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        running.append(program)
        assert program.stdout
        return program, json.loads(program.stdout.readline())

    yield start
    for program in running:
        if program.poll() is None:
            program.kill()
        program.communicate()


def test_it_listens_answers_and_ends_with_ctrl_c(started, part, tmp_path):
    disks = tmp_path / "disks"
    program, said = started("--disks", str(disks), "--fault", "lost-reply@Image_Query_DM#1")
    assert said["faults"] == ["lost-reply@Image_Query_DM#1"]
    address = (said["host"], said["port"])
    assert part.got(part.exchange(address, part.frame("Check_Authentication", None))).code == (0, 0)
    assert len(part.exchange(address, part.frame("Image_Query_DM", "MAINT"))) == 4
    assert (disks / "LX3001.000000001.img").stat().st_size == 3338 * 737_280
    program.send_signal(signal.SIGINT)
    out, err = program.communicate(timeout=30)
    assert (program.returncode, out, err) == (0, "", "")


def test_directory_user_and_password(started, part, tmp_path):
    (tmp_path / "USER.DIRECT").write_text("USER ONE PW 1G 1G G\nUSER TWO PW 1G 1G G\n")
    (tmp_path / "password").write_text("s3cret\n")
    options = ["--directory", str(tmp_path / "USER.DIRECT"), "--active", "ONE"]
    program, said = started(*options, "--user", "admin", "--password-file", str(tmp_path / "password"))
    assert (said["entries"], said["active"]) == (2, ["ONE"])
    address = (said["host"], said["port"])
    wrong = part.frame("Image_Query_DM", "ONE", user="ADMIN", password="other")
    assert part.got(part.exchange(address, wrong)).code == (120, 0)
    right = part.frame("Image_Query_DM", "ONE", user="ADMIN", password="s3cret")
    assert part.got(part.exchange(address, right)).code == (0, 0)
    program.terminate()
    out, err = program.communicate(timeout=30)
    assert "s3cret" not in out + err


@pytest.mark.slow
def test_faults_change_with_their_file(started, part, tmp_path):
    file = tmp_path / "faults"
    file.write_text("# none yet\n")
    program, said = started("--faults-file", str(file))
    address = (said["host"], said["port"])
    request = part.frame("Image_Query_DM", "MAINT")
    assert part.got(part.exchange(address, request)).code == (0, 0)
    file.write_text("server-away\n")
    for _ in range(200):
        if part.got(part.exchange(address, request)).code == (500, 8):
            break
        time.sleep(0.05)
    else:
        pytest.fail("the fault was not taken up")
    file.write_text("nonsense\n")
    assert program.stderr
    lines = [program.stderr.readline() for _ in range(2)]
    assert "server-away" in lines[0] and "stay as they are" in lines[1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--fault", "nonsense"], "not a fault"),
        (["--fault", "slow"], "seconds"),
        (["--user", "X"], "belong together"),
        (["--certificate", "/etc/hostname"], "belong together"),
        (["--directory", "/bin/true"], "not a user directory"),
        (["--active", "NOBODY"], "NOBODY"),
        (["--group", "X"], "not a group"),
        (["--tls", "--certificate", "/etc/passwd", "--key", "/etc/passwd"], "certificate"),
        (["--host", "192.0.2.1"], "cannot listen"),
        (["--disks", "/proc/nothing/here"], "disks"),
    ],
)
def test_mistakes_are_told_and_nothing_starts(options, words):
    done = CliRunner().invoke(simulate, options)
    assert done.exit_code != 0
    assert isinstance(done.exception, GoldrootError)
    assert words in done.exception.brief


def test_a_port_that_is_taken(started):
    _, said = started()
    done = CliRunner().invoke(simulate, ["--port", str(said["port"])])
    assert isinstance(done.exception, GoldrootError)
    assert "cannot listen" in done.exception.brief


def test_the_help_names_every_fault():
    from goldroot.zvm.simulator import KINDS

    shown = CliRunner().invoke(simulate, ["--help"], terminal_width=200).output
    assert all(kind in shown for kind in KINDS)


def test_the_simulator_imports_neither_the_client_nor_the_parser():
    code = (
        "import sys; import goldroot.zvm.simulator\n"
        "print([name for name in sys.modules if name.startswith(('goldroot.zvm.smapi', 'goldroot.zvm.directory'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip() == "[]"
