"""What is kept for the way back."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from goldroot.views.base import View
from goldroot.views.errors import CloneFailed
from goldroot.views.plans import ZvmPlan


class FallbackRow(View):
    """A fallback, or the disks that a rollback set aside, as the list of them shows it."""

    id: int
    clone: str
    image: str
    version: int
    state: Literal["kept", "set-aside", "used", "pruned"]
    kept_until: str
    due: bool = Field(description="whether its date has passed")
    disks: dict[str, str] = Field(description="live address -> id of the disk")


class FallbackShown(FallbackRow):
    """Everything that is known of one."""

    created_at: str
    left_by: Literal["update", "rollback"]
    update: int = Field(description="number of the update or rollback that left it")
    live: int = Field(description="the gold version that the server is on now")
    written_since: tuple[str, ...] = Field(
        description="of set-aside disks: what was written to them after their switch"
    )


class FallbackTaken(View):
    """What was taken out of what is kept, or would be."""

    clone: str
    fallback: int
    path: str
    to: str
    paths: int
    notes: tuple[str, ...] = Field(description="what is otherwise than it was, in words")
    plan: bool


class FallbacksPruned(View):
    """What was kept and is removed for good, or would be."""

    pruned: tuple[FallbackRow, ...]
    failed: tuple[CloneFailed, ...]
    plan: bool
    commands: tuple[ZvmPlan, ...] = Field((), description="with --commands")


class FallbackMounted(View):
    """Disks that are kept, and that were mounted for a command, or would be."""

    clone: str
    fallback: int
    disks: dict[str, str] = Field(description="live address -> id of the disk")
    status: int = Field(0, description="exit status of the command; missing in a plan")
    plan: bool
