"""What stands before nsenter(1) when a command is run in a container; a program of its own, run as ``python -I -S``.

A process that enters the namespaces of a container is from its first instruction there the container's to look into and to
change (ptrace(2)).  What it has brought along, the container's root has: the keys of goldroot's caller, and calls that
systemd-nspawn refuses to all that it has started itself.  So both are given up before.

It imports nothing of goldroot.  Its words: the file of the filter, then the command.
"""

from __future__ import annotations

import ctypes
import os
import sys

#: keyctl(2) by machine; of PR_SET_SECCOMP (prctl(2)) and KEYCTL_JOIN_SESSION_KEYRING.
_KEYCTL = {"x86_64": 250, "s390x": 280, "aarch64": 219}
_SET_SECCOMP, _FILTER, _JOIN_SESSION = 22, 2, 1
#: All of the command's environment.
_CLEAN = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root", "USER": "root"}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_char_p))


def main() -> None:
    """Become the command."""
    with open(sys.argv[1], "rb") as file:
        program = file.read()
    libc = ctypes.CDLL(None, use_errno=True)
    # A kernel without keys (ENOSYS) has none to give away; the filter refuses keyctl from then on.
    libc.syscall(ctypes.c_long(_KEYCTL[os.uname().machine]), ctypes.c_long(_JOIN_SESSION), None)
    one = _Program(len(program) // 8, program)
    # Not with no_new_privs: set-uid programs of the container work there.
    if libc.prctl(_SET_SECCOMP, ctypes.c_ulong(_FILTER), ctypes.byref(one), 0, 0) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "prctl")
    os.execve(sys.argv[2], sys.argv[2:], _CLEAN)


if __name__ == "__main__":
    main()
