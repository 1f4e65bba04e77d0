"""Updates and rollbacks: what one would do, what became of one, and where those in flight stand."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from goldroot.views.base import View
from goldroot.views.record import Record

UpdateKind = Literal["update", "rollback"]


class UpdatePlan(View):
    """What moving a server to a version would do: the record that its merge would have."""

    clone: str
    image: str
    from_: int = Field(alias="from")
    to: int
    record: Record


class UpdateOutcome(View):
    """What one run for one server came to."""

    clone: str
    outcome: Literal["done", "needs-review", "nothing-to-do"]
    update: int = Field(description="its number; 0 where there was nothing to do")
    from_: int = Field(alias="from")
    to: int
    conflicts: int = Field(0, description="questions that nobody has answered yet")
    record: str = Field("", description="the path of the record, empty without a merge")
    failed_rebuilds: dict[str, str] = Field(default_factory=dict, description="command -> why it failed")
    health: str = Field("", description="good, or at next start; empty where the host starts no machines")
    different: list[str] = Field(default_factory=list, description="what the trial found otherwise, and no worse")
    pruned: list[str] = Field(
        default_factory=list, description="fallbacks that went, as there were more than the site keeps, in words"
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
