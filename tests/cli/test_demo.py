"""``goldroot demo``: what it shows was run, what it claims is true, and a claim that is not is noticed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from goldroot.cli.failure import guarded
from goldroot.cli.main import cli
from goldroot.demo import command, moves, narrator, real_roots, roots
from goldroot.demo import story as story_module
from goldroot.demo.narrator import Narrator
from goldroot.demo.roots import Roots
from goldroot.demo.story import Story
from goldroot.demo.table import FATES, Row, show
from goldroot.errors import Failed, MissingProgram, NoPermission
from support.hosts import need_programs


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Nothing of the machine has a say: no cache, no site, no editor."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("GOLDROOT_SITE", "/nowhere")
    monkeypatch.setenv("VISUAL", "false")
    yield tmp_path


@pytest.fixture
def kept() -> Iterator[Path]:
    """A directory in memory where there is one: a disk that others use may take a minute for the same."""
    with tempfile.TemporaryDirectory(dir=command.MEMORY if os.access(command.MEMORY, os.W_OK) else None) as place:
        yield Path(place)


@pytest.mark.slow
def test_the_small_form_tells_the_whole_story(room: Path, kept: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code = guarded(cli, ["demo", "--small", "--keep", str(kept)])
    said = capfd.readouterr()
    assert code == 0, said.out + said.err
    for words in ("init", "image import", "maintain test", "gold publish", "clone create", "clone diff", "linked",
                    "update plan", "update run", "review show", "rollback web2 --carry", "fallback list"):  # fmt: skip
        assert f"$ goldroot {words}" in said.out
    claims = re.findall(r"^(ok|NO)  ", said.out, re.MULTILINE)
    assert len(claims) > 20 and set(claims) == {"ok"}
    assert "hash" not in re.sub(r"web\d# .*", "", said.out), "a password is typed, and never printed"
    assert os.environ["GOLDROOT_SITE"] == "/nowhere" and os.environ["VISUAL"] == "false"
    site = str(kept / "site")
    assert guarded(cli, ["clone", "list", "--site", site, "--json"]) == 0
    clones = json.loads(capfd.readouterr().out)
    assert {one["name"]: one["version"] for one in clones} == {"db1": 1, "web1": 2, "web2": 1}


@pytest.mark.slow
def test_without_namespaces_it_says_what_is_missing(
    room: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> list[bytes]:
        raise NoPermission("commands cannot be confined here")

    monkeypatch.setattr("goldroot.system.confine.filters", refuse)
    assert guarded(cli, ["demo", "--small", "--json"]) == 0
    data = json.loads(capfd.readouterr().out)
    assert (data["form"], data["true"]) == ("small", True)
    assert {row["fate"] for row in data["rows"]} == set(FATES) - {"renumbered"}


@pytest.mark.slow
@pytest.mark.root
def test_servers_run_where_they_can_and_none_is_left(room: Path, capfd: pytest.CaptureFixture[str]) -> None:
    need_programs("systemd-nspawn", "setpriv", "nsenter")
    assert guarded(cli, ["demo", "--small", "--host", "nspawn", "--json"]) == 0
    data = json.loads(capfd.readouterr().out)
    assert (data["host"], data["true"]) == ("nspawn", True)
    claims = {(row["server"], row["what"]) for row in data["rows"]}
    assert {("web1", "its machine"), ("web1", "/usr, from inside")} <= claims
    left = subprocess.run(["pgrep", "-f", "machines.supervise.*goldroot-demo-"], capture_output=True, text=True)
    assert left.stdout == ""


@pytest.mark.slow
def test_a_story_without_running_servers(room: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert guarded(cli, ["demo", "--small", "--host", "directory", "--json"]) == 0
    data = json.loads(capfd.readouterr().out)
    assert (data["host"], data["true"]) == ("directory", True)


def test_who_wants_servers_that_run_is_told_why_none_does(
    room: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_why_none_runs", lambda roots, room: "there is no moon")
    assert guarded(cli, ["demo", "--small", "--host", "nspawn"]) == 4
    assert "servers cannot run here: there is no moon" in capfd.readouterr().err


@pytest.mark.parametrize("needed", ["package", "keys", "program"])
def test_what_it_needs_is_missed_before_it_begins(
    needed: str, room: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Making real releases takes minutes, and the middle of a story is a bad place to stop."""

    def missing(*args: object) -> None:
        raise MissingProgram("it is not installed")

    if needed == "package":
        monkeypatch.setattr(command, "find_spec", lambda name: None)
    elif needed == "keys":
        monkeypatch.setattr("goldroot.sshsig.ready", missing)
    else:
        monkeypatch.setattr(command, "find", missing)
    monkeypatch.setattr(real_roots, "real_roots", missing)
    assert guarded(cli, ["demo", "--keep", str(room / "kept")]) == 4
    said = capfd.readouterr()
    assert said.out == "" and "not installed" in said.err and not (room / "kept").exists()


