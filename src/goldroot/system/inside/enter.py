"""From goldroot to a confined command, in three processes.

::

    goldroot ── outer            has the disks' descriptors; makes the namespaces, waits, ends the rest when goldroot is gone
                 └── first       process 1 of its namespace: mounts, gives up its rights, waits for whatever is orphaned
                      └── the command

Process 1 is ours, so that no command can take back that it ends with goldroot.  Nothing of these processes can be looked
at from inside: they are not dumpable, and the rights over them lie outside.

The plan is a dictionary (marshal) in the file of the second argument.  What is to be said goes as tuples over the socket
of the first one: ``("ready", mode, why)`` before the command starts, when an answer is waited for; ``("ended", status,
no_more_processes)``; ``("error", errno, text, where)`` when it was not started.
"""

from __future__ import annotations

import _socket
import errno
import fcntl
import marshal
import os
import select
import sys

from goldroot.system.inside import calls, mounts, power, services, spaces
from goldroot.system.inside.mounts import Disk, NotMapped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Plan = dict[str, Any]

#: Namespaces that make no question of rights.
SPACES = calls.NEWPID | calls.NEWIPC | calls.NEWUTS | calls.NEWCGROUP

#: What is said of a program that the kernel does not know how to run.
_FOREIGN = " (one for another architecture runs by qemu-user: install qemu-user-static)"

#: The word by which this program tells itself that it is in a user's namespace already.
AGAIN = "again"


class Control:
    """The socket to goldroot; each message is one packet."""

    def __init__(self, handle: int) -> None:
        self.handle = handle
        self.socket = _socket.socket(fileno=handle)

    def say(self, *words: str | int | None, handle: int | None = None) -> None:
        rights = [] if handle is None else [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, handle.to_bytes(4, sys.byteorder))]
        try:
            self.socket.sendmsg([marshal.dumps(words)], rights)
        except OSError:
            os._exit(1)  # nobody is there any more

    def wait(self) -> None:
        """For an answer; without one, there is nothing to do any more."""
        if not self.socket.recv(16):
            os._exit(1)


def main() -> None:
    handle, file, parent, *views = (int(word) for word in sys.argv[1:] if word != AGAIN)
    control = Control(handle)
    calls.die_with_parent()
    if os.getppid() != parent:
        os._exit(1)
    if views:  # this program came from there; of several, the last one is new
        os.close(views[-1])
    os.umask(0o022)
    try:
        outer(
            marshal.loads(os.pread(file, os.fstat(file).st_size, 0)), control, again=AGAIN in sys.argv, safe=bool(views)
        )
    except OSError as error:
        control.say("error", error.errno, error.strerror or "", _where(error))
        os._exit(1)


def outer(plan: Plan, control: Control, *, again: bool, safe: bool) -> None:
    """What happens outside.

    :param again: this program has begun again, see :func:`_through_read_only`.  :param safe: it need not, as it came from
        where nothing can be written.
    """
    for group in plan["groups"]:
        with open(f"{group}/cgroup.procs", "w") as file:
            file.write(str(os.getpid()))
    if again or plan["mode"] == "user" or (plan["mode"] is None and not power.have(power.SYS_ADMIN)):
        mode, why, disks, userns = _as_user(plan, again, safe)
    else:
        mode, why, disks, userns = _as_root(plan)
        calls.unshare(calls.NEWNS)
    calls.unshare(SPACES | (0 if plan["network"] else calls.NEWNET))
    # From here on there are files of the system where Python looks for modules: nothing is loaded any more.
    sys.meta_path.clear()
    pid = os.fork()
    if pid == 0:
        try:
            calls.die_with_parent()
            first(plan, control, mode, why, disks, userns)
        except OSError as error:
            control.say("error", error.errno, error.strerror or "", _where(error))
        except BaseException as error:  # noqa: BLE001 (no traceback: that would look for source files in the system)
            control.say("error", 0, f"{type(error).__name__}: {error}", "")
        os._exit(1)
    os.closerange(0, 3)
    _wait(pid, control)


def _where(error: OSError) -> str:
    """What an error names; a descriptor is a number."""
    return "" if isinstance(error.filename, int | None) else os.fsdecode(error.filename)


