"""The shapes of everything that is shown or exported; this room imports no other one.

::

    adopted.py    a server that exists already and becomes a clone
    words.py      one list of field names and of the words on the screen
    backup.py     backups of a site
    doctor.py     what is wrong with a site
    differences.py  what a server has otherwise than its gold
    fallbacks.py  what is kept for the way back
    gold.py       the life of gold versions and images
    kinds.py      every kind of conflict and note
    machines.py   rows of machines
    record.py     the record of a merge, and its reader
    review.py     questions, and answers to them
    status.py     the whole fleet, and what happened
    updates.py    plans, outcomes and rows of updates
    schemas.py    the published JSON Schemas

The models are pydantic's, which takes a while to import: a name is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from goldroot.faces import names_of

__all__ = [
    "FIELDS",
    "PATH_OUTCOMES",
    "RECORD_SCHEMA",
    "SIDES",
    "UPDATE_OUTCOMES",
    "VIEWS",
    "BackupMade",
    "BackupRestored",
    "CloneAdopted",
    "CloneDiff",
    "Decision",
    "DecisionsChanged",
    "DecisionsForgotten",
    "DoctorFinding",
    "DoctorReport",
    "EventRow",
    "FallbackDiff",
    "FallbackRow",
    "FallbackShown",
    "FallbackTaken",
    "FleetStatus",
    "GoldRestored",
    "GoldRetired",
    "GroupedConflict",
    "ImageConverted",
    "ImageDeleted",
    "MachineRow",
    "MergeResolved",
    "MergeShown",
    "Record",
    "RecordConflict",
    "RecordEntry",
    "RecordNote",
    "ReviewDecided",
    "ReviewNext",
    "ReviewShown",
    "UnreadableRecord",
    "UpdateOutcome",
    "UpdatePlan",
    "UpdateRow",
    "View",
    "heading",
    "read_record",
    "schema_of",
    "schema_text",
    "side",
]

if TYPE_CHECKING:
    from goldroot.views.adopted import CloneAdopted
    from goldroot.views.backup import BackupMade, BackupRestored
    from goldroot.views.base import View
    from goldroot.views.differences import CloneDiff, FallbackDiff
    from goldroot.views.doctor import DoctorFinding, DoctorReport
    from goldroot.views.fallbacks import FallbackRow, FallbackShown, FallbackTaken
    from goldroot.views.gold import GoldRestored, GoldRetired, ImageConverted, ImageDeleted
    from goldroot.views.machines import MachineRow
    from goldroot.views.record import (
        RECORD_SCHEMA,
        Record,
        RecordConflict,
        RecordEntry,
        RecordNote,
        UnreadableRecord,
        read_record,
    )
    from goldroot.views.review import MergeResolved, MergeShown, ReviewDecided, ReviewNext, ReviewShown
    from goldroot.views.schemas import VIEWS, schema_of, schema_text
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
    from goldroot.views.words import FIELDS, PATH_OUTCOMES, SIDES, UPDATE_OUTCOMES, heading, side
else:
    __getattr__, __dir__ = names_of(
        __name__,
        {
            "adopted": "CloneAdopted",
            "backup": "BackupMade BackupRestored",
            "base": "View",
            "differences": "CloneDiff FallbackDiff",
            "doctor": "DoctorFinding DoctorReport",
            "fallbacks": "FallbackRow FallbackShown FallbackTaken",
            "gold": "GoldRestored GoldRetired ImageConverted ImageDeleted",
            "machines": "MachineRow",
            "record": "RECORD_SCHEMA Record RecordConflict RecordEntry RecordNote UnreadableRecord read_record",
            "review": "MergeResolved MergeShown ReviewDecided ReviewNext ReviewShown",
            "schemas": "VIEWS schema_of schema_text",
            "status": "EventRow FleetStatus",
            "updates": "Decision DecisionsChanged DecisionsForgotten GroupedConflict UpdateOutcome UpdatePlan UpdateRow",
            "words": "FIELDS PATH_OUTCOMES SIDES UPDATE_OUTCOMES heading side",
        },
    )
