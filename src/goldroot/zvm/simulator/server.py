"""The SMAPI server: one request on each connection, over TCP or TLS.

A connection may cost no more than its request: a length that is announced and too large is refused before a byte of
it is read, bytes are kept only as they come, and whoever sends or takes nothing for ``patience`` seconds is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import ssl

from goldroot.zvm.simulator.dispatch import Dispatcher, Outcome
from goldroot.zvm.simulator.wire import LARGEST_REQUEST, LENGTH_OUT_OF_RANGE, WRONG_TOTAL_LENGTH, int4, reply

log = logging.getLogger(__name__)

#: Connections that are served at the same time; more wait.
MOST_CONNECTIONS = 256


#: Bytes that are thrown away at a time, and for how many seconds at most.
PIECE = 65_536
LINGER = 1.0


class BadFrame(Exception):
    """A request that did not come as announced; ``code`` answers it where the client still listens."""

    def __init__(self, code: tuple[int, int]) -> None:
        super().__init__(code)
        self.code = code


class Server:
    """:param patience: seconds that a client may take to send its request, or to take its reply."""

    def __init__(self, dispatcher: Dispatcher, *, patience: float = 30.0) -> None:
        self.dispatcher = dispatcher
        self.patience = patience
        self._numbers = itertools.count(1)
        self._room = asyncio.Semaphore(MOST_CONNECTIONS)
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> tuple[str, int]:
        """Listen, and return the address that was given.  :raises OSError: the address cannot be had."""
        timeout = self.patience if tls else None
        self._server = await asyncio.start_server(
            self._connected, host, port, ssl=tls, ssl_handshake_timeout=timeout, backlog=512
        )
        name = self._server.sockets[0].getsockname()
        return str(name[0]), int(name[1])

    async def stop(self) -> None:
        """Close the listening socket and all connections."""
        loop = asyncio.get_running_loop()
        for listening in self._server.sockets if self._server else ():
            loop.remove_reader(listening.fileno())
        # Connections that are being accepted at this moment become tasks in the next rounds of the loop; a server
        # that is closed before them would lose their sockets.
        for _ in range(5):
            await asyncio.sleep(0)
        if self._server:
            self._server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        await asyncio.sleep(0)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._limited(reader, writer))
        self._open[task] = writer
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A task that is cancelled before it begins never closes its connection, so it is done here."""
        writer = self._open.pop(task)
        with contextlib.suppress(OSError, RuntimeError):
            writer.close()
        if not task.cancelled() and (error := task.exception()):
            log.error("a connection ended with an error", exc_info=error)

    async def _limited(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with self._room:
                await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            log.debug("connection dropped: %s", error)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = next(self._numbers)
        try:
            body = await asyncio.wait_for(read_request(reader), self.patience)
        except BadFrame as error:
            await self._send(writer, int4(number) + reply(number, *error.code))
            await linger(reader, writer)
            return
        except TimeoutError:
            await self._send(writer, int4(number) + reply(number, *WRONG_TOTAL_LENGTH))
            return
        if self.dispatcher.before(body):
            return
        await self._send(writer, int4(number))
        outcome = self.dispatcher.answer(number, body)
        if outcome.wait:
            await asyncio.sleep(outcome.wait)
        await self._reply(reader, writer, outcome)

    async def _reply(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, outcome: Outcome) -> None:
        """Send a reply, or as much of it as the fault leaves."""
        if outcome.fault == "lost-reply":
            return
        if outcome.fault == "hang":
            while await reader.read(PIECE):
                pass
            return
        cut = max(len(outcome.data) // 2, 1)
        await self._send(writer, outcome.data[:cut] if outcome.fault == "cut-reply" else outcome.data)
        if outcome.malformed or reader_has_more(reader):
            await linger(reader, writer)

    async def _send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        writer.write(data)
        await asyncio.wait_for(writer.drain(), self.patience)


async def linger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """End the connection so that a client that still sends gets the reply: what comes is thrown away for a moment.

    A socket that is closed with unread bytes resets the connection, and the reply is lost with it.
    """
    if writer.can_write_eof():
        writer.write_eof()
    elif reader.at_eof() or not reader_has_more(reader):
        return
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(discard(reader), LINGER)


def reader_has_more(reader: asyncio.StreamReader) -> bool:
    """Whether bytes behind the request have come already; there is no public way to ask."""
    return bool(getattr(reader, "_buffer", b""))


async def discard(reader: asyncio.StreamReader) -> None:
    left = LARGEST_REQUEST
    while left > 0 and (piece := await reader.read(PIECE)):
        left -= len(piece)


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """One request without its length.

    :raises BadFrame: it is longer than any can be, or ended early.
    """
    try:
        length = int.from_bytes(await reader.readexactly(4), "big", signed=True)
        if not 0 < length <= LARGEST_REQUEST:
            raise BadFrame(LENGTH_OUT_OF_RANGE)
        return await reader.readexactly(length)
    except asyncio.IncompleteReadError:
        raise BadFrame(WRONG_TOTAL_LENGTH) from None