def _wait(pid: int, control: Control) -> None:
    """Until process 1 has ended, and everything with it; when goldroot goes, or hangs up, it is ended."""
    first_ended = os.pidfd_open(pid)
    seen = select.poll()
    seen.register(first_ended, select.POLLIN)
    seen.register(control.handle, 0)  # POLLHUP is always told
    if not any(handle == first_ended for handle, _ in seen.poll()):
        os.kill(pid, 9)
    os.waitpid(pid, 0)
    os._exit(0)


# -- namespaces and disks


def _as_root(plan: Plan) -> tuple[str, str, list[Disk], int | None]:
    """The strongest form that can be had here, or the one that is wanted; and why it is not the strongest one."""
    wanted, why = plan["mode"], ""
    for mode, write in (("shift", spaces.shifted), ("identity", spaces.identical)):
        if wanted not in (None, mode):
            continue
        try:
            userns = spaces.user_namespace(write)
            return mode, why, _disks(plan, userns if mode == "shift" else 0), userns
        except NotMapped as error:
            if wanted:
                raise
            why = f"the owners on the disk of {error.filename} cannot be mapped"
        except OSError as error:
            if wanted or error.filename != spaces.WHAT:
                raise
            why = f"there are no user namespaces ({error.strerror})"
    return "caps", why, _disks(plan, 0), None


def _disks(plan: Plan, userns: int) -> list[Disk]:
    return [mounts.clone_disk(handle, path, read_only, userns) for handle, path, read_only in plan["binds"]]


def _as_user(plan: Plan, again: bool, safe: bool) -> tuple[str, str, list[Disk], int | None]:
    """A user namespace with the mounts in it, and a second one, in which they can then be locked."""
    if not again:
        # Numbers that are lent to a user (newuidmap(1)) are not used: goldroot itself could not read or remove the files.
        maps = spaces.identical if power.have(power.SETUID) and power.have(power.SETGID) else spaces.single
        own = "" if safe else _own_program()
        calls.setns(spaces.user_namespace(maps), calls.NEWUSER)
        calls.unshare(calls.NEWNS)
        if own:
            _through_read_only(own)
    binds = [(_reopened(handle), path, read_only) for handle, path, read_only in plan["binds"]]
    disks = _disks({"binds": binds}, 0)
    return "user", "", disks, spaces.user_namespace(spaces.identical)


def _own_program() -> str:
    """This Python, where the caller could write to it: ``#!/proc/self/exe`` would hand it over to the command."""
    program = os.readlink("/proc/self/exe")
    return program if os.stat(program).st_uid == os.geteuid() or os.access(program, os.W_OK) else ""


def _through_read_only(program: str) -> None:
    """Begin again with the program taken from a read-only view of everything (goldroot does so where it is root)."""
    everything = calls.clone_mount(-100, b"/", recursive=True)
    calls.set_attributes(everything, calls.RDONLY, recursive=True)
    os.set_inheritable(everything, True)
    words = [sys.executable, *sys.orig_argv[1:], str(everything), AGAIN]
    os.execv(f"/proc/self/fd/{everything}{program}", words)


def _reopened(handle: int) -> int:
    """The directory as it is in this mount namespace: mounts of another one cannot be copied."""
    path = os.readlink(f"/proc/self/fd/{handle}")
    found = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    was, now = os.fstat(handle), os.fstat(found)
    if (was.st_dev, was.st_ino) != (now.st_dev, now.st_ino):
        raise OSError(errno.ESTALE, "the disk is not where it was", path)
    return found


# -- process 1


def first(plan: Plan, control: Control, mode: str, why: str, disks: list[Disk], userns: int | None) -> None:
    """Put the system together, give up every right over what is outside, start the command and wait for it."""
    leave_groups = power.may_leave_groups()
    ours = _stand_in(plan, disks, spaces.BASE if mode == "shift" else 0)
    calls.new_session_keyring()
    power.limit(plan["processes"], plan["memory"])
    if userns is not None:
        calls.setns(userns, calls.NEWUSER)
        calls.unshare(calls.NEWNS)  # every mount is locked from here on
    power.become_root(leave_groups=leave_groups)
    terminal = _terminal(control, mode, why) if plan["terminal"] else None
    if terminal is None:
        control.say("ready", mode, why)
    control.wait()
    kept = power.KEPT & ~(1 << power.NET_RAW) if mode == "caps" and plan["network"] else power.KEPT
    keeps = sorted({control.handle, *([terminal] if terminal is not None else [])})
    for low, high in zip([3, *(handle + 1 for handle in keeps)], [*keeps, 1 << 20], strict=True):
        os.closerange(low, high)
    power.give_up(kept, plan["filters"])
    if not plan["command"]:
        control.say("ended", 0, False)
        os._exit(0)
    command = os.fork()
    if command == 0:
        _become(plan, terminal, ours)
    os.closerange(0, 3)
    if terminal is not None:
        os.close(terminal)
    _reap(command, control)


