"""An ordinary user: what is run as root is tried as another user here, and as that user where the tests are one's own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import goldroot

OTHER = 65534

SCRIPT = """
import json, os, sys
sys.path.insert(0, {source!r})
from goldroot.errors import GoldrootError
from goldroot.system import Bound, How, Limits, run_in
handle = os.open({root!r}, os.O_RDONLY)
try:
    binds, words = [Bound(handle, b"", False)], ["/bin/sh", "-c", {script!r}]
    if {whole_usr!r}:
        binds.append(Bound(os.open("/", os.O_RDONLY), b"usr", True))
        words = [{script!r}]
    done = run_in(binds, words, How(ok=None, **{options!r}))
    print(json.dumps([done.mode, done.status, done.out.decode(), done.err.decode(), done.limit]))
except GoldrootError as error:
    print(json.dumps([type(error).__name__, error.brief, error.meaning, error.todo, ""]))
"""


class User:
    """Runs things in a system that is the user's own."""

    def __init__(self, root: Path, python: list[str]) -> None:
        self.root, self.python = root, python

    def __call__(self, script: str, python: str = "", *, whole_usr: bool = False, **options: object) -> list[str]:
        source = os.path.dirname(os.path.dirname(goldroot.__file__))
        words = SCRIPT.format(source=source, root=str(self.root), script=script, options=options, whole_usr=whole_usr)
        command = [*self.python[:-1], python or self.python[-1], "-c", words]
        done = subprocess.run(
            command, capture_output=True, text=True, env={"PYTHONDONTWRITEBYTECODE": "1"}, check=False
        )
        assert done.stdout, done.stderr
        found: list[str] = json.loads(done.stdout)
        return found


@pytest.fixture
def user(programs: Path) -> Iterator[User]:
    place = Path(tempfile.mkdtemp())
    python = ["/usr/bin/env", sys.executable]
    if os.geteuid() == 0:
        python = [
            "setpriv",
            f"--reuid={OTHER}",
            f"--regid={OTHER}",
            "--clear-groups",
            "--",
            "/usr/bin/env",
            sys.executable,
        ]
        usable = subprocess.run([*python, "-c", ""], capture_output=True).returncode == 0
        if not usable:
            python[-1] = "/usr/bin/python3"
        ready = [*python, "-c", f"import sys; sys.path.insert(0, {os.path.dirname(os.path.dirname(goldroot.__file__))!r}); "
                 "assert sys.version_info >= (3, 11); import goldroot.system.confine"]  # fmt: skip
        if subprocess.run(ready, capture_output=True).returncode:
            pytest.skip("no Python here that another user may run goldroot with")
    try:
        shutil.copytree(programs, place / "root", symlinks=True)
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", f"{OTHER}:{OTHER}", place], check=True)
        found = User(place / "root", python)
        said = found("exit 0")
        if said[0] == "NoPermission":
            pytest.skip(f"no user namespaces for ordinary users here: {said[1]}")
        yield found
    finally:
        shutil.rmtree(place, ignore_errors=True)


def test_a_user_is_root_of_his_system_alone(user: User) -> None:
    script = "id -u; cat /proc/self/uid_map; grep -E '^(CapEff|Seccomp|NoNewPrivs):' /proc/self/status; echo x > /etc/x"
    mode, status, out, _, _ = user(script)
    assert (mode, status) == ("user", 0)
    assert out.split() == ["0", "0", "0", "1", "CapEff:", "00000000a00424fb", "NoNewPrivs:", "1", "Seccomp:", "2"]
    assert (user.root / "etc/x").stat().st_uid == (OTHER if os.geteuid() == 0 else os.geteuid())


def test_a_users_mounts_are_locked_and_his_process_is_not_to_be_seen(user: User) -> None:
    _, _, out, err, _ = user(
        "mount -o remount,rw /proc; ls /proc/1/cwd/; echo 5 > /proc/sys/kernel/pid_max; ls /proc/self/fd"
    )
    assert out.split() == ["0", "1", "2", "3"] and err.count("ermission denied") + err.count("Read-only") >= 3


def test_with_the_hosts_network(user: User) -> None:
    mode, status, out, err, _ = user("ls /sys/class/net; grep -c . /proc/mounts", network=True)
    assert (mode, status) == ("user", 0), err
    assert set(os.listdir("/sys/class/net")) <= set(out.split())


def test_a_users_python_is_not_handed_to_a_command(user: User) -> None:
    """``#!/proc/self/exe`` runs the program that executes the command; one that is the user's own could be written to."""
    own = user.root.parent / "python"
    shutil.copy2(os.path.realpath(user.python[-1] if os.geteuid() == 0 else sys.executable), own)
    if os.geteuid() == 0:
        os.chown(own, OTHER, OTHER)
    probe = user.root / "srv/probe"
    probe.write_text(
        "#!/proc/self/exe\nimport os\nprint(os.path.basename(os.readlink('/proc/self/exe')))\n"
        "print(bool(os.statvfs('/proc/self/exe').f_flag & os.ST_RDONLY))\n"
    )
    probe.chmod(0o755)
    before = own.read_bytes()
    if subprocess.run([*user.python[:-1], own, "-c", "import ctypes, resource"], capture_output=True).returncode:
        pytest.skip("a copy of this Python does not find its library")
    mode, _, out, err, _ = user("/srv/probe", python=str(own), whole_usr=True)
    if "Fatal Python error" in err:
        pytest.skip("this Python does not have its library in /usr")
    assert (mode, out) == ("user", "python\nTrue\n"), err
    assert own.read_bytes() == before
