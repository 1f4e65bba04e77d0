"""A user who is not root: everything but chroot and ownership works; whose files should be is recorded and said once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.fleet import ROOT
from support.fork_server import ForkServer, Ran
from support.open_way import need_other_users
from support.trees import File, make_tree

pytestmark = pytest.mark.root  # to become the other user

NOBODY = 65534
SAID = "belong to the caller, as giving them away needs root; their owners are recorded"
MORE = {
    "etc/app/key": File("k", mode=0o640, gid=42),
    "usr/bin/tool": File("#!/bin/sh\n", mode=0o4755),
    "etc/app/helper": File("#!/bin/sh\n", mode=0o2755, gid=42),
}


class User:
    """Gives commands in a room of his own; the site is his."""

    def __init__(self, room: Path, server: ForkServer) -> None:
        self.room, self._server = room, server

    def __call__(self, *args: str, ends: int = 0, as_user: int = NOBODY) -> str:
        done: Ran = self._server.run(*args, user=as_user)
        assert done.status == ends, done.said
        return done.said

    def at_site(self, *args: str, ends: int = 0) -> str:
        return self(*args, "--site", str(self.room / "site"), ends=ends)


@pytest.fixture
def user() -> Iterator[User]:
    need_other_users()
    room, server = (
        Path(tempfile.mkdtemp(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)),
        ForkServer(warm=True),
    )
    os.chown(room, NOBODY, NOBODY)
    yield User(room, server)
    server.close()
    shutil.rmtree(room)


def archive(room: Path, name: str, plain: str) -> str:
    """A tar of a root file system with owners, set-id programs."""
    root = make_tree(room / name, {**ROOT, **MORE, "etc/plain.conf": plain})
    subprocess.run(["tar", "-C", root, "-cf", f"{root}.tar", "."], check=True)
    return f"{root}.tar"


@pytest.mark.slow
def test_the_whole_story_without_root(user: User) -> None:
    first, second = (archive(user.room, name, f"{name}\n") for name in ("one", "two"))
    user("init", str(user.room / "site"))
    said = user.at_site("image", "import", "small", "--from", first)
    assert said.count(SAID) == 1
    for version, source in ((1, ""), (2, second)):
        if source:
            user.at_site("image", "import", "small", "--replace", "--from", source)
        assert user.at_site("gold", "publish", "small", "--untested").count(SAID) == 1
        assert "is what was published" in user.at_site("gold", "verify", "small", str(version))
        if version == 1:
            assert user.at_site("clone", "create", "web1", "--image", "small").count(SAID) == 1
            assert SAID in user.at_site("clone", "create", "db1", "--image", "small", "--read-write")
    changed = user.at_site("gold", "diff", "small", "1", "2", ends=1).splitlines()
    assert [line.split()[1] for line in changed] == ["/etc/plain.conf"]
    user.at_site("update", "plan", "web1", "db1")
    for _ in range(2):
        user.at_site("update", "run", "web1", "db1")
        drift = user.at_site("clone", "diff", "web1", ends=1) + user.at_site("clone", "diff", "db1", ends=1)
        assert not [line for line in drift.splitlines() if "owner" in line or "/app/" in line or "tool" in line], drift
        user.at_site("rollback", "web1")
        user.at_site("rollback", "db1", "--carry")
    linked = user.at_site("linked", "--json")
    assert '"WEB1 1B1"' in linked or "WEB1" in linked


@pytest.mark.slow
def test_a_merge_keeps_the_modes_and_says_whose_the_files_are(user: User) -> None:
    for name, plain in (("base", "1\n"), ("gold", "2\n"), ("clone", "1\n")):
        make_tree(user.room / name, {**ROOT, **MORE, "etc/plain.conf": plain, "etc/shadow": "root:*:1::::::\n"})
        os.chmod(user.room / name / "etc/app/key", 0o644)
    words = [part for name in ("base", "gold", "clone") for part in (f"--{name}", str(user.room / name))]
    said = user("merge", *words, "--into", str(user.room / "out"))
    assert said.count("belong to the caller") == 1, said
    out = user.room / "out"
    assert (out / "etc/plain.conf").read_text() == "2\n"
    assert (out / "usr/bin/tool").stat().st_mode & 0o7777 == 0o755, "nobody lends his own rights by a set-uid program"


@pytest.mark.slow
@pytest.mark.parametrize("number", [1000, 101])
def test_the_demo_tells_its_story_to_any_user(number: int, user: User) -> None:
    """The first user of a machine has the number of the demo's own, and one more has that of an account of its systems."""
    os.chown(user.room, number, number)
    said = user("demo", "--small", "--json", "--keep", str(user.room / "story"), as_user=number)
    assert json.loads(said[said.index("{") :])["true"] is True


@pytest.mark.slow
def test_a_server_is_adopted_and_looked_at_again(user: User) -> None:
    """Owners that an archive names are recorded; who reads a directory without the right to give files away is root in it."""
    source = archive(user.room, "gold.tar", "1")
    user("init", str(user.room / "site"))
    user.at_site("image", "import", "small", "--from", source)
    user.at_site("gold", "publish", "small", "--untested")
    server = archive(user.room, "server.tar", "2")
    said = user.at_site("clone", "adopt", "shop", "--from", server, "--image", "small")
    assert "shop is a clone of small 1" in said and said.count(SAID) == 1
    rows = json.loads(user.at_site("clone", "diff", "shop", "--json", ends=1))["entries"]
    assert {row["path"] for row in rows} == {"/etc/plain.conf"}
    again = user.at_site("clone", "adopt", "shop", "--from", server, "--image", "small")
    assert "nothing is new on the server" in again
    later = archive(user.room, "later.tar", "3")
    assert "/etc/plain.conf" in user.at_site("clone", "adopt", "shop", "--from", later, "--image", "small")
