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

from .dispatch import Dispatcher, Outcome
from .wire import LARGEST_REQUEST, LENGTH_OUT_OF_RANGE, WRONG_TOTAL_LENGTH, int4, reply

log = logging.getLogger(__name__)

#: Connections that are served at the same time; more wait.
MOST_CONNECTIONS = 256


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
        self._tasks: set[asyncio.Task[None]] = set()

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
        if self._server:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            async with self._room:
                await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            log.debug("connection dropped: %s", error)
        finally:
            with contextlib.suppress(OSError, RuntimeError):
                writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = next(self._numbers)
        try:
            body = await asyncio.wait_for(read_request(reader), self.patience)
        except BadFrame as error:
            await self._send(writer, int4(number) + reply(number, *error.code))
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
            await reader.read()
            return
        cut = max(len(outcome.data) // 2, 1)
        await self._send(writer, outcome.data[:cut] if outcome.fault == "cut-reply" else outcome.data)

    async def _send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        writer.write(data)
        await asyncio.wait_for(writer.drain(), self.patience)


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
