"""The calls that are known, and what a call has to work with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from goldroot.zvm.simulator import codes
from goldroot.zvm.simulator.answer import Answer, SmapiError
from goldroot.zvm.simulator.dirmaint import Change
from goldroot.zvm.simulator.request import UNKNOWN_VALUE, Field, layout, syntax_error
from goldroot.zvm.simulator.system import System
from goldroot.zvm.simulator.wire import int4

#: The output of a change that was made at once, where the call has a place for an operation's number (captured).
NO_OPERATION = int4(-1)


@dataclass
class Call:
    """One call: who asks, about whom, with which parameters."""

    api: str
    user: str
    target: str
    values: dict[str, Any]
    system: System
    recover: Callable[[int], bytes | None] = field(default=lambda number: None)

    def text(self, name: str) -> str:
        """A string parameter."""
        return str(self.values[name])

    def upper(self, name: str) -> str:
        return self.text(name).strip().upper()

    def number(self, name: str) -> int:
        return int(self.values[name])

    def texts(self, name: str) -> list[str]:
        """A list parameter."""
        return list(self.values[name])

    def params(self, known: Iterable[str] = (), required: Iterable[str] = ()) -> dict[str, str]:
        """``key=value`` parameters, by key in lower case.

        :param known: the keys that there are; empty for any.
        :raises SmapiError: 8/3002 another key, 8/3004 one is missing (24 where the call has neither).
        """
        found = dict(split_pair(text) for text in self.texts("params") if text.strip())
        allowed = {*known, *required}
        if allowed and set(found) - allowed:
            raise self.refuse((8, 3002))
        if any(not found.get(key) for key in required):
            raise self.refuse((8, 3004))
        return found

    def refuse(self, *wanted: tuple[int, int], data: bytes = b"") -> SmapiError:
        """The first of these errors that the call has; a syntax error where it has none."""
        code = codes.first_legal(self.api, *wanted)
        return SmapiError(*code, data) if code else syntax_error(5, UNKNOWN_VALUE)

    def must(self, right: bool, *wanted: tuple[int, int]) -> None:
        """:raises SmapiError: the first of ``wanted`` that the call has, where this is not ``right``."""
        if not right:
            raise self.refuse(*wanted)

    def make(self, change: Change, *, long: bool = False, numbered: bool = False, data: bytes = b"") -> Answer:
        """Make a change: at once, or as an asynchronous operation.

        :param long: the work takes time on a real system (copying, formatting).
        :param numbered: the call's output has a place for the number of an operation.
        """
        if not self._asynchronous(long):
            change.do()
            return Answer(0, 0, NO_OPERATION if numbered else data)
        fails = self.system.faults.strike(self.api, "fail-operation") is not None
        stuck = self.system.faults.strike(self.api, "stuck-operation") is not None
        number = self.system.operations.start(change.do, undo=change.undo, fails=fails, stuck=stuck)
        form = self.system.options.form
        if form == "auto":
            form = "output" if "592_0" in codes.table().get(self.api, {}) else "reason"
        return Answer(592, 0, int4(number)) if form == "output" else Answer(592, number)

    def _asynchronous(self, long: bool) -> bool:
        when = self.system.options.asynchronous
        possible = codes.legal(self.api, 592, 0) and when != "never"
        faulty = any(self.system.faults.waits(self.api, kind) for kind in ("fail-operation", "stuck-operation"))
        wanted = long or when == "always" or faulty
        return possible and wanted


@dataclass(frozen=True, slots=True)
class Api:
    """A call that is known: its parameters and what does it."""

    name: str
    fields: tuple[Field, ...]
    work: Callable[[Call], Answer]
    targeted: bool


APIS: dict[str, Api] = {}

Work = TypeVar("Work", bound=Callable[[Call], Answer])


def api(name: str, line: str = "", *, targeted: bool = True) -> Callable[[Work], Work]:
    """Make a function the work of a call whose parameters are ``line`` (see :mod:`..request`)."""

    def register(work: Work) -> Work:
        APIS[name] = Api(name, layout(line), work, targeted)
        return work

    return register


def split_pair(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    return key.strip().lower(), value.strip()


def ok(data: bytes = b"") -> Answer:
    return Answer(0, 0, data)


def at_once(work: Callable[[], object]) -> Change:
    """A change without anything reserved."""
    return Change(work)
