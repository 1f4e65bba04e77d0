"""What is kept, mounted read-only for one program: a shell, or a command."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack

from goldroot.errors import NoPermission, Refused
from goldroot.fleet.rollback.look import Kept
from goldroot.run import lend_terminal
from goldroot.site import Site, work_room
from goldroot.system import NOT_SHOWN, SHOW

_TERMINAL = ("HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "EDITOR", "PAGER")


def need_root_to_mount(kept: Kept) -> None:
    """See that the caller may mount disks; a plan that says nothing of it would not come true.

    :raises NoPermission: only root may.
    """
    if os.geteuid() != 0:
        raise NoPermission(
            "only root may mount disks",
            todo=f"As root; or take paths out: goldroot fallback get {kept.clone.name} PATH",
        )


def run_beside_kept(site: Site, kept: Kept, command: Sequence[str]) -> int:
    """Run a program in whose mounts the disks that are kept stand, read-only, by their live addresses, in its working directory.

    Nobody else sees them, and they go with the program, however it ends; a kill of this process ends it, too.

    :param command: without one, the caller's shell.
    :returns: its exit status.
    :raises NoPermission: only root may mount. :raises Refused: the disks of this host cannot be mounted.
    """
    need_root_to_mount(kept)
    words = list(command) or [os.environ.get("SHELL") or "/bin/sh"]
    kept_environment = {name: os.environ[name] for name in _TERMINAL if name in os.environ}
    with ExitStack() as stack:
        back = stack.enter_context(kept.open())
        room = stack.enter_context(work_room(site, "fallback"))
        handles = {}
        for address, opened in back.opened.items():
            handles[address] = os.open(opened.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, handles[address])
        shown = [f"{address}={handle}" for address, handle in sorted(handles.items())]
        status = lend_terminal(
            [sys.executable, "-I", "-S", "-c", SHOW, room.path, *shown, "--", *words],
            env={**kept_environment, "GOLDROOT_FALLBACK": room.path}, pass_fds=[*handles.values(), room.handle], ok=None,
        )  # fmt: skip
    if status == NOT_SHOWN:
        raise Refused(
            f"the disks of host {kept.gold.host.name} cannot be mounted here",
            meaning="Nothing was changed.",
            todo=f"Take paths out instead: goldroot fallback get {kept.clone.name} PATH --to DIR",
        )
    return status
