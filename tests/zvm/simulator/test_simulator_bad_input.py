"""Requests that are none: wrong lengths, two gigabytes announced, bytes that never come, noise instead of TLS."""

from __future__ import annotations

import resource
import socket
import ssl
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from goldroot.errors import MissingProgram
from goldroot.zvm.simulator import Listening, Simulator
from goldroot.zvm.simulator.codes import legal
from goldroot.zvm.simulator.dispatch import Dispatcher
from goldroot.zvm.simulator.request import Head
from goldroot.zvm.simulator.system import System
from support.examples import examples


@pytest.fixture(scope="module")
def running():
    with Simulator(listening=Listening(patience=0.5)) as simulator:
        yield simulator
    assert simulator.bugs == []


def still_answers(simulator, part) -> None:
    data = part.exchange((simulator.host, simulator.port), part.frame("Check_Authentication", None))
    assert part.got(data).code == (0, 0)


def length_places(data: bytes) -> list[int]:
    """Where a request of strings has its lengths."""
    places, at = [0, 4], 4
    while at + 4 <= len(data):
        at += 4 + struct.unpack(">I", data[at : at + 4])[0]
        if at < len(data):
            places.append(at)
    return places


WRONG = [0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]


def test_every_length_field_wrong_in_every_way(running, part):
    good = part.frame("Image_Disk_Share_DM", "GT@PONG", *map(part.packed, ("777", "GT@PING", "555", "MR", "MULTIPLE")))
    for place in length_places(good):
        true = struct.unpack(">I", good[place : place + 4])[0]
        for wrong in {*WRONG, true - 1, true + 1, true + 4} - {true}:
            data = good[:place] + struct.pack(">I", wrong & 0xFFFFFFFF) + good[place + 4 :]
            raw = part.exchange((running.host, running.port), data, end=True)
            got = part.got(raw)
            assert got.complete, (place, wrong, raw)
            rc, rs = got.code
            assert (rc, rs) in ((900, 12), (900, 20), (900, 36), (120, 0)) or rc in (24, 400, 408), (place, wrong)
            if place == 0 and wrong > true:
                assert rc == 900
    still_answers(running, part)


@pytest.mark.parametrize("announced", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, (1 << 20) + 1])
def test_what_no_request_can_be_is_refused_at_once(running, part, announced):
    raw = part.exchange((running.host, running.port), struct.pack(">I", announced))
    assert part.got(raw).code == (900, 36)


def test_two_gigabytes_are_not_kept(part):
    """A client that announces and sends without end is cut off, and nothing of it is stored."""
    with Simulator(listening=Listening(patience=2)) as simulator:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        connection = socket.create_connection((simulator.host, simulator.port), timeout=30)
        with connection:
            connection.sendall(struct.pack(">I", 0x7FFFFFFF))
            sent = 0
            try:
                while sent < 256 << 20:
                    sent += connection.send(b"\0" * (1 << 20))
            except OSError:
                pass
        assert sent < 64 << 20
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10
        still_answers(simulator, part)


@pytest.mark.slow
@pytest.mark.parametrize("sent", [0, 2, 4, 30])
def test_bytes_that_never_come_end_in_an_answer(running, part, sent):
    data = part.frame("Image_Query_DM", "MAINT")[:sent]
    raw = part.exchange((running.host, running.port), data)
    assert part.got(raw).code == (900, 20)


@pytest.mark.parametrize("sent", [1, 5, 47])
def test_a_request_that_ends_early(running, part, sent):
    data = part.frame("Image_Query_DM", "MAINT")[:sent]
    raw = part.exchange((running.host, running.port), data, end=True)
    assert part.got(raw).code == (900, 20)


def test_many_silent_connections_do_not_keep_others_waiting(part):
    with Simulator(listening=Listening(patience=20)) as simulator:
        silent = [socket.create_connection((simulator.host, simulator.port)) for _ in range(100)]
        try:
            still_answers(simulator, part)
        finally:
            for connection in silent:
                connection.close()


def test_more_behind_the_request_does_not_lose_the_answer(running, part):
    raw = part.exchange((running.host, running.port), part.frame("Check_Authentication", None) + b"x" * 5000)
    assert part.got(raw).code == (0, 0)


