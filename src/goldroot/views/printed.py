"""Which command prints which shapes with ``--json``; ``docs/reference/json.md`` is made from it.

This module loads no model: the command line asks it, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

#: Command -> names of the shapes that it prints, one or another of them; ``[]`` after a name: a list of them.
PRINTED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "merge": ("record",),
        "merge edit": ("merge-resolved",),
        "merge resolve": ("merge-resolved",),
        "merge show": ("merge-shown",),
        "policy check": ("policy-checked",),
        "policy explain": ("path-explained[]",),
        "policy show": ("policy-shown",),
        "init": ("site-made",),
        "image convert": ("image-converted",),
        "image delete": ("image-deleted",),
        "image import": ("image-imported", "steps-planned"),
        "image list": ("image-row[]",),
        "image rename": ("image-renamed",),
        "maintain diff": ("changed-path[]",),
        "maintain enter": ("command-done", "maintenance-planned"),
        "maintain run": ("command-done", "maintenance-planned"),
        "maintain take-back": ("taken-back",),
        "maintain test": ("system-tested", "steps-planned"),
        "gold check": ("gold-checked",),
        "gold diff": ("gold-diff",),
        "gold forecast": ("gold-forecast",),
        "gold list": ("gold-row[]",),
        "gold publish": ("gold-published", "gold-publish-planned"),
        "gold replicate": ("gold-replicated",),
        "gold restore": ("gold-restored",),
        "gold retire": ("gold-retired",),
        "gold show": ("gold-shown",),
        "gold verify": ("gold-verified",),
        "clone adopt": ("clone-adopted",),
        "clone create": ("clones-created",),
        "clone delete": ("clones-deleted",),
        "clone diff": ("clone-diff",),
        "clone enter": ("command-done", "command-planned"),
        "clone forget": ("removal-forgotten",),
        "clone list": ("clone-row[]",),
        "clone show": ("clone-shown",),
        "machine console": ("machine-console",),
        "machine list": ("machines-listed",),
        "machine network": ("machine-network",),
        "machine run": ("command-done", "command-planned"),
        "machine start": ("machines-started",),
        "machine stop": ("machines-stopped", "machines-stop-planned"),
        "linked": ("linked-row[]",),
        "update cancel": ("updates-cancelled",),
        "update list": ("update-row[]",),
        "update plan": ("update-plans",),
        "update run": ("updates-run", "update-plans"),
        "review decisions": ("decision[]",),
        "review edit": ("review-decided",),
        "review forget": ("decisions-forgotten",),
        "review list": ("review-row[]",),
        "review next": ("review-next",),
        "review resolve": ("review-decided", "decisions-changed"),
        "review show": ("review-shown",),
        "rollback": ("rollbacks-run", "rollback-plans"),
        "fallback diff": ("fallback-diff",),
        "fallback get": ("fallback-taken",),
        "fallback list": ("fallback-row[]",),
        "fallback mount": ("fallback-mounted",),
        "fallback prune": ("fallbacks-pruned",),
        "fallback show": ("fallback-shown",),
        "status": ("fleet-status",),
        "log": ("event-row[]",),
        "backup": ("backup-made",),
        "restore": ("backup-restored",),
        "doctor": ("doctor-report",),
        "demo": ("demo-told",),
        "zvm adopt": ("zvm-adopted",),
        "zvm call": ("smapi-reply", "smapi-call-planned", "smapi-function-shown", "smapi-function[]"),
        "zvm directory check": ("directory-checked",),
        "zvm directory diff": ("directory-diff",),
        "zvm directory edit": ("directory-edited",),
        "zvm directory show": ("directory-listed", "directory-shown", "directory-keywords"),
        "zvm doctor": ("zvm-report",),
        "zvm plan check": ("zvm-plan-checked",),
        "zvm plan create": ("zvm-plan",),
        "zvm plan prune": ("zvm-plan",),
        "zvm plan publish": ("zvm-plan",),
        "zvm plan rollback": ("zvm-plan",),
        "zvm plan update": ("zvm-plan",),
        "zvm simulate": ("simulator-ready",),
        "completion": ("completion-script",),
        "schema": ("json-schema", "schema-row[]"),
        "help": ("help-shown",),
    }
)

#: What every command may print instead.
ERROR = "error"


def printed_by(name: str) -> tuple[str, ...]:
    """The commands that print a shape, or a list of it; ``*`` for the shape of errors."""
    if name == ERROR:
        return ("*",)
    return tuple(command for command, shapes in PRINTED.items() if name in {one.removesuffix("[]") for one in shapes})
