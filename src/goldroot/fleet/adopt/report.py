"""What was found of a server as data, for people and programs: the fields of the view ``clone-adopted``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from goldroot.fleet.adopt.found import Found
from goldroot.system import PackageChange
from goldroot.tree import Note, path_text

Report = dict[str, Any]


def report_of(found: Found, name: str, hostname: str, notes: Iterable[Note]) -> Report:
    """Everything that is said of an adoption, but for what a later look adds."""
    gold, lost, beside = found.gold, found.lost, found.packages
    accounts = found.plan.accounts
    return {
        "clone": name, "image": gold.image, "version": gold.number, "host": gold.host_name, "source": found.source.shown,
        "hostname": hostname, "plan": False, "first": True,
        "versions": [{"version": one.number, "differ": one.differ, "by": one.by} for one in found.distances],
        "missing": _packages(beside.missing), "extra": _packages(beside.extra), "other": _packages(beside.other),
        "lost": [
            {"path": path_text(b"/" + one.path), "what": one.what, "package": one.package, "count": one.count}
            for one in lost.named
        ],
        "made": lost.made, "pages": lost.pages,
        "own": [
            {"path": path_text(one.path), "what": one.what, "axes": list(one.axes), "count": one.count}
            for one in found.changes
        ],
        **{which: list(map(path_text, found.named(which))) for which in ("updated", "both", "arrived", "removed", "dropped", "behind")},
        "renumbered": {
            f"{one.table} {os.fsdecode(one.name)}": f"{one.clone} -> {one.number}"
            for one in (accounts.renumbered if accounts is not None else ()) if one.clone not in (None, one.number)
        },
        "questions": [
            {
                "key": one.key, "path": path_text(one.path), "axis": one.axis, "kind": one.kind, "stands": one.stands,
                "detail": one.detail,
            }
            for one in found.conflicts
        ],
        "notes": [{"kind": one.kind, "path": path_text(one.path), "text": one.text} for one in notes],
        "new": [], "kept": [],
    }  # fmt: skip


def needs_a_look(report: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> bool:
    """Whether anything does not come along, is asked, or was not taken, which was not so at an earlier look.

    :param before: what was said then.
    """
    was = before or {}
    return bool(report["kept"]) or any(
        one not in was.get(which, ()) for which in ("lost", "extra", "questions", "both") for one in report[which]
    )


def _packages(changes: Iterable[PackageChange]) -> list[dict[str, str]]:
    return [{"name": one.name, "server": one.old, "gold": one.new} for one in changes]
