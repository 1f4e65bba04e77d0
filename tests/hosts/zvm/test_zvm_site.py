"""The whole story of a site on a simulated z/VM, by its commands: publish, clone, update, review, switch, back, prune."""

from __future__ import annotations

from pathlib import Path

import pytest

from goldroot.hosts import Applied, Entry
from goldroot.hosts.zvm import ZvmHost
from support.zvmfleet import ZvmFleet, password
from support.zvmsite import DIRECTORY

pytestmark = pytest.mark.slow


def test_a_running_server_moves_to_the_next_gold_and_back(fleet: ZvmFleet) -> None:
    fleet.image()
    fleet("clone", "create", "web1", "--image", "s10")
    fleet("clone", "create", "db1", "--image", "s10", "--read-write")
    fleet("machine", "start", "web1", "db1")
    assert {"WEB1", "DB1"} <= set(fleet.sim.system.active())
    fleet.write(
        "WEB1", {"etc/app.conf": "one = mine\n" + "two = 2\nthree = 3\nfour = 4\nfive = 5\nsix = 6\nseven = 7\n"}
    )
    gold = "one = gold\n" + "two = 2\nthree = 3\nfour = 4\nfive = 5\nsix = 6\nseven = 7\n"
    fleet.publish({"etc/app.conf": gold, "usr/bin/tool": "2\n"})

    # Both changed one line: the update waits for an answer, and the server runs on from its old disks.
    fleet("update", "run", "web1", ok=1)
    assert fleet.text("WEB1", "1B5", "etc/app.conf") != gold
    assert fleet.data("machine", "list", "web1")["machines"][0]["runs"] == "current"
    fleet("review", "resolve", "web1", "/etc/app.conf", "--take", "gold")
    assert "It was started again, and is well." in fleet("update", "run", "web1", "db1")
    assert fleet.text("WEB1", "1B5", "etc/app.conf") == gold
    assert " LINK S10GOLD2 11B1 01B1 RR" in fleet.directory("WEB1")
    assert fleet.data("machine", "list", "web1")["machines"][0]["runs"] == "current"
    # A read-write server owns its root; nothing is linked.
    assert fleet.text("DB1", "1B1", "usr/bin/tool") == "2\n"
    assert not any("LINK" in line for line in fleet.directory("DB1"))

    fleet("rollback", "web1")
    assert (fleet.text("WEB1", "1B5", "etc/app.conf") or "").startswith("one = mine")
    assert " LINK S10GOLD  11B1 01B1 RR" in fleet.directory("WEB1")


def test_versions_are_skipped_and_older_fallbacks_parked_and_pruned(fleet: ZvmFleet) -> None:
    fleet.image()
    fleet("clone", "create", "web1", "--image", "s10")
    fleet.publish({"etc/plain.conf": "2\n"})
    fleet("update", "run", "web1")
    fleet.publish({"etc/plain.conf": "3\n"})
    fleet("fallback", "prune", "web1", "--force")
    assert fleet.entry("WEB1").links.keys() == {"1B1"}
    fleet("update", "run", "web1")
    fleet("fallback", "prune", "web1", "--force")
    fleet("gold", "retire", "s10", "1", "--remove")
    fleet.publish({"etc/plain.conf": "4\n"})
    assert fleet.text("WEB1", "1B5", "etc/plain.conf") == "3\n"
    fleet("update", "run", "web1")
    assert fleet.text("WEB1", "1B5", "etc/plain.conf") == "4\n"
    fleet("rollback", "web1")
    assert fleet.text("WEB1", "1B5", "etc/plain.conf") == "3\n"
    assert fleet.entry("WEB1").marks["5"].state == "set-aside"
    fleet("update", "run", "web1")
    assert {digit: mark.state for digit, mark in fleet.entry("WEB1").marks.items()} == {
        "1": "live",
        "5": "kept",
        "6": "set-aside",
    }


