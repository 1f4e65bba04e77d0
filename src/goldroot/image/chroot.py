"""Running a command in a system that stands on several disks.

The disks are bound onto one root, as the layout says, in a mount namespace of its own: nothing of it is seen outside,
and all of it ends with the command, however that ends.  As root this is a plain namespace; otherwise a user namespace in
which the caller is root, so that owners cannot be told apart there.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import NamedTuple

from goldroot.errors import Failed, NoPermission, ProgramFailed
from goldroot.hosts import Host, partner
from goldroot.image import inside
from goldroot.image.below import open_below
from goldroot.image.layout import Layout
from goldroot.run import Done, run

#: What a command in a system sees: nothing of the caller's.
ENVIRONMENT = {
    "PATH": "/run/goldroot/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "USER": "root",
    "LOGNAME": "root",
    "SHELL": "/bin/sh",
    "container": "goldroot",
    "APT_CONFIG": "/run/goldroot/apt.conf",
    "SYSTEMD_OFFLINE": "1",
    "DEBIAN_FRONTEND": "noninteractive",
}


class Bound(NamedTuple):
    """``path`` of the disk in the directory ``disk`` stands at ``path`` of the system; ``b""`` is the root."""

    disk: str
    path: bytes
    read_only: bool


def binds_of(
    host: Host, machine: str, layout: Layout, *, prepared: bool = False, read_only_root: bool = False
) -> list[Bound]:
    """How a machine's disks are put together: the live ones, or those that are prepared at 5Bx.

    A disk that is linked is always read-only: gold is never written.

    :param read_only_root: shared disks are read-only even where the machine owns them.
    """
    found = []
    for bind in layout.binds():
        standing = host.at(machine, partner(bind.address) if prepared else bind.address)
        read_only = standing.mode == "ro" or (read_only_root and bind.shared)
        found.append(Bound(standing.path, bind.path, read_only))
    return found


def shell_of(binds: Sequence[Bound]) -> str:
    """The shell that a person is given: bash, where the system has it."""
    for path in ("bin/bash", "usr/bin/bash"):
        handle = open_below(binds[0].disk, path)
        if handle is not None:
            os.close(handle)
            return "/bin/bash"
    return "/bin/sh"


def run_in(
    binds: Sequence[Bound],
    command: Sequence[str],
    *,
    ok: Sequence[int] | None = (0,),
    capture: bool = True,
    timeout: float | None = None,
    network: bool = True,
    stdin: bytes | None = None,
    label: str = "",
) -> Done:
    """Run ``command`` in the system that ``binds`` make, as its root.

    Whatever the command starts ends with it: it has a process namespace of its own.  It ends with this process, too,
    even where that is killed: nobody else would, and its use of the disks would be in the way of the next command.

    :param ok: exit statuses that count as success; ``None`` takes any.
    :param capture: ``False`` leaves the command the terminal.
    :param network: ``False``: no network but an idle loopback.
    :param label: shown in the prompt of Debian's shells, so that nobody mistakes the system for the one around it.
    :raises MissingProgram: ``unshare`` is not installed.
    :raises NoPermission: namespaces are not allowed here.
    :raises ProgramFailed: the command ended with another status.
    """
    argv = [*_unshare(network), sys.executable, "-I", "-S", inside.__file__, json.dumps(_plan(binds, command, network))]
    env = {**ENVIRONMENT, "debian_chroot": label} if label else ENVIRONMENT
    done = run(argv, ok=None, capture=capture, timeout=timeout, stdin=stdin, env=env, dies_with_us=True)
    said = done.err.decode("utf-8", "replace").strip()
    if done.status == inside.NOT_STARTED and (not capture or said.startswith("goldroot: ")):
        raise Failed(
            f"the system could not be put together: {said.removeprefix('goldroot: ')}",
            meaning="The command was not started.",
            todo="Look whether the directory is there in the system's disks and is no link.",
        )
    if done.status == 1 and not capture:
        # It went to the terminal; only unshare itself can say whether it was its own failure or the command's.
        said = run([*_unshare(network), "true"], ok=None).err.decode("utf-8", "replace").strip()
    if done.status == 1 and said.startswith("unshare: "):
        raise NoPermission(
            f"namespaces are not allowed here ({said})",
            meaning="The command was not started.",
            todo="Run it as root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone=1).",
        )
    if ok is not None and done.status not in ok:
        last = f": {said.splitlines()[-1]}" if said else ""
        raise ProgramFailed(f"{command[0]} ended with status {done.status}{last}", status=done.status, stderr=said)
    return done


def _unshare(network: bool) -> list[str]:
    spaces = ["--mount", "--pid", "--fork", "--kill-child", "--ipc", "--uts"]
    if os.geteuid() != 0:
        spaces += ["--user", "--map-root-user"]
    return ["unshare", *spaces, *([] if network else ["--net"]), "--"]


def _plan(binds: Sequence[Bound], command: Sequence[str], network: bool) -> dict[str, object]:
    return {
        "binds": [[bound.disk, os.fsdecode(bound.path), bound.read_only] for bound in binds],
        "command": list(command),
        "resolv_conf": _resolv_conf() if network else "",
        "loopback": not network,
        # A sysfs belongs to a network namespace: mounting one needs rights over it.
        "sysfs": os.geteuid() == 0 or not network,
    }


def _resolv_conf() -> str:
    try:
        with open("/etc/resolv.conf", encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""
