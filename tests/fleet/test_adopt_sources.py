"""From where a server is adopted: directories, archives, other machines; and what of it is refused or left out."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.test_adopt import APP, GOLD, SERVER
from goldroot.catalog import clones as catalog_clones
from goldroot.errors import BadInput, GoldrootError, ProgramFailed, Refused, UsageError
from goldroot.fleet import AdoptForm, adopt_server, plan_adoption
from goldroot.fleet.clones import create_clone
from goldroot.fleet.update.update import run_update
from goldroot.site import Site
from goldroot.workflow import InProcess
from support.fleet import IMAGE, dump, next_gold, small_site, text
from support.trees import File, Link, Node, make_tree

#: A stub of ssh: the "server" is a directory of this machine.
SSH = """#!/bin/sh
[ "$1 $2" = "-T --" ] || exit 64
echo "$3" > {room}/asked
shift 3
[ "$1 $2" = "sudo -n" ] && shift 2
sed 's#^cd / #cd {root} #; s#/proc/self/mountinfo#{room}/mountinfo#' | PATH={path} "$@"
"""


@pytest.fixture
def gold_site(room: Path) -> Iterator[Site]:
    made = small_site(room, GOLD)
    yield made
    made.close()


@pytest.fixture
def stub(room: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """ssh(1) is a script that runs what it is given here, in ``room/server``."""
    programs = room / "programs"
    programs.mkdir()
    script = programs / "ssh"
    script.write_text(SSH.format(room=room, root=room / "server", path=os.environ["PATH"]))
    script.chmod(0o755)
    (room / "mountinfo").write_text("1 0 8:1 / / rw - ext4 /dev/sda1 rw\n")
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return script


def tarred(room: Path, name: str = "server.tar") -> str:
    subprocess.run(["tar", "-C", room / "server", "--xattrs", "--numeric-owner", "-cf", room / name, "."], check=True)
    return str(room / name)


def plain(seen: dict[str, object]) -> dict[str, object]:
    return {path: one for path, one in seen.items() if getattr(one, "kind", "") != "d"}


@pytest.mark.root
def test_directory_archive_and_ssh_come_to_the_same(room: Path, stub: Path) -> None:
    make_tree(room / "server", SERVER)
    sources = {"directory": str(room / "server"), "tar": tarred(room), "ssh": "ssh:admin@shop.example.org"}
    seen = {}
    for word, source in sources.items():
        site = small_site(room / word, GOLD)
        report = adopt_server(site, "shop", AdoptForm(source, IMAGE, sudo=word == "ssh")).report
        assert report["lost"] == [] and report["source"] == source
        seen[word] = plain(dict(dump(site, "shop")))
        assert adopt_server(site, "shop", AdoptForm(source, IMAGE, sudo=word == "ssh")).report["new"] == []
        site.close()
    assert (room / "asked").read_text() == "admin@shop.example.org\n"
    assert seen["tar"] == seen["directory"] == seen["ssh"]


def test_the_reader_leaves_out_what_is_mounted_from_elsewhere(gold_site: Site, room: Path, stub: Path) -> None:
    files: dict[str, Node] = {
        **SERVER, "srv/nas share/[x]/a": "of another machine\n", "srv/data/b": "on a disk of its own\n", "proc/1/x": "the kernel's\n",
        "tmp/t": "temporary\n", "srv/sub/c": "bound\n",
    }  # fmt: skip
    make_tree(room / "server", files)
    (room / "mountinfo").write_text(
        "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:2 / /srv/data rw shared:1 - xfs /dev/sdb1 rw\n"
        "3 1 0:9 / /proc rw - proc proc rw\n4 1 0:7 / /srv/nas\\040share/[x] rw - nfs4 nas:/x rw\n"
        "5 1 8:1 /other /srv/sub rw - ext4 /dev/sda1 rw\n"
    )
    report = adopt_server(gold_site, "shop", AdoptForm("ssh:shop", IMAGE)).report
    assert text(gold_site, "shop", "srv/data/b") == "on a disk of its own\n"
    assert text(gold_site, "shop", "srv/nas share/[x]/a") is None
    assert text(gold_site, "shop", "srv/sub/c") is None
    left = [one["path"] for one in report["notes"] if one["kind"] == "mount-left-out"]
    assert left == ["/srv/nas share/[x]", "/srv/sub"]
    assert [path for path in dump(gold_site, "shop") if "[x]" in path] == ["1B5:srv/nas share/[x]"]


@pytest.mark.root
def test_python_reads_where_there_is_no_gnu_tar(gold_site: Site, room: Path, stub: Path) -> None:
    import sys

    make_tree(room / "server", {**SERVER, "etc/link": Link(target="app.conf"), "srv/nas/x": "another's\n"})
    (room / "mountinfo").write_text("1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:7 / /srv/nas rw - nfs nas:/x rw\n")
    os.setxattr(room / "server/etc/app.conf", "user.note", b"mine\xff")
    only = room / "only"
    only.mkdir()
    for program in ("sh", "grep", "sed"):
        (only / program).symlink_to(f"/bin/{program}")
    (only / "python3").symlink_to(sys.executable)
    stub.write_text(SSH.format(room=room, root=room / "server", path=only))
    report = adopt_server(gold_site, "shop", AdoptForm("ssh:shop", IMAGE)).report
    assert text(gold_site, "shop", "etc/app.conf") == APP.replace("three = 3", "three = 33")
    assert text(gold_site, "shop", "etc/link") == "-> app.conf"
    assert text(gold_site, "shop", "srv/nas/x") is None
    assert dump(gold_site, "shop")["1B5:etc/app.conf"].xattrs == {"user.note": b"mine\xff"}
    assert report["lost"] == []


@pytest.mark.parametrize("host", ["-oProxyCommand=reboot", "", "a b", "$(reboot)", "a;b"])
def test_a_host_is_nothing_that_ssh_could_take_for_something_else(gold_site: Site, host: str) -> None:
    with pytest.raises(UsageError, match="is not a host"):
        adopt_server(gold_site, "shop", AdoptForm(f"ssh:{host}", IMAGE))


@pytest.mark.parametrize(
    ("script", "words"),
    [("echo nobody there >&2; exit 255", "nobody there"), ("head -c 100000 /dev/zero | tr '\\0' x", "tar archive"),
     ("head -c 3000 {room}/whole.tar", "tar archive"), ("cat {room}/whole.tar; echo broken >&2; exit 2", "broken")],
    ids=["no connection", "no tar", "cut off", "an error at the end"],
)  # fmt: skip
def test_a_server_that_cannot_be_read_leaves_nothing(
    gold_site: Site, room: Path, stub: Path, script: str, words: str
) -> None:
    make_tree(room / "server", SERVER)
    tarred(room, "whole.tar")
    stub.write_text("#!/bin/sh\n" + script.format(room=room) + "\n")
    with pytest.raises((ProgramFailed, BadInput), match=words):
        adopt_server(gold_site, "shop", AdoptForm("ssh:shop", IMAGE))
    _nothing_was_made(gold_site)


def _nothing_was_made(site: Site) -> None:
    with site.catalog.read() as tx:
        assert catalog_clones.find(tx, "shop") is None
    assert site.host.find("SHOP") is None


def member(name: str, **more: object) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    for key, value in more.items():
        setattr(made, key, value)
    return made


@pytest.mark.parametrize(
    "bad",
    [
        member("../out", type=tarfile.REGTYPE),
        member("/etc/shadow", type=tarfile.REGTYPE),
        member("etc/../../out", type=tarfile.REGTYPE),
        member("etc/away/file", type=tarfile.REGTYPE),
        member("etc/hard", type=tarfile.LNKTYPE, linkname="../../out"),
    ],
    ids=lambda one: one.name,
)
def test_a_hostile_archive_is_refused(gold_site: Site, room: Path, bad: tarfile.TarInfo) -> None:
    make_tree(room / "server", SERVER)
    (room / "outside").mkdir()
    archive = tarred(room)
    with tarfile.open(archive, "a") as tar:
        tar.addfile(member("etc/away", type=tarfile.SYMTYPE, linkname=str(room / "outside")))
        tar.addfile(bad, io.BytesIO(b""))
    with pytest.raises(BadInput):
        adopt_server(gold_site, "shop", AdoptForm(archive, IMAGE))
    assert list((room / "outside").iterdir()) == []
    _nothing_was_made(gold_site)


def test_links_that_lead_out_are_links_and_nothing_more(gold_site: Site, room: Path) -> None:
    """Also where goldroot itself looks: the package database, the accounts, the host name."""
    (room / "outside").mkdir()
    (room / "outside/secret").write_text("not the server's\n")
    files = {path: node for path, node in SERVER.items() if not path.startswith("var/lib/dpkg")}
    files |= {
        "etc/hostname": Link(target=str(room / "outside/secret")), "etc/passwd": Link(target="/etc/passwd"),
        "var/lib/dpkg": Link(target=str(room / "outside")), "srv/www": Link(target="/etc"),
        "etc/app.conf": Link(target=str(room / "outside/secret")),
    }  # fmt: skip
    del files["srv/www/index"]
    make_tree(room / "server", files)
    report = adopt_server(gold_site, "shop", AdoptForm(str(room / "server"), IMAGE, 1)).report
    assert report["hostname"] == "shop"
    assert text(gold_site, "shop", "etc/app.conf") == f"-> {room}/outside/secret"
    assert (room / "outside/secret").read_text() == "not the server's\n"
    assert "not the server's" not in str(report)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices")
def test_devices_do_not_come_along(gold_site: Site, room: Path) -> None:
    make_tree(room / "server", {**SERVER, "var/spool/postfix/dev/x": ""})
    os.mknod(room / "server/srv/disk", 0o660 | 0o060000, os.makedev(8, 0))
    os.mknod(room / "server/var/spool/postfix/dev/null", 0o666 | 0o020000, os.makedev(1, 3))
    report = adopt_server(gold_site, "shop", AdoptForm(str(room / "server"), IMAGE)).report
    seen = dump(gold_site, "shop")
    assert "1B5:srv/disk" not in seen and "1B6:var/spool/postfix/dev/null" in seen
    assert [one["path"] for one in report["notes"] if one["kind"] == "device-not-made"] == ["/srv/disk"]


@pytest.mark.parametrize(
    "database",
    [
        {"var/lib/dpkg/status": "Package: x\nStatus: install ok installed\nConffiles:\n nonsense\n /etc/x zz\n"},
        {"var/lib/dpkg/status": "\x00\xff" * 4000},
        {"var/lib/dpkg/info/base.md5sums": "short\n\n" + "z" * 32 + "  usr/x\n../../etc/passwd\n"},
        {"var/lib/dpkg/info/base.list": "/../../..\n\n/" + "a/" * 3000 + "\n"},
        {"var/lib/dpkg/diversions": "/etc/app.conf\n"},
        {"var/lib/ucf/registry": "base\n" * 10, "var/lib/ucf/hashfile": "x /etc\n"},
    ],
    ids=["status", "no text", "md5sums", "list", "diversions", "ucf"],
)
def test_a_damaged_package_database_is_not_believed(gold_site: Site, room: Path, database: dict[str, Node]) -> None:
    make_tree(room / "server", {**SERVER, **database})
    adopt_server(gold_site, "shop", AdoptForm(str(room / "server"), IMAGE, 1))
    assert text(gold_site, "shop", "etc/app.conf") == APP.replace("three = 3", "three = 33")
    assert text(gold_site, "shop", "srv/www/index") == "hello\n"


@pytest.mark.parametrize("source", ["nothing", "empty"])
def test_what_is_not_a_root_file_system_is_refused(gold_site: Site, room: Path, source: str) -> None:
    (room / "empty").mkdir()
    with pytest.raises(BadInput):
        adopt_server(gold_site, "shop", AdoptForm(str(room / source), IMAGE))
    _nothing_was_made(gold_site)


@pytest.mark.slow
def test_a_name_that_is_taken_and_a_clone_that_moved_on(gold_site: Site, room: Path) -> None:
    make_tree(room / "server", SERVER)
    source = str(room / "server")
    create_clone(gold_site, "web1", IMAGE)
    for name, act in (("web1", adopt_server), ("web1", plan_adoption)):
        with pytest.raises(Refused, match="was not adopted"):
            act(gold_site, name, AdoptForm(source, IMAGE))
    adopt_server(gold_site, "shop", AdoptForm(source, IMAGE))
    with pytest.raises(Refused, match="was adopted onto"):
        adopt_server(gold_site, "shop", AdoptForm(source, IMAGE, 7))
    with pytest.raises(Refused, match="host name shop is that of the clone shop") as refused:
        adopt_server(gold_site, "shop2", AdoptForm(source, IMAGE))
    assert "--hostname" not in refused.value.todo, "an adoption has no such option"
    assert "give the command for shop:" in refused.value.todo
    next_gold(gold_site, {"etc/plain.conf": "gold 2\n"})
    run_update(gold_site, InProcess(), "shop")
    with pytest.raises(Refused, match="was updated since"):
        adopt_server(gold_site, "shop", AdoptForm(source, IMAGE))


def test_another_architecture_is_refused(gold_site: Site, room: Path) -> None:
    status = str(SERVER["var/lib/dpkg/status"]).replace("amd64", "s390x")
    make_tree(room / "server", {**SERVER, "var/lib/dpkg/status": status})
    with pytest.raises(Refused, match="are for s390x, and those of small 1 for amd64"):
        adopt_server(gold_site, "shop", AdoptForm(str(room / "server"), IMAGE))
    _nothing_was_made(gold_site)


def test_a_layout_whose_root_is_the_servers_own(room: Path) -> None:
    """Programs of packages that stand on its own root are gold's, its own files there stay."""
    from fleet.test_adopt import packaged

    kernel = {"boot/vmlinuz-1": "kernel 1\n"}
    gold = {**GOLD, **packaged(("linux", "2", {"boot/vmlinuz-2": "kernel 2\n"})), "boot/vmlinuz-2": "kernel 2\n"}
    site = small_site(room, gold, layout="shared-usr")
    make_tree(room / "server", {
        **SERVER, **packaged(("linux", "1", kernel)), **kernel, "opt/app/run": File("app\n", mode=0o755), "swapfile": "swap\n",
    })  # fmt: skip
    report = adopt_server(site, "shop", AdoptForm(str(room / "server"), IMAGE)).report
    assert text(site, "shop", "boot/vmlinuz-1") is None and text(site, "shop", "boot/vmlinuz-2") == "kernel 2\n"
    assert text(site, "shop", "opt/app/run") == "app\n" and text(site, "shop", "swapfile") == "swap\n"
    assert [one["path"] for one in report["lost"]] == ["/usr/bin/own"]
    assert report["dropped"] == ["/boot/vmlinuz-1"]
    site.close()


