"""Commands that are run in systems, and steps that would be taken."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from goldroot.views.base import View


class CommandDone(View):
    """A command that was run in a system."""

    status: int = Field(description="its exit status; of one that a signal ended 128 and the signal's number")
    out: str
    err: str
    confined: Literal["user", "shift", "caps", ""] = Field(
        "", description="how it was kept from this machine; missing for one in a running machine"
    )
    why: str = Field("", description="why not in a stricter way; empty where there is none")


class CommandPlanned(View):
    """A command that would be run in the system of a clone."""

    clone: str
    machine: str
    command: tuple[str, ...] = Field(description="empty for a shell")
    power: Literal["off", "on", "changing", "unknown"] = Field("off", description="of the machine that it would run in")
    plan: Literal[True]


class DiskMounted(View):
    """A disk, and where it stands in a system that is put together."""

    path: str
    disk: str = Field(description="its place on the host")


class MaintenancePlanned(View):
    """A command that would be run in a maintenance or test system."""

    image: str
    machine: str
    mounts: tuple[DiskMounted, ...]
    command: tuple[str, ...] = Field(description="empty for a shell")
    plan: Literal[True]


class StepsPlanned(View):
    """What would be done, in words."""

    image: str
    steps: tuple[str, ...]
    plan: Literal[True]
