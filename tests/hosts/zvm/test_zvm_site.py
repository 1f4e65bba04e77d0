"""The whole story of a site on a simulated z/VM, by its commands: publish, clone, update, review, switch, back, prune."""

from __future__ import annotations

import pytest

from support.zvmfleet import ZvmFleet

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
