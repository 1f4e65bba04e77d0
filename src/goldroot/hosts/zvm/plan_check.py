"""Whether a directory entry says what a plan wanted: for who did it by hand, and for who wants to know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from goldroot.errors import BadInput
from goldroot.files import json_of
from goldroot.hosts.zvm.names import Names, is_address
from goldroot.hosts.zvm.plan_steps import PLANNED, Plan
from goldroot.hosts.zvm.pool import ECKD, FBA
from goldroot.hosts.zvm.reading import Standing, access_of, extent_of
from goldroot.zvm import directory as source

#: Number of the form of a plan's file.
FORM = 1


def said(now: Standing, names: Names) -> dict[str, str]:
    """What stands at goldroot's addresses of an entry, in words that can be compared; and whether it may be logged on."""
    found: dict[str, str] = {}
    entry = now.entry
    for disk, _ in source.disks(now.text):
        address, extent = names.address(entry.name, entry.role, disk.address), extent_of(disk)
        if is_address(address) and extent is not None and address not in entry.others:
            where = f"new, {extent.size} {_word(disk.devtype)}" if extent.volume == PLANNED else str(extent)
            found[address] = f"disk {where} {access_of(disk.mode)}"
    for address, link in entry.links.items():
        found[address] = f"link {link.owner} {link.address}"
    return dict(sorted(found.items())) | {"logon": "allowed" if entry.startable else "not allowed"}


def differs(now: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    """What is not as it was planned, one line each; a planned disk may lie anywhere."""
    lines = []
    for address in sorted(now.keys() | wanted.keys()):
        is_now, has_to = now.get(address, "nothing"), wanted.get(address, "nothing")
        if not _is(is_now, has_to):
            lines.append(f"{address}: {is_now}, and planned was {has_to}")
    return lines


def as_file(plan: Plan) -> dict[str, Any]:
    """A plan as JSON data."""
    return {
        "form": FORM,
        "kind": plan.kind,
        "user": plan.user,
        "steps": [step.as_dict() for step in plan.steps],
        "after": plan.after,
    }


def from_file(text: str | bytes) -> tuple[str, dict[str, str]]:
    """User ID and what has to stand there, of a plan's file.

    :raises BadInput: it is not one.
    """
    try:
        data = json_of(text)
        if data["form"] != FORM:
            raise ValueError
        return str(data["user"]), {str(address): str(what) for address, what in data["after"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            "this is not the file of a plan", todo="Make one: goldroot zvm plan ... --json > plan.json"
        ) from error


def _is(now: str, wanted: str) -> bool:
    if not wanted.startswith("disk new, "):
        return now == wanted
    size, _, access = wanted.removeprefix("disk new, ").split(" ")
    words = now.split()
    return len(words) == 3 and words[0] == "disk" and words[1].endswith(f":{size}") and words[2] == access


def _word(device: str) -> str:
    """What a minidisk of a type is counted in."""
    return ECKD.word if device.startswith("33") else FBA.word
