"""``goldroot zvm adopt``: a site that follows the paper is taken over as it stands, and then moved like any other."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from goldroot.hosts import Entry
from goldroot.hosts.zvm.adopted import Adopted
from goldroot.hosts.zvm.names import Names
from goldroot.hosts.zvm.pool import FBA, Pool
from goldroot.hosts.zvm.reading import beside, standing
from goldroot.hosts.zvm.survey import apart, by_volume, linking, of_type, server, writing
from goldroot.zvm.directory import Directory
from support.fleet import ROOT
from support.trees import make_tree
from support.zvmcluster import ZvmCluster
from support.zvmfleet import ZvmFleet, password
from support.zvmsite import DIRECTORY

PASSWORDS = "READ    WRITE   MULTIPLE"


def whole(name: str, logon: str, start: int, digit: str = "0") -> str:
    """A user with a disk at each place of the layout, as the paper's systems have them."""
    lines = [f"USER {name} {logon} 512M 1G G", " IPL 1B1", " NICDEF 0600 TYPE QDIO LAN SYSTEM VSWITCH1"]
    for number, place in enumerate(("B1", "B5", "B6")):
        lines += [
            f" MDISK {digit}1{place} 3390 {start + 10 * number:05d} 00010 LX3002 MR {PASSWORDS}",
            "  MINIOPT NOMDC",
        ]
    return "".join(line + "\n" for line in lines)


def clone(name: str, gold: str, start: int, *more: str) -> str:
    """A read-only server."""
    lines = [f"USER {name} SECRET1 512M 1G G", " IPL 1B1", f" LINK {gold} 11B1 01B1 RR", *more]
    lines += [f" MDISK 0191 3390 {start:05d} 00002 LX3002 MR {PASSWORDS}"]
    for number, place in enumerate(("B5", "B6"), 1):
        lines += [f" MDISK 01{place} 3390 {start + 10 * number:05d} 00010 LX3002 MR {PASSWORDS}", "  MINIOPT NOMDC"]
    return "".join(line + "\n" for line in lines)


PAPER = DIRECTORY + "".join(
    (
        whole("S10RWMNT", "RWMNTPW", 101),
        whole("S10GOLD", "NOLOG", 201, "1"),
        whole("S10GOLD2", "NOLOG", 301, "1"),
        clone("S10RO1", "S10GOLD", 401),
        clone("S10RO2", "S10GOLD", 501),
        clone("S10RO3", "S10GOLD2", 601),
        clone("S10ODD", "S10GOLD", 701, " LINK S10GOLD2 11B8 01B8 RR"),
        "USER S10LOST LOSTPW 512M 1G G\n LINK S10GOLD 11B1 01B1 RR\n",
    )
)
#: Places of the extents above, and what stands there.
HOLD = {101: "3", 201: "1", 301: "2"}
OWN = {401: "1", 501: "1", 601: "2", 701: "1"}


