"""A system's disks become one root, with the kernel's file systems in it.

Everything goes by descriptor: a mount is made where nobody sees it and then put on a place that was opened step by step,
so that no link in the tree can send it elsewhere.  What the mounts need (``proc``, ``dev`` ...) is not created: a
directory that is missing is left out, so that using a system does not change it.
"""

from __future__ import annotations

import errno
import os

from goldroot.system.inside.calls import (
    IDMAP,
    NODEV,
    NOEXEC,
    NOSUID,
    RDONLY,
    clone_mount,
    new_file_system,
    place_mount,
    remount,
    set_attributes,
)
from goldroot.system.inside.places import directories, place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}

#: What tells of the host, or commands it, and belongs to no namespace: covered, whatever the rights of a process are.
COVERED = (
    "acpi", "asound", "bus", "driver", "fs", "interrupts", "irq", "kallsyms", "kcore", "keys", "kmsg",
    "kpagecgroup", "kpagecount", "kpageflags", "latency_stats", "mtrr", "sched_debug", "scsi", "slabinfo",
    "sysrq-trigger", "timer_list", "timer_stats", "tty", "vmallocinfo",
)  # fmt: skip
COVERED_SYS = ("devices/virtual/powercap", "firmware", "kernel/debug", "kernel/security", "kernel/tracing")


class Disk:
    """A disk as it comes: the mount that shows it, which stands nowhere yet, and its path."""

    def __init__(self, mount: int, path: str) -> None:
        self.mount, self.path = mount, path


#: The text of the error that says so.
NOT_MAPPED = "owners cannot be mapped"


class NotMapped(OSError):
    """The file system of a disk cannot show its owners as others."""


def clone_disk(handle: int, path: bytes, read_only: bool, userns: int = 0) -> Disk:
    """``path`` of the disk that ``handle`` is the root of, as a mount of its own.

    :param userns: a user namespace whose map the owners go through; 0: they stay.
    :raises NotMapped: they cannot.
    """
    name = os.fsdecode(path)
    source = place(handle, name)
    if source is None:
        raise OSError(errno.ENOTDIR, "no directory on the disk", f"/{name}")
    mount = clone_mount(source)
    os.close(source)
    attributes = NODEV | NOSUID | (RDONLY if read_only else 0)
    try:
        set_attributes(mount, attributes | (IDMAP if userns else 0), userns=userns)
    except OSError as error:
        os.close(mount)
        raise NotMapped(error.errno, NOT_MAPPED, f"/{name}") if userns else error from None
    return Disk(mount, name)


def assemble(disks: list[Disk], owner: int, sizes: dict[str, int], own_net: bool, fill: Callable[[int], None]) -> int:
    """Mount everything together; a descriptor of the root.

    :param owner: what the number of the system's root is outside.
    :param sizes: bytes that ``run``, ``tmp`` and ``shm`` may hold.
    :param own_net: the network namespace is this process's own; a sysfs belongs to one.
    :param fill: is called when ``run`` is there.
    """
    top, *others = disks
    tmp = os.open("/tmp", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    place_mount(top.mount, tmp)
    os.close(tmp)
    for disk in others:
        there = place(top.mount, disk.path)
        if there is None:
            raise OSError(errno.ENOTDIR, "no directory to mount a disk on", f"/{disk.path}")
        _stand(disk.mount, there)
    _kernel(top.mount, own_net)
    _memory(top.mount, owner, sizes)
    fill(top.mount)
    remount()
    return top.mount


def _stand(mount: int, there: int) -> None:
    place_mount(mount, there)
    os.close(there)


def _kernel(root: int, own_net: bool) -> None:
    shown = NOSUID | NODEV | NOEXEC | RDONLY
    if (proc := place(root, "proc")) is not None:
        mount = new_file_system("proc", shown)
        _stand(mount, proc)
        _cover(mount, COVERED)
    if (sys_ := place(root, "sys")) is not None:
        try:
            mount = new_file_system("sysfs", shown)
        except OSError as error:
            if own_net or error.errno != errno.EPERM:
                raise
            # As a user, in the network of the host.
            mount = clone_mount(os.open("/sys", os.O_PATH | os.O_CLOEXEC), recursive=True)
            set_attributes(mount, shown, recursive=True)
        _stand(mount, sys_)
        _cover(mount, COVERED_SYS)


def _cover(mount: int, paths: tuple[str, ...]) -> None:
    for path in paths:
        if (there := place(mount, path)) is not None:
            _stand(new_file_system("tmpfs", NOSUID | NODEV | NOEXEC | RDONLY, size="4k", mode="0555"), there)
        elif (there := place(mount, path, directory=False)) is not None:
            _stand(_device("null", NOEXEC), there)


def _device(name: str, more: int = 0) -> int:
    """A device of the host.  It is read-only, so that its mode and owner are: writing to the device needs no more."""
    mount = clone_mount(-100, f"/dev/{name}".encode())
    set_attributes(mount, RDONLY | NOSUID | NOEXEC | more)
    return mount


def _memory(root: int, owner: int, sizes: dict[str, int]) -> None:
    """dev, run and tmp, as a running system has them."""

    def tmpfs(mode: str, size: int, more: int) -> int:
        nodes = max(size >> 12, 1024)
        options = {"mode": mode, "size": str(size), "nr_inodes": str(nodes), "uid": str(owner), "gid": str(owner)}
        return new_file_system("tmpfs", NOSUID | more, **options)

    if (there := place(root, "dev")) is not None:
        dev = tmpfs("0755", 1 << 20, NOEXEC | NODEV)  # the devices are mounts of their own
        _stand(dev, there)
        _fill_dev(dev, owner, tmpfs("1777", sizes["shm"], NOEXEC | NODEV))
    for name, mode in (("run", "0755"), ("tmp", "1777")):
        if (there := place(root, name)) is not None:
            _stand(tmpfs(mode, sizes[name], NODEV), there)


def _fill_dev(dev: int, owner: int, shm: int) -> None:
    for name in DEVICES:
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o666, dir_fd=dev))
        there = place(dev, name, directory=False)
        assert there is not None
        _stand(_device(name), there)
    for name, target in LINKS.items():
        os.symlink(target, name, dir_fd=dev)
    pts = new_file_system("devpts", NOSUID | NOEXEC, newinstance="", ptmxmode="0666", mode="620", max="64")
    for name, mount in (("pts", pts), ("shm", shm)):
        _stand(mount, directories(dev, name, owner))
    os.symlink("pts/ptmx", "ptmx", dir_fd=dev)
