"""What a machine writes to its console: kept in a file that cannot grow without end, and shown without its power.

::

    STORE/running/WEB1/
    ├── console.log      the newest part, at most LARGEST bytes
    ├── console.log.old  the part before it
    ├── supervisor.log   what the supervisor itself has to complain of
    └── control          the supervisor's socket
"""

from __future__ import annotations

import os
import re
from contextlib import suppress

from goldroot.escape import escape

LARGEST = 1 << 20
NAME = "console.log"

#: What moves a cursor or colours a text (ECMA-48 and ECMA-35: CSI and OSC sequences, and short ones).
_SEQUENCES = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-Z\\^-~])")


class ConsoleLog:
    """The file, open for whoever supervises.

    :param directory: of the machine.
    """

    def __init__(self, directory: str) -> None:
        self._path = os.path.join(directory, NAME)
        self._handle = self._open()

    def write(self, data: bytes) -> None:
        """On a full disk what a machine says is lost, and the machine goes on."""
        with suppress(OSError):
            if os.fstat(self._handle).st_size + len(data) > LARGEST:
                os.rename(self._path, self._path + ".old")
                os.close(self._handle)
                self._handle = self._open()
            os.write(self._handle, data)

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def last_lines(directory: str, count: int) -> list[str]:
    """The last lines of a machine's console, as they may be shown on a terminal; none where it never ran."""
    content = b""
    for name in (NAME, f"{NAME}.old"):
        if content.count(b"\n") > count:
            break
        with suppress(FileNotFoundError), open(os.path.join(directory, name), "rb") as file:
            content = file.read() + content
    text = _SEQUENCES.sub(b"", content).decode("utf-8", "surrogateescape")
    # A line that was begun again with a carriage return shows what was written last.
    lines = [escape(line.rstrip("\r").rpartition("\r")[2], keep="\t") for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines[-count:] if count > 0 else []
