"""Making the programs that attempt, and running all attempts on a host of their own."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.escapes.table import ATTEMPTS
from support.escapes.ways import Way
from support.trees import File, Node

SOURCES = Path(__file__).parents[2] / "system" / "escapes" / "attempts"
TOP = Path(__file__).parents[3]
SECRET = "canary-5c1f"
NOBODY = 65534

#: Namespaces of the host that is attacked: what an attempt breaks, it breaks in there.
SPACES = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--ipc", "--uts", "--net", "--")

ESCAPED, UNKNOWN = 0, 2


@dataclass(frozen=True)
class Programs:
    """The program of all attempts, and what stands in for a program interpreter (nothing where there is none)."""

    attempt: str
    interpreter: str

    def names(self) -> list[str]:
        done = subprocess.run([self.attempt], capture_output=True, text=True, check=True)
        return [name for name in done.stdout.split() if not name.startswith("much_")]


@dataclass(frozen=True)
class Run:
    """How an attempt went: 0 it got out, 1 it was refused, 2 this cannot be shown here; and what the host lost."""

    status: int
    said: str
    damage: Sequence[str]


Results = Mapping[tuple[str, str, bool], Run]  #: by name, way, whether it had the host's network


def programs(room: Path) -> Programs:
    """Compile them; a machine without a compiler skips."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler (gcc, libc6-dev)")
    attempt, interpreter = room / "attempt", room / "interpreter"
    sources = sorted(SOURCES.glob("*.c"))
    made = subprocess.run(
        [compiler, "-O1", "-Wall", "-static", "-o", attempt, *sources], capture_output=True, text=True
    )
    if made.returncode != 0 and "cannot find -lc" in made.stderr:
        pytest.skip("needs the C library for static programs (libc6-dev)")
    assert made.returncode == 0, made.stderr
    if platform.machine() != "x86_64":
        return Programs(str(attempt), "")
    words = ["-O1", "-nostdlib", "-fPIE", "-static-pie", "-fno-stack-protector", "-mgeneral-regs-only"]
    subprocess.run([compiler, *words, "-o", interpreter, SOURCES / "interpreter" / "interpreter.c"], check=True)
    return Programs(str(attempt), str(interpreter))


def run_all(programs: Programs, room: Path, ways: Sequence[Way], *, uid: int) -> Results:
    """Each attempt in each way, on a host that root has, or an ordinary user."""
    job = {
        "room": str(room), "attempt": programs.attempt, "interpreter": programs.interpreter, "ways": ways, "uid": uid,
        "reach": [sys.base_prefix, str(TOP)], "names": {name: _alone(name) for name in ATTEMPTS},
    }  # fmt: skip
    paths = [str(TOP / "tests"), str(TOP / "src")]
    env = {**os.environ, "PYTHONPATH": ":".join(paths), "GOLDROOT_TEST_SECRET": SECRET}
    spaces = SPACES if os.geteuid() == 0 else ()
    done = subprocess.run(
        [*spaces, sys.executable, "-m", "support.escapes.host", json.dumps(job)],
        env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = {}
    for line in map(json.loads, done.stdout.splitlines()):
        found[line["name"], line["way"], line["network"]] = Run(line["status"], line["said"], line["damage"])
    return found


def _alone(name: str) -> str:
    """Why an attempt is not run together with others."""
    attempt = ATTEMPTS[name]
    return "terminal" if attempt.terminal else attempt.among or ("by a script" if name == "self_exe" else "")


def shell() -> Mapping[str, Node]:
    """This machine's /bin/sh with the libraries that it needs, for a root of its own."""
    found = subprocess.run(["ldd", "/bin/sh"], capture_output=True, text=True)
    files = {"bin/sh": "/bin/sh", **{path.lstrip("/"): path for path in re.findall(r"(/\S+) \(0x", found.stdout)}}
    return {path: File(Path(file).read_bytes(), mode=0o755) for path, file in files.items()}


def has_power(number: int) -> bool:
    """Whether this machine's root has a capability at all."""
    with open("/proc/self/status") as file:
        words = dict(line.split(":", 1) for line in file)
    return bool(int(words["CapBnd"], 16) >> number & 1)