@pytest.fixture
def paper(
    request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[ZvmFleet]:
    text = getattr(request, "param", PAPER)
    fleet = ZvmFleet(tmp_path / "zvm", capsys, text=text, active=("MAINT", "GOLDMGMT", "S10RO1"))
    password(monkeypatch, fleet)
    place = fleet.root / "minidisks"
    for start, version in {**HOLD, **OWN}.items():
        root = fleet.root / f"root-{start}"
        make_tree(root, {**ROOT, "etc/plain.conf": f"{version}\n", "etc/hostname": f"host{start}\n"})
        for number, names in enumerate((None, ("etc", "root", "srv", "home", "usr/local"), ("var",))):
            disk = place / f"LX3002.{start + 10 * number:09d}"
            if names is None and start in OWN:
                continue
            disk.mkdir(parents=True, exist_ok=True)
            for name in names or ("usr", "bin", "proc", "sys", "dev", "run", "tmp"):
                if (root / name).exists():
                    (disk / name).parent.mkdir(parents=True, exist_ok=True)
                    subprocess.run(["cp", "-a", root / name, disk / name], check=True)
    fleet("init", str(fleet.site_dir))
    try:
        yield fleet
        assert fleet.left() == []
        assert fleet.sim.bugs == []
    finally:
        fleet.sim.stop()


def directory(fleet: ZvmFleet) -> dict[str, tuple[str, ...]]:
    return {name: entry.records for name, entry in fleet.sim.system.directory.entries.items()}


@pytest.mark.slow
def test_a_site_that_follows_the_paper_is_taken_over_and_moved(paper: ZvmFleet) -> None:
    before = directory(paper)
    plan = paper("zvm", "adopt", "s10", "--plan", ok=1)
    assert "Nothing was changed, and nothing was written down." in plan
    assert "it links gold at 1B8, which the layout does not have" in plan
    assert "it has nothing at 1B5, 1B6" in plan
    assert paper.data("clone", "list") == []

    out = paper("zvm", "adopt", "s10", ok=1)
    for line in ("gold version 1, in S10GOLD", "gold version 2, in S10GOLD2", "the maintenance system S10RWMNT",
                 "server s10ro1, on version 1", "server s10ro3, on version 2"):  # fmt: skip
        assert f"adopted: {line}" in out
    assert directory(paper) == before
    assert {one["name"]: one["version"] for one in paper.data("clone", "list")} == {
        "s10ro1": 1,
        "s10ro2": 1,
        "s10ro3": 2,
    }
    assert "is what was published" in paper("gold", "verify", "s10", "1")
    assert paper.data("clone", "show", "s10ro2")["identity"]["hostname"] == "host501"
    # Again: nothing more.
    assert paper("zvm", "adopt", "s10", ok=1).count("(already)") == 5
    assert directory(paper) == before

    # It is moved like a server that goldroot made; passwords and options stay with their disks.
    paper.write("S10RO2", {"etc/plain.conf": "mine\n"})
    paper("update", "run", "s10ro2", ok=1)
    paper("review", "resolve", "s10ro2", "--all", "--take", "server")
    paper("update", "run", "s10ro2")
    entry = paper.directory("S10RO2")
    assert " LINK S10GOLD2 11B1 01B1 RR" in entry
    assert f"MDISK 05B5 3390 00511 00010 LX3002 RR {PASSWORDS}" in [line.strip() for line in entry]
    assert f"MDISK 0191 3390 00501 00002 LX3002 MR {PASSWORDS}" in [line.strip() for line in entry]
    assert any(line.startswith("* GOLDROOT 1 LIVE") for line in entry)
    assert entry[0].startswith("USER S10RO2 SECRET1")
    assert paper.text("S10RO2", "1B5", "etc/plain.conf") == "mine\n"
    paper("rollback", "s10ro2")
    assert f"MDISK 01B5 3390 00511 00010 LX3002 MR {PASSWORDS}" in [line.strip() for line in paper.directory("S10RO2")]

    # And the next gold comes from the maintenance system that was there.
    paper.publish({"etc/plain.conf": "4\n"})
    assert "S10GOLD3" in paper("linked")
    untouched = ("S10RO1", "S10RO3", "S10ODD", "S10LOST", "S10GOLD", "MAINT", "GOLDMGMT")
    assert {name: records for name, records in directory(paper).items() if name in untouched} == {
        name: records for name, records in before.items() if name in untouched
    }


#: The same where S10RO2 can be logged on at each member of a cluster, with a network card of each.
CLUSTER = PAPER.replace(
    "USER S10RO2 SECRET1 512M 1G G\n",
    "IDENTITY S10RO2 SECRET1 512M 1G G\n BUILD ON ZVM1 USING SUBCONFIG S10RO2-1\n BUILD ON ZVM2 USING SUBCONFIG S10RO2-2\n",
) + "".join(
    f"SUBCONFIG S10RO2-{number}\n NICDEF 0600 TYPE QDIO LAN SYSTEM VSWITCH{number}\n"
    f" MDISK 0192 3390 {900 + number:05d} 00001 LX3002 MR\n"
    for number in (1, 2)
)


@pytest.mark.slow
@pytest.mark.parametrize("paper", [CLUSTER], indirect=True, ids=["cluster"])
def test_a_server_with_a_part_for_each_member_is_taken_over_and_moved_at_the_other_one(paper: ZvmFleet) -> None:
    cluster = ZvmCluster(paper, ["S10RO2"])
    try:
        there = cluster.there.system
        there.logon("S10RO2")
        assert {one.address for one in there.query_virtual("S10RO2")} >= {"0192", "0600", "01B1", "01B5"}
        parts = {name: records for name, records in directory(paper).items() if name.startswith("S10RO2-")}
        paper("zvm", "adopt", "s10", ok=1)
        paper("machine", "stop", "s10ro2")
        paper.write("S10RO2", {"etc/plain.conf": "mine\n"})
        paper("machine", "start", "s10ro2")
        assert there.active() == ["S10RO2"]
        cached = next(one for one in paper.data("zvm", "doctor")["points"] if one["key"] == "cache")
        assert cached["state"] == "well", "the paper's disks have MINIOPT NOMDC"
        paper("update", "run", "s10ro2", ok=1)
        paper("review", "resolve", "s10ro2", "--all", "--take", "server")
        paper("update", "run", "s10ro2")
        assert there.active() == ["S10RO2"]
        linked = {one.address: one.owner for one in there.query_virtual("S10RO2") if one.owner.startswith("S10GOLD")}
        assert linked == {"01B1": "S10GOLD2", "05B1": "S10GOLD"}, "the next gold, and that of the fallback"
        assert paper.text("S10RO2", "1B5", "etc/plain.conf") == "mine\n"
        paper("rollback", "s10ro2")
        assert there.active() == ["S10RO2"]
        lines = {name: [line.split() for line in records] for name, records in directory(paper).items()}
        assert ["LINK", "S10GOLD", "11B1", "01B1", "RR"] in lines["S10RO2"]
        assert {name: records for name, records in directory(paper).items() if name.startswith("S10RO2-")} == parts
        builds = [line.split() for line in CLUSTER.splitlines() if "USING SUBCONFIG S10RO2" in line]
        assert [line for line in lines["S10RO2"] if line[0] == "BUILD"] == builds
    finally:
        cluster.there.stop()


@pytest.mark.slow
def test_a_server_with_disks_of_its_own_is_not_deleted_half(paper: ZvmFleet) -> None:
    paper("zvm", "adopt", "s10", ok=1)
    before = directory(paper)
    for more in (("--plan",), ("--plan", "--commands"), ()):
        told = paper("clone", "delete", "s10ro2", *more, ok=3)
        assert "S10RO2 has disks that goldroot did not make: 0191 (LX3002:501:2)" in told
    assert directory(paper) == before
    entry = paper.sim.system.directory.entries["S10RO2"]
    kept = tuple(record for record in entry.records if "MDISK 0191" not in record)
    paper.sim.system.manager.put(type(entry)(entry.kind, entry.name, kept))
    paper("clone", "delete", "s10ro2")
    assert "S10RO2" not in directory(paper)


@pytest.mark.slow
def test_what_is_not_gold_is_refused(paper: ZvmFleet) -> None:
    assert "There is no entry S11GOLD" in paper("zvm", "adopt", "s11", ok=3)
    assert "two slots would have the same version" in paper("zvm", "adopt", "s10", "--version", "S10GOLD=2", ok=2)
    assert "S10GOLD9 is not a slot" in paper("zvm", "adopt", "s10", "--version", "S10GOLD9=2", ok=2)
    assert "is not a form of disks here" in paper("zvm", "adopt", "s10", "--form", "ext9", ok=2)
    layout = paper.root / "other.toml"
    layout.write_text(
        'name = "other"\n[[disk]]\naddress = "1B1"\nname = "root"\nshared = true\npaths = ["/"]\n'
        '[[disk]]\naddress = "1B9"\nname = "all"\npaths = ["/etc", "/var"]\n'
    )
    out = paper("zvm", "adopt", "s10", "--layout", str(layout), ok=3)
    assert "S10GOLD: it has no minidisk at 11B9" in out
    assert paper.data("clone", "list") == []


def test_marks_of_what_was_adopted_are_kept(tmp_path: Path) -> None:
    from goldroot.errors import Damaged
    from goldroot.hosts import Mark

    mark = Mark("live", "k3v9s1m2qx", "s10", "web1", 1, "2026-11-26T09:30:00Z")
    adopted = Adopted(str(tmp_path / "adopted.json"))
    assert adopted().entries == {}
    adopted.add({"WEB1": {"1": mark}}, {"web1-1B5": "0X0201"})
    adopted.add({"WEB2": {"1": mark}}, {})
    again = Adopted(str(tmp_path / "adopted.json"))()
    assert again.entries == {"WEB1": {"1": mark}, "WEB2": {"1": mark}}
    assert again.labels == {"web1-1B5": "0X0201"}
    assert Entry("WEB1", "machine", marks=again.entries["WEB1"]).marks["1"].server == "web1"
    for text in ("", "[]", '{"entries": {"X": {"1": {"state": "live"}}}, "labels": {}}'):
        (tmp_path / "adopted.json").write_text(text)
        with pytest.raises(Damaged, match="cannot be read"):
            Adopted(str(tmp_path / "adopted.json"))()


def on_a_cluster(identity: str, part: str) -> tuple[str, ...]:
    """Why a server of a cluster cannot be adopted whose IDENTITY has these statements, and its SUBCONFIG those."""
    text = f"IDENTITY WEB1 SECRET1 512M 1G G\n BUILD ON M1 USING SUBCONFIG WEB1-1\n{identity}SUBCONFIG WEB1-1\n{part}"
    entry, beside = Directory.parse(text.encode()).entries
    names = Names({})
    now = standing(entry, [beside], name="WEB1", names=names, registry=lambda name, address, extent: None)
    return server(now, names, ["1B1", "1B5", "1B6"], ["1B1"]).why


MIXED = Pool("LINUX", others={"B6": Pool("FIXED", geometry=FBA)})


@pytest.mark.parametrize(
    ("devices", "pool", "wrong"),
    [
        (("3390", "3390"), Pool("LINUX"), ()),
        (("3380", "3390"), Pool("LINUX"), ()),
        (("9336", "FB-512"), Pool("LINUX", geometry=FBA), ()),
        (("3390", "9336"), MIXED, ()),
        (("3390", "9336"), Pool("LINUX"), ("1B6 is 9336, and this host has 3390 there",)),
        (("FB-512", "3390"), Pool("LINUX", geometry=FBA), ("1B6 is 3390, and this host has 9336 there",)),
        (
            ("9336", "3390"),
            MIXED,
            ("1B5 is 9336, and this host has 3390 there", "1B6 is 3390, and this host has 9336 there"),
        ),
    ],
)
def test_a_server_with_disks_of_another_type_is_not_taken_over(
    devices: tuple[str, str], pool: Pool, wrong: tuple[str, ...]
) -> None:
    text = f"USER WEB1 SECRET 512M 1G G\n{LINKED}{LOCAL}{VARIABLE}"
    for place, device in zip(("01B5", "01B6"), devices, strict=True):
        text = text.replace(f"{place} 3390", f"{place} {device}")
    (entry,) = Directory.parse(text.encode()).entries
    now = standing(entry, [], name="WEB1", names=Names({}), registry=lambda name, address, extent: None)
    found = of_type(server(now, Names({}), ["1B1", "1B5", "1B6"], ["1B1"]), pool)
    assert found.why == tuple(f"its disk at {one} (disk_type, disk_types)" for one in wrong)


@pytest.mark.parametrize(
    ("other", "wrong"),
    [
        ("USER MAINT NOLOG\n MDISK 0191 3390 395 6 LX3002 MR\n", ()),
        ("USER MAINT NOLOG\n MDISK 0191 3390 401 10 LX3009 MR\n", ()),
        ("USER MAINT NOLOG\n MDISK 0123 3390 0 END LX3002 RR\n", ()),
        ("USER MAINT NOLOG\n MDISK 0123 3390 0000 3339 LX3002 RR\n", ()),
        (
            "USER MAINT NOLOG\n MDISK 0191 3390 395 7 LX3002 MR\n",
            ("1B5 (LX3002:401:10) overlaps MAINT 0191 (395-401)",),
        ),
        ("USER WEB2 NOLOG\n MDISK 01B6 3390 411 10 LX3002 MR\n", ("1B6 (LX3002:411:10) overlaps WEB2 01B6 (411-420)",)),
        ("SUBCONFIG A-1\n MDISK 0191 3390 420 END LX3002 MR\n", ("1B6 (LX3002:411:10) overlaps A-1 0191 (420-END)",)),
        (" MDISK 0F01 3390 401 10 LX3002 MR\n", ("1B5 (LX3002:401:10) overlaps WEB1 0F01 (401-410)",)),
    ],
)
def test_a_server_on_whose_disks_another_minidisk_lies_is_not_taken_over(other: str, wrong: tuple[str, ...]) -> None:
    directory = Directory.parse(f"USER WEB1 SECRET 512M 1G G\n{LINKED}{LOCAL}{VARIABLE}{other}".encode())
    now = standing(
        directory.entry("WEB1"), [], name="WEB1", names=Names({}), registry=lambda name, address, extent: None
    )
    found = apart(server(now, Names({}), ["1B1", "1B5", "1B6"], ["1B1"]), by_volume(directory))
    assert found.why == tuple(f"its disk at {one}" for one in wrong)


@pytest.mark.parametrize("mode", ["W", "WR", "M", "MR", "MW", "SW", "SM", "EW"])
def test_a_server_that_may_write_gold_is_not_taken_over(mode: str) -> None:
    text = f"USER WEB1 SECRET 512M 1G G\n{LINKED.replace('RR', mode)}{LOCAL}{VARIABLE}"
    (entry,) = Directory.parse(text.encode()).entries
    now = standing(entry, [], name="WEB1", names=Names({}), registry=lambda name, address, extent: None)
    why = server(now, Names({}), ["1B1", "1B5", "1B6"], ["1B1"]).why
    assert why == (f"its link at 1B1 may write gold ({mode})",)


def test_who_links_gold_by_a_profile_is_found_and_who_may_write_it() -> None:
    directory = Directory.parse(
        b"""\
PROFILE S10PROF
 LINK S10GOLD 11B1 01B1 RR
PROFILE OTHER
 LINK MAINT 0190 0190 MR
USER S10PROF NOLOG
IDENTITY WEB1 NOLOG
 BUILD ON * USING SUBCONFIG WEB1-1
USER WEB2 NOLOG
 INCLUDE S10PROF
USER WEB3 NOLOG
 INCLUDE OTHER
user web4 nolog
 link s10gold 11b5 0f05 mr
SUBCONFIG WEB1-1
 INCLUDE S10PROF
"""
    )
    assert linking(directory, {"S10GOLD", "S10GOLD2"}) == ["WEB1", "WEB2", "WEB4"]
    assert writing(directory, {"S10GOLD"}) == ["WEB4 may write gold: its link to S10GOLD 11B5 at 0F05 is MR"]
    parts = beside(directory.entry("WEB2"), lambda kind, name: directory.find(name, kind))
    now = standing(directory.entry("WEB2"), parts, name="WEB2", names=Names({}), registry=lambda *_: None)
    assert (
        "PROFILE S10PROF has 1B1: all that moves has to stand in one entry"
        in server(now, Names({}), ["1B1"], ["1B1"]).why
    )


#: Two servers with one disk, somebody who may write gold, and a whole volume, which overlaps on purpose.
ODD = (
    PAPER.replace(" MDISK 01B6 3390 00521", " MDISK 01B6 3390 00421")
    + "USER BACKUP NOLOG\n LINK S10GOLD2 11B5 0F05 MR\n MDISK 0F00 3390 0 END LX3002 RR\n"
)


@pytest.mark.slow
@pytest.mark.parametrize("paper", [ODD], indirect=True)
def test_what_is_anothers_too_is_left_out_and_who_may_write_gold_is_told(paper: ZvmFleet) -> None:
    found = paper.data("zvm", "adopt", "s10", ok=1)
    left = found["left_out"]
    assert left["S10RO1"] == ["its disk at 1B6 (LX3002:421:10) overlaps S10RO2 01B6 (421-430)"]
    assert left["S10RO2"] == ["its disk at 1B6 (LX3002:421:10) overlaps S10RO1 01B6 (421-430)"]
    assert found["notes"] == ["BACKUP may write gold: its link to S10GOLD2 11B5 at 0F05 is MR"]
    assert [one["name"] for one in paper.data("clone", "list")] == ["s10ro3"]


LINKED, LOCAL, VARIABLE = (
    " LINK S10GOLD 11B1 01B1 RR\n",
    " MDISK 01B5 3390 401 10 LX3002 MR\n",
    " MDISK 01B6 3390 411 10 LX3002 MR\n",
)


def test_a_server_of_a_cluster_has_all_that_moves_in_one_entry() -> None:
    assert on_a_cluster(LINKED + LOCAL + VARIABLE, " MDISK 0191 3390 421 2 LX3002 MR\n") == ()
    assert on_a_cluster(LINKED + LOCAL, VARIABLE) == (
        "it has nothing at 1B6", "SUBCONFIG WEB1-1 has 1B6: all that moves has to stand in one entry",
    )  # fmt: skip
    assert on_a_cluster(LOCAL + VARIABLE, LINKED)[-1] == (
        "SUBCONFIG WEB1-1 has 1B1: all that moves has to stand in one entry"
    )
