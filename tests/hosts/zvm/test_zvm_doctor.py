"""``goldroot zvm doctor`` looks, changes nothing, never fails, and tells no password."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from goldroot.hosts import Entry, Mark
from goldroot.hosts.zvm.doctor import Asked, Point, examined
from goldroot.hosts.zvm.doctor_guest import QUESTIONS
from goldroot.hosts.zvm.pool import Pool
from goldroot.hosts.zvm.simulated import Socket
from goldroot.zvm.simulator import Simulator
from goldroot.zvm.smapi.encode import find_layout
from support.zvmfleet import ZvmFleet
from support.zvmsite import DIRECTORY, Site, simulator

SECRETS = "READ    WRITE   MULTIPLE"
ME = "GOLDMGMT"


def points(root: Path, sim: Simulator, **settings: Any) -> dict[str, Point]:
    site = Site(sim, root)
    asked = Asked(
        site.manager().client,
        site.manager(),
        site.entries(),
        Socket(str(root / "cp"), ME),
        Pool(settings.pop("group", "LINUX")),
        settings.pop("me", ME),
        [f"F00{digit}" for digit in range(4)],
        **settings,
    )
    return {point.key: point for point in examined(asked, QUESTIONS)}


def seen(root: Path, text: str = DIRECTORY, *faults: str, **settings: Any) -> dict[str, Point]:
    with simulator(root, text, cp=str(root / "cp"), faults=faults) as sim:
        return points(root, sim, **settings)


def test_a_good_system_has_nothing_wrong(tmp_path: Path) -> None:
    found = seen(tmp_path, simulated=True)
    assert [point.key for point in found.values() if point.state == "wrong"] == []
    assert found["guest"].saw[0].startswith("GOLDMGMT AT")
    assert found["classes"].saw[1].split() == ["Currently:", "BG"]
    assert found["passwords"].state == "well"
    assert found["tls"].state == "note"  # the simulator speaks clear text here
    assert found["level"].saw[0] == "640"
    assert found["query-links"].state == "well"
    assert "never by doctor" in found["flashcopy"].saw[0]


@pytest.mark.parametrize(
    ("change", "settings", "key", "state", "word"),
    [
        ((" OPTION LNKNOPAS\n NICDEF", " NICDEF"), {}, "passwords", "note", "does not have"),
        (("", ""), {"me": "OTHER"}, "guest", "wrong", "GOLDMGMT"),
        (("", ""), {"group": "NOWHERE"}, "room", "unknown", ""),
        (("MDISK 0100", "MDISK F001"), {}, "addresses", "note", "F001"),
        (("USER MAINT MAINT", "* a comment\nUSER MAINT MAINT"), {}, "comments", "unknown", "0 entries"),
        ((" NICDEF", "* a comment\n NICDEF"), {}, "comments", "well", "1 entries"),
        ((" NICDEF", "*DVHOPT LNK0\n NICDEF"), {}, "dvhopt", "note", "1 entries"),
        (("USER MAINT MAINT", "USER GT@PING NOLOG\nUSER MAINT MAINT"), {}, "names", "well", "GT@PING"),
    ],
)
def test_what_is_otherwise_is_seen(
    tmp_path: Path, change: tuple[str, str], settings: dict[str, Any], key: str, state: str, word: str
) -> None:
    found = seen(tmp_path, DIRECTORY.replace(*change), simulated=True, **settings)[key]
    assert found.state == state, found
    assert word in " ".join(found.saw)


def test_a_slot_is_asked_about(tmp_path: Path) -> None:
    with simulator(tmp_path, cp=str(tmp_path / "cp")) as sim:
        site = Site(sim, tmp_path)
        mark = Mark("gold", "pub", "debian", "", 1, "2026-11-26T09:30:00Z")
        site.entries().define(Entry("DEBIANGOLD", "owner", marks={"1": mark}))
        sim.system.manager.add("DEBGOLD", "MDISK 11B1 3390 300 10 LX3001 MR")
        sim.system.manager.add("GOLDMGMT", "LINK DEBGOLD 11B1 01B1 MR")
        site.manager().client.image_lock_dm("DEBGOLD")
        found = points(tmp_path, sim, link_mode="SR")
        site.manager().client.image_unlock_dm("DEBGOLD")
    assert found["gold-links"].saw == ("1 LINK statements, modes MR; link_mode is SR",)
    assert found["gold-links"].state == "note"
    assert (found["stable-links"].state, found["stable-links"].saw) == ("wrong", ("GOLDMGMT",))
    assert found["link-query"].saw == ("8/12",)
    assert found["cache"].saw == ("DEBIANGOLD 11B1",)
    assert found["locks"].saw == ("DEBGOLD, by GOLDMGMT",)
    assert found["unknown-disks"].saw == ("DEBIANGOLD 1B1 LX3001:300:10",)


@pytest.mark.parametrize(
    ("words", "mode"), [("RR SECRET", "RR"), ("", "R"), ("SECRET", "R"), ("RR * SECRET is the old one", "RR")]
)
def test_what_stands_behind_the_mode_of_a_link_is_not_told(tmp_path: Path, words: str, mode: str) -> None:
    with simulator(tmp_path, cp=str(tmp_path / "cp")) as sim:
        mark = Mark("gold", "pub", "debian", "", 1, "2026-11-26T09:30:00Z")
        Site(sim, tmp_path).entries().define(Entry("DEBIANGOLD", "owner", marks={"1": mark}))
        sim.system.manager.add("GOLDMGMT", f"LINK DEBGOLD 11B1 01B1 {words}")
        found = points(tmp_path, sim)
    assert found["gold-links"].saw == (f"1 LINK statements, modes {mode}; link_mode is RR",)


@pytest.mark.parametrize("fault", ["server-away", "not-authorised=16", "lost-reply"])
def test_no_fault_ends_it(tmp_path: Path, fault: str) -> None:
    whole = seen(tmp_path / "whole", simulated=True)
    found = seen(tmp_path / "fault", DIRECTORY, fault, simulated=True)
    assert found["guest"].state == "well"
    assert len(found) >= len(QUESTIONS)
    assert found.keys() <= whole.keys() | {key for key, _, _ in QUESTIONS}
    unknown = [point for point in found.values() if point.state == "unknown"]
    assert len(unknown) > len([point for point in whole.values() if point.state == "unknown"])


def test_nothing_is_changed_and_no_password_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    command = Socket.command
    monkeypatch.setattr(Socket, "command", lambda self, text: (said.append(text), command(self, text))[1])
    with simulator(tmp_path, cp=str(tmp_path / "cp")) as sim:
        before = {name: entry.records for name, entry in sim.system.directory.entries.items()}
        site = Site(sim, tmp_path)
        client = site.manager().client
        called: list[str] = []
        call = type(client).call

        def counted(self: Any, api: str, *rest: Any, **named: Any) -> Any:
            called.append(api)
            return call(self, api, *rest, **named)

        monkeypatch.setattr(type(client), "call", counted)
        report = json.dumps([point.as_dict() for point in points(tmp_path, sim).values()])
        assert {name: entry.records for name, entry in sim.system.directory.entries.items()} == before
    assert {find_layout(api).kind for api in called} == {"read"}
    assert all(text.startswith("QUERY ") for text in said)
    assert not any(word in report for word in [*SECRETS.split(), "MAINT MAINT"])


def test_the_report_is_a_file(fleet: ZvmFleet) -> None:
    fleet("init", str(fleet.site_dir))
    file = fleet.root / "report.json"
    out = fleet("zvm", "doctor", "--report", str(file))
    assert "Nothing was changed." in out
    assert "unknown  replace:" in out
    assert "well     login" not in out
    assert "well     login" in fleet("zvm", "doctor", "--all")
    data = json.loads(file.read_text())
    assert data == {**fleet.data("zvm", "doctor"), "points": data["points"]}
    assert {one["key"] for one in data["points"]} >= {"tls", "level", "classes", "room"}
    (fleet.root / "site/goldroot.toml").write_text('[hosts.here]\nkind = "directory"\n')
    assert "no z/VM host" in fleet("zvm", "doctor", ok=2)
