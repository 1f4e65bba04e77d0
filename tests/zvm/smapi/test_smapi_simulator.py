"""The client against goldroot's own simulator, which shares no wire code with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from goldroot.zvm.simulator import Listening, Options, Simulator
from goldroot.zvm.smapi import (
    CallRefused,
    Client,
    LostReply,
    MinidiskRoom,
    OperationFailed,
    Patience,
    Progress,
    Server,
)

QUICK = Patience(interval=0.02, pause=0.01)


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running
        assert running.bugs == []


def client_of(sim: Simulator, **server: object) -> Client:
    where = Server(sim.host, sim.port, **{"tls": False, "timeout": 5.0, **server})  # type: ignore[arg-type]
    return Client(where, "MAINT", "MAINT", patience=QUICK)


def test_over_tls_with_its_own_certificate() -> None:
    with Simulator(listening=Listening(tls=True)) as sim:
        client_of(sim, tls=True, ca_file=sim.certificate).check_authentication()


def test_a_wrong_password() -> None:
    with Simulator(listening=Listening(users={"MAINT": "OTHER"})) as sim, pytest.raises(CallRefused, match="120/0"):
        client_of(sim).check_authentication()


def test_lock_query_replace(sim: Simulator) -> None:
    client = client_of(sim)
    assert not client.image_lock_query_dm("GT@PONG").locked
    client.image_lock_dm("GT@PONG")
    lock = client.image_lock_query_dm("GT@PONG")
    assert (lock.locked, lock.by) == (True, "MAINT")
    records = client.image_query_dm("GT@PONG")
    client.image_replace_dm("GT@PONG", [*records, "LINK TCPIP 592 592 RR"])
    assert not client.image_lock_query_dm("GT@PONG").locked
    assert "GT@PONG" in {hit.target_id for hit in client.directory_manager_search_dm("LINK TCPIP *")}
    assert any(record.startswith("LINK TCPIP") for record in client.image_query_dm("GT@PONG"))
    with pytest.raises(CallRefused, match="400/24"):
        client.image_replace_dm("GT@PONG", records)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["lost-reply", "cut-reply", "hang"])
def test_a_change_whose_reply_is_lost_is_recovered(sim: Simulator, fault: str) -> None:
    client = client_of(sim, timeout=1.5 if fault == "hang" else 20.0)
    records = client.image_query_dm("GT@PONG")
    client.image_lock_dm("GT@PONG")
    sim.faults.add(f"{fault}@Image_Replace_DM#1")
    client.image_replace_dm("GT@PONG", records)
    assert not client.image_lock_query_dm("GT@PONG").locked


def test_a_change_that_did_not_arrive_is_not_repeated(sim: Simulator) -> None:
    client = client_of(sim)
    sim.faults.add("lost-request@Image_Lock_DM#1")
    with pytest.raises(LostReply):
        client.image_lock_dm("GT@PONG")
    assert not client.image_lock_query_dm("GT@PONG").locked


def test_questions_survive_lost_replies(sim: Simulator) -> None:
    sim.faults.add("lost-reply@Image_Query_DM#2")
    assert client_of(sim).image_query_dm("GT@PONG")


@pytest.mark.parametrize("form", ["reason", "output"])
def test_minidisks_are_waited_for(form: str) -> None:
    """Both forms of 592: the operation id as reason code, and as data."""
    told: list[Progress] = []
    with Simulator(options=Options(asynchronous="always", form=form, questions=2)) as sim:
        client = client_of(sim)
        client.progress = told.append
        client.image_disk_create_dm("GT@PONG", "5B5", size=10, room=MinidiskRoom("LINUX"))
        assert [one.state for one in told][-2:] == ["running", "done"]
        assert any("MDISK 05B5" in record for record in client.image_query_dm("GT@PONG"))
        client.image_disk_delete_dm("GT@PONG", "5B5")
        sim.faults.add("fail-operation@Image_Disk_Create_DM#1")
        with pytest.raises(OperationFailed):
            client.image_disk_create_dm("GT@PONG", "5B5", size=10, room=MinidiskRoom("LINUX"))
        assert sim.bugs == []


def test_logging_on_and_off(sim: Simulator) -> None:
    client = client_of(sim)
    if client.image_status_query("GT@PONG"):
        client.image_deactivate("GT@PONG", "IMMED")
    assert client.image_status_query("GT@PONG") == ()
    client.image_activate("GT@PONG")
    assert client.image_status_query("GT@PONG") == ("GT@PONG",)
    with pytest.raises(CallRefused, match="200/8"):
        client.image_activate("GT@PONG")
    assert client.image_disk_query("GT@PONG")
    client.image_deactivate("GT@PONG", "IMMED")
    with pytest.raises(CallRefused):
        client.image_mdisk_link_query("GT@PONG", "777")


def test_the_whole_directory_in_both_forms(sim: Simulator) -> None:
    client = client_of(sim)
    records = client.query_all_dm()
    keywords = client.query_all_dm(keywords=True)
    assert {"GT@PONG", "MAINT"} <= {entry.directory_entry_id for entry in records}
    assert any(line.startswith("MDISK=") for entry in keywords for line in entry.directory_entry_data)
