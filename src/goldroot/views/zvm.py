"""z/VM: calls, directories, surveys, the simulator."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field, RootModel

from goldroot.views.base import View


class ZvmPlanChecked(View):
    """Whether an entry is as it was planned."""

    user: str
    right: bool
    differences: tuple[str, ...]


class ZvmFound(View):
    """An entry of a site that follows the paper."""

    name: str
    user: str
    gold: str = Field(description="of a server: the slot that it links; empty for others")
    linked: tuple[str, ...]
    why_not: tuple[str, ...] = Field(description="why it cannot be taken over; empty where it can")
    disks: dict[str, str] = Field(description="address -> volume and cylinders")


class ZvmAdopted(View):
    """A site that was taken over, or could be."""

    slots: tuple[ZvmFound, ...]
    servers: tuple[ZvmFound, ...]
    maintenance: ZvmFound | None
    notes: tuple[str, ...]
    versions: dict[str, int] = Field(description="slot -> number of the gold version")
    left_out: dict[str, tuple[str, ...]] = Field(description="entry -> why it cannot be taken over")
    adopted: tuple[str, ...] = Field(description="what was taken over, in words; empty for a plan")


class ZvmPoint(View):
    """One thing that goldroot believes of z/VM, looked at."""

    key: str
    what: str
    state: Literal["well", "note", "wrong", "unknown"]
    saw: tuple[str, ...]
    follows: str = Field(description="what follows from it for the configuration; may be empty")


class ZvmReport(View):
    """What a z/VM system is like."""

    goldroot: str = Field(description="the version of goldroot that looked")
    machine: str = Field(description="the architecture of the management guest")
    host: str
    points: tuple[ZvmPoint, ...]


class SmapiFunction(View):
    """A function of SMAPI."""

    api: str
    kind: Literal["read", "change", "event"] = Field(description="read: it changes nothing; event: it opens a stream")
    does: str


class SmapiFunctionShown(SmapiFunction):
    """A function of SMAPI with its parameters and values."""

    parameters: tuple[tuple[str, str, str], ...] = Field(description="name, type, range")
    values: tuple[tuple[str, str, str], ...] = Field(
        description="name, type, number; members of structures are indented"
    )


class SmapiCallPlanned(View):
    """A call that would be sent."""

    api: str
    changes: bool
    server: str = Field(description="HOST:PORT; empty where none was named")
    user: str
    password: str = Field(description="asterisks, always")
    target: str
    parameters: dict[str, Any] = Field(description="in the order of the wire; passwords masked")
    bytes_without_password: int


class SmapiReply(View):
    """The answer to a call."""

    api: str
    return_code: int
    reason_code: int
    text: str = Field(description="what the codes mean")
    operations: tuple[int, ...] = Field(description="ids of asynchronous operations")
    values: dict[str, Any] = Field(description="passwords masked")


class DirectoryFinding(View):
    """What a check of a user directory found."""

    line: int
    severity: Literal["error", "warning", "note"]
    code: str
    entry: str
    text: str
    file: str = Field("", description="where a directory has several: the one in which the line stands")


class DirectoryChecked(View):
    """What a check of a user directory found."""

    file: str
    findings: tuple[DirectoryFinding, ...]
    counts: dict[str, int] = Field(description="severity -> findings")


class FieldDifference(View):
    """A field of a statement that differs."""

    name: str
    before: Any
    after: Any


class EntryDifference(View):
    """A difference in meaning between two entries."""

    kind: str
    what: str
    before: str
    after: str
    fields: tuple[FieldDifference, ...]


class NamedDifference(EntryDifference):
    """The same, with the entry that it is about."""

    entry: str


class DirectoryDiff(View):
    """In what entries of user directories differ."""

    differences: tuple[NamedDifference, ...]


class DirectoryEdited(View):
    """An entry that was edited, or would be."""

    entry: str
    entries: tuple[str, ...] = Field(description="where several changed: all of them")
    differences: tuple[EntryDifference, ...]
    text: tuple[str, ...] = Field(description="the records of the entries, passwords masked")
    written: str | None = Field(description="the file that was written; null for none")


class DirectoryRow(View):
    """An entry of a user directory as the list of them shows it."""

    kind: str
    name: str
    line: int
    records: int
    profile: str
    mdisks: int
    links: int
    file: str = Field("", description="where a directory has several: the one in which it stands")


class DirectoryListed(View):
    """The entries of a user directory."""

    entries: tuple[DirectoryRow, ...]


class StatementShown(View):
    """A statement of an entry: its keyword and line, and fields that depend on the keyword."""

    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=True)

    keyword: str
    line: int


class EntryShown(DirectoryRow):
    """A whole entry; passwords masked."""

    statements: tuple[StatementShown, ...]
    text: tuple[str, ...]


class DirectoryShown(View):
    """Entries of a user directory, whole."""

    entries: tuple[EntryShown, ...]


class DirectoryKeywords(RootModel[dict[str, tuple[str, ...]]]):
    """Entry -> its items as the directory manager writes them; passwords masked."""

    def as_json(self) -> dict[str, object]:
        data: dict[str, object] = self.model_dump(mode="json")
        return data


class SimulatorReady(View):
    """Where a simulated z/VM listens."""

    host: str
    port: int
    tls: bool
    certificate: str | None = Field(description="PEM file for clients to check it with")
    entries: int
    active: tuple[str, ...] = Field(description="who is logged on")
    faults: tuple[str, ...] = Field(description="faults that it will play")
    vmcp: str | None = Field(description="a program for CP commands; null for none")
