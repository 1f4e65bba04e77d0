"""Work that survives a crash: named steps, each done once for good, gone on with after a kill.

The port is in :mod:`goldroot.workflow.port`; :func:`open_engine` gives the durable engine (DBOS behind it, imported
when it is opened), :class:`InProcess` the one for tests, and where DBOS is not installed.
"""

from goldroot.workflow.inprocess import Crash, InProcess
from goldroot.workflow.port import (
    Cancelled,
    Engine,
    Moment,
    Pending,
    Progress,
    State,
    Step,
    Workflow,
    load_engine,
    open_engine,
)

__all__ = [
    "Cancelled",
    "Crash",
    "Engine",
    "InProcess",
    "Moment",
    "Pending",
    "Progress",
    "State",
    "Step",
    "Workflow",
    "load_engine",
    "open_engine",
]