def _stand_in(plan: Plan, disks: list[Disk], owner: int) -> bool:
    """The system is this process's root; whether /run/goldroot is ours."""
    calls.private_mounts()
    power.most_processes(plan["processes"])
    if not plan["network"]:
        _loopback()
    ours: list[bool] = []
    root = mounts.assemble(
        disks, owner, plan["sizes"], not plan["network"],
        lambda root: ours.append(services.fill_run(root, owner, plan["resolv_conf"])),
    )  # fmt: skip
    services.host_name(root)
    os.fchdir(root)
    calls.pivot_here()
    os.chdir("/")
    return ours[0]


def _loopback() -> None:
    """In a network namespace of its own ``lo`` is down: `newaliases` of postfix, for one, wants its addresses.

    The namespace belongs to the host's root, so the system's root needs leave for the low ports.
    """
    any_socket = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    # struct ifreq: the name and the flags; SIOCSIFFLAGS, IFF_UP | IFF_RUNNING (netdevice(7)).
    fcntl.ioctl(any_socket.fileno(), 0x8914, b"lo".ljust(16, b"\0") + (0x41).to_bytes(2, sys.byteorder) + bytes(22))
    any_socket.close()
    try:
        with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", "w") as file:
            file.write("0")
    except OSError:
        return  # closed in some containers; services that want a low port will say so


def _terminal(control: Control, mode: str, why: str) -> int:
    """A terminal of the system's own: goldroot is sent its other side, and the command never sees the caller's."""
    master = os.open("/dev/pts/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    fcntl.ioctl(master, 0x40045431, bytes(4))  # TIOCSPTLCK
    slave = fcntl.ioctl(master, 0x5441, os.O_RDWR | os.O_NOCTTY)  # TIOCGPTPEER
    control.say("ready", mode, why, handle=master)
    os.close(master)
    return slave


def _become(plan: Plan, terminal: int | None, ours: bool) -> None:
    """The command."""
    os.setsid()
    if terminal is not None:
        fcntl.ioctl(terminal, 0x540E, 0)  # TIOCSCTTY
        for handle in plan["terminal"]:
            os.dup2(terminal, handle)
    elif not plan["stdin"]:
        try:
            os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        except OSError:
            pass  # a pipe that nothing comes from is there
    os.closerange(3, 1 << 20)
    calls.default_signals()
    command, env = plan["command"], dict(plan["env"])
    if ours:
        env["PATH"] = f"/run/goldroot/bin:{env['PATH']}"
    error = _execute(command, env)
    more = _FOREIGN if error.errno == errno.ENOEXEC else ""
    os.write(2, f"{command[0]}: {error.strerror}{more}\n".encode("utf-8", "surrogateescape"))
    os._exit(127 if error.errno == errno.ENOENT else 126)


def _execute(command: list[str], env: dict[str, str]) -> OSError:
    """As execvp(3); returns only where nothing could be executed. (Python's own loads a module for it.)"""
    found = OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    for above in [""] if "/" in command[0] else env["PATH"].split(":"):
        try:
            os.execve(f"{above}/{command[0]}" if above else command[0], command, env)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                found = error
    return found


def _reap(command: int, control: Control) -> None:
    full = False
    while True:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        assert found is not None
        if found.si_pid == command:
            full = not _can_fork()  # looked at before the command's own place is free
        pid, status = os.waitpid(found.si_pid, 0)
        if pid == command:
            break
    code = os.waitstatus_to_exitcode(status)
    control.say("ended", code if code >= 0 else 128 - code, full)
    os._exit(0)


def _can_fork() -> bool:
    """Whether there is room for one more process; while the others are still here."""
    try:
        pid = os.fork()
    except OSError:
        return False
    if pid == 0:
        os._exit(0)
    return True
