"""Whatever is put in, and whatever comes back: round trips, and no crash but an error for a person."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from goldroot.errors import GoldrootError, UsageError
from goldroot.zvm.smapi import BadReply
from goldroot.zvm.smapi.area import Area, Budget, Malformed
from goldroot.zvm.smapi.decode import decode_one, decode_reply, decode_values, struct_class
from goldroot.zvm.smapi.encode import encode_params, encode_request, named
from goldroot.zvm.smapi.outcome import recovered_reply
from goldroot.zvm.smapi.shown import shown_params, shown_values
from goldroot.zvm.smapi.table import LIST_TYPES, NUMBER_BYTES, CallLayout, Param, Value, layouts
from goldroot.zvm.smapi.texts import meaning

ALL = list(layouts().values())
#: No time is measured: the machine may be busy.
untimed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_categories=["Cc"]), max_size=30)
LATIN = st.text(st.characters(max_codepoint=0xFF), max_size=20)
Z = st.text(st.characters(min_codepoint=1, max_codepoint=0xFF), max_size=20)


def number_of(size: int) -> st.SearchStrategy[int]:
    return st.integers(0, (1 << (8 * size)) - 1)


def good_value(param: Param, least: int = 0) -> st.SearchStrategy[Any]:
    if param.type in NUMBER_BYTES:
        return number_of(NUMBER_BYTES[param.type])
    if param.type == "pairs":
        return st.lists(st.tuples(PRINTABLE, PRINTABLE), min_size=least, max_size=4)
    if param.type in LIST_TYPES:
        return st.lists(PRINTABLE, min_size=least, max_size=4)
    if param.type == "bytes":
        return st.binary(min_size=param.low, max_size=param.high)
    longest = param.high or 30
    texts = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_categories=["Cc"]), max_size=longest)
    return texts.filter(lambda text: len(text) >= param.low)


@st.composite
def good_request(draw: st.DrawFn) -> tuple[CallLayout, dict[str, Any]]:
    layout = draw(st.sampled_from(ALL))
    least = int(layout.kind == "change" and len(layout.params) == 1)  # A list that is all of a change is not empty.
    return layout, {param.name: draw(good_value(param, least)) for param in layout.params}


class Apart:
    """The parameters of a request, read back by other code than the client's."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def take(self, size: int) -> bytes:
        chunk, self.data = self.data[:size], self.data[size:]
        assert len(chunk) == size
        return chunk

    def sized(self) -> bytes:
        return self.take(int.from_bytes(self.take(4), "big"))

    def many(self) -> list[bytes]:
        inner = Apart(self.sized())
        items = []
        while inner.data:
            items.append(inner.sized())
        return items

    def one(self, kind: str) -> Any:
        if kind in NUMBER_BYTES:
            return int.from_bytes(self.take(NUMBER_BYTES[kind]), "big")
        if kind == "pairs":
            return [tuple(part.decode("latin-1") for part in Apart(sized(item)).many()) for item in self.many()]
        if kind == "lines":
            return [item.decode("latin-1") for item in self.many()]
        if kind == "z":
            return self.take(self.data.index(b"\0") + 1)[:-1].decode("latin-1")
        if kind == "rest":
            return self.take(len(self.data)).decode("latin-1")
        whole = self.sized()
        if kind == "bytes":
            return whole
        text = whole.decode("latin-1")
        return {"zlines": text.split("\0")[:-1], "joined": text.split("\0")}.get(kind, text)


def take_apart(layout: CallLayout, data: bytes) -> dict[str, Any]:
    apart = Apart(data)
    kinds = {param.type for param in layout.params}
    keys: list[str] = []
    if kinds & {"lkey", "key", "secretkey"}:
        block = apart.sized() if "lkey" in kinds else apart.take(len(data))
        keys = block.decode("latin-1").split("\0")[:-1]
    found = dict(key.split("=", 1) for key in keys)
    for param in layout.params:
        keyed = param.type in ("key", "secretkey", "lkey")
        found[param.name] = found.get(param.name, "") if keyed else apart.one(param.type)
    assert apart.data == b""
    return found


@untimed
@given(good_request())
def test_what_was_put_in_is_what_went_out(case: tuple[CallLayout, dict[str, Any]]) -> None:
    layout, params = case
    expected = {
        name: [""] if value == [] and layout.param(name).type == "joined" else value  # type: ignore[union-attr]
        for name, value in params.items()
    }
    assert take_apart(layout, encode_params(layout, params)) == expected


