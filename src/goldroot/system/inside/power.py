"""Giving up what a confined process must not have; the order is that of :func:`give_up`, and each step is for good."""

from __future__ import annotations

import errno
import os
import resource

from goldroot.system.inside import calls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# Bits of capabilities (linux/capability.h).
SYS_ADMIN, SETUID, SETGID, NET_RAW = 21, 7, 6, 13

#: What the root of a system may do: CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID NET_BIND_SERVICE NET_RAW SYS_CHROOT
#: AUDIT_WRITE SETFCAP.  Where a user namespace is, they hold over what belongs to it alone.
KEPT = sum(1 << bit for bit in (0, 1, 3, 4, 5, SETGID, SETUID, 10, NET_RAW, 18, 29, 31))


def have(capability: int) -> bool:
    """Whether this process has it, in the user namespace where it is."""
    with open("/proc/self/status", "rb") as file:
        held = next(line for line in file if line.startswith(b"CapEff:"))
    return bool(int(held.split()[1], 16) >> capability & 1)


def may_leave_groups() -> bool:
    """Whether processes of this user namespace, and of those below it, may let go of groups (user_namespaces(7)).

    Asked while ``/proc`` is the host's: a system may have none, or what it calls so.
    """
    try:
        with open("/proc/self/setgroups", "rb") as file:
            return file.read().strip() != b"deny"
    except FileNotFoundError:
        return True  # there are no user namespaces


def become_root(*, leave_groups: bool) -> None:
    """User and group 0 of the user namespace where this process is, and no others.

    :param leave_groups: A user may not, for by one access can be refused.
    """
    if leave_groups:
        os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def limit(processes: int, memory: int) -> None:
    """For every process that comes: how many there may be of one user, how much memory one has.

    A core dump of one byte is none at all, also where the host would hand it to a program of its own (core(5)).
    """
    for what, most in (
        (resource.RLIMIT_NPROC, processes),
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_CORE, 1),
    ):
        hard = resource.getrlimit(what)[1]
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (allowed, allowed))


def give_up(kept: int, filters: Sequence[bytes]) -> None:
    """Everything but ``kept``; and what system calls could ask for."""
    calls.die_with_parent()
    calls.prctl(4, 0)  # PR_SET_DUMPABLE: nothing inside looks into this process
    calls.keep_capabilities(kept)
    calls.prctl(38, 1)  # PR_SET_NO_NEW_PRIVS
    calls.confine_sockets()
    for program in filters:
        calls.filter_calls(program)


def most_processes(count: int) -> None:
    """No more processes than these in this process namespace, whoever they belong to.

    Before Linux 6.14 the number is the whole machine's, and nothing is done.  It may be closed (in a container).
    """
    if kernel(os.uname().release) < (6, 14):
        return
    try:
        with open("/proc/sys/kernel/pid_max", "w") as file:
            file.write(str(max(count, 301)))  # the kernel takes no less
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM, errno.EINVAL):
            raise


def kernel(release: str) -> tuple[int, int]:
    """Major and minor number of a kernel's release; 0 for what is not one: ``6.14+``, ``6.1.0-rc1+`` and ``7`` exist."""
    found = []
    for part in [*release.split("."), ""][:2]:
        digits = len(part) - len(part.lstrip("0123456789"))
        found.append(int(part[:digits] or 0))
    return found[0], found[1]
