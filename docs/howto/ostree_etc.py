#!/usr/bin/env python3
"""Merge the /etc of an OSTree deployment that waits for the reboot.

usage: ostree_etc.py [SYSROOT [DECISIONS]]

SYSROOT is / by default.  DECISIONS is a file of answers, as for `goldroot merge --decisions`.
Exit 0: the new deployment has the merged /etc.  Exit 1: there is something to decide, and nothing was changed.
"""

import ctypes
import os
import re
import subprocess
import sys
from pathlib import Path

import goldroot

AT_FDCWD, RENAME_EXCHANGE = -100, 2


def deployments(sysroot: Path) -> tuple[Path, Path]:
    """The deployment that runs (or ran last), and the one that the next boot takes."""
    command = ["ostree", "admin", f"--sysroot={sysroot}", "status"]
    status = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^([* ]) (\S+) ([0-9a-f]{64}\.\d+)", status, re.MULTILINE)
    places = [sysroot / "ostree/deploy" / system / "deploy" / name for _, system, name in found]
    booted = [place for place, (mark, _, _) in zip(places, found, strict=True) if mark == "*"]
    if len(places) < 2 or booted == places[:1]:
        sys.exit("no new deployment waits for a reboot")
    return (booted or places[1:])[0], places[0]


def exchange(one: Path, other: Path) -> None:
    """Both names change places at once: a power failure finds the old /etc or the new one."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE):
        raise OSError(ctypes.get_errno(), f"{one} and {other} cannot be exchanged")


def main() -> int:
    sysroot = Path(sys.argv[1] if len(sys.argv) > 1 else "/")
    decisions = goldroot.load_decisions(sys.argv[2]) if len(sys.argv) > 2 else {}
    old, new = deployments(sysroot)
    # OSTree keeps the etc of each version as usr/etc; the server's is the etc of the deployment that runs.
    trees = goldroot.Trees(old / "usr/etc", new / "usr/etc", old / "etc", at="/etc")
    plan = goldroot.plan_trees(trees, decisions=decisions)
    for conflict in plan.conflicts:
        print(f"{os.fsdecode(conflict.path)} [{conflict.axis}]: {conflict.detail}\n    key {conflict.key}")
    if plan.conflicts:
        return 1
    # OSTree marks a deployment's directory as immutable, so that nobody writes to it by mistake.
    subprocess.run(["chattr", "-i", new], check=True)
    try:
        merged = new / "etc.goldroot"
        record = goldroot.apply_plan(plan, merged, options=goldroot.Options(sync=True))
        exchange(merged, new / "etc")
        subprocess.run(["rm", "-rf", merged], check=True)  # OSTree's own merge
    finally:
        subprocess.run(["chattr", "+i", new], check=True)
    for note in record.notes:
        print(os.fsdecode(note.path), note.text)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except goldroot.GoldrootError as error:
        sys.exit(f"{error.brief} {error.meaning} {error.todo}")
