"""The calls that the simulator answers, by name; importing this knows them all."""

from . import common, disks, entries, images, settings
from .registry import APIS, Api, Call

__all__ = ["APIS", "Api", "Call", "common", "disks", "entries", "images", "settings"]
