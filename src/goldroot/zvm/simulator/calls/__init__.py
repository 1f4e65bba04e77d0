"""The calls that the simulator answers, by name; importing this knows them all."""

from goldroot.zvm.simulator.calls import (
    adapters,
    common,
    definitions,
    disks,
    entries,
    images,
    memory,
    networks,
    nicdefs,
    others,
    queries,
    relocation,
    settings,
    stores,
    switches,
    volumes,
)
from goldroot.zvm.simulator.calls.registry import APIS, Api, Call

__all__ = [
    "APIS",
    "Api",
    "Call",
    "adapters",
    "common",
    "definitions",
    "disks",
    "entries",
    "images",
    "memory",
    "networks",
    "nicdefs",
    "others",
    "queries",
    "relocation",
    "settings",
    "stores",
    "switches",
    "volumes",
]
