"""Calling SMAPI: one method for every API of the table, with recovery, waiting, and repeats where these are safe.

What is repeated: a connection that could not be made (nothing was sent), and a ``read`` whose answer was lost.  A
``change`` is never sent twice: when its answer is lost, ``Response_Recovery`` asks the server for it, and if that
brings nothing either, :class:`LostReply` says that the outcome is unknown.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from goldroot.zvm.smapi.calls import Calls
from goldroot.zvm.smapi.decode import ASYNC_STARTED, bad_reply, decode_reply
from goldroot.zvm.smapi.encode import check_password, check_user, encode_request, find_layout
from goldroot.zvm.smapi.errors import (
    BadCertificate,
    BadReply,
    CannotConnect,
    LostReply,
    OperationFailed,
    SmapiError,
)
from goldroot.zvm.smapi.outcome import about, operation_failed, recovered_reply, refused, still_working, unseen
from goldroot.zvm.smapi.reply import Reply
from goldroot.zvm.smapi.results import Progress
from goldroot.zvm.smapi.table import CallLayout
from goldroot.zvm.smapi.tls import Tls
from goldroot.zvm.smapi.transport import Answer, Server, exchange

log = logging.getLogger("goldroot.zvm.smapi")

#: Answers of Query_Asynchronous_Operation_DM; 0/0 is what a server may say of an operation that it has forgotten.
DONE, FAILED = ((0, 100), (0, 0)), (0, 108)


class Secret:
    """A password that neither prints, logs, pickles nor compares by accident.

    :param value: the password, or what gets it when it is needed for the first time.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str | Callable[[], str]) -> None:
        self._value = value

    @property
    def is_known(self) -> bool:
        """Whether nothing has to be asked for it."""
        return isinstance(self._value, str)

    def reveal(self) -> str:
        if not isinstance(self._value, str):
            self._value = self._value()
        return self._value

    def __repr__(self) -> str:
        return "Secret(********)"

    def __reduce__(self) -> str:
        raise TypeError("a password is not stored")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long, and how often.

    :param tries: of a call that is safe to repeat; ``pause``: seconds before the second, doubled each time.
    :param interval: seconds between questions about an asynchronous operation; ``operation``: seconds until we stop
        waiting for it (it goes on).
    """

    tries: int = 3
    pause: float = 0.5
    interval: float = 2.0
    operation: float = 3600.0


@dataclass(frozen=True, slots=True)
class Clock:
    """Time, so that tests need not wait."""

    now: Callable[[], float] = field(default=time.monotonic)
    sleep: Callable[[float], None] = field(default=time.sleep)


ProgressCallback = Callable[[Progress], None]


class Client(Calls):
    """A user's way to one SMAPI server.  It holds no connection; it may be used by several threads.

    :param userid: a z/VM user ID that may call SMAPI; ``password``: its logon password.
    :param progress: called at each question about an asynchronous operation.
    :raises UsageError: user ID or password cannot be one.
    """

    def __init__(
        self,
        server: Server,
        userid: str,
        password: str | Secret,
        *,
        patience: Patience | None = None,
        progress: ProgressCallback | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.server = server
        self.userid = check_user(userid)
        self._password = password if isinstance(password, Secret) else Secret(password)
        if self._password.is_known:
            check_password(self._password.reveal())
        self.patience = patience or Patience()
        self.progress = progress
        self.clock = clock or Clock()
        self._tls = Tls()

    def __repr__(self) -> str:
        return f"Client({str(self.server)!r}, {self.userid!r})"

    def call(self, api: str, target: str = "", *, wait: bool = True, **params: object) -> Reply:
        """Call any API of the table.

        :param target: a user ID, ``*`` or a list, as the API takes it; the caller's own when empty.
        :param wait: whether to wait for asynchronous operations that the call starts.
        :raises UsageError: the request cannot be sent.  :raises SmapiError: see ``errors``.
        """
        layout = find_layout(api)
        if layout.has_target and not target and "anytarget" not in layout.flags:
            target = self.userid
        reply = self._with_repeats(layout, target, params)
        if reply.return_code not in (0, ASYNC_STARTED):
            raise refused(layout, target, reply, self._secrets(layout, params))
        if wait and reply.operations:
            return self._waited(layout, reply, target)
        return reply

    def encode(self, api: str, target: str = "", **params: object) -> bytes:
        """The bytes that :meth:`call` would send, password included: not for showing."""
        return self._encoded(find_layout(api), target, params)

    def wait(self, operation_id: int, target: str = "", *, api: str = "") -> None:
        """Wait until an asynchronous operation has ended well.

        :raises OperationFailed: it ended with "failed".  :raises StillWorking: longer than ``patience.operation``.
        """
        started = self.clock.now()
        polls = 0
        while True:
            code = self.call("Query_Asynchronous_Operation_DM", target, wait=False, operation_id=operation_id).code
            polls += 1
            self._tell(Progress(operation_id, api, self.clock.now() - started, polls, _state(code)))
            if code in DONE:
                return
            if code == FAILED:
                raise operation_failed(api, target, operation_id)
            if self.clock.now() - started >= self.patience.operation:
                raise still_working(api, target, operation_id, self.patience.operation)
            self.clock.sleep(self.patience.interval)

    def _tell(self, progress: Progress) -> None:
        if self.progress:
            self.progress(progress)

    def _secrets(self, layout: CallLayout, params: Mapping[str, object]) -> list[str]:
        """What must not be seen in a message, even if the server repeats it."""
        own = [str(params[param.name]) for param in layout.params if param.secret and params.get(param.name)]
        return [self._password.reveal(), *own]

    def _waited(self, layout: CallLayout, reply: Reply, target: str) -> Reply:
        """The reply, once its operations have ended well.

        :raises LostReply: a change was accepted, and how it ends cannot be asked.
        :raises BadReply: a question was answered with an operation: its end brings no values, and none must not be
            taken for "nothing there".
        """
        for operation in reply.operations:
            try:
                self.wait(operation, target, api=reply.api)
            except OperationFailed:
                raise
            except SmapiError as error:
                # Whatever became of the question, the change itself was not refused, and may still come.
                if layout.kind == "read":
                    raise
                raise about(unseen(operation, reply.request_id, error), layout, target) from error
        if layout.kind == "read" and layout.values:
            raise bad_reply(layout, "the answer is an asynchronous operation, without values", target=target)
        return replace(reply, return_code=0, reason_code=0)

    def _encoded(self, layout: CallLayout, target: str, params: Mapping[str, object]) -> bytes:
        password = check_password(self._password.reveal())
        return encode_request(layout, params, userid=self.userid, password=password, target=target)

    def _with_repeats(self, layout: CallLayout, target: str, params: Mapping[str, object]) -> Reply:
        request = self._encoded(layout, target, params)
        pause = self.patience.pause
        for attempt in range(1, self.patience.tries + 1):
            answer = Answer()
            try:
                return self._once(layout, target, request, answer)
            except (CannotConnect, LostReply) as error:
                repeatable = isinstance(error, CannotConnect) or layout.kind == "read"
                if not repeatable and (found := self._recovered(layout, target, answer)):
                    return found
                if not repeatable or attempt == self.patience.tries:
                    raise about(error, layout, target) from None
                log.info("%s %s: %s; try %d follows", layout.api, target, error.brief, attempt + 1)
            self.clock.sleep(pause)
            pause *= 2
        raise AssertionError("tries is at least 1")

    def _once(self, layout: CallLayout, target: str, request: bytes, answer: Answer) -> Reply:
        """One exchange."""
        begun = self.clock.now()
        try:
            exchange(self.server, request, answer, self.clock.now, self._tls)
        except (BadCertificate, BadReply) as error:
            raise about(error, layout, target, begun=answer.request_id is not None) from None
        if answer.request_id is None:
            raise AssertionError("an exchange without an error has a request id")
        reply = decode_reply(layout, answer.request_id, answer.output, target=target)
        log.info("%s %s: %d/%d, %.3f s", layout.api, target, *reply.code, self.clock.now() - begun)
        return reply

    def _recovered(self, layout: CallLayout, target: str, answer: Answer) -> Reply | None:
        """The answer to a change whose connection was lost, if the server still has it."""
        if answer.request_id is None or layout.api == "Response_Recovery":
            return None
        recovery = find_layout("Response_Recovery")
        try:
            reply = self._with_repeats(recovery, target or self.userid, {"failed_request_id": answer.request_id})
        except SmapiError as error:
            log.info("Response_Recovery for request %d: %s", answer.request_id, error.brief)
            return None
        data = reply.values.get("response_data")
        if reply.return_code != 0 or not isinstance(data, bytes):
            return None
        return recovered_reply(layout, answer.request_id, data, target)


def _state(code: tuple[int, int]) -> str:
    return "done" if code in DONE else "failed" if code == FAILED else "running"
