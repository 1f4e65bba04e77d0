"""The ways in which an attempt is run: with no confinement at all, and as goldroot runs what comes from a server."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from support.escapes import kernel

Mode = Literal["shift", "identity", "caps", "user"]
Way = Literal["loose", "shift", "identity", "caps", "user"]

#: Seconds that an attempt may take.
PATIENCE = 30.0


@dataclass(frozen=True)
class System:
    """Where the system's disks stand: its own root, and a shared disk for ``usr``, which has the same path on it."""

    root: str
    shared: str

    @property
    def usr(self) -> str:
        return f"{self.shared}/usr"


@dataclass(frozen=True)
class Said:
    """How a program ended, and what it wrote."""

    status: int
    text: str


def loose(system: System, words: Sequence[str], *, terminal: bool = False) -> Said:
    """In a mount namespace, and nothing else: what an attempt can do here that is not confined.

    First with chroot(2), from which there is a way back; what that refuses (a user namespace, for one) is tried again with
    a root of its own, by pivot_root(2).
    """
    said = _loose(system, words, terminal, pivot=False)
    return said if said.status == 0 else _loose(system, words, terminal, pivot=True)


def _loose(system: System, words: Sequence[str], terminal: bool, *, pivot: bool) -> Said:
    uid = os.geteuid()

    def enter() -> None:
        kernel.unshare(kernel.NEWNS if uid == 0 else kernel.NEWNS | kernel.NEWUSER)
        if uid != 0:
            _write("/proc/self/setgroups", "deny")
            _write("/proc/self/uid_map", f"0 {uid} 1")
            _write("/proc/self/gid_map", f"0 {os.getegid()} 1")
        kernel.mount("none", "/", None, kernel.REC | kernel.PRIVATE)
        kernel.mount(system.root, system.root, None, kernel.BIND)
        usr = f"{system.root}/usr"
        kernel.mount(system.usr, usr, None, kernel.BIND)
        kernel.mount("none", usr, None, kernel.BIND | kernel.REMOUNT | kernel.RDONLY)
        for name in ("proc", "sys", "dev"):
            kernel.mount(f"/{name}", f"{system.root}/{name}", None, kernel.BIND | kernel.REC)
        for name in ("run", "tmp"):
            kernel.mount(name, f"{system.root}/{name}", "tmpfs")
        os.chdir(system.root)
        kernel.pivot() if pivot else os.chroot(".")
        os.chdir("/")

    if terminal:

        def become() -> int:
            enter()
            os.execv(words[0], list(words))

        return on_terminal(become)
    done = subprocess.run(
        words, preexec_fn=enter, close_fds=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, timeout=PATIENCE, check=False,
    )  # fmt: skip
    return Said(done.returncode, done.stdout.decode("utf-8", "replace").strip())


def confined(
    system: System, words: Sequence[str], mode: Mode, *, terminal: bool = False,
    network: bool = False,
) -> Said:  # fmt: skip
    """As goldroot runs it."""
    from goldroot.system import Bound, How, run_in

    handles = [os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) for path in (system.root, system.shared)]
    binds = [Bound(handles[0], b"", False), Bound(handles[1], b"usr", True)]
    how = How(ok=None, network=network, mode=mode)
    try:
        if terminal:
            return on_terminal(lambda: run_in(binds, words, replace(how, capture=False)).status)
        done = run_in(binds, words, replace(how, timeout=PATIENCE))
        return Said(done.status, (done.out + done.err).decode("utf-8", "replace").strip())
    finally:
        for handle in handles:
            os.close(handle)


def on_terminal(act: Callable[[], int]) -> Said:
    """What an act in a child says, whose standard input and output are a terminal of its own, which it leads."""
    import fcntl
    import pty
    import termios

    master, slave = pty.openpty()
    child = os.fork()
    if child == 0:
        status = 99
        try:
            os.close(master)
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
            for number in range(3):
                os.dup2(slave, number)
            status = act()
        finally:
            os._exit(status)
    os.close(slave)
    said = bytearray()
    while True:
        try:
            part = os.read(master, 4096)
        except OSError:
            break  # the last one who had the terminal has ended
        if not part:
            break
        said += part
    os.close(master)
    return Said(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said.decode("utf-8", "replace").strip())


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)
