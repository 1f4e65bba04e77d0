"""A wire of its own for these tests, written from the protocol's description and not from the simulator's code."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from goldroot.zvm.simulator import Listening, Simulator


def packed(text: str | bytes) -> bytes:
    data = text.encode("latin-1") if isinstance(text, str) else text
    return struct.pack(">I", len(data)) + data


def frame(api: str, target: str | None, *parts: bytes, user: str = "MAINT", password: str = "MAINT") -> bytes:
    head = packed(api) + packed(user) + packed(password) + (b"" if target is None else packed(target))
    body = head + b"".join(parts)
    return struct.pack(">I", len(body)) + body


@dataclass(frozen=True)
class Got:
    """What came back on one connection."""

    raw: bytes

    @property
    def request_id(self) -> int:
        return int.from_bytes(self.raw[:4], "big")

    @property
    def complete(self) -> bool:
        return len(self.raw) >= 20 and int.from_bytes(self.raw[4:8], "big") == len(self.raw) - 8

    @property
    def code(self) -> tuple[int, int]:
        assert self.complete, self.raw
        assert self.raw[8:12] == self.raw[:4]
        rc, rs = struct.unpack(">II", self.raw[12:20])
        return rc, rs

    @property
    def data(self) -> bytes:
        return self.raw[20:]

    def strings(self) -> list[str]:
        """An array of strings."""
        assert int.from_bytes(self.data[:4], "big") == len(self.data) - 4
        found, rest = [], self.data[4:]
        while rest:
            size = int.from_bytes(rest[:4], "big")
            found.append(rest[4 : 4 + size].decode("latin-1"))
            rest = rest[4 + size :]
        return found


def exchange(address: tuple[str, int], data: bytes, *, end: bool = False, wait: float = 20.0) -> bytes:
    """Send bytes, read to the end of the connection."""
    with socket.create_connection(address, timeout=wait) as connection:
        try:
            connection.sendall(data)
            if end:
                connection.shutdown(socket.SHUT_WR)
        except (ConnectionResetError, BrokenPipeError):
            pass
        found = b""
        try:
            while piece := connection.recv(65536):
                found += piece
        except ConnectionResetError:
            pass
        return found


class Asker:
    """Calls on a simulator."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator

    def __call__(self, api: str, target: str | None, *parts: bytes | str | int, user: str = "MAINT") -> Got:
        made = [one if isinstance(one, bytes) else packed(one) if isinstance(one, str) else int4(one) for one in parts]
        return self.send(frame(api, target, *made, user=user))

    def send(self, data: bytes) -> Got:
        return Got(exchange((self.simulator.host, self.simulator.port), data))

    def records(self, name: str) -> list[str]:
        return self("Image_Query_DM", name).strings()

    def wait(self, got: Got) -> int:
        """The final reason code of an asynchronous start, in either of its forms."""
        rc, rs = got.code
        assert rc == 592
        number = rs or int.from_bytes(got.data[:4], "big")
        for _ in range(50):
            rc, rs = self("Query_Asynchronous_Operation_DM", "MAINT", number).code
            if rs != 104:
                break
        return rs


def int4(number: int) -> bytes:
    return struct.pack(">I", number & 0xFFFFFFFF)


def records_part(records: list[str]) -> bytes:
    data = b"".join(packed(record) for record in records)
    return int4(len(data)) + data


@pytest.fixture(scope="session")
def part():
    """Builds pieces of a request: ``part.records``, ``part.byte``, ``part.texts`` ..."""

    class Part:
        records = staticmethod(records_part)
        frame = staticmethod(frame)
        packed = staticmethod(packed)
        exchange = staticmethod(exchange)
        int4 = staticmethod(int4)
        got = Got

        @staticmethod
        def byte(number: int) -> bytes:
            return bytes([number])

        @staticmethod
        def texts(*texts: str, counted: bool = False) -> bytes:
            data = b"".join(text.encode("latin-1") + b"\0" for text in texts)
            return int4(len(data)) + data if counted else data

    return Part


@pytest.fixture
def asking():
    """``asking(simulator)`` makes an :class:`Asker`."""
    return Asker


@pytest.fixture
def zvm() -> Iterator[Asker]:
    """The built-in site, running; at the end nothing illegal may have been answered."""
    with Simulator(listening=Listening(patience=5)) as simulator:
        yield Asker(simulator)
    assert simulator.bugs == []


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with the captured calls; tests that need it are skipped where it is not."""
    folder = Path(os.environ.get("GOLDROOT_SHARED", Path(__file__).resolve().parents[4] / "shared")) / "zvm"
    if not (folder / "smapi-frames").is_dir():
        pytest.skip(f"no captured calls at {folder} (set GOLDROOT_SHARED)")
    return folder
