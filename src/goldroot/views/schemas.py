"""The JSON Schemas of the views, by name: what a program that reads goldroot's JSON can rely on."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

from goldroot.views.adopted import CloneAdopted
from goldroot.views.backup import BackupMade, BackupRestored
from goldroot.views.clones import CloneRow, ClonesCreated, ClonesDeleted, CloneShown, LinkedRow, RemovalForgotten
from goldroot.views.commands import CommandDone, CommandPlanned, MaintenancePlanned, StepsPlanned
from goldroot.views.differences import CloneDiff, FallbackDiff
from goldroot.views.doctor import DoctorReport
from goldroot.views.errors import ErrorShown
from goldroot.views.fallbacks import FallbackMounted, FallbackRow, FallbackShown, FallbacksPruned, FallbackTaken
from goldroot.views.gold import (
    GoldDiff,
    GoldForecast,
    GoldReplicated,
    GoldRestored,
    GoldRetired,
    GoldRow,
    GoldShown,
    GoldVerified,
    ImageDeleted,
)
from goldroot.views.images import (
    ChangedPath,
    ImageConverted,
    ImageImported,
    ImageRenamed,
    ImageRow,
    SystemTested,
    TakenBack,
)
from goldroot.views.machines import (
    MachineConsole,
    MachineNetwork,
    MachineRow,
    MachinesListed,
    MachinesStarted,
    MachinesStopped,
    MachinesStopPlanned,
)
from goldroot.views.plans import ZvmPlan
from goldroot.views.policies import PathExplained, PolicyChecked, PolicyShown
from goldroot.views.publishing import GoldChecked, GoldPublished, GoldPublishPlanned
from goldroot.views.record import Record
from goldroot.views.review import MergeResolved, MergeShown, ReviewDecided, ReviewNext, ReviewRow, ReviewShown
from goldroot.views.site import CompletionScript, DemoTold, HelpShown, JsonSchema, SchemaRow, SiteMade
from goldroot.views.status import EventRow, FleetStatus
from goldroot.views.updates import (
    Decision,
    DecisionsChanged,
    DecisionsForgotten,
    GroupedConflict,
    RollbackPlans,
    RollbacksRun,
    UpdateOutcome,
    UpdatePlan,
    UpdatePlans,
    UpdateRow,
    UpdatesCancelled,
    UpdatesRun,
)
from goldroot.views.zvm import (
    DirectoryChecked,
    DirectoryDiff,
    DirectoryEdited,
    DirectoryKeywords,
    DirectoryListed,
    DirectoryShown,
    SimulatorReady,
    SmapiCallPlanned,
    SmapiFunction,
    SmapiFunctionShown,
    SmapiReply,
    ZvmAdopted,
    ZvmPlanChecked,
    ZvmReport,
)

#: Name -> model.  The name is that of the file in the reference, too.
VIEWS: dict[str, type[BaseModel]] = {
    "backup-made": BackupMade,
    "backup-restored": BackupRestored,
    "changed-path": ChangedPath,
    "clone-adopted": CloneAdopted,
    "clone-diff": CloneDiff,
    "clone-row": CloneRow,
    "clone-shown": CloneShown,
    "clones-created": ClonesCreated,
    "clones-deleted": ClonesDeleted,
    "command-done": CommandDone,
    "command-planned": CommandPlanned,
    "completion-script": CompletionScript,
    "decision": Decision,
    "decisions-changed": DecisionsChanged,
    "decisions-forgotten": DecisionsForgotten,
    "demo-told": DemoTold,
    "directory-checked": DirectoryChecked,
    "directory-diff": DirectoryDiff,
    "directory-edited": DirectoryEdited,
    "directory-keywords": DirectoryKeywords,
    "directory-listed": DirectoryListed,
    "directory-shown": DirectoryShown,
    "doctor-report": DoctorReport,
    "error": ErrorShown,
    "event-row": EventRow,
    "fallback-diff": FallbackDiff,
    "fallback-mounted": FallbackMounted,
    "fallback-row": FallbackRow,
    "fallback-shown": FallbackShown,
    "fallback-taken": FallbackTaken,
    "fallbacks-pruned": FallbacksPruned,
    "fleet-status": FleetStatus,
    "gold-checked": GoldChecked,
    "gold-diff": GoldDiff,
    "gold-forecast": GoldForecast,
    "gold-publish-planned": GoldPublishPlanned,
    "gold-published": GoldPublished,
    "gold-replicated": GoldReplicated,
    "gold-restored": GoldRestored,
    "gold-retired": GoldRetired,
    "gold-row": GoldRow,
    "gold-shown": GoldShown,
    "gold-verified": GoldVerified,
    "grouped-conflict": GroupedConflict,
    "help-shown": HelpShown,
    "image-converted": ImageConverted,
    "image-deleted": ImageDeleted,
    "image-imported": ImageImported,
    "image-renamed": ImageRenamed,
    "image-row": ImageRow,
    "json-schema": JsonSchema,
    "linked-row": LinkedRow,
    "machine-console": MachineConsole,
    "machine-network": MachineNetwork,
    "machine-row": MachineRow,
    "machines-listed": MachinesListed,
    "machines-started": MachinesStarted,
    "machines-stop-planned": MachinesStopPlanned,
    "machines-stopped": MachinesStopped,
    "maintenance-planned": MaintenancePlanned,
    "merge-resolved": MergeResolved,
    "merge-shown": MergeShown,
    "path-explained": PathExplained,
    "policy-checked": PolicyChecked,
    "policy-shown": PolicyShown,
    "record": Record,
    "removal-forgotten": RemovalForgotten,
    "review-decided": ReviewDecided,
    "review-next": ReviewNext,
    "review-row": ReviewRow,
    "review-shown": ReviewShown,
    "rollback-plans": RollbackPlans,
    "rollbacks-run": RollbacksRun,
    "schema-row": SchemaRow,
    "simulator-ready": SimulatorReady,
    "site-made": SiteMade,
    "smapi-call-planned": SmapiCallPlanned,
    "smapi-function": SmapiFunction,
    "smapi-function-shown": SmapiFunctionShown,
    "smapi-reply": SmapiReply,
    "steps-planned": StepsPlanned,
    "system-tested": SystemTested,
    "taken-back": TakenBack,
    "update-outcome": UpdateOutcome,
    "update-plan": UpdatePlan,
    "update-plans": UpdatePlans,
    "update-row": UpdateRow,
    "updates-cancelled": UpdatesCancelled,
    "updates-run": UpdatesRun,
    "zvm-adopted": ZvmAdopted,
    "zvm-plan": ZvmPlan,
    "zvm-plan-checked": ZvmPlanChecked,
    "zvm-report": ZvmReport,
}

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_of(name: str) -> dict[str, Any]:
    """The schema of a view (JSON Schema 2020-12); ``KeyError`` for a name that is not in :data:`VIEWS`."""
    return {"$schema": DIALECT, **VIEWS[name].model_json_schema(by_alias=True)}


def schema_text(name: str) -> str:
    """The schema as its published file has it."""
    return json.dumps(schema_of(name), indent=1, sort_keys=True) + "\n"
