"""What a container is given, as words for systemd-nspawn (systemd 252 and newer); nothing here changes anything.

Two things that nspawn leaves open are closed by our own mounts: device nodes that lie on a disk (nodev), and owners above
65,535, with which its own mapping stops (:data:`COUNT`).
"""

from __future__ import annotations

import hashlib
import os

from goldroot.hosts.machines.bridges import other_end

#: The numbers 0, 1, ... of a container are these outside: nobody's (systemd's own containers end below them), and below
#: 2^32 - 1.  nspawn wants multiples of 65,536.  The group that terminals belong to (5 inside) has to be below 2^31 for
#: older kernels, whose devpts takes no larger number (seen with 6.1).
BASE, COUNT = (1 << 31) - (1 << 16), 1 << 31

#: Of those that nspawn leaves, what a server's system can do without.
_DROPPED = "CAP_MKNOD,CAP_AUDIT_CONTROL,CAP_SYS_NICE,CAP_SYS_RESOURCE,CAP_SYS_TTY_CONFIG,CAP_LINUX_IMMUTABLE"
#: Calls through which the kernel was attacked most often, and that no server of a fleet needs.
FORBIDDEN = ("bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register", "kcmp")
#: What nspawn refuses besides, of its own accord: what tells of keys (keyrings(7)).
KEYS = ("keyctl", "add_key", "request_key")


def arguments(name: str, root: str, interface: str = "") -> list[str]:
    """The words after ``systemd-nspawn``; ``root`` is put together already, with owners that fit :data:`BASE`.

    :param interface: what its link is called inside; the other end is :func:`other_end`.
    """
    machine = host_name(name)
    registered = "yes" if os.path.isdir("/run/systemd/system") else "no"
    return [
        "--quiet",
        f"--directory={root}",
        f"--machine={machine}",
        # the same at each start: journal and DHCP of a server know it by that; /etc/machine-id is its own disk's
        f"--uuid={hashlib.sha256(name.encode()).hexdigest()[:32]}",
        "--boot",
        f"--register={registered}",
        "--keep-unit",
        f"--private-users={BASE}:{COUNT}",
        "--private-users-ownership=off",
        "--private-network",
        *([f"--network-veth-extra={other_end(name)}:{interface}"] if interface else []),
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        f"--drop-capability={_DROPPED}",
        f"--system-call-filter={' '.join(f'~{call}' for call in FORBIDDEN)}",
    ]


def host_name(name: str) -> str:
    """A name that systemd takes for a machine (machine names have no "_" and do not end with "-")."""
    return name.lower().replace("_", "-").strip("-")


def first_inside(pid: int) -> int | None:
    """The first process of the container that ``pid`` runs: its child that is number 1 to itself."""
    for name in os.listdir("/proc"):
        if name.isdigit() and (found := _status(name)) and int(found.get("PPid", "0")) == pid:
            numbers = found.get("NSpid", "").split()
            if len(numbers) > 1 and numbers[-1] == "1":
                return int(name)
    return None


def _status(pid: str) -> dict[str, str]:
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return {}
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
