"""What a server that runs costs: disk, memory, its making, its boot, the downtime of an update; as containers of systemd-nspawn.

    python bench/running.py [--root DIR] [--clones 100] [--paths 5000] [--boots 5] [--room DIR]

Needs root, systemd-container, and mmdebstrap where no root with systemd is given; ``--small`` takes a root of busybox, to see
that all of this runs.  The root gets files in /var until a server has that many paths of its own.  Some servers run at once,
so that what they share is shared.  A program in one of them writes the time each 20 ms (by the kernel's clock, which goes on
while a container is off): the longest gap in that is the downtime, reboot and all.  Copies of images are made in file systems
of their own, with reflinks and without.  One table is printed, of one run.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import pairwise
from pathlib import Path

COMMAND = [sys.executable, "-c", "import sys; from goldroot.cli.main import main; main(sys.argv[1:])"]
ENV = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
#: MiB of files in the image that is copied: about what a server's own disk has.
FILLED = 24
#: Of how many servers the memory is looked at.
RUNNING = 4
BEAT = "while read -r up rest < /proc/uptime; do echo $up >> /srv/beat; sleep 0.02; done"
UNIT = f"[Service]\nExecStart=/bin/sh -c '{BEAT.replace('$', '$$')}'\n[Install]\nWantedBy=multi-user.target\n"
INIT = f"#!/bin/sh\ntrap 'exit 0' 37\n({BEAT}) &\necho ready\nwhile :; do sleep 1 & wait $!; done\n"


class Bench:
    """A site of containers in a room of its own."""

    def __init__(self, room: Path) -> None:
        self.room, self.site = room, room / "site"
        self("init", str(self.site), "--host", "nspawn", site=False)

    def __call__(self, *words: str, site: bool = True) -> str:
        where = {"GOLDROOT_SITE": str(self.site)} if site else {}
        done = subprocess.run([*COMMAND, *words], env={**ENV, **where}, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"goldroot {' '.join(words)}: {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def inside(self, name: str, script: str) -> str:
        return self("machine", "run", name, "sh", "-c", script).strip()

    def disks(self, name: str) -> list[Path]:
        """The directories of a clone's own disks."""
        live = json.loads(self("clone", "show", name, "--json"))["disks"]
        return [self.site / "store/disks" / id for address, id in live.items() if address.startswith("1")]

    def console(self, name: str) -> str:
        """The file of all that its console and its supervisor said."""
        return (self.site / "store/running" / name.upper() / "console.log").read_text(errors="replace")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="a root with systemd, which is only read")
    parser.add_argument("--clones", type=int, default=100)
    parser.add_argument("--paths", type=int, default=5000)
    parser.add_argument("--boots", type=int, default=5)
    parser.add_argument("--room", type=Path, help="where the site is made and removed again")
    parser.add_argument("--small", action="store_true", help="a root of busybox")
    args = parser.parse_args()
    if os.geteuid() != 0 or not shutil.which("systemd-nspawn"):
        print("not run: it needs root and systemd-container")
        return
    with room_of(args.room) as room:
        root = small_root(room) if args.small else systemd_root(room, args.root)
        fill(root, args.paths)
        for what, figure in measured(Bench(room), root, args):
            print(f"| {what} | {figure} |", flush=True)


@contextmanager
def room_of(parent: Path | None) -> Iterator[Path]:
    room = Path(tempfile.mkdtemp(prefix="goldroot-bench-", dir=parent))
    try:
        yield room
    finally:
        shutil.rmtree(room)


def systemd_root(room: Path, given: Path | None) -> Path:
    root = room / "root"
    if given is not None:
        subprocess.run(["cp", "-a", given, root], check=True)
    else:
        words = ["mmdebstrap", "--quiet", "--variant=minbase", "--include=systemd-sysv,dbus", "bookworm", root]
        subprocess.run(words, check=True)
    (root / "etc/systemd/system/beat.service").write_text(UNIT)
    wants = root / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    (wants / "beat.service").symlink_to("../beat.service")
    return root


