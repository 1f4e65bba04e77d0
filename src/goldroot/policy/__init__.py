"""Path rules: which class a path has, and whether it is secret or pinned; the default policy."""

from __future__ import annotations

from goldroot.policy.policy import Explanation, Policy, Rule, default_text, family_of, worth_reading
from goldroot.policy.policy_file import (
    ACCOUNTS,
    ASK,
    CACHE,
    CLASSES,
    CLONE,
    CONFIG,
    FAMILIES,
    GENERATED,
    GOLD,
    IDENTITY,
    LINES,
    NAMES,
    NOTE,
    NUMERIC,
    OPAQUE,
    STATE,
    WrittenRule,
)

__all__ = [
    "ACCOUNTS",
    "ASK",
    "CACHE",
    "CLASSES",
    "CLONE",
    "CONFIG",
    "FAMILIES",
    "GENERATED",
    "GOLD",
    "IDENTITY",
    "LINES",
    "NAMES",
    "NOTE",
    "NUMERIC",
    "OPAQUE",
    "STATE",
    "Explanation",
    "Policy",
    "Rule",
    "WrittenRule",
    "default_text",
    "family_of",
    "worth_reading",
]
