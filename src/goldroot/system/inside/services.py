"""What a system finds in ``run``, in the place of services that do not run: directories, a resolver's file, quiet programs."""

from __future__ import annotations

import os
import stat

from goldroot.system.inside.calls import RDONLY, clone_mount, place_mount, set_attributes, set_host_name
from goldroot.system.inside.places import content, directories, names, place, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

#: apt gives dpkg a PATH of its own.
APT = 'DPkg::Path "/run/goldroot/bin:/usr/sbin:/usr/bin:/sbin:/bin";\n'

#: The programs by which scripts of packages would start services.
QUIET = ("invoke-rc.d", "deb-systemd-invoke")

#: Where units stand; their RuntimeDirectory= names what a service finds in /run (systemd.exec(5)).
UNITS = ("usr/lib/systemd/system", "lib/systemd/system", "etc/systemd/system")
_RUNTIME = b"RuntimeDirectory="

#: What goldroot itself has in run: no unit has a say there.
_OURS = ("goldroot", ".goldroot-resolv.conf")
_RESOLV_CONF = _OURS[1]

#: Units that are looked at in a folder, directories that are made, bytes of the path of one: real systems have far fewer.
MOST_UNITS, MOST_DIRECTORIES, LONGEST = 10_000, 1_000, 255


def fill_run(root: int, owner: int, resolv_conf: str) -> bool:
    """Everything below ``run``, where the system has it; and the host's resolv.conf, where a text is given.

    Whether ``/run/goldroot`` is ours now: without a ``run`` to mount on, it would be what the system says it is.
    """
    run = place(root, "run")
    if run is None:
        return False
    _quiet_services(run, owner)
    _service_directories(root, run, owner)
    if resolv_conf:
        _name_service(root, run, resolv_conf, owner)
    return True


def host_name(root: int) -> None:
    """The system's own name, where it has one: a check of a merged clone asks for it, and a prompt shows it."""
    etc = place(root, "etc")
    name = content(etc, "hostname").strip() if etc is not None else b""
    if name and len(name) <= 64 and not name.startswith(b"#"):
        set_host_name(name)


def _quiet_services(run: int, owner: int) -> None:
    """Scripts of packages start no daemons here: the programs by which they would are found in ``run`` first, and do
    nothing.  (A policy-rc.d would have to stand in the system itself.)

    A mount of its own, read-only: what comes first on the PATH is goldroot's, whatever runs.
    """
    ours = directories(run, "goldroot", owner)
    bin_ = directories(ours, "bin", owner)
    write(ours, "apt.conf", APT, owner)
    for name in QUIET:
        write(bin_, name, "#!/bin/sh\nexit 0\n", owner, 0o755)
    mount = clone_mount(ours)
    set_attributes(mount, RDONLY)
    place_mount(mount, ours)


def _service_directories(root: int, run: int, owner: int) -> None:
    """What the system's services would find in ``run``: `sshd -t`, for one, refuses to work without /run/sshd.

    What a unit asks for in vain is left out: only a service that needs it will miss it.
    """
    left = MOST_DIRECTORIES
    for name in ("lock", *(word for folder in UNITS for word in _runtime_directories(root, folder))):
        if left and _can_be_made(name):
            left -= 1
            try:
                os.close(directories(run, name, owner))
            except OSError:
                continue


def _can_be_made(name: str) -> bool:
    steps = name.split("/")
    odd = "%" in name or "\0" in name or len(os.fsencode(name)) > LONGEST
    return not odd and steps[0] not in _OURS and all(step not in ("", ".", "..") for step in steps)


def _runtime_directories(root: int, folder: str) -> Iterator[str]:
    """The names in all units of a folder."""
    handle = place(root, folder)
    if handle is None:
        return
    for name in names(handle)[:MOST_UNITS]:
        if name.endswith((".service", ".socket")) and _RUNTIME in (unit := content(handle, name)):
            for line in unit.splitlines():
                if line.startswith(_RUNTIME):
                    yield from os.fsdecode(line[len(_RUNTIME) :]).split()


def _name_service(root: int, run: int, text: str, owner: int) -> None:
    """The host's resolv.conf, where the system has a file for it, or a link into the empty ``run``."""
    etc = place(root, "etc")
    if etc is None:
        return
    try:
        target = os.readlink("resolv.conf", dir_fd=etc)
    except FileNotFoundError:
        return
    except OSError:
        _over_a_file(etc, run, text, owner)
        return
    try:
        _behind_a_link(run, target, text, owner)
    except OSError:
        return  # something else stands there, or it cannot be a name: the system has no resolver, as it wanted


def _over_a_file(etc: int, run: int, text: str, owner: int) -> None:
    there = place(etc, "resolv.conf", directory=False)
    if there is not None and not stat.S_ISDIR(os.fstat(there).st_mode):
        write(run, _RESOLV_CONF, text, owner)
        mount = clone_mount(run, _RESOLV_CONF.encode())
        set_attributes(mount, RDONLY)
        place_mount(mount, there)


def _behind_a_link(run: int, target: str, text: str, owner: int) -> None:
    steps = [step for step in target.split("/") if step not in ("", ".", "..")]
    if steps[:1] == ["run"] and len(steps) > 1:
        folder = directories(run, "/".join(steps[1:-1]), owner) if steps[2:] else run
        write(folder, steps[-1], text, owner)
