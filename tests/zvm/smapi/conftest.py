"""A server that does, connection by connection, what a test tells it."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from goldroot.zvm.smapi import Client, Clock, Patience, Server

Act = Callable[[socket.socket, bytes], None]


class Responder:
    """Plays one act for each connection; when the acts are used up, it closes what comes."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.acts: list[Act] = []
        self.requests: list[bytes] = []
        self.context: ssl.SSLContext | None = None
        self.read_request = True
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def play(self, *acts: Act | bytes) -> None:
        self.acts += [sends(act) if isinstance(act, bytes) else act for act in acts]

    def functions(self) -> list[str]:
        """The names of the functions that were called."""
        return [request[8 : 8 + int.from_bytes(request[4:8], "big")].decode() for request in self.requests]

    @staticmethod
    def int4(number: int) -> bytes:
        return number.to_bytes(4, "big")

    @classmethod
    def answer(cls, rc: int = 0, rs: int = 0, values: bytes = b"", *, request_id: int = 7) -> bytes:
        """Both parts of an answer."""
        output = cls.int4(request_id) + cls.int4(rc) + cls.int4(rs) + values
        return cls.int4(request_id) + cls.int4(len(output)) + output

    @classmethod
    def array(cls, *texts: str) -> bytes:
        """An array of texts, as values have it."""
        inner = b"".join(cls.int4(len(text)) + text.encode("latin-1") for text in texts)
        return cls.int4(len(inner)) + inner

    def stop(self) -> None:
        self.stopped.set()
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(10)

    def _serve(self) -> None:
        while not self.stopped.is_set():
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            with plain, suppress(OSError):
                plain.settimeout(10)
                self._one(self.context.wrap_socket(plain, server_side=True) if self.context else plain)

    def _one(self, stream: socket.socket) -> None:
        with stream:
            request = self._request(stream) if self.read_request else b""
            self.requests.append(request)
            if self.acts:
                self.acts.pop(0)(stream, request)

    def _request(self, stream: socket.socket) -> bytes:
        data = b""
        while len(data) < 4 or len(data) < 4 + int.from_bytes(data[:4], "big"):
            chunk = stream.recv(65536)
            if not chunk:
                break
            data += chunk
        return data


def sends(data: bytes) -> Act:
    return lambda stream, _: stream.sendall(data)


@pytest.fixture
def responder() -> Iterator[Responder]:
    server = Responder()
    yield server
    server.stop()


class Slept:
    """A clock that does not wait: sleeping moves it."""

    def __init__(self) -> None:
        self.time = 0.0
        self.pauses: list[float] = []

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.time += seconds


@pytest.fixture
def slept() -> Slept:
    return Slept()


@pytest.fixture
def make_client(responder: Responder, slept: Slept) -> Callable[..., Client]:
    """A client of the responder; it speaks clear text, gives up fast, and does not really sleep."""

    def make(*, patience: Patience | None = None, password: str = "Pa55-w0rd", **server: object) -> Client:
        settings: dict[str, object] = {"tls": False, "timeout": 5.0, "connect_timeout": 5.0, **server}
        where = Server("127.0.0.1", responder.port, **settings)  # type: ignore[arg-type]
        return Client(where, "GOLDADM", password, patience=patience, clock=Clock(slept.now, slept.sleep))

    return make
