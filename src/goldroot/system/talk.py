"""The processes around a confined command: how they are started, and what is said with them."""

from __future__ import annotations

import marshal
import os
import platform
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from errno import ENOSYS, EPERM
from typing import Any

from goldroot.errors import Failed, NoPermission
from goldroot.run import start
from goldroot.system.inside import calls, power, spaces
from goldroot.system.inside.mounts import NOT_MAPPED
from goldroot.system.streams import Streams
from goldroot.system.words import Mode

_HERE = os.path.dirname(os.path.abspath(__file__))

#: What is run; ``-I -S``: nothing of the caller's Python but the library.
_BEGIN = (
    f"import sys; sys.path.insert(0, {os.path.dirname(os.path.dirname(_HERE))!r})\n"
    "from goldroot.system.inside.enter import main; main()"
)

#: The same for :mod:`goldroot.system.inside.show`.
SHOW = _BEGIN.replace("inside.enter", "inside.show")

UNKNOWN = -1  #: a status that no command ends with


@dataclass(slots=True)
class Said:
    """What the other side has told: how it confines, and how the command ended."""

    mode: Mode = "shift"
    why: str = ""
    status: int = UNKNOWN
    full: bool = False  #: when it ended, there was no room for one more process
    error: tuple[int, str, str] | None = None  #: it was not started: errno, text, where


def hold(
    plan: dict[str, Any], handles: Sequence[int], streams: Streams, told: Callable[[Mode, str], None] | None
) -> Said:
    """Start what confines and runs ``plan["command"]``, and stay until all of it has ended.

    The status is :data:`UNKNOWN` where something else has ended it.
    """
    said = Said()
    with ExitStack() as stack:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        stack.enter_context(ours)
        follow = stack.enter_context(streams.relaying())

        def hear(words: tuple[Any, ...], handle: int | None) -> None:
            kind, *rest = words
            if kind == "error":
                said.error = (rest[0], rest[1], rest[2])
            elif kind == "ended":
                said.status, said.full = rest
            else:
                said.mode, said.why = rest
                if told is not None:
                    told(said.mode, said.why)
                if handle is not None:
                    follow(handle)
                ours.send(b"go")

        file = os.memfd_create("goldroot-plan", os.MFD_CLOEXEC)
        stack.callback(os.close, file)
        os.write(file, marshal.dumps(plan))
        with theirs, _program() as (program, view):
            pass_fds = (theirs.fileno(), file, *handles, *view)
            numbers = [str(number) for number in (theirs.fileno(), file, os.getpid(), *view)]
            words = [sys.executable, "-I", "-S", "-c", _BEGIN, *numbers]
            process = start(
                words, program=program, streams=streams.theirs, pass_fds=pass_fds, env={"LC_ALL": "C.UTF-8"},
            )  # fmt: skip
        try:
            streams.begin()
            streams.run(ours, hear)
        finally:
            # Hung up: whatever is still there is ended now, and has let go of the disks.
            ours.close()
            process.wait()
    if said.error is not None:
        raise _not_started(*said.error)
    return said


@contextmanager
def _program() -> Iterator[tuple[str, list[int]]]:
    """This Python, to be executed, and the descriptors that its path needs.

    Where this is the host's root, through a view of all files that cannot be written: a command whose interpreter is
    ``/proc/self/exe`` is handed the program that executes it.
    """
    program = os.path.realpath(sys.executable)
    if not power.have(power.SYS_ADMIN):
        yield program, []
        return
    everything = calls.clone_mount(-100, b"/", recursive=True)
    try:
        with suppress(OSError):  # before Linux 5.12 there is no such view
            calls.set_attributes(everything, calls.RDONLY, recursive=True)
        yield f"/proc/self/fd/{everything}{program}", [everything]
    finally:
        os.close(everything)


def filters() -> list[bytes]:
    """The seccomp programs of this machine, in the order in which they are loaded; made by ``tools/make-filters``.

    :raises NoPermission: there is none for this architecture.
    """
    machine = platform.machine()
    programs = []
    for name in (f"{machine}.bpf", f"{machine}-only.bpf"):
        with suppress(FileNotFoundError), open(os.path.join(_HERE, "filters", name), "rb") as file:
            programs.append(file.read())
    if not programs:
        raise NoPermission(
            f"commands cannot be confined on {machine}",
            meaning="goldroot has no filter of system calls for this architecture. The command was not started.",
            todo="Use x86-64, arm64 (aarch64) or s390x.",
        )
    return programs


def _not_started(number: int, text: str, where: str) -> Failed:
    if text == NOT_MAPPED:
        return NoPermission(
            f"commands cannot be confined by a shift of owners: those on the disk of {where} cannot be mapped",
            meaning="The command was not started, as the site demands this form.",
            todo="Put the store on a file system that can (ext4, XFS, Btrfs ...), or take back the demand: "
            "require in [confine] of goldroot.toml.",
        )
    if number in (EPERM, ENOSYS) or where in ("unshare", "setns", "pivot_root", spaces.WHAT):
        return NoPermission(
            f"commands cannot be confined here ({where}: {text})",
            meaning="The command was not started: it would have had power over this machine.",
            todo="Run it as root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, "
            "user.max_user_namespaces; in a container, its options).",
        )
    return Failed(
        f"the system could not be put together: {text}{f': {where}' if where else ''}",
        meaning="The command was not started.",
        todo="Look whether the directory is there in the system's disks and is not a link.",
    )


def lost(err: bytes) -> Failed:
    """The error for that."""
    said = err.decode("utf-8", "replace").strip()
    return Failed(
        f"the process that ran the command was lost{f': {said.splitlines()[-1]}' if said else ''}",
        meaning="It was ended from outside, or goldroot has a mistake.",
    )
