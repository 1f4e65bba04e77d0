"""Three trees in, a plan out; text, accounts, policy; applying a plan; the record."""

from goldroot.merge.apply import apply_part
from goldroot.merge.decisions import load_decisions
from goldroot.merge.model import CLONE, CONTENT, GOLD, Conflict, Decision, Decisions, Note
from goldroot.merge.plan import PartPlan, Plan, plan_merge
from goldroot.merge.policy import Policy, Rule
from goldroot.merge.record import check_record_place, make_record, record_bytes, write_record
from goldroot.merge.standalone import Request, merge_trees, plan_trees, worth_reading
from goldroot.merge.survey import Part, Tree

__all__ = [
    "CLONE", "CONTENT", "GOLD", "Conflict", "Decision", "Decisions", "Note", "Part", "PartPlan", "Plan", "Policy",
    "Request", "Rule", "Tree", "apply_part", "check_record_place", "load_decisions", "make_record", "merge_trees",
    "plan_merge", "plan_trees", "record_bytes", "worth_reading", "write_record",
]  # fmt: skip
