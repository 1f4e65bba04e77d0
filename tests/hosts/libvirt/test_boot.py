"""Domains of libvirt that boot, by emulation: whoever starts them, from one root, and back to their disks."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from goldroot.errors import Damaged, Refused, StillRunning
from goldroot.hosts import Around, Entry, Link, Mark, NetLink, Network, Port, exchange, with_links, with_mark
from support.bridges import answer, free_port, new_bridge
from support.guest import extract_kernel, put_boot
from support.hosts import MIB, SINCE, applied, found, gold, hold, live, need_programs, new_disk, prepare
from support.libvirtd import open_directory
from support.libvirtlab import LibvirtLab, libvirt_lab
from support.qemu_guests import until_said

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    return extract_kernel(tmp_path_factory.mktemp("kernel") / "unpacked")


@pytest.fixture
def lab(tmp_path: Path, unpacked: Path) -> Iterator[LibvirtLab]:
    """A slot ``GOLD`` with a root, and a server ``WEB1``; what runs at the end is killed."""
    with booting(tmp_path, unpacked) as lab:
        yield lab


@contextmanager
def booting(root: Path, unpacked: Path, **settings: Any) -> Iterator[LibvirtLab]:
    paths = {"B1": ["/"], "B5": ["/etc"]}
    lab = libvirt_lab(root, memory=256, parameters="quiet panic=-1", paths=paths, **settings)
    make_gold(lab, "GOLD", 1, unpacked)
    lab.host.define(Entry("WEB1", "machine", links={"1B1": Link("GOLD", "1B1")}, marks={"1": live()}))
    lab.host.create_disk(new_disk(lab, "WEB1-1B5", "WEB1", "1B5"))
    put(lab, "WEB1-1B5", "hostname", "web1\n")
    applied(lab.host.apply(replace(found(lab.host, "WEB1"), startable=True)))
    try:
        yield lab
    finally:
        lab.host.stop("WEB1", 0)


def make_gold(lab: LibvirtLab, name: str, version: int, unpacked: Path) -> None:
    lab.host.define(Entry(name, "owner", marks={"1": gold(version)}))
    lab.host.create_disk(new_disk(lab, f"{name}-1B1", name, "1B1", size=64 * MIB))
    with hold(lab.host, name), lab.host.open_disks({f"{name}-1B1": "rw"}) as opened:
        put_boot(unpacked, Path(opened[f"{name}-1B1"].path))
        for directory in ("etc", "tmp"):
            Path(opened[f"{name}-1B1"].path, directory).mkdir()
    lab.host.seal_disk(f"{name}-1B1", "erofs")


def put(lab: LibvirtLab, id: str, file: str, text: str = "") -> None:
    with hold(lab.host, "WEB1"), lab.host.open_disks({id: "rw"}) as opened:
        etc = Path(opened[id].path, "etc")
        etc.mkdir(exist_ok=True)
        (etc / file).write_text(text)


def test_whoever_starts_it_boots_its_gold_and_a_switch_is_one_redefinition(lab: LibvirtLab, unpacked: Path) -> None:
    """Define, start, switch, start: by virsh's way the first time, by goldroot's the second."""
    evidence = lab.host.info(["GOLD-1B1"])["GOLD-1B1"].evidence
    lab.edit("WEB1", "<memory unit='KiB'>[0-9]+", "<memory unit='KiB'>270336")
    lab.domain("WEB1").create()
    lines = until_said(lab, "ready")
    assert "up as web1 on x86_64" in lines
    assert "etc was written" in lines
    assert not [line for line in lines if "no root" in line or "root was written" in line or "disk was written" in line]
    assert (lab.host.power("WEB1").state, lab.host.power("WEB1").runs) == ("on", "current")
    lab.host.start("WEB1")
    with pytest.raises(StillRunning, match="libvirt runs it"), lab.host.hold("WEB1"):
        pass
    with lab.host.open_disks({"WEB1-1B5": "ro", "GOLD-1B1": "ro"}, view="live") as opened:
        assert opened["WEB1-1B5"].exact
        assert (Path(opened["WEB1-1B5"].path) / "etc/written").exists(), "as the guest has it now"
    assert lab.halves() == []

    make_gold(lab, "GOLD2", 2, unpacked)
    entry = with_links(found(lab.host, "WEB1"), "5", "GOLD2", ["B1"])
    lab.host.apply(with_mark(entry, "5", Mark("preparing", "update", "debian", "web1", 2, SINCE)))
    lab.host.create_disk(new_disk(lab, "WEB1-5B5", "WEB1", "5B5"))
    with lab.host.open_disks({"WEB1-5B5": "rw"}) as opened:
        (Path(opened["WEB1-5B5"].path) / "etc").mkdir()
        (Path(opened["WEB1-5B5"].path) / "etc/hostname").write_text("merged\n")
    assert lab.host.power("WEB1").runs == "current", "what is prepared is not given to it"
    assert lab.host.stop("WEB1", 120) == "asked"
    assert "the agent was asked" in lab.host.console("WEB1", 20)
    with lab.host.hold("WEB1") as held:
        with pytest.raises(Exception, match="lock"):
            lab.domain("WEB1").create()
        assert held.broken() is None
        applied(lab.host.apply(exchange(found(lab.host, "WEB1"), "5", "update", "kept", since=SINCE)))
        assert held.broken() is None
    lab.host.start("WEB1")
    lines = until_said(lab, "up as merged")
    assert lab.host.power("WEB1").runs == "current"
    assert "<memory unit='KiB'>270336" in lab.text("WEB1"), "the administrator's memory"
    assert "WEB1-5B5.ext4" in lab.text("WEB1")
    assert "WEB1-1B5.ext4" not in lab.text("WEB1")
    assert "GOLD2-1B1.erofs" in lab.text("WEB1")
    lab.host.stop("WEB1", 0)
    assert lab.host.info(["GOLD-1B1"])["GOLD-1B1"].evidence == evidence


def test_where_no_agent_listens_the_button_is_pressed(lab: LibvirtLab) -> None:
    put(lab, "WEB1-1B5", "no-agent")
    lab.host.start("WEB1")
    until_said(lab, "ready")
    assert lab.host.stop("WEB1", 120) == "pressed"
    assert "the button was pressed" in lab.host.console("WEB1", 20)


def test_who_does_not_listen_is_killed_and_its_disk_is_dirty(lab: LibvirtLab) -> None:
    put(lab, "WEB1-1B5", "dirty")
    lab.host.start("WEB1")
    until_said(lab, "ready")
    assert lab.host.stop("WEB1", 1) == "killed"
    with pytest.raises(Damaged, match="not unmounted"):
        lab.host.open_disks({"WEB1-1B5": "ro"}).__enter__()
    lab.host.start("WEB1")
    until_said(lab, "up as web1", starts=2)


def test_a_guest_is_given_the_hashes_of_its_shared_disks(tmp_path: Path, unpacked: Path) -> None:
    need_programs("veritysetup")
    with booting(tmp_path, unpacked, verity=True) as lab:
        assert "<serial>1B1-hashes</serial>" in lab.text("WEB1")
        lab.host.start("WEB1")
        lines = until_said(lab, "ready")
        assert [line for line in lines if "1B1 is not checked" in line], "it has no veritysetup, and was told the hash"
        assert (lab.host.power("WEB1").state, lab.host.power("WEB1").runs) == ("on", "current")


def test_what_was_saved_goes_on_from_its_old_disks_and_is_not_switched(lab: LibvirtLab) -> None:
    lab.host.start("WEB1")
    until_said(lab, "ready")
    lab.domain("WEB1").suspend()
    assert "paused" in lab.host.power("WEB1").why
    lab.domain("WEB1").managedSave()
    assert lab.host.power("WEB1").state == "on"
    with pytest.raises(StillRunning, match="managedsave"), lab.host.hold("WEB1"):
        pass
    lab.domain("WEB1").managedSaveRemove(0)
    with lab.host.hold("WEB1"):
        pass


def test_nobody_starts_a_second_machine_on_its_disks(lab: LibvirtLab) -> None:
    lab.domain("WEB1").undefine()
    assert not found(lab.host, "WEB1").startable
    lab.host.start("WEB1")  # who undefined it has not taken it away
    text = lab.text("WEB1")
    text = re.sub("<uuid>.*?</uuid>", "", text).replace("<name>", "<name>second-")
    text = re.sub("<log [^>]*>", "", text)
    with pytest.raises(Exception, match="lock"):
        lab.domain("WEB1").connect().createXML(text, 0)


def status_of_qemu(lab: LibvirtLab) -> dict[str, str]:
    """What the kernel says of the process that has the server's disk open."""
    said = re.search(r"process (\d+)", lab.host.in_use(["WEB1-1B5"]) or "")
    assert said
    lines = Path(f"/proc/{said[1]}/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


@pytest.mark.parametrize("session", [False, True], ids=["system", "session"])
def test_another_account_runs_qemu(unpacked: Path, session: bool) -> None:
    root, nobody = open_directory(), pwd.getpwnam("nobody")
    try:
        with booting(root, unpacked, session=session, user="nobody") as lab:
            evidence = lab.host.info(["GOLD-1B1"])["GOLD-1B1"].evidence
            lab.host.start("WEB1")
            assert "etc was written" in until_said(lab, "ready")
            assert status_of_qemu(lab)["Uid"].split() == [str(nobody.pw_uid)] * 4
            assert lab.place_of("GOLD-1B1").stat().st_mode & 0o777 == 0o440
            assert lab.place_of("GOLD-1B1").stat().st_uid == 0
            assert not (root / "store/entries").stat().st_mode & 0o077, "what is none of its business stays closed"
            with lab.host.open_disks({"WEB1-1B5": "ro"}, view="live") as opened:
                assert (Path(opened["WEB1-1B5"].path) / "etc/written").exists()
            assert lab.host.stop("WEB1", 120) == "asked"
            assert lab.host.info(["GOLD-1B1"])["GOLD-1B1"].evidence == evidence
            root.chmod(0o700)
            with pytest.raises(Refused, match="nobody, which runs QEMU, cannot reach"):
                lab.host.start("WEB1")
    finally:
        shutil.rmtree(root)


def test_it_is_reached_at_its_bridge_and_its_ports_and_reaches_nobody_by_these(tmp_path: Path, unpacked: Path) -> None:
    """The words are those of a machine of QEMU; a network of libvirt's has a name as a bridge of this machine has."""
    port, outside = free_port(), socket.create_server(("127.0.0.1", 0))
    outside.setblocking(False)
    with outside, new_bridge() as bridge, booting(tmp_path, unpacked) as lab, libvirts_network(lab, bridge) as net:
        run = "ip address add 198.51.100.7/24 dev lan0; ip link set lan0 up; httpd -p 80 -h /system/etc\n"
        put(lab, "WEB1-1B5", "run", f"{run}echo letter | nc -w 2 10.0.2.2 {outside.getsockname()[1]}; echo sent\n")
        for name, kind in ((bridge, "bridge"), (net, "network")):
            network = Network(name, "lan0", "198.51.100.7/24", ports=(Port(port, 80, "127.0.0.1"),))
            applied(lab.host.apply(replace(found(lab.host, "WEB1"), network=network)))
            assert f"<source {kind}='{name}'" in lab.text("WEB1")
            lab.domain("WEB1").create()  # whoever starts it
            assert "links: lan0 lo ports0" in until_said(lab, "ready")
            assert answer("127.0.0.1", port) == "web1\n"
            assert answer("198.51.100.7", 80) == "web1\n"
            with pytest.raises(BlockingIOError):
                outside.accept()
            assert lab.host.stop("WEB1", 120) == "asked", (kind, lab.host.console("WEB1", 30))
            (tmp_path / "store/running/WEB1/console.log").write_text("")
        with socket.create_server(("127.0.0.1", port)), pytest.raises(Refused, match="cannot be published"):
            lab.host.start("WEB1")
        applied(lab.host.apply(replace(found(lab.host, "WEB1"), network=Network("nosuch", "lan0"))))
        with pytest.raises(Refused, match="no bridge 'nosuch'"):
            lab.host.start("WEB1")
        applied(lab.host.apply(replace(found(lab.host, "WEB1"), network=None)))
        assert "<interface" not in lab.text("WEB1")
        assert "commandline" not in lab.text("WEB1")


@contextmanager
def libvirts_network(lab: LibvirtLab, bridge: str) -> Iterator[str]:
    """A network of libvirt's that leads to a bridge."""
    import libvirt

    connection = libvirt.open(lab.uri)
    text = f"<network><name>net-{bridge}</name><forward mode='bridge'/><bridge name='{bridge}'/></network>"
    network = connection.networkCreateXML(text)
    try:
        yield str(network.name())
    finally:
        network.destroy()


def test_what_is_prepared_is_tried_beside_a_domain_that_runs(lab: LibvirtLab) -> None:
    prepare(lab, slot="GOLD")
    with lab.host.open_disks({"WEB1-5B5": "rw"}) as opened:
        (Path(opened["WEB1-5B5"].path) / "etc").mkdir()
        (Path(opened["WEB1-5B5"].path) / "etc/hostname").write_text("merged\n")
    lab.domain("WEB1").create()
    until_said(lab, "ready")
    disks = [path for path in (lab.root / "store/disks").iterdir() if "1B5" not in path.name]
    before = {path: path.read_bytes() for path in disks}
    assert any("5B5" in path.name for path in disks)
    with lab.host.trial("WEB1", "5", around=Around((NetLink("eth0", ("192.0.2.10/24",)),))) as trial:
        for _ in range(2400):
            if "ready" in (lines := trial.console(200)):
                break
            time.sleep(0.05)
        assert "up as merged on x86_64" in lines
        assert "links: eth0 lo" in lines
        assert trial.command(["/bin/sh", "-c", "rm /system/etc/hostname; sync; echo $?"], 30).out == b"0\n"
        assert lab.host.power("WEB1").state == "on"
    assert {path: path.read_bytes() for path in disks} == before
    assert [path.name for path in (lab.root / "store/running").iterdir()] == ["WEB1"]
