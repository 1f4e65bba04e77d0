"""A site that is made; the program about itself; the demo."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from goldroot.views.base import View


class SiteMade(View):
    """What was made of a site, or would be."""

    made: tuple[str, ...] = Field(description="paths, and other things in words; empty where it was complete")
    plan: bool


class CompletionScript(View):
    """The completion script of a shell."""

    shell: str
    script: str


class HelpShown(View):
    """How a command is used."""

    command: str
    help: str


class SchemaRow(View):
    """A published shape as the list of them shows it."""

    name: str
    what: str
    printed_by: tuple[str, ...] = Field(
        description="commands that print it with --json; empty: it stands inside another"
    )


class JsonSchema(View):
    """A JSON Schema (2020-12)."""

    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=True)

    dialect: str = Field(alias="$schema")


class DemoClaim(View):
    """What the demo says became of something, looked up where it stands."""

    fate: str
    server: str
    what: str
    seen: str = Field(description="where it was looked up, and what was seen")
    true: bool


class DemoTold(View):
    """The demo's story, and whether all of its claims are true."""

    form: str
    host: str
    seconds: float
    true: bool
    rows: tuple[DemoClaim, ...]
    calls: dict[str, int] = Field(default_factory=dict, description="with --zvm: SMAPI function -> calls of it")
