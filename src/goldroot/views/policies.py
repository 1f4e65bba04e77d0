"""The rules of a merge, and which one decides."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from goldroot.views.base import View

PathClass = Literal["config", "lines", "opaque", "accounts", "state", "identity", "clone", "gold", "generated", "cache"]


class RuleShown(View):
    """A rule by its keys; a key that says nothing is missing."""

    path: str = Field(description="its pattern; empty where no rule matches")
    class_: PathClass = Field("config", alias="class", description="missing where a rule only adds to what others say")
    where: str = Field(description="the policy and the line in it")
    family: str = ""
    secret: bool = False
    pin: bool = False
    whole: bool = False
    owner: str = ""
    reason: str = ""
    rebuild: str = ""
    required: bool = False
    migrate: str = ""
    owners: str = ""
    always: str = ""
    gone: str = ""
    references: str = ""
    mkdir: bool = True


class PathExplained(View):
    """Which rule decides about a path."""

    path: str
    class_: PathClass = Field(alias="class")
    rule: RuleShown
    unit: str | None = Field(description="the state unit that it belongs to; null for none")
    adds: tuple[RuleShown, ...] = Field(description="rules that add to the one that decides")
    overrides: tuple[RuleShown, ...] = Field(description="rules that match and are overridden")
    family: str = Field(description="the family of systems for which it was explained; empty: all")


class PolicyShown(View):
    """All rules in order; later ones win."""

    conflict: Literal["clone", "gold"] = Field(description="whose version stands at a conflict")
    hash: str
    rules: tuple[RuleShown, ...]


class PolicyChecked(View):
    """A policy file that can be used."""

    file: str
    rules: int = Field(description="of its own")
    default_rules: int = Field(description="of the default policy, before them")
    conflict: Literal["clone", "gold"]
    hash: str
