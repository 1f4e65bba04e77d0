"""The shapes of everything that is shown or exported; this room imports no other one.

::

    words.py      one list of field names and of the words on the screen
    record.py     the record of a merge, and its reader
    updates.py    plans, outcomes and rows of updates
    schemas.py    the published JSON Schemas

The models are pydantic's, which takes a while to import: a name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from goldroot.views.words import FIELDS, PATH_OUTCOMES, SIDES, UPDATE_OUTCOMES, heading, side

if TYPE_CHECKING:
    from goldroot.views.base import View
    from goldroot.views.record import (
        RECORD_SCHEMA,
        Record,
        RecordConflict,
        RecordEntry,
        RecordNote,
        UnreadableRecord,
        read_record,
    )
    from goldroot.views.schemas import VIEWS, schema_of, schema_text
    from goldroot.views.updates import UpdateOutcome, UpdatePlan, UpdateRow

_HOME = {
    "View": "base",
    **dict.fromkeys(
        ("RECORD_SCHEMA", "Record", "RecordConflict", "RecordEntry", "RecordNote", "UnreadableRecord", "read_record"),
        "record",
    ),
    **dict.fromkeys(("VIEWS", "schema_of", "schema_text"), "schemas"),
    **dict.fromkeys(("UpdateOutcome", "UpdatePlan", "UpdateRow"), "updates"),
}

__all__ = [
    "FIELDS", "PATH_OUTCOMES", "RECORD_SCHEMA", "SIDES", "UPDATE_OUTCOMES", "VIEWS", "Record", "RecordConflict",
    "RecordEntry", "RecordNote", "UnreadableRecord", "UpdateOutcome", "UpdatePlan", "UpdateRow", "View", "heading",
    "read_record", "schema_of", "schema_text", "side",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"goldroot.views.{_HOME[name]}"), name)
