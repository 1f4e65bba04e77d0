"""The z/VM host: disks are minidisks, entries are user directory entries, and machines are guests.

It stands on the library :mod:`goldroot.zvm` (SMAPI, user directories) and on the CP commands of a management guest.
**It was never run against a live z/VM**: docs/zvm/host.md says what it was checked against.
"""

from goldroot.hosts.zvm.config import ZvmConfig, open_host
from goldroot.hosts.zvm.doctor import Point
from goldroot.hosts.zvm.host import ZvmHost
from goldroot.hosts.zvm.parts import Parts
from goldroot.hosts.zvm.plan_check import as_file as plan_as_file
from goldroot.hosts.zvm.plan_check import differs as plan_differs
from goldroot.hosts.zvm.plan_check import from_file as plan_from_file
from goldroot.hosts.zvm.plan_check import said as plan_said
from goldroot.hosts.zvm.plan_moves import Around
from goldroot.hosts.zvm.plan_steps import Line, Plan, Step
from goldroot.hosts.zvm.plans import (
    plan_create,
    plan_delete,
    plan_power,
    plan_prune,
    plan_publish,
    plan_rollback,
    plan_update,
)
from goldroot.hosts.zvm.reading import Standing
from goldroot.hosts.zvm.source_file import around_directory
from goldroot.hosts.zvm.survey import Found, Survey

__all__ = [
    "Around",
    "Found",
    "Line",
    "Parts",
    "Plan",
    "Point",
    "Standing",
    "Step",
    "Survey",
    "ZvmConfig",
    "ZvmHost",
    "around_directory",
    "open_host",
    "plan_as_file",
    "plan_create",
    "plan_delete",
    "plan_differs",
    "plan_from_file",
    "plan_power",
    "plan_prune",
    "plan_publish",
    "plan_rollback",
    "plan_said",
    "plan_update",
]
