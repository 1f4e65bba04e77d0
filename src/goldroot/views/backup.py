"""Backups of a site."""

from __future__ import annotations

from pydantic import Field

from goldroot.views.base import View
from goldroot.views.doctor import DoctorReport


class BackupMade(View):
    """A backup that was written, or would be."""

    file: str
    made_at: str = Field(description="UTC in ISO 8601; the catalog in it is of that time")
    files: int
    bytes: int
    catalog: bool = Field(description="whether the catalog is in it")
    left_out: tuple[str, ...] = Field(description="what belongs to the site and is not in it, for people")
    plan: bool


class BackupRestored(View):
    """A backup that was put back, or would be; paths are relative to the site."""

    file: str
    root: str = Field(description="of the site")
    made_at: str = Field(description="when the backup was made; UTC in ISO 8601")
    put: tuple[str, ...] = Field(description="files that were missing")
    replaced: tuple[str, ...] = Field(description="files that were damaged, and the catalog that was there")
    kept: tuple[str, ...] = Field(description="files that are otherwise than in the backup, and stay")
    refused: tuple[str, ...] = Field(description="entries of the backup that do not fit the disks that are there")
    aside: str = Field(description="the directory with what was replaced; empty: nothing was")
    catalog: bool = Field(
        description="whether the catalog is the backup's now; false where the database that should have it is not empty"
    )
    plan: bool
    doctor: DoctorReport | None = Field(description="the comparison at the end; null for a plan")
