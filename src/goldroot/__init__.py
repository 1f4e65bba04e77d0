"""goldroot: fleets of Linux servers on one shared, versioned, read-only gold image.

As a library it merges any three directories::

    import goldroot

    trees = goldroot.Trees("gold-1/etc", "gold-2/etc", "server/etc", at="/etc")
    record = goldroot.merge_trees(trees, "merged")

The names below are what a program may count on; ``docs/reference/python.md`` shows a whole use of them.  Importing goldroot
costs nothing: each name is loaded when it is first used.
"""

from __future__ import annotations

from goldroot.faces import names_of
from goldroot.version import __version__

TYPE_CHECKING = False  # type checkers take it as true; importing typing would cost more than all the rest here

__all__ = [
    "AnyPath",
    "BadInput",
    "BadPolicy",
    "BadSignature",
    "Busy",
    "ChecksFailed",
    "Conflict",
    "Damaged",
    "DatabaseDamaged",
    "Decision",
    "Decisions",
    "Failed",
    "GoldrootError",
    "HealthFailed",
    "HostError",
    "LimitReached",
    "MergePlan",
    "MissingPackage",
    "MissingProgram",
    "NewerVersion",
    "NoFreeSlot",
    "NoPermission",
    "NoSpace",
    "NotFound",
    "NotTested",
    "Note",
    "Options",
    "Policy",
    "ProgramFailed",
    "Progress",
    "Record",
    "Refused",
    "StillRunning",
    "TreeChanged",
    "Trees",
    "Unreachable",
    "UsageError",
    "__version__",
    "apply_plan",
    "load_decisions",
    "merge_trees",
    "plan_trees",
]

if TYPE_CHECKING:
    from goldroot.conflicts import Conflict, Decision, Decisions, load_decisions
    from goldroot.errors import (
        BadInput,
        BadPolicy,
        BadSignature,
        Busy,
        ChecksFailed,
        Damaged,
        DatabaseDamaged,
        Failed,
        GoldrootError,
        HealthFailed,
        HostError,
        LimitReached,
        MissingPackage,
        MissingProgram,
        NewerVersion,
        NoFreeSlot,
        NoPermission,
        NoSpace,
        NotFound,
        NotTested,
        ProgramFailed,
        Refused,
        StillRunning,
        TreeChanged,
        Unreachable,
        UsageError,
    )
    from goldroot.files import AnyPath
    from goldroot.merge import MergePlan, Options, Record, Trees, apply_plan, merge_trees, plan_trees
    from goldroot.policy import Policy
    from goldroot.tree import Note, Progress
else:
    __getattr__, __dir__ = names_of(
        __name__,
        {
            "conflicts": "Conflict Decision Decisions load_decisions",
            "errors": (
                "BadInput BadPolicy BadSignature Busy ChecksFailed Damaged DatabaseDamaged Failed GoldrootError HealthFailed HostError"
                " LimitReached MissingPackage MissingProgram NewerVersion NoFreeSlot NoPermission NoSpace NotFound NotTested"
                " ProgramFailed Refused StillRunning TreeChanged Unreachable UsageError"
            ),
            "files": "AnyPath",
            "merge": "MergePlan Options Record Trees apply_plan merge_trees plan_trees",
            "policy": "Policy",
            "tree": "Note Progress",
        },
    )
