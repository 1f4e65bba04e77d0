"""Commands of many names that were killed: the same command again finishes what is left, and succeeds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from goldroot.cli.failure import guarded
from goldroot.cli.main import cli
from goldroot.fleet import many
from goldroot.site import Site
from support.commands import data, said
from support.fleet import IMAGE, next_gold, on_clone, text
from support.killing import kill_at, points_of
from support.marks import slow

CREATE = ["clone", "create", "n1", "n2", "n3", "--image", IMAGE]
DELETE = ["clone", "delete", "web1", "web2"]
PRUNE = ["fallback", "prune", "--force", "web1", "web2"]


@pytest.fixture
def moved(fleet: Site, capsys: pytest.CaptureFixture[str]) -> Site:
    """web1 and web2 are on gold 2, with a fallback each."""
    next_gold(fleet, {"etc/plain.conf": "gold\n"})
    assert said(capsys, "update", "run", "web1", "web2")[0] == 0
    return fleet


def noted(site: Site) -> list[str]:
    """The commands that are not finished."""
    return os.listdir(site.path("commands")) if os.path.isdir(site.path("commands")) else []


@pytest.mark.parametrize(
    "point",
    [
        *map(slow, ["clone.cleaned:1", "clone.defined:1"]),
        "disk.made:3",
        *map(slow, ["clone.cleaned:3", "clone.defined:3"]),
    ],
)
def test_a_killed_making_is_finished(point: str, fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    kill_at(point, lambda: guarded(cli, CREATE))
    assert noted(fleet) != []
    code, out = said(capsys, *CREATE)
    assert code == 0, out
    assert ("n1 (read-only)" in out) and ("was made already: n1" in out) == (
        point not in ("clone.cleaned:1", "clone.defined:1")
    )
    assert {row["name"]: row["state"] for row in data(capsys, "clone", "list")} == dict.fromkeys(
        ["n1", "n2", "n3", "web1", "web2"], "active"
    )
    assert noted(fleet) == []
    code, out = said(capsys, *CREATE)
    assert code == 3 and "there is a clone n1 already" in out, "it was finished: once more is another wish"


def test_a_making_with_other_options_is_another_command(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    kill_at("disk.made:3", lambda: guarded(cli, CREATE))
    code, out = said(capsys, *CREATE, "--read-write")
    assert code == 3 and "there is a clone n1 already" in out


@pytest.mark.parametrize(
    "point", [*map(slow, ["clone.deleting:1", "clone.undefined:1", "clone.deleting:2"]), "clone.undefined:2"]
)
def test_a_killed_removal_is_finished(point: str, fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    kill_at(point, lambda: guarded(cli, DELETE))
    code, out = said(capsys, *DELETE)
    assert code == 0, out
    assert data(capsys, "clone", "list") == [] and noted(fleet) == []
    assert said(capsys, *DELETE)[0] == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    "point", ["fallback.pruned:1", *map(slow, ["fallback.gone:1", "fallback.marked:2", "fallback.gone:2"])]
)
def test_a_killed_prune_is_finished(point: str, moved: Site, capsys: pytest.CaptureFixture[str]) -> None:
    kill_at(point, lambda: guarded(cli, PRUNE))
    assert said(capsys, *PRUNE, "--plan")[0] == 0
    code, out = said(capsys, *PRUNE)
    assert code == 0, out
    assert data(capsys, "fallback", "list") == [] and noted(moved) == []
    code, out = said(capsys, *PRUNE)
    assert code == 3 and "nothing is kept of a clone web1" in out


@pytest.mark.slow
@pytest.mark.parametrize("words", [CREATE, DELETE, PRUNE], ids=lambda words: " ".join(words[:2]))
def test_killed_at_every_point(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from support.fleet import small_site

    def made(room: Path) -> Site:
        site = small_site(room, versions=2)
        os.environ["GOLDROOT_SITE"] = site.root
        assert guarded(cli, ["clone", "create", "web1", "web2", "--image", IMAGE, "--gold", "1"]) == 0
        if words is PRUNE:
            assert guarded(cli, ["update", "run", "web1", "web2", "--jobs", "1"]) == 0
        return site

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOLDROOT_SITE", "")
        made(tmp_path / "first")
        points = points_of(lambda: guarded(cli, words))
        # The making of a single clone is killed at every point by tests of the fleet.
        for number, point in enumerate(points[:: 4 if words is CREATE else 1]):
            site = made(tmp_path / str(number))
            kill_at(point, lambda: guarded(cli, words))
            code, out = said(capsys, *words)
            assert code == 0, (point, out)
            assert noted(site) == [], point
            site.close()


def cut_off(monkeypatch: pytest.MonkeyPatch, where: str, name: str) -> None:
    """The function is interrupted when it comes to this name."""
    import importlib

    module, _, function = where.rpartition(".")
    room = importlib.import_module(module)
    real = getattr(room, function)

    def interrupted(*args: object, **more: object) -> object:
        if name in args:
            raise KeyboardInterrupt
        return real(*args, **more)

    monkeypatch.setattr(room, function, interrupted)


@pytest.mark.slow
def test_a_cut_off_rollback_goes_back_once(moved: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """web1 has two fallbacks: the repetition must not take it back to the older one."""
    next_gold(moved, {"etc/plain.conf": "newer\n"})
    assert said(capsys, "update", "run", "web1", "web2")[0] == 0
    with pytest.MonkeyPatch.context() as patch:
        cut_off(patch, "goldroot.fleet.roll_back", "web2")
        assert said(capsys, "rollback", "web1", "web2")[0] == 130
    assert (text(moved, "web1", "etc/plain.conf"), text(moved, "web2", "etc/plain.conf")) == ("gold\n", "newer\n")
    code, out = said(capsys, "rollback", "web1", "web2")
    assert code == 0 and "web1: back on gold 2." in out and "web2: back on gold 2." in out
    assert (text(moved, "web1", "etc/plain.conf"), text(moved, "web2", "etc/plain.conf")) == ("gold\n", "gold\n")
    assert noted(moved) == []
    assert said(capsys, "rollback", "web1", "web2")[0] == 0
    assert text(moved, "web1", "etc/plain.conf") == "plain\n", "it was finished: once more is another wish"


@pytest.mark.slow
def test_what_happened_since_is_no_part_of_a_command_that_was_cut_off(
    moved: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """The note of a command that nobody repeated does no harm."""
    with pytest.MonkeyPatch.context() as patch:
        cut_off(patch, "goldroot.fleet.roll_back", "web2")
        assert said(capsys, "rollback", "web1", "web2")[0] == 130
    assert said(capsys, "update", "run", "web1")[0] == 0
    assert text(moved, "web1", "etc/plain.conf") == "gold\n"
    assert said(capsys, "rollback", "web1", "web2")[0] == 0
    assert text(moved, "web1", "etc/plain.conf") == "plain\n", "its newer update was rolled back"


@pytest.mark.slow
def test_a_cut_off_cancel_is_finished(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("web1", "web2"):
        on_clone(fleet, name, {"etc/plain.conf": "mine\n"})
    next_gold(fleet, {"etc/plain.conf": "gold\n"})
    assert said(capsys, "update", "run", "web1", "web2")[0] == 1
    words = ["update", "cancel", "web1", "web2"]
    kill_at("update.cleared:1", lambda: guarded(cli, words))
    code, out = said(capsys, *words)
    assert code == 0
    assert {line.split()[-1] for line in out.splitlines() if line.startswith("cancelled update")} == {"web1", "web2"}
    assert data(capsys, "update", "list") == [] and noted(fleet) == []
    assert said(capsys, *words)[0] == 3


@pytest.mark.slow
def test_where_one_fails_the_others_are_known_to_be_done(moved: Site, capsys: pytest.CaptureFixture[str]) -> None:
    with moved.host.hold("WEB2", runs=True):
        code, out = said(capsys, *DELETE)
        assert code == 3 and "removed web1" in out
    code, out = said(capsys, *DELETE)
    assert code == 0 and "web1 was removed already" in out and "removed web2" in out


def test_a_name_that_never_was_is_an_error(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        code, out = said(capsys, "clone", "delete", "nosuch", "web1")
        assert code == 3 and "there is no clone 'nosuch'" in out
    assert said(capsys, "fallback", "prune", "--force", "nosuch", "web2")[0] == 3


def test_a_damaged_note_is_as_none(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    kill_at("disk.made:3", lambda: guarded(cli, CREATE))
    (name,) = noted(fleet)
    for content in (b"", b"[]", b'{"before": 3}', b"\xff"):
        Path(fleet.path("commands", name)).write_bytes(content)
        assert said(capsys, *CREATE, "--plan")[0] == 3


def test_notes_of_long_ago_go(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    os.makedirs(fleet.path("commands"), exist_ok=True)
    old, new = Path(fleet.path("commands", "old")), Path(fleet.path("commands", "new"))
    for one, age in ((old, many.KEPT_DAYS + 1), (new, 0)):
        one.touch()
        os.utime(one, (one.stat().st_mtime - age * 86400,) * 2)
    assert said(capsys, *CREATE)[0] == 0
    assert noted(fleet) == ["new"]


def test_one_name_is_noted_nowhere(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    kill_at("disk.made:1", lambda: guarded(cli, ["clone", "create", "n1", "--image", IMAGE]))
    assert noted(fleet) == []
