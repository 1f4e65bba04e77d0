"""Archives that the kernel unpacks before it starts anything.

The format is the kernel's ``newc`` (Documentation/driver-api/early-userspace/buffer-format.rst): several archives may follow
one another, and what a later one has takes the place of what was there.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence

#: An archive that follows another one begins where the count of bytes can be divided by this.
ALIGNED = 4


def cpio(files: Mapping[str, bytes], directories: Sequence[str] = (), *, console: bool = False) -> bytes:
    """An archive of files (0755, root's) and of all directories that they need.

    :param files: contents by path, without a slash at the beginning.
    :param directories: more of these.  One that was there as a link would cease to be one: name none of ``bin`` or ``lib``.
    :param console: with the device node ``dev/console``, which a first program writes to.
    """
    needed = {above for path in (*files, *directories) for above in _above(path)} | set(directories)
    parts = [_member(path, stat.S_IFDIR | 0o755, b"") for path in sorted(needed)]
    parts += [_member(path, stat.S_IFREG | 0o755, content) for path, content in files.items()]
    if console:
        parts.append(_member("dev/console", stat.S_IFCHR | 0o600, b"", os.makedev(5, 1)))
    return b"".join([*parts, _member("TRAILER!!!", 0, b"")])


def _above(path: str) -> list[str]:
    steps = path.split("/")[:-1]
    return ["/".join(steps[:count]) for count in range(1, len(steps) + 1)]


def _member(name: str, mode: int, content: bytes, device: int = 0) -> bytes:
    numbers = [0, mode, 0, 0, 1, 0, len(content), 0, 0, os.major(device), os.minor(device), len(name) + 1, 0]
    head = b"070701" + b"".join(b"%08X" % number for number in numbers) + name.encode() + b"\0"
    return head + b"\0" * (-len(head) % ALIGNED) + content + b"\0" * (-len(content) % ALIGNED)
