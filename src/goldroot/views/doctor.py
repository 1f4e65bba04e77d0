"""What is wrong with a site, and what was done about it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from goldroot.views.base import View

FindingKind = Literal[
    "catalog-missing", "catalog-damaged", "journal-damaged", "key-missing", "signers-missing", "host-unknown", "host-silent",
    "entry-damaged", "entry-missing", "machine-unknown", "clone-unknown", "clone-other", "clone-gone", "clone-behind",
    "host-older", "image-unknown", "image-gone", "system-missing", "gold-unknown", "gold-gone", "gold-unsigned", "gold-papers",
    "gold-copied", "gold-changed", "cut-off", "disk-missing", "disk-damaged", "disk-unnamed", "disk-foreign", "register-behind",
    "leftover", "record-damaged",
]  # fmt: skip


class DoctorFinding(View):
    """One thing that is wrong."""

    kind: FindingKind
    name: str = Field(description="of what it is about: a clone, an image, an entry, a disk, a file")
    host: str = Field(description="empty where it is about none")
    text: str = Field(description="one sentence for people")
    meaning: str = Field(description="what it means, for people")
    repair: str = Field(description="what goldroot doctor --repair does about it; empty: nothing")
    command: str = Field(description="what a person can do instead, or has to; empty: nothing")
    removes: str = Field(description="the disk that goes with the repair, only where --remove names it; empty: none")
    outcome: Literal["found", "repaired", "failed"]
    error: str = Field(description="why a repair failed")


class DoctorReport(View):
    """Everything that is wrong with a site."""

    sound: bool = Field(description="whether nothing is wrong, or nothing is any more")
    findings: tuple[DoctorFinding, ...]
    kept: tuple[str, ...] = Field(description="files that were replaced, under the names that they have now")
    busy: tuple[str, ...] = Field(description="locks of what commands work on: it was left out")
