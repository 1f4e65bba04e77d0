"""The directory host: definitions change as a whole or not at all, and what is in use is seen."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from goldroot.errors import BadInput, Busy, HostError, NotFound, Refused, StillRunning
from goldroot.hosts.former import Attached, Linked, LinkTo, Machine
from goldroot.hosts.former.directory import DirectoryHost

#: A mount of the first argument at the second, in a mount namespace of its own.
PRIVATE_MOUNT = (
    "import ctypes; c = ctypes.CDLL(None, use_errno=True); assert c.unshare(0x20000) == 0\n"
    "assert c.mount(b'none', b'/', None, 1 << 18 | 1 << 14, None) == 0\n"
    "assert c.mount(sys.argv[1].encode(), sys.argv[2].encode(), None, 1 << 12, None) == 0"
)


@pytest.fixture
def host(tmp_path: Path) -> DirectoryHost:
    """Two gold slots and a clone that is prepared for the second."""
    host = DirectoryHost.create(str(tmp_path / "store"))
    for number, owner in ((1, "DEBIANGOLD"), (2, "DEBIANGOLD2")):
        host.create_disk(f"debian-{number}-1B1")
        host.define(Machine(owner, disks={"1B1": Attached(f"debian-{number}-1B1", "ro")}, kind="owner"))
    for disk in ("web1-1B5-1", "web1-1B5-2"):
        host.create_disk(disk)
    host.define(
        Machine(
            "WEB1",
            disks={"1B5": Attached("web1-1B5-1"), "5B5": Attached("web1-1B5-2")},
            links={"1B1": LinkTo("DEBIANGOLD", "1B1"), "5B1": LinkTo("DEBIANGOLD2", "1B1")},
        )
    )
    return host


@contextmanager
def child(code: str, *args: str, **options: str) -> Iterator[int]:
    """A process that has come as far as printing a line, and then waits."""
    command = [sys.executable, "-c", f"import os, sys, time\n{code}\nprint('ready', flush=True)\ntime.sleep(60)", *args]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options) as process:  # type: ignore[call-overload]
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process.pid
        finally:
            process.kill()


def test_a_switch_moves_disks_and_links_together_and_back(host: DirectoryHost) -> None:
    before = host.get("WEB1")
    after = host.switch("WEB1", before.generation)
    assert after.generation == before.generation + 1
    assert after.disks == {"1B5": Attached("web1-1B5-2"), "5B5": Attached("web1-1B5-1")}
    assert after.links == {"1B1": LinkTo("DEBIANGOLD2", "1B1"), "5B1": LinkTo("DEBIANGOLD", "1B1")}
    assert host.get("WEB1") == after
    back = host.switch("WEB1", after.generation)
    assert (back.disks, back.links) == (before.disks, before.links)


def test_a_disk_that_is_a_symbolic_link_is_refused_and_left(host: DirectoryHost, tmp_path: Path) -> None:
    moved, disk = tmp_path / "elsewhere", Path(host.disk_path("web1-1B5-2"))
    disk.rename(moved)
    disk.symlink_to(moved)
    machine = host.get("WEB1")
    for attempt in (
        lambda: host.disk_path("web1-1B5-2"),
        lambda: host.at("WEB1", "5B5"),
        lambda: host.switch("WEB1", machine.generation),
        lambda: host.create_disk("web1-1B5-2"),
        lambda: host.delete_disk("web1-1B5-2"),
    ):
        with pytest.raises(HostError, match="is a symbolic link"):
            attempt()
    assert host.get("WEB1") == machine
    assert disk.is_symlink()
    assert moved.is_dir()


def test_links_are_followed_to_the_owner(host: DirectoryHost) -> None:
    standing = host.at("WEB1", "1B1")
    assert (standing.disk, standing.mode, standing.owner) == ("debian-1-1B1", "ro", "DEBIANGOLD")
    assert standing.path == host.disk_path("debian-1-1B1")
    assert host.at("WEB1", "5B5").mode == "rw"
    assert host.linked("DEBIANGOLD2") == [Linked("WEB1", "5B1", "1B1")]
    with pytest.raises(NotFound, match="no disk at 1B9"):
        host.at("WEB1", "1B9")


def test_a_change_made_from_an_old_definition_is_not_taken(host: DirectoryHost) -> None:
    old = host.get("WEB1")
    host.replace(replace(old, links={}))
    with pytest.raises(Busy):
        host.replace(old)
    with pytest.raises(Busy):
        host.switch("WEB1", old.generation)
    assert host.get("WEB1").links == {}


def test_of_many_changes_at_once_each_generation_is_taken_once(host: DirectoryHost) -> None:
    taken: list[int] = []

    def change() -> None:
        for _ in range(20):
            try:
                taken.append(host.replace(host.get("WEB1")).generation)
            except Busy:
                continue

    threads = [threading.Thread(target=change) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(2, 2 + len(taken)))


def test_a_killed_writer_leaves_the_old_definition(host: DirectoryHost) -> None:
    leftover = Path(host.store) / "machines" / ".WEB1.json.4711"
    leftover.write_text('{"half":')
    assert [machine.name for machine in host.machines()] == ["DEBIANGOLD", "DEBIANGOLD2", "WEB1"]
    host.replace(host.get("WEB1"))
    assert not leftover.exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"name": "WEB1"}',
        '{"name":"WEB1","kind":"machine","generation":1,"disks":{"../x":{}},"links":{}}',
        '{"name":"WEB2","kind":"machine","generation":1,"disks":{},"links":{}}',
    ],
)
def test_a_damaged_definition_is_an_error_with_its_file(host: DirectoryHost, text: str) -> None:
    (Path(host.store) / "machines" / "WEB1.json").write_text(text)
    with pytest.raises(HostError, match=r"WEB1\.json is not a machine definition"):
        host.get("WEB1")


def test_the_file_is_the_drawn_one(host: DirectoryHost) -> None:
    data = json.loads((Path(host.store) / "machines" / "DEBIANGOLD.json").read_text())
    disks = {"1B1": {"disk": "debian-1-1B1", "mode": "ro"}}
    assert data == {"name": "DEBIANGOLD", "kind": "owner", "generation": 1, "disks": disks, "links": {}}


def test_definitions_name_only_what_exists(host: DirectoryHost) -> None:
    with pytest.raises(NotFound, match="no disk nothing"):
        host.define(Machine("WEB2", disks={"1B5": Attached("nothing")}))
    with pytest.raises(NotFound, match="no machine NOBODY"):
        host.define(Machine("WEB2", links={"1B1": LinkTo("NOBODY", "1B1")}))
    with pytest.raises(NotFound, match="would link"):
        host.define(Machine("WEB2", links={"1B1": LinkTo("WEB1", "1B1")}))
    with pytest.raises(BadInput, match="disk and a link"):
        host.define(Machine("W", disks={"1B1": Attached("web1-1B5-1")}, links={"1B1": LinkTo("DEBIANGOLD", "1B1")}))
    with pytest.raises(Refused, match="exists already"):
        host.define(Machine("WEB1"))


@pytest.mark.parametrize("name", ["", "../X", "web1", "A/B", ".X", "X" * 33, "A\n"])
def test_names_cannot_leave_the_store(host: DirectoryHost, name: str) -> None:
    with pytest.raises(BadInput):
        host.define(Machine(name))
    with pytest.raises(BadInput):
        host.get(name)


@pytest.mark.parametrize("disk", ["", "..", "a/b", ".hidden", "-x", "x\n"])
def test_disk_ids_cannot_leave_the_store(host: DirectoryHost, disk: str) -> None:
    for method in (host.create_disk, host.delete_disk, host.disk_path):
        with pytest.raises(BadInput):
            method(disk)


def test_a_disk_goes_only_when_nothing_names_it(host: DirectoryHost, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="stands at 1B1 of DEBIANGOLD"):
        host.delete_disk("debian-1-1B1")
    with pytest.raises(Refused, match="linked by WEB1"):
        host.delete("DEBIANGOLD")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    path = Path(host.create_disk("spare"))
    (path / "link").symlink_to(outside)
    (path / "closed").mkdir(mode=0)
    host.delete_disk("spare")
    host.delete_disk("spare")
    assert not path.exists()
    assert (outside / "kept").exists()


def test_a_killed_removal_is_finished_by_the_next(host: DirectoryHost) -> None:
    path = Path(host.create_disk("spare"))
    going = path.parent / ".spare.going"
    path.rename(going)
    assert "spare" in host.disks(), "who looks for what to remove finds it"
    assert ".spare.going" not in host.disks()
    with pytest.raises(NotFound):
        host.disk_path("spare")
    host.delete_disk("spare")
    assert not going.exists()
    assert "spare" not in host.disks()


@pytest.mark.root
def test_immutable_files_do_not_hinder_removal(host: DirectoryHost) -> None:
    path = Path(host.create_disk("spare"))
    (path / "d").mkdir()
    (path / "d" / "kept").touch()
    if subprocess.run(["chattr", "+i", path / "d" / "kept"], capture_output=True, check=False).returncode:
        pytest.skip("no inode flags here")
    host.delete_disk("spare")
    assert not path.exists()


def test_a_clone_that_may_be_written_is_not_switched(host: DirectoryHost) -> None:
    """Each way of being in use is seen, named, and stops the switch; when it is over the switch goes through."""
    disk = host.disk_path("web1-1B5-1")
    generation = host.get("WEB1").generation
    for code, words in (
        ("kept = open(sys.argv[1] + '/f', 'w')", r"has .*/web1-1B5-1/f open"),
        ("os.chdir(sys.argv[1])", r"works in .*/web1-1B5-1"),
        (
            "import mmap; f = open(sys.argv[1] + '/g', 'w+b'); f.truncate(9); m = mmap.mmap(f.fileno(), 9); f.close()",
            r"has .*/g (mapped|open)",
        ),
    ):
        with child(code, disk):
            assert host.is_running("WEB1")
            with pytest.raises(StillRunning, match=words):
                host.switch("WEB1", generation)
    assert host.is_running("WEB1") is None
    host.switch("WEB1", generation)


def test_readers_do_not_count_as_running(host: DirectoryHost) -> None:
    disk = host.disk_path("web1-1B5-1")
    (Path(disk) / "f").touch()
    with child("kept = open(sys.argv[1] + '/f')", disk):
        assert host.is_running("WEB1") is None


def test_prepared_disks_and_gold_do_not_count_as_running(host: DirectoryHost) -> None:
    for disk in ("web1-1B5-2", "debian-1-1B1"):
        with child("os.chdir(sys.argv[1])", host.disk_path(disk)):
            assert host.is_running("WEB1") is None
            assert host.is_running("DEBIANGOLD") is None


@pytest.mark.root
def test_a_root_and_a_private_mount_are_seen(host: DirectoryHost, tmp_path: Path) -> None:
    disk, place = host.disk_path("web1-1B5-1"), tmp_path / "elsewhere"
    place.mkdir()
    with child("os.chroot(sys.argv[1]); os.chdir('/')", disk):
        assert "web1-1B5-1" in (host.is_running("WEB1") or "")
    with child(PRIVATE_MOUNT, disk, str(place)):
        assert f"mounted at {place}" in (host.is_running("WEB1") or "")


@pytest.mark.root
def test_a_private_mount_is_seen_where_the_store_hides_another_file_system(tmp_path: Path) -> None:
    """Two file systems are mounted at one place: what is mounted elsewhere is of the upper one."""
    place, other = tmp_path / "both", tmp_path / "other"
    place.mkdir()
    other.mkdir()
    mounted = 0
    try:
        for _ in range(2):
            done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", place], capture_output=True)
            if done.returncode:
                pytest.skip("file systems cannot be mounted here")
            mounted += 1
        host = DirectoryHost.create(str(place / "store"))
        host.create_disk("web1-1B5-1")
        host.define(Machine("WEB1", disks={"1B5": Attached("web1-1B5-1")}))
        with child(PRIVATE_MOUNT, host.disk_path("web1-1B5-1"), str(other)):
            assert f"mounted at {other}" in (host.is_running("WEB1") or "")
    finally:
        for _ in range(mounted):
            subprocess.run(["umount", place], check=True)


def test_enter_and_switch_exclude_each_other(host: DirectoryHost) -> None:
    with host.running("WEB1"):
        assert host.is_running("WEB1") == "a goldroot command runs it"
        with pytest.raises(StillRunning), host.stopped("WEB1"):
            pass
        with host.running("WEB1"):
            pass
    with host.stopped("WEB1"), pytest.raises(Busy), host.running("WEB1"):
        pass


def test_a_site_may_say_itself_what_runs(host: DirectoryHost) -> None:
    def with_command(script: str) -> DirectoryHost:
        return DirectoryHost(host.store, running_command=["/bin/sh", "-c", script, "sh"])

    assert "says that it runs" in (with_command('test "$1" = WEB1').is_running("WEB1") or "")
    assert with_command("exit 1").is_running("WEB1") is None
    with pytest.raises(HostError, match="running command"):
        with_command("exit 7").is_running("WEB1")


def test_nothing_prepared_means_nothing_to_switch(host: DirectoryHost) -> None:
    machine = host.get("WEB1")
    alone = host.replace(replace(machine, disks={"1B5": machine.disks["1B5"]}, links={"1B1": machine.links["1B1"]}))
    with pytest.raises(Refused, match="nothing prepared"):
        host.switch("WEB1", alone.generation)
