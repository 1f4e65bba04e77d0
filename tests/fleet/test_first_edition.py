"""A site that the first edition made, with servers in every state, goes on with this one.

``tests/data/site-first-edition.tar.xz`` was written by the first edition's own commands (umask 022): an image with two gold
versions, and clones that are ``plain`` (on the first), ``moved`` (updated), ``asked`` (an update waits for a review), ``back``
(rolled back), ``cutoff`` and ``switched`` (the command was killed early and late in an update), ``rewrite`` (read-write).
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from goldroot.catalog import clones, entries
from goldroot.cli.failure import guarded
from goldroot.cli.main import cli
from goldroot.site import Site
from support.former import former
from support.loose import loose

pytestmark = [
    pytest.mark.root,  # its disks have owners
    pytest.mark.skipif(shutil.which("xz") is None, reason="xz is not installed"),
]

ARCHIVE = Path(__file__).parent.parent / "data" / "site-first-edition.tar.xz"
CLONES = ("asked", "back", "cutoff", "moved", "plain", "rewrite", "switched")


@pytest.fixture(params=[0o000, pytest.param(0o022, marks=pytest.mark.slow)])
def site(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    subprocess.run(["tar", "--xattrs", "--numeric-owner", "-xpf", ARCHIVE, "-C", tmp_path], check=True)
    monkeypatch.setenv("GOLDROOT_SITE", str(tmp_path / "site"))
    before = os.umask(request.param)
    yield str(tmp_path / "site")
    os.umask(before)


def goldroot(*args: str, ok: int = 0) -> None:
    assert guarded(cli, list(args)) == ok, args


def on(site: str) -> dict[str, tuple[int | None, str]]:
    """The gold version and state of each clone."""
    opened = Site.open(site)
    with opened.catalog.read() as tx:
        found: dict[str, tuple[int | None, str]] = {one.name: (one.version, one.state) for one in clones.every(tx)}
    opened.close()
    return found


def test_it_is_closed_to_others_and_its_names_are_those_of_its_machines(
    site: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stat.S_IMODE(os.stat(f"{site}/catalog.sqlite").st_mode) == 0o644
    goldroot("clone", "list")
    said = capsys.readouterr()
    assert "could be read by others" in said.err and all(name in said.out for name in CLONES)
    assert loose(site) == []
    opened = Site.open(site)
    with opened.catalog.read() as tx:
        names = {one.name: one.role for one in entries.every(tx)}
    assert {name for name, role in names.items() if role == "clone"} == {name.upper() for name in CLONES}
    assert {machine.name for machine in former(opened).machines()} <= set(names)
    opened.close()
    goldroot("clone", "list")
    assert capsys.readouterr().err == "", "it is said once"


@pytest.mark.slow
def test_everything_can_be_looked_at(site: str, capsys: pytest.CaptureFixture[str]) -> None:
    for clone in CLONES:
        goldroot("clone", "show", clone)
        goldroot("clone", "diff", clone, ok=1)  # each has its host name at least
        goldroot("update", "plan", clone, ok=1 if clone == "asked" else 0)
    for words in ("gold list small", "gold verify small", "image list", "linked", "fallback list", "update list --all"):
        goldroot(*words.split())
    capsys.readouterr()
    goldroot("review", "list", "--json", ok=1)
    assert [one["clone"] for one in json.loads(capsys.readouterr().out)] == ["asked"]


@pytest.mark.slow
def test_every_server_goes_on_from_where_it_is(site: str) -> None:
    for clone in ("plain", "back", "cutoff", "switched", "rewrite"):
        goldroot("update", "run", clone)
    goldroot("update", "run", "asked", ok=1)
    goldroot("review", "resolve", "asked", "--all", "--take", "clone")
    goldroot("update", "run", "asked")
    goldroot("rollback", "moved")
    assert on(site) == {**dict.fromkeys(CLONES, (2, "active")), "moved": (1, "active")}
    goldroot("update", "run", "moved")
    goldroot("rollback", "plain")
    goldroot("clone", "delete", "rewrite")
    goldroot("clone", "create", "rewrite", "--image", "small")
    goldroot("fallback", "prune", *set(CLONES) - {"rewrite"}, "--force")
    goldroot("gold", "publish", "small", "--untested", "--unchanged")
    goldroot("update", "run", "moved")
    assert on(site)["moved"] == (3, "active")
    assert loose(site) == []
