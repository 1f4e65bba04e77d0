"""The whole fleet, and what happened."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from goldroot.views.base import View
from goldroot.views.updates import UpdateRow


class ImageStatus(View):
    """An image, and where its servers are."""

    image: str
    version: int | None = Field(description="the current gold version; null where none is published")
    clones: int
    current: int = Field(description="clones that are on it")
    others: dict[str, int] = Field(description="other version -> clones that are on it")
    free_slots: int


class InFlight(UpdateRow):
    """An update or rollback that has not ended."""

    worked_on: bool = Field(description="whether a command works on it at this moment; else it waits")


class Waiting(View):
    """Something that waits for a person."""

    kind: Literal["review", "error", "go-on", "cut-off"]
    name: str = Field(description="of a clone or an image")
    text: str
    command: str = Field(description="what goes on with it")


class Expiring(View):
    """Something that is kept for the way back, and not for long any more."""

    clone: str
    fallback: int
    version: int
    state: Literal["kept", "set-aside"]
    kept_until: str
    due: bool


class FleetStatus(View):
    """What is in flight, what waits for a person, what is about to expire."""

    images: tuple[ImageStatus, ...]
    clones: int
    in_flight: tuple[InFlight, ...]
    waits: tuple[Waiting, ...]
    expiring: tuple[Expiring, ...]


class EventRow(View):
    """One thing that happened."""

    id: int
    at: str = Field(description="UTC in ISO 8601")
    what: str
    kind: Literal["clone", "image", "site"] = Field(description="what it happened to")
    name: str = Field(description="of the clone or image; empty for the site")
    text: str = Field(description="the same for people, without the name")
    data: dict[str, Any]
