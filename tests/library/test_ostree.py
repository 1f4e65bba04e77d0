"""The program of docs/howto/ostree.md, with a real repository and sysroot that ``ostree`` makes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.trees import dump_tree, make_tree

PROGRAM = Path(__file__).parents[2] / "docs/howto/ostree_etc.py"

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(shutil.which("ostree") is None, reason="ostree is not installed"),
    pytest.mark.skipif(shutil.which("chattr") is None, reason="chattr (e2fsprogs) is not installed"),
]

SSHD = "Port 22\nA {a}\n\n\nB {b}\n"
PASSWD = "root:x:0:0::/root:/bin/sh\n"


@dataclass(frozen=True)
class System:
    """A sysroot with one operating system, ``demo``."""

    room: Path

    @property
    def sysroot(self) -> Path:
        return self.room / "sysroot"

    def run(self, *words: str) -> str:
        return subprocess.run(["ostree", *words], capture_output=True, text=True, check=True).stdout

    def admin(self, *words: str) -> str:
        command, *rest = words
        return self.run("admin", f"--sysroot={self.sysroot}", command, *rest)

    def release(self, number: int, etc: Mapping[str, str]) -> None:
        """Commit a version, and deploy it: the next boot takes it."""
        tree = make_tree(
            self.room / f"tree{number}",
            {
                "usr/lib/modules/6.1/vmlinuz": f"kernel {number}", "usr/lib/modules/6.1/initramfs.img": "initrd",
                "usr/lib/os-release": f"NAME=demo\nID=demo\nVERSION_ID={number}\nPRETTY_NAME=demo\n",
                **{f"usr/etc/{name}": text for name, text in etc.items()},
            },
        )  # fmt: skip
        (tree / "boot").mkdir()
        self.run("commit", f"--repo={self.sysroot}/ostree/repo", "--branch=demo", f"--tree=dir={tree}")
        self.admin("deploy", "--os=demo", "demo")

    def deployments(self) -> list[Path]:
        """The next boot's first."""
        words = [line.split() for line in self.admin("status").splitlines()]
        names = [line[1] for line in words if line[:1] == ["demo"]]
        return [self.sysroot / "ostree/deploy/demo/deploy" / name for name in names]

    def merge(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, PROGRAM, self.sysroot, *words]
        return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    made = System(tmp_path)
    made.sysroot.mkdir()
    made.run("admin", "init-fs", str(made.sysroot))
    made.admin("os-init", "demo")
    made.run("config", f"--repo={made.sysroot}/ostree/repo", "set", "sysroot.bootloader", "none")
    made.release(1, {"sshd": SSHD.format(a=1, b=1), "passwd": PASSWD, "group": "root:x:0:\n", "issue": "1\n"})
    yield made
    # What OSTree marks as immutable, pytest could not remove.
    for deployment in made.sysroot.glob("ostree/deploy/demo/deploy/*.?"):
        subprocess.run(["chattr", "-i", deployment], check=False, capture_output=True)


def release_two(system: System) -> None:
    system.release(
        2,
        {
            "sshd": SSHD.format(a=2, b=1), "passwd": PASSWD + "web:x:900:900::/:/bin/false\n",
            "group": "root:x:0:\nweb:x:900:\n", "issue": "2\n",
        },
    )  # fmt: skip


def test_what_ostree_would_lose_arrives(system: System) -> None:
    (server,) = system.deployments()
    (server / "etc/sshd").write_text(SSHD.format(a=1, b="mine"))
    (server / "etc/passwd").write_text(PASSWD + "ann:x:1000:0::/home/ann:/bin/sh\n")
    (server / "etc/own").write_text("own")
    release_two(system)
    new, old = system.deployments()
    assert old == server
    assert (new / "etc/sshd").read_text() == SSHD.format(a=1, b="mine")  # OSTree's: the new version's change is lost

    done = system.merge()
    assert (done.returncode, done.stderr) == (0, "")
    assert (new / "etc/sshd").read_text() == SSHD.format(a=2, b="mine")
    assert {line.split(":")[0] for line in (new / "etc/passwd").read_text().splitlines()} == {"root", "web", "ann"}
    assert ((new / "etc/issue").read_text(), (new / "etc/own").read_text()) == ("2\n", "own")
    assert not (new / "etc.goldroot").exists()
    assert (old / "etc/sshd").read_text() == SSHD.format(a=1, b="mine")
    assert system.deployments() == [new, old]
    with pytest.raises(PermissionError):  # it is immutable again
        (new / "x").touch()


def test_what_is_to_be_decided_changes_nothing_until_it_is(system: System) -> None:
    (server,) = system.deployments()
    (server / "etc/issue").write_text("mine\n")
    release_two(system)
    new, _ = system.deployments()
    before = dump_tree(new)

    done = system.merge()
    assert done.returncode == 1
    assert "/etc/issue [content]: gold and the server both changed this file" in done.stdout
    assert dump_tree(new) == before

    key = done.stdout.split("key ")[1].split()[0]
    answers = system.room / "answers.json"
    answers.write_text(json.dumps({"schema": 1, "decisions": {key: "gold"}}))
    done = system.merge(str(answers))
    assert (done.returncode, done.stderr) == (0, "")
    assert (new / "etc/issue").read_text() == "2\n"
    assert "web:" in (new / "etc/passwd").read_text()


def test_without_a_new_deployment_it_says_so(system: System) -> None:
    done = system.merge()
    assert (done.returncode, done.stderr) == (1, "no new deployment waits for a reboot\n")
