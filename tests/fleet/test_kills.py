"""Killed at every named point: a clone is exactly the old or the new system, and the same command finishes the work.

The commands run as processes of their own, with the durable engine; the points come from a run that lists those it
passes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from goldroot.catalog import clones as catalog_clones
from goldroot.catalog import updates
from goldroot.fleet import clones
from goldroot.fleet.update.update import run_update
from goldroot.site import Site
from goldroot.workflow import InProcess
from support.fleet import IMAGE, dump, next_gold, on_clone, small_site
from support.former import former
from support.trees import Seen

# A case kills at each of 50 to 100 points, with two processes each: minutes on a slow machine.
pytestmark = [pytest.mark.crash, pytest.mark.timeout(1800)]

COMMAND = "import sys; from goldroot.cli.main import main; main(sys.argv[1:])"
KILLED = -9

CREATE = ["clone", "create", "web1", "--image", IMAGE]
UPDATE = ["update", "run", "web1"]
ROLLBACK = ["rollback", "web1"]
CARRY = ["rollback", "web1", "--carry"]
DELETE = ["clone", "delete", "web1"]
PRUNE = ["fallback", "prune", "web1", "--force"]


def goldroot(root: Path, args: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "GOLDROOT_SITE": str(root), **environment}
    return subprocess.run([sys.executable, "-c", COMMAND, *args], env=env, capture_output=True, text=True)


def prepare(room: Path, *, until: str) -> Path:
    """A site in which the command is due: web1 on gold 1, gold 2 there, web1 updated."""
    site = small_site(room)
    if until != "create":
        clones.create_clone(site, "web1", IMAGE)
        on_clone(site, "web1", {"srv/mine": "mine\n", "var/lib/mysql/ibdata": "mine"})
        next_gold(site, {"etc/plain.conf": "gold 2\n", "usr/bin/tool": "two\n"})
    if until == "rollback":
        run_update(site, InProcess(), "web1")
        on_clone(site, "web1", {"etc/since.conf": "since\n"})
    site.close()
    return Path(site.root)


def points(root: Path, args: list[str], room: Path) -> list[str]:
    """Every named point that the command passes, each passage with its number."""
    log = room / "points"
    done = goldroot(root, args, GOLDROOT_CRASH_LOG=str(log))
    assert done.returncode == 0, done.stderr
    seen: dict[str, int] = {}
    found = []
    for name in log.read_text().split():
        seen[name] = seen.get(name, 0) + 1
        found.append(f"{name}:{seen[name]}")
    return found


def plain(tree: dict[str, Seen]) -> dict[str, Seen]:
    """Without what a making draws by lot, and directories' times."""
    lots = ("etc/machine-id",)
    return {
        path: seen if seen.kind != "d" else Seen("d", seen.mode, seen.uid, seen.gid, 0, b"", seen.xattrs, ())
        for path, seen in tree.items()
        if not path.endswith(lots)
    }


def restored(kept: Path, root: Path) -> None:
    """The site as it was before the command, at the same place, with times and inodes of its own."""
    shutil.rmtree(root)
    subprocess.run(["cp", "-a", str(kept), str(root)], check=True)


@pytest.mark.parametrize(
    ("until", "args"),
    [("update", UPDATE), ("rollback", ROLLBACK), ("rollback", CARRY)],
    ids=["update", "rollback", "carry"],
)
def test_rule_3_killed_anywhere_a_clone_is_old_or_new(room: Path, until: str, args: list[str]) -> None:
    root = prepare(room, until=until)
    kept = room / "kept"
    subprocess.run(["cp", "-a", str(root), str(kept)], check=True)
    old = _dump(root)
    names = points(root, args, room)
    new = _dump(root)
    assert old != new and len(names) > 10
    for name in names:
        restored(kept, root)
        died = goldroot(root, args, GOLDROOT_CRASH_AT=name)
        assert died.returncode == KILLED, (name, died.stderr)
        assert _dump(root) in (old, new), f"killed at {name}, web1 is neither old nor new"
        again = goldroot(root, args)
        assert again.returncode == 0, (name, again.stderr)
        assert _dump(root) == new, f"killed at {name}, the second run came to something else"
        _check_whole(root, name)


def _dump(root: Path) -> dict[str, Seen]:
    site = Site.open(str(root))
    try:
        return plain(dump(site, "web1"))
    finally:
        site.close()


def _check_whole(root: Path, name: str) -> None:
    """The catalog agrees with the machine, nothing is in flight, and no disk is left that nobody names."""
    site = Site.open(str(root))
    with site.catalog.read() as tx:
        clone = catalog_clones.get(tx, "web1")
        assert updates.in_flight(tx, "web1") is None, name
    slot = former(site).at("WEB1", "1B1").owner
    assert slot == {1: "SMALLGOLD", 2: "SMALLGOLD2"}[clone.version], name
    shown = clones.show_clone(site, "web1")
    named = set(shown["disks"].values())
    with site.catalog.read() as tx:
        for one in updates.fallbacks(tx, "web1"):
            named |= {str(disk) for disk in one.disks.values()}
    assert {disk for disk in former(site).disks() if disk.startswith("web1-")} == named, name
    site.close()


def test_a_creation_killed_anywhere_is_finished(room: Path) -> None:
    root = prepare(room, until="create")
    kept = room / "kept"
    subprocess.run(["cp", "-a", str(root), str(kept)], check=True)
    names = points(root, CREATE, room)
    new = _dump(root)
    for name in names:
        restored(kept, root)
        assert goldroot(root, CREATE, GOLDROOT_CRASH_AT=name).returncode == KILLED
        again = goldroot(root, CREATE)
        assert again.returncode == 0, (name, again.stderr)
        assert _dump(root).keys() == new.keys()
        _check_whole(root, name)


def test_a_removal_killed_anywhere_is_finished(room: Path) -> None:
    root = prepare(room, until="rollback")
    kept = room / "kept"
    subprocess.run(["cp", "-a", str(root), str(kept)], check=True)
    for name in points(root, DELETE, room):
        restored(kept, root)
        assert goldroot(root, DELETE, GOLDROOT_CRASH_AT=name).returncode == KILLED
        again = goldroot(root, DELETE)
        assert again.returncode == 0, (name, again.stderr)
        site = Site.open(str(root))
        assert [disk for disk in former(site).disks() if disk.startswith("web1-")] == []
        with site.catalog.read() as tx:
            assert catalog_clones.every(tx) == []
        site.close()


def test_a_prune_killed_anywhere_is_finished_and_touches_nothing_live(room: Path) -> None:
    root = prepare(room, until="rollback")
    kept = room / "kept"
    subprocess.run(["cp", "-a", str(root), str(kept)], check=True)
    live = _dump(root)
    names = points(root, PRUNE, room)
    for name in names:
        restored(kept, root)
        assert goldroot(root, PRUNE, GOLDROOT_CRASH_AT=name).returncode == KILLED
        assert goldroot(root, PRUNE).returncode == (3 if name == names[-1] else 0), (
            "nothing is left behind the last one"
        )
        assert _dump(root) == live
        _check_whole(root, name)
