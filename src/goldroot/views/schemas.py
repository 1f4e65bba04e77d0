"""The JSON Schemas of the views, by name: what a program that reads goldroot's JSON can rely on."""

from __future__ import annotations

import json
from typing import Any

from goldroot.views.adopted import CloneAdopted
from goldroot.views.backup import BackupMade, BackupRestored
from goldroot.views.base import View
from goldroot.views.differences import CloneDiff, FallbackDiff
from goldroot.views.doctor import DoctorReport
from goldroot.views.fallbacks import FallbackRow, FallbackShown, FallbackTaken
from goldroot.views.gold import GoldRestored, GoldRetired, ImageConverted, ImageDeleted
from goldroot.views.machines import MachineRow
from goldroot.views.record import Record
from goldroot.views.review import MergeResolved, MergeShown, ReviewDecided, ReviewNext, ReviewShown
from goldroot.views.status import EventRow, FleetStatus
from goldroot.views.updates import (
    Decision,
    DecisionsChanged,
    DecisionsForgotten,
    GroupedConflict,
    UpdateOutcome,
    UpdatePlan,
    UpdateRow,
)

#: Name -> model.  The name is that of the file in the reference, too.
VIEWS: dict[str, type[View]] = {
    "backup-made": BackupMade,
    "backup-restored": BackupRestored,
    "clone-adopted": CloneAdopted,
    "clone-diff": CloneDiff,
    "decision": Decision,
    "decisions-changed": DecisionsChanged,
    "decisions-forgotten": DecisionsForgotten,
    "doctor-report": DoctorReport,
    "event-row": EventRow,
    "fallback-diff": FallbackDiff,
    "fallback-row": FallbackRow,
    "fallback-shown": FallbackShown,
    "fallback-taken": FallbackTaken,
    "fleet-status": FleetStatus,
    "gold-restored": GoldRestored,
    "gold-retired": GoldRetired,
    "grouped-conflict": GroupedConflict,
    "image-converted": ImageConverted,
    "image-deleted": ImageDeleted,
    "machine-row": MachineRow,
    "merge-resolved": MergeResolved,
    "merge-shown": MergeShown,
    "record": Record,
    "review-decided": ReviewDecided,
    "review-next": ReviewNext,
    "review-shown": ReviewShown,
    "update-outcome": UpdateOutcome,
    "update-plan": UpdatePlan,
    "update-row": UpdateRow,
}

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_of(name: str) -> dict[str, Any]:
    """The schema of a view (JSON Schema 2020-12); ``KeyError`` for a name that is not in :data:`VIEWS`."""
    return {"$schema": DIALECT, **VIEWS[name].model_json_schema(by_alias=True)}


def schema_text(name: str) -> str:
    """The schema as its published file has it."""
    return json.dumps(schema_of(name), indent=1, sort_keys=True) + "\n"
