"""Whether this machine's KVM runs a kernel: tried by booting it, once, and remembered until this machine starts again.

That ``/dev/kvm`` can be opened says little: inside another machine it may be there and run nothing; QEMU aborts then, or a
guest says nothing for ever.  So the kernel is booted without an initial file system: one that runs comes as far as to
panic for want of a root, says so, and ends QEMU (``panic=-1``, ``-no-reboot``).  It has no disk and no network.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
from contextlib import suppress

from goldroot.errors import ProgramFailed
from goldroot.hosts.qemu.arguments import Board, bare_command
from goldroot.run import find, run

_DEVICE = "/dev/kvm"
#: Changes with each start of this machine (random(4)).
_BOOT = "/proc/sys/kernel/random/boot_id"
#: Seconds in which a kernel has to have come to its panic: it takes two where KVM works.
_LIMIT = 30.0
#: MiB of the machine in which it is tried.
_MEMORY = 256
_PANIC = b"Kernel panic - not syncing"


def is_offered(architecture: str) -> bool:
    """Whether this machine offers KVM for an architecture."""
    return architecture == platform.machine() and os.access(_DEVICE, os.R_OK | os.W_OK)


def why_not(board: Board, kernel: str, memory: str) -> str:
    """Why KVM does not run a kernel; "": it does.

    :param kernel: path of its file.
    :param memory: path of the file that keeps what was found out; it is made, and who comes second waits for the first.
    """
    with open(os.open(memory, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600), "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with open(_BOOT, encoding="ascii") as text:
            boot = text.read().strip()
        known, which = _known(file.read(), boot), _digest(kernel)
        if which not in known:
            known[which] = _tried(board, kernel)
            file.seek(0)
            file.truncate()
            file.write(json.dumps({"boot": boot, "kernels": known}).encode())
        return known[which]


def _known(content: bytes, boot: str) -> dict[str, str]:
    """Digest of a kernel -> why it does not run; what a killed process has written by half says nothing."""
    with suppress(ValueError, TypeError, KeyError):
        data = json.loads(content)
        if data["boot"] == boot:
            return {str(which): str(why) for which, why in dict(data["kernels"]).items()}
    return {}


def _digest(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _tried(board: Board, kernel: str) -> str:
    words = bare_command(board, kernel, _MEMORY)
    try:
        done = run([find(board.program), *words[1:]], ok=None, timeout=_LIMIT)
    except ProgramFailed:
        return f"the kernel said nothing of itself in {_LIMIT:g} s"
    if _PANIC in done.out:
        return ""
    said = done.err.decode("utf-8", "replace").split("\n")
    return next((line.strip() for line in said if line.strip()), f"QEMU ended with status {done.status}")
