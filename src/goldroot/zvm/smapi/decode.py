"""From the bytes of an answer to values.  Every length is checked against what is there before it is believed.

::

    int4 request id                      sent at once
    int4 length of all that follows      sent when the work is done
    int4 request id, int4 return code, int4 reason code
    values, as the table says; or an error text (int4 length + text, or text alone) with some return codes
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import make_dataclass
from functools import cache

from goldroot.zvm.smapi import results
from goldroot.zvm.smapi.area import Area, Malformed
from goldroot.zvm.smapi.encode import CHARSET
from goldroot.zvm.smapi.errors import BadReply
from goldroot.zvm.smapi.reply import Reply
from goldroot.zvm.smapi.table import NUMBER_BYTES, CallLayout, Value

#: Return code of "an asynchronous operation was started".
ASYNC_STARTED = 592
#: Operation ids that stand for "no operation" in captured answers of work that was done at once.
NO_OPERATION = (0, 0xFFFFFFFF)

HEADER = 12
#: Of a change whose answer is of no use.
MAY_HAVE = "The change may have happened: query before you repeat it."


def decode_reply(layout: CallLayout, request_id: int, output: bytes, *, target: str = "") -> Reply:
    """The answer whose ``output`` (after its length) and immediate ``request_id`` were received.

    :raises BadReply: it cannot be read; the return code is in the error when it could.
    """
    code: tuple[int, int] | None = None
    area = Area(output, f"the answer to {layout.api}")
    try:
        answered = area.number(4, "the request id")
        code = area.number(4, "the return code"), area.number(4, "the reason code")
        if answered != request_id:
            raise Malformed(f"it answers request {answered}, not {request_id}")
        return _reply(layout, request_id, code, Area(area.take(area.left, "the values"), area.what))
    except Malformed as error:
        raise bad_reply(layout, str(error), target=target, code=code) from None


def bad_reply(layout: CallLayout, why: str, *, target: str = "", code: tuple[int, int] | None = None) -> BadReply:
    """The error for an answer that cannot be read."""
    known = f" The return and reason code in it are {code[0]}/{code[1]}." if code else ""
    changed = "" if layout.kind == "read" else f" {MAY_HAVE}"
    return BadReply(
        f"the answer to {layout.api} cannot be read: {why}",
        code=code,
        api=layout.api,
        target=target,
        meaning=f"The server is not a SMAPI server, something between changed the bytes, or its level is unknown.{known}",
        todo=f"Check host and port, and whether the port speaks TLS.{changed}",
    )


def _reply(layout: CallLayout, request_id: int, code: tuple[int, int], area: Area) -> Reply:
    if code[0] == 0:
        if code == (0, 0) and not area.left and _wants_values(layout):
            raise Malformed("it is good, and has no values")
        values = decode_values(layout, area, partly=code[1] != 0)
        return Reply(layout.api, request_id, *code, values=values, operations=_started(values))
    if code[0] == ASYNC_STARTED:
        return Reply(layout.api, request_id, *code, operations=_operations(code[1], area))
    values, detail = _error_data(layout, area)
    return Reply(layout.api, request_id, *code, values=values, detail=detail)


def _wants_values(layout: CallLayout) -> bool:
    """Whether an answer without values is not an answer: an empty one must not be taken for an empty entry."""
    return (
        layout.kind == "read"
        and bool(layout.values)
        and layout.values[0].many != "rest"
        and (layout.values[0].type != "tail")
    )


def decode_values(layout: CallLayout, area: Area, *, partly: bool = False) -> dict[str, object]:
    """The values of a good answer; none when the answer ends after its codes.

    :param partly: the last values may be missing, as they may where a reason code says that there is nothing.
    :raises Malformed: the bytes are not those of the layout.
    """
    values: dict[str, object] = {}
    if not area.left:
        return values
    for value in layout.values:
        if partly and not area.left:
            break
        values[value.name] = decode_one(value, area)
    area.done()
    return values


def decode_one(value: Value, area: Area) -> object:
    """One value, or a tuple of them."""
    if not value.many:
        return _single(value, area)
    if value.many == "count":
        return _counted(value, area)
    inner = area if value.many == "rest" else area.sized(value.name)
    items: list[object] = []
    while inner.left:
        before = inner.at
        items.append(_single(value, inner))
        if inner.at == before:
            raise Malformed(f"{value.name} has members without a byte")
    return tuple(items)


def _counted(value: Value, area: Area) -> tuple[object, ...]:
    count = area.number(4, f"the number of {value.name}")
    # Each has a length of four bytes at least, so that a wrong number is found before anything is built.
    if count * 4 > area.left:
        raise Malformed(f"{count:,} {value.name} are announced; {area.left:,} bytes are there")
    return tuple(_single(value, area) for _ in range(count))


def _single(value: Value, area: Area) -> object:
    area.budget.spend()
    if value.type in NUMBER_BYTES:
        return area.number(NUMBER_BYTES[value.type], value.name)
    if value.type == "struct":
        inner = area.sized(f"{value.struct} in {value.name}")
        found = _members(value, inner)
        inner.done()
        return found
    if value.type == "group":
        return _members(value, area)
    return _PLAIN[value.type](value, area)


def _members(value: Value, area: Area) -> object:
    return struct_class(value)(*(decode_one(member, area) for member in value.members))


def _str(value: Value, area: Area) -> str:
    return area.sized(value.name).data.decode(CHARSET)


def _name(value: Value, area: Area) -> str:
    return _str(value, area).rstrip(" ")


def _bytes(value: Value, area: Area) -> bytes:
    return area.sized(value.name).data


def _z(value: Value, area: Area) -> str:
    return area.zero_ended().decode(CHARSET)


def _char(value: Value, area: Area) -> str:
    return area.take(value.size, value.name).decode(CHARSET).rstrip()


def _tail(value: Value, area: Area) -> bytes:
    return area.take(area.left, value.name)


def _area(value: Value, area: Area) -> tuple[str, ...]:
    """Records with lengths, where these use the area up, or keywords that end with NUL."""
    inner = area.sized(value.name)
    found: list[str] = []
    with_lengths = _has_lengths(inner.data)
    while inner.left:
        inner.budget.spend()
        found.append(_str(value, inner) if with_lengths else _z(value, inner))
    return tuple(found)


def _has_lengths(data: bytes) -> bool:
    """Whether data is nothing but texts with an int4 length each."""
    at = 0
    while at < len(data):
        at += 4 + int.from_bytes(data[at : at + 4], "big")
    return at == len(data)


_PLAIN: dict[str, Callable[[Value, Area], object]] = {
    "str": _str,
    "name": _name,
    "bytes": _bytes,
    "z": _z,
    "char": _char,
    "tail": _tail,
    "area": _area,
}


@cache
def struct_class(value: Value) -> type:
    """The class of a structure: the one in ``results`` of that name, else a new one with the names of the table."""
    found = getattr(results, value.struct, None)
    if isinstance(found, type):
        return found
    return make_dataclass(value.struct, [member.name for member in value.members], frozen=True, slots=True)


def _started(values: dict[str, object]) -> tuple[int, ...]:
    found = values.get("operation_id")
    return (found,) if isinstance(found, int) and found not in NO_OPERATION else ()


def _operations(reason: int, area: Area) -> tuple[int, ...]:
    """The ids of a 592: in the answer as int4, in the answer as text, or as the reason code."""
    if area.left == 4:
        return (area.number(4, "the operation id"),)
    if area.left:
        inner = area.sized("the operation ids") if area.data[:1] == b"\0" else area
        words = inner.take(inner.left, "the operation ids").replace(b"\0", b" ").split()
        if not all(word.isdigit() and len(word) <= 10 for word in words):
            raise Malformed("the operation ids are not numbers")
        return tuple(int(word) for word in words)
    if reason == 0:
        raise Malformed("an asynchronous operation was started, but its id is missing")
    return (reason,)


def _error_data(layout: CallLayout, area: Area) -> tuple[dict[str, object], str]:
    """What comes with an error: which machines of a list failed, a text, or nothing.  Never raises."""
    data = area.data
    if not data:
        return {}, ""
    if any(value.struct == "Failing" for value in layout.values):
        try:
            return decode_values(layout, Area(data, area.what)), ""
        except Malformed:
            pass
    return {}, readable(_error_text(data))


def _error_text(data: bytes) -> bytes:
    """The text of an error: alone, or behind its length, which counts the NUL at its end or does not (both captured).

    No text begins with a NUL, and no text is so long that its length does not.
    """
    while len(data) > 4 and data[:1] == b"\0":
        size = int.from_bytes(data[:4], "big")
        data = data[4:] if data[4 + size :].strip(b"\0") else data[4 : 4 + size]
    return data


def readable(data: bytes) -> str:
    """Text from a server, safe to print: NULs become blanks, other control characters become dots; 2,000 at most."""
    chars = data[:2000].decode(CHARSET).replace("\0", " ").strip()
    return "".join(char if char.isprintable() else "." for char in chars)
