"""No password in a message, a log, a repr, a plan, or a traceback."""

from __future__ import annotations

import copy
import logging
import pickle
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from goldroot.errors import GoldrootError
from goldroot.zvm.smapi import Client, Patience, Secret, Server
from goldroot.zvm.smapi.decode import decode_reply
from goldroot.zvm.smapi.outcome import scrubbed
from goldroot.zvm.smapi.shown import shown_params, shown_values
from goldroot.zvm.smapi.table import layouts

PASSWORD = "S3cr3t!pw"
MINIDISK = "MDPASSWD"
RECORDS = [f"USER X {PASSWORD} 1G 1G", f"MDISK 191 3390 1 10 VOL001 MR {MINIDISK} {MINIDISK} {MINIDISK}", "IPL CMS"]


def everything(error: BaseException) -> str:
    shown = "".join(traceback.format_exception(error)) + repr(error) + str(error)
    if isinstance(error, GoldrootError):
        shown += str(error.as_dict())
    return shown


@pytest.fixture
def silence(responder: Any, caplog: pytest.LogCaptureFixture) -> Callable[[Client], None]:
    """Every way in which a call can go wrong, none of them with a password in it."""

    def check(client: Client) -> None:
        caplog.set_level(logging.DEBUG)
        with pytest.raises(GoldrootError) as caught:
            client.image_create_dm("X", RECORDS, password=PASSWORD)
        assert PASSWORD not in everything(caught.value) + caplog.text
        assert MINIDISK not in everything(caught.value) + caplog.text

    return check


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\0\0\0\7",
        b"\0\0\0\7\x7f\xff\xff\xff",
        b"\0\0\0\7\0\0\0\x0c\0\0\0\7\0\0\0\x78\0\0\0\0",
        b"\0\0\0\7\0\0\0\x0c\0\0\0\x09\0\0\0\0\0\0\0\0",
    ],
    ids=["closed", "lost", "too long", "refused", "not ours"],
)
def test_errors_and_logs(responder: Any, make_client: Any, silence: Any, said: bytes) -> None:
    responder.play(said)
    silence(make_client(password=PASSWORD, patience=Patience(tries=1)))


def test_a_server_that_sends_the_password_back(responder: Any, make_client: Any, silence: Any) -> None:
    text = f"INVALID: {PASSWORD} in USER X {PASSWORD.lower()}; MULTIPASSWORD={MINIDISK}".encode() + b"\0"
    responder.play(responder.answer(8, 3032, responder.int4(len(text)) + text))
    silence(make_client(password=PASSWORD))


def test_reprs(responder: Any, make_client: Any) -> None:
    client = make_client(password=PASSWORD)
    responder.play(responder.answer(values=responder.array(*RECORDS)))
    reply = client.call("Image_Query_DM", "X")
    search = responder.int4(1) + b"X" + responder.int4(len(RECORDS[0])) + RECORDS[0].encode()
    responder.play(responder.answer(values=responder.int4(len(search)) + search))
    hits = client.directory_manager_search_dm("USER *")
    assert hits[0].statement == RECORDS[0]
    shown = (
        repr(client) + repr(reply) + repr(hits) + repr(Secret(PASSWORD)) + str(Secret(PASSWORD)) + f"{client.__dict__}"
    )
    assert PASSWORD not in shown and MINIDISK not in shown


@pytest.mark.parametrize("keep", [pickle.dumps, copy.deepcopy])
def test_a_password_is_not_stored(keep: Callable[[object], object]) -> None:
    with pytest.raises(TypeError, match="not stored"):
        keep(Client(Server("127.0.0.1"), "GOLDADM", PASSWORD))


def test_plans_and_answers_are_masked() -> None:
    create = layouts()["Image_Create_DM"]
    plan = str(shown_params(create, {"image_record_array": RECORDS, "initial_password": PASSWORD}))
    assert PASSWORD not in plan and MINIDISK not in plan and "IPL CMS" in plan
    as_bytes = [record.encode() for record in RECORDS]
    assert PASSWORD not in str(shown_params(create, {"image_record_array": as_bytes}))
    assert PASSWORD not in str(shown_params(create, {"image_record_array": "\n".join(RECORDS)}))


@pytest.mark.parametrize("form", ["no", "yes"])
def test_a_whole_directory_is_masked(form: str) -> None:
    lines = RECORDS if form == "no" else [f"PASSWORD={PASSWORD}", f"MDISK=VDEV=0191 READPASSWORD={MINIDISK} MODE=W"]
    ended = b"".join(
        len(line).to_bytes(4, "big") + line.encode() if form == "no" else line.encode() + b"\0" for line in lines
    )
    inner = bytes(4) + b"\0\0\0\1X" + len(ended).to_bytes(4, "big") + ended
    entry = len(inner).to_bytes(4, "big") + inner
    layout = layouts()["Query_All_DM"]
    reply = decode_reply(layout, 0, bytes(12) + len(entry).to_bytes(4, "big") + entry)
    shown = str(shown_values(layout, reply))
    assert PASSWORD not in shown and MINIDISK not in shown
    assert "IPL CMS" in shown or "MODE=W" in shown


def test_the_password_that_stands_alone_among_keywords_is_masked() -> None:
    """Captured: the keyword form gives it without ``PASSWORD=``, whether one entry or all of them are asked for."""
    items = ["CONSOLE=VDEV=0009 DEVTYPE=3215 CLASS=T", PASSWORD, "STORAGE_INITIAL=1G", ""]
    ended = b"".join(item.encode() + b"\0" for item in items)
    asked = layouts()["Image_Definition_Query_DM"]
    one = shown_values(asked, decode_reply(asked, 0, bytes(12) + len(ended).to_bytes(4, "big") + ended))
    assert one["directory_info"] == [items[0], "********", items[2], ""]
    alone = shown_values(asked, decode_reply(asked, 0, bytes(12) + b"\0\0\0\x0a" + PASSWORD.encode() + b"\0"))
    assert alone["directory_info"] == ["********"]
    said = shown_values(asked, decode_reply(asked, 0, bytes(12) + b"\0\0\0\6NOLOG\0"))
    assert said["directory_info"] == ["NOLOG"]
    inner = bytes(4) + b"\0\0\0\1X" + len(ended).to_bytes(4, "big") + ended
    entry = len(inner).to_bytes(4, "big") + inner
    reply = decode_reply(layouts()["Query_All_DM"], 0, bytes(12) + len(entry).to_bytes(4, "big") + entry)
    every = str(shown_values(layouts()["Query_All_DM"], reply))
    assert PASSWORD not in every and "STORAGE_INITIAL=1G" in every


def test_a_recovered_answer_is_not_shown_as_bytes() -> None:
    asked = layouts()["Response_Recovery"]
    lost = bytes(4) + (400).to_bytes(4, "big") + (12).to_bytes(4, "big") + PASSWORD.encode()
    for data in (lost, len(lost).to_bytes(4, "big") + lost):
        shown = str(shown_values(asked, decode_reply(asked, 0, bytes(12) + data)))
        assert "return code 400, reason code 12" in shown
        assert PASSWORD.encode().hex() not in shown and PASSWORD not in shown
    assert "?" in str(shown_values(asked, decode_reply(asked, 0, bytes(12) + b"\1")))


def test_scrubbing_leaves_words_alone() -> None:
    assert scrubbed("BAD in BADGE", ["BAD"]) == "******** in BADGE"
    assert scrubbed("a.b a+b", ["a.b"]) == "******** a+b"
    assert scrubbed("readpassword=x MODE=W", []) == "readpassword=******** MODE=W"
