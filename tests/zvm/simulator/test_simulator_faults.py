"""Faults on request, one by one, and changed while the simulator runs."""

from __future__ import annotations

import socket
import time

import pytest

from goldroot.errors import UsageError
from goldroot.zvm.simulator import KINDS, Fault, Options, Simulator
from goldroot.zvm.simulator.calls import APIS
from goldroot.zvm.simulator.codes import legal


@pytest.mark.parametrize(
    "text", ["lost-reply", "slow=1.5", "stale-lock=OPERATOR@Image_*#3", "not-authorised=12@Image_Query_DM"]
)
def test_a_fault_reads_as_it_is_written(text):
    assert str(Fault.parse(text)) == text


@pytest.mark.parametrize("text", ["", "lost", "slow", "slow=x", "not-authorised=me", "lost-reply#", "lost-reply#1#2"])
def test_what_is_no_fault(text):
    with pytest.raises(UsageError):
        Fault.parse(text)


def test_the_reply_is_lost_after_the_work_and_can_be_recovered(zvm, part):
    zvm.simulator.faults.add("lost-reply@Image_Lock_DM#1")
    lost = zvm("Image_Lock_DM", "S10RO3", "")
    assert len(lost.raw) == 4
    assert zvm("Image_Lock_Query_DM", "S10RO3").code == (0, 12)
    found = zvm("Response_Recovery", "MAINT", lost.request_id)
    assert found.code == (0, 0)
    assert found.data == part.int4(12) + part.int4(lost.request_id) + part.int4(0) + part.int4(0)
    assert zvm("Response_Recovery", "MAINT", 99_999).code == (4, 4)
    assert zvm("Image_Lock_DM", "S10RO3", "").code == (400, 12)


def test_the_reply_is_cut(zvm):
    zvm.simulator.faults.add("cut-reply#1")
    cut = zvm("Image_Query_DM", "MAINT")
    assert len(cut.raw) > 4 and not cut.complete
    assert zvm("Image_Query_DM", "MAINT").complete


def test_the_reply_never_comes_and_the_work_is_done(zvm, part):
    zvm.simulator.faults.add("hang#1")
    with socket.create_connection((zvm.simulator.host, zvm.simulator.port), timeout=10) as connection:
        connection.sendall(part.frame("Image_Lock_DM", "S10RO3", part.packed("")))
        assert len(connection.recv(100)) == 4
        connection.settimeout(0.5)
        with pytest.raises(TimeoutError):
            connection.recv(100)
    assert zvm("Image_Lock_Query_DM", "S10RO3").code == (0, 12)


def test_the_request_is_lost_before_the_work(zvm):
    zvm.simulator.faults.add("lost-request@Image_Lock_DM#1")
    assert zvm("Image_Lock_DM", "S10RO3", "").raw == b""
    assert zvm("Image_Lock_Query_DM", "S10RO3").code == (0, 24)


def test_a_lock_that_somebody_left(zvm, part):
    zvm.simulator.faults.add("stale-lock=OPERATOR@Image_IPL_Set_DM#1")
    assert zvm("Image_IPL_Set_DM", "S10RO3", "CMS", "", "").code == (400, 12)
    assert zvm("Image_Lock_Query_DM", "S10RO3").data == part.packed("IMAGE OPERATOR") + part.int4(0)
    assert zvm("Image_Unlock_DM", "S10RO3", "").code == (0, 0)
    assert zvm("Image_IPL_Set_DM", "S10RO3", "CMS", "", "").code == (0, 0)


def test_a_stale_lock_strikes_the_call_that_locks(zvm, part):
    zvm.simulator.faults.add("stale-lock=OPERATOR@Image_Lock_DM#1")
    assert zvm("Image_Lock_DM", "S10RO3", "").code == (400, 12)
    assert zvm("Image_Lock_Query_DM", "S10RO3").data == part.packed("IMAGE OPERATOR") + part.int4(0)
    assert zvm("Image_Unlock_DM", "S10RO3", "").code == (0, 0)
    assert zvm("Image_Lock_DM", "S10RO3", "").code == (0, 0)


