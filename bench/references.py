"""What looking up the server's links costs: processor seconds of a plan, and of that the links'.

    python bench/references.py [--links 5000 ...] [--room DIR] [--runs 3]

A server with so many links out of its sites into ``/usr/share``, of which gold took a tenth away, is planned.  Every figure is
the least of the runs, warm, by the processor's clock: other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

from goldroot.merge import Options, Trees, plan_trees
from goldroot.merge.refer.refer import Broken, Referrer


def make(root: Path, files: int, gone: bool, links: int) -> None:
    for number in range(files):
        place = root / f"usr/share/x{number % 50}/{number}"
        place.parent.mkdir(parents=True, exist_ok=True)
        if not (gone and number % 10 == 0):
            place.write_text("x")
    for number in range(links):
        place = root / f"srv/site{number % 50}/link{number}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(f"/usr/share/x{number % 50}/{number}")


def planned(room: Path, runs: int) -> tuple[float, float]:
    """(of the plan, of looking up its links)."""
    spent = [0.0]
    look = Referrer.look_at_links

    def timed(referrer: Referrer) -> list[Broken]:
        start = time.process_time()
        found = look(referrer)
        spent[0] = time.process_time() - start
        return found

    Referrer.look_at_links = timed  # type: ignore[method-assign]
    least = 1e9, 1e9
    for _ in range(runs):
        start = time.process_time()
        plan_trees(Trees(room / "base", room / "gold", room / "clone"), options=Options(jobs=1))
        least = min(least[0], time.process_time() - start), min(least[1], spent[0])
    Referrer.look_at_links = look  # type: ignore[method-assign]
    return least


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--links", type=int, nargs="*", default=[5000, 20000])
    parser.add_argument("--room", help="where the trees are made; default: the place of temporary files")
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    for links in given.links:
        with tempfile.TemporaryDirectory(prefix="goldroot-bench-", dir=given.room) as name:
            room = Path(name)
            for word, gone, own in (("base", False, 0), ("gold", True, 0), ("clone", False, links)):
                make(room / word, links, gone, own)
            whole, looking = planned(room, given.runs)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{links:,} links")
        print(f"  the plan             {whole:6.2f} s")
        print(f"  of that the links    {looking:6.2f} s")
        print(f"  each link            {looking / links * 1e6:6.1f} us")
        print(f"  peak memory          {peak:6.0f} MB")


if __name__ == "__main__":
    main()