def test_the_number_of_calls_does_not_grow_with_the_guests(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = []
    for guests in (0, 1000):
        others = "".join(f"USER G{n:04} NOLOG 1G 1G G\n LINK S10GOLD 11B1 01B1 RR\n" for n in range(guests))
        fleet = ZvmFleet(tmp_path / str(guests), capsys, text=DIRECTORY + others)
        password(monkeypatch, fleet)
        try:
            fleet.image()
            fleet("clone", "create", "web1", "--image", "s10")
            fleet.publish({"etc/plain.conf": "2\n"})
            linked, update = fleet.calls("linked"), fleet.calls("update", "run", "web1")
            assert f"G{999:04} 1B1" in fleet("linked") or not guests
        finally:
            fleet.sim.stop()
        counts.append((len(linked), len(update)))
    assert counts[0] == counts[1]
    assert counts[0][0] < 10


def test_linked_tells_what_guests_have_now(fleet: ZvmFleet) -> None:
    fleet.image()
    fleet("clone", "create", "web1", "web2", "--image", "s10")
    fleet("machine", "start", "web1")
    fleet.publish({"etc/plain.conf": "2\n"})

    def slots() -> dict[str, tuple[list[str], list[str], list[str]]]:
        return {one["slot"]: (one["links"], one["live"], one["differs"]) for one in fleet.data("linked", "--live")}

    # Off is not a difference.
    assert slots()["S10GOLD"] == (["WEB1 1B1", "WEB2 1B1"], ["WEB1 1B1"], [])
    # Somebody links gold without goldroot: by the entry, and at this moment.
    fleet.sim.system.manager.add("MAINT", "LINK S10GOLD 11B1 0F00 RR")
    fleet.sim.system.link("MAINT", "S10GOLD2", "11B1", "0F01", "RR")
    found = slots()
    assert found["S10GOLD"][0] == ["MAINT F00", "WEB1 1B1", "WEB2 1B1"]
    assert found["S10GOLD2"] == (
        [],
        ["MAINT F01"],
        ["MAINT has S10GOLD2 at F01 since its logon, and its entry does not say so"],
    )
    # Its entry was moved behind its back: it runs from the old gold until its next logon.
    manager = fleet.sim.system.manager
    entry = manager.entry("WEB1")
    manager.put(
        type(entry)(
            entry.kind, entry.name, tuple(one.replace("LINK S10GOLD ", "LINK S10GOLD2 ") for one in entry.records)
        )
    )
    found = slots()
    assert "WEB1 has S10GOLD at 1B1 since its logon, and its entry does not say so" in found["S10GOLD"][2]
    assert (
        "WEB1 is logged on without S10GOLD2 at 1B1, which its entry links: it takes it at its next logon"
        in found["S10GOLD2"][2]
    )
    assert "WEB1 has S10GOLD at 1B1" in fleet("linked", "--live")


@pytest.mark.slow
def test_gold_that_somebody_has_open_needs_no_backup(fleet: ZvmFleet) -> None:
    fleet.image()
    fleet.sim.system.link("MAINT", "S10GOLD", "11B1", "0F01", "MR")
    told = fleet("doctor", ok=1)
    assert "R/W by MAINT" in told
    assert "To do: End that use, then run the command again." in told
    assert "restore" not in told
    fleet.sim.system.detach("MAINT", "0F01")
    assert "Everything is as it should be." in fleet("doctor")


@pytest.mark.slow
def test_a_server_that_is_made_may_be_started_though_its_last_change_is_not_made_at_once(
    fleet: ZvmFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.image()
    apply = ZvmHost.apply
    asked: list[Entry] = []

    def first_unchanged(host: ZvmHost, wanted: Entry) -> Applied:
        if wanted.name == "WEB1" and wanted.startable and not asked:
            asked.append(wanted)
            return Applied("unchanged", host.find("WEB1"))
        return apply(host, wanted)

    monkeypatch.setattr(ZvmHost, "apply", first_unchanged)
    fleet("clone", "create", "web1", "--image", "s10")
    assert asked
    assert fleet.entry("WEB1").startable