def test_a_full_disk_leaves_what_the_next_command_finishes(
    gold_site: Site, room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from goldroot.errors import NoSpace
    from goldroot.fleet.adopt import fill

    make_tree(room / "server", SERVER)

    def full(*_: object, **__: object) -> None:
        raise NoSpace("no room")

    with monkeypatch.context() as patch:
        patch.setattr(fill, "build_tree", full)
        with pytest.raises(GoldrootError, match="no room"):
            adopt_server(gold_site, "shop", AdoptForm(str(room / "server"), IMAGE))
    adopt_server(gold_site, "shop", AdoptForm(str(room / "server"), IMAGE))
    assert text(gold_site, "shop", "srv/www/index") == "hello\n"


def test_a_version_that_is_not_there_or_retired_is_refused_before_anything_is_read(gold_site: Site, room: Path) -> None:
    from goldroot.image import retire_gold

    next_gold(gold_site, {"etc/plain.conf": "2\n"})
    retire_gold(gold_site, IMAGE, 1)
    for number, words in ((1, "is retired"), (0, "no gold version"), (9, "no gold version")):
        for act in (plan_adoption, adopt_server):
            with pytest.raises(Refused, match=words):
                act(gold_site, "shop", AdoptForm("ssh:nobody.invalid", IMAGE, number))


def test_a_directory_that_holds_the_site_is_refused(gold_site: Site, room: Path) -> None:
    with pytest.raises(Refused, match="lies in"):
        adopt_server(gold_site, "shop", AdoptForm("/", IMAGE))
