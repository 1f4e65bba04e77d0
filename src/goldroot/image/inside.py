"""Runs by itself, as a script, in the namespaces that ``unshare`` made: mounts a system together and becomes a command.

It imports nothing of goldroot and is given one JSON argument, so that it starts in milliseconds under ``python -I -S``::

    {"binds": [[disk, path, read_only], ...],     ``path`` of a disk stands there; the first one is the root, path ""
     "command": [...],  (empty: only mount together)
     "resolv_conf": "text or empty", "sysfs": true, "loopback": false}

Mounts are made on descriptors that were opened step by step without following links: a link in the tree cannot send a
mount elsewhere.  What the mounts need (``proc``, ``dev`` ...) is not created: a directory that is missing is left out,
so that using a system does not change it.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import platform
import re
import stat
import sys
from collections.abc import Iterator
from typing import Any

NOSUID, NODEV, NOEXEC, RDONLY = 2, 4, 8, 1
REMOUNT, BIND, REC, PRIVATE, MOVE = 32, 4096, 16384, 1 << 18, 8192
DETACH = 2

#: Number of pivot_root(2), for which the C library has no function.
PIVOT_ROOT = {
    "x86_64": 155, "s390x": 217, "aarch64": 41, "riscv64": 41, "ppc64le": 203, "ppc64": 203, "armv7l": 218, "i686": 217,
}  # fmt: skip

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}

#: apt gives dpkg a PATH of its own.
APT = 'DPkg::Path "/run/goldroot/bin:/usr/sbin:/usr/bin:/sbin:/bin";\n'

#: The exit status for "the system could not be mounted together"; ``env`` and shells use 125 so too.
NOT_STARTED = 125

#: Where units stand; their RuntimeDirectory= names what a service finds in /run (systemd.exec(5)).
UNITS = ("usr/lib/systemd/system", "lib/systemd/system", "etc/systemd/system")
RUNTIME_DIRECTORY = re.compile(rb"^RuntimeDirectory=(.*)$", re.MULTILINE)
LARGEST = 1 << 16  #: bytes of a unit or a host name that are read

libc = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: str, kind: str | None = None, flags: int = 0, data: str | None = None) -> None:
    """mount(2)."""
    words = [None if word is None else os.fsencode(word) for word in (source, target, kind, data)]
    if libc.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3]) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)


def place(root: int, path: str, *, directory: bool = True) -> int | None:
    """A descriptor of a directory (or file) below ``root``; ``None`` where there is none, or a link on the way."""
    handle = os.dup(root)
    steps = [step for step in path.split("/") if step]
    for number, step in enumerate(steps):
        last = number == len(steps) - 1
        flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_DIRECTORY if directory or not last else 0)
        try:
            below = os.open(step, flags, dir_fd=handle)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return None
            raise
        finally:
            os.close(handle)
        handle = below
    return handle


def at(handle: int) -> str:
    return f"/proc/self/fd/{handle}"


def bind(source: str, target: str, *, read_only: bool = False) -> None:
    """A bind mount; read-only takes a second step, which must keep what the namespace has locked."""
    mount(source, target, None, BIND)
    if read_only:
        flags = os.statvfs(source).f_flag & (os.ST_NOSUID | os.ST_NODEV | os.ST_NOEXEC | os.ST_NOATIME | os.ST_RELATIME)
        # Here ``target`` is a descriptor of what was there before: the new mount is found by its path.
        mount("none", os.path.realpath(target), None, BIND | REMOUNT | RDONLY | flags)


def kernel_file_systems(root: int, plan: dict[str, Any]) -> None:
    """proc, sys, dev, run and tmp, as a running system has them."""
    if (proc := place(root, "proc")) is not None:
        mount("proc", at(proc), "proc", NOSUID | NODEV | NOEXEC)
    if (sys_ := place(root, "sys")) is not None:
        if plan["sysfs"]:
            mount("sysfs", at(sys_), "sysfs", NOSUID | NODEV | NOEXEC | RDONLY)
        else:
            mount("/sys", at(sys_), None, BIND | REC)
    if (dev := place(root, "dev")) is not None:
        mount("dev", at(dev), "tmpfs", NOSUID, "mode=0755,size=1m")
        fill_dev(root)
    for name, mode in (("run", "0755"), ("tmp", "1777")):
        if (there := place(root, name)) is not None:
            mount(name, at(there), "tmpfs", NOSUID | NODEV, f"mode={mode}")


def fill_dev(root: int) -> None:
    handle = place(root, "dev")
    assert handle is not None
    for name in DEVICES:
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o666, dir_fd=handle))
        there = place(handle, name, directory=False)
        assert there is not None
        mount(f"/dev/{name}", at(there), None, BIND)
    for name, target in LINKS.items():
        os.symlink(target, name, dir_fd=handle)
    for name in ("pts", "shm"):
        os.mkdir(name, 0o755, dir_fd=handle)
    for name, kind, data in (("pts", "devpts", "newinstance,ptmxmode=0666,mode=620"), ("shm", "tmpfs", "mode=1777")):
        there = place(handle, name)
        assert there is not None
        mount(name, at(there), kind, NOSUID | NOEXEC, data)
    os.symlink("pts/ptmx", "ptmx", dir_fd=handle)


def name_service(root: int, text: str) -> None:
    """The host's resolv.conf, where the system has a file for it, or a link into the empty ``run``."""
    etc = place(root, "etc")
    if not text or etc is None:
        return
    try:
        target = os.readlink("resolv.conf", dir_fd=etc)
    except FileNotFoundError:
        return
    except OSError:
        run = place(root, "run")
        there = place(etc, "resolv.conf", directory=False)
        if run is not None and there is not None:
            write(run, ".goldroot-resolv.conf", text)
            bind(at(run) + "/.goldroot-resolv.conf", at(there))
        return
    steps = [step for step in target.split("/") if step not in ("", ".", "..")]
    if steps[:1] == ["run"] and (handle := place(root, "run")) is not None:
        for step in steps[1:-1]:
            os.mkdir(step, 0o755, dir_fd=handle)
            handle = os.open(step, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=handle)
        write(handle, steps[-1], text)


