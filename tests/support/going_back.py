"""Plans of a way back: a rollback that carries the server's changes is held up by no new question."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from goldroot.accounts import AccountTables
from goldroot.conflicts import Decision, Decisions
from goldroot.merge import Part, Plan, Surroundings, Tree, plan_merge
from goldroot.policy import Policy
from goldroot.tree import scan_tree
from support.trees import Node, make_tree


def plan_back(room: Path, *tables: Mapping[str, Node]) -> Plan:
    """The plan for the trees of base, gold and clone, as on the way back."""
    roots = [make_tree(room / f"back-{number}", table) for number, table in enumerate(tables)]
    base, gold, clone = (Tree(str(root).encode(), scan_tree(root).manifest) for root in roots)
    return _plan(Part("tree", b"/", (base, gold, clone)), {})


def plan_again(plan: Plan, take: str) -> Plan:
    """The plan of the same trees once every question is answered with ``take``."""
    return _plan(plan.parts[0].part, {conflict.key: Decision(take) for conflict in plan.conflicts})


def _plan(part: Part, decisions: Decisions) -> Plan:
    nobody = AccountTables.of({})
    around = Surroundings(going_back=True)
    return plan_merge([part], Policy.default(), (nobody, nobody, nobody), decisions, around=around)
