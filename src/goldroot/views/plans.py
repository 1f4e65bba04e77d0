"""What is sent to z/VM, told beforehand; it stands in the plans of other commands, too."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from goldroot.views.base import View


class ZvmLine(View):
    """One call or command."""

    where: Literal["SMAPI", "DIRMAINT", "CP", "Linux", "edit"]
    text: str


class ZvmStep(View):
    """A part of a plan."""

    what: str
    calls: tuple[ZvmLine, ...]
    by_hand: tuple[ZvmLine, ...] = Field(description="the same without SMAPI")
    entry: str = Field(description="user ID of the directory entry that changes; empty for none")
    diff: tuple[str, ...] = Field(description="records removed (-) and added (+); passwords masked")
    back: str = Field(description="how it is undone")


class ZvmPlan(View):
    """What an operation sends to z/VM; a file of it is what `goldroot zvm plan check` takes."""

    form: int
    kind: str
    user: str
    steps: tuple[ZvmStep, ...]
    after: dict[str, str] = Field(description="address -> what has to stand there afterwards")
