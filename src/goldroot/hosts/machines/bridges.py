"""Bridges of this machine, to which links of servers lead; goldroot makes none."""

from __future__ import annotations

import hashlib
import os

from goldroot.errors import Refused


def is_bridge(name: str) -> bool:
    """Whether this machine has a bridge of that name."""
    return os.path.isdir(f"/sys/class/net/{name}/bridge")


def refuse_bridge(name: str, bridge: str) -> None:
    """:raises Refused: this machine has no such bridge."""
    if not is_bridge(bridge):
        raise Refused(
            f"this machine has no bridge {bridge!r}, to which the link of {name} should lead",
            meaning="It was not started.",
            todo=f"Make it (ip link add name {bridge} type bridge; ip link set {bridge} up), or name another one.",
        )


def other_end(name: str) -> str:
    """What the link of a machine is called on this one: with a letter first and 15 bytes at most (netdevice(7))."""
    return f"gr-{hashlib.sha256(name.encode()).hexdigest()[:10]}"
