"""What can go wrong between goldroot and SMAPI.

::

    HostError
    └── SmapiError
        ├── CannotConnect     nothing was sent: no such host, nobody listens, too slow; it is an Unreachable, too
        ├── BadCertificate    TLS: the server could not prove who it is, or does not speak TLS; nothing was sent
        ├── LostReply         the request was sent and its answer did not come: a change may or may not have happened
        ├── BadReply          an answer came that cannot be read
        ├── CallRefused       z/VM answered with a return code that is an error
        ├── OperationFailed   an asynchronous operation ended with "failed"
        └── StillWorking      an asynchronous operation goes on longer than we wanted to wait

A request that cannot be sent as it is (no such API, a value too long, a password that SMAPI cannot carry) is a
:class:`goldroot.errors.UsageError`.  No message ever contains a password.
"""

from __future__ import annotations

from goldroot.errors import HostError, Unreachable


class SmapiError(HostError):
    """:param api: the function that was called; :param target: its target identifier."""

    kind = "smapi"

    def __init__(self, brief: str, *, api: str = "", target: str = "", meaning: str = "", todo: str = "") -> None:
        super().__init__(brief, meaning=meaning, todo=todo)
        self.api = api
        self.target = target

    def as_dict(self) -> dict[str, object]:
        return {**super().as_dict(), "api": self.api, "target": self.target}


class CannotConnect(SmapiError, Unreachable):
    kind = "smapi-connect"


class BadCertificate(SmapiError):
    kind = "smapi-certificate"


class LostReply(SmapiError):
    """:param request_id: what the server called the request; None when not even that arrived."""

    kind = "smapi-lost-reply"

    def __init__(
        self,
        brief: str,
        *,
        request_id: int | None = None,
        api: str = "",
        target: str = "",
        meaning: str = "",
        todo: str = "",
    ) -> None:
        super().__init__(brief, api=api, target=target, meaning=meaning, todo=todo)
        self.request_id = request_id


class BadReply(SmapiError):
    """:param code: return and reason code when these could still be read, so that the caller knows what happened."""

    kind = "smapi-bad-reply"

    def __init__(
        self,
        brief: str,
        *,
        code: tuple[int, int] | None = None,
        api: str = "",
        target: str = "",
        meaning: str = "",
        todo: str = "",
    ) -> None:
        super().__init__(brief, api=api, target=target, meaning=meaning, todo=todo)
        self.code = code


class CallRefused(SmapiError):
    """z/VM said no.

    :param answer: return code, reason code, and IBM's text for the two.
    :param detail: what the answer added.
    """

    kind = "smapi-refused"

    def __init__(
        self, brief: str, *, answer: tuple[int, int, str], detail: str, api: str, target: str, todo: str = ""
    ) -> None:
        super().__init__(brief, api=api, target=target, meaning=detail, todo=todo)
        self.code = answer[:2]
        self.text = answer[2]
        self.detail = detail

    def as_dict(self) -> dict[str, object]:
        return {**super().as_dict(), "return_code": self.code[0], "reason_code": self.code[1], "text": self.text}


class OperationFailed(SmapiError):
    """:param operation_id: the asynchronous operation."""

    kind = "smapi-operation-failed"

    def __init__(
        self, brief: str, *, operation_id: int, api: str = "", target: str = "", meaning: str = "", todo: str = ""
    ) -> None:
        super().__init__(brief, api=api, target=target, meaning=meaning, todo=todo)
        self.operation_id = operation_id


class StillWorking(OperationFailed):
    kind = "smapi-still-working"
