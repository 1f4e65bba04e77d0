"""The life of gold versions and images."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from goldroot.views.base import View


class RetirementFollows(View):
    """What follows from the retirement of a version."""

    was_current: bool = Field(description="whether clones were told to go to it")
    current: int | None = Field(description="where they are told to go after it; null: nowhere")
    on_it: tuple[str, ...] = Field(description="clones that are on it, and stay")
    under_way: tuple[str, ...] = Field(description="clones whose update to it goes on")


class _Version(View):
    image: str
    version: int
    number: int = Field(description="the older name of version")
    state: Literal["publishing", "published", "retired"]
    slot: str | None
    untested: bool
    published_at: str | None
    note: str
    digests: dict[str, str]
    plan: bool


class GoldRetired(_Version):
    """A version that is retired, or would be."""

    held_by: tuple[str, ...]
    follows: RetirementFollows


class GoldRestored(_Version):
    """A version whose retirement is taken back, or would be."""

    current: int = Field(description="where clones are told to go now")


class ImageDeleted(View):
    """An image that is removed, or would be."""

    image: str
    machines: tuple[str, ...]
    versions: tuple[int, ...] = Field(description="gold versions that had disks")
    disks: tuple[str, ...]
    plan: bool


class FileConverted(View):
    """A file that a conversion writes."""

    path: str
    why: str


class WriteRefused(View):
    """A write that a read-only root refused."""

    unit: str
    path: str = Field(description='"" where the journal names none')
    line: str
    todo: str


class BootChecked(View):
    """How a converted image booted with a root that it cannot write."""

    wrong: tuple[str, ...]
    refused: tuple[WriteRefused, ...]
    said: tuple[str, ...] = Field(description="lines of units that are not well, and the end of the console")


class ImageConverted(View):
    """An image that is converted, or would be."""

    image: str
    disks: tuple[str, ...]
    changes: tuple[FileConverted, ...]
    rebuild: tuple[str, ...] = Field(description="the command that makes the initial file systems again")
    notes: tuple[str, ...] = Field(description="what is left to a person")
    check: BootChecked | None
    plan: bool
