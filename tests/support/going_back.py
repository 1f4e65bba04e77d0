"""Plans of a way back: a rollback that carries the server's changes is held up by no new question."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from goldroot.accounts import AccountTables
from goldroot.merge import Part, Plan, Surroundings, Tree, plan_merge
from goldroot.policy import Policy
from goldroot.tree import scan_tree
from support.trees import Node, make_tree


def plan_back(room: Path, *tables: Mapping[str, Node]) -> Plan:
    """The plan for the trees of base, gold and clone, as on the way back."""
    roots = [make_tree(room / f"back-{number}", table) for number, table in enumerate(tables)]
    base, gold, clone = (Tree(str(root).encode(), scan_tree(root).manifest) for root in roots)
    nobody = AccountTables.of({})
    part = Part("tree", b"/", (base, gold, clone))
    return plan_merge([part], Policy.default(), (nobody, nobody, nobody), around=Surroundings(going_back=True))
