"""A site that was made before disks belonged to entries, with servers in every state, is converted and goes on.

``tests/data/site-second-edition.tar.xz`` holds an image with three gold versions, of which the first is retired, and clones
that are ``plain`` (on the first), ``moved`` (updated), ``twice`` (updated twice: two fallbacks), ``asked`` (an update waits for
a review), ``back`` (rolled back), ``carried`` (rolled back with what was changed since), ``early`` (the command was killed while
it wrote the disks), ``cutoff`` (before the switch), ``switched`` (right behind it), ``rewrite`` (read-write).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from goldroot.catalog import clones, disks, updates
from goldroot.cli.failure import guarded
from goldroot.cli.main import cli
from goldroot.hosts import find_entry, own_disks, set_of
from goldroot.site import Site
from support.fleet import dump, text
from support.former import former
from support.loose import loose

pytestmark = [
    pytest.mark.root,  # its disks have owners
    pytest.mark.skipif(shutil.which("xz") is None, reason="xz is not installed"),
]

ARCHIVE = Path(__file__).parent.parent / "data" / "site-second-edition.tar.xz"
VERSIONS = {
    "asked": 1, "back": 1, "carried": 1, "cutoff": 1, "early": 1, "moved": 2, "plain": 1, "rewrite": 1, "switched": 2,
    "twice": 3,
}  # fmt: skip


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    subprocess.run(["tar", "--xattrs", "--numeric-owner", "-xpf", ARCHIVE, "-C", tmp_path], check=True)
    monkeypatch.setenv("GOLDROOT_SITE", str(tmp_path / "site"))
    yield str(tmp_path / "site")


def goldroot(*args: str, ok: int = 0) -> None:
    assert guarded(cli, list(args)) == ok, args


def test_each_server_has_its_disks_in_sets_with_marks(root: str) -> None:
    site = Site.open(root)
    found = {}
    for name in VERSIONS:
        entry = site.host.find(name.upper())
        assert entry is not None and entry.startable
        found[name] = {digit: (mark.state, mark.version) for digit, mark in entry.marks.items()}
        assert {set_of(address) for address in (*entry.disks, *entry.links)} == set(entry.marks)
        for digit, mark in entry.marks.items():
            slots = {link.owner for address, link in entry.links.items() if set_of(address) == digit}
            assert slots == (set() if name == "rewrite" else {f"SMALLGOLD{mark.version}".removesuffix("1")}), name
        assert all(site.host.info([disk.id]) for disk in entry.disks.values())
    assert found == {
        "asked": {"1": ("live", 1), "5": ("preparing", 2)},
        "back": {"1": ("live", 1), "5": ("set-aside", 2)},
        "carried": {"1": ("live", 1), "5": ("set-aside", 2), "6": ("set-aside", 1)},
        "cutoff": {"1": ("live", 1), "5": ("preparing", 2)},
        "early": {"1": ("live", 1)},
        "moved": {"1": ("live", 2), "5": ("kept", 1)},
        "plain": {"1": ("live", 1)},
        "rewrite": {"1": ("live", 1)},
        "switched": {"1": ("live", 2), "5": ("kept", 1)},
        "twice": {"1": ("live", 3), "5": ("kept", 2), "6": ("kept", 1)},
    }
    named = {disk.id for entry in site.host.entries() for disk in entry.disks.values()}
    assert set(former(site).disks()) == named, "a disk is in no entry"
    assert not os.path.exists(f"{root}/store/machines") and os.path.isdir(f"{root}/store/machines-before")
    assert loose(root) == []
    site.close()


@pytest.mark.slow
def test_a_conversion_that_was_killed_anywhere_is_made_again(root: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from goldroot.cli.main import main; main(['clone', 'show', 'moved'])"]
    whole = subprocess.run(["cp", "-a", root, tmp_path / "kept"], check=True)
    assert whole.returncode == 0
    for point in ("convert.entry-written:1", "convert.entry-written:7", "convert.done"):
        subprocess.run(["rm", "-rf", root], check=True)
        subprocess.run(["cp", "-a", tmp_path / "kept", root], check=True)
        done = subprocess.run(command, env={**os.environ, "GOLDROOT_CRASH_AT": point}, capture_output=True, check=False)
        assert done.returncode == -9, (point, done.stderr)
        site = Site.open(root)
        entry = site.host.find("TWICE")
        assert entry is not None
        assert {digit: mark.state for digit, mark in entry.marks.items()} == {"1": "live", "5": "kept", "6": "kept"}
        with site.catalog.read() as tx:
            kept = {one.work: dict(one.disks) for one in updates.fallbacks(tx, "twice")}
        assert {mark.by: own_disks(entry, digit) for digit, mark in entry.marks.items() if digit != "1"} == kept
        site.close()


@pytest.mark.slow
def test_everything_can_be_looked_at(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    for clone in VERSIONS:
        goldroot("clone", "show", clone)
        goldroot("clone", "diff", clone, ok=1)  # each has its host name at least
        goldroot("update", "plan", clone, ok=1 if clone == "asked" else 0)
    for words in ("gold list small", "gold verify small", "image list", "linked", "fallback list", "update list --all"):
        goldroot(*words.split())
    goldroot("review", "show", "asked", ok=1)
    assert "its own" in capsys.readouterr().out
    goldroot("review", "list", "--json", ok=1)
    assert [one["clone"] for one in json.loads(capsys.readouterr().out)] == ["asked"]


@pytest.mark.slow
def test_every_server_goes_on_from_where_it_is(root: str) -> None:
    site = Site.open(root)
    with site.catalog.read() as tx:
        assert {one.name: one.version for one in clones.every(tx)} == {**VERSIONS, "switched": 1}
    before = dump(site, "cutoff")
    for clone in ("early", "cutoff", "switched", "rewrite", "plain"):
        goldroot("update", "run", clone)
    with site.catalog.read() as tx:
        now = {one.name: one.version for one in clones.every(tx)}
        assert {name: now[name] for name in ("early", "cutoff", "switched", "rewrite", "plain")} == {
            "early": 2, "cutoff": 2, "switched": 2, "rewrite": 3, "plain": 3,
        }  # fmt: skip
        assert updates.in_flight(tx, "switched") is None
    assert dump(site, "cutoff") != before
    goldroot("update", "run", "asked", ok=1)
    goldroot("review", "resolve", "asked", "--all", "--take", "clone")
    goldroot("update", "run", "asked")
    assert text(site, "asked", "etc/plain.conf") == "its own\n"
    for clone, since in (("twice", None), ("moved", None), ("switched", None)):
        goldroot("rollback", clone)
        assert text(site, clone, "etc/since.conf") == since
        assert text(site, clone, "srv/own") == f"{clone}\n"
    goldroot("rollback", "twice")
    with site.catalog.read() as tx:
        assert clones.get(tx, "twice").version == 1
    assert text(site, "carried", "etc/since.conf") == "since\n"
    goldroot("update", "run", "carried")
    assert text(site, "carried", "etc/since.conf") == "since\n"
    goldroot("clone", "delete", "rewrite")
    goldroot("fallback", "prune", *set(VERSIONS) - {"rewrite", "back"}, "--force")
    named = {disk.id for entry in site.host.entries() for disk in entry.disks.values()}
    assert set(former(site).disks()) == named
    with site.catalog.read() as tx:
        for name in set(VERSIONS) - {"rewrite", "back"}:  # all that a command worked on are registered
            entry = find_entry(site.host, name.upper())
            known = disks.of_owner(tx, site.host.name, entry.name)
            assert {disk.id for disk in entry.disks.values()} == set(known)
            assert {row.state for row in known.values()} == {"made"}
        assert disks.of_owner(tx, site.host.name, "REWRITE") == {}
    site.close()
