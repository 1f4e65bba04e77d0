"""The drift report: what a server has changed against its own gold, by path and by class."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from goldroot.catalog import Clone
from goldroot.fleet.inputs import (
    Disks,
    Stage,
    disk_side,
    gold_side,
    open_clone,
    plan_sides,
    policy_of,
    shown_notes,
    silent,
)
from goldroot.fleet.update.open_update import active_clone
from goldroot.image import Gold, open_version
from goldroot.merge import make_record, redact_diff
from goldroot.policy import Policy, Rule
from goldroot.site import Site
from goldroot.system import read_path
from goldroot.tree import path_bytes, path_text


@dataclass(frozen=True)
class Drift:
    """The differences of a clone to its gold; ``entries`` are those of a merge record, state units as one each."""

    clone: Clone
    entries: list[dict[str, Any]]
    gold: Gold
    disks: dict[str, str]
    policy: Policy
    #: What of the view of a running server is to be told: paths that were gone, or written, while it was read.
    notes: Sequence[str] = field(default=(), kw_only=True)

    @property
    def by_class(self) -> dict[str, int]:
        """How many differences there are of each class of the policy."""
        return dict(sorted(Counter(entry["rule"]["class"] for entry in self.entries).items()))

    @property
    def other(self) -> str:
        """What it is compared with, for people."""
        return f"{self.gold.image} {self.gold.number}"

    def open_other(self) -> AbstractContextManager[Disks]:
        """What it is compared with, open for the block."""
        return self.gold.open(self.disks)

    def as_dict(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "clone": self.clone.name, "image": self.clone.image, "version": self.clone.version,
            "classes": self.by_class, "entries": self.entries, "notes": list(self.notes),
        }  # fmt: skip


def find_drift(site: Site, name: str, below: list[str] | None = None, *, stage: Stage = silent) -> Drift:
    """Compare a clone's own disks with its gold, owners as names.  It changes nothing.

    :param below: only these paths and what is below them (absolute).
    """
    clone = active_clone(site, name)
    gold = open_version(site, clone.image, clone.version, clone.host)
    policy = policy_of(site, clone.image)
    with open_clone(site, clone) as server, gold.open() as opened:
        own = disk_side(site, server, policy, writers="live", stage=stage)
        base = gold_side(gold, opened, server.ids)
        # A merge in which gold did not move: what it finds is what the clone has changed.
        record = make_record(plan_sides((base, base, own), policy))
        disks = dict(server.ids)
    told = shown_notes([note for note in own.notes if note.kind in _OF_A_VIEW])
    return Drift(clone, differences(record, below, policy), gold, disks, policy, notes=told)


#: Notes that say how good the view of a server was.
_OF_A_VIEW = ("read-through-itself", "vanished", "changed-while-read")

#: What the next merge does with a difference of a server.
STAYS, MERGED, OVERWRITTEN, MADE_AGAIN = "stays", "merged", "overwritten", "made again"
#: Class -> that, where the rule has not more to say.
_NEXT = {
    "config": MERGED, "opaque": MERGED, "lines": MERGED, "accounts": MERGED, "state": STAYS, "clone": STAYS,
    "identity": STAYS, "gold": OVERWRITTEN, "cache": OVERWRITTEN, "generated": MADE_AGAIN,
}  # fmt: skip


def differences(record: dict[str, Any], below: list[str] | None, policy: Policy) -> list[dict[str, Any]]:
    """What a merge in which gold did not move found to be otherwise; of these paths, where they are given."""
    tops = [_as_shown(path) for path in below or ()]
    entries = [entry for entry in record["entries"] if entry["axis"] != "cache" and _wanted(entry["path"], tops)]
    return [{**_drifted(entry), "next": _next(policy.match(path_bytes(entry["path"])))} for entry in entries]


def _next(rule: Rule) -> str:
    """What the next merge does with what the server has otherwise."""
    if rule.pin:
        return STAYS
    return OVERWRITTEN if rule.always == "gold" else _NEXT[rule.cls]


def _wanted(path: str, below: Sequence[str]) -> bool:
    return not below or any(path == top or path.startswith(top.rstrip("/") + "/") for top in below)


def _as_shown(path: str) -> str:
    """A path of a command line as records have it: as it was copied from one, or with bytes that are not UTF-8 as they are."""
    return path_text(os.fsencode(path)) if not path.isprintable() else path


def _drifted(entry: dict[str, Any]) -> dict[str, Any]:
    """Without gold's and the result's side, which say the same as base's and the clone's."""
    kept = {key: value for key, value in entry.items() if key not in ("gold", "result", "outcome", "changed")}
    return {**kept, "change": _change(entry)}


def _change(entry: dict[str, Any]) -> str:
    if entry["axis"] == "unit":
        return "state"
    base, clone = entry.get("base"), entry.get("clone")
    if base is None or clone is None:
        return "added" if base is None else "removed"
    if base["kind"] != clone["kind"]:
        return "type"
    words = [axis for axis in ("hash", "target", "device") if base.get(axis) != clone.get(axis)]
    words = ["content"] if words else []
    words += [axis for axis in ("mode", "owner", "group", "xattrs", "flags") if base.get(axis) != clone.get(axis)]
    return ", ".join(words) or entry["axis"]


def drift_patch(site: Site, found: Drift, *, exact: bool = False) -> dict[str, list[str]]:
    """The lines to show for each entry that has content on both sides or one: redacted where it is secret.

    :param exact: as they are, for a file; without it what a terminal would act upon is escaped.
    """
    with open_clone(site, found.clone) as server, found.open_other() as other:
        return _patch(found, other, server.opened, exact=exact)


def _patch(found: Drift, other: Disks, own: Disks, *, exact: bool) -> dict[str, list[str]]:
    shown = {}
    for entry in found.entries:
        if entry["axis"] == "unit":
            continue
        place = path_bytes(entry["path"])
        path = place.lstrip(b"/")
        address = found.gold.layout.disk_of(path).address
        if address not in found.disks:
            continue
        old, new = read_path(other[address].path, path), read_path(own[address].path, path)
        if lines := redact_diff(place, old, new, found.policy.match(place), exact=exact):
            shown[entry["path"]] = lines
    return shown