def test_noise_instead_of_tls_and_tls_instead_of_plain(part):
    with Simulator(listening=Listening(tls=True, patience=1)) as simulator:
        address = (simulator.host, simulator.port)
        for noise in (b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\0" * 3000, b"\0" * 10):
            data = part.exchange(address, noise, end=True)
            assert not part.got(data).complete
        context = ssl.create_default_context(cafile=simulator.certificate)
        with socket.create_connection(address) as plain, context.wrap_socket(plain, server_hostname="localhost") as tls:
            tls.sendall(part.frame("Check_Authentication", None))
            data = b""
            while len(data) < 20:
                data += tls.recv(100)
        assert part.got(data).code == (0, 0)
    with Simulator(listening=Listening(patience=1)) as simulator:
        hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 506
        raw = part.exchange((simulator.host, simulator.port), hello)
        assert part.got(raw).code == (900, 36)


def test_a_certificate_is_verified_by_its_own_file_only():
    context = ssl.create_default_context()
    with (
        Simulator(listening=Listening(tls=True)) as simulator,
        socket.create_connection((simulator.host, simulator.port)) as plain,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        context.wrap_socket(plain, server_hostname="localhost")


def test_without_openssl_the_error_names_the_way_out(monkeypatch):
    def gone(program: str) -> str:
        raise MissingProgram(f"the program {program!r} is not installed")

    monkeypatch.setattr("goldroot.zvm.simulator.tls.find", gone)
    with pytest.raises(MissingProgram) as refused:
        Simulator(listening=Listening(tls=True)).start()
    assert "--certificate" in refused.value.todo


def test_no_password_is_in_what_objects_show_of_themselves():
    system = System("USER ONE S3CRET 1G\n MDISK 100 3390 1 10 VOL001 MR RDPASS WRPASS MUPASS\n", active=["ONE"])
    head = Head("Image_Query_DM", "ADMIN", "S3CRET")
    entry = system.directory.get("ONE")
    shown = repr([head, entry, entry.statements, list(system.cp.links), system.query_virtual("ONE")])
    assert not any(secret in shown for secret in ("S3CRET", "RDPASS", "WRPASS", "MUPASS"))


def test_stopping_ends_connections_that_wait(part):
    simulator = Simulator(listening=Listening(patience=60)).start()
    waiting = socket.create_connection((simulator.host, simulator.port), timeout=10)
    simulator.stop()
    assert waiting.recv(100) == b""
    waiting.close()
    simulator.stop()


@pytest.mark.parametrize(
    ("user", "password", "code"),
    [("MAINT", "right", (0, 0)), ("maint", "RIGHT", (0, 0)), ("MAINT", "wrong", (120, 0)), ("", "", (120, 0)),
     ("OTHER", "right", (120, 0)), ("LONGERTHAN8", "right", (120, 0)), ("MAINT", "x" * 201, (120, 0)),
     ("OTHER", "", (120, 0)), ("MAINT", "r\xecght", (120, 0))],
)  # fmt: skip
def test_users_and_passwords(part, user, password, code):
    with Simulator(listening=Listening(users={"maint": "right"})) as simulator:
        data = part.frame("Check_Authentication", None, user=user, password=password)
        assert part.got(part.exchange((simulator.host, simulator.port), data)).code == code


@pytest.mark.parametrize(
    ("target", "rs"), [("A" * 65, 413), ("TWO WORDS", 442), ("B\0D", 442), ("NÄME", 442)]
)  # fmt: skip
def test_user_ids_that_are_none(zvm, target, rs):
    assert zvm("Image_Query_DM", target).code == (24, rs)


def test_functions_that_are_none(zvm):
    assert zvm("", "MAINT").code == (900, 12)
    assert zvm("No_Such_Function", "MAINT").code == (900, 12)
    assert zvm("image_query_dm", "MAINT").code == (900, 12)


@pytest.fixture(scope="module")
def bare():
    return Dispatcher(System("USER ONE PW 1G 1G G\n MDISK 100 3390 1 10 VOL001 MR\n", active=["ONE"]))


@given(data=st.binary(max_size=400))
@settings(max_examples=examples(80), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_break_it(bare, data):
    answer = bare.answer(1, data).data
    assert struct.unpack(">I", answer[:4])[0] == len(answer) - 4
    assert bare.bugs == []


@given(cut=st.integers(0, 200), flips=st.lists(st.tuples(st.integers(0, 199), st.integers(0, 255)), max_size=4))
@settings(max_examples=examples(80), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_damage_to_a_request_breaks_it(bare, part, cut, flips):
    good = part.frame(
        "Image_Disk_Create_DM", "ONE", *map(part.packed, ("200", "3390", "AUTOG", "LINUX")), b"\1", part.int4(10),
        part.packed("MR"), b"\0", *map(part.packed, ("LABEL", "R", "W", "M")),
    )[4:]  # fmt: skip
    damaged = bytearray(good[: max(len(good) - cut, 0)])
    for place, value in flips:
        if place < len(damaged):
            damaged[place] = value
    answer = bare.answer(1, bytes(damaged)).data
    rc, rs = struct.unpack(">II", answer[8:16])
    assert bare.bugs == []
    assert legal("Image_Disk_Create_DM", rc, rs) or rc in (900, 120, 24, 0, 400)
