"""What a server has otherwise than its gold, or than what is kept of it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from goldroot.views.base import View
from goldroot.views.record import RuleUsed, SideOfPath


class DifferentPath(View):
    """One path; a state unit is one."""

    path: str
    change: str = Field(description="added, removed, type, state, or what is otherwise: content, mode, owner ...")
    axis: str
    axes: dict[str, str]
    rule: RuleUsed
    next: Literal["stays", "merged", "overwritten", "made again"] = Field(
        description="what the next update does with it: overwritten, the server's is lost"
    )
    base: SideOfPath | None = Field(None, description="the old side: gold's, or what is kept")
    clone: SideOfPath | None = Field(None, description="what is live")
    notes: tuple[str, ...] = ()
    because: str | None = Field(None, description="the path above it that decided")


class CloneDiff(View):
    """What a server has changed against its gold."""

    clone: str
    image: str
    version: int
    classes: dict[str, int] = Field(description="differences for each class of the policy")
    entries: tuple[DifferentPath, ...]
    notes: tuple[str, ...] = Field((), description="what was gone or written while a running server was read")
    patch: dict[str, list[str]] = Field(default_factory=dict, description="with --patch: path -> lines")


class FallbackDiff(CloneDiff):
    """What a server has otherwise than what is kept of it; ``version`` is that of what is kept."""

    fallback: int
