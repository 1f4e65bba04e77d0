"""Where the time of one ``goldroot update run`` goes: the imports, and then part by part.

    python bench/update_run.py [--entries 300 5000] [--rounds 7] [--room DIR]

A site is made with an image whose /etc holds the entries; 1 % of them change in gold version 2, 0.5 % in each clone.  The
clones are moved to version 2 one after the other, each in a process of its own; the first one, with which the databases
are made, is not counted.  A part's time is its own: what it calls that is a part too is taken off.  The
least of all rounds is printed, and beside it the time of the processor, which other work on the machine disturbs less.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from update import disk, goldroot, make_site

from merge import ENV

RUN = """
import gc, sys, threading, time
start = time.perf_counter(), time.process_time()
marks = {}
gc.set_threshold(100_000, 50, 100)  # as the command does

def imported(what, *names):
    before = time.perf_counter(), time.process_time()
    for name in names:
        name() if callable(name) else __import__(name)
    marks["import " + what] = time.perf_counter() - before[0], time.process_time() - before[1]

def load_engine():
    from goldroot.workflow import load_engine
    load_engine()

imported("SQLAlchemy", "sqlalchemy")
imported("goldroot", "goldroot.cli.main", "goldroot.cli.failure", "goldroot.cli.update", "goldroot.fleet.update.update",
         "goldroot.hosts.directory", "goldroot.catalog.store")
imported("DBOS, and goldroot's use of it", load_engine)
ready = time.perf_counter(), time.process_time()

stack, parts = [], {}

def timed(what, function):
    def wrapper(*args, **kwargs):
        if threading.current_thread() is not threading.main_thread():
            return function(*args, **kwargs)
        before = time.perf_counter(), time.process_time()
        stack.append([0.0, 0.0])
        try:
            return function(*args, **kwargs)
        finally:
            took = time.perf_counter() - before[0], time.process_time() - before[1]
            inner = stack.pop()
            known = parts.setdefault(what, [0.0, 0.0])
            for i in (0, 1):
                known[i] += took[i] - inner[i]
                if stack:
                    stack[-1][i] += took[i]
    return wrapper

def part(what, module, name):
    original = getattr(sys.modules[module], name)
    for other in [one for key, one in sys.modules.items() if key.startswith("goldroot")]:
        for key in [key for key, value in vars(other).items() if value is original]:
            setattr(other, key, timed(what, original))

part("the signatures of gold", "goldroot.image.gold_version", "_verified")
part("gold's disks: are they as published", "goldroot.image.gold_version", "check_genuine")
part("scans of the clone", "goldroot.fleet.manifests", "scan_disk")
part("the plan of the merge", "goldroot.fleet.inputs", "plan_sides")
part("the new disks", "goldroot.fleet.update.merge", "build_disks")
part("checks", "goldroot.fleet.update.checks", "prove")
part("who uses the disks", "goldroot.hosts.inuse", "user_of")
part("the engine's start", "goldroot.workflow.durable", "_launch")
part("what follows the switch", "goldroot.fleet.update.reconcile", "finish")

import sqlalchemy.engine.default
from sqlalchemy import event
from sqlalchemy.engine import Engine
statements = []
event.listen(Engine, "before_cursor_execute", lambda *args: statements.append(threading.current_thread()))
for name in ("do_execute", "do_execute_no_params", "do_commit", "connect"):
    default = sqlalchemy.engine.default.DefaultDialect
    setattr(default, name, timed("the databases themselves", getattr(default, name)))

from goldroot.cli.main import cli
import io, contextlib, json
with contextlib.redirect_stdout(io.StringIO()):
    began = time.perf_counter(), time.process_time()
    cli.main(["update", "run", sys.argv[2], "--site", sys.argv[1]], standalone_mode=False)
    whole = time.perf_counter() - began[0], time.process_time() - began[1]
parts["the rest"] = [whole[i] - sum(one[i] for one in parts.values()) for i in (0, 1)]
print(json.dumps({"imports": marks, "all imports": [ready[i] - start[i] for i in (0, 1)], "parts": parts, "run": whole,
                  "statements": statements.count(threading.main_thread())}))
"""


def write_some(tree: Path, text: str) -> None:
    """Write into each 200th file of a tree, one at least."""
    files = sorted(Path(folder, name) for folder, _, names in os.walk(tree / "etc") for name in names)
    for file in [one for one in files if one.name not in ("passwd", "group", "machine-id")][1::200]:
        file.write_text(text)


def rounds(site: Path, number: int) -> list[dict[str, object]]:
    """What each round measured."""
    names = [f"web{count}" for count in range(2, number + 3)]
    for name in names:
        goldroot(site, "clone", "create", name, "--image", "big", "--gold", "1")
        write_some(disk(site, name.upper(), "1B5"), name)
    time.sleep(3)  # what was written within the clock's last ticks would be read again
    found = []
    for name in names:
        done = subprocess.run([sys.executable, "-c", RUN, str(site), name], env=ENV, capture_output=True, check=False)
        if done.returncode:
            raise SystemExit(f"update run: {done.returncode}: {done.stderr.decode()}")
        found.append(json.loads(done.stdout))
    return found[1:]


def least(found: list[dict[str, object]], *keys: str) -> str:
    """The least of a pair of times, as text."""

    def value(one: object, i: int) -> float:
        for key in keys:
            assert isinstance(one, dict)
            one = one.get(key, [0.0, 0.0])
        assert isinstance(one, list)
        return float(one[i])

    return "".join(f"{min(value(one, i) for one in found) * 1000:9.0f}" for i in (0, 1))


def measure(room: Path, entries: int, number: int) -> None:
    """Print the table for one size."""
    site = make_site(room, entries, small=True)
    found = rounds(site, number)
    first = found[0]
    print(f"\n{entries:,} entries; milliseconds      wall      cpu")
    for key in ("imports", "parts"):
        names = first[key]
        assert isinstance(names, dict)
        for name in names:
            print(f"  {name:<36}{least(found, key, name)}")
        whole = "all imports" if key == "imports" else "run"
        print(f"  {'= ' + (whole if key == 'imports' else 'the update beside imports'):<36}{least(found, whole)}")
    print(f"  {first['statements']} SQL statements, the engine's among them")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, nargs="+", default=[300, 5000])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--room", default=None, help="where the site is made (default: a temporary directory)")
    options = parser.parse_args()
    for entries in options.entries:
        with tempfile.TemporaryDirectory(prefix="goldroot-bench-", dir=options.room) as room:
            measure(Path(os.path.realpath(room)), entries, options.rounds)


if __name__ == "__main__":
    main()
