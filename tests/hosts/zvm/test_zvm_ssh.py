"""By ssh: commands in servers and how these do after a switch; CP's commands on a management guest that is elsewhere."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from goldroot.errors import BadInput, Busy, Refused, Unreachable
from goldroot.hosts.zvm.cp import CpRefused, dasd, users
from goldroot.hosts.zvm.doctor_guest import has_program
from goldroot.hosts.zvm.elsewhere import RemoteDasds, RemoteVmcp
from goldroot.hosts.zvm.host import ZvmHost
from goldroot.hosts.zvm.medium import tag_of
from goldroot.hosts.zvm.ssh import Remote, Servers
from support.dasd_shims import write_shims
from support.hosts import found, make_machine, make_slot
from support.ssh_server import ssh_server
from support.zvmfleet import ZvmFleet
from support.zvmlab import ME, ZvmLab


@pytest.mark.parametrize("host", ["", "-oProxyCommand=x", "web1 x", "web1;x", "web1\n"])
def test_what_ssh_would_not_take_as_a_host_is_refused(host: str) -> None:
    with pytest.raises(BadInput, match="is not a host that ssh could go to"):
        Remote(host)


def test_a_server_is_reached_by_the_pattern_or_by_its_own_word() -> None:
    servers = Servers("root@{name}.example.com", {"DB1": "admin@10.0.0.7"})
    assert servers.reach("WEB1") == Remote("root@web1.example.com")
    assert servers.reach("DB1") == Remote("admin@10.0.0.7")
    with pytest.raises(Refused, match="it is not known how WEB1 is reached by ssh"):
        Servers(own={"DB1": "db1"}).reach("WEB1")
    assert not Servers()
    with pytest.raises(BadInput):
        Servers("{name} x").check()


# -- with a real sshd

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: sshd is run in namespaces")


@pytest.mark.slow
@pytest.mark.root
@ROOT_ONLY
def test_a_command_reaches_a_server_word_for_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = ZvmLab(tmp_path / "lab")
    make_slot(lab, "DEBIANGOLD", 1)
    make_machine(lab)
    lab.host.apply(replace(found(lab.host, "WEB1"), startable=True))
    host = reaching(lab, Servers("{name}"))
    assert host.abilities.guest_commands
    with ssh_server(tmp_path / "ssh", monkeypatch, "web1", os.environ["PATH"]):
        with pytest.raises(Refused, match="WEB1 does not run"):
            host.command("WEB1", ["true"], 20)
        assert host.console("WEB1", 5) == []
        host.start("WEB1")
        words = ["two  words", "$(id)", "a'b", 'c"d', "*", "line\nline", ""]
        done = host.command("WEB1", ["printf", "%s|", *words], 20)
        assert done.out.decode() == "".join(f"{word}|" for word in words)
        done = host.command("WEB1", ["sh", "-c", "echo no >&2; exit 7"], 20)
        assert (done.status, done.err) == (7, b"no\n")
        with pytest.raises(Refused, match="runs no commands"):
            host.command("DEBIANGOLD", ["true"], 20)
    with pytest.raises(Unreachable, match="ssh does not come to web1"):
        host.command("WEB1", ["true"], 20)
    assert host.console("WEB1", 5) == []


def reaching(lab: ZvmLab, servers: Servers) -> ZvmHost:
    parts = replace(lab.host._parts, servers=servers)  # type: ignore[attr-defined]
    return ZvmHost("here", str(lab.root / "store"), parts)


@pytest.mark.slow
@pytest.mark.root
@ROOT_ONLY
def test_cp_is_asked_on_a_management_guest_that_is_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = ZvmLab(tmp_path / "lab")
    make_slot(lab, "DEBIANGOLD", 1)
    make_machine(lab)
    lab.host.apply(replace(found(lab.host, "WEB1"), startable=True))
    log = write_shims(tmp_path / "bin", str(lab.root / "cp/cp.sock"), tmp_path / "by-path")
    path = f"{tmp_path / 'bin'}:{lab.root / 'cp'}:{os.environ['PATH']}"
    with ssh_server(tmp_path / "ssh", monkeypatch, "goldmgmt", path):
        remote = Remote("goldmgmt")
        cp = RemoteVmcp(remote)
        assert ME in cp.command("QUERY USERID")
        with pytest.raises(CpRefused) as refused:
            cp.command("LINK NOBODY 01B1 F000 RR")
        assert refused.value.number == 53
        assert dasd(cp, "F000") is None
        assert has_program(cp, "zipl") is False
        assert has_program(cp, "chccwdev") is True

        medium = RemoteDasds(remote, str(tmp_path / "by-path"))
        parts = replace(lab.host._parts, cp=cp, medium=medium)  # type: ignore[attr-defined]
        host = ZvmHost("here", str(lab.root / "store"), parts)
        host.start("WEB1")
        assert host.linked_now("DEBIANGOLD") == [("WEB1", "1B1", "1B1")]
        host.stop("WEB1", 0)
        id = found(host, "WEB1").disks["1B5"].id
        with host.hold("WEB1") as hold:
            (linked,) = (one for one in lab.sim.system.query_virtual(ME) if one.address == "F000")
            assert linked.detail[0] == "R/W"
            assert [one.name for one in users(cp, "F000")] == [ME]
            assert hold.broken() is None
        assert lab.halves() == []
        lab.sim.system.link("MAINT", "WEB1", "01B5", "0F00", "RR")
        with pytest.raises(Busy, match="MAINT"), host.hold("WEB1"):
            pass
        lab.sim.system.detach("MAINT", "0F00")

        # What is on a disk is read and written where it is linked.
        where = host.info([id])[id].where
        image = lab.root / "minidisks" / f"{where['volume']}.{where['start']:09d}"
        assert image.is_dir()
        with pytest.raises(Refused, match="files of minidisks are not reached from here"):
            medium.mount("x", "ext4", write=False, use="files")
        with pytest.raises(Refused, match="files of minidisks are not reached from here"):
            medium.least("ext4")
        label = tmp_path / "by-path/ccw-0.0.f000"
        label.write_bytes(b"\0" * 8192 + f"VOL1VOL1{tag_of(id)}".encode("cp500") + b"\0" * 4096)
        assert medium.tag(str(label)) == tag_of(id)
        label.unlink()
        assert [line for line in log.read_text().splitlines() if "dasdfmt" in line] == []


# -- by the commands of a site; ssh is a program that answers as a server would

SSH = """\
#!/bin/sh
echo "$*" >>{log}
case "$*" in
    *is-system-running*) cat {said} ;;
    *journalctl*) echo "kernel: it began"; echo "kernel: it is up" ;;
    *) exit 1 ;;