def test_a_stale_lock_strikes_the_call_that_replaces(zvm, part):
    """Our lock is gone in between, and the entry stays as it is."""
    before = zvm.records("S10RO3")
    assert zvm("Image_Lock_DM", "S10RO3", "").code == (0, 0)
    zvm.simulator.faults.add("stale-lock@Image_Replace_DM#1")
    assert zvm("Image_Replace_DM", "S10RO3", part.records(["USER S10RO3 PW"])).code == (400, 24)
    assert zvm.records("S10RO3") == before
    assert zvm("Image_Lock_Query_DM", "S10RO3").data == part.packed("IMAGE OPERATOR") + part.int4(0)


def test_a_stale_lock_can_be_seen_by_the_question(zvm, part):
    zvm.simulator.faults.add("stale-lock=VSMWORK1@Image_Lock_Query_DM#1")
    assert zvm("Image_Lock_Query_DM", "S10RO3").data == part.packed("IMAGE VSMWORK1") + part.int4(0)


def test_a_stale_lock_is_not_spent_on_a_call_that_only_reads(zvm):
    zvm.simulator.faults.add("stale-lock=OPERATOR#1")
    for api in ("Image_Query_DM", "Image_Status_Query"):
        assert zvm(api, "S10RO3").code[0] == 0
    assert zvm("Image_Lock_DM", "S10RO3", "").code == (400, 12)


def test_a_profile_is_locked_by_somebody_too(zvm, part):
    assert zvm("Profile_Lock_DM", "LINDFLT").code == (0, 0)
    zvm.simulator.faults.add("stale-lock@Profile_Replace_DM#1")
    assert zvm("Profile_Replace_DM", "LINDFLT", part.records(["PROFILE LINDFLT"])).code == (400, 24)


def test_every_kind_of_fault_strikes_every_call_that_has_its_answer(part):
    """A fault that is set and never spent is one that lets a test pass for nothing."""
    answers = {
        "stale-lock": [(400, 12), (400, 24)],
        "not-authorised": [(100, 8), (100, 12), (100, 16)],
        "server-away": [(500, 8)],
        "internal-error": [(596, 1)],
    }
    with Simulator(options=Options(asynchronous="never")) as simulator:
        for kind, codes in answers.items():
            for api in APIS:
                if not any(legal(api, *code) for code in codes) or not APIS[api].targeted:
                    continue
                simulator.faults.set([f"{kind}#1"])
                body = part.frame(api, "S10RO3", *empty(api, part))[4:]
                simulator.dispatcher.answer(1, body)
                assert list(simulator.faults) == [], (kind, api)
                simulator.system.manager.locks.unlock("S10RO3")
                if "S10RO3" not in simulator.system.directory.entries:
                    pytest.fail(f"{api} deleted the entry")
        assert simulator.bugs == []


def test_a_fault_of_one_call_leaves_the_others_as_they_are(zvm, part):
    zvm.simulator.faults.add("fail-operation@Image_Disk_Copy_DM")
    zvm("Image_Lock_DM", "S10RO3", "")
    assert zvm("Image_Replace_DM", "S10RO3", part.records(["USER S10RO3 PW"])).code == (0, 0)


def disk(part):
    return ["F00", "3390", "AUTOG", "LINUX", part.byte(1), 10, "MR", part.byte(5), "", "", "", ""]


def test_an_operation_that_fails(zvm, part):
    zvm.simulator.faults.add("fail-operation#1")
    assert zvm.wait(zvm("Image_Disk_Create_DM", "S10RO3", *disk(part))) == 108
    assert not any("0F00" in record for record in zvm.records("S10RO3"))
    assert zvm.simulator.system.dasd.reserved == []
    assert zvm.wait(zvm("Image_Disk_Create_DM", "S10RO3", *disk(part))) == 100


