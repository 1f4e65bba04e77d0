"""Make or renew the virtual environment that the Makefile works with; the standard library alone is enough.

Usage: ``python3 tools/venv.py DIR GROUP...``, where a GROUP is a dependency group of pyproject.toml.  What stands
installed is noted in ``DIR/.goldroot``: nothing happens while it fits, a group is added where one is missing, and a
change of ``[project]`` or of a group rebuilds the whole environment, so that it never holds what is no longer asked for.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = "all"
NO_VENV = """\
This Python ({python}) cannot make a virtual environment with pip in it. Do one of these, then run make again:
  apt-get install python3-venv          (Debian and Ubuntu, as root)
  make PYTHON=/path/to/another/python3  (3.11 or newer)"""


def main(directory: Path, groups: list[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = fingerprint(project)
    stands = noted(directory)
    if stands["of"] == wanted and set(groups) <= set(stands["groups"]):
        return
    if stands["of"] != wanted:
        create(directory)
        stands = {"of": wanted, "groups": []}
        pip(directory, "--editable", f"{ROOT}[{EXTRAS}]", *requirements(project, groups))
    else:
        pip(directory, *requirements(project, groups))
    stands["groups"] = sorted({*stands["groups"], *groups})
    (directory / ".goldroot").write_text(json.dumps(stands))


def fingerprint(project: dict[str, Any]) -> str:
    """A hash of everything in pyproject.toml that decides what is installed, and of the Python that it is for."""
    parts = [project.get(part) for part in ("project", "build-system", "dependency-groups")]
    parts += project["tool"]["hatch"], (ROOT / "bin/goldroot").read_text()  # an editable installation has a copy of it
    return hashlib.sha256(json.dumps([sys.version, parts], sort_keys=True).encode()).hexdigest()


def noted(directory: Path) -> dict[str, list[str] | str]:
    """What ``directory`` holds; empty where there is no environment that works."""
    nothing: dict[str, list[str] | str] = {"of": "", "groups": []}
    try:
        stands = json.loads((directory / ".goldroot").read_text())
        subprocess.run([directory / "bin/python", "-c", ""], check=True, capture_output=True)
    except (OSError, ValueError, subprocess.CalledProcessError):
        return nothing
    return stands if isinstance(stands, dict) else nothing


def requirements(project: dict[str, dict[str, list[str]]], groups: list[str]) -> list[str]:
    """Read here, because ``pip install --group`` needs a pip that is newer than many machines have."""
    return [line for group in groups for line in project["dependency-groups"][group]]


def create(directory: Path) -> None:
    """An empty environment with pip, by whichever way this machine has."""
    ways = (with_ensurepip, with_debian_package, with_pip_from_outside, with_virtualenv)
    for way in ways:
        shutil.rmtree(directory, ignore_errors=True)
        if way(directory):
            return
    sys.exit(NO_VENV.format(python=sys.executable))


def with_ensurepip(directory: Path) -> bool:
    return succeeds(sys.executable, "-m", "venv", str(directory)) and has_pip(directory)


def with_debian_package(directory: Path) -> bool:
    """Debian keeps ``ensurepip`` in a package of its own, named after the version of Python."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    print(f"installing the Debian package {package}", flush=True)
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    succeeds("apt-get", "update")
    return succeeds("apt-get", "install", "-y", "--no-install-recommends", package) and with_ensurepip(directory)


def with_pip_from_outside(directory: Path) -> bool:
    if not succeeds(sys.executable, "-m", "venv", "--without-pip", str(directory)):
        return False
    inside = str(directory / "bin/python")
    return succeeds(sys.executable, "-m", "pip", "--python", inside, "install", "-q", "pip") and has_pip(directory)


def with_virtualenv(directory: Path) -> bool:
    program = shutil.which("virtualenv")
    command = [program] if program else [sys.executable, "-m", "virtualenv"]
    return succeeds(*command, "-p", sys.executable, str(directory)) and has_pip(directory)


def has_pip(directory: Path) -> bool:
    return succeeds(str(directory / "bin/python"), "-m", "pip", "--version")


def succeeds(*command: str) -> bool:
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0


def pip(directory: Path, *what: str) -> None:
    print(f"installing into {directory}: " + " ".join(what), flush=True)
    command = [directory / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *what]
    if subprocess.run(command, stdin=subprocess.DEVNULL).returncode:
        sys.exit("pip could not install what goldroot needs; its message stands above. It needs a package index.")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
