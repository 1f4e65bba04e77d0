"""An update's plan and its new disks beside their peers, in one run: seconds, and ratios of goldroot's time to theirs.

    python bench/update.py [--entries 100000] [--room DIR] [--small] [--scaling]

A site is made with an image whose /etc holds the entries; 1 % of them change in gold version 2, 0.5 % in the clone.
``goldroot update plan`` works from stored manifests and one scan; its peers find the same differences with ``rsync
-aHAXn --delete`` twice and ``diff -rq``.  Making the 5Bx disks is compared with ``cp -a`` of the same disk, as ``cp`` leaves
it and until it is on the disk: an update waits for that, so that a power failure cannot take from a disk that it switched.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from merge import ENV, GOLDROOT, change, in_turns, make_tree, timed

BUILD = """
import os, sys, time
from goldroot.tree import BuildOptions, Manifest, build_tree, rows_of, scan_tree
source, out, sync = sys.argv[1:]
manifest = scan_tree(source).manifest
start = time.perf_counter()
build_tree(rows_of(manifest), [source], out, BuildOptions(sync=sync == "sync"))
print(time.perf_counter() - start)
"""


def goldroot(site: Path, *words: str) -> dict[str, object]:
    """Run a command in the site; its JSON."""
    done = subprocess.run([*GOLDROOT, *words, "--site", str(site), "--json"], env=ENV, capture_output=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"goldroot {' '.join(words)}: {done.returncode}: {done.stdout.decode()}{done.stderr.decode()}")
    data: dict[str, object] = json.loads(done.stdout or b"{}")
    return data


def make_site(room: Path, entries: int, small: bool = False) -> Path:
    """A site with two gold versions and a clone of the first one."""
    root, site = room / "root", room / "site"
    for name in ("usr/bin", "var/log", "root", "srv", "home", "boot", "opt"):
        (root / name).mkdir(parents=True)
    files = make_tree(root, entries, small)
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    (root / "etc/shadow").write_text("root:*:19000:0:99999:7:::\n")  # without it, nobody could log in: no gold
    (root / "etc/shadow").chmod(0o600)
    (root / "etc/group").write_text("root:x:0:\n")
    subprocess.run([*GOLDROOT, "init", str(site)], env=ENV, check=True, stdout=subprocess.DEVNULL)
    goldroot(site, "image", "import", "big", "--from", str(root))
    goldroot(site, "gold", "publish", "big", "--untested")
    goldroot(site, "clone", "create", "web1", "--image", "big")
    change(disk(site, "BIGRWMNT", "1B5"), root, files, 0.01, 1)
    goldroot(site, "gold", "publish", "big", "--untested")
    change(disk(site, "WEB1", "1B5"), root, files, 0.005, 2)
    return site


def disk(site: Path, machine: str, address: str) -> Path:
    """Where a machine's own disk lies, or the linked one."""
    data = json.loads((site / "store/entries" / f"{machine}.json").read_text())
    if address in data["disks"]:
        return site / "store/disks" / data["disks"][address]["id"]
    link = data["links"][address]
    return disk(site, link["owner"], link["address"])


def compare(room: Path, entries: int, small: bool) -> None:
    """Print the table for one size."""
    site = make_site(room, entries, small)
    base, gold = (str(disk(site, owner, "1B5")) for owner in ("BIGGOLD", "BIGGOLD2"))
    clone = str(disk(site, "WEB1", "1B5"))
    time.sleep(3)  # what was written within the clock's last ticks would be read again
    plan_command = [*GOLDROOT, "update", "plan", "web1", "--site", str(site), "--json"]
    timed(plan_command, runs=1)
    rsync = ["rsync", "-aHAXn", "--delete"]
    found = in_turns({
        "rsync base clone": [*rsync, base + "/", clone + "/"],
        "rsync base gold": [*rsync, base + "/", gold + "/"],
        "diff": ["diff", "-rq", "--no-dereference", base, clone],
        "plan": plan_command,
    })  # fmt: skip
    plan, memory = found.pop("plan")
    three = sum(seconds for seconds, _ in found.values())
    out = str(room / "copy")
    copied = {"": 1e9, "sync": 1e9}
    built = dict(copied)
    for _ in range(3):
        for sync in copied:
            copy = [
                "sh",
                "-c",
                f"cp -a {shlex.quote(clone)} {shlex.quote(out)}" + (f" && sync -f {shlex.quote(out)}" if sync else ""),
            ]
            copied[sync] = min(copied[sync], timed(copy, runs=1, before=out)[0])
            built[sync] = min(built[sync], _build(clone, room / "built", sync))
    shutil.rmtree(room / "built")
    print(f"\n{entries:,} entries")
    print(f"  {'rsync, rsync, diff -rq':<28}{three:8.2f} s")
    print(
        f"  {'goldroot update plan':<28}{plan:8.2f} s   {plan / three:5.2f} of the three (1/{three / plan:.1f})   {memory:6.0f} MB"
    )
    for sync, words in (("", ""), ("sync", " and sync")):
        print(f"  {'cp -a of the disk' + words:<28}{copied[sync]:8.2f} s")
        print(f"  {'the 5Bx disk' + words:<28}{built[sync]:8.2f} s   {built[sync] / copied[sync]:5.2f} of that")


def _build(source: str, out: Path, sync: str) -> float:
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-c", BUILD, source, str(out), sync]
    done = subprocess.run(command, env=ENV, check=False, capture_output=True)
    if done.returncode:
        raise SystemExit(f"building the disk: {done.returncode}: {done.stderr.decode()}")
    return float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--room", default=None, help="where the site is made (default: a temporary directory)")
    parser.add_argument("--small", action="store_true", help="files of 200 to 4,000 bytes")
    parser.add_argument("--scaling", action="store_true", help="10,000, 100,000 and 400,000 entries")
    options = parser.parse_args()
    for entries in (10_000, 100_000, 400_000) if options.scaling else (options.entries,):
        with tempfile.TemporaryDirectory(prefix="goldroot-bench-", dir=options.room) as room:
            compare(Path(os.path.realpath(room)), entries, options.small)


if __name__ == "__main__":
    main()
