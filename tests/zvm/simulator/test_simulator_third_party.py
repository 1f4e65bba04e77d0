"""Clients that others wrote, against the simulator.

Debian's ``fence_zvmip`` (package fence-agents) speaks SMAPI itself, over TLS.  PyPI's ``zVMCloudConnector`` reaches
z/VM through two programs of a z/VM guest; its own logic runs unchanged here, above a stand-in for those two.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from goldroot.zvm.simulator import Listening, Options, Simulator

FENCE = Path("/usr/sbin/fence_zvmip")
STAND_IN = Path(__file__).with_name("smcli_stand_in.py")


@pytest.fixture(scope="module")
def fence():
    if not FENCE.exists():
        pytest.skip("fence_zvmip is not installed (Debian: apt-get install --no-install-recommends fence-agents)")
    works = subprocess.run([FENCE, "-o", "metadata"], capture_output=True, timeout=60, check=False)
    if works.returncode:
        pytest.skip(f"fence_zvmip does not run here: {works.stderr.decode(errors='replace').strip()[-200:]}")

    def run(simulator: Simulator, action: str, *options: str, password: str = "right", verify: bool = True):
        command = [
            FENCE, "--ip", "127.0.0.1", "--ipport", str(simulator.port), "--username", "FENCER", "--password", password,
            "--ssl-secure" if verify else "--ssl-insecure", "--action", action, "--power-wait", "0", *options,
        ]  # fmt: skip
        env = {"PATH": os.environ["PATH"], "SSL_CERT_FILE": simulator.certificate}
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=env)

    return run


@pytest.fixture
def guarded():
    with Simulator(listening=Listening(tls=True, users={"FENCER": "right"})) as simulator:
        yield simulator
    assert simulator.bugs == []


def test_fence_status_on_and_off(fence, guarded):
    assert fence(guarded, "status", "--plug", "S10RO1").stdout.strip() == "Status: ON"
    off = fence(guarded, "off", "--plug", "S10RO1")
    assert off.returncode == 0, off.stderr
    assert "S10RO1" not in guarded.system.active()
    status = fence(guarded, "status", "--plug", "S10RO1")
    assert (status.returncode, status.stdout.strip()) == (2, "Status: OFF")
    on = fence(guarded, "on", "--plug", "S10RO1")
    assert on.returncode == 0, on.stderr
    assert "S10RO1" in guarded.system.active()


def test_fence_reboot(fence, guarded):
    before = guarded.system.cp.guest("S10RO2").since
    assert fence(guarded, "reboot", "--plug", "S10RO2").returncode == 0
    assert guarded.system.cp.guest("S10RO2").since > before


def test_fence_list_and_monitor(fence, guarded):
    listed = fence(guarded, "list")
    assert listed.returncode == 0, listed.stderr
    names = {line.partition(",")[0] for line in listed.stdout.splitlines()}
    assert {"S10GOLD", "S10RO1", "MAINT"} <= names
    assert fence(guarded, "monitor").returncode == 0


def test_fence_is_refused_with_a_wrong_password(fence, guarded):
    assert fence(guarded, "monitor", password="wrong").returncode != 0


def test_fence_without_verification(fence, guarded):
    assert fence(guarded, "monitor", verify=False).returncode == 0


@pytest.mark.slow
def test_fence_does_not_take_a_guest_that_stays_for_gone(fence):
    with Simulator(
        listening=Listening(tls=True), options=Options(shutdown=0), faults=["not-authorised@Image_Deactivate"]
    ) as simulator:
        off = fence(simulator, "off", "--plug", "S10RO1", "--power-timeout", "2")
        assert off.returncode != 0
        assert "S10RO1" in simulator.system.active()


# --- zVMCloudConnector ---


@pytest.fixture(scope="module")
def connector(tmp_path_factory):
    """An environment of its own with zVMCloudConnector in it, and the two programs that it calls."""
    home = tmp_path_factory.mktemp("connector")
    venv.create(home / "venv", with_pip=True)
    python = home / "venv" / "bin" / "python"
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "zVMCloudConnector"]
    made = subprocess.run(pip, capture_output=True, text=True, timeout=600, check=False)
    if made.returncode:
        pytest.skip(f"zVMCloudConnector cannot be installed: {made.stderr.strip()[-300:]}")
    programs = home / "programs"
    programs.mkdir()
    stand_in = programs / "sudo"
    stand_in.write_text(f"#!{sys.executable}\n" + STAND_IN.read_text())
    stand_in.chmod(0o755)

    def run(simulator: Simulator, *requests: str) -> list[dict]:
        """Requests to its SMT layer, each the answer that it gives."""
        script = (
            "import json, sys\n"
            "from smtLayer.smt import SMT\n"
            "smt = SMT(cmdName='t', captureLogs=False)\n"
            "print(json.dumps([smt.request(one) for one in json.loads(sys.argv[1])], default=str))\n"
        )
        env = {"PATH": f"{programs}:/usr/bin:/bin", "ZVM_PORT": str(simulator.port), "HOME": str(home)}
        done = subprocess.run(
            [python, "-c", script, json.dumps(requests)], capture_output=True, text=True, timeout=120, check=False,
            env=env, cwd=home,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        answers: list[dict] = json.loads(done.stdout.splitlines()[-1])
        return answers

    return run


@pytest.mark.slow
def test_connector_makes_runs_and_deletes_a_guest(connector):
    with Simulator() as simulator:
        codes = connector(
            simulator,
            "MakeVM ZCC1 directory PSWD123 1G G --ipl 100",
            "ChangeVM ZCC1 add3390 LINUX 100 200 --mode MR",
            "PowerVM ZCC1 status",
            "PowerVM ZCC1 on",
            "PowerVM ZCC1 status",
            "GetVM ZCC1 directory",
            "PowerVM ZCC1 off",
            "ChangeVM ZCC1 removedisk 100",
            "DeleteVM ZCC1 directory",
            "GetVM ZCC1 directory",
        )
        assert [one["overallRC"] for one in codes[:9]] == [0] * 9, codes
        assert codes[2]["rs"] == 1 and codes[4]["rs"] == 0
        shown = "\n".join(codes[5]["response"])
        assert "MDISK 0100 3390" in shown and "USER ZCC1" in shown
        assert (codes[9]["rc"], codes[9]["rs"]) == (400, 4)
        assert simulator.system.directory.get("ZCC1") is None
        assert simulator.bugs == []


@pytest.mark.slow
def test_connector_sees_no_space_and_a_lock(connector):
    with Simulator() as simulator:
        simulator.system.manager.locks.lock("S10RO3", "MAINT")
        codes = connector(
            simulator,
            "ChangeVM S10RO3 add3390 LINUX F00 200 --mode MR",
            "ChangeVM S10RO2 add3390 LINUX F00 40000 --mode MR",
        )
        assert [(one["rc"], one["rs"]) for one in codes] == [(400, 12), (408, 24)]


@pytest.mark.slow
def test_connector_lists_guests(connector):
    with Simulator() as simulator:
        (listed,) = connector(simulator, "GetVM MAINT alldirectory")
        assert listed["overallRC"] == 0, listed
        assert "S10GOLD" in " ".join(listed["response"])
