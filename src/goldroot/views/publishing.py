"""What is looked at before gold is published, and what was published."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from goldroot.views.base import View
from goldroot.views.images import NoteShown
from goldroot.views.plans import ZvmPlan


class GoldFinding(View):
    """Something that should not go to every server."""

    what: str = Field(description="the kind of finding, which --accept takes")
    name: str = Field(description="its own name, which --accept takes, too")
    text: str


class CheckFound(View):
    """What a check of a maintenance system found."""

    refused: tuple[GoldFinding, ...]
    known: tuple[GoldFinding, ...] = Field(description="the version before has them, too")
    accepted: tuple[GoldFinding, ...]
    broken: tuple[str, ...] = Field(description="what the system points at and does not have, in words")
    leftovers: tuple[str, ...] = Field(description="files that maintenance left behind")
    cleaned: int = Field(description="files that were removed, with --clean")


class DoubtfulPath(View):
    """A path that may tie a system to one host."""

    path: str
    text: str


class GoldChecked(CheckFound):
    """What a check of a maintenance system found, before it is published."""

    image: str
    ties: tuple[str, ...] = Field(description="what ties it to one host, in words")
    doubtful: tuple[DoubtfulPath, ...]


class _Publish(View):
    image: str
    fingerprint: str
    untested_forms: tuple[Literal["read-only", "read-write"], ...]
    slot: str | None = Field(description="the slot that it takes; null or empty where none is free")
    leaves: int | None = Field(description="the version that leaves the slot for it")
    full: str = Field(description="why no slot is free; empty where one is")
    renumbered: tuple[str, ...] = Field(description="accounts that get another number, in words")
    collisions: tuple[str, ...] = Field(description="local accounts of servers that would collide, in words")
    packages: int
    entries: dict[str, int] = Field(description="address of a disk -> entries on it")
    notes: tuple[NoteShown, ...]
    equals: int | None = Field(description="the version that it is nothing but; null where it is new")
    check: CheckFound
    ties: tuple[str, ...]


class GoldPublishPlanned(_Publish):
    """What a publish would do."""

    plan: Literal[True]
    commands: tuple[ZvmPlan, ...] = Field((), description="with --commands")


class GoldPublished(_Publish):
    """A gold version that was published, or the version that it is nothing but."""

    version: int
    number: int = Field(description="the older name of version")
    state: Literal["publishing", "published", "retired"]
    untested: bool
    published_at: str | None
    note: str
    digests: dict[str, str] = Field(description="address of a disk -> digest of its manifest")
    new: bool
