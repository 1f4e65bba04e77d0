"""A running server whose disks its host cannot read is read through itself, by ssh, and told to be a torn view."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from goldroot.catalog import clones as catalog_clones
from goldroot.errors import StillRunning
from goldroot.fleet import clones, find_drift, forecast_gold, machines
from goldroot.fleet.drift import drift_patch
from goldroot.fleet.inputs import open_clone
from goldroot.fleet.update.plan import plan_update
from goldroot.hosts import still_running
from goldroot.site import Site
from support import booting
from support.booting import BootingHost
from support.fleet import IMAGE, configured, next_gold, small_site
from support.hosts import need_programs
from support.marks import slow

pytestmark = pytest.mark.root

#: A stub of ssh: the "server" is a directory of this machine.  Before its second call a file is removed, where one is named.
SSH = """#!/bin/sh
while [ "$1" != -- ]; do echo "$1" >> {room}/options; shift; done
echo "$2" >> {room}/asked
shift 2
[ "$1 $2" = "sudo -n" ] && shift 2
[ $(wc -l < {room}/asked) -gt 1 ] && [ -e {room}/remove ] && rm -f "$(cat {room}/remove)"
sed 's#^cd / #cd {room}/server #; s#/proc/self/mountinfo#{room}/mountinfo#' | PATH={path} "$@"
"""
CONFIG = '\n[clones.web1]\nssh = "admin@web1.example.org"\nssh_sudo = true\n'


@pytest.fixture
def site(room: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """web1 runs, in ``room/server``, and its host reads no disk of it meanwhile."""
    monkeypatch.setattr("goldroot.hosts.registry.KINDS", booting.kinds())
    opened = BootingHost.open_disks

    @contextmanager
    def closed(self: BootingHost, wanted: Mapping[str, Any], **how: Any) -> Iterator[Any]:
        if any(id.upper().startswith("WEB1-") for id in wanted) and self._running("WEB1") is not None:
            raise still_running("WEB1", "its file")
        with opened(self, wanted, **how) as found:
            yield found

    monkeypatch.setattr(BootingHost, "open_disks", closed)
    site = small_site(room)
    clones.create_clone(site, "web1", IMAGE)
    next_gold(site, {"etc/plain.conf": "gold 2\n"})
    with open_clone(site, row(site)) as server:
        for disk in server.opened.values():
            subprocess.run(["cp", "-a", f"{os.path.realpath(disk.path)}/.", room / "server"], check=True)
    machines.start_machine(site, "web1")
    (room / "mountinfo").write_text("1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:2 /etc /etc rw - ext4 /dev/b rw\n")
    yield site
    site.close()


@pytest.fixture
def told(site: Site, room: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """ssh(1) is a script, and the site says where it goes."""
    programs = room / "programs"
    programs.mkdir()
    (programs / "ssh").write_text(SSH.format(room=room, path=os.environ["PATH"]))
    (programs / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    again = reached(site, CONFIG)
    yield again
    again.close()


def reached(site: Site, words: str) -> Site:
    with open(site.path("goldroot.toml"), "a", encoding="utf-8") as file:
        file.write(words)
    return Site.open(site.root)


def row(site: Site) -> Any:
    with site.catalog.read() as tx:
        return catalog_clones.get(tx, "web1")


def changed(root: Path) -> None:
    """What a person did on the server, and what it wrote itself."""
    (root / "etc/mine.conf").write_text("mine\n")
    (root / "etc/plain.conf").write_text("of the server\n")
    (root / "etc/odd \\ name\n.conf").write_text("odd\n")
    (root / "etc/hostname").chmod(0o600)
    os.symlink("mine.conf", root / "etc/link.conf")
    os.link(root / "etc/mine.conf", root / "etc/second.conf")
    os.setxattr(root / "etc/mine.conf", "user.note", b"\0\xff")
    os.chown(root / "etc/plain.conf", 101, 101)


def seen(site: Site) -> list[Any]:
    return [{**one, "notes": ()} for one in find_drift(site, "web1").entries]


@pytest.mark.slow
def test_what_it_finds_is_what_stands_on_its_disks(told: Site, room: Path) -> None:
    assert {one["path"] for one in find_drift(told, "web1").entries} == {
        "/etc/hostname",
        "/etc/hosts",
        "/etc/machine-id",
    }
    changed(room / "server")
    (room / "server/root/new").mkdir()
    found = find_drift(told, "web1")
    assert [note for note in found.notes if "read by ssh from admin@web1.example.org while it ran" in note]
    assert drift_patch(told, found)["/etc/plain.conf"]
    through = seen(told)
    assert {"/etc/mine.conf", "/etc/link.conf", "/etc/second.conf", "/root/new"} <= {one["path"] for one in through}
    machines.stop_machine(told, "web1")
    with told.host.hold("WEB1"), open_clone(told, row(told), "rw", view="still") as server:
        place = os.path.realpath(server.opened["1B5"].path)
        for path in ("etc", "root"):
            subprocess.run(["cp", "-a", f"{room}/server/{path}/.", f"{place}/{path}"], check=True)
    assert seen(told) == through
    assert list(find_drift(told, "web1").notes) == []


def test_a_plan_and_a_forecast_are_made_of_it(told: Site, room: Path) -> None:
    changed(room / "server")
    plan = plan_update(told, "web1")
    assert [one["path"] for one in plan.conflicts] == ["/etc/plain.conf"]
    assert [one for one in plan.record["notes"] if one["kind"] == "read-through-itself"]
    assert forecast_gold(told, IMAGE).unknown == ()


@pytest.mark.slow
def test_what_no_merge_reads_does_not_come_and_has_its_size(told: Site, room: Path) -> None:
    big = room / "server/var/lib/mysql/ibdata1"
    big.parent.mkdir(exist_ok=True)
    big.write_bytes(b"x" * 300_000)
    status = room / "server/var/lib/dpkg/status"
    status.write_bytes(status.read_bytes() + b"\n" * 100_000)
    with open_clone(told, row(told)) as server:
        there = Path(server.opened["1B6"].path, "var/lib/mysql/ibdata1")
        assert there.stat().st_size == 300_000 and there.stat().st_mtime_ns == big.stat().st_mtime_ns
        assert there.read_bytes() == bytes(300_000), "its content stayed there"
        assert Path(server.opened["1B6"].path, "var/lib/dpkg/status").read_bytes() == status.read_bytes()
        assert not server.opened["1B5"].exact
        assert not Path(server.opened["1B5"].path, "var").exists(), "that is another disk's"


@pytest.mark.slow
def test_a_file_that_goes_meanwhile_is_not_taken_for_an_empty_one(told: Site, room: Path) -> None:
    (room / "server/etc/short.conf").write_text("soon gone\n")
    (room / "remove").write_text(f"{room}/server/etc/short.conf")
    found = find_drift(told, "web1")
    assert not [one for one in found.entries if "short" in one["path"]]
    assert [note for note in found.notes if note.startswith("/etc/short.conf: it was deleted")]


@pytest.mark.slow
def test_nothing_of_it_stays_and_no_later_scan_believes_it(told: Site, room: Path) -> None:
    before = sorted(os.listdir(told.path("manifests")))
    scratch = Path(told.path("store/scratch"))
    changed(room / "server")
    find_drift(told, "web1")
    assert sorted(os.listdir(told.path("manifests"))) == before
    assert list(scratch.iterdir()) == []
    machines.stop_machine(told, "web1")
    assert "/etc/mine.conf" not in {one["path"] for one in find_drift(told, "web1").entries}, (
        "on its disks nothing has changed"
    )


def test_without_a_word_of_where_it_is_it_is_refused_with_that_advice(site: Site) -> None:
    with pytest.raises(StillRunning) as caught:
        find_drift(site, "web1")
    assert 'ssh = "root@HOST" in [clones.web1]' in caught.value.todo


@pytest.mark.parametrize("end", ["exit 255", slow("head -c 2000 /dev/zero")])
def test_a_reader_that_fails_is_told_and_nothing_is_made_of_it(told: Site, room: Path, end: str) -> None:
    (room / "programs/ssh").write_text(f"#!/bin/sh\ncat > /dev/null; echo no way >&2; {end}; exit 255\n")
    with pytest.raises(StillRunning, match="could not be read through itself"):
        find_drift(told, "web1")


def test_an_images_word_is_for_all_of_its_clones_and_a_key_is_the_sites(site: Site) -> None:
    again = configured(site, 'ssh = "root@{name}.example.org"\nssh_key = "keys/reader"')
    reach = again.config.reach("web1", IMAGE)
    assert (reach.host, reach.key) == ("root@web1.example.org", str(Path(site.root) / "keys/reader"))
    again.close()


@pytest.mark.slow
def test_a_real_sshd_is_asked_with_the_sites_own_key(site: Site, room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is forced there lets the reader see ``room/server`` as its root; all else is OpenSSH's."""
    need_programs("sshd", "ssh", "ssh-keygen")
    keys = room / "ssh"
    keys.mkdir(mode=0o700)
    for name in ("host", "reader"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", keys / name], check=True)
    shutil.copy(keys / "reader.pub", keys / "authorized")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    as_root = f"s#^cd / #cd {room}/server #; s#/proc/self/mountinfo#{room}/mountinfo#"
    (keys / "forced").write_text(f"#!/bin/sh\nsed '{as_root}' | sh -c \"$SSH_ORIGINAL_COMMAND\"\n")
    (keys / "forced").chmod(0o755)
    (keys / "server").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {keys}/host\nAuthorizedKeysFile {keys}/authorized\n"
        f"StrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin yes\nForceCommand {keys}/forced\n"
    )
    (keys / "client").write_text(
        f"Host web1\nHostName 127.0.0.1\nPort {port}\nStrictHostKeyChecking no\nUserKnownHostsFile /dev/null\n"
    )
    programs = room / "programs"
    programs.mkdir()
    (programs / "ssh").write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {keys}/client "$@"\n')
    (programs / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    again = reached(site, f'\n[clones.web1]\nssh = "root@web1"\nssh_key = "{keys}/reader"\n')
    changed(room / "server")
    os.makedirs("/run/sshd", exist_ok=True)
    with subprocess.Popen([shutil.which("sshd") or "sshd", "-D", "-e", "-f", keys / "server"]) as process:
        try:
            until_it_listens(port)
            found = find_drift(again, "web1")
            assert "/etc/mine.conf" in {one["path"] for one in found.entries}
            (keys / "authorized").write_text("")
            with pytest.raises(StillRunning, match="Permission denied"):
                find_drift(again, "web1")
        finally:
            process.kill()
            again.close()


def until_it_listens(port: int) -> None:
    for _ in range(400):
        with socket.socket() as asked:
            if asked.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(port)
