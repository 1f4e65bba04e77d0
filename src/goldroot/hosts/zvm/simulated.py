"""A simulator's disks and CP, in the place of this Linux's: minidisks are directories, and nothing is really mounted.

``goldroot zvm simulate --cp DIR --disks DISKS --disk-form tree`` makes a socket in DIR, which takes CP commands and
says where the content of a linked disk is.  With ``simulator = "DIR"`` in its table a z/VM host uses that, so that the
whole story can be told where there is neither z/VM nor a right to mount.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
from contextlib import suppress

from goldroot.errors import HostError
from goldroot.hosts.port import Use
from goldroot.hosts.storefiles import OPEN_DIRECTORY
from goldroot.hosts.zvm.cp import CpRefused
from goldroot.hosts.zvm.medium import Record

#: The socket's name in the simulator's directory.
SOCKET = "cp.sock"
#: Behind the name of a disk's directory: its label, which a volume has outside of its files.
TAG = ".label"
FORM = "directory"


class Socket:
    """CP commands as the management guest, to a simulator.

    :param folder: what its option ``--cp`` names.  :param me: the management guest's user ID.
    """

    def __init__(self, folder: str, me: str) -> None:
        self._path = os.path.join(folder, SOCKET)
        self._me = me

    def command(self, text: str) -> str:
        number, said = self._ask("command", text)
        if number:
            raise CpRefused(text, number, said)
        return said

    def content(self, address: str) -> str:
        """Where the content of a linked disk is.  :raises HostError: there is none."""
        number, said = self._ask("disk", address)
        if number:
            raise HostError(f"the disk {address} does not come online: {said}")
        return said

    def _ask(self, what: str, text: str) -> tuple[int, str]:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(self._path)
                connection.sendall(json.dumps({"user": self._me, what: text}).encode() + b"\n")
                with connection.makefile("rb") as answers:
                    said = json.loads(answers.readline())
            return int(said["rc"]), str(said["text"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise HostError(
                f"the simulator does not answer at {self._path!r}: {error}",
                todo="Start it: goldroot zvm simulate --disks DISKS --disk-form tree --cp DIR.",
            ) from error


class Trees:
    """As :class:`goldroot.hosts.zvm.medium.Medium`: each disk is a directory of the simulator's."""

    forms = (FORM,)
    sealed_forms = (FORM,)
    blocks = False

    def __init__(self, cp: Socket) -> None:
        self._cp = cp

    def online(self, address: str) -> str:
        return self._cp.content(address)

    def offline(self, address: str) -> None:
        """Nothing."""

    def least(self, form: str) -> int:
        return 1

    def tag(self, device: str) -> str:
        try:
            with open(device + TAG, encoding="ascii") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def format(self, device: str, form: str, tag: str) -> None:
        with os.scandir(device) as found:
            entries = list(found)
        for one in entries:
            shutil.rmtree(one.path) if one.is_dir(follow_symlinks=False) else os.unlink(one.path)
        os.chmod(device, 0o755)
        with open(device + TAG, "w", encoding="ascii") as file:
            file.write(tag)

    def copy(self, source: str, target: str) -> None:
        raise HostError("directories are not copied by blocks")

    def own(self, device: str, form: str, tag: str) -> None:
        raise HostError("directories are not copied by blocks")

    def seal(self, device: str, form: str) -> None:
        """Nothing: there is one form."""

    def mount(self, device: str, form: str, *, write: bool, use: Use, replay: bool = False) -> tuple[int, int]:
        return os.open(device, OPEN_DIRECTORY), -1

    def record(self, given: Record) -> None:
        """A file that is good on this disk alone, as zipl's is: it names where its own directory is."""
        sizes = [os.fstat(handle).st_size for handle in (given.kernel, given.initial)]
        said = {"boot": os.fstat(given.boot).st_ino, "sizes": sizes, "parameters": given.parameters}
        flags = os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW | os.O_EXCL | os.O_CLOEXEC
        with suppress(FileNotFoundError):
            os.unlink("bootmap", dir_fd=given.boot)
        with open(os.open("bootmap", flags, 0o600, dir_fd=given.boot), "w", encoding="utf-8") as file:
            json.dump(said, file)

    def evidence(self, device: str, form: str) -> str:
        return ""
