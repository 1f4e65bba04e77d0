"""The shapes of everything that is shown or exported; this room imports no other one.

::

    printed.py    which command prints which shapes: the list that the reference is made from
    words.py      one list of field names and of the words on the screen
    adopted.py    a server that exists already and becomes a clone
    backup.py     backups of a site
    clones.py     servers: made, listed, looked at, removed
    commands.py   commands that are run in systems
    differences.py  what a server has otherwise than its gold
    doctor.py     what is wrong with a site
    errors.py     errors
    fallbacks.py  what is kept for the way back
    gold.py       the life of gold versions and images
    images.py     images, their maintenance and their tests
    kinds.py      every kind of conflict and note
    machines.py   the machines of servers
    plans.py      what is sent to z/VM, told beforehand
    policies.py   the rules of a merge
    publishing.py  checks before a publish, and what was published
    record.py     the record of a merge, and its reader
    review.py     questions, and answers to them
    site.py       a site that is made; the program about itself
    status.py     the whole fleet, and what happened
    updates.py    plans, outcomes and rows of updates
    zvm.py        z/VM: calls, directories, surveys
    schemas.py    the published JSON Schemas
    publish.py    writes them, and the pages that are made from this room

The models are pydantic's, which takes a while to import: a name is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from goldroot.faces import names_of

__all__ = [
    "ERROR",
    "FIELDS",
    "PATH_OUTCOMES",
    "PRINTED",
    "RECORD_SCHEMA",
    "SIDES",
    "UPDATE_OUTCOMES",
    "VIEWS",
    "BackupMade",
    "BackupRestored",
    "ChangedPath",
    "CloneAdopted",
    "CloneDiff",
    "CloneFailed",
    "CloneRow",
    "CloneShown",
    "ClonesCreated",
    "ClonesDeleted",
    "CommandDone",
    "CommandPlanned",
    "CompletionScript",
    "Decision",
    "DecisionsChanged",
    "DecisionsForgotten",
    "DemoTold",
    "DirectoryChecked",
    "DirectoryDiff",
    "DirectoryEdited",
    "DirectoryKeywords",
    "DirectoryListed",
    "DirectoryShown",
    "DoctorFinding",
    "DoctorReport",
    "ErrorShown",
    "EventRow",
    "FallbackDiff",
    "FallbackMounted",
    "FallbackRow",
    "FallbackShown",
    "FallbackTaken",
    "FallbacksPruned",
    "FleetStatus",
    "GoldChecked",
    "GoldDiff",
    "GoldForecast",
    "GoldPublishPlanned",
    "GoldPublished",
    "GoldReplicated",
    "GoldRestored",
    "GoldRetired",
    "GoldRow",
    "GoldShown",
    "GoldVerified",
    "GroupedConflict",
    "HelpShown",
    "ImageConverted",
    "ImageDeleted",
    "ImageImported",
    "ImageRenamed",
    "ImageRow",
    "JsonSchema",
    "LinkedRow",
    "MachineConsole",
    "MachineNetwork",
    "MachineRow",
    "MachinesListed",
    "MachinesStarted",
    "MachinesStopPlanned",
    "MachinesStopped",
    "MaintenancePlanned",
    "MergeResolved",
    "MergeShown",
    "PathExplained",
    "PolicyChecked",
    "PolicyShown",
    "Record",
    "RecordConflict",
    "RecordEntry",
    "RecordNote",
    "RemovalForgotten",
    "ReviewDecided",
    "ReviewNext",
    "ReviewRow",
    "ReviewShown",
    "RollbackPlans",
    "RollbacksRun",
    "SchemaRow",
    "SimulatorReady",
    "SiteMade",
    "SmapiCallPlanned",
    "SmapiFunction",
    "SmapiFunctionShown",
    "SmapiReply",
    "StepsPlanned",
    "SystemTested",
    "TakenBack",
    "UnreadableRecord",
    "UpdateOutcome",
    "UpdatePlan",
    "UpdatePlans",
    "UpdateRow",
    "UpdatesCancelled",
    "UpdatesRun",
    "View",
    "ZvmAdopted",
    "ZvmPlan",
    "ZvmPlanChecked",
    "ZvmReport",
    "heading",
    "printed_by",
    "read_record",
    "schema_of",
    "schema_text",
    "side",
]

if TYPE_CHECKING:
    from goldroot.views.adopted import CloneAdopted
    from goldroot.views.backup import BackupMade, BackupRestored
    from goldroot.views.base import View
    from goldroot.views.clones import CloneRow, ClonesCreated, ClonesDeleted, CloneShown, LinkedRow, RemovalForgotten
    from goldroot.views.commands import CommandDone, CommandPlanned, MaintenancePlanned, StepsPlanned
    from goldroot.views.differences import CloneDiff, FallbackDiff
    from goldroot.views.doctor import DoctorFinding, DoctorReport
    from goldroot.views.errors import CloneFailed, ErrorShown
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
    from goldroot.views.printed import ERROR, PRINTED, printed_by
    from goldroot.views.publishing import GoldChecked, GoldPublished, GoldPublishPlanned
    from goldroot.views.record import (
        RECORD_SCHEMA,
        Record,
        RecordConflict,
        RecordEntry,
        RecordNote,
        UnreadableRecord,
        read_record,
    )
    from goldroot.views.review import MergeResolved, MergeShown, ReviewDecided, ReviewNext, ReviewRow, ReviewShown
    from goldroot.views.schemas import VIEWS, schema_of, schema_text
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
    from goldroot.views.words import FIELDS, PATH_OUTCOMES, SIDES, UPDATE_OUTCOMES, heading, side
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
else:
    __getattr__, __dir__ = names_of(
        __name__,
        {
            "adopted": "CloneAdopted",
            "backup": "BackupMade BackupRestored",
            "base": "View",
            "clones": "CloneRow CloneShown ClonesCreated ClonesDeleted LinkedRow RemovalForgotten",
            "commands": "CommandDone CommandPlanned MaintenancePlanned StepsPlanned",
            "differences": "CloneDiff FallbackDiff",
            "doctor": "DoctorFinding DoctorReport",
            "errors": "CloneFailed ErrorShown",
            "fallbacks": "FallbackMounted FallbackRow FallbackShown FallbackTaken FallbacksPruned",
            "gold": "GoldDiff GoldForecast GoldReplicated GoldRestored "
            "GoldRetired GoldRow GoldShown GoldVerified ImageDeleted",
            "images": "ChangedPath ImageConverted ImageImported ImageRenamed ImageRow SystemTested TakenBack",
            "machines": "MachineConsole MachineNetwork MachineRow "
            "MachinesListed MachinesStarted MachinesStopPlanned MachinesStopped",
            "plans": "ZvmPlan",
            "policies": "PathExplained PolicyChecked PolicyShown",
            "printed": "ERROR PRINTED printed_by",
            "publishing": "GoldChecked GoldPublishPlanned GoldPublished",
            "record": "RECORD_SCHEMA Record RecordConflict RecordEntry RecordNote UnreadableRecord read_record",
            "review": "MergeResolved MergeShown ReviewDecided ReviewNext ReviewRow ReviewShown",
            "schemas": "VIEWS schema_of schema_text",
            "site": "CompletionScript DemoTold HelpShown JsonSchema SchemaRow SiteMade",
            "status": "EventRow FleetStatus",
            "updates": "Decision DecisionsChanged DecisionsForgotten GroupedConflict RollbackPlans RollbacksRun "
            "UpdateOutcome UpdatePlan UpdatePlans UpdateRow UpdatesCancelled UpdatesRun",
            "words": "FIELDS PATH_OUTCOMES SIDES UPDATE_OUTCOMES heading side",
            "zvm": "DirectoryChecked DirectoryDiff DirectoryEdited DirectoryKeywords DirectoryListed DirectoryShown SimulatorReady "
            "SmapiCallPlanned SmapiFunction SmapiFunctionShown SmapiReply ZvmAdopted ZvmPlanChecked ZvmReport",
        },
    )
