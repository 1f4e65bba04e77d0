"""Trees beside the peers, in one run: seconds, and ratios of goldroot's time to theirs.

    python bench/tree.py [--entries 100000 ...] [--room DIR] [--runs 3]

For each size a tree of small files is made.  Scanning stands beside ``diff -rq`` (which reads two trees, so half of its
time is taken) and ``rsync -aHAXn`` against an equal copy; copying beside ``cp -a`` and ``rsync -aHAX``.  Every figure is
the least of the runs, warm, nobody waiting for the disk; each measurement is a process of its own, so that its peak
memory is its own.  On a busy machine the processor time says more than the clock: with two idle processors, goldroot's
clock shows little more than half of it, while the peers have one process.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

#: What a measured process does: imports and what it needs first are not measured.
PROGRAM = """
import os, resource, sys, time
from goldroot.tree import BuildOptions, Manifest, build_tree, copy_tree, rows_of, scan_tree
tree, out, manifest = sys.argv[1:]
known = Manifest.load(manifest) if os.path.exists(manifest) else None
def used():
    each = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in each)
cpu, start = used(), time.perf_counter()
{work}
clock = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print(clock, used() - cpu, peak)
"""

WORK = {
    "scan, nothing known": "scan_tree(tree)",
    "scan, all known": "scan_tree(tree, known=known)",
    "load and iterate": "for row in Manifest.load(manifest).rows(): pass",
    "copy, nothing known": "copy_tree(tree, out, sync=False)",
    "copy, all known": "copy_tree(tree, out, known=known, sync=False)",
    "copy from a manifest": "build_tree(rows_of(known), [tree], out, BuildOptions(sync=False))",
    "three trees held": "held = [scan_tree(tree, known=known) for _ in range(3)]",
}


class Cost(NamedTuple):
    """Seconds by the clock and of processors, and peak memory in MB."""

    clock: float
    cpu: float
    peak: float


def make_tree(root: Path, entries: int) -> None:
    """``entries`` paths: of 15, one is a directory, one a link, and 13 are files of 30 to 3,000 bytes."""
    for number in range(entries // 15):
        folder = root / f"usr/share/d{number // 200}/e{number}"
        folder.mkdir(parents=True)
        (folder / "link").symlink_to("file-0.conf")
        for place in range(13):
            text = b"option %d of %d is set here\n" % (place, number)
            (folder / f"file-{place}.conf").write_bytes(text * (1 + (number + place * 7) % 100))


def ours(name: str, room: Path, runs: int) -> Cost:
    """The least cost of one kind of goldroot's work."""
    costs = []
    for _ in range(runs):
        shutil.rmtree(room / "out", ignore_errors=True)
        arguments = [str(room / "tree"), str(room / "out"), str(room / "manifest")]
        command = [sys.executable, "-c", PROGRAM.replace("{work}", WORK[name]), *arguments]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        costs.append(Cost(*map(float, done.stdout.split())))
    return Cost(*(min(values) for values in zip(*costs, strict=True)))


def theirs(command: list[str], room: Path, runs: int) -> Cost:
    """The least cost of a peer."""
    costs = []
    for _ in range(runs):
        shutil.rmtree(room / "out", ignore_errors=True)
        start = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{command} ended with {process.returncode}")
        costs.append(Cost(time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024))
    return Cost(*(min(values) for values in zip(*costs, strict=True)))


def show(name: str, cost: Cost, peers: dict[str, Cost]) -> None:
    ratios = "  ".join(f"{cost.clock / peer.clock:4.2f} x {word}" for word, peer in peers.items())
    print(f"  {name:22} {cost.clock:7.2f} s  {cost.cpu:7.2f} s cpu  {cost.peak:5.0f} MB  {ratios}", flush=True)


def measure(room: Path, entries: int, runs: int) -> None:
    """Print the table for one size."""
    tree, out, copy = str(room / "tree"), str(room / "out"), str(room / "copy")
    make_tree(room / "tree", entries)
    subprocess.run(["cp", "-a", tree, copy], check=True)
    time.sleep(2.5)  # a younger ctime is not trusted
    subprocess.run(
        [sys.executable, "-c", "import sys; from goldroot.tree import scan_tree; scan_tree(sys.argv[1]).manifest.save(sys.argv[2])",
         tree, str(room / "manifest")], check=True,
    )  # fmt: skip
    print(f"{entries} entries, {len(os.sched_getaffinity(0))} processors, load {os.getloadavg()[0]:.1f}")
    diff = theirs(["diff", "-rq", tree, copy], room, runs)
    scanned = {
        "diff -rq / 2": Cost(diff.clock / 2, diff.cpu / 2, diff.peak),
        "rsync -n": theirs(["rsync", "-aHAXn", "--delete", tree + "/", copy], room, runs),
    }
    copied = {
        "cp -a": theirs(["cp", "-a", tree, out], room, runs),
        "rsync": theirs(["rsync", "-aHAX", tree + "/", out], room, runs),
    }
    for name, cost in (scanned | copied).items():
        show(name, cost, {})
    for name in WORK:
        show(name, ours(name, room, runs), scanned if "scan" in name else copied if "copy" in name else {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--room", help="where the trees are made (default: a temporary directory)")
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    for entries in given.entries:
        with tempfile.TemporaryDirectory(dir=given.room) as room:
            measure(Path(room), entries, given.runs)


if __name__ == "__main__":
    main()
