"""Clients of z/VM that others wrote, as they are installed, against a simulator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from goldroot.zvm.simulator import Simulator

FENCE = Path("/usr/sbin/fence_zvmip")
STAND_IN = Path(__file__).parents[1] / "zvm/simulator/smcli_stand_in.py"


def need_fence() -> None:
    """Skips the test where Debian's fence_zvmip does not run."""
    if not FENCE.exists():
        pytest.skip("fence_zvmip is not installed (Debian: apt-get install --no-install-recommends fence-agents)")
    works = subprocess.run([FENCE, "-o", "metadata"], capture_output=True, timeout=60, check=False)
    if works.returncode:
        pytest.skip(f"fence_zvmip does not run here: {works.stderr.decode(errors='replace').strip()[-200:]}")


def fence(
    port: int, action: str, *options: str, user: str = "FENCER", password: str = "right", certificate: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run fence_zvmip.

    :param certificate: that the server's is checked against; "": without TLS, where ``options`` say so.
    """
    command = [
        FENCE, "--ip", "127.0.0.1", "--ipport", str(port), "--username", user, "--password", password,
        "--action", action, "--power-wait", "0", *options,
    ]  # fmt: skip
    env = {"PATH": os.environ["PATH"]} | ({"SSL_CERT_FILE": certificate} if certificate else {})
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=env)


Connector = Callable[..., list[dict[str, Any]]]


def connector(home: Path) -> Connector:
    """An environment of its own with zVMCloudConnector in it, and the two programs that it calls; skips without it."""
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

    def run(simulator: Simulator, *requests: str) -> list[dict[str, Any]]:
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
        answers: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
        return answers

    return run