def quiet_services(root: int) -> None:
    """Scripts of packages start no daemons here: the programs by which they would are found in ``run`` first, and do
    nothing.  (A policy-rc.d would have to stand in the system itself.)"""
    handle = place(root, "run")
    if handle is None:
        return
    for name in ("goldroot", "goldroot/bin"):
        os.mkdir(name, 0o755, dir_fd=handle)
    write(handle, "goldroot/apt.conf", APT)
    for name in ("invoke-rc.d", "deb-systemd-invoke"):
        write(handle, f"goldroot/bin/{name}", "#!/bin/sh\nexit 0\n")
        os.chmod(f"goldroot/bin/{name}", 0o755, dir_fd=handle)


def service_directories(root: int) -> None:
    """What the system's services would find in ``run``: `sshd -t`, for one, refuses to work without /run/sshd."""
    run = place(root, "run")
    if run is None:
        return
    for name in ("lock", *(word for folder in UNITS for word in runtime_directories(root, folder))):
        steps = name.split("/")
        if "%" in name or any(step in ("", ".", "..") for step in steps):
            continue
        for count in range(1, len(steps) + 1):
            try:
                os.mkdir("/".join(steps[:count]), 0o755, dir_fd=run)
            except FileExistsError:
                continue


def runtime_directories(root: int, folder: str) -> Iterator[str]:
    """The names in all units of a folder."""
    handle = place(root, folder)
    if handle is None:
        return
    for name in sorted(os.listdir(at(handle))):
        if name.endswith((".service", ".socket")):
            for words in RUNTIME_DIRECTORY.findall(content(handle, name)):
                yield from os.fsdecode(words).split()


def content(directory: int, name: str) -> bytes:
    """The beginning of a regular file; nothing of anything else."""
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    except OSError:
        return b""
    with open(handle, "rb") as file:
        return file.read(LARGEST) if stat.S_ISREG(os.fstat(handle).st_mode) else b""


def host_name(root: int) -> None:
    """The system's own name, where it has one: a check of a merged clone asks for it, and a prompt shows it."""
    etc = place(root, "etc")
    name = content(etc, "hostname").strip() if etc is not None else b""
    if name and len(name) <= 64 and not name.startswith(b"#"):
        libc.sethostname(name, len(name))


def loopback_up() -> None:
    """In a network namespace of its own ``lo`` is down: `newaliases` of postfix, for one, wants its addresses."""
    import fcntl
    import socket
    import struct

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        # struct ifreq: the name and the flags; SIOCSIFFLAGS, IFF_UP | IFF_RUNNING (netdevice(7)).
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh22x", b"lo", 0x1 | 0x40))


def write(directory: int, name: str, text: str) -> None:
    handle = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=directory)
    os.write(handle, text.encode("utf-8", "surrogateescape"))
    os.close(handle)


def mount_all(plan: dict[str, Any]) -> str:
    """Everything that the plan names; returns where the root is."""
    mount("none", "/", None, REC | PRIVATE)
    (top, _, root_read_only), *others = plan["binds"]
    bind(top, top)
    root = os.open(top, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    for disk, path, read_only in others:
        source = place(os.open(disk, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC), path)
        there = place(root, path)
        if source is None or there is None:
            raise OSError(errno.ENOTDIR, "no directory to mount a disk on", f"/{path}")
        bind(at(source), at(there), read_only=read_only)
    kernel_file_systems(root, plan)
    name_service(root, plan["resolv_conf"])
    quiet_services(root)
    service_directories(root)
    host_name(root)
    if plan["loopback"]:
        loopback_up()
    if root_read_only:
        flags = os.statvfs(top).f_flag & (os.ST_NOSUID | os.ST_NODEV | os.ST_NOEXEC | os.ST_NOATIME | os.ST_RELATIME)
        mount("none", top, None, BIND | REMOUNT | RDONLY | flags)
    return str(top)


def enter(top: str) -> None:
    """Make ``top`` the root, and let go of the old one where the kernel can."""
    os.chdir(top)
    number = PIVOT_ROOT.get(platform.machine())
    if number is not None and libc.syscall(ctypes.c_long(number), b".", b".") == 0:
        libc.umount2(b".", DETACH)
    else:
        mount(".", "/", None, MOVE)
        os.chroot(".")
    os.chdir("/")


def main() -> None:
    plan = json.loads(sys.argv[1])
    try:
        enter(mount_all(plan))
    except OSError as error:
        where = f": {os.fsdecode(error.filename)}" if error.filename else ""
        print(f"goldroot: {error.strerror}{where}", file=sys.stderr)
        sys.exit(NOT_STARTED)
    if not plan["command"]:
        return
    try:
        os.execvpe(plan["command"][0], plan["command"], os.environ)
    except OSError as error:
        print(f"{plan['command'][0]}: {error.strerror}", file=sys.stderr)
        sys.exit(127 if error.errno == errno.ENOENT else 126)


if __name__ == "__main__":
    main()
