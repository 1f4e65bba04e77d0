"""Every command that runs something of a server: the server's programs try every way out, and the host is as it was.

A server (or gold) has, in the place of a program that goldroot or an administrator runs, one that tries everything that
``support/escapes/table.py`` knows, and leaves word of it on its own disk.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.escapes import kernel
from support.escapes.running import ESCAPED, NOBODY, SECRET, SPACES, TOP, Programs, shell
from support.escapes.table import ATTEMPTS
from support.fleet import IMAGE, ROOT
from support.trees import make_tree

#: What the names of an image's systems end in.
SYSTEMS = {"maintenance": "RWMNT", "test": "RWTST"}

#: What a server's own program is called, and who runs it.
PLACES = ("usr/local/sbin/ldconfig", "usr/local/sbin/migrate", "usr/local/sbin/check", "bin/true")
POLICY = """
[[rule]]
path = "/etc/generated"
class = "generated"
rebuild = "/usr/local/sbin/ldconfig"

[[rule]]
path = "/var/lib"
class = "state"
whole = false
migrate = "/usr/local/sbin/migrate"
"""
SETTINGS = f"""
[images.{IMAGE}]
policy = "policy.toml"
checks = ["/usr/local/sbin/check", "/bin/true"]
tests = ["/usr/local/sbin/check", "/bin/true"]
"""


@dataclass
class Attacked:
    """A site whose gold, or whose server, is hostile."""

    room: Path
    site: str
    uid: int
    raid: bytes

    def __call__(self, *commands: str, terminal: bool = False) -> str:
        """Give commands of goldroot on a host of its own; what they said."""
        env = {**os.environ, "PYTHONPATH": f"{TOP}/tests:{TOP}/src", "GOLDROOT_TEST_SECRET": SECRET}
        argv = [
            *(SPACES if os.geteuid() == 0 else ()), sys.executable, "-m", "support.escapes.command", str(self.uid),
            str(TOP), json.dumps([self._words(command.split()) for command in commands]),
        ]  # fmt: skip
        if terminal:
            argv = ["script", "-qec", shlex.join(argv), "/dev/null"]
        done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=250)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def _words(self, words: Sequence[str]) -> list[str]:
        return list(words) if words[0] == "init" else [*words[:2], "--site", self.site, *words[2:]]

    def at(self, who: str, path: str) -> Path:
        """Where a path of a server, or of the maintenance or test system, lies on its own disks."""
        places = {"usr/local": "1B5", "usr": "1B2", "srv": "1B5", "var": "1B6"}
        address = next((disk for start, disk in places.items() if path.startswith(f"{start}/")), "1B1")
        store = Path(self.site, "store/disks")
        return store / self.disks(f"{IMAGE}{SYSTEMS[who]}" if who in SYSTEMS else who)[address] / path

    def disks(self, who: str) -> Mapping[str, str]:
        """A server's own disks, as its machine's file in the store has them."""
        machine = json.loads(Path(self.site, f"store/entries/{who.upper()}.json").read_text())
        return {address: one["id"] for address, one in machine["disks"].items()}

    def write(self, who: str, path: str, content: str | bytes, mode: int = 0o644) -> None:
        """As its administrator would, in place of whatever is there."""
        place = self.at(who, path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)
        place.chmod(mode)
        os.chown(place, self.uid, self.uid)

    def plant(self, who: str, path: str) -> None:
        """The hostile program."""
        self.write(who, path, self.raid, 0o755)

    def know(self, who: str) -> None:
        """What the attacker could know of the host."""
        facts = {
            "canary": f"{self.room}/canary", "secret": SECRET, "pid": "99999", "abstract": "nobody", "port": "1",
            "key": "goldroot-test", "shm": "0", **_disk(), **_handle(f"{self.room}/canary"),
        }  # fmt: skip
        self.write(who, "etc/raid", "".join(f"{name}={value}\n" for name, value in facts.items()))

    def left_word(self, who: str, *, runs: int = 0, network: bool = False) -> None:
        """So many runs (0: any) have left word: each tried everything, and got out by nothing that is not explained."""
        path = self.at(who, "var/raid")
        said = path.read_text(errors="replace").splitlines()
        each = len(ATTEMPTS) - 1  # all but the one that needs a script
        assert len(said) == runs * each if runs else said and len(said) % each == 0, said
        for line in said:
            status, name = line.split(" ", 2)[:2]
            attempt = ATTEMPTS[name]
            left = attempt.among or (
                attempt.network_left if network and attempt.network_left is not None else attempt.left
            )
            assert left or int(status) != ESCAPED, line
        path.unlink()

    def is_unhurt(self) -> None:
        """Gold is what was published, and nothing lies in the store or beside it that must not."""
        assert "is what was published" in self(f"gold verify {IMAGE} 1")
        assert (self.room / "canary").read_text() == SECRET
        for directory, _, files in os.walk(os.fsencode(self.site)):
            for name in files:
                kind = os.lstat(os.path.join(directory, name)).st_mode
                assert not stat.S_ISBLK(kind) and not stat.S_ISCHR(kind), name


def _disk() -> dict[str, str]:
    number = os.stat("/").st_dev
    return {"disk": "yes", "major": str(os.major(number)), "minor": str(os.minor(number))} if os.major(number) else {}


def _handle(path: str) -> dict[str, str]:
    found = kernel.handle_of(path)
    return {"handle_type": str(found[0]), "handle": found[1]} if found else {}


#: Root has more to lose, so where it runs the tests, what a user does is tried among the slow ones.
USER = pytest.param("user", marks=[pytest.mark.slow] if os.geteuid() == 0 else [])


@pytest.fixture(params=["root", USER])
def attacked(attempts: Programs, request: pytest.FixtureRequest) -> Iterator[Attacked]:
    """A site with one gold version, of the layout in which a server has a root of its own, and a server web1."""
    if os.geteuid() != 0 and request.param == "root":
        pytest.skip("needs root")
    uid = 0 if request.param == "root" else os.geteuid() or NOBODY
    room = Path(tempfile.mkdtemp(prefix="goldroot-attacked-"))
    room.chmod(0o755)
    (room / "canary").write_text(SECRET)
    (room / "canary").chmod(0o600)
    make_tree(room / "root", {**ROOT, **shell(), "etc/generated": "one\n"})
    if uid != os.geteuid():
        subprocess.run(["chown", "-R", f"{uid}:{uid}", room], check=True)
    one = Attacked(room, str(room / "site"), uid, Path(attempts.attempt).read_bytes())
    one(f"init {one.site}")
    (room / "site/policy.toml").write_text(POLICY)
    with open(room / "site/goldroot.toml", "a") as file:
        file.write(SETTINGS)
    one(
        f"image import {IMAGE} --from {room}/root --layout shared-usr",
        f"gold publish {IMAGE} --untested",
        f"clone create web1 --image {IMAGE}",
    )
    yield one
    one.is_unhurt()
    shutil.rmtree(room)


def test_update(attacked: Attacked) -> None:
    """A rebuild, a migration and two checks."""
    for place in PLACES:
        attacked.plant("web1", place)
    attacked.know("web1")
    attacked.write("maintenance", "etc/generated", "two\n")
    attacked.write("maintenance", "var/lib/mysql/ibdata", "two\n")
    attacked(f"gold publish {IMAGE} --untested", "update run web1")
    attacked.left_word("web1", runs=len(PLACES))


@pytest.mark.slow
def test_update_of_a_server_with_a_shell_of_its_own(attacked: Attacked) -> None:
    attacked.plant("web1", "bin/sh")
    attacked.know("web1")
    attacked.write("maintenance", "etc/generated", "two\n")
    attacked(f"gold publish {IMAGE} --untested", "update run web1")
    attacked.left_word("web1")


@pytest.mark.slow
def test_clone_enter(attacked: Attacked) -> None:
    attacked.plant("web1", "usr/local/sbin/check")
    attacked.plant("web1", "bin/sh")
    attacked.know("web1")
    attacked("clone enter web1 /usr/local/sbin/check")
    attacked("clone enter web1", terminal=True)
    attacked.left_word("web1", runs=2, network=True)


@pytest.mark.slow
def test_maintain(attacked: Attacked) -> None:
    """By a package that is hostile: in the maintenance system, and in the tests of both forms."""
    for place in ("usr/local/sbin/check", "bin/true"):
        attacked.plant("maintenance", place)
    attacked.know("maintenance")
    attacked(f"maintain run {IMAGE} /usr/local/sbin/check")
    attacked.left_word("maintenance", runs=1, network=True)
    attacked(f"maintain test {IMAGE}")
    attacked.left_word("test", runs=4)
    attacked(f"maintain run --test {IMAGE} /bin/true")
    attacked.left_word("test", runs=1, network=True)
    attacked.plant("maintenance", "bin/sh")
    attacked(f"maintain enter {IMAGE}", terminal=True)
    attacked.left_word("maintenance", runs=1, network=True)
