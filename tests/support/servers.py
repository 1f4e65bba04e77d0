"""The merge program run on whole servers, and what came of it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from support.server import Server


@dataclass
class Merged:
    """Three servers, what came out, and the record."""

    base: Server
    gold: Server
    clone: Server
    result: Server
    record: dict[str, Any]

    @cached_property
    def entries(self) -> dict[str, dict[str, Any]]:
        return {unescaped(entry["path"]): entry for entry in self.record["entries"]}

    @cached_property
    def conflicts(self) -> set[tuple[str, str]]:
        return {(conflict["path"], conflict["axis"]) for conflict in self.record["conflicts"]}

    @property
    def releases(self) -> tuple[str, str]:
        """(old, new), as ``VERSION_CODENAME`` says."""
        return codename(self.base), codename(self.gold)


def codename(server: Server) -> str:
    lines = server.text("/usr/lib/os-release").splitlines()
    return next(line.partition("=")[2] for line in lines if line.startswith("VERSION_CODENAME="))


def unescaped(path: str) -> str:
    """A path of a record as the file system has it."""
    return path.encode("utf-8").decode("unicode_escape").encode("latin-1").decode("utf-8", "surrogateescape")


def goldroot(*args: str | Path) -> int:
    """Run the program; its exit code."""
    command = [sys.executable, "-c", "from goldroot.cli.main import main; raise SystemExit(main())", *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.returncode


def merge(base: Path, gold: Path, clone: Path, out: Path, *more: str | Path) -> Merged:
    """Merge three trees with the program itself."""
    report = out.with_suffix(".json")
    status = goldroot(
        "merge", "--base", base, "--gold", gold, "--clone", clone, "--into", out, "--report", report, *more
    )
    record = json.loads(report.read_text(errors="surrogateescape"))
    assert status == (1 if record["conflicts"] else 0)
    return Merged(Server(base), Server(gold), Server(clone), Server(out), record)
