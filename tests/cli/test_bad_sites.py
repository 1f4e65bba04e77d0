"""Sites that are damaged, full, foreign, busy or somewhere else: a clear error with what to do, and nothing lost."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from goldroot.cli.failure import guarded
from goldroot.cli.main import cli
from goldroot.fleet import clones
from goldroot.fleet.update import reconcile
from goldroot.site import Site
from support.fleet import IMAGE, dump, live, next_gold, on_clone, small_site, text
from support.fork_server import ForkServer
from support.former import former, path_of
from support.roots import ROOT as ROOT_WITH_SHELL
from support.roots import add_program
from support.trees import dump_tree

MEMORY = "/dev/shm"
LARGE = "x" * 2_000_000

UPDATE = ("update", "run", "web1")
PUBLISH = ("gold", "publish", IMAGE, "--untested")

#: A command of each kind, those that only look first.
LOOKS = (
    ("image", "list"), ("gold", "list"), ("gold", "verify", IMAGE, "1"), ("gold", "diff", IMAGE, "1", "2"), ("linked",),
    ("clone", "list"), ("clone", "show", "web1"), ("clone", "diff", "web1"), ("update", "plan", "web1"),
    ("update", "list"), ("review", "list"), ("fallback", "list"), ("maintain", "diff", IMAGE),
)  # fmt: skip
WORKS = (
    UPDATE, PUBLISH, ("clone", "create", "web2", "--image", IMAGE), ("clone", "delete", "web1"), ("rollback", "web1"),
    ("fallback", "prune"), ("gold", "retire", IMAGE, "1"), ("update", "cancel", "web1"),
    ("review", "resolve", "web1", "--all", "--take", "gold"),
)  # fmt: skip


def slow(value: Any) -> Any:
    """A value like one that the quick tests have already."""
    return pytest.param(value, marks=pytest.mark.slow)


@dataclass(frozen=True)
class Said:
    """Exit code and words of a command."""

    code: int
    words: str


Say = Callable[..., Said]


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    """A site in which an update of web1 to gold 2 is due."""
    room = Path(tempfile.mkdtemp(prefix="goldroot-bad-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None))
    room.chmod(0o755)
    site = small_site(room)
    clones.create_clone(site, "web1", IMAGE)
    on_clone(site, "web1", {"srv/mine": "mine\n"})
    next_gold(site, {"etc/plain.conf": "gold 2\n", "usr/bin/tool": "two\n"})
    site.close()
    yield room
    shutil.rmtree(room)


@pytest.fixture
def site(template: Path) -> Iterator[Site]:
    """A copy of the template, in its room."""
    place = Path(tempfile.mkdtemp(dir=template))
    place.chmod(0o755)
    copied(template, place / "site")
    opened = Site.open(str(place / "site"))
    yield opened
    opened.close()
    shutil.rmtree(place)


def copied(template: Path, place: Path) -> None:
    subprocess.run(["cp", "-a", template / "site", place], check=True)


@pytest.fixture
def say(site: Site, capsys: pytest.CaptureFixture[str]) -> Say:
    """Give a command, in the site where no other is named."""

    def give(*args: str, root: str | None = None) -> Said:
        capsys.readouterr()
        code = guarded(cli, [*args, "--site", root or site.root])
        said = capsys.readouterr()
        assert "this is a bug" not in said.err, said.err
        return Said(code, said.out + said.err)

    return give


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    made = ForkServer(warm=True)
    yield made
    made.close()


@contextmanager
def other_process(script: str, *args: str) -> Iterator[subprocess.Popen[str]]:
    """A process that says "ready" and then waits to be killed."""
    command = [sys.executable, "-c", f"import sys, time\n{script}\nprint('ready', flush=True)\ntime.sleep(600)", *args]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def unchanged_files(root: str) -> dict[str, Any]:
    """Everything of a site but its locks and what SQLite keeps beside its files."""
    return {
        path: seen
        for path, seen in dump_tree(root).items()
        if not path.startswith("locks") and not path.endswith(("-shm", "-wal", ".running"))
    }


# -- the catalog


def close(site: Site) -> Path:
    """Close the catalog, all of it in its file."""
    site.close()
    return change_catalog(Path(site.path("catalog.sqlite")))


def change_catalog(path: Path, *statements: str) -> Path:
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        for statement in (*statements, "PRAGMA wal_checkpoint(TRUNCATE)"):
            database.execute(statement)
    return path


@pytest.mark.slow
def test_a_catalog_of_a_newer_version_is_left_alone(site: Site, say: Say) -> None:
    path = change_catalog(close(site), "UPDATE alembic_version SET version_num = 'r0999'")
    before = path.read_bytes()
    for args in (*LOOKS, *WORKS):
        said = say(*args)
        assert said.code == 6, (args, said.words)
        assert "newer goldroot" in said.words and "pip install -U" in said.words
    assert json.loads(say("gold", "list", "--json").words)["error"] == "newer-version"
    assert path.read_bytes() == before


@pytest.mark.parametrize("damage", ["head", "middle", "cut", "emptied", "a directory"])
def test_a_damaged_catalog_is_said_and_not_written(site: Site, say: Say, damage: str) -> None:
    path = close(site)
    good, size = path.read_bytes(), path.stat().st_size
    spoilt = {
        "head": b"\xa5" * 4096 + good[4096:],
        "middle": good[:4096] + b"\xa5" * (size - 4096),
        "cut": good[: size // 2 + 100],
        "emptied": b"",
        "a directory": b"",
    }[damage]
    path.unlink()
    if damage == "a directory":
        path.mkdir()
    else:
        path.write_bytes(spoilt)
    live_disks = dump_tree(site.path("store"))
    for args in (("clone", "list"), UPDATE, PUBLISH, ("rollback", "web1")):
        said = say(*args)
        # A catalog that was damaged is one: the command line is not wrong.
        assert said.code in ((4,) if damage in ("middle", "cut") else (2, 3)), (args, said.words)
        assert "catalog" in said.words and len(said.words.splitlines()) > 1, "it says what to do"
    assert path.is_dir() or path.read_bytes() == spoilt
    assert dump_tree(site.path("store")) == live_disks


def test_a_missing_catalog_is_not_made_anew(site: Site, say: Say) -> None:
    close(site).unlink()
    said = say("clone", "list")
    assert said.code == 3
    assert "there is no catalog" in said.words
    assert not os.path.exists(site.path("catalog.sqlite"))


# -- goldroot.toml, and the place


@pytest.mark.parametrize(
    ("more", "line", "words"),
    [
        ("slot = 3\n", 1, "unknown key 'slot'"),
        ('[clones.web1]\naddres = "192.0.2.1/24"\n', 2, "'address'"),
        ('[images.small]\n\nchekcs = ["true"]\n', 3, "'checks'"),
        ("[unknown]\nx = 1\n", 1, "unknown key 'unknown'"),
        ('\n[image.small]\ntests = ["true"]\n', 2, "Did you mean 'images'?"),
        ("slots = \n", 1, "not valid TOML"),
    ],
)
def test_a_mistake_in_the_configuration_has_its_line(site: Site, say: Say, more: str, line: int, words: str) -> None:
    Path(site.path("goldroot.toml")).write_text(more)
    for args in (("clone", "list"), UPDATE, PUBLISH):
        said = say(*args)
        assert said.code == 2
        assert f"goldroot.toml:{line}: " in said.words and words in said.words


def test_a_configuration_that_is_nested_without_end_is_no_bug(site: Site, say: Say) -> None:
    Path(site.path("goldroot.toml")).write_text("slots = " + "[" * 100_000)
    said = say("clone", "list")
    assert (said.code, "goldroot.toml: nested too deeply" in said.words) == (2, True)


def test_a_version_that_no_database_could_count_is_no_bug(site: Site, say: Say) -> None:
    for args in ((*UPDATE, "--to"), ("gold", "show", "small")):
        assert say(*args, "9" * 30).code == 2


def test_no_site_is_found(
    site: Site, say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("GOLDROOT_SITE", raising=False)
    monkeypatch.chdir(tmp_path)
    for args in (*LOOKS, *WORKS):
        assert guarded(cli, list(args)) == 3, args
        said = capsys.readouterr().err
        assert "no goldroot site here" in said and "goldroot init DIR" in said
    (tmp_path / "below").mkdir()
    said_of = say("clone", "list", root=str(tmp_path / "below"))
    assert said_of.code == 3 and "is not a goldroot site" in said_of.words
    assert os.listdir(tmp_path) == ["below"]


@pytest.mark.slow
def test_a_site_that_moved_works_where_it_is(site: Site, say: Say, template: Path) -> None:
    site.close()
    place = Path(tempfile.mkdtemp(dir=template)) / "a place with blanks" / "site"
    place.parent.mkdir()
    os.rename(site.root, place)
    try:
        for args in (("gold", "verify", IMAGE, "2"), UPDATE, ("rollback", "web1"), PUBLISH, UPDATE):
            assert say(*args, root=str(place)).code == 0
        moved = Site.open(str(place))
        assert text(moved, "web1", "etc/plain.conf") == "gold 2\n"
        assert text(moved, "web1", "srv/mine") == "mine\n"
        moved.close()
    finally:
        os.rename(place, site.root)


def test_a_store_that_is_not_there_is_said(site: Site, say: Say) -> None:
    os.rename(site.path("store"), site.path("away"))
    for args in (("clone", "list"), ("linked",), ("gold", "verify", IMAGE, "1"), UPDATE, PUBLISH):
        said = say(*args)
        assert said.code in (0, 3, 4), (args, said.words)
        assert said.code == 0 or "store" in said.words, (args, said.words)
    os.rename(site.path("away"), site.path("store"))
    assert say(*UPDATE).code == 0


def test_a_damaged_definition_names_its_file(site: Site, say: Say) -> None:
    file = Path(site.path("store/entries/WEB1.json"))
    good = file.read_bytes()
    file.write_bytes(good[: len(good) // 2])
    for args in (("clone", "show", "web1"), UPDATE, ("clone", "delete", "web1")):
        said = say(*args)
        assert said.code in (2, 4) and "WEB1.json" in said.words, (args, said.words)
    file.write_bytes(good)
    assert say(*UPDATE).code == 0


# -- two commands at once, and a clone that runs


@pytest.mark.slow
def test_the_second_command_on_a_clone_says_who_holds_it(site: Site, say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "WAIT", 0.1)
    hold = (
        "from goldroot.site import Site\nfrom goldroot.fleet.update.reconcile import clone_lock\n"
        "held = clone_lock(Site.open(sys.argv[1]), 'web1', 'goldroot update run web1')\nheld.__enter__()"
    )
    with other_process(hold, site.root) as other:
        for args in (UPDATE, ("rollback", "web1"), ("clone", "delete", "web1"), ("update", "cancel", "web1")):
            said = say(*args)
            assert said.code == 5, said.words
            assert f"`goldroot update run web1` (process {other.pid}" in said.words
        assert say("clone", "create", "web2", "--image", IMAGE).code == 0, "another clone is not held up"
        assert say("update", "plan", "web1").code == 0, "looking needs no lock"
    assert say(*UPDATE).code == 0


@pytest.mark.slow
def test_two_updates_at_once_are_one_update(site: Site, server: ForkServer) -> None:
    second = ForkServer()
    try:
        with ThreadPoolExecutor(2) as pool:
            runs = list(pool.map(lambda one: one.run(*UPDATE, "--site", site.root), (server, second)))
    finally:
        second.close()
    assert any(run.status == 0 for run in runs), runs
    for run in runs:
        assert run.status == 0 or (run.status == 5 and "update of web1" in run.said), run.said
    assert text(site, "web1", "etc/plain.conf") == "gold 2\n"
    with site.catalog.read() as tx:
        from goldroot.catalog import updates

        assert [one.state for one in updates.every(tx, "web1")] == ["done"]


def test_a_clone_that_is_written_is_not_switched(site: Site, say: Say) -> None:
    disk = Path(live(site, "web1").root(b"srv/mine") or "")
    before = dump(site, "web1")
    for script in ("held = open(sys.argv[1], 'r+')", "import os\nos.chdir(os.path.dirname(sys.argv[1]))"):
        with other_process(script, str(disk / "srv/mine")) as other:
            said = say(*UPDATE)
            assert said.code == 3, said.words
            assert f"process {other.pid}" in said.words and "Shut it down" in said.words
            assert dump(site, "web1") == before
    assert say(*UPDATE).code == 0
    assert text(site, "web1", "etc/plain.conf") == "gold 2\n"


@pytest.mark.slow
@pytest.mark.root
def test_a_clone_that_somebody_entered_is_not_switched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = {path: node for path, node in ROOT_WITH_SHELL.items() if path != "home/me/letter"}
    made = small_site(tmp_path, root, versions=0)
    add_program(Path(next_gold_root(made)), "/bin/sh")
    assert guarded(cli, [*PUBLISH, "--site", made.root]) == 0
    clones.create_clone(made, "web1", IMAGE)
    next_gold(made, {"etc/app.conf": "level = 2\n"})
    start = f"{sys.executable} -c 'from goldroot.cli.main import main; main()'"
    enter = f"exec {start} clone enter --site {made.root} web1 /bin/sh -c 'echo ready; read line'"
    pipe = subprocess.PIPE
    with subprocess.Popen(enter, shell=True, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as other:
        assert other.stdout is not None and other.stdin is not None and other.stderr is not None
        assert other.stdout.readline() == "ready\n"
        assert guarded(cli, [*UPDATE, "--site", made.root]) == 3
        assert "clone enter" in capsys.readouterr().err
        assert text(made, "web1", "etc/app.conf") == "level = 1\n"
        other.stdin.close()
        # What power it has was said first, in one line.
        assert re.fullmatch(r"web1: .*over this machine.*; no network \[\w+\]\n", other.stderr.read())
        assert other.wait() in (0, 1)
    assert guarded(cli, [*UPDATE, "--site", made.root]) == 0
    assert text(made, "web1", "etc/app.conf") == "level = 2\n"
    made.close()


def next_gold_root(site: Site) -> str:
    """The root disk of the maintenance system."""
    from goldroot.image import MAINTENANCE, System

    return path_of(System(site, IMAGE, MAINTENANCE), "1B1")


# -- gold that was tampered with


@pytest.mark.slow
def test_a_gold_whose_papers_were_changed_is_not_used(site: Site, say: Say) -> None:
    before = dump(site, "web1")
    directory = Path(site.path("images", IMAGE, "gold", "2"))
    for name, change in (
        ("record.json", lambda old: old.replace(b'"version":2', b'"version":3')),
        ("record.json", lambda old: old.replace(b'"untested"', b'"untestes"')),
        ("record.json.sig", lambda old: old[:60] + bytes([old[60] ^ 1]) + old[61:]),
        ("1B5.manifest", lambda old: Path(site.path("images", IMAGE, "gold", "1", "1B5.manifest")).read_bytes()),
        ("1B5.manifest", lambda old: None),
    ):
        good = (directory / name).read_bytes()
        bad = change(good)
        assert bad != good
        (directory / name).unlink()
        if bad is not None:
            (directory / name).write_bytes(bad)
        said = say(*UPDATE)
        assert said.code in (2, 4), (name, said.words)
        assert "signed" in said.words or "signature" in said.words or "manifest" in said.words, said.words
        assert dump(site, "web1") == before
        (directory / name).write_bytes(good)
    assert say(*UPDATE).code == 0


@pytest.mark.slow
@pytest.mark.parametrize("path", ["etc/plain.conf", slow("usr/bin/tool"), "etc/new-and-evil.conf"])
def test_a_gold_slot_that_was_tampered_with_is_not_used(site: Site, say: Say, path: str) -> None:
    before = dump(site, "web1")
    address = "1B1" if path.startswith("usr") else "1B5"
    file = Path(former(site).at("SMALLGOLD2", address).path, path)
    good = file.read_bytes() if file.exists() else None
    times = file.stat().st_mtime_ns if good else 0
    above = file.parent.stat().st_mtime_ns
    file.write_bytes(b"evil 2\n" if good is None or len(good) == 7 else b"evl\n")
    said = say(*UPDATE)
    assert said.code == 4, said.words
    assert "goldroot gold verify small 2" in said.words and f"/{path}" in said.words
    assert json.loads(say(*UPDATE, "--json").words)["error"] == "bad-signature"
    assert dump(site, "web1") == before
    assert say("gold", "verify", IMAGE, "2").code != 0
    if good is None:
        file.unlink()
    else:
        file.write_bytes(good)
        os.utime(file, ns=(times, times))
    os.utime(file.parent, ns=(above, above))
    assert say(*UPDATE).code == 0


@pytest.mark.root
def test_a_gold_that_was_tampered_with_makes_no_clones(site: Site, say: Say) -> None:
    file = Path(former(site).at("SMALLGOLD2", "1B6").path, "var/log/syslog")
    os.chown(file, 4711, 4711)
    said = say("clone", "create", "web2", "--image", IMAGE)
    assert said.code == 4 and "/var/log/syslog" in said.words
    assert not [disk for disk in former(site).disks() if disk.startswith("web2")]
    os.chown(file, 0, 0)
    assert say("clone", "create", "web2", "--image", IMAGE).code == 0


# -- no room, no rights


@contextmanager
def narrow(template: Path, megabytes: int) -> Iterator[Path]:
    """A copy of the site on a small file system of its own; the ballast in ``ballast`` fills it."""
    place = Path(tempfile.mkdtemp(dir=template))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,nr_inodes=100000", "none", place], check=True)
    try:
        copied(template, place / "site")
        yield place
    finally:
        subprocess.run(["umount", place], check=True)
        place.rmdir()


def fill(place: Path, leaving: int) -> None:
    """Make the file system full but for so many bytes."""
    ballast = place / "ballast"
    ballast.write_bytes(b"")
    free = os.statvfs(place)
    ballast.write_bytes(bytes(max(free.f_bavail * free.f_frsize - leaving, 0)))


@pytest.mark.slow
@pytest.mark.root
@pytest.mark.parametrize("leaving", [0, slow(16), slow(80), 400, slow(1200), slow(2100)])
def test_an_update_without_room_switches_nothing_and_is_finished_later(
    template: Path, site: Site, say: Say, leaving: int
) -> None:
    """``leaving``: so many kilobytes, of the four megabytes that the clone's disks take."""
    with narrow(template, 16) as place:
        there = Site.open(str(place / "site"))
        on_clone(there, "web1", {"srv/large": LARGE, "var/lib/mysql/ibdata": LARGE})
        before, disks = dump(there, "web1"), former(there).disks()
        fill(place, leaving * 1024)
        said = say(*UPDATE, root=there.root)
        assert said.code == 4, said.words
        assert "no space" in said.words or "full" in said.words, said.words
        assert "again" in said.words, said.words
        assert dump(there, "web1") == before
        # Where there is no room even to write that the new disks go, they stay, empty, in the entry that names them.
        left = set(former(there).disks()) ^ set(disks)
        assert all(os.listdir(former(there).disk_path(disk)) == [] for disk in left), "what was begun keeps it full"
        (place / "ballast").unlink()
        assert say(*UPDATE, root=there.root).code == 0
        assert text(there, "web1", "etc/plain.conf") == "gold 2\n"
        assert text(there, "web1", "srv/large") == LARGE
        there.close()


