"""Images, their maintenance and their tests."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from goldroot.views.base import View
from goldroot.views.record import NoteKindField


class NoteShown(View):
    """Something that a person should know of a system that was read or written."""

    kind: str = NoteKindField
    path: str
    text: str


class ChangedPath(View):
    """A path that two systems have otherwise."""

    path: str
    what: Literal["added", "removed", "changed"]
    axes: tuple[str, ...] = Field(description="of a change: content, mode, owner, time ...")


class ImageRow(View):
    """An image as the list of them shows it."""

    image: str
    name: str = Field(description="the older name of image")
    host: str
    layout: str
    os: dict[str, str] = Field(description="of its os-release: id, version_id, pretty_name; and its architecture")
    created_at: str
    current: int | None = Field(description="the current gold version; null where none is published")
    slots: dict[str, int | None] = Field(description="slot -> the version in it; null for a free one")


class ImageImported(View):
    """An image that was made, or whose maintenance system was replaced."""

    image: str
    machine: str = Field(description="of the maintenance system")
    layout: str
    entries: dict[str, int] = Field(description="address of a disk -> entries on it")
    notes: tuple[NoteShown, ...]


class ImageRenamed(View):
    """An image that got another name, or would get it."""

    image: str = Field(description="its name now")
    before: str = Field(description="the name that it had")
    machines: tuple[str, ...] = Field(description="its systems and slots, which keep their names")
    clones: tuple[str, ...] = Field(description="servers that are made from it: they go on as they are")
    versions: tuple[int, ...] = Field(
        description="gold versions whose signed records keep the name that they were published under"
    )
    decisions: int = Field(description="remembered answers that hold for it")
    done: bool = Field(description="whether it had been done before")
    plan: bool


class FormTested(View):
    """The tests of a system in one form."""

    form: Literal["read-only", "read-write"]
    passed: bool
    log: str


class SystemTested(View):
    """What the tests of a maintenance system came to."""

    image: str
    passed: bool
    fingerprint: str = Field(description="of what was tested")
    forms: tuple[FormTested, ...]


class TakenBack(View):
    """What was taken back from a test system, or would be."""

    image: str
    plan: bool
    changes: tuple[ChangedPath, ...]
    notes: tuple[NoteShown, ...]


class FileConverted(View):
    """A file that a conversion writes."""

    path: str
    why: str


class WriteRefused(View):
    """A write that a read-only root refused."""

    unit: str
    path: str = Field(description="empty where the journal names none")
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
