"""Clients that others wrote, against the simulator.

Debian's ``fence_zvmip`` (package fence-agents) speaks SMAPI itself, over TLS.  PyPI's ``zVMCloudConnector`` reaches
z/VM through two programs of a z/VM guest; its own logic runs unchanged here, above a stand-in for those two.
"""

from __future__ import annotations

import pytest

from goldroot.zvm.simulator import Listening, Options, Simulator
from support import zvm_clients


@pytest.fixture(scope="module")
def fence():
    zvm_clients.need_fence()

    def run(simulator: Simulator, action: str, *options: str, password: str = "right", verify: bool = True):
        how = "--ssl-secure" if verify else "--ssl-insecure"
        certificate = simulator.certificate
        return zvm_clients.fence(simulator.port, action, how, *options, password=password, certificate=certificate)

    return run


@pytest.fixture
def guarded():
    with Simulator(listening=Listening(tls=True, users={"FENCER": "right"})) as simulator:
        yield simulator
    assert simulator.bugs == []


def test_fence_status_on_and_off(fence, guarded):
    assert fence(guarded, "status", "--plug", "S10RO1").stdout.strip() == "Status: ON"
    off = fence(guarded, "off", "--plug", "S10RO1")
    assert off.returncode == 0, off.stderr
    assert "S10RO1" not in guarded.system.active()
    status = fence(guarded, "status", "--plug", "S10RO1")
    assert (status.returncode, status.stdout.strip()) == (2, "Status: OFF")
    on = fence(guarded, "on", "--plug", "S10RO1")
    assert on.returncode == 0, on.stderr
    assert "S10RO1" in guarded.system.active()


def test_fence_reboot(fence, guarded):
    before = guarded.system.cp.guest("S10RO2").since
    assert fence(guarded, "reboot", "--plug", "S10RO2").returncode == 0
    assert guarded.system.cp.guest("S10RO2").since > before


def test_fence_list_and_monitor(fence, guarded):
    listed = fence(guarded, "list")
    assert listed.returncode == 0, listed.stderr
    names = {line.partition(",")[0] for line in listed.stdout.splitlines()}
    assert {"S10GOLD", "S10RO1", "MAINT"} <= names
    assert fence(guarded, "monitor").returncode == 0


def test_fence_is_refused_with_a_wrong_password(fence, guarded):
    assert fence(guarded, "monitor", password="wrong").returncode != 0


def test_fence_without_verification(fence, guarded):
    assert fence(guarded, "monitor", verify=False).returncode == 0


@pytest.mark.slow
def test_fence_does_not_take_a_guest_that_stays_for_gone(fence):
    with Simulator(
        listening=Listening(tls=True), options=Options(shutdown=0), faults=["not-authorised@Image_Deactivate"]
    ) as simulator:
        off = fence(simulator, "off", "--plug", "S10RO1", "--power-timeout", "2")
        assert off.returncode != 0
        assert "S10RO1" in simulator.system.active()


# --- zVMCloudConnector ---


@pytest.fixture(scope="module")
def connector(tmp_path_factory):
    """zVMCloudConnector's SMT layer, which takes requests."""
    return zvm_clients.connector(tmp_path_factory.mktemp("connector"))


@pytest.mark.slow
def test_connector_makes_runs_and_deletes_a_guest(connector):
    with Simulator() as simulator:
        codes = connector(
            simulator,
            "MakeVM ZCC1 directory PSWD123 1G G --ipl 100",
            "ChangeVM ZCC1 add3390 LINUX 100 200 --mode MR",
            "PowerVM ZCC1 status",
            "PowerVM ZCC1 on",
            "PowerVM ZCC1 status",
            "GetVM ZCC1 directory",
            "PowerVM ZCC1 off",
            "ChangeVM ZCC1 removedisk 100",
            "DeleteVM ZCC1 directory",
            "GetVM ZCC1 directory",
        )
        assert [one["overallRC"] for one in codes[:9]] == [0] * 9, codes
        assert codes[2]["rs"] == 1 and codes[4]["rs"] == 0
        shown = "\n".join(codes[5]["response"])
        assert "MDISK 0100 3390" in shown and "USER ZCC1" in shown
        assert (codes[9]["rc"], codes[9]["rs"]) == (400, 4)
        assert simulator.system.directory.get("ZCC1") is None
        assert simulator.bugs == []


@pytest.mark.slow
def test_connector_sees_no_space_and_a_lock(connector):
    with Simulator() as simulator:
        simulator.system.manager.locks.lock("S10RO3", "MAINT")
        codes = connector(
            simulator,
            "ChangeVM S10RO3 add3390 LINUX F00 200 --mode MR",
            "ChangeVM S10RO2 add3390 LINUX F00 40000 --mode MR",
        )
        assert [(one["rc"], one["rs"]) for one in codes] == [(400, 12), (408, 24)]


@pytest.mark.slow
def test_connector_lists_guests(connector):
    with Simulator() as simulator:
        (listed,) = connector(simulator, "GetVM MAINT alldirectory")
        assert listed["overallRC"] == 0, listed
        assert "S10GOLD" in " ".join(listed["response"])