def small_root(room: Path) -> Path:
    root, busybox = room / "root", shutil.which("busybox")
    if busybox is None:
        raise SystemExit("busybox is not installed")
    tops = "bin sbin lib lib64 etc proc sys dev run tmp usr/bin usr/lib usr/sbin usr/local var root srv home"
    for name in tops.split():
        (root / name).mkdir(parents=True)
    shutil.copy(busybox, root / "bin/busybox")
    for name in ("sh", "sleep", "cat"):
        (root / "bin" / name).symlink_to("busybox")
    (root / "usr/lib/os-release").write_text('NAME="small"\nID=small\n')
    (root / "sbin/init").write_text(INIT)
    (root / "sbin/init").chmod(0o755)
    return root


def fill(root: Path, paths: int) -> None:
    """Files in /var, until a server has so many paths of its own."""
    own = sum(
        len(names) + len(files)
        for top in ("etc", "var", "root", "srv", "home")
        for _, names, files in os.walk(root / top)
    )
    for number in range(max(0, paths - own)):
        file = root / f"var/lib/bench/{number // 100}/file{number}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"the content of file {number}\n" * 20)


def measured(bench: Bench, root: Path, args: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """What was measured, and its figure, in words."""
    bench("image", "import", "bench", "--from", str(root))
    bench("gold", "publish", "bench", "--untested")
    names = [f"web{number}" for number in range(1, args.clones + 1)]
    before = time.monotonic()
    bench("clone", "create", *names, "--image", "bench")
    each = (time.monotonic() - before) / len(names)
    own, whole = size(*bench.disks("web1")), size(root)
    yield "disk of a server", f"{mib(own)} of {mib(whole)} that a full copy has: {own / whole:.1%}"
    yield f"making one of {len(names)} servers", f"{each:.2f} s"
    with running(bench, names[: min(RUNNING, len(names))]) as some:
        yield "memory of a server", memory(bench, some)
    yield "boot, read-only root", boots(bench, "web1", args.boots)
    bench("clone", "create", "whole", "--image", "bench", "--read-write")
    yield "boot, a copy of its own to write", boots(bench, "whole", args.boots)
    yield "downtime of an update", downtime(bench, "web1")
    for form, where in (("with", "btrfs"), ("with", "xfs"), ("without", "ext4")):
        yield f"copies of a server's disk as an image, {form} reflinks ({where})", copies(bench.room, where, args)


def size(*trees: Path) -> int:
    """Bytes that trees take on the disk."""
    done = subprocess.run(["du", "-sc", "--block-size=1", *trees], capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[-1].split()[0])


def mib(count: int) -> str:
    return f"{count / (1 << 20):.1f} MiB"


@contextmanager
def running(bench: Bench, names: list[str]) -> Iterator[list[str]]:
    bench("machine", "start", *names)
    try:
        for name in names:
            until_up(bench, name)
        yield names
    finally:
        bench("machine", "stop", *names)


def until_up(bench: Bench, name: str) -> None:
    """Until its boot is over, where it has systemd."""
    look = "command -v systemctl >/dev/null || exit 0; systemctl is-system-running --wait"
    state = subprocess.run([*COMMAND, "machine", "run", name, "sh", "-c", look],
                           env={**ENV, "GOLDROOT_SITE": str(bench.site)}, capture_output=True, text=True, check=False)  # fmt: skip
    if state.stdout.strip() not in ("", "running", "degraded"):
        raise SystemExit(f"{name} did not come up: {state.stdout}{state.stderr}")


def memory(bench: Bench, names: list[str]) -> str:
    """The least of these servers: what its processes have, and how much of it others have, too."""
    found = []
    for name in names:
        said = re.search(r"process (\d+)", json.loads(bench("machine", "list", name, "--json"))["machines"][0]["why"])
        assert said is not None
        sums = {"Pss": 0, "Rss": 0}
        for pid in below(int(said[1])):
            for line in text_of(f"/proc/{pid}/smaps_rollup").splitlines():
                key, _, rest = line.partition(":")
                if key in sums:
                    sums[key] += int(rest.split()[0]) << 10
        found.append((sums["Pss"], sums["Rss"]))
    own, with_shared = min(found)
    return f"{mib(own)}; {mib(with_shared)} with what it shares with others ({len(names)} run)"


def below(pid: int) -> set[int]:
    """The processes of a server: those of its supervisor that have numbers of their own inside."""
    parents = {int(one): status(one) for one in os.listdir("/proc") if one.isdigit()}
    found, new = set(), {pid}
    while new:
        found |= new
        new = {one for one, (parent, _) in parents.items() if parent in found} - found
    return {one for one in found if parents.get(one, (0, False))[1]}


def status(pid: str) -> tuple[int, bool]:
    lines = dict(line.split(":", 1) for line in text_of(f"/proc/{pid}/status").splitlines() if ":" in line)
    return int(lines.get("PPid", "0")), len(lines.get("NSpid", "").split()) > 1


def text_of(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:  # it has ended
        return ""


def boots(bench: Bench, name: str, count: int) -> str:
    """From the word to start it until its boot is over."""
    took = []
    for _ in range(count):
        before = time.monotonic()
        with running(bench, [name]):
            took.append(time.monotonic() - before)
    return f"{statistics.median(took):.2f} s (median of {count}, {min(took):.2f} to {max(took):.2f})"


def downtime(bench: Bench, name: str) -> str:
    """The longest gap in what the server writes each 20 ms; and of it, the time from its end to its start."""
    bench("maintain", "run", "bench", "sh", "-c", "echo 2 > /etc/bench-version")
    bench("gold", "publish", "bench", "--untested")
    with running(bench, [name]):
        since = time.clock_gettime(time.CLOCK_BOOTTIME)
        time.sleep(1)
        bench("update", "run", name)
        time.sleep(1)
        # It was started and stopped before: that was not a downtime.
        beats = [beat for beat in map(float, bench.inside(name, "cat /srv/beat").split()) if beat > since]
    gap, at = max((after - before, before) for before, after in pairwise(beats))
    at += time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    marks = re.findall(r"^-- (\S+): (ended|started)", bench.console(name), re.MULTILINE)
    times = [(datetime.fromisoformat(when).timestamp(), what) for when, what in marks]
    ended = next(when for when, what in times if what == "ended" and when > at)
    started = next(when for when, what in times if what == "started" and when > ended)
    paths = sum(len(names) + len(files) for disk in bench.disks(name) for _, names, files in os.walk(disk))
    return f"{gap:.2f} s, of which it was off for {started - ended:.2f} s ({paths:,} paths of its own)"


def copies(room: Path, kind: str, args: argparse.Namespace) -> str:
    """Copies of an ext4 image of 512 MiB with files in it, one for each server, in a store on a file system of its own."""
    if not shutil.which(f"mkfs.{kind}") or not shutil.which("mkfs.ext4"):
        return f"not measured: mkfs.{kind} is not there"
    from goldroot.hosts.images import Images
    from goldroot.hosts.storefiles import Label

    volume, store = room / f"{kind}.image", room / kind
    store.mkdir()
    with open(volume, "wb") as file:
        file.truncate(4 << 30)
    subprocess.run([f"mkfs.{kind}", "-q", volume], check=True)
    subprocess.run(["mount", "-o", "loop", volume, store], check=True)
    try:
        for name in ("disks", "halfway"):
            (store / name).mkdir()
        images, took = Images(str(store)), []
        source = Label("source", "GOLD", 512 << 20, "ext4")
        images.make(source, None)
        with mounted(images.file(source), room / "mounted") as place:
            for number in range(4 if args.small else FILLED):
                (place / f"file{number}").write_bytes(os.urandom(1 << 20))
        before = used(store)
        for number in range(args.clones):
            start = time.monotonic()
            images.make(Label(f"copy{number}", "WEB", 512 << 20, "ext4"), source)
            os.sync()
            took.append(time.monotonic() - start)
        each = (used(store) - before) / args.clones
        return f"{statistics.median(took):.2f} s and {mib(int(each))} each; {args.clones} in {sum(took):.1f} s"
    finally:
        subprocess.run(["umount", store], check=True)


@contextmanager
def mounted(image: str, place: Path) -> Iterator[Path]:
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", "loop", image, place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def used(place: Path) -> int:
    found = os.statvfs(place)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


if __name__ == "__main__":
    main()
