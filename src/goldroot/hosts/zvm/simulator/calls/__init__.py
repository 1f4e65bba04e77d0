"""The calls that the simulator answers, by name; importing this knows them all."""

from . import common, definitions, disks, entries, images, memory, network, others, queries, settings, stores, volumes
from .registry import APIS, Api, Call

__all__ = [
    "APIS",
    "Api",
    "Call",
    "common",
    "definitions",
    "disks",
    "entries",
    "images",
    "memory",
    "network",
    "others",
    "queries",
    "settings",
    "stores",
    "volumes",
]