@pytest.mark.slow
def test_a_claim_that_is_not_true_fails_the_demo(
    room: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server's job is taken away behind the demo's back, before it looks."""

    def begin(story: Story) -> None:
        """As little of the story as there must be."""
        story_module._site(story)
        story.stage.goldroot("gold", "publish", story.image, "--untested")
        story.stage.goldroot("clone", "create", "web1", "--image", story.image)
        story.on("web1", f"echo '0 3 * * * root backup' > {moves.BACKUP}")

    def nothing(story: Story) -> None:
        story.claim("kept", "web1", moves.BACKUP, "added by web1", story.look("web1").exists(moves.BACKUP))

    def removed(story: Story) -> None:
        story.on("web1", f"rm {moves.BACKUP}")

    monkeypatch.setattr(story_module, "begin", begin)
    monkeypatch.setattr(moves, "move", lambda story: (removed(story), nothing(story)))
    assert guarded(cli, ["demo", "--small", "--quiet", "--host", "directory"]) == 4
    said = capfd.readouterr()
    assert re.search(r"^NO   ?kept +web1 +/etc/cron.d/backup", said.out, re.MULTILINE)
    assert "1 of the demo's 1 claims is not true" in said.err and moves.BACKUP in said.err


def test_a_command_that_fails_stops_the_story(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Failed, match=r"clone list .*ended with status 3"):
        Narrator(quiet=True).silently("clone", "list", "--site", "/nowhere")
    assert capfd.readouterr().out == ""


def test_a_directory_with_something_in_it_is_not_taken(room: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (room / "full").mkdir()
    (room / "full/mine").write_text("x")
    assert guarded(cli, ["demo", "--small", "--keep", str(room / "full")]) == 2
    assert "is not an empty directory" in capfd.readouterr().err
    assert [path.name for path in (room / "full").iterdir()] == ["mine"]


def test_auto_says_why_it_is_small_and_real_insists(
    room: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(real_roots, "_obstacle", lambda room: "there is no moon")
    assert real_roots.real_roots(str(room), Narrator(), must=False) is None
    assert "not real Debian ones: there is no moon." in capfd.readouterr().out.replace("\n", " ")
    with pytest.raises(Failed, match="no moon"):
        real_roots.real_roots(str(room), Narrator(), must=True)


@pytest.mark.root
def test_releases_in_the_cache_need_no_mirror(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(real_roots, "ROOM", 0)
    monkeypatch.setattr(real_roots, "_mirror", lambda: None)
    assert real_roots.real_roots(str(room), Narrator(quiet=True), must=False) is None
    for release in real_roots.RELEASES:
        os.makedirs(real_roots._place(release))
    found = real_roots.real_roots(str(room), Narrator(quiet=True), must=False)
    assert found is not None and found.first.startswith(str(room / "cache/goldroot/debian-bookworm-"))


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.root
@pytest.mark.timeout(900)
def test_the_real_form_is_true(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Debian 12 and 13, from the cache of whoever runs this, or made now."""
    if why := real_roots._obstacle(str(tmp_path)):
        pytest.skip(why)
    assert guarded(cli, ["demo", "--real", "--json"]) == 0
    data = json.loads(capfd.readouterr().out)
    assert data["form"] == "real" and {row["fate"] for row in data["rows"]} == set(FATES)


@pytest.mark.parametrize("memory", ["/nowhere", "/proc"])
def test_without_a_file_system_in_memory_it_stands_on_the_disk(
    memory: str, room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "MEMORY", memory)
    monkeypatch.setattr("tempfile.tempdir", str(room))
    with command._room(None, 1) as place:
        assert Path(place).parent == room
    assert not Path(place).exists()


def test_the_two_small_releases_differ_as_the_story_needs(tmp_path: Path) -> None:
    first, second = map(roots.small_files, roots.RELEASES)
    assert first.keys() == second.keys()
    assert isinstance(found := roots.small_roots(str(tmp_path)), Roots)
    assert Path(found.first, "etc/os-release").resolve() == Path(found.first, "usr/lib/os-release")


def test_long_output_is_shortened(capsys: pytest.CaptureFixture[str]) -> None:
    stage = Narrator(room="/a/long/place")
    stage.show(narrator.Ran(0, "".join(f"line {n}\n" for n in range(20)) + "/a/long/place/site\n"), 3, 1)
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert lines == ["line 0", "line 1", "line 2", "... 17 lines more", "site"]
    stage.show(narrator.Ran(0, "a  column " * 30 + "\n" + "a sentence " * 30))
    assert all(len(line) < narrator.WIDTH for line in capsys.readouterr().out.splitlines())


def test_the_table_is_grouped_and_marks_what_is_false() -> None:
    rows = [
        Row("merged", "web1", "a", "b", True),
        Row("kept", "db1", "long", "c", False),
        Row("kept", "db1", "d", "e", True),
    ]
    lines: list[str] = []
    show(rows, lambda text, fg: lines.append(text), 80)
    assert lines == ["NO  kept    db1   long  c", "ok          db1   d     e", "ok  merged  web1  a     b"]


def test_what_a_narrow_terminal_has_no_room_for_goes_on_below_itself() -> None:
    lines: list[str] = []
    show([Row("kept", "web1", "a", "as it was before the update", True)], lambda text, fg: lines.append(text), 40)
    assert lines == ["ok  kept  web1  a  as it was before the", "                   update"]
