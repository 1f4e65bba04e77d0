"""Faults on request: what goes wrong on a real system, at a time of your choosing.

A fault is written ``KIND[=VALUE][@API][#COUNT]``: ``lost-reply@Image_Replace_DM#1`` loses the reply of the next
``Image_Replace_DM``; ``slow=2`` makes every call take two seconds longer.  API may end with ``*``.
"""

from __future__ import annotations

import fnmatch
import re
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from goldroot.errors import UsageError

#: Kind -> what it does, for ``--help`` and the documentation.
KINDS = {
    "lost-reply": "the work is done, then the connection ends without the reply",
    "cut-reply": "the work is done, and the reply ends in its middle",
    "hang": "the work is done, and the reply never comes (the connection stays open)",
    "lost-request": "the connection ends before anything is done",
    "stale-lock": "the target's entry is locked by somebody who is gone (VALUE: by whom; else MAINT or OPERATOR)",
    "fail-operation": "the asynchronous operation is accepted and then fails (592, later 0/108)",
    "no-space": "no room for a minidisk (408/24)",
    "not-authorised": "the caller may not (100/VALUE: 8 security manager, 12 directory manager, 16 server)",
    "server-away": "the directory manager does not answer (500/8)",
    "internal-error": "the directory manager failed (596/VALUE)",
    "stuck-operation": "the asynchronous operation is accepted and never ends (592, then 0/104): DATAMOVE hangs",
    "logon": "a guest logs on just before (VALUE: who; else the target of the call)",
    "changed": "another administrator has just added a statement to the target's entry (VALUE; else ACCOUNT OTHER)",
    "cp-refused": "CP refuses the command with message number VALUE (API: CP_LINK, CP_DETACH, ...)",
    "link-stays": "CP says that the disk is detached, and it is not (API: CP_DETACH)",
    "no-flashcopy": "the storage server cannot copy (API: CP_FLASHCOPY)",
    "stale-cache": "a disk that is only read shows what it held when this member first read it, unless it has MINIOPT NOMDC "
    "(API: CP_READ)",
    "object-offline": "done, and the object directory is offline: it is not in force (0/8)",
    "slow": "the work takes VALUE seconds longer",
}

_SPELLING = re.compile(r"(?P<kind>[a-z-]+)(=(?P<value>[^@#]*))?(@(?P<api>[A-Za-z_*]+))?(#(?P<count>\d+))?\Z")


@dataclass(frozen=True, slots=True)
class Fault:
    """:param api: a name or a pattern with ``*``.
    :param count: how many calls it strikes; 0 for all.
    """

    kind: str
    value: str = ""
    api: str = "*"
    count: int = 0

    @classmethod
    def parse(cls, text: str) -> Fault:
        """:raises UsageError: it is not written as a fault is."""
        found = _SPELLING.match(text.strip())
        if not found or found["kind"] not in KINDS:
            raise UsageError(
                f"{text!r} is not a fault",
                todo=f"Write KIND[=VALUE][@API][#COUNT]; the kinds are {', '.join(KINDS)}.",
            )
        fault = cls(found["kind"], found["value"] or "", found["api"] or "*", int(found["count"] or 0))
        if fault.kind == "slow" and fault.seconds is None:
            raise UsageError(f"{text!r}: slow needs seconds", todo="Write for example slow=1.5.")
        with_number = fault.kind in ("not-authorised", "internal-error", "cp-refused")
        if with_number and fault.value and not fault.value.isdigit():
            raise UsageError(f"{text!r}: the value is a reason code", todo=f"Write for example {fault.kind}=12.")
        return fault

    @property
    def seconds(self) -> float | None:
        """The value of ``slow``."""
        try:
            return min(max(float(self.value), 0.0), 3600.0)
        except ValueError:
            return None

    def __str__(self) -> str:
        value = f"={self.value}" if self.value else ""
        api = f"@{self.api}" if self.api != "*" else ""
        return f"{self.kind}{value}{api}" + (f"#{self.count}" if self.count else "")


class Faults:
    """The faults that are set; safe to change while the simulator runs."""

    def __init__(self, faults: Iterable[Fault | str] = ()) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self.set(faults)

    def __iter__(self) -> Iterator[Fault]:
        with self._lock:
            return iter(list(self._faults))

    def set(self, faults: Iterable[Fault | str]) -> None:
        """These, and no others."""
        made = [fault if isinstance(fault, Fault) else Fault.parse(fault) for fault in faults]
        with self._lock:
            self._faults = made

    def add(self, fault: Fault | str) -> None:
        made = fault if isinstance(fault, Fault) else Fault.parse(fault)
        with self._lock:
            self._faults.append(made)

    def clear(self, kind: str = "") -> None:
        """Remove all faults, or all of one kind."""
        with self._lock:
            self._faults = [fault for fault in self._faults if kind and fault.kind != kind]

    def waits(self, api: str, kind: str) -> bool:
        """Whether a fault of this kind would strike this call; it is not counted."""
        with self._lock:
            return any(fault.kind == kind and fnmatch.fnmatchcase(api, fault.api) for fault in self._faults)

    def strike(self, api: str, kind: str) -> Fault | None:
        """The fault of this kind that strikes this call, counted; nothing where none does."""
        with self._lock:
            for index, fault in enumerate(self._faults):
                if fault.kind == kind and fnmatch.fnmatchcase(api, fault.api):
                    if fault.count == 1:
                        del self._faults[index]
                    elif fault.count:
                        self._faults[index] = replace(fault, count=fault.count - 1)
                    return fault
        return None
