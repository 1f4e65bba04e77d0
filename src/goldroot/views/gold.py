"""The life of gold versions and images."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from goldroot.views.base import View
from goldroot.views.images import ChangedPath, NoteShown


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
    digests: dict[str, str] = Field(description="address of a disk -> digest of its manifest")


class CopyShown(View):
    """A copy of a gold version on a host."""

    host: str
    slot: str
    state: Literal["whole", "filling"]


class GoldRow(_Version):
    """A gold version as the list of them shows it."""

    current: bool = Field(description="whether servers are told to go to it")
    copies: tuple[CopyShown, ...]


class GoldRetired(_Version):
    """A version that is retired, or would be."""

    held_by: tuple[str, ...]
    follows: RetirementFollows
    plan: bool


class GoldRestored(_Version):
    """A version whose retirement is taken back, or would be."""

    current: int = Field(description="where clones are told to go now")
    plan: bool


class ImageDeleted(View):
    """An image that is removed, or would be."""

    image: str
    machines: tuple[str, ...]
    versions: tuple[int, ...] = Field(description="gold versions that had disks")
    disks: tuple[str, ...]
    plan: bool


class Digest(View):
    """A file beside a signed record."""

    digest: str


class PackagesSigned(Digest):
    """The packages of a gold version, by a signed record."""

    kind: str = Field(description="dpkg, rpm, or empty")
    count: int


class FormSigned(View):
    """The tests of one form, by a signed record."""

    passed: bool
    tested_at: str


class DiskSigned(Digest):
    """A disk of a gold version, by a signed record."""

    shared: bool
    entries: int
    bytes: int
    verity: str = Field("", description="root hash of its image, where the host has one")


class GoldShown(View):
    """A gold version: its signed record, and who holds it."""

    schema_: int = Field(alias="schema")
    goldroot: str
    image: str = Field(description="the name that the image had when it was published")
    version: int
    published_at: str
    note: str
    os: dict[str, str]
    fingerprint: str
    untested: tuple[str, ...] = Field(description="forms in which it was not tested")
    tests: dict[str, FormSigned]
    layout: str
    disks: dict[str, DiskSigned]
    accounts: Digest
    packages: PackagesSigned
    renumbered: tuple[str, ...]
    collisions: tuple[str, ...]
    accepted: tuple[str, ...] = Field((), description="findings that were accepted, in words")
    kept: tuple[str, ...] = Field((), description="what ties it to one host, and was taken along")
    state: Literal["publishing", "published", "retired"]
    slot: str | None
    copies: tuple[CopyShown, ...]
    held_by: tuple[str, ...]


class PackageDiff(View):
    """A package that two versions have otherwise."""

    name: str
    old: str | None = Field(description="its version in the older gold; null or empty where it is not there")
    new: str | None


class GoldDiff(View):
    """What differs between two gold versions."""

    image: str
    from_: int = Field(alias="from")
    to: int
    old: int = Field(description="the older name of from")
    new: int = Field(description="the older name of to")
    packages: tuple[PackageDiff, ...]
    renumbered: tuple[str, ...] = Field(description="accounts that have another number, in words")
    changes: tuple[ChangedPath, ...]


class LostReference(View):
    """Something that a server points at, and that a gold version does not have."""

    kind: str
    path: str = Field(description="what points there")
    text: str = Field(description="how it does, as it stands there")
    level: str
    subject: str = Field(description="what is missing")
    who: str = Field(description="whose it is: an account, a unit; may be empty")


class GoldForecast(View):
    """Which servers a gold version would break."""

    image: str
    to: int | None = Field(description="null or 0: the tested maintenance system")
    clones: dict[str, tuple[LostReference, ...]]
    servers: dict[str, tuple[LostReference, ...]] = Field(description="the older name of clones")
    unknown: tuple[str, ...] = Field(description="servers that no plan or merge has seen")


class CopyVerified(View):
    """A copy of a gold version, compared with its signed record."""

    host: str
    whole: bool
    entries: int
    changes: tuple[ChangedPath, ...]


class GoldVerified(View):
    """A gold version, compared with its signed record."""

    image: str
    version: int
    number: int = Field(description="the older name of version")
    whole: bool
    entries: int
    changes: tuple[ChangedPath, ...]
    copies: tuple[CopyVerified, ...]


class GoldReplicated(View):
    """A gold version that was copied to another host, or would be."""

    image: str
    version: int
    number: int = Field(description="the older name of version")
    from_: str = Field(alias="from", description="host")
    to: str = Field(description="host")
    slot: str | None
    new: bool = Field(description="false: the copy was there already")
    leaves: int | None = Field(None, description="of a plan: the version that leaves the slot for it")
    notes: tuple[NoteShown, ...] = ()
    plan: bool
