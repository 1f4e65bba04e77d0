"""One request and its answer over TCP or TLS.  A connection carries one request; the server closes it afterwards.

Nothing here waits without end or keeps more than it must: the whole exchange has one deadline, whatever the server
dribbles, and an answer that announces more than ``max_reply`` bytes is refused before any of it is read.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from goldroot.zvm.smapi.errors import BadCertificate, BadReply, CannotConnect, LostReply
from goldroot.zvm.smapi.tls import Tls, reason_of

PORT = 44444
#: Read at most this much at once (bytes).
CHUNK = 1 << 16
#: First bytes of a TLS alert record: what a TLS port says to a client that does not speak TLS.
_TLS_ALERT = (b"\x15\x03", b"\x16\x03")


@dataclass(frozen=True, slots=True)
class Server:
    """Where SMAPI answers, and how much is expected of it.

    :param tls: speak TLS; without it the password goes over the network in clear.
    :param ca_file: PEM file with the authority (or the certificate itself) that the server's certificate is checked
        against; "" for those of the system.
    :param insecure: accept any certificate.
    :param connect_timeout: seconds for connection and TLS; ``timeout``: seconds for request and answer together.
    :param max_reply: longest answer that is accepted (bytes).
    """

    host: str
    port: int = PORT
    tls: bool = True
    ca_file: str = ""
    insecure: bool = False
    connect_timeout: float = 30.0
    timeout: float = 240.0
    max_reply: int = 64 << 20

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(slots=True)
class Answer:
    """What came back, as far as it came: the immediate request id, then the output without its length.

    :param sent: whether a byte of the request may have reached the server.
    """

    request_id: int | None = None
    output: bytes = field(default=b"", repr=False)
    sent: bool = False


def exchange(
    server: Server, request: bytes, answer: Answer, clock: Callable[[], float] = time.monotonic, tls: Tls | None = None
) -> None:
    """Send ``request`` and fill ``answer`` step by step, so that a failure leaves what was known.

    :param tls: of the caller's earlier calls, whose session is taken up again.
    :raises CannotConnect, BadCertificate: nothing was sent.
    :raises LostReply: sent, and the answer did not come whole.  :raises BadReply: it cannot be an answer of SMAPI.
    """
    tls = tls or Tls()
    with connected(server, tls) as stream:
        deadline = clock() + server.timeout
        with _lost_is_told(server, answer):
            answer.sent = True
            stream.settimeout(server.timeout)
            stream.sendall(request)
            answer.request_id = _request_id(server, _receive(stream, 4, deadline, clock))
            size = int.from_bytes(_receive(stream, 4, deadline, clock), "big")
            _check_size(server, size)
            answer.output = _receive(stream, size, deadline, clock)
        if isinstance(stream, ssl.SSLSocket):
            tls.keep(stream)


def connected(server: Server, tls: Tls) -> socket.socket:
    """A connection that is ready for a request; the caller closes it.

    :raises CannotConnect: no such host, nobody there, too slow.  :raises BadCertificate: TLS failed.
    :raises UsageError: the file with the authorities cannot be read.
    """
    if not server.tls:
        return _opened(server)
    tls.prepare(server)
    resumes = tls.resumes
    try:
        return _secured(server, tls)
    except BadCertificate:
        if not resumes:
            raise
    # A server may refuse a session that it does not know (any more), instead of making another one.
    return _secured(server, tls)


def _secured(server: Server, tls: Tls) -> socket.socket:
    stream = _opened(server)
    try:
        return tls.secured(server, stream)
    except BaseException:
        stream.close()
        raise


def _opened(server: Server) -> socket.socket:
    try:
        return socket.create_connection((server.host, server.port), timeout=server.connect_timeout)
    except (OSError, UnicodeError, OverflowError) as error:
        raise _cannot_connect(server, error) from None


@contextmanager
def _lost_is_told(server: Server, answer: Answer) -> Iterator[None]:
    """From errors of the socket to what they mean once a request is on its way."""
    try:
        yield
    except _Ended as ended:
        hint = "; a port that speaks TLS does that" if not server.tls and answer.request_id is None else ""
        raise LostReply(f"{server} ended the connection {ended}{hint}", request_id=answer.request_id) from None
    except TimeoutError:
        raise LostReply(
            f"{server} did not answer within {server.timeout:g} seconds", request_id=answer.request_id
        ) from None
    except OSError as error:
        raise LostReply(f"the connection to {server} broke: {reason_of(error)}", request_id=answer.request_id) from None


class _Ended(Exception):
    """The server closed the connection too early."""


def _receive(stream: socket.socket, size: int, deadline: float, clock: Callable[[], float]) -> bytes:
    """Exactly ``size`` bytes; memory grows with what has come, not with what was announced."""
    data = bytearray()
    while len(data) < size:
        left = deadline - clock()
        if left <= 0:
            raise TimeoutError
        stream.settimeout(left)
        chunk = stream.recv(min(CHUNK, size - len(data)))
        if not chunk:
            raise _Ended(f"after {len(data):,} of {size:,} bytes")
        data += chunk
    return bytes(data)


def _request_id(server: Server, data: bytes) -> int:
    if not server.tls and data[:2] in _TLS_ALERT:
        raise BadReply(
            f"{server} speaks TLS, and was spoken to without",
            meaning="The request, password included, went over the network in clear; the server did not read it.",
            todo="Leave --no-tls away.",
        )
    return int.from_bytes(data, "big")


def _check_size(server: Server, size: int) -> None:
    if size < 12:
        raise BadReply(f"{server} announces an answer of {size} bytes; 12 is the least", todo=_IS_IT)
    if size > server.max_reply:
        raise BadReply(
            f"{server} announces an answer of {size:,} bytes; {server.max_reply:,} are accepted",
            meaning="Nothing of it was read.",
            todo=_IS_IT,
        )


_IS_IT = "Check that host and port are those of SMAPI, and whether the port speaks TLS."


def _cannot_connect(server: Server, error: Exception) -> CannotConnect:
    return CannotConnect(
        f"no connection to {server}: {reason_of(error)}",
        meaning="Nothing was sent.",
        todo="Check host and port, the firewall, and that the SMAPI servers (VSMREQIN) are logged on.",
    )
