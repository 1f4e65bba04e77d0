"""Only answers that IBM's list has for the call, whatever is asked."""

from __future__ import annotations

import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from goldroot.zvm.simulator import Options, Storage, System
from goldroot.zvm.simulator.answer import Answer, IllegalAnswer
from goldroot.zvm.simulator.calls import APIS
from goldroot.zvm.simulator.codes import check, first_legal, legal, table, text
from goldroot.zvm.simulator.dispatch import Dispatcher
from goldroot.zvm.simulator.site import ACTIVE, DIRECTORY, GROUPS, VOLUMES
from support.examples import examples

WORDS = [
    "", "100", "1B5", "01B0", "777", "600", "F00", "ZZZZ", "S10RO1", "S10RO3", "GT@PONG", "MAINT", "NOBODY", "MR", "RR",
    "W", "EW", "READ", "ALL", "*", "AUTOG", "AUTOV", "LINUX", "LX3000", "3390", "9336", "IMMED", "WITHIN 5", "CMS",
    "SYSTEM", "VSW1", "QDIO", "FF", "USER S10RO3 PW", "MDISK=VDEV=F00 COUNT=5 NAME=LINUX", "LINK=USERID=MAINT VDEV1=190",
    "vdev=190", "vdasd_id=ALL", "action=pause", "format=yes", "switch_name=VSW1", "image_device_number=600",
    "adapter_type=qdio", "query_type=3", "entry_type=2", "enabled=no", "dev_num=ALL", "IPL=VDEV=CMS", "BOGUS=1",
]  # fmt: skip
TARGETS = ["S10RO1", "S10RO3", "S10GOLD", "GT@PONG", "MAINT", "NOBODY", "LINDFLT", "*", "", "LIST1"]


def packed(word: str) -> bytes:
    return struct.pack(">I", len(word)) + word.encode("latin-1")


def counted(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


BUILDERS = {
    "/": lambda draw, field: packed(draw(st.sampled_from(WORDS))[: max(field.most, 1)]),
    "#": lambda draw, field: struct.pack(">i", draw(st.sampled_from([-1, 0, 1, 2, 10, 1001, 2**31 - 1]))),
    "!": lambda draw, field: bytes([draw(st.integers(0, 8))]),
    "@": lambda draw, field: struct.pack(">q", draw(st.sampled_from([-1, 0, 5, 2**40]))),
    "[]": lambda draw, field: counted(b"".join(map(packed, draw(st.lists(st.sampled_from(WORDS), max_size=4))))),
    "{}": lambda draw, field: counted(counted(packed("key") + packed(draw(st.sampled_from(WORDS))))),
    "*": lambda draw, field: texts(draw),
    "+": lambda draw, field: counted(texts(draw)),
    "?": lambda draw, field: draw(st.binary(max_size=8)),
}


def texts(draw) -> bytes:
    return b"".join(word.encode() + b"\0" for word in draw(st.lists(st.sampled_from(WORDS), max_size=4)))


@st.composite
def requests(draw):
    api = APIS[draw(st.sampled_from(sorted(APIS)))]
    target = packed(draw(st.sampled_from(TARGETS))) if api.targeted else b""
    parameters = b"".join(BUILDERS[field.kind](draw, field) for field in api.fields)
    return api.name, packed(api.name) + packed("MAINT") + packed("MAINT") + target + parameters


@pytest.mark.parametrize("asynchronous", ["captured", "always"])
@given(data=st.data())
@settings(max_examples=examples(20), deadline=None, suppress_health_check=list(HealthCheck))
def test_no_sequence_of_calls_gets_an_answer_that_is_not_legal(asynchronous, data):
    """Calls in any order with sensible and silly parameters; the state grows with them."""
    system = System(
        DIRECTORY, storage=Storage(VOLUMES, GROUPS), active=ACTIVE, options=Options(asynchronous=asynchronous)
    )
    server = Dispatcher(system)
    for api, body in data.draw(st.lists(requests(), min_size=5, max_size=30)):
        answer = server.answer(1, body).data
        rc, rs = struct.unpack(">II", answer[8:16])
        assert legal(api, rc, rs), (api, rc, rs)
    assert server.bugs == []


@pytest.mark.parametrize("target", [TARGETS[0], *(pytest.param(one, marks=pytest.mark.slow) for one in TARGETS[1:])])
def test_every_call_with_every_word(target):
    """Each call alone: each word in the place of each string, on targets that are on, off and not there."""
    system = System(DIRECTORY, storage=Storage(VOLUMES, GROUPS), active=ACTIVE)
    server = Dispatcher(system)
    for name, api in APIS.items():
        for word in WORDS:
            body = packed(name) + packed("MAINT") + packed("MAINT") + (packed(target) if api.targeted else b"")
            for field in api.fields:
                body += {
                    "/": packed(word[: field.most] or ("1" if field.least else "")),
                    "#": b"\0\0\0\1", "!": b"\1", "@": b"\0" * 8, "[]": counted(packed(word)),
                    "{}": counted(b""), "*": word.encode() + b"\0", "+": counted(word.encode() + b"\0"), "?": b"",
                }[field.kind]  # fmt: skip
            answer = server.answer(1, body).data
            rc, rs = struct.unpack(">II", answer[8:16])
            assert legal(name, rc, rs), (name, target, word, rc, rs)
    assert server.bugs == []


def test_an_illegal_answer_is_an_error_and_is_never_sent():
    with pytest.raises(IllegalAnswer):
        check("Image_Query_DM", Answer(408, 24))
    server = Dispatcher(System("USER ONE PW\n"))
    answer = server._checked("Image_Query_DM", Answer(408, 24))
    assert server.bugs == ["Image_Query_DM does not answer 408/24"]
    assert legal("Image_Query_DM", answer.rc, answer.rs)


def test_both_forms_of_an_asynchronous_start_are_legal_where_there_is_one():
    assert legal("Image_Disk_Create_DM", 592, 0) and legal("Image_Disk_Create_DM", 592, 1234)
    assert legal("Image_Replace_DM", 592, 1234)
    assert not legal("Image_Activate", 592, 0)


def test_texts_and_choices():
    assert text("Image_Disk_Create_DM", 408, 24) == "Requested image disk space not available"
    assert text("Image_Deactivate", 0, 17).startswith("Request successful")
    assert first_legal("Image_Activate", (400, 4), (200, 4)) == (200, 4)
    assert first_legal("Image_Activate", (400, 4)) is None
    assert len(table()) > 180
