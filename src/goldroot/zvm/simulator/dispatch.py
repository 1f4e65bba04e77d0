"""From the bytes of one request to the answer: authentication, faults, the call itself, and the check of the codes."""

from __future__ import annotations

import hmac
import logging
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from goldroot.zvm.simulator import codes
from goldroot.zvm.simulator.answer import Answer, IllegalAnswer, SmapiError
from goldroot.zvm.simulator.calls import APIS, Call
from goldroot.zvm.simulator.cp import CpError
from goldroot.zvm.simulator.request import Head, head_of, parameters_of, target_of
from goldroot.zvm.simulator.system import System
from goldroot.zvm.simulator.wire import UNKNOWN_FUNCTION, Cursor, Malformed, reply

log = logging.getLogger(__name__)

#: Replies that ``Response_Recovery`` can still give, and how many bytes of them together.
KEPT_REPLIES = 512
KEPT_BYTES = 16 << 20

#: Done, and the object directory is offline.
OFFLINE = (0, 8)

#: The return code of requests that are wrong in themselves.
MALFORMED = 900

#: CP's message number -> what a call may answer to it, in order of preference.
CP_CODES: dict[int, tuple[tuple[int, int], ...]] = {
    53: ((200, 4), (8, 12), (200, 12)),
    45: ((200, 12), (8, 12), (216, 12)),
    54: ((200, 8),),
    40: ((204, 8), (208, 8)),
}