def test_an_operation_that_would_be_done_at_once_can_fail_too(zvm, part):
    before = zvm.records("S10RO3")
    zvm.simulator.faults.add("fail-operation@Image_Replace_DM#1")
    zvm("Image_Lock_DM", "S10RO3", "")
    assert zvm.wait(zvm("Image_Replace_DM", "S10RO3", part.records(["USER S10RO3 PW"]))) == 108
    assert zvm.records("S10RO3") == before
    assert zvm("Image_Lock_Query_DM", "S10RO3").code == (0, 12)


def test_no_space(zvm, part):
    zvm.simulator.faults.add("no-space#1")
    assert zvm("Image_Disk_Create_DM", "S10RO3", *disk(part)).code == (408, 24)
    assert zvm("Image_Disk_Create_DM", "S10RO3", *disk(part)).code[0] == 592


def test_not_authorised_by_whom(zvm):
    for value, code in (("", (100, 12)), ("=8", (100, 8)), ("=16", (100, 16)), ("=12", (100, 12))):
        zvm.simulator.faults.set([f"not-authorised{value}"])
        assert zvm("Image_Query_DM", "MAINT").code == code
    # A call that the directory manager has no part in cannot be refused by it.
    assert zvm("Image_Activate", "S10RO3").code == (100, 8)


def test_the_server_is_away_for_calls_that_need_it(zvm):
    zvm.simulator.faults.add("server-away")
    assert zvm("Image_Query_DM", "MAINT").code == (500, 8)
    assert zvm("Image_Status_Query", "MAINT").code == (0, 0)
    zvm.simulator.faults.clear("server-away")
    assert zvm("Image_Query_DM", "MAINT").code == (0, 0)


def test_an_internal_error_with_its_number(zvm):
    zvm.simulator.faults.add("internal-error=3263#1")
    assert zvm("Image_Query_DM", "MAINT").code == (596, 3263)


def test_slow_calls_do_not_hold_others_up(zvm, part):
    zvm.simulator.faults.add("slow=600@Image_Query_DM")
    with socket.create_connection((zvm.simulator.host, zvm.simulator.port), timeout=10) as slow:
        slow.sendall(part.frame("Image_Query_DM", "MAINT"))
        assert len(slow.recv(100)) == 4
        assert zvm("Image_Status_Query", "MAINT").code == (0, 0)


def test_slow_is_slow(zvm):
    zvm.simulator.faults.add("slow=0.3#1")
    began = time.monotonic()
    assert zvm("Image_Status_Query", "MAINT").code == (0, 0)
    assert time.monotonic() - began >= 0.3


def test_no_fault_makes_an_answer_that_the_call_does_not_have(part):
    """Every kind of fault against every call with its parameters empty: the check in the simulator stays silent."""
    with Simulator(options=Options(asynchronous="always")) as simulator:
        for kind in sorted(set(KINDS) - {"slow", "hang"}):
            simulator.faults.set([kind])
            for api in APIS:
                body = part.frame(api, None if not APIS[api].targeted else "S10RO3", *empty(api, part))[4:]
                answer = simulator.dispatcher.answer(1, body).data
                code = (int.from_bytes(answer[8:12], "big"), int.from_bytes(answer[12:16], "big"))
                assert legal(api, *code), (kind, api, code)
        assert simulator.bugs == []


def empty(api: str, part) -> list[bytes]:
    """Parameters of the right kinds, with nothing much in them."""
    made = {"/": part.packed("100"), "#": part.int4(1), "!": b"\1", "@": b"\0" * 8, "[]": part.int4(0)}
    made |= {"{}": part.int4(0), "*": b"", "+": part.int4(0), "?": b""}
    return [
        part.packed("1" * max(field.least, 1))
        if field.kind == "/" and not field.least <= 3 <= field.most
        else made[field.kind]
        for field in APIS[api].fields
    ]
