"""Servers: made, listed, looked at, removed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from goldroot.views.base import View
from goldroot.views.errors import CloneFailed
from goldroot.views.plans import ZvmPlan

Form = Literal["read-only", "read-write"]
Runs = Literal["current", "older", "unknown", "nothing"]
Power = Literal["off", "on", "changing", "unknown"]


class NetworkShown(View):
    """What joins a machine to others; empty words where nothing was said."""

    bridge: str
    interface: str
    address: str = Field(description="ADDRESS/PREFIX")
    gateway: str
    ports: tuple[str, ...] = Field(description="[ADDRESS:]PORT:PORT-OF-THE-SERVER")


class IdentityShown(View):
    """What a server was made with."""

    hostname: str
    interface: str = ""
    address: str = ""


class CloneCreated(View):
    """A server that was made, or would be."""

    clone: str
    name: str = Field(description="the older name of clone")
    image: str
    version: int
    host: str
    kind: Form
    slot: str = Field(description="whose disks it links; empty for none")
    copied: tuple[str, ...] = Field(description="addresses of its own disks")
    linked: tuple[str, ...] = Field(description="addresses of gold's")
    identity: IdentityShown
    written: tuple[str, ...] = Field((), description="paths that make it a server of its own; missing in a plan")
    notes: tuple[str, ...]
    network: NetworkShown | None


class ClonesCreated(View):
    """Servers that were made, or would be."""

    clones: tuple[CloneCreated, ...]
    failed: tuple[CloneFailed, ...]
    plan: bool
    commands: tuple[ZvmPlan, ...] = Field((), description="with --commands")


class ClonesDeleted(View):
    """Servers that were removed, or would be."""

    removed: dict[str, tuple[str, ...]] = Field(description="server -> its disks")
    failed: tuple[CloneFailed, ...]
    plan: bool
    commands: tuple[ZvmPlan, ...] = Field((), description="with --commands")


class CloneRow(View):
    """A server as the list of them shows it."""

    clone: str
    name: str = Field(description="the older name of clone")
    image: str
    version: int
    host: str
    kind: Form
    state: str = Field(description="active, or what is being done with it")
    current: bool = Field(description="whether it is on the current gold version")
    update: str | None = Field(description="the update or rollback that is in flight, in words")
    power: Power
    runs: Runs = Field(description="whether it runs from the disks that it would start from now")


class FallbackNamed(View):
    """What is kept of a server, in short."""

    id: int
    version: int
    state: Literal["kept", "set-aside", "used", "pruned"]
    kept_until: str


class UpdateNamed(View):
    """An update or rollback that is in flight, in short."""

    id: int
    kind: Literal["update", "rollback"]
    to: int
    state: str


class CloneShown(View):
    """Everything that is known of a server."""

    clone: str
    name: str = Field(description="the older name of clone")
    image: str
    version: int
    kind: Form
    state: str
    host: str
    machine: str = Field(description="what the host calls it")
    identity: IdentityShown
    created_at: str
    running: str | None = Field(description="from what it is known that it runs; null where it does not")
    runs: Runs
    disks: dict[str, str] = Field(description="address -> id of the disk")
    links: dict[str, str] = Field(description="address -> owner and address of the disk that is linked")
    lost: tuple[str, ...] = Field(description="disks that the host has, and its entry does not name")
    fallbacks: tuple[FallbackNamed, ...]
    removed: tuple[str, ...] = Field(description="paths that stay removed on it")
    network: NetworkShown | None
    update: UpdateNamed | None


class RemovalForgotten(View):
    """A path that a server had removed, and that arrives again, or would."""

    clone: str
    path: str
    plan: bool


class LinkedRow(View):
    """A slot, and who is on the version in it."""

    image: str
    host: str
    slot: str
    version: int | None
    current: bool
    clones: tuple[str, ...]
    fallbacks: tuple[str, ...] = Field(description="servers whose way back leads there")
    updates: tuple[str, ...] = Field(description="servers on their way there")
    held_by: tuple[str, ...] = Field(description="the three above, in words")
    links: tuple[str, ...] = Field(description="machine and address of each link, as the entries say")
    live: tuple[str, ...] | None = Field(None, description="with --live: the same at this moment; null: not known")
    differs: tuple[str, ...] | None = Field(None, description="with --live: what of it the entries do not say")