@pytest.mark.root
def test_without_a_byte_or_an_inode_every_look_works(template: Path, site: Site, say: Say) -> None:
    """It is then that one needs to see what could go."""
    with narrow(template, 16) as place:
        there = str(place / "site")
        with closing(Site.open(there)) as opened:
            on_clone(opened, "web1", {"etc/plain.conf": "mine\n"})
            Path(former(opened).at("SMALLRWMNT", "1B5").path, "etc/plain.conf").write_text("new\n")
        fill(place, 0)
        subprocess.run(["mount", "-o", f"remount,nr_inodes={used_inodes(place)}", place], check=True)
        before = unchanged_files(there)
        for args in (*LOOKS, ("clone", "delete", "web1", "--plan")):
            said = say(*args, root=there)
            assert said.code in (0, 1), (args, said.words)
        said = say(*UPDATE, root=there)
        assert (said.code, "no space left" in said.words) == (4, True), said.words
        assert unchanged_files(there) == before


def used_inodes(place: Path) -> int:
    found = os.statvfs(place)
    return found.f_files - found.f_ffree


@pytest.mark.slow
@pytest.mark.root
@pytest.mark.parametrize("leaving", [0, slow(16), slow(400), 1200])
def test_a_publish_without_room_shows_nothing_and_is_done_later(
    template: Path, site: Site, say: Say, leaving: int
) -> None:
    with narrow(template, 16) as place:
        there = Site.open(str(place / "site"))
        Path(next_gold_root(there), "usr/lib/large").write_text(LARGE)
        fill(place, leaving * 1024)
        said = say(*PUBLISH, root=there.root)
        assert said.code == 4, said.words
        assert "no space" in said.words and "again" in said.words, said.words
        assert "published" not in said.words
        (place / "ballast").unlink()
        listed = json.loads(say("gold", "list", IMAGE, "--json", root=there.root).words)
        assert not [gold for gold in listed if gold["number"] == 3 and gold["state"] == "published"]
        for number in ("1", "2"):
            assert say("gold", "verify", IMAGE, number, root=there.root).code == 0
        assert "Gold version 3" in say(*PUBLISH, root=there.root).words
        assert say("gold", "verify", IMAGE, "3", root=there.root).code == 0
        there.close()