@untimed
@given(good_request(), PRINTABLE.filter(bool))
def test_the_lengths_of_a_request_fit(case: tuple[CallLayout, dict[str, Any]], password: str) -> None:
    layout, params = case
    request = encode_request(layout, params, userid="USER", password=password, target="TARGET")
    assert int.from_bytes(request[:4], "big") == len(request) - 4
    head = b"".join(
        len(part).to_bytes(4, "big") + part
        for part in [layout.api.encode(), b"USER", password.encode("latin-1"), b"TARGET"][
            : 4 if layout.has_target else 3
        ]
    )
    assert request[4:].startswith(head)
    assert request[4 + len(head) :] == encode_params(layout, params)


@untimed
@given(
    st.sampled_from(ALL),
    st.dictionaries(
        st.sampled_from(sorted({param.name for layout in ALL for param in layout.params})),
        st.one_of(st.none(), st.text(), st.integers(), st.binary(), st.lists(st.one_of(st.text(), st.binary()))),
        max_size=3,
    ),
)
def test_nonsense_is_refused_by_name(layout: CallLayout, params: dict[str, Any]) -> None:
    try:
        encode_request(layout, params, userid="U", password="p", target="T")
    except UsageError as error:
        assert error.brief


def value_strategy(value: Value) -> st.SearchStrategy[Any]:
    one = single_strategy(value)
    return st.lists(one, max_size=3).map(tuple) if value.many else one


def single_strategy(value: Value) -> st.SearchStrategy[Any]:
    if value.members:
        return st.tuples(*map(value_strategy, value.members)).map(lambda members: struct_class(value)(*members))
    if value.type in NUMBER_BYTES:
        return number_of(NUMBER_BYTES[value.type])
    plain: dict[str, st.SearchStrategy[Any]] = {
        "str": LATIN,
        "name": LATIN.map(lambda text: text.rstrip(" ")),
        "z": Z,
        "char": st.text(st.characters(min_codepoint=0x41, max_codepoint=0x5A), max_size=value.size),
        "area": st.lists(st.text(st.characters(min_codepoint=1, max_codepoint=0xFF), max_size=70), max_size=3).map(
            tuple
        ),
    }
    return plain.get(value.type, st.binary(max_size=20))


