"""Merge three trees given as tables and look at what came out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goldroot.conflicts import Decision
from goldroot.merge import Options, Trees, merge_trees
from goldroot.policy import Policy
from goldroot.views import read_record
from support.trees import Node, Seen, dump_tree, make_tree

Table = Mapping[str, Node]


@dataclass(frozen=True)
class Outcome:
    """The record and the resulting tree of one merge."""

    record: Mapping[str, Any]
    tree: dict[str, Seen]
    out: Path

    def entry(self, path: str) -> dict[str, Any]:
        """The record's entry for an absolute path."""
        found = [entry for entry in self.record["entries"] if entry["path"] == path]
        assert len(found) == 1, f"{len(found)} entries for {path}: {[e['path'] for e in self.record['entries']]}"
        return found[0]

    def text(self, path: str) -> str:
        """A file of the result as text."""
        return self.tree[path].content.decode()

    def notes(self, kind: str) -> list[str]:
        """The paths of all notes of a kind."""
        return [note["path"] for note in self.record["notes"] if note["kind"] == kind]

    def decide(self, take: str) -> dict[str, Decision]:
        """The same answer to every conflict that is left."""
        return {conflict["key"]: Decision(take) for conflict in self.record["conflicts"]}

    @property
    def conflicts(self) -> list[tuple[str, str]]:
        """(path, axis) of every conflict that is left."""
        return [(conflict["path"], conflict["axis"]) for conflict in self.record["conflicts"]]


def merge_tables(
    room: Path, base: Table, gold: Table, clone: Table, *, at: str = "/", policy: str = "", out: str = "out",
    decisions: Mapping[str, Decision] | None = None, after: Outcome | None = None,
) -> Outcome:  # fmt: skip
    """Write the three tables below ``room`` (once), merge them, and read the result."""
    roots = {}
    for word, table in (("base", base), ("gold", gold), ("clone", clone)):
        roots[word] = room / word
        if not roots[word].exists():
            make_tree(roots[word], table)
    return merge_directories(room, roots, at=at, policy=policy, out=out, decisions=decisions, after=after)


def merge_directories(
    room: Path, roots: Mapping[str, Path], *, at: str = "/", policy: str = "", out: str = "out",
    decisions: Mapping[str, Decision] | None = None, after: Outcome | None = None,
) -> Outcome:  # fmt: skip
    """Merge the directories ``base``, ``gold`` and ``clone`` into ``room/out``; ``after``: the server's last merge."""
    rules = Policy.parse(policy.encode(), "policy.toml") if policy else Policy.default()
    target = room / out
    last = None
    if after is not None:
        last = room / f"{out}-after.json"
        last.write_text(json.dumps(after.record))
    trees = Trees(roots["base"], roots["gold"], roots["clone"], at)
    record = merge_trees(trees, target, rules, decisions, options=Options(jobs=1, after=last))
    # What every merge of the tests writes is what the published shape says, to the last field.
    assert read_record(json.dumps(record.data).encode()).as_json() == record.data
    return Outcome(record.data, dump_tree(target), target)
