"""Where the result of ``goldroot merge`` appears, in bad weather: full disks, kills, other commands, no rights."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import goldroot
from goldroot.merge.apply.output import MARKER, fresh_output
from goldroot.tree import read_flags, write_flags
from support.open_way import need_other_users
from support.trees import Dir, File, Seen, Table, dump_tree, make_tree

MARK = os.fsdecode(MARKER)
NOBODY = 65534
BASE: Table = {"etc/a": "1\n", "etc/b": "1\n2\n3\n4\n5\n6\n", "etc/d/c": "c\n"}
GOLD: Table = {"etc/a": "1\n", "etc/b": "gold\n2\n3\n4\n5\n6\n", "etc/d/c": "c\n", "etc/new": "n\n"}
CLONE: Table = {"etc/a": "mine\n", "etc/b": "1\n2\n3\n4\n5\nclone\n", "etc/d/c": "c\n"}


@pytest.fixture
def room(tmp_path: Path) -> Path:
    return make_trees(tmp_path)


def make_trees(room: Path, more: Table | None = None) -> Path:
    for word, table in (("base", BASE), ("gold", GOLD), ("clone", CLONE)):
        make_tree(room / word, {**table, **(more or {})})
    return room


def command(room: Path, *more: str | Path) -> list[str]:
    trees = [part for word in ("base", "gold", "clone") for part in (f"--{word}", str(room / word))]
    return [sys.executable, "-c", "from goldroot.cli.main import main; main()", "merge", *trees, *map(str, more)]


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(goldroot.__file__)), **more}


def merge(room: Path, *more: str | Path, before: tuple[str, ...] = (), **env: str) -> subprocess.CompletedProcess[str]:
    line = [*before, *command(room, *more)]
    return subprocess.run(line, env=environment(**env), capture_output=True, text=True, timeout=120, check=False)


def trees_of(room: Path) -> dict[str, dict[str, Seen]]:
    return {word: dump_tree(room / word) for word in ("base", "gold", "clone")}


def no_traceback(said: subprocess.CompletedProcess[str]) -> str:
    assert "Traceback" not in said.stderr
    assert said.returncode != 70, said.stderr
    return said.stderr


@contextmanager
def mounted(place: Path, size: str = "4m") -> Iterator[Path]:
    """An empty file system, with ``lost+found`` as a new ext4 has it."""
    place.mkdir(exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("file systems cannot be mounted here")
    try:
        (place / "lost+found").mkdir(mode=0o700)
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


# -- the disk


@pytest.mark.root
def test_no_space_left(tmp_path: Path) -> None:
    make_trees(tmp_path, {"srv/big": b"x" * 3_000_000})
    before = trees_of(tmp_path)
    with mounted(tmp_path / "disk", "2m") as disk:
        said = merge(tmp_path, "--into", disk / "out")
        assert said.returncode == 4
        assert "no space left" in no_traceback(said)
        assert sorted(os.listdir(disk)) == ["lost+found"], "OUT is absent, and nothing else is left"
    assert trees_of(tmp_path) == before


@pytest.mark.root
def test_no_space_left_in_a_mount_point(tmp_path: Path) -> None:
    make_trees(tmp_path, {"srv/big": b"x" * 3_000_000})
    with mounted(tmp_path / "disk", "2m") as disk:
        disk.chmod(0o751)
        said = merge(tmp_path, "--into", disk)
        assert (said.returncode, "no space left" in no_traceback(said)) == (4, True)
        assert os.listdir(disk) == ["lost+found"]
        assert disk.stat().st_mode & 0o7777 == 0o751, "as it was"


@pytest.mark.root
def test_no_space_left_for_the_record(room: Path) -> None:
    """Nothing appears without its record, and what was written of it does not stay in the room that is wanted."""
    make_tree(room / "clone", {f"etc/mine-{number}": "x" for number in range(20)})
    with mounted(room / "disk", "4k") as disk:
        said = merge(room, "--into", room / "out", "--report", disk / "record.json")
        assert said.returncode == 4
        assert "no space left" in no_traceback(said)
        assert sorted(os.listdir(disk)) == ["lost+found"]
    assert not (room / "out").exists()


@pytest.mark.slow
@pytest.mark.root
def test_an_empty_mount_point_is_filled_in_place(room: Path) -> None:
    with mounted(room / "disk") as disk:
        said = merge(room, "--into", disk)
        assert said.returncode == 0, said.stderr
        assert os.path.ismount(disk)
        found = dump_tree(disk)
        del found["lost+found"]
        assert merge(room, "--into", room / "out").returncode == 0
        assert found == dump_tree(room / "out")


@pytest.mark.slow
def test_a_marker_that_could_not_be_written_is_in_nobodys_way(room: Path) -> None:
    """The command was killed, or the disk was full, between its making and its words; but it never excuses what stands there."""
    make_tree(room / "out", {MARK: ""})
    assert merge(room, "--into", room / "out").returncode == 0
    assert sorted(os.listdir(room / "out")) == ["etc"]
    make_tree(room / "other", {MARK: "", "file": "x"})
    assert merge(room, "--into", room / "other").returncode == 2
    assert sorted(os.listdir(room / "other")) == [MARK, "file"]


@pytest.mark.root
def test_an_empty_directory_that_is_mounted_from_elsewhere_is_filled_in_place(room: Path) -> None:
    """The same file system twice: its device number says nothing of a mount."""
    for name in ("elsewhere", "here"):
        (room / name).mkdir()
    if subprocess.run(
        ["mount", "--bind", room / "elsewhere", room / "here"], capture_output=True, check=False
    ).returncode:
        pytest.skip("directories cannot be mounted here")
    try:
        assert merge(room, "--into", room / "here").returncode == 0
        assert sorted(os.listdir(room / "here")) == ["etc"]
    finally:
        subprocess.run(["umount", str(room / "here")], check=True)
    assert sorted(os.listdir(room / "elsewhere")) == ["etc"]


@pytest.mark.root
def test_lost_and_found_where_nothing_is_mounted(room: Path) -> None:
    make_tree(room / "out", {"lost+found": Dir()})
    assert merge(room, "--into", room / "out").returncode == 0
    assert (room / "out/etc/new").exists()


@pytest.mark.slow
@pytest.mark.root
def test_a_mount_point_killed_in_the_middle_is_marked_and_only_the_same_command_goes_on(room: Path) -> None:
    with mounted(room / "disk") as disk:
        with fresh_output(os.fsencode(disk), "another request"):
            (disk / "half").write_text("done")
            shutil.copytree(disk, room / "killed")
        for path in (room / "killed").iterdir():
            if path.name != "lost+found":
                path.rename(disk / path.name) if path.is_dir() else shutil.copy2(path, disk)
        assert set(os.listdir(disk)) == {"lost+found", MARK, "half"}
        refused = merge(room, "--into", disk)
        assert refused.returncode == 2
        assert "unfinished work of another merge" in no_traceback(refused)
        as_input = subprocess.run(
            [*command(room, "--into", room / "out"), "--clone", str(disk)],
            env=environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert as_input.returncode == 2
        assert "unfinished" in as_input.stderr
        with fresh_output(os.fsencode(disk), "another request"):
            assert set(os.listdir(disk)) == {"lost+found", MARK}, "it starts afresh"
        assert os.listdir(disk) == ["lost+found"]


def test_a_directory_whose_parent_may_not_be_written(room: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    make_tree(room / "above/out", {})
    (room / "above").chmod(0o555)
    assert merge(room, "--into", room / "above/out").returncode == 0


# -- the power fails


@contextmanager
def on_a_disk(image: Path, place: Path) -> Iterator[Path]:
    """The ext4 of an image file; what is in the file is what is on the disk."""
    place.mkdir(exist_ok=True)
    if subprocess.run(["mount", "-o", "loop", str(image), str(place)], capture_output=True, check=False).returncode:
        pytest.skip("image files cannot be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def after_a_power_failure(image: Path, place: Path, out: str) -> dict[str, Seen]:
    """OUT as it is on a disk that nothing more reaches."""
    lost = shutil.copy2(image, image.with_suffix(".lost"))
    with on_a_disk(lost, place) as disk:
        return dump_tree(disk / out)


@pytest.mark.root
@pytest.mark.parametrize(("out", "words"), [("out", ["--sync"]), ("", [])], ids=["--sync", "a mount point"])
def test_out_is_on_the_disk_when_it_appears(room: Path, out: str, words: list[str]) -> None:
    image = room / "disk.img"
    image.touch()
    os.truncate(image, 16 << 20)
    if not shutil.which("mkfs.ext4"):
        pytest.skip("there is no mkfs.ext4")
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    with on_a_disk(image, room / "disk") as disk:
        said = merge(room, "--into", disk / out, *words)
        assert said.returncode == 0, said.stderr
        assert after_a_power_failure(image, room / "later", out) == dump_tree(disk / out)


# -- what is in the way of moving and removing


def flags_work(place: Path) -> bool:
    handle = os.open(place, os.O_RDONLY)
    try:
        write_flags(handle, 0x10, 0, directory=True)
        write_flags(handle, 0, 0, directory=True)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


@contextmanager
def immutable(*places: Path) -> Iterator[None]:
    handles = [os.open(place, os.O_RDONLY) for place in places]
    for handle in handles:
        write_flags(handle, 0x10, 0, directory=False)
    try:
        yield
    finally:
        for handle in handles:
            write_flags(handle, 0, 0, directory=False)
            os.close(handle)


def flags_of(place: Path) -> int:
    handle = os.open(place, os.O_RDONLY)
    try:
        return (read_flags(handle) or (0, 0))[0]
    finally:
        os.close(handle)


@pytest.mark.root
def test_immutable_files_and_an_immutable_top(room: Path) -> None:
    """As ``chattr +i`` leaves them: the result has them, and what was left half done can be removed."""
    if not flags_work(room):
        pytest.skip("this file system has no inode flags")
    with immutable(room / "clone/etc/a", room / "clone/etc/d", room / "clone"):
        said = merge(room, "--into", room / "out")
    assert said.returncode == 0, said.stderr
    held = [room / "out", room / "out/etc/a", room / "out/etc/d"]
    try:
        assert [flags_of(place) for place in held] == [0x10] * 3
        (room / "out").rename(room / ".new.goldroot-incomplete")
    except PermissionError:
        pass
    finally:
        for place in held:
            handle = os.open(place, os.O_RDONLY)
            write_flags(handle, 0, 0, directory=False)
            os.close(handle)


@pytest.mark.root
def test_what_a_kill_left_is_cleared_whatever_its_flags(room: Path) -> None:
    if not flags_work(room):
        pytest.skip("this file system has no inode flags")
    left = make_tree(room / ".out.goldroot-incomplete", {"a": "1", "d/b": "2"})
    with immutable(left / "a", left / "d"):
        pass
    for name in ("a", "d"):
        handle = os.open(left / name, os.O_RDONLY)
        write_flags(handle, 0x10, 0, directory=False)
        os.close(handle)
    assert merge(room, "--into", room / "out").returncode == 0
    assert not left.exists()


def test_a_link_on_the_way_to_out_is_followed_before_dots(room: Path) -> None:
    """As the kernel does it: else OUT could stand in a tree and be taken for another place."""
    (room / "far/away").mkdir(parents=True)
    (room / "clone/way").symlink_to(room / "far/away")
    assert merge(room, "--into", f"{room}/clone/way/../out").returncode == 0
    assert (room / "far/out/etc/new").exists()
    assert not (room / "clone/out").exists()


# -- reading


@pytest.mark.slow
def test_permission_denied_in_the_middle_of_a_tree(tmp_path: Path) -> None:
    open_to_nobody(make_trees(tmp_path))
    for word in ("base", "gold", "clone"):
        secret = tmp_path / word / "etc/d"
        secret.chmod(0)
        said = as_nobody(tmp_path, "--into", tmp_path / "out")
        assert said.returncode == 4
        assert f"{word}/etc/d" in no_traceback(said)
        assert "as root" in said.stderr
        assert not (tmp_path / "out").exists()
        secret.chmod(0o755)


def open_to_nobody(room: Path) -> None:
    """Let nobody reach a room, write in it, and read its trees."""
    for above in (room, *room.parents):
        if above.stat().st_uid == os.geteuid() and not above.stat().st_mode & 0o001:
            above.chmod(0o711)
    room.chmod(0o777)


def as_nobody(room: Path, *more: str | Path) -> subprocess.CompletedProcess[str]:
    if os.geteuid() != 0:
        return merge(room, *more)
    need_other_users()
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed")
    return merge(room, *more, before=("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"))


@pytest.mark.root
def test_unprivileged_everything_works_but_owners(tmp_path: Path) -> None:
    more = {
        "etc/passwd": "root:x:0:0::/:/bin/sh\nsvc:x:101:0::/:/bin/sh\n",
        "etc/group": "root:x:0:\n",
        "srv/svc": File("s", uid=101, mode=0o4755),
        "srv/own": File("o", uid=NOBODY, gid=NOBODY, mode=0o640),
        "srv/closed/x": File("x", uid=NOBODY, gid=NOBODY),
        "srv/closed": Dir(mode=0o500, uid=NOBODY, gid=NOBODY),
    }
    open_to_nobody(make_trees(tmp_path, more))
    said = as_nobody(tmp_path, "--into", tmp_path / "out", "--report", tmp_path / "r.json")
    assert said.returncode == 0, said.stderr
    out = dump_tree(tmp_path / "out")
    assert out["etc/b"].content == b"gold\n2\n3\n4\n5\nclone\n"
    assert out["srv/own"].mode == 0o640
    assert out["srv/closed"].mode == 0o500
    assert {seen.uid for seen in out.values()} == {NOBODY}
    assert out["srv/svc"].mode == 0o755, "set-uid would be another's right now"
    notes = [
        note for note in json.loads((tmp_path / "r.json").read_text())["notes"] if note["kind"] == "owner-not-kept"
    ]
    assert len(notes) == 1, "said once"
    assert said.stdout.count("their owners are recorded") == 1
    assert notes[0]["data"]["owners"]["101:0"] == ["/srv/svc"]
    assert notes[0]["data"]["set-id"] == ["/srv/svc"]
    assert "left without set-uid and set-gid: 1" in said.stdout
    assert not any("/srv/own" in paths for paths in notes[0]["data"]["owners"].values())


def test_closed_directories_are_cleared_after_an_error_too(tmp_path: Path) -> None:
    """A directory that its owner may not enter is not a reason to leave half a result."""
    left = make_tree(tmp_path / ".out.goldroot-incomplete", {"a/b/c": "1", "e/f": "2"})
    for path, mode in (("a/b", 0), ("e", 0o500), ("a", 0o300)):
        (left / path).chmod(mode)
    make_trees(tmp_path)
    open_to_nobody(tmp_path)
    if os.geteuid() == 0:
        for path in (left, *left.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
    said = as_nobody(tmp_path, "--into", tmp_path / "out")
    assert said.returncode == 0, said.stderr
    assert not left.exists()


@pytest.mark.slow
def test_a_missing_git_is_named_only_where_text_must_be_merged(room: Path) -> None:
    """The program is looked for in the system's own directories too, so it is hidden by name."""
    hide = "import goldroot.run as r, shutil; r.shutil = type('S', (), {'which': staticmethod(lambda *a, **k: None)})\n"
    line = command(room, "--into", str(room / "out"))
    line[2] = hide + line[2]
    said = subprocess.run(line, env=environment(), capture_output=True, text=True, check=False)
    assert said.returncode == 4
    assert "git" in no_traceback(said)
    assert "Install" in said.stderr
    assert not (room / "out").exists()
    shutil.copy2(room / "base/etc/b", room / "gold/etc/b")
    said = subprocess.run(line, env=environment(), capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr


# -- others at work


def test_two_merges_into_one_out_at_once(room: Path) -> None:
    with fresh_output(os.fsencode(room / "out"), "the first"):
        said = merge(room, "--into", room / "out")
        assert said.returncode == 5
        assert "another goldroot command is writing" in no_traceback(said)
    assert os.listdir(room / "out") == []


@pytest.mark.slow
def test_many_merges_into_one_out_at_once(room: Path) -> None:
    """One wins; the others say why not; the result is whole."""
    running = [
        subprocess.Popen(
            command(room, "--into", room / "out"), env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        for _ in range(4)
    ]
    said = [(process.communicate()[1], process.returncode) for process in running]
    codes = sorted(code for _, code in said)
    assert codes[0] == 0, said
    assert codes.count(0) == 1
    assert set(codes[1:]) <= {2, 5}, said
    assert (room / "out/etc/new").exists()
    assert not list(room.glob(".*incomplete"))


@pytest.mark.slow
def test_a_tree_that_is_written_while_it_is_read(tmp_path: Path) -> None:
    """A clear error, or a result in which every file is one of the states that it had."""
    make_trees(tmp_path, {f"etc/many/{i}": f"{i}\n" * 200 for i in range(300)})
    stop = threading.Event()

    def write() -> None:
        count = 0
        while not stop.is_set():
            count += 1
            target = tmp_path / "clone/etc/many" / str(count % 300)
            (tmp_path / "clone/etc/new-file").write_text(f"{count}\n")
            target.write_text(f"{count}\n" * 200)
            (tmp_path / "clone/etc/new-file").unlink()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        said = [merge(tmp_path, "--into", tmp_path / f"out{i}", "--report", tmp_path / f"{i}.json") for i in range(3)]
    finally:
        stop.set()
        writer.join()
    for i, one in enumerate(said):
        no_traceback(one)
        assert one.returncode in (0, 1, 4)
        assert (tmp_path / f"out{i}").exists() == (one.returncode != 4)
        if one.returncode == 4:
            assert "changed while it was read" in one.stderr or "changed while it was merged" in one.stderr
        else:
            record_is_true(tmp_path / f"out{i}", tmp_path / f"{i}.json")


def record_is_true(out: Path, report: Path) -> None:
    import hashlib

    for entry in json.loads(report.read_text())["entries"]:
        result = entry.get("result")
        if result and result["kind"] == "file":
            data = (out / entry["path"].lstrip("/")).read_bytes()
            assert hashlib.sha256(data).hexdigest() == result["hash"], entry["path"]


# -- kills


def killed_at_random(room: Path, out: Path, kills: int, seed: int) -> None:
    """Kill again and again; OUT is absent or whole each time, and the trees are as they were."""
    chance = random.Random(seed)
    started = time.monotonic()
    assert merge(room, "--into", room / "whole").returncode == 0
    longest = time.monotonic() - started
    whole, before = dump_tree(room / "whole"), trees_of(room)
    for _ in range(kills):
        process = subprocess.Popen(
            command(room, "--into", out),
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(chance.uniform(longest * 0.3, longest * 1.05))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if os.path.ismount(out):
            there = {path: seen for path, seen in dump_tree(out).items() if not path.startswith("lost+found")}
            names = set(os.listdir(out)) - {"lost+found"}
            assert (
                MARK in names
                or not names
                or {p: s for p, s in there.items() if p} == {p: s for p, s in whole.items() if p}
            )
            if names and MARK not in names:
                clear(out)
        elif out.exists():
            assert dump_tree(out) == whole
            shutil.rmtree(out)
    assert trees_of(room) == before
    done = merge(room, "--into", out)
    assert done.returncode == 0, done.stderr
    assert {p: s for p, s in dump_tree(out).items() if p and p != "lost+found"} == {p: s for p, s in whole.items() if p}
    assert not list(room.glob(".*incomplete"))


def clear(place: Path) -> None:
    for path in place.iterdir():
        if path.name != "lost+found":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


MANY: Table = {f"srv/{i % 7}/{i}": f"{i}\n" * 50 for i in range(400)}


@pytest.mark.slow
def test_killed_at_random_moments(tmp_path: Path) -> None:
    make_trees(tmp_path, MANY)
    killed_at_random(tmp_path, tmp_path / "out", 6, seed=1)


@pytest.mark.slow
@pytest.mark.root
def test_a_mount_point_killed_at_random_moments(tmp_path: Path) -> None:
    make_trees(tmp_path, MANY)
    with mounted(tmp_path / "disk", "16m") as disk:
        killed_at_random(tmp_path, disk, 4, seed=2)


@pytest.mark.crash
@pytest.mark.timeout(900)
def test_killed_two_hundred_times(tmp_path: Path) -> None:
    make_trees(tmp_path, {**MANY, **{f"etc/more/{i}": f"{i}\n" for i in range(3000)}})
    killed_at_random(tmp_path, tmp_path / "out", 200, seed=3)


@pytest.mark.crash
@pytest.mark.root
@pytest.mark.timeout(900)
def test_a_mount_point_killed_a_hundred_times(tmp_path: Path) -> None:
    make_trees(tmp_path, {**MANY, **{f"etc/more/{i}": f"{i}\n" for i in range(3000)}})
    with mounted(tmp_path / "disk", "64m") as disk:
        killed_at_random(tmp_path, disk, 100, seed=4)
