"""Clients that others wrote, in the middle of a site's story: what they see and do, and what goldroot sees of that.

pysmapi is in no package registry, and smcli needs IUCV of a z/VM guest: so requests stand here as pysmapi has sent them to a
real system (captured; smcli's are the same bytes behind user and password), with other names in them.
"""

from __future__ import annotations

import socket
import struct
import time
from pathlib import Path

import pytest

from goldroot import crash
from goldroot.hosts import exchange
from support import zvm_clients
from support.hosts import SINCE, found, make_machine, make_slot, prepare
from support.zvmfleet import ZvmFleet
from support.zvmlab import ZvmLab

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


#: Requests of pysmapi, as captured (lllucius/pysmapi, tests; Apache-2.0).
CAPTURED = {
    "Image_Query_DM": "0000002f0000000e496d6167655f51756572795f444d000000056d61696e74000000056d61696e7400000007677440706f6e67",
    "Image_Status_Query": "0000003300000012496d6167655f5374617475735f5175657279000000056d61696e74000000056d61696e7400000007"
    "677440706f6e67",
    "Image_Lock_Query_DM": "0000003400000013496d6167655f4c6f636b5f51756572795f444d000000056d61696e74000000056d61696e7400000007"
    "677440706f6e67",
    "Image_Lock_DM": "000000350000000d496d6167655f4c6f636b5f444d000000056d61696e74000000056d61696e7400000007677440706f6e67"
    "00000003383838",
    "Directory_Manager_Search_DM": "000000470000001b4469726563746f72795f4d616e616765725f5365617263685f444d000000056d61696e74"
    "000000056d61696e74000000056d61696e740000000975736572207379732a",
    "Image_Active_Configuration_Query": "0000004100000020496d6167655f4163746976655f436f6e66696775726174696f6e5f5175657279"
    "000000056d61696e74000000056d61696e7400000007677440706f6e67",
    "Image_MDISK_Link_Query": "0000003e00000016496d6167655f4d4449534b5f4c696e6b5f5175657279000000056d61696e74"
    "000000056d61696e74000000057463706970766465763d35393200",
}


def text(data: str) -> bytes:
    return struct.pack(">I", len(data)) + data.encode("iso8859-15")


class Pysmapi:
    """Sends what pysmapi has sent, about other guests, and gives return code, reason code and data of the reply."""

    def __init__(self, port: int) -> None:
        self._port = port

    def __call__(self, api: str, target: str, *old_and_new: str) -> tuple[int, int, bytes]:
        request = bytes.fromhex(CAPTURED[api])[4:]
        for old, new in (
            ("gt@pong", target),
            ("tcpip", target),
            *zip(old_and_new[::2], old_and_new[1::2], strict=True),
        ):
            asciiz = old.endswith("\0")
            request = request.replace(*((old.encode(), new.encode()) if asciiz else (text(old), text(new))))
        with socket.create_connection(("127.0.0.1", self._port), timeout=30) as connection:
            connection.sendall(struct.pack(">I", len(request)) + request)
            reply = b"".join(iter(lambda: connection.recv(65536), b""))
        rc, rs = struct.unpack(">II", reply[12:20])
        return rc, rs, reply[20:]


def test_pysmapi_sees_one_entry_or_the_other_and_whose_lock_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = ZvmLab(tmp_path)
    make_slot(lab, "DEBIANGOLD", 1)
    make_slot(lab, "DEBIANGOLD2", 2)
    make_machine(lab)
    prepare(lab)
    ask, seen = Pysmapi(lab.sim.port), {}
    entry = ask("Image_Query_DM", "WEB1")
    assert ask("Image_Lock_Query_DM", "WEB1")[:2] == (0, 24)

    def look(point: str) -> None:
        seen[point] = {
            "entry": ask("Image_Query_DM", "WEB1"),
            "lock": ask("Image_Lock_Query_DM", "WEB1"),
            "locked": ask("Image_Lock_DM", "WEB1", "888", ""),
            "status": ask("Image_Status_Query", "WEB1")[:2],
            "gold": ask("Directory_Manager_Search_DM", "MAINT", "user sys*", "LINK DEBGOLD2 *")[2].count(b"WEB1"),
        }
        if seen[point]["locked"][:2] == (0, 0):
            lab.sim.system.manager.locks.unlock("WEB1")

    watched = {"zvm.entry-locked", "zvm.entry-replaced"}
    with monkeypatch.context() as patch:
        patch.setattr(crash, "point", lambda name: look(name) if name in watched else None)
        with lab.host.hold("WEB1"):
            lab.host.apply(exchange(found(lab.host, "WEB1"), "5", "update", "kept", since=SINCE))
    before, after = seen["zvm.entry-locked"], seen["zvm.entry-replaced"]
    assert before["entry"] == entry
    assert before["lock"][:2] == (0, 12)
    assert b"GOLDMGMT" in before["lock"][2]
    assert before["locked"][:2] == (400, 12), "nobody else gets the lock meanwhile"
    assert after["entry"][:2] == (0, 0)
    assert after["entry"][2] != entry[2]
    assert after["lock"][:2] == (0, 24), "the replacement has taken it away"
    assert after["locked"][:2] == (0, 0)
    assert (before["status"], after["status"]) == ((0, 12), (0, 12))
    assert (before["gold"], after["gold"]) == (1, 1), "one link to the next gold, at the one address or the other"
    lab.host.start("WEB1")
    assert ask("Image_Status_Query", "WEB1")[:2] == (0, 0)
    assert ask("Image_Active_Configuration_Query", "WEB1")[:2] == (0, 0)
    assert ask("Image_MDISK_Link_Query", "DEBGOLD2", "vdev=592\0", "vdev=11B1\0")[:2] == (8, 12), "gold is never on"
    assert lab.sim.bugs == []