@pytest.mark.root
def test_another_user_is_told_that_it_is_not_his_site(site: Site, server: ForkServer) -> None:
    site.close()
    before = unchanged_files(site.root)
    for args in (
        *LOOKS,
        *WORKS,
        ("maintain", "run", IMAGE, "true"),
        ("maintain", "test", IMAGE),
        ("gold", "list", "--json"),
    ):
        done = server.run(*args[:2], "--site", site.root, *args[2:], user=65534)
        assert done.status in (3, 4), (args, done.said)
        assert "Traceback" not in done.said and "this is a bug" not in done.said, (args, done.said)
        if done.status == 4:
            said = ("not permitted", "cannot be opened or written", "no-permission", "may not be")
            assert any(words in done.said for words in said), (args, done.said)
            assert "as root" in done.said or "as the owner" in done.said, (args, done.said)
    assert unchanged_files(site.root) == before


@pytest.mark.slow
@pytest.mark.root
def test_another_user_of_a_site_that_is_open_to_others_is_refused(site: Site, server: ForkServer) -> None:
    """As an older goldroot left it: who cannot close it must not go on as if it were closed."""
    site.close()
    for path in (site.root, site.path("goldroot.toml")):
        os.chmod(path, 0o755)
    done = server.run("image", "list", "--site", site.root, user=65534)
    assert done.status == 4, done.said
    assert "may be open to others, and that cannot be changed" in done.said
    assert "as the owner of the site" in done.said
    assert os.stat(site.root).st_mode & 0o777 == 0o755