esac
"""


@pytest.mark.slow
def test_a_switch_is_done_when_the_server_is_well_and_goes_back_when_it_is_not(
    fleet: ZvmFleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    said, log = tmp_path / "said", tmp_path / "log"
    (tmp_path / "bin/ssh").write_text(SSH.format(log=log, said=said))
    (tmp_path / "bin/ssh").chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    fleet.write_table('ssh = "root@{name}.example.com"\nboot = "outside"')
    said.write_text("running\n==\n==\n")
    fleet.image()
    fleet("clone", "create", "web1", "--image", "s10")
    fleet("machine", "start", "web1")
    assert "kernel: it is up" in fleet("machine", "console", "web1")
    fleet.publish({"etc/plain.conf": "2\n"})
    assert "It was started again, and is well." in fleet("update", "run", "web1")
    assert fleet.text("WEB1", "1B5", "etc/plain.conf") == "2\n"
    assert "-o BatchMode=yes" in log.read_text()
    assert "-- root@web1.example.com " in log.read_text()

    fleet.publish({"etc/plain.conf": "3\n"})
    config = fleet.site_dir / "goldroot.toml"
    config.write_text(config.read_text() + '\n[images.s10]\nhealth = ["run /usr/bin/check"]\nhealth_time = 1\n')
    status, text = fleet.ends("update", "run", "web1")
    assert status != 0
    assert "web1 did not come up well" in text
    assert "console: kernel: it is up" in text
    assert fleet.text("WEB1", "1B5", "etc/plain.conf") == "2\n"
    assert "WEB1" in fleet.sim.system.active()
    assert fleet.data("machine", "list", "web1")["machines"][0]["runs"] == "current"
