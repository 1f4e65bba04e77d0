#!/usr/bin/env python3
"""How far one ``update run`` goes through the code: its modules, and the deepest stack of our frames.

    python tools/update_path.py [--names]

A small site is made in a temporary directory and its one clone is moved; ``sys.setprofile`` notes every function of
goldroot that is entered between the command and the switch's end.  A module is counted when one of its functions
is entered; importing it is not enough.  ``--names`` prints the modules and the deepest stack.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import tempfile
from types import FrameType
from typing import Any

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.join(os.path.dirname(HERE), "src")
OURS = os.path.join(SOURCE, "goldroot") + os.sep
sys.path[:0] = [SOURCE, os.path.join(os.path.dirname(HERE), "tests")]


class Path:
    """What was entered; :meth:`hear` is for sys.setprofile."""

    def __init__(self) -> None:
        self.modules: set[str] = set()
        self.deepest: list[str] = []
        self.over = False

    def hear(self, frame: FrameType, what: str, _: Any) -> None:
        """Note a call."""
        if what != "call" or self.over or not frame.f_code.co_filename.startswith(OURS):
            return
        name = frame.f_code.co_filename.removeprefix(OURS).removesuffix(".py")
        if frame.f_code.co_name != "<module>":
            self.modules.add(name)
        stack: list[str] = []
        at: FrameType | None = frame
        while at is not None:
            if at.f_code.co_filename.startswith(OURS):
                stack.append(f"{at.f_code.co_filename.removeprefix(OURS)}:{at.f_code.co_name}")
            at = at.f_back
        if len(stack) > len(self.deepest) and not any(one.endswith(":<module>") for one in stack):
            self.deepest = stack[::-1]


def watch(site: str) -> Path:
    """Move the clone ``web1`` of a site, and say what was passed until it is switched."""
    from goldroot import crash
    from goldroot.cli.failure import guarded
    from goldroot.cli.main import cli

    path, point = Path(), crash.point

    def passed(name: str) -> None:
        path.over = path.over or name == "update.switched"
        point(name)

    crash.point = passed
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            sys.setprofile(path.hear)
            try:
                status = guarded(cli, ["update", "run", "web1", "--site", site])
            finally:
                sys.setprofile(None)
    finally:
        crash.point = point
    if status or not path.over:
        raise SystemExit(f"update run ended with {status}, switched: {path.over}")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--names", action="store_true", help="print the modules and the deepest stack")
    options = parser.parse_args()
    from goldroot.fleet import clones
    from support.fleet import IMAGE, next_gold, on_clone, small_site

    with tempfile.TemporaryDirectory(prefix="goldroot-path-") as room:
        import pathlib

        site = small_site(pathlib.Path(room))
        clones.create_clone(site, "web1", IMAGE)
        on_clone(site, "web1", {"etc/plain.conf": "mine\n"})
        next_gold(site, {"etc/app.conf": "one = 2\n"})
        site.close()
        path = watch(site.root)
    if options.names:
        print(*sorted(path.modules), sep="\n")
        print(*(f"{depth:3} {place}" for depth, place in enumerate(path.deepest, 1)), sep="\n")
    print(f"{len(path.modules)} modules, {len(path.deepest)} frames")


if __name__ == "__main__":
    main()
