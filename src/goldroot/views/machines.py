"""The machines of servers: whether they run, and from what."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from goldroot.views.base import View


class MachineRow(View):
    """The machine of a clone as the list of them shows it."""

    name: str = Field(description="of the clone")
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
    addresses: list[str] = Field(description="of its links as it runs, with their prefix lengths")
    ports: list[str] = Field(description="of its host that lead into it: [ADDRESS:]PORT:PORT-OF-THE-SERVER")
    error: str = Field(description="why nothing is known, empty where it is")
