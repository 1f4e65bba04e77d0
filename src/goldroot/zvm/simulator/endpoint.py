"""The endpoint for ``vmcp``: a socket in a directory of its own, and the program that speaks to it.

::

    DIR/vmcp       the program; set PATH so that it is found first
    DIR/vmur       the same for the reader: list, receive
    DIR/cp.sock    one line of JSON for each command: {"user": ..., "command": ...} -> {"rc": ..., "text": ...};
                   {"user": ..., "disk": ADDRESS} is answered with the path of that disk's content, for stand-ins of
                   the programs that make a disk one of Linux; {"user": ..., "reader": "" or NUMBER} with a list of the
                   files in the reader, or with one that leaves it

Whoever may open the socket acts as any guest: the directory belongs to its owner alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shlex
import sys

from goldroot.errors import Failed

from . import vmcp, vmur
from .console import Console, Said

#: The longest line that is read (bytes).
LONGEST_LINE = 4096


class Endpoint:
    """:param folder: where socket and program are made.  :param user: the guest that types, where the program is not
    told another one by ``GOLDROOT_VMCP_USER``."""

    def __init__(self, console: Console, folder: str, user: str) -> None:
        self.console = console
        self.folder = os.path.abspath(folder)
        self.user = user
        self._server: asyncio.Server | None = None

    @property
    def socket(self) -> str:
        return os.path.join(self.folder, "cp.sock")

    @property
    def program(self) -> str:
        return os.path.join(self.folder, "vmcp")

    def write_program(self) -> None:
        """:raises Failed: the directory cannot be used."""
        try:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.socket)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            for program, module in (("vmcp", vmcp), ("vmur", vmur)):
                with open(os.open(os.path.join(self.folder, program), flags, 0o700), "w", encoding="utf-8") as file:
                    file.write(self._script(str(module.__file__)))
        except OSError as error:
            raise Failed(f"the directory for vmcp {self.folder!r} cannot be used: {error.strerror}") from error

    def _script(self, module: str) -> str:
        return (
            "#!/bin/sh\n"
            f": ${{{vmcp.SOCKET}:={shlex.quote(self.socket)}}} ${{{vmcp.USER}:={shlex.quote(self.user)}}}\n"
            f"export {vmcp.SOCKET} {vmcp.USER}\n"
            f'exec {shlex.quote(sys.executable)} -I {shlex.quote(module)} "$@"\n'
        )

    async def start(self) -> None:
        """Listen.  :raises OSError: the socket cannot be made."""
        self._server = await asyncio.start_unix_server(self._serve, self.socket, limit=LONGEST_LINE)
        os.chmod(self.socket, 0o600)

    async def stop(self) -> None:
        if self._server:
            self._server.close()
            await asyncio.sleep(0)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.socket)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            said = self._answer(await self._line(reader))
            writer.write(json.dumps({"rc": said.rc, "text": said.text}).encode() + b"\n")
            await writer.drain()
        writer.close()

    @staticmethod
    async def _line(reader: asyncio.StreamReader) -> bytes:
        try:
            return await asyncio.wait_for(reader.readline(), 30)
        except (ValueError, TimeoutError):
            return b""

    def _answer(self, line: bytes) -> Said:
        try:
            asked = json.loads(line)
            if "disk" in asked:
                return self._content(str(asked["user"]), str(asked["disk"]))
            if "reader" in asked:
                return self._reader(str(asked["user"]), str(asked["reader"]))
            user, command = str(asked["user"]), str(asked["command"])
        except (ValueError, KeyError, TypeError):
            return Said(1, "HCPCMD001E Unknown CP command")
        return self.console.command(user, command)

    def _reader(self, user: str, number: str) -> Said:
        system = self.console.system
        if not number:
            return Said(0, "\n".join(system.reader(user)))
        found = system.receive(user, int(number)) if number.isdecimal() else None
        return Said(1, f"Reader file {number} does not exist.") if found is None else Said(0, "\n".join(found.lines))

    def _content(self, user: str, address: str) -> Said:
        """Where the content of a guest's disk is, for who stands in for its Linux."""
        try:
            found = self.console.system.disk_file(user, address)
        except OSError as error:
            return Said(1, f"{error.strerror}")
        return Said(0, found) if found else Said(40, f"HCPQVD040E Device {address} does not exist")
