"""``goldroot policy``: what the rules are, and which one decides about a path."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import click

from goldroot.cli.command import Group, emit, json_option, table
from goldroot.cli.terminal import put, put_exact
from goldroot.counted import counted
from goldroot.errors import UsageError
from goldroot.policy import CLASSES, FAMILIES, Explanation, Policy, Rule, WrittenRule, default_text, family_of
from goldroot.tree import path_text

#: The answer at a conflict -> whose version that is, on the screen.
_WHOSE = {"clone": "the server's", "gold": "gold's"}

policy_option = click.option(
    "--policy",
    "policy_file",
    metavar="FILE",
    type=click.Path(),
    help="The policy to follow, instead of the default alone.",
)


@click.group(cls=Group)
def policy() -> None:
    """Show and explain the rules that a merge follows.

    A policy is a list of rules; the last one that matches a path decides about it.

    \b
    Examples:
      goldroot policy explain /etc/ssh/sshd_config
      goldroot policy check policy.toml
    """


@policy.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@policy_option
@click.option("--family", type=click.Choice(FAMILIES), help="Explain for a system of this family.")
@click.option(
    "--root", metavar="DIR", type=click.Path(file_okay=False), help="The same for the system in DIR, by its os-release."
)
@json_option
def explain(
    paths: tuple[str, ...], policy_file: str | None, family: str | None, root: str | None, as_json: bool
) -> None:
    """Say which rule decides about each PATH, where it stands and why, and which rules it overrides.

    A PATH is absolute, as in the system that is merged; it need not exist here. Some rules hold for one family of systems;
    a merge goes by the new gold's. Without --family or --root all rules are explained.

    \b
    Examples:
      goldroot policy explain /etc/ssh/sshd_config /var/lib/mysql
      goldroot policy explain --policy policy.toml /etc/shop/payment.conf
      goldroot policy explain --family suse /etc/sysconfig/network/config
    """
    if family and root:
        raise UsageError("a family was given, and a root that has one", todo="Give --family or --root.")
    known = family or (_family_of(root) if root else "")
    rules = load(policy_file).for_family(known)
    found = [rules.explain(absolute(path)) for path in paths]
    emit(as_json, [{**explanation_data(one), "family": known} for one in found], lambda: _tell(found, known))


def _family_of(root: str) -> str:
    """The family of the system in a directory; "" where it says none that rules tell apart."""
    for name in ("etc/os-release", "usr/lib/os-release"):
        with suppress(OSError), open(os.open(os.path.join(root, name), os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            return family_of(file.read())
    return ""


@policy.command()
@policy_option
@click.option("--toml", is_flag=True, help="Print the default policy as it is shipped, with its comments.")
@json_option
def show(policy_file: str | None, toml: bool, as_json: bool) -> None:
    """List all rules in order; later ones win.

    \b
    Examples:
      goldroot policy show
      goldroot policy show --toml > default-policy.toml
    """
    if toml:
        if policy_file or as_json:
            raise UsageError("--toml prints the default policy alone", todo="Leave out --policy and --json.")
        emit(False, None, lambda: put_exact(default_text()))
        return
    rules = load(policy_file)
    data = {"conflict": rules.conflict, "hash": rules.hash, "rules": [written_data(rule) for rule in rules.rules]}
    emit(as_json, data, lambda: _list(rules))


@policy.command()
@click.argument("file", type=click.Path())
@json_option
def check(file: str, as_json: bool) -> None:
    """Read the policy FILE and say whether it can be used; exit code 2 where it cannot.

    \b
    Example:
      goldroot policy check policy.toml
    """
    rules = Policy.load(file)
    own = [rule for rule in rules.rules if rule.file == file]
    inherited = len(rules.rules) - len(own)
    data = {"file": file, "rules": len(own), "default_rules": inherited, "conflict": rules.conflict, "hash": rules.hash}
    said = f"{counted(len(own), 'rule')} of its own after {inherited} of the default policy"
    emit(as_json, data, lambda: put(f"{file}: good. {said}; at a conflict {_WHOSE[rules.conflict]} version stands."))


def load(file: str | None) -> Policy:
    """The policy that ``--policy`` names, else the default."""
    return Policy.load(file) if file is not None else Policy.default()


def absolute(path: str) -> bytes:
    """A path of the command line as a policy takes it.

    :raises UsageError: it is not absolute, or climbs with ``..``.
    """
    raw = os.fsencode(path)
    names = [name for name in raw.split(b"/") if name not in (b"", b".")]
    if not raw.startswith(b"/") or b".." in names:
        shown = path_text(raw)
        raise UsageError(
            f"'{shown}' is not a path in a system" if b".." in names else f"'{shown}' is not absolute",
            todo="Give the path as it is in the system that is merged, beginning with '/'.",
        )
    return b"/" + b"/".join(names)


def explanation_data(one: Explanation) -> dict[str, Any]:
    """An explanation as JSON data; paths are written as in a record."""
    rule = {**rule_data(one.rule), "where": one.rule.where}
    unit = path_text(one.unit) if one.unit is not None else None
    return {
        "path": path_text(one.path),
        "class": one.rule.cls,
        "rule": rule,
        "unit": unit,
        "adds": [written_data(other) for other in one.adds],
        "overrides": [written_data(other) for other in one.overridden],
    }


def rule_data(rule: Rule) -> dict[str, Any]:
    """A deciding rule as JSON data, without the keys that say nothing."""
    keys = ("secret", "pin", "whole", "family", "owner", "reason", "rebuild", "required", "migrate", "always", "owners")
    state = {key: getattr(rule, key) for key in ("gone", "references", "mkdir")} if rule.cls == "state" else {}
    said = {key: getattr(rule, key) for key in keys if getattr(rule, key)}
    return {"path": rule.pattern, "class": rule.cls} | said | state


def written_data(rule: WrittenRule) -> dict[str, Any]:
    """A rule as written, as JSON data."""
    return {"path": rule.pattern, **rule.keys, "where": rule.where}


def _tell(found: Sequence[Explanation], family: str) -> None:
    for one in found:
        _tell_one(one)
        put(f"  family     {family or 'not known: the rules for all families'}")


def _tell_one(one: Explanation) -> None:
    rule = one.rule
    flags = [word for word in ("secret", "pin") if getattr(rule, word)]
    put(f"{path_text(one.path)}: {', '.join([rule.cls, *flags])}")
    put(f"  means      {CLASSES[rule.cls]}")
    put(f"  rule       {rule.pattern or '(none)'}  ({rule.where})")
    for word in ("reason", "owner", "rebuild", "migrate"):
        if getattr(rule, word):
            put(f"  {word:9}  {getattr(rule, word)}")
    if one.unit is not None:
        put(f"  unit       {path_text(one.unit)}")
        put(f"  gone       {rule.gone}: what is done where gold deleted it and the server changed it")
    elif rule.cls == "state":
        put("  unit       none: the directory itself, whose mode and owner are merged as configuration")
    for other in one.adds:
        put(f"  adds       {other.pattern}: {_added(other)}  ({other.where})")
    for other in reversed(one.overridden):
        put(f"  overrides  {other.pattern}: {_said(other)}  ({other.where})")


def _said(rule: WrittenRule) -> str:
    words = [rule.cls] if rule.cls else []
    for key, value in rule.keys.items():
        if key not in ("class", "reason"):
            words.append(f"{key} = {str(value).lower() if isinstance(value, bool) else value}")
    return ", ".join(words)


def _added(rule: WrittenRule) -> str:
    """What a rule adds to the one that decides; one with a class of its own adds only that it is secret."""
    return _said(rule) if rule.cls is None else "secret = true"


def _list(rules: Policy) -> None:
    table(["path", "says", "where"], [[rule.pattern, _said(rule), rule.where] for rule in rules.rules])
    put()
    put("The last rule that matches wins; a path that none matches is merged as config.")
    put(f"At a conflict {_WHOSE[rules.conflict]} version stands.")
    put(f"Hash: {rules.hash}")
