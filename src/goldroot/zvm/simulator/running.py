"""The simulator as a running thing: a server in a thread of its own.

::

    with Simulator(directory_text) as sim:
        client = connect(sim.host, sim.port)
        sim.faults.add("lost-reply@Image_Replace_DM#1")
        sim.system.link("MGMT", "S10GOLD", "11B0", "F1B0", "RR")
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import tempfile
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from goldroot.errors import Failed

from . import tls as certificates
from .console import Console
from .dispatch import Dispatcher
from .endpoint import Endpoint
from .faults import Fault, Faults
from .server import Server
from .site import ACTIVE, DIRECTORY, GROUPS, VOLUMES
from .system import Storage, System


@dataclass(frozen=True, slots=True)
class Listening:
    """Where the simulator listens, and to whom.

    :param port: 0 for any that is free; :attr:`Simulator.port` says which.
    :param tls: speak TLS; with ``certificate`` (paths of certificate and key), or one that is made now.
    :param users: user ID -> password of those who may call; None takes any.
    :param patience: seconds that a client may be silent.
    """

    host: str = "127.0.0.1"
    port: int = 0
    tls: bool = False
    certificate: tuple[str, str] | None = None
    users: dict[str, str] | None = None
    patience: float = 30.0


class Simulator:
    """A simulated z/VM that listens for SMAPI requests.

    :param directory: a user directory as text; None for the small site that is built in.
    :param listening: where, and to whom.
    :param cp: a directory in which ``vmcp`` and its socket are made; "" for none.
    :param cp_user: the guest that types at ``vmcp``.
    :param settings: what :class:`~.system.System` takes besides: ``storage``, ``active``, ``options``, ``clock``; or
        ``system``, one that is there already: another member of a cluster (:meth:`~.system.System.second`).
    :raises BadInput: the directory is none, or the certificate cannot be used.
    """

    def __init__(
        self,
        directory: str | bytes | None = None,
        *,
        listening: Listening = Listening(),
        faults: Iterable[Fault | str] = (),
        cp: str = "",
        cp_user: str = "GOLDMGMT",
        **settings: Any,
    ) -> None:
        if directory is None and "system" not in settings:
            settings = {"storage": Storage(VOLUMES, GROUPS), "active": ACTIVE, **settings}
        self.system: System = settings.pop("system", None) or System(
            DIRECTORY if directory is None else directory, faults=faults, **settings
        )
        self.dispatcher = Dispatcher(self.system, listening.users)
        self.console = Console(self.system)
        self.endpoint = Endpoint(self.console, cp, cp_user) if cp else None
        self.host, self.port = listening.host, listening.port
        self.certificate = ""
        self._listening = listening
        self._stack = contextlib.ExitStack()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._stopping: asyncio.Event | None = None

    @property
    def faults(self) -> Faults:
        """The faults, to be changed at any time."""
        return self.system.faults

    @property
    def bugs(self) -> list[str]:
        """Answers that would not have been legal; empty, or the simulator is wrong."""
        return self.dispatcher.bugs

    def __enter__(self) -> Simulator:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> Simulator:
        """Listen.  :raises Failed: the address cannot be had."""
        try:
            if self.endpoint:
                self.endpoint.write_program()
            self._start(self._context())
        except BaseException:
            self._stack.close()
            self.system.close()
            raise
        return self

    def _start(self, context: ssl.SSLContext | None) -> None:
        self._thread = threading.Thread(target=self._run, args=(context,), name="zvm-simulator", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure:
            self._thread.join()
            raise Failed(
                f"the simulator cannot listen at {self.host}:{self.port}: {self._failure}",
                todo="Choose another --port, or 0 for any that is free.",
            ) from self._failure

    def stop(self) -> None:
        """End all connections, and wait for the thread."""
        if self._loop and self._stopping and self._thread and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
        if self._thread:
            self._thread.join()
            self._thread = None
        self._stack.close()
        self.system.close()

    def _context(self) -> ssl.SSLContext | None:
        if not self._listening.tls:
            return None
        if self._listening.certificate:
            pair = certificates.Certificate(*self._listening.certificate)
        else:
            directory = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="goldroot-zvm-"))
            pair = certificates.self_signed(directory, self.host)
        self.certificate = pair.certificate
        return certificates.context(pair)

    def _run(self, context: ssl.SSLContext | None) -> None:
        asyncio.run(self._main(context))

    async def _main(self, context: ssl.SSLContext | None) -> None:
        self._loop = asyncio.get_running_loop()
        # What a client does wrong (a TLS handshake that is none) is not a message for whoever runs the simulator.
        self._loop.set_exception_handler(lambda loop, details: None)
        self._stopping = asyncio.Event()
        server = Server(self.dispatcher, patience=self._listening.patience)
        try:
            self.host, self.port = await server.start(self.host, self.port, context)
            if self.endpoint:
                await self.endpoint.start()
        except OSError as error:
            self._failure = error
            await server.stop()
            return
        finally:
            self._ready.set()
        await self._stopping.wait()
        await server.stop()
        if self.endpoint:
            await self.endpoint.stop()
