"""A container with a whole systemd: it comes up healthy from a root that nobody inside can write."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from goldroot.errors import StillRunning
from goldroot.hosts import Entry, Link, exchange
from goldroot.hosts.nspawn import NspawnHost
from support.hosts import SINCE, Lab, applied, found, gold, hold, live, need_programs, new_disk, nspawn_host, prepare

pytestmark = [pytest.mark.root, pytest.mark.integration, pytest.mark.timeout(900)]

OWN = {"B5": ["etc", "root"], "B6": ["var"]}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A slot ``GOLD`` with a Debian root, and a server ``WEB1`` made from it."""
    need_programs("systemd-nspawn", "setpriv", "nsenter", "mmdebstrap")
    if os.geteuid() != 0:
        pytest.skip("needs root")
    debian = tmp_path / "debian"
    subprocess.run(
        ["mmdebstrap", "--quiet", "--variant=minbase", "--include=systemd-sysv,dbus", "bookworm", debian], check=True
    )
    lab = Lab(
        tmp_path,
        "directory",
        "directory",
        lambda at: nspawn_host(at, B1=["/"], **{place: [f"/{path}" for path in paths] for place, paths in OWN.items()}),
    )
    lab.host.define(Entry("GOLD", "owner", marks={"1": gold(1)}))
    put(lab, "GOLD", "1B1", [debian / name for name in os.listdir(debian)])
    machine = Entry("WEB1", "machine", links={"1B1": Link("GOLD", "1B1")}, marks={"1": live()})
    lab.host.define(machine)
    for place, paths in OWN.items():
        put(lab, "WEB1", f"1{place}", [debian / path for path in paths])
    with hold(lab.host, "WEB1"), lab.host.open_disks({"WEB1-1B5": "rw"}) as opened:
        Path(opened["WEB1-1B5"].path, "etc/hostname").write_text("web1\n")
    applied(lab.host.apply(replace(found(lab.host, "WEB1"), startable=True)))
    try:
        yield lab
    finally:
        lab.host.stop("WEB1", 0)


def put(lab: Lab, owner: str, address: str, trees: list[Path]) -> None:
    """A new disk with copies of these trees."""
    id = f"{owner}-{address}"
    lab.host.create_disk(new_disk(lab, id, owner, address, size=0))
    with hold(lab.host, owner), lab.host.open_disks({id: "rw"}) as opened:
        handle = opened[id].handle
        subprocess.run(["cp", "-a", "--", *trees, f"/proc/self/fd/{handle}/"], check=True, pass_fds=[handle])


def inside(lab: Lab, *argv: str) -> tuple[int, str]:
    assert isinstance(lab.host, NspawnHost)
    done = lab.host.command("WEB1", argv, 60)
    return done.status, done.out.decode().strip()


def until_up(lab: Lab) -> None:
    for _ in range(240):
        said = inside(lab, "systemctl", "is-system-running")[1]
        if said in ("running", "degraded"):
            assert said == "running", inside(lab, "systemctl", "--failed")
            return
        time.sleep(0.5)
    raise AssertionError(lab.host.console("WEB1", 50))


def test_a_whole_system_comes_up_healthy_and_moves_to_other_disks(lab: Lab) -> None:
    lab.host.start("WEB1")
    until_up(lab)
    assert inside(lab, "hostname") == (0, "web1")
    for path in ("/usr/x", "/x", "/bin/x"):
        assert inside(lab, "touch", path)[0] != 0
    assert inside(lab, "mount", "-o", "remount,rw", "/")[0] != 0
    assert inside(lab, "touch", "/etc/kept", "/var/kept")[0] == 0
    assert any("Reached target" in line for line in lab.host.console("WEB1", 200))
    assert lab.host.stop("WEB1", 60) == "asked"

    with lab.host.open_disks({"WEB1-1B5": "ro"}) as opened:
        etc = Path(opened["WEB1-1B5"].path, "etc")
        assert (etc / "kept").stat().st_uid == 0
        lab.host.define(Entry("GOLD2", "owner", marks={"1": gold(2)}))
        lab.host.create_disk(new_disk(lab, "GOLD2-1B1", "GOLD2", "1B1", size=0, copy_of="GOLD-1B1"))
        prepare(lab, "WEB1", "GOLD2")
        with lab.host.open_disks({"WEB1-5B5": "rw"}) as prepared:
            handle = prepared["WEB1-5B5"].handle
            for name in ("etc", "root"):
                tree = Path(opened["WEB1-1B5"].path, name)
                subprocess.run(
                    ["cp", "-a", "--", tree, f"/proc/self/fd/{handle}/"],
                    check=True,
                    pass_fds=[handle, opened["WEB1-1B5"].handle],
                )
            Path(prepared["WEB1-5B5"].path, "etc/hostname").write_text("web1-new\n")

    lab.host.start("WEB1")
    with pytest.raises(StillRunning), lab.host.hold("WEB1"):
        pass
    lab.host.stop("WEB1", 60)
    with lab.host.hold("WEB1") as held:
        assert held.broken() is None
        lab.host.apply(exchange(found(lab.host, "WEB1"), "5", "update", "kept", since=SINCE))
        assert held.broken() is None
    lab.host.start("WEB1")
    assert lab.host.power("WEB1").runs == "current"
    until_up(lab)
    assert inside(lab, "hostname") == (0, "web1-new")
    assert inside(lab, "test", "-e", "/etc/kept", "-a", "-e", "/var/kept")[0] == 0
