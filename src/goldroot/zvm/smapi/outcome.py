"""From what came back to what it means: a recovered answer, or the error for a person."""

from __future__ import annotations

import re
from collections.abc import Iterable

from goldroot.zvm.directory import redact
from goldroot.zvm.smapi.decode import HEADER, MAY_HAVE, decode_reply
from goldroot.zvm.smapi.errors import (
    BadReply,
    CallRefused,
    LostReply,
    OperationFailed,
    SmapiError,
    StillWorking,
)
from goldroot.zvm.smapi.reply import Reply
from goldroot.zvm.smapi.table import CallLayout
from goldroot.zvm.smapi.texts import meaning, todo

MASK = "********"
_ASSIGNED = re.compile(r"(\w*PASS\w*=)\S+", re.I)


def recovered_reply(layout: CallLayout, request_id: int, data: bytes, target: str) -> Reply | None:
    """What ``Response_Recovery`` gave back: the lost answer, with or without its length; None when it is neither.

    No captured frame shows this data; both forms are accepted only when every length and the request id fit.
    """
    forms = [data]
    if int.from_bytes(data[:4], "big") == len(data) - 4:
        forms.insert(0, data[4:])
    for form in forms:
        if len(form) < HEADER:
            continue
        try:
            return decode_reply(layout, request_id, form, target=target)
        except BadReply:
            continue
    return None


def refused(layout: CallLayout, target: str, reply: Reply, secrets: Iterable[str] = ()) -> CallRefused:
    """The error for a return code.

    :param secrets: what the server may have put into its answer and must not be shown.
    """
    text = meaning(layout.api, *reply.code) or "a return code that the SMAPI book does not list for this function"
    # The text may repeat what was sent, a directory statement for instance.
    detail = f"z/VM adds: {scrubbed(redact.line(reply.detail), secrets)}" if reply.detail else _failing(reply)
    return CallRefused(
        f"{layout.api} {target}: {text} ({reply.return_code}/{reply.reason_code})".replace("  ", " "),
        answer=(*reply.code, text),
        detail=detail,
        api=layout.api,
        target=target,
        todo=todo(*reply.code),
    )


def scrubbed(text: str, secrets: Iterable[str]) -> str:
    """A text of the server without passwords: neither ours nor ``...PASSWORD=...``, whatever its case."""
    for secret in secrets:
        text = re.sub(rf"(?<![A-Za-z0-9]){re.escape(secret)}(?![A-Za-z0-9])", MASK, text, flags=re.I)
    return _ASSIGNED.sub(rf"\1{MASK}", text)


def _failing(reply: Reply) -> str:
    """Which machines of a list failed, and why."""
    found = reply.values.get("failing_array")
    if not isinstance(found, tuple):
        return ""
    return "; ".join(
        f"{one.image_name}: {meaning(reply.api, one.return_code, one.reason_code)} "
        f"({one.return_code}/{one.reason_code})"
        for one in found
    )


def about(error: SmapiError, layout: CallLayout, target: str, *, begun: bool = False) -> SmapiError:
    """The error, told what was called; a lost or unreadable answer is told what it means for the caller's data.

    :param begun: the server has given the request its number.
    """
    error.api, error.target = layout.api, target
    if begun and isinstance(error, BadReply) and layout.kind != "read":
        error.todo = f"{error.todo} {MAY_HAVE}".strip()
    if isinstance(error, LostReply):
        error.meaning = (
            "Nothing was changed."
            if layout.kind == "read"
            else f"It is not known whether {layout.api} of {target} was done: the answer could not be recovered."
        )
        error.todo = (
            "Repeat the command." if layout.kind == "read" else "Query what it was to change before you repeat it."
        )
    return error


def operation_failed(api: str, target: str, operation_id: int) -> OperationFailed:
    return OperationFailed(
        f"{api or 'the operation'} {target}: the asynchronous operation {operation_id} failed".replace("  ", " "),
        operation_id=operation_id,
        api=api,
        target=target,
        meaning="z/VM tells no reason here, and part of the work may have been done.",
        todo="Query the entry (Image_Query_DM); the reason stands in the directory manager's messages (DVH...).",
    )


def unseen(operation_id: int, request_id: int, error: SmapiError) -> LostReply:
    """The answer to a change that is known to have begun, and not how it ended."""
    return LostReply(f"the end of operation {operation_id} cannot be seen: {error.brief}", request_id=request_id)


def still_working(api: str, target: str, operation_id: int, waited: float) -> StillWorking:
    return StillWorking(
        f"{api or 'the operation'} {target}: operation {operation_id} is still going on after {waited:g} seconds",
        operation_id=operation_id,
        api=api,
        target=target,
        meaning="It goes on without us.",
        todo=f"goldroot zvm call Query_Asynchronous_Operation_DM --target {target} operation_id={operation_id}",
    )
