"""goldroot on s390x itself, where a z/VM site's management guest runs it: by qemu-user, from wheels and the system's packages.

DBOS and cryptography have no wheels there (of DBOS's own needs, the driver of PostgreSQL has none): what takes their places is
what this shows.  Nothing of it is s390x hardware, and the kernel is this machine's.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from support.foreign import running_s390x
from support.systemd_roots import systemd_root

pytestmark = [pytest.mark.slow, pytest.mark.integration, pytest.mark.root, pytest.mark.timeout(5400)]

PROJECT = Path(__file__).parents[2]
ELSEWHERE = {"platform_machine": "s390x", "extra": "fleet"}
#: What has no wheel for s390x and is Debian's there; what the commands of a site start.
FROM_DEBIAN = {"markupsafe": "python3-markupsafe"}
PACKAGES = ("python3", "python3-venv", *FROM_DEBIAN.values(), "openssh-client", "git", "rsync")


def wanted() -> dict[str, str]:
    """What pip installs there with the extra ``fleet``, in the versions of this environment."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["fleet"]]
    found: dict[str, str] = {}
    while asked:
        one = Requirement(asked.pop())
        name = one.name.lower().replace("_", "-")
        if name in found or name in FROM_DEBIAN or (one.marker is not None and not one.marker.evaluate(ELSEWHERE)):
            continue
        found[name] = importlib.metadata.version(name)
        asked += importlib.metadata.requires(name) or []
    return found


def download(place: Path) -> None:
    """The wheels for s390x, and goldroot's; the test is skipped where the index does not have them."""
    pip = [sys.executable, "-m", "pip"]
    subprocess.run([*pip, "wheel", "-q", "--no-deps", "-w", place, PROJECT], check=True, capture_output=True)
    platforms = [f"--platform={name}_s390x" for name in ("manylinux2014", "manylinux_2_17", "manylinux_2_28")]
    what = [
        "--no-deps",
        "--only-binary=:all:",
        *platforms,
        "--platform=any",
        "--python-version=3.11",
        "--abi=cp311",
        "--abi=none",
    ]
    versions = [f"{name}=={version}" for name, version in wanted().items()]
    done = subprocess.run(
        [*pip, "download", "-q", *what, "-d", place, *versions], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"wheels for s390x cannot be had: {done.stderr[-300:]}")


class Guest:
    """A Debian for s390x with goldroot."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __call__(self, *words: str, ends: int = 0) -> str:
        done = subprocess.run(["chroot", self.root, *words], capture_output=True, text=True, check=False)
        assert done.returncode == ends, (
            f"{' '.join(words)}: {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        )
        return done.stdout

    def goldroot(self, *words: str, ends: int = 0) -> str:
        return self("/opt/goldroot/bin/goldroot", *words, ends=ends)


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    with running_s390x():
        made = systemd_root("bookworm", ",".join(PACKAGES), ("--architectures=s390x", "--skip=check/qemu"))
        root = tmp_path_factory.mktemp("s390x") / "root"
        subprocess.run(["cp", "-a", made, root], check=True)
        (root / "wheels").mkdir()
        download(root / "wheels")
        guest = Guest(root)
        for kind, place in (("proc", "proc"), ("tmpfs", "tmp"), ("tmpfs", "dev/shm")):
            (root / place).mkdir(exist_ok=True)
            subprocess.run(["mount", "-t", kind, "none", root / place], check=True)
        try:
            guest("python3", "-m", "venv", "--system-site-packages", "/opt/goldroot")
            (wheel,) = (root / "wheels").glob("goldroot-*.whl")
            what = f"goldroot[fleet] @ file:///wheels/{wheel.name}"
            guest("/opt/goldroot/bin/pip", "install", "-q", "--no-index", "--find-links=/wheels", what)
            yield guest
        finally:
            for place in ("dev/shm", "tmp", "proc"):
                subprocess.run(["umount", root / place], check=True)
            shutil.rmtree(root)


def test_it_is_s390x_without_what_has_no_wheel_there(guest: Guest) -> None:
    assert guest("/opt/goldroot/bin/python", "-c", "import platform; print(platform.machine())").strip() == "s390x"
    assert "goldroot" in guest.goldroot("--version")
    for name in ("dbos", "cryptography", "psycopg"):
        guest("/opt/goldroot/bin/python", "-c", f"import {name}", ends=1)


def test_three_directories_are_merged(guest: Guest) -> None:
    make = (
        "mkdir -p /tmp/m/b /tmp/m/g /tmp/m/s; cd /tmp/m; seq 9 > b/n; sed s/2/two/ b/n > g/n; sed s/8/eight/ b/n > s/n"
    )
    guest("sh", "-c", make)
    words = ("--base", "/tmp/m/b", "--gold", "/tmp/m/g", "--clone", "/tmp/m/s", "--at", "/etc", "--into", "/tmp/m/out")
    guest.goldroot("merge", *words)
    assert (guest.root / "tmp/m/out/n").read_text().split() == ["1", "two", "3", "4", "5", "6", "7", "eight", "9"]


def test_a_server_is_updated_and_goes_back(guest: Guest) -> None:
    """The demo is the whole story; what it leaves is a site, on which commands go on."""
    said = guest.goldroot("demo", "--small", "--keep", "/tmp/story")
    assert re.search(r"^(\d+) of \1 claims are true", said, re.MULTILINE), said[-2000:]
    site = ("--site", "/tmp/story/site")
    assert [one["version"] for one in json.loads(guest.goldroot("clone", "list", "--json", *site))] == [1, 2, 1]
    assert "web2: switched from gold 1 to 2" in guest.goldroot("update", "run", "web2", *site)
    assert "is what was published" in guest.goldroot("gold", "verify", "small", "2", *site)
