"""Updates and rollbacks: what one would do, what became of one, and where those in flight stand."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from goldroot.views.base import View
from goldroot.views.errors import CloneFailed
from goldroot.views.plans import ZvmPlan
from goldroot.views.record import ConflictKindField, Record

UpdateKind = Literal["update", "rollback"]


class UsedAnswer(View):
    """A remembered answer that a merge uses."""

    key: str = Field(description="the name of the question, alike on every server")
    path: str = Field(description="empty where an older goldroot remembered it and its question is not known")
    axis: str
    take: str = Field(description="server, gold, or another answer; content where a person wrote it")
    size: int | None = Field(description="bytes of a person's own content; null for another answer")
    who: str
    decided_at: str
    note: str


class Decision(UsedAnswer):
    """A remembered answer as the list of them shows it."""

    image: str
    used_by: tuple[str, ...] = Field(description="the servers of which a merge used it")


class DecisionsForgotten(View):
    """Remembered answers that are forgotten, or would be."""

    forgotten: tuple[Decision, ...]
    plan: bool


class DecisionsChanged(View):
    """Remembered answers to which another one was given, or would be."""

    clone: str
    changed: tuple[Decision, ...] = Field(description="as they are now")
    plan: bool


class UpdatePlan(View):
    """What moving a server to a version would do: the record that its merge would have."""

    clone: str
    image: str
    from_: int = Field(alias="from")
    to: int
    record: Record
    answers: tuple[UsedAnswer, ...] = Field(description="remembered answers that it uses")
    stays: str = Field(description="why the server stays on a version that was retired, empty where that is not so")


class GroupedConflict(View):
    """A conflict that plans of several servers have, its text once."""

    path: str
    axis: str
    kind: str = ConflictKindField
    detail: str
    answers: tuple[str, ...]
    stands: str = Field(description="the answer that is in force until somebody decides")
    secret: bool
    clones: dict[str, tuple[str, ...]] = Field(
        description="key of a question -> servers; one answer serves all of a key"
    )


class UpdateOutcome(View):
    """What one run for one server came to."""

    clone: str
    outcome: Literal["done", "needs-review", "nothing-to-do"]
    update: int = Field(description="its number; 0 where there was nothing to do")
    from_: int = Field(alias="from")
    to: int
    from_version: int = Field(0, description="the older name of from")
    to_version: int = Field(0, description="the older name of to")
    conflicts: int = Field(0, description="questions that nobody has answered yet")
    record: str = Field("", description="the path of the record, empty without a merge")
    failed_rebuilds: dict[str, str] = Field(default_factory=dict, description="command -> why it failed")
    not_compared: tuple[str, ...] = Field(
        (), description="servers whose identity is not known: they may have this one's"
    )
    shared: tuple[str, ...] = Field(
        (), description="files that should be this server's alone, and another one has, too"
    )
    dangling: tuple[str, ...] = Field((), description="links beside what was made again that lead to nothing any more")
    merged_again: int = Field(
        0, description="paths that the running server wrote meanwhile, and that were merged again"
    )
    health: str = Field("", description="good, or at next start; empty where the host starts no machines")
    different: tuple[str, ...] = Field((), description="what the trial found otherwise, and no worse")
    stays: str = Field("", description="why the server stays on a version that was retired")
    answers: tuple[UsedAnswer, ...] = Field((), description="remembered answers that its merge used")
    pruned: tuple[str, ...] = Field(
        (), description="fallbacks that went, as there were more than the site keeps, in words"
    )


class UpdateRow(View):
    """An update or rollback as the list of them shows it."""

    id: int
    clone: str
    kind: UpdateKind
    from_: int = Field(alias="from")
    to: int
    state: str = Field(description="also stopping, switched, starting, returning and returned")
    open_conflicts: int
    changed_at: str = Field(description="when that state was reached")
    record: str
    error: str = Field(description="what the last attempt ran into, or why the server went back")
    reason: str = Field(description="why it stands as it stands, a short sentence; empty where there is nothing to add")


class UpdatePlans(View):
    """What moving servers to a version would do."""

    plans: tuple[UpdatePlan, ...]
    conflicts: tuple[GroupedConflict, ...] = Field(description="of all plans, each once")
    failed: tuple[CloneFailed, ...]
    commands: tuple[ZvmPlan, ...] = Field((), description="with --commands")


class UpdatesRun(View):
    """What the updates of servers came to."""

    clones: tuple[UpdateOutcome, ...]
    failed: tuple[CloneFailed, ...]
    unfinished: tuple[str, ...] = Field(description="servers at which the command was interrupted")
    not_begun: tuple[str, ...]


class UpdateCancelled(View):
    """An update or rollback that was given up, or would be."""

    clone: str
    id: int
    kind: UpdateKind
    state: str


class UpdatesCancelled(View):
    """Updates and rollbacks that were given up, or would be."""

    updates: tuple[UpdateCancelled, ...]
    failed: tuple[CloneFailed, ...]
    plan: bool


class RollbackOutcome(UpdateOutcome):
    """What one way back came to."""

    written_since: tuple[str, ...] = Field(
        description="what was written to the disks that were live, after their switch"
    )


class RollbacksRun(View):
    """What the ways back of servers came to."""

    clones: tuple[RollbackOutcome, ...]
    failed: tuple[CloneFailed, ...]


class RollbackPlan(View):
    """What the way back of a server would do."""

    clone: str
    from_: int = Field(alias="from")
    to: int
    fallback: int
    disks: dict[str, str] = Field(description="live address -> id of the disk that becomes live again")
    written_since: tuple[str, ...]


class RollbackPlans(View):
    """What the ways back of servers would do."""

    plans: tuple[RollbackPlan, ...]
    failed: tuple[CloneFailed, ...]
    commands: tuple[ZvmPlan, ...] = Field((), description="with --commands")
