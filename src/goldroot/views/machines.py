"""The machines of servers: whether they run, and from what."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from goldroot.views.base import View
from goldroot.views.clones import NetworkShown
from goldroot.views.errors import CloneFailed
from goldroot.views.plans import ZvmPlan


class MachineRow(View):
    """The machine of a clone as the list of them shows it."""

    clone: str
    name: str = Field(description="the older name of clone")
    machine: str = Field(description="what the host calls it")
    image: str
    version: int
    host: str
    power: Literal["off", "on", "changing", "unknown"]
    runs: Literal["current", "older", "unknown", "nothing"] = Field(
        description="whether it runs from the disks that it would start from now"
    )
    why: str = Field(description="from what that is known, for people")
    since: str = Field(description="when it was started, empty where that is not known")
    addresses: tuple[str, ...] = Field(description="of its links as it runs, with their prefix lengths")
    ports: tuple[str, ...] = Field(description="of its host that lead into it: [ADDRESS:]PORT:PORT-OF-THE-SERVER")
    error: str = Field(description="why nothing is known, empty where it is")


class MachinesListed(View):
    """The machines of servers."""

    machines: tuple[MachineRow, ...]


class MachineStarted(MachineRow):
    """A machine that runs now, or would be started."""

    started: bool = Field(False, description="false: it ran already; missing in a plan")


class MachinesStarted(View):
    """Machines that were started, or would be."""

    machines: tuple[MachineStarted, ...]
    failed: tuple[CloneFailed, ...]
    plan: bool
    commands: tuple[ZvmPlan, ...] = Field((), description="with --commands")


class MachineStopped(View):
    """A machine that does not run any more."""

    clone: str
    name: str = Field(description="the older name of clone")
    ended: Literal["off", "asked", "pressed", "killed"] = Field(
        description="off: it was already; asked, pressed: it shut down; killed: it did not"
    )


class MachinesStopped(View):
    """Machines that were stopped."""

    machines: tuple[MachineStopped, ...]
    failed: tuple[CloneFailed, ...]
    plan: Literal[False]


class MachinesStopPlanned(View):
    """Machines that would be stopped."""

    machines: tuple[MachineRow, ...]
    failed: tuple[CloneFailed, ...]
    plan: Literal[True]
    commands: tuple[ZvmPlan, ...] = Field((), description="with --commands")


class MachineNetwork(View):
    """What joins a server to others, or would."""

    clone: str
    name: str = Field(description="the older name of clone")
    network: NetworkShown
    before: NetworkShown
    runs: bool = Field(description="whether its machine runs: then it holds from the next start on")
    plan: bool


class MachineConsole(View):
    """The last lines of a machine's console."""

    clone: str
    name: str = Field(description="the older name of clone")
    lines: tuple[str, ...]