def sized(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def wire(value: Value, found: Any) -> bytes:
    """A value as a server would write it."""
    if value.many:
        parts = [single_wire(value, item) for item in found]
        if value.many == "count":
            return len(parts).to_bytes(4, "big") + b"".join(parts)
        return sized(b"".join(parts)) if value.many == "array" else b"".join(parts)
    return single_wire(value, found)


def single_wire(value: Value, found: Any) -> bytes:
    if value.members:
        inner = b"".join(wire(member, getattr(found, member.name)) for member in value.members)
        return sized(inner) if value.type == "struct" else inner
    if value.type in NUMBER_BYTES:
        return int(found).to_bytes(NUMBER_BYTES[value.type], "big")
    if value.type == "area":
        return sized(b"".join(sized(item.encode("latin-1")) for item in found))
    if value.type in ("bytes", "tail"):
        return sized(found) if value.type == "bytes" else bytes(found)
    if value.type == "char":
        return bytes(found.ljust(value.size), "latin-1")
    if value.type == "name":
        return sized(found.ljust(8).encode("latin-1"))
    return found.encode("latin-1") + b"\0" if value.type == "z" else sized(found.encode("latin-1"))


@st.composite
def good_answer(draw: st.DrawFn) -> tuple[CallLayout, dict[str, Any], bytes]:
    layout = draw(st.sampled_from([layout for layout in ALL if layout.values]))
    values = {value.name: draw(value_strategy(value)) for value in layout.values}
    return layout, values, b"".join(wire(value, values[value.name]) for value in layout.values)


@untimed
@given(good_answer())
def test_what_a_server_writes_is_what_is_read(case: tuple[CallLayout, dict[str, Any], bytes]) -> None:
    layout, values, data = case
    reply = decode_reply(layout, 7, (7).to_bytes(4, "big") + bytes(8) + data) if data else None
    assert reply is None or reply.values == values


@untimed
@given(good_answer(), st.data())
def test_a_changed_answer_is_read_or_refused(
    case: tuple[CallLayout, dict[str, Any], bytes], data: st.DataObject
) -> None:
    """One length, or any byte, or the end, is wrong: an error for a person, or values; nothing else."""
    layout, _, wired = case
    output = bytearray((7).to_bytes(4, "big") + bytes(8) + wired)
    at = data.draw(st.integers(0, len(output) - 1))
    new = data.draw(st.binary(min_size=1, max_size=4))
    output[at : at + len(new)] = new
    end = data.draw(st.integers(0, len(output)))
    try:
        reply = decode_reply(layout, 7, bytes(output[:end]))
    except BadReply as error:
        assert layout.api in error.brief
    else:
        shown_values(layout, reply)


@untimed
@given(st.sampled_from(ALL), st.binary(max_size=200), st.integers(0, 1 << 32))
def test_any_bytes_are_read_or_refused(layout: CallLayout, output: bytes, request_id: int) -> None:
    for data in (output, (request_id % (1 << 32)).to_bytes(4, "big") + output):
        try:
            decode_reply(layout, request_id, data)
        except GoldrootError as error:
            assert isinstance(error, BadReply)
    recovered_reply(layout, request_id, output, "X")


def ends_by_itself(layout: CallLayout) -> bool:
    """Whether lengths say where the answer ends, and not its end alone."""
    return bool(layout.values) and layout.values[0].many != "rest" and layout.values[0].type != "tail"


@pytest.mark.parametrize("layout", list(filter(ends_by_itself, ALL)), ids=lambda layout: layout.api)
def test_every_truncation_of_an_answer_is_noticed(layout: CallLayout) -> None:
    example = {value.name: smallest(value) for value in layout.values}
    data = b"".join(wire(value, example[value.name]) for value in layout.values)
    head = (7).to_bytes(4, "big") + bytes(8)
    assert decode_reply(layout, 7, head + data).values == example
    for end in range(len(data)):
        if end or layout.kind == "read":
            with pytest.raises(BadReply):
                decode_reply(layout, 7, head + data[:end])
    with pytest.raises(BadReply, match="too many"):
        decode_reply(layout, 7, head + data + b"x")


def smallest(value: Value) -> Any:
    one: Any
    if value.members:
        one = struct_class(value)(*map(smallest, value.members))
    elif value.type in NUMBER_BYTES:
        one = 1
    else:
        one = b"B" if value.type in ("bytes", "tail") else ("A", "BC") if value.type == "area" else "A"
    return (one, one) if value.many else one


@untimed
@given(st.sampled_from([layout.api for layout in ALL]), st.integers(0, 1 << 32), st.integers(0, 1 << 32))
def test_any_code_has_a_text_or_none(api: str, rc: int, rs: int) -> None:
    assert isinstance(meaning(api, rc, rs), str)


@untimed
@given(good_request())
def test_what_is_shown_holds_no_secret(case: tuple[CallLayout, dict[str, Any]]) -> None:
    layout, params = case
    shown = shown_params(layout, params)
    for param in layout.params:
        if param.secret:
            assert shown[param.name] in ("", "********")
    assert set(shown) == set(named(layout, params))


def test_a_wrong_count_is_found_before_anything_is_built() -> None:
    layout = layouts()["Virtual_Network_Vswitch_Query_Extended"]
    with pytest.raises(BadReply, match="4,294,967,295 vswitch_array are announced"):
        decode_reply(layout, 0, bytes(12) + b"\xff\xff\xff\xff" + bytes(40))


def test_more_values_than_the_budget_are_refused() -> None:
    """Each would be an object: many times the memory of the bytes."""
    layout = layouts()["System_Disk_Query"]
    found = decode_values(layout, Area(bytes(1000), "x", Budget(1000)))["dasd_info_array"]
    assert isinstance(found, tuple) and len(found) == 1000
    with pytest.raises(Malformed, match="values"):
        decode_values(layout, Area(bytes(1001), "x", Budget(1000)))


@pytest.mark.slow
def test_millions_of_empty_values_are_refused() -> None:
    with pytest.raises(BadReply, match="more than 2,000,000 values"):
        decode_reply(layouts()["System_Disk_Query"], 0, bytes(12 + 2_000_001))


def test_the_last_text_may_lack_its_nul() -> None:
    value = Value("lines", "z", many="rest")
    assert decode_one(value, Area(b"A\0B", "x")) == ("A", "B")
