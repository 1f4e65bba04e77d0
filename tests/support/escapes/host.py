"""A host to attack, made of namespaces that end with it: ``python -m support.escapes.host JOB``.

It has a disk (an ext4 file system in a file, where loop devices are to be had) with a file that nobody inside may read, a
process, a key in its session, shared memory, and sockets.  On that disk lies the system that the attempts run in.  Each
attempt is run in each way; afterwards the host is looked at.  What comes out is one line of JSON for each.

JOB is JSON: {"room": directory, "attempt": program, "interpreter": program or "", "ways": [...], "uid": number,
"reach": [directories that an ordinary user must reach], "names": {name: "" or why it is run by itself, "terminal" for one}}.

Unconfined, each attempt has a system by itself; confined, most of them share one, for none should change anything.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import goldroot.run  # noqa: F401  (before the rights to read it are given up)
from support.escapes import kernel
from support.escapes.ways import Said, System, confined, loose

SECRET = os.environ.get("GOLDROOT_TEST_SECRET", "")
GOLD = "what gold says\n"
DIRECTORIES = ("etc", "proc", "sys", "dev", "run", "tmp", "usr", "srv", "var")


class Sentinel:
    """A process of the host that answers for as long as it lives."""

    def __init__(self) -> None:
        self._line, its = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            self._line.close()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            while asked := its.recv(1):
                its.send(asked)
            os._exit(0)
        its.close()

    def lives(self) -> bool:
        try:
            self._line.send(b"?")
            if self._line.recv(1):
                return True
        except OSError:
            pass
        os.waitpid(self.pid, 0)
        self._line.close()
        return False


@dataclass
class Victim:
    """What the host has that an attempt may be after."""

    place: str
    system: System
    known: dict[str, str]
    interpreted: bool
    sentinel: Sentinel | None = None

    def arguments(self) -> list[str]:
        """What the attempt is told; an attacker could guess or try it."""
        self.sentinel = self.sentinel or Sentinel()
        return [f"{name}={value}" for name, value in {**self.known, "pid": str(self.sentinel.pid)}.items()]

    def damage(self) -> list[str]:
        """What is no longer as it was; the host is as before afterwards."""
        found = []
        if text(f"{self.place}/canary") != SECRET:
            found.append("the canary was written")
            write(f"{self.place}/canary", SECRET)
        if text(f"{self.system.usr}/gold") != GOLD or os.path.exists(f"{self.system.usr}/written"):
            found.append("the shared disk was written")
        if socket.gethostname() != self.known["host"]:
            found.append("the host's name was changed")
            socket.sethostname(self.known["host"])
        if self.sentinel is not None and not self.sentinel.lives():
            found.append("a process of the host was ended")
            self.sentinel = None
        for name in ("srv/made", "srv/mnt", "made"):
            with contextlib.suppress(OSError):
                os.unlink(f"{self.system.root}/{name}")
        return found


def main() -> None:
    job: dict[str, Any] = json.loads(sys.argv[1])
    victim = prepared(job)
    for way in job["ways"]:
        if way == "loose":
            for name, alone in job["names"].items():
                one(victim, way, name, loose(victim.system, words(victim, name), terminal=alone == "terminal"))
            continue
        for network in (False, True):
            said = confined(victim.system, words(victim, "each"), way, network=network)
            damage = victim.damage()
            for line in said.text.splitlines():
                status, name, text = f"{line}  ".split(" ", 2)
                if not job["names"].get(name, "left out"):
                    tell(name, way, network, Said(int(status), text.strip()), damage)
        for name in filter(job["names"].get, job["names"]):
            terminal = job["names"][name] == "terminal"
            one(victim, way, name, confined(victim.system, words(victim, name), way, terminal=terminal))


def words(victim: Victim, name: str) -> list[str]:
    if name == "self_exe":
        return ["/srv/self-exe"]
    return ["/attempt", name, *victim.arguments()]


def one(victim: Victim, way: str, name: str, said: Said) -> None:
    if name == "self_exe" and not victim.interpreted:
        said = Said(2, "there is a program interpreter for x86-64 alone")
    tell(name, way, False, said, victim.damage())


def tell(name: str, way: str, network: bool, said: Said, damage: list[str]) -> None:
    line = {"name": name, "way": way, "network": network, "status": said.status, "said": said.text, "damage": damage}
    print(json.dumps(line), flush=True)


def prepared(job: dict[str, Any]) -> Victim:
    """The host, and the process that is to be its owner: root, or an ordinary user."""
    place, uid = f"{job['room']}/host", int(job["uid"])
    os.makedirs(place)
    loop = disk(place) if os.geteuid() == 0 else ""
    system = System(f"{place}/root", f"{place}/shared")
    for name in DIRECTORIES:
        os.makedirs(f"{system.root}/{name}")
    os.makedirs(system.usr)
    write(f"{system.usr}/gold", GOLD)
    write(f"{system.root}/usr/hidden", "below\n")
    shutil.copy(job["attempt"], f"{system.root}/attempt")
    if job["interpreter"]:
        interpreted(system, job["interpreter"])
    write(f"{place}/canary", SECRET)
    os.chmod(f"{place}/canary", 0o600)
    known = {"canary": f"{place}/canary", "secret": SECRET, "host": socket.gethostname()}
    if os.geteuid() == 0:
        os.mknod(f"{system.root}/srv/node-kmsg", 0o20666, os.makedev(1, 11))
        os.mknod(f"{system.usr}/node-kmsg", 0o20666, os.makedev(1, 11))
        if loop:
            number = os.stat(loop).st_rdev
            os.mknod(f"{system.root}/srv/node-disk", 0o60666, number)
            known |= {"disk": loop, "major": str(os.major(number)), "minor": str(os.minor(number))}
        if uid != 0:
            subprocess.run(["chown", "-R", f"{uid}:{uid}", place], check=True)
            reachable(job["reach"])
        up("lo")
    os.chmod(place, 0o700)
    become(uid)
    return Victim(place, system, known | held(known), bool(job["interpreter"]))


def become(uid: int) -> None:
    """Go on as this user, for good."""
    if uid != os.geteuid():
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        kernel.libc.prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE: as any program that a user starts
        os.chdir("/")


def interpreted(system: System, program: str) -> None:
    """A script for which the kernel runs goldroot's own Python, and in its interpreter's place a program of the server."""
    write(f"{system.root}/srv/self-exe", "#!/proc/self/exe\n")
    os.chmod(f"{system.root}/srv/self-exe", 0o755)
    with open(sys.executable, "rb") as file:
        wanted = file.read(1 << 16)
    for path in re.findall(rb"/lib[a-z0-9/]*/ld[-.a-z0-9_]*so[.0-9]*", wanted)[:1]:
        there = system.root + os.fsdecode(path)
        os.makedirs(os.path.dirname(there))
        shutil.copy(program, there)


def held(known: dict[str, str]) -> dict[str, str]:
    """What the process that runs goldroot has open, or has in the kernel."""
    abstract, service = socket.socket(socket.AF_UNIX), socket.socket()
    abstract.bind("\0goldroot-test-host")
    abstract.listen()
    service.bind(("127.0.0.1", 0))
    service.listen()
    key = kernel.session_key("goldroot-test", SECRET)
    handle = kernel.handle_of(known["canary"]) or (0, "")
    # What a careless program leaves open for its children.
    os.set_inheritable(os.open(os.path.dirname(known["canary"]), os.O_RDONLY | os.O_DIRECTORY), True)
    KEPT.extend((abstract, service, os.openpty()))
    return {
        "abstract": "goldroot-test-host", "port": str(service.getsockname()[1]), "key": "goldroot-test",
        "key_number": str(key), "shm": str(kernel.shared_memory(SECRET)), "handle_type": str(handle[0]),
        "handle": handle[1],
    }  # fmt: skip


KEPT: list[object] = []


def disk(place: str) -> str:
    """An ext4 file system of its own at ``place``: the loop device that it is on, or nothing where there is none."""
    image = f"{place}.img"
    with open(image, "wb") as file:
        file.truncate(64 << 20)
    try:
        subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True, capture_output=True)
        subprocess.run(["mount", "-o", "loop", image, place], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    with open("/proc/self/mounts") as file:
        return next(line.split()[0] for line in file if line.split()[1] == place)


def reachable(paths: list[str]) -> None:
    """For an ordinary user: cover the closed directories above (a home of root) with open ones, here in this host alone."""
    for path in paths:
        steps = path.strip("/").split("/")
        for count in range(1, len(steps)):
            above = "/" + "/".join(steps[:count])
            if os.stat(above).st_mode & 0o001:
                continue
            handle = os.open(path, os.O_PATH | os.O_DIRECTORY)
            kernel.mount("none", above, "tmpfs", 0, "mode=0755")
            os.makedirs(path, 0o755, exist_ok=True)
            kernel.mount(f"/proc/self/fd/{handle}", path, None, kernel.BIND | kernel.REC)
            os.close(handle)


def up(name: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh22x", name.encode(), 0x1 | 0x40))


def text(path: str) -> str:
    with open(path) as file:
        return file.read()


def write(path: str, content: str) -> None:
    with open(path, "w") as file:
        file.write(content)


if __name__ == "__main__":
    main()