@dataclass
class Replies:
    """The last replies by request identifier."""

    _kept: OrderedDict[int, bytes] = field(default_factory=OrderedDict)
    _bytes: int = 0

    def keep(self, number: int, data: bytes) -> None:
        self._kept[number] = data
        self._bytes += len(data)
        while len(self._kept) > KEPT_REPLIES or self._bytes > KEPT_BYTES:
            self._bytes -= len(self._kept.popitem(last=False)[1])

    def get(self, number: int) -> bytes | None:
        return self._kept.get(number)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A reply, and what shall go wrong with it: a fault's kind, or "" for nothing; ``wait`` seconds before.

    ``malformed``: the request's lengths were wrong, so that more of it may be on the way.
    """

    api: str
    data: bytes
    malformed: bool = False
    fault: str = ""
    wait: float = 0.0


class Dispatcher:
    """Answers requests on one system.

    :param users: user ID -> password; None takes whoever comes.
    """

    def __init__(self, system: System, users: dict[str, str] | None = None) -> None:
        self.system = system
        self.users = None if users is None else {user.upper(): password for user, password in users.items()}
        self.replies = Replies()
        self.bugs: list[str] = []
        self.calls = 0
        self._heard = ""

    def answer(self, request_id: int, body: bytes) -> Outcome:
        """Do what a request asks and build its reply.  Safe to call from any thread."""
        with self.system.lock:
            self.calls += 1
            api = self._heard = ""
            try:
                cursor = Cursor(body)
                head = head_of(cursor)
                api = head.api
                answer = self._checked(api, self._call(head, cursor))
            except Malformed as error:
                answer = Answer(*error.code)
            except Exception as error:  # noqa: BLE001 - a client must get an answer, whatever is wrong here
                answer = self._broken(api, error)
            self.system.heard("SMAPI", f"{self._heard or api} -> {answer.rc}/{answer.rs}")
            data = reply(request_id, answer.rc, answer.rs, answer.data)
            if api != "Response_Recovery":
                self.replies.keep(request_id, data)
            return self._spoiled(api, data, answer.rc == MALFORMED)

    def before(self, body: bytes) -> bool:
        """Whether the connection shall end before anything is done (fault ``lost-request``)."""
        try:
            api = head_of(Cursor(body)).api
        except Malformed:
            return False
        return self.system.faults.strike(api, "lost-request") is not None

    def _spoiled(self, api: str, data: bytes, malformed: bool) -> Outcome:
        faults = self.system.faults
        slow = faults.strike(api, "slow")
        kind = next((kind for kind in ("lost-reply", "cut-reply", "hang") if faults.strike(api, kind)), "")
        return Outcome(api, data, malformed, kind, (slow.seconds or 0.0) if slow else 0.0)

    def _call(self, head: Head, cursor: Cursor) -> Answer:
        """:raises Malformed: lengths."""
        known = APIS.get(head.api)
        if known is None:
            return Answer(*UNKNOWN_FUNCTION)
        if not self._authentic(head):
            return Answer(120, 0)
        try:
            target = target_of(cursor) if known.targeted else ""
            values = parameters_of(cursor, known.fields)
            self._heard = spoken(head.api, target, values)
            call = Call(head.api, head.user.upper(), target, values, self.system, self.replies.get)
            self.system.settle()
            self._faults_before(call)
            return self._offline(head.api, known.work(call))
        except SmapiError as error:
            return nearest(head.api, error.answer)
        except CpError as error:
            code = codes.first_legal(head.api, *CP_CODES.get(error.number, ()), (396, error.number))
            return Answer(*(code or (24, 419)))

    def _offline(self, api: str, answer: Answer) -> Answer:
        """The answer, or that of a change which is written and not in force (fault ``object-offline``)."""
        done = (answer.rc, answer.rs) == (0, 0) and codes.legal(api, *OFFLINE)
        return replace(answer, rs=OFFLINE[1]) if done and self.system.faults.strike(api, "object-offline") else answer

    def _authentic(self, head: Head) -> bool:
        if not 1 <= len(head.user) <= 8 or not 1 <= len(head.password) <= 200:
            return False
        if self.users is None:
            return True
        expected = self.users.get(head.user.upper())
        given = head.password.upper().encode()
        return hmac.compare_digest(given, (expected or "").upper().encode()) and expected is not None

    def _faults_before(self, call: Call) -> None:
        """:raises SmapiError: a fault that is an answer, where the call has that answer."""
        faults = self.system.faults
        self.system.before(call.api, call.target)
        if fault := faults.strike(call.api, "not-authorised"):
            wanted = [(100, int(fault.value))] if fault.value else []
            refuse(call, *wanted, (100, 12), (100, 8), (100, 16))
        if codes.legal(call.api, 500, 8) and faults.strike(call.api, "server-away"):
            refuse(call, (500, 8))
        if codes.legal(call.api, 596, 1) and (fault := faults.strike(call.api, "internal-error")):
            refuse(call, (596, int(fault.value or 3300)))
        self.system.manager.no_space = lambda: faults.strike(call.api, "no-space") is not None
        entry = self.system.directory.get(call.target)
        if entry and minds_locks(call.api) and (fault := faults.strike(call.api, "stale-lock")):
            # Whoever held it before: somebody took it away, and locked the entry for himself.
            self.system.manager.locks.unlock(entry.name)
            other = "MAINT" if call.user != "MAINT" else "OPERATOR"
            self.system.manager.locks.lock(entry.name, (fault.value or other).upper())

    def _broken(self, api: str, error: Exception) -> Answer:
        """The simulator failed: written down as a bug, and told as an internal error."""
        log.error("the simulator failed in %s", api, exc_info=error)
        self.bugs.append(f"{api}: {type(error).__name__}")
        return Answer(*(codes.first_legal(api, (596, 1), (396, 1), (24, 419)) or UNKNOWN_FUNCTION))

    def _checked(self, api: str, answer: Answer) -> Answer:
        """The answer where it is legal; else it is written down as a bug, and the nearest legal one is given."""
        try:
            return codes.check(api, answer)
        except IllegalAnswer as error:
            log.error("the simulator would have answered wrongly: %s", error)
            self.bugs.append(str(error))
            code = codes.first_legal(api, (596, answer.rs), (396, answer.rs), (24, 419), UNKNOWN_FUNCTION)
            return Answer(*(code or UNKNOWN_FUNCTION))


def spoken(api: str, target: str, values: Mapping[str, object]) -> str:
    """A call in words, without its passwords."""
    said = [api, target]
    for name, value in values.items():
        if isinstance(value, list):
            said.append(f"{name}=({len(value)})")
        elif value not in ("", 0, None) and "password" not in name and not isinstance(value, bytes):
            said.append(f"{name}={value}")
    return " ".join(filter(None, said))


def nearest(api: str, answer: Answer) -> Answer:
    """An error, or the next best that the call has: several calls on entries have no code of their own for "no such
    entry" or "locked" and only pass on the directory manager's failure (596; its message numbers are not known
    here), and a few have no code for a syntax error."""
    if codes.legal(api, answer.rc, answer.rs):
        return answer
    others = {24: ((8, 3003), (8, 11))}.get(answer.rc, ((596, 3000 + answer.rs), (396, answer.rs)))
    code = codes.first_legal(api, *others)
    return Answer(*code) if code else answer


def minds_locks(api: str) -> bool:
    """Whether a lock on the entry matters to a call: it is refused, shows the lock, or changes the directory."""
    changes = any(codes.legal(api, *code) for code in ((400, 12), (400, 24), (0, 8)))
    return changes or "_Lock_Query_" in api


def refuse(call: Call, *wanted: tuple[int, int]) -> None:
    """:raises SmapiError: the first of these that the call has; nothing where it has none."""
    code = codes.first_legal(call.api, *wanted)
    if code:
        raise SmapiError(*code)
