"""Answering a conflict: by what a person decided before, or by letting one side stand."""

from __future__ import annotations

from goldroot.conflicts import CLONE, CONTENT, GOLD, WITH_CONTENT, Conflict, Decision
from goldroot.kinds import ConflictKind
from goldroot.merge.compare.compare import Delta
from goldroot.merge.decide.verdict import CONFLICT, MERGED, Setting, Verdict


def conflict_at(
    delta: Delta, setting: Setting, axis: str, kind: ConflictKind, values: tuple[bytes, bytes, bytes], detail: str
) -> Conflict:
    """The question about a path; the side that the policy prefers stands."""
    return Conflict(delta.place, axis, kind, values, stands=setting.prefer, detail=detail, secret=delta.rule.secret)


def settle_conflict(
    verdict: Verdict, conflict: Conflict, setting: Setting, *, own: bool = False
) -> tuple[str, bytes | None]:
    """Answer a conflict by a remembered decision, or let it stand.

    :param own: whether content of a person's own is an answer here, on an axis that has contents.
    :returns: the answer in force (CLONE, GOLD or CONTENT) and, for CONTENT, its bytes.
    """
    axis = conflict.axis
    decision = setting.decisions.get(conflict.key)
    trouble = _trouble(decision, conflict, own and axis in WITH_CONTENT)
    if decision is None or trouble:
        verdict.conflicts.append(conflict.unanswered(trouble))
        verdict.axes[axis] = CONFLICT
        return conflict.stands, None
    verdict.axes[axis] = decision.take if decision.take in (CLONE, GOLD) else MERGED
    verdict.decided[axis] = decision.take
    return decision.take, decision.content


def _trouble(decision: Decision | None, conflict: Conflict, own: bool) -> str:
    """Why a remembered answer cannot be used; "" where it can, or there is none."""
    if decision is None or decision.take in conflict.answers:
        return ""
    if decision.take != CONTENT:
        return f"{decision.take!r} is none of its answers"
    return "" if own and decision.content is not None else "it takes no value of one's own"
