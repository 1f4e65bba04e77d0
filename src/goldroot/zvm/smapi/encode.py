"""From parameters to the bytes of a request.  Pure; what cannot be sent is refused here, by name.

::

    int4 length of all that follows
    str  function name, str user ID, str password, str target      (str = int4 length + text)
    parameters, as the table says
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence

from goldroot.errors import UsageError
from goldroot.zvm.smapi.table import KEY_TYPES, LIST_TYPES, NUMBER_BYTES, CallLayout, Param, layouts

#: What SMAPI carries: one byte for each character.  The directory holds bytes that are not text, which latin-1 keeps.
CHARSET = "latin-1"

#: A name of a user or of a list: letters, digits, the national characters and what directories use beside them.
_NAME = re.compile(r"[A-Za-z0-9@#$_+:.\-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
#: Longer than any request that z/VM accepts; a guard against sending a file by mistake (bytes).
LONGEST_REQUEST = 16 << 20

ParamValue = str | int | bytes | bool | Sequence[str] | Sequence[tuple[str, str]]


def encode_request(
    layout: CallLayout, params: Mapping[str, object], *, userid: str, password: str, target: str = ""
) -> bytes:
    """The whole request, with its length in front.

    :raises UsageError: a parameter is unknown, missing, too long, or cannot be carried; never shows a secret.
    """
    head = text(layout.api) + text(check_user(userid)) + text(check_password(password))
    if layout.has_target:
        head += text(check_target(layout, target))
    body = head + encode_params(layout, params)
    if len(body) > LONGEST_REQUEST:
        raise UsageError(f"the request {layout.api} has {len(body):,} bytes; z/VM takes no such request")
    return len(body).to_bytes(4, "big") + body


def encode_params(layout: CallLayout, params: Mapping[str, object]) -> bytes:
    """The parameters alone, in wire order."""
    given = named(layout, params)
    parts: list[bytes] = []
    block = b""
    has_block = any(param.type == "lkey" for param in layout.params)
    for param in layout.params:
        encoded = encode_one(layout, param, given.get(param.name))
        if param.type == "lkey":
            block += encoded
        else:
            parts.append(encoded)
    return (sized(block) if has_block else b"") + b"".join(parts)


def named(layout: CallLayout, params: Mapping[str, object]) -> dict[str, object]:
    """Parameters under the names of the table, each known and none missing."""
    given: dict[str, object] = {}
    for name, value in params.items():
        param = layout.param(name)
        if param is None:
            raise UsageError(f"{layout.api} has no parameter {name!r}", todo=_known(layout))
        given[param.name] = value
    missing = [param.name for param in layout.params if param.required and given.get(param.name) in (None, "")]
    # A change that is a list and nothing else would put an empty entry in the place of the one that is there.
    if layout.kind == "change" and len(layout.params) == 1 and layout.params[0].type in LIST_TYPES:
        missing += [param.name for param in layout.params if not given.get(param.name)]
    if missing:
        raise UsageError(f"{layout.api} needs {', '.join(missing)}", todo=_known(layout))
    return given


def encode_one(layout: CallLayout, param: Param, value: object) -> bytes:
    """One parameter."""
    where = f"{param.name} of {layout.api}"
    if param.type in NUMBER_BYTES:
        return number(where, param, param.default or 0 if value in (None, "") else value)
    if param.type in LIST_TYPES:
        return _list(where, param, value)
    if param.type == "bytes":
        data = raw(where, value)
        _check_length(where, param, len(data))
        return sized(data)
    chars = plain(where, param.default if value is None else value, param)
    if param.type in KEY_TYPES or param.type == "lkey":
        return f"{param.name}={chars}\0".encode(CHARSET) if chars else b""
    return {"z": chars.encode(CHARSET) + b"\0", "rest": chars.encode(CHARSET)}.get(param.type, text(chars))


def number(where: str, param: Param, value: object) -> bytes:
    """An integer, unsigned or, for "not specified", negative."""
    size = NUMBER_BYTES[param.type]
    try:
        found = int(value) if isinstance(value, int | str) else None
    except ValueError:
        found = None
    if found is None or not -(1 << (8 * size - 1)) <= found < 1 << (8 * size):
        raise UsageError(f"{where}: {value!r} is not a number of {size} byte{'s' * (size > 1)}")
    return (found % (1 << (8 * size))).to_bytes(size, "big")


def plain(where: str, value: object, param: Param) -> str:
    """Text that SMAPI can carry, of a length that the API takes."""
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise UsageError(f"{where}: a text is wanted, not {type(value).__name__}")
    chars = str(value)
    _check_chars(where, chars)
    _check_length(where, param, len(chars))
    return chars


def raw(where: str, value: object) -> bytes:
    """Bytes, from bytes or from text."""
    if value is None:
        return b""
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise UsageError(f"{where}: bytes are wanted, not {type(value).__name__}")
    return _latin(where, value)


def _list(where: str, param: Param, value: object) -> bytes:
    items = list_items(where, value)
    if param.type == "pairs":
        both = [text(_word(where, name)) + text(_word(where, data)) for name, data in _pairs(where, items)]
        return sized(b"".join(map(sized, both)))
    lines = [_word(where, item) for item in items]
    for line in lines:
        _check_length(where, param, len(line))
    if param.type == "lines":
        return sized(b"".join(text(line) for line in lines))
    if param.type == "joined":
        return sized("\0".join(lines).encode(CHARSET))
    return sized(b"".join(line.encode(CHARSET) + b"\0" for line in lines))


def list_items(where: str, value: object) -> list[object]:
    """The members of a list; a text is one member for each of its lines."""
    if value is None:
        return []
    if isinstance(value, str):
        return [line.removesuffix("\r") for line in value.removesuffix("\n").split("\n")]
    if not isinstance(value, Iterable) or isinstance(value, bytes):
        raise UsageError(f"{where}: a list is wanted, not {type(value).__name__}")
    return list(value)


def _pairs(where: str, items: list[object]) -> list[tuple[object, object]]:
    pairs = [tuple(item.split("=", 1)) if isinstance(item, str) else tuple(list_items(where, item)) for item in items]
    if any(len(pair) != 2 for pair in pairs):
        raise UsageError(f"{where}: pairs NAME=VALUE are wanted")
    return [(pair[0], pair[1]) for pair in pairs]


def _word(where: str, item: object) -> str:
    """One member of a list: text, or bytes, which are kept whatever they are (a ``*DVHOPT`` record is not text)."""
    if isinstance(item, bytes):
        return item.decode(CHARSET)
    if not isinstance(item, str):
        raise UsageError(f"{where}: a list of texts is wanted, with a {type(item).__name__} in it")
    _check_chars(where, item)
    return item


def text(chars: str) -> bytes:
    """A string of the protocol: int4 length, then the characters."""
    return sized(chars.encode(CHARSET))


def sized(data: bytes) -> bytes:
    """Bytes with their int4 length in front."""
    return len(data).to_bytes(4, "big") + data


def check_user(userid: str) -> str:
    """:raises UsageError: for what is not a z/VM user ID."""
    if not 1 <= len(userid) <= 8 or not _NAME.fullmatch(userid):
        raise UsageError(
            f"{_short(userid)} is not a z/VM user ID",
            meaning="A user ID has 1 to 8 characters: letters, digits, and @ # $ _ + : . -",
        )
    return userid


def check_password(password: str) -> str:
    """:raises UsageError: without showing the password."""
    if not 1 <= len(password) <= 200:
        raise UsageError(f"the password has {len(password)} characters; SMAPI takes 1 to 200")
    _check_chars("the password", password)
    return password


def check_target(layout: CallLayout, target: str) -> str:
    """A user ID, ``*``, or (where the API takes one) the name of a list."""
    longest = 64 if "lists" in layout.flags else 8
    if target == "*" or (target == "" and "anytarget" in layout.flags):
        return target
    if not 1 <= len(target) <= longest or not _NAME.fullmatch(target):
        raise UsageError(
            f"{_short(target)} is not a target for {layout.api}",
            meaning=f"A target has 1 to {longest} characters: letters, digits, and @ # $ _ + : . -",
        )
    return target


def find_layout(api: str) -> CallLayout:
    """The layout of an API, whatever the case of its name.

    :raises UsageError: with the names that are near it.
    """
    if found := layouts().get(api):
        return found
    by_lower = {name.lower(): name for name in layouts()}
    if api.lower() in by_lower:
        return layouts()[by_lower[api.lower()]]
    near = difflib.get_close_matches(api.lower(), by_lower, n=3)
    hint = f"Did you mean {' or '.join(by_lower[name] for name in near)}? " if near else ""
    raise UsageError(f"no SMAPI function {_short(api)} is known", todo=f"{hint}See goldroot zvm call --list")


def _check_length(where: str, param: Param, length: int) -> None:
    if param.high and not (length <= param.high and (length >= param.low or (length == 0 and not param.required))):
        raise UsageError(f"{where}: {length} characters; {param.low} to {param.high} are taken")


def _check_chars(where: str, chars: str) -> None:
    if _CONTROL.search(chars):
        raise UsageError(f"{where} contains a control character (a line end, a NUL, ...)")
    _latin(where, chars)


def _latin(where: str, chars: str) -> bytes:
    try:
        return chars.encode(CHARSET)
    except UnicodeEncodeError:
        # "from None": the exception carries the text, which may be a password.
        raise UsageError(
            f"{where} contains a character that SMAPI cannot carry",
            meaning="SMAPI takes the characters of ISO 8859-1, one byte each.",
        ) from None


def _known(layout: CallLayout) -> str:
    if not layout.params:
        return f"{layout.api} has no parameters."
    return f"Its parameters: {', '.join(param.name for param in layout.params)}."


def _short(value: str) -> str:
    return repr(value if len(value) <= 40 else value[:40] + "...")
