"""Clients that others wrote, in the middle of a site's story: what they see and do, and what goldroot sees of that."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from support import zvm_clients
from support.zvmfleet import ZvmFleet

pytestmark = pytest.mark.slow


def next_second() -> None:
    """z/VM tells by seconds when a guest was logged on: two logons within one are the same to whoever asks, real ones never are."""
    time.sleep(1.01 - time.time() % 1)


def test_fence_agents_see_the_servers_as_they_are_and_may_end_them(fleet: ZvmFleet) -> None:
    zvm_clients.need_fence()

    def fence(action: str, *options: str) -> str:
        done = zvm_clients.fence(
            fleet.sim.port, action, "--disable-ssl", *options, user="GOLDMGMT", password="GOLDMGMT"
        )
        assert done.returncode in (0, 2), done.stderr
        return done.stdout.strip()

    def web1() -> tuple[str, str]:
        (found,) = fleet.data("machine", "list", "web1")["machines"]
        return found["power"], found["runs"]

    fleet.image()
    fleet("clone", "create", "web1", "--image", "s10")
    assert fence("status", "--plug", "WEB1") == "Status: OFF"
    listed = {line.partition(",")[0] for line in fence("list").splitlines()}
    assert {"S10GOLD", "S10RWMNT", "WEB1"} <= listed
    fleet("machine", "start", "web1")
    assert fence("status", "--plug", "WEB1") == "Status: ON"
    # A cluster ends it, and starts it again: by whom is known, and an update stops and starts it all the same.
    fence("off", "--plug", "WEB1")
    assert web1() == ("off", "nothing")
    next_second()
    fence("on", "--plug", "WEB1")
    assert web1() == ("on", "unknown")
    fleet.publish({"etc/plain.conf": "2\n"})
    assert "It was started again, and is well." in fleet("update", "run", "web1")
    assert fence("status", "--plug", "WEB1") == "Status: ON"
    assert web1() == ("on", "current")
    assert fleet.text("WEB1", "1B5", "etc/plain.conf") == "2\n"
    next_second()
    fence("reboot", "--plug", "WEB1")
    assert web1() == ("on", "unknown"), "it runs from the entry of its logon, which was not goldroot's"
    fleet("rollback", "web1")
    assert fleet.text("WEB1", "1B5", "etc/plain.conf") == "plain\n"
    assert fence("status", "--plug", "WEB1") == "Status: ON"


def test_the_cloud_connector_changes_an_entry_between_two_commands(fleet: ZvmFleet, tmp_path: Path) -> None:
    request = zvm_clients.connector(tmp_path / "connector")
    fleet.image()
    fleet("clone", "create", "web1", "--image", "s10")
    fleet("machine", "start", "web1")
    added, status, shown = request(
        fleet.sim, "ChangeVM WEB1 add3390 LINUX F00 20 --mode MR", "PowerVM WEB1 status", "GetVM WEB1 directory"
    )
    assert added["overallRC"] == 0, added
    assert status["rs"] == 0
    text = "\n".join(shown["response"])
    assert "LINK S10GOLD" in text
    assert "MDISK 0F00 3390" in text
    fleet.publish({"etc/plain.conf": "2\n"})
    fleet("update", "run", "web1")
    (shown,) = request(fleet.sim, "GetVM WEB1 directory")
    text = "\n".join(shown["response"])
    assert "LINK S10GOLD2" in text
    assert "MDISK 0F00 3390" in text, "what it added stays, at its address"
    assert {"1B5", "1B6", "5B5", "5B6"} == set(fleet.entry("WEB1").disks)
    # A disk of goldroot's that it takes away is told, and nothing is made in its place.
    fleet("machine", "stop", "web1")
    (gone,) = request(fleet.sim, "ChangeVM WEB1 removedisk 5B5")
    assert gone["overallRC"] == 0, gone
    status_, said = fleet.ends("rollback", "web1")
    assert status_ != 0
    assert "Traceback" not in said
    assert fleet.text("WEB1", "1B5", "etc/plain.conf") == "2\n"
