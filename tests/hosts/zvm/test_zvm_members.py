"""Two members of a cluster: goldroot runs at one of them, and servers at both are its own."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Literal

import pytest

from goldroot.errors import Busy, HostError, Refused, StillRunning
from goldroot.hosts import exchange
from goldroot.hosts.zvm import ZvmHost
from goldroot.hosts.zvm.writing import uncached
from goldroot.zvm.directory import Directory
from goldroot.zvm.simulator import Options
from support.hosts import SINCE, Lab, found, make_machine, make_slot, prepare, state
from support.killing import kill_at, points_of
from support.zvmcluster import IDENTITY, MEMBER, ClusterLab, ZvmCluster, made_with
from support.zvmfleet import ZvmFleet
from support.zvmlab import ME
from support.zvmsite import DIRECTORY

pytestmark = pytest.mark.slow

# -- by the port


@pytest.fixture(params=[False, True], ids=["USER", "IDENTITY"])
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> ClusterLab:
    """Two slots, and a machine at the second member whose set 5 is prepared for the second slot."""
    return prepared(ClusterLab(tmp_path, identity=request.param))


def prepared(lab: ClusterLab) -> ClusterLab:
    make_slot(lab, "DEBIANGOLD", 1)
    make_slot(lab, "DEBIANGOLD2", 2)
    make_machine(lab)
    prepare(lab)
    return lab


def host_of(lab: ClusterLab) -> ZvmHost:
    """The host, as another process has it."""
    host = lab.again()
    assert isinstance(host, ZvmHost)
    return host


def update(lab: Lab) -> None:
    """The switch of an update; each step looks whether it is done."""
    host = lab.again()
    if found(host, "WEB1").marks["1"].by != "update":
        host.stop("WEB1", 0)
        with host.hold("WEB1"):
            host.apply(exchange(found(host, "WEB1"), "5", "update", "kept", since=SINCE))
    host.start("WEB1")


def test_a_guest_is_logged_on_and_off_where_it_belongs(lab: ClusterLab) -> None:
    update(lab)
    assert lab.there.active() == ["WEB1"]
    assert "WEB1" not in lab.sim.system.active()
    power = lab.again().power("WEB1")
    assert (power.state, power.runs) == ("on", "current")
    assert power.why.endswith(f" at {MEMBER}")
    # Its links are the cluster's, and are told with the member.
    assert ("WEB1", "1B1", "1B1") in host_of(lab).linked_now("DEBIANGOLD2")
    console = lab.sim.console
    assert console.command(ME, "LINK WEB1 01B5 F0 RR").rc == 0
    assert f"WEB1     01B5 R/W AT {MEMBER}" in console.command(ME, "QUERY LINKS F0").text
    lab.sim.system.detach(ME, "F0")
    # Nobody writes what it has, whoever asks.
    with pytest.raises(StillRunning, match="WEB1 is logged on"), lab.again().open_disks({"WEB1-5B5": "ro"}):
        pass
    with pytest.raises(Refused, match="attached"):
        lab.again().delete_disk("WEB1-1B5")
    assert lab.again().stop("WEB1", 0) == "killed"
    assert lab.there.active() == []
    assert lab.halves() == []


def test_a_user_is_at_one_member_and_an_identity_is_not_stopped_by_halves(lab: ClusterLab) -> None:
    update(lab)
    here = lab.sim.system
    if here.directory.entries["WEB1"].kind == "USER":
        assert lab.sim.console.command(ME, "XAUTOLOG WEB1").rc == 54
        assert lab.sim.console.command(ME, "QUERY WEB1").text.startswith("WEB1     - SSI")
        return
    assert lab.sim.console.command(ME, "QUERY WEB1").rc == 45, "another instance of it is another guest"
    here.logon("WEB1")
    before = found(lab.again(), "WEB1").token
    with pytest.raises(Refused, match=f"at several members of the cluster: {MEMBER}, this one"):
        lab.again().stop("WEB1", 0)
    assert (lab.there.active(), "WEB1" in here.active()) == (["WEB1"], True)
    here.logoff("WEB1")
    assert lab.again().stop("WEB1", 0) == "killed"
    assert found(lab.again(), "WEB1").token == before


def test_a_switch_at_the_other_member_is_killed_anywhere_and_finished(tmp_path: Path) -> None:
    first = prepared(ClusterLab(tmp_path / "first"))
    whole = first.copied_to(tmp_path / "whole")
    points = points_of(partial(update, whole))
    expected = state(whole.host)
    assert len(points) > 5
    for number, point in enumerate(points):
        lab = first.copied_to(tmp_path / str(number))
        assert isinstance(lab, ClusterLab)
        lab.there.logon("WEB1")
        kill_at(point, partial(update, lab))
        update(lab)
        lab.again().tidy()
        assert state(lab.host) == expected, point
        assert lab.there.active() == ["WEB1"], point
        assert lab.halves() == [], point


def test_a_disk_on_a_volume_of_the_other_member_alone_is_refused_and_told(tmp_path: Path) -> None:
    lab = prepared(ClusterLab(tmp_path))
    lab.sim.system.cp.lacks = {lab.host.info(["WEB1-1B5"])["WEB1-1B5"].where["volume"]}  # type: ignore[arg-type]
    before = found(lab.again(), "WEB1").token
    modes: tuple[Literal["ro", "rw"], ...] = ("ro", "rw")
    for mode in modes:
        with (
            pytest.raises(HostError, match="cannot be reached from this member of the cluster") as refused,
            lab.again().open_disks({"WEB1-5B5": mode}),
        ):
            pass
        assert not isinstance(refused.value, Busy)
    lab.there.logon("WEB1")
    assert {link.user for link in lab.there.cp.links if link.member == MEMBER} == {"WEB1"}, "it has them there"
    assert found(lab.again(), "WEB1").token == before
    assert lab.halves() == []


def test_what_a_member_keeps_of_a_disk_is_old_where_the_disk_may_be_cached(tmp_path: Path) -> None:
    lab = prepared(ClusterLab(tmp_path))
    lab.sim.faults.add("stale-cache@CP_READ")
    hostname = lab.place_of("WEB1-1B5") / "hostname"

    def read() -> bytes:
        with lab.again().open_disks({"WEB1-1B5": "ro"}) as opened:
            return Path(opened["WEB1-1B5"].path, "hostname").read_bytes()

    read()
    hostname.write_bytes(b"written there")
    assert read() == b"written there"
    # Without its option, as an adopted disk may be, this member gives what it has kept.  Nothing shows that.
    entry = lab.sim.system.directory.entries["WEB1"]
    records = tuple(one for one in entry.records if "NOMDC" not in one)
    assert len(records) == len(entry.records) - 2
    lab.sim.system.manager.put(type(entry)(entry.kind, entry.name, records))
    read()
    hostname.write_bytes(b"written later")
    assert read() == b"written there"
    (told,) = (point for point in host_of(lab).examine() if point.key == "cache")
    assert told.state == "note"
    assert told.saw == ("WEB1 01B5", "WEB1 05B5")


@pytest.mark.parametrize("width", [0, 72, 80])
@pytest.mark.parametrize(
    ("options", "made"),
    [
        ([], ["  MINIOPT NOMDC"]),
        (["  MINIOPT NOMDC"], ["  MINIOPT NOMDC"]),
        (["  DASDOPT DEVCTL"], ["  MINIOPT NOMDC", "  DASDOPT DEVCTL"]),
        (["  MINIOPT CACHE NOMDC"], ["  MINIOPT CACHE NOMDC"]),
    ],
)
def test_an_option_more_changes_nothing_else(width: int, options: list[str], made: list[str]) -> None:
    def text(options: list[str]) -> bytes:
        lines = ["USER WEB1 NOLOG 1G 1G G", " MDISK 0191 3390 1 1 LX3001", " MDISK 01B5 3390 2 1 LX3001 MR  R W M"]
        lines += [*options, "* a comment", " MDISK 01B6 3390 3 1 LX3001", "  MINIOPT NOMDC"]
        return "".join(line.ljust(width) if width else f"{line}\n" for line in lines).encode()

    entry = Directory.parse(text(options)).entries[0]
    assert uncached(entry, "01B5").to_bytes() == text(made)
    assert uncached(entry, "01B6").to_bytes() == text(options)


# -- by the commands of a site


@pytest.fixture
def cluster(
    request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[ZvmCluster]:
    """WEB1 is at home, WEB2 at the other member."""
    options = Options(cluster_status=getattr(request, "param", False))
    fleet = ZvmFleet(tmp_path / "zvm", capsys, text=DIRECTORY + IDENTITY, options=options)
    cluster = made_with(monkeypatch, fleet, ["WEB2"])
    try:
        fleet.image()
        for name in ("web1", "web2"):
            fleet("clone", "create", name, "--image", "s10")
        yield cluster
        assert fleet.left() == []
        assert fleet.sim.bugs == []
        assert cluster.there.bugs == []
    finally:
        cluster.stop()


@pytest.mark.parametrize("cluster", [True], indirect=True, ids=["each member tells of all guests"])
def test_servers_of_both_members_have_the_whole_story(cluster: ZvmCluster) -> None:
    fleet = cluster.fleet
    fleet("machine", "start", "web1")
    fleet("machine", "start", "web2")
    assert cluster.on() == {"ZVM1": ["WEB1"], MEMBER: ["WEB2"]}
    assert cluster.machine("web2")["power"] == "on"
    assert cluster.machine("web2")["runs"] == "current"
    assert fleet.host().power("WEB2").why.endswith(f" at {MEMBER}")

    fleet.write("WEB2", {"etc/plain.conf": "mine\n"})
    fleet.publish({"etc/other.conf": "2\n"})
    assert "It was started again, and is well." in fleet("update", "run", "web2")
    assert cluster.on() == {"ZVM1": ["WEB1"], MEMBER: ["WEB2"]}
    assert fleet.text("WEB2", "1B5", "etc/plain.conf") == "mine\n"
    assert fleet.text("WEB2", "1B5", "etc/other.conf") == "2\n"
    assert cluster.machine("web2")["runs"] == "current"

    # Who has gold: by entry, and now, at whichever member.
    said = fleet("linked", "--live")
    assert "WEB1" in said and "WEB2" in said
    links = fleet.host().linked_now(fleet.entry("WEB2").links["1B1"].owner)
    assert ("WEB2", "1B1", "1B1") in links
    assert fleet.host().running() >= {"WEB1", "WEB2", "GOLDMGMT"}

    fleet("rollback", "web2")
    assert cluster.on()[MEMBER] == ["WEB2"]
    assert fleet.text("WEB2", "1B5", "etc/other.conf") is None
    fleet("machine", "stop", "web2")
    assert cluster.on() == {"ZVM1": ["WEB1"], MEMBER: []}
    points = {one["key"]: one for one in fleet.data("zvm", "doctor")["points"]}
    assert points["cluster"]["state"] == "well"
    assert points["unknown-disks"]["state"] == "well"


def test_a_server_that_was_logged_on_at_the_wrong_member_is_found_and_comes_back_home(cluster: ZvmCluster) -> None:
    fleet = cluster.fleet
    cluster.there.system.logon("WEB1")
    assert cluster.machine("web1")["power"] == "on"
    assert fleet.host().power("WEB1").why.endswith(f" at {MEMBER}")
    points = {one["key"]: one for one in fleet.data("zvm", "doctor")["points"]}
    assert points["cluster"]["state"] == "note"
    assert f"WEB1 is logged on at {MEMBER}" in " ".join(points["cluster"]["saw"])
    fleet.publish({"etc/other.conf": "2\n"})
    fleet("update", "run", "web1")
    assert cluster.on() == {"ZVM1": ["WEB1"], MEMBER: []}
    assert fleet.text("WEB1", "1B5", "etc/other.conf") == "2\n"


def test_disks_are_kept_out_of_the_cache_of_a_member(cluster: ZvmCluster) -> None:
    fleet = cluster.fleet
    for user in ("S10GOLD", "WEB1", "WEB2"):
        lines = [line.split() for line in fleet.directory(user)]
        after = [lines[number + 1] for number, line in enumerate(lines) if line[:1] == ["MDISK"]]
        assert after and all(one == ["MINIOPT", "NOMDC"] for one in after), user
    # What the server at the other member writes is what is merged, though this member would keep what it has read.
    fleet.sim.faults.add("stale-cache@CP_READ")
    fleet("machine", "start", "web2")
    fleet.publish({"etc/other.conf": "2\n"})
    fleet("update", "run", "web2")
    fleet.write("WEB2", {"etc/plain.conf": "mine\n"})
    fleet.publish({"etc/other.conf": "3\n"})
    fleet("update", "run", "web2")
    assert fleet.text("WEB2", "1B5", "etc/plain.conf") == "mine\n"
    assert list(fleet.root.glob("minidisks/*.kept-*")) == []
    cached = {one["key"]: one for one in fleet.data("zvm", "doctor")["points"]}["cache"]
    assert cached["state"] == "well"


def test_a_member_that_is_away_hinders_its_own_servers_alone(cluster: ZvmCluster) -> None:
    fleet = cluster.fleet
    fleet("machine", "start", "web1")
    fleet.publish({"etc/other.conf": "2\n"})
    cluster.there.stop()
    fleet("update", "run", "web1")
    assert fleet.text("WEB1", "1B5", "etc/other.conf") == "2\n"
    status, said = fleet.ends("machine", "start", "web2")
    assert status != 0
    assert "no connection to 127.0.0.1" in said
    points = {one["key"]: one for one in fleet.data("zvm", "doctor", ok=1)["points"]}
    assert points["cluster"]["state"] == "wrong"
