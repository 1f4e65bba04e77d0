"""The merge beside its peers, in one run: seconds, and ratios of goldroot's time to theirs.

    python bench/merge.py [--entries 100000] [--room DIR] [--small] [--scaling] [--processor]

A tree of small files is made with 0.5 % changed by the clone and 1 % by gold, as three copies.  Peers: ``rsync -aHAXn
--delete`` base against clone, the same base against gold, ``diff -rq`` of base and clone, and ``cp -a``.  Every figure
is the least of the runs, warm; each process is the real command.  What waits until all is on the disk (``--sync``) is compared
with peers that wait too.  ``--processor`` takes the seconds of the processors in their place: on a machine that has other work
these mean something, but a command that uses two of them at once has no advantage of it.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

GOLDROOT = [str(Path(sys.executable).parent / "goldroot")]
ENV = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def make_tree(root: Path, entries: int, small: bool = False) -> list[Path]:
    """``entries`` paths below ``root``, 19 files to a directory.

    Sizes are spread as in a Debian 12 server's root (median 2.2 KB, a tenth over 38 KB), cut off at 128 KB; ``small``:
    200 to 4,000 bytes, where what is done per file counts alone.
    """
    chance = random.Random(7)
    files = []
    for number in range(entries // 20):
        folder = root / f"etc/d{number // 200}/e{number}"
        folder.mkdir(parents=True)
        for place in range(19):
            file = folder / f"file-{place}.conf"
            line = b"option = %d\n" % chance.randrange(10**6)
            size = chance.randrange(200, 4000) if small else min(int(chance.lognormvariate(7.7, 2.0)) + 1, 1 << 17)
            file.write_bytes((line * (size // len(line) + 1))[:size])
            files.append(file)
    return files


def change(root: Path, base: Path, files: list[Path], share: float, seed: int) -> None:
    """Append a line to a share of the files."""
    for file in random.Random(seed).sample(files, int(len(files) * share)):
        with open(root / file.relative_to(base), "a") as stream:
            stream.write(f"changed by {seed}\n")


def timed(
    command: list[str], runs: int = 3, ok: tuple[int, ...] = (0, 1), before: str = "", processor: bool = False
) -> tuple[float, float]:
    """(least seconds, on the wall or of the processors; peak memory in MB) of a process and its children."""
    best, peak = 1e9, 0.0
    for _ in range(runs):
        if before:
            shutil.rmtree(before, ignore_errors=True)
        start = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=ENV) as process:
            said = process.stderr.read() if process.stderr else b""
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        best = min(best, usage.ru_utime + usage.ru_stime if processor else time.perf_counter() - start)
        peak = max(peak, usage.ru_maxrss / 1024)
        if process.returncode not in ok:
            raise SystemExit(f"{command}: {process.returncode}: {said.decode()}")
    return best, peak


def trees(room: Path, entries: int, small: bool) -> dict[str, str]:
    """Three trees of so many entries."""
    base = room / "base"
    files = make_tree(base, entries, small)
    for word, share, seed in (("gold", 0.01, 1), ("clone", 0.005, 2)):
        subprocess.run(["cp", "-a", str(base), str(room / word)], check=True)
        change(room / word, base, files, share, seed)
    return {word: str(room / word) for word in ("base", "gold", "clone")}


def in_turns(
    commands: dict[str, list[str]], runs: int = 3, before: str = "", processor: bool = False
) -> dict[str, tuple[float, float]]:
    """:func:`timed` of several commands, one after the other in each round: so what else the machine does, and what it
    must do for memory that was given back, meets all of them alike."""
    found = dict.fromkeys(commands, (1000000000.0, 0.0))
    for _ in range(runs):
        for name, command in commands.items():
            seconds, peak = timed(command, runs=1, before=before, processor=processor)
            found[name] = min(found[name][0], seconds), max(found[name][1], peak)
    return found


def compare(room: Path, entries: int, small: bool, processor: bool) -> None:
    """Print the table for one size."""
    at = trees(room, entries, small)
    out = str(room / "out")
    rsync = ["rsync", "-aHAXn", "--delete"]
    merge = [*GOLDROOT, "merge", "--base", at["base"], "--gold", at["gold"], "--clone", at["clone"]]
    time.sleep(3)  # what was written within the clock's last ticks counts as being written still
    found = in_turns({
        "rsync base clone": [*rsync, at["base"] + "/", at["clone"] + "/"],
        "rsync base gold": [*rsync, at["base"] + "/", at["gold"] + "/"],
        "diff -rq": ["diff", "-rq", "--no-dereference", at["base"], at["clone"]],
        "goldroot merge --plan": [*merge, "--plan", "--report", str(room / "r.json")],
    }, processor=processor)  # fmt: skip
    copy = ["cp", "-a", at["clone"], out]
    found |= in_turns({
        "cp -a": copy,
        "goldroot merge --into OUT": [*merge, "--into", out],
        "cp -a && sync": ["sh", "-c", f"{shlex.join(copy)} && sync -f {shlex.quote(out)}"],
        "goldroot merge --into OUT --sync": [*merge, "--into", out, "--sync"],
    }, before=out, processor=processor)  # fmt: skip
    three = sum(found[name][0] for name in ("rsync base clone", "rsync base gold", "diff -rq"))
    print(f"\n{entries:,} entries a tree")
    for name, beside, words in (
        ("rsync base clone", 0, ""), ("rsync base gold", 0, ""), ("diff -rq", 0, ""),
        ("goldroot merge --plan", three, "of these three"),
        ("cp -a", 0, ""), ("goldroot merge --into OUT", three + found["cp -a"][0], "of the three and cp -a"),
        ("cp -a && sync", 0, ""),
        ("goldroot merge --into OUT --sync", three + found["cp -a && sync"][0], "of the three and cp -a && sync"),
    ):  # fmt: skip
        seconds, memory = found[name]
        ratio = f"   {seconds / beside:5.2f} {words}   {memory:6.0f} MB" if beside else ""
        print(f"  {name:<34}{seconds:8.2f} s{ratio}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--room", default=None, help="where the trees are made (default: a temporary directory)")
    parser.add_argument("--small", action="store_true", help="files of 200 to 4,000 bytes")
    parser.add_argument("--scaling", action="store_true", help="10,000, 100,000 and 400,000 entries")
    parser.add_argument(
        "--processor", action="store_true", help="seconds of the processors, not of the clock on the wall"
    )
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    best, _ = timed([*GOLDROOT, "--help"], runs=10, processor=options.processor)
    print(f"goldroot --help: {best * 1000:.0f} ms")
    for entries in (10_000, 100_000, 400_000) if options.scaling else (options.entries,):
        with tempfile.TemporaryDirectory(prefix="goldroot-bench-", dir=options.room) as room:
            compare(Path(room), entries, options.small, options.processor)


if __name__ == "__main__":
    main()
