"""A server that exists already and becomes a clone: what is, or would be, made of it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from goldroot.views.base import View


class VersionDistance(View):
    """How far a gold version is from the server."""

    version: int
    differ: int = Field(description="packages that differ, or files of the shared disks")
    by: Literal["packages", "content"]


class PackageBeside(View):
    """A package that the server and gold do not have alike."""

    name: str
    server: str = Field(description="the version on the server; empty where it is not installed")
    gold: str = Field(description="gold's version; empty where gold does not have it")


class LostPath(View):
    """A path of the shared disks that the server has otherwise, and that does not come along."""

    path: str
    what: Literal["changed", "added", "removed"] = Field(description="what the server had done to it")
    package: str = Field(description="whose it is by the server's package database; empty: nobody's")
    count: int = Field(description="of a directory that only the server has: the entries in it")


class OwnChange(View):
    """A path of its own disks that the server will have otherwise than gold; a state unit is one."""

    path: str
    what: Literal["added", "removed", "changed", "state"]
    axes: tuple[str, ...]
    count: int = Field(description="of a state unit: the paths in it that differ")


class AdoptedQuestion(View):
    """Something that a merge would ask: what stands is the server's, or what was proposed."""

    key: str
    path: str
    axis: str
    kind: str
    stands: str
    detail: str


class AdoptedNote(View):
    """Something that a person may want to know."""

    kind: str
    path: str
    text: str


class NewPath(View):
    """A path that is new on the server since it was last looked at."""

    path: str
    what: Literal["added", "removed", "changed"]


class CloneAdopted(View):
    """A server that was adopted, or would be."""

    clone: str
    image: str
    version: int = Field(description="the gold version that is its base")
    host: str
    kind: Literal["read-only", "read-write"] = Field(description="read-write: with copies of gold's shared disks")
    source: str
    hostname: str
    plan: bool
    first: bool = Field(description="false for a later look at the same server, which takes what is new there")
    versions: tuple[VersionDistance, ...] = Field(description="empty where the version was given")
    missing: tuple[PackageBeside, ...] = Field(description="packages that only gold has")
    extra: tuple[PackageBeside, ...] = Field(
        description="packages that only the server has: their programs do not come along"
    )
    other: tuple[PackageBeside, ...] = Field(description="packages that both have in other versions: gold's stands")
    lost: tuple[LostPath, ...]
    made: int = Field(
        description="files of the shared disks that differ and that programs make again; they are not named"
    )
    pages: int = Field(description="manual pages and the like that the server does not have; they are not named")
    own: tuple[OwnChange, ...]
    updated: tuple[str, ...] = Field(description="unchanged since a package brought them: gold's content is taken")
    both: tuple[str, ...] = Field(
        description="changed by the server, and gold has another content: the server's stands"
    )
    arrived: tuple[str, ...] = Field(description="gold's alone, as nothing on the server brought them")
    removed: tuple[str, ...] = Field(description="gold's, and the server had removed them: they stay removed")
    dropped: tuple[str, ...] = Field(
        description="the server's, unchanged, and gold's version of the package has them no more"
    )
    behind: tuple[str, ...] = Field(description="alternatives of programs that do not come along: gold's are used")
    renumbered: dict[str, str] = Field(description="user or group and its name -> old and new number")
    questions: tuple[AdoptedQuestion, ...]
    notes: tuple[AdoptedNote, ...]
    new: tuple[NewPath, ...] = Field(description="of a later look: what is new on the server, and is taken")
    kept: tuple[str, ...] = Field(
        description="of a later look: new on the server, and not taken, as the clone changed it too"
    )
