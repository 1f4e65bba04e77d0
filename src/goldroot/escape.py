"""Foreign text, made harmless for whoever looks at it: the one rule by which characters are shown as what they are.

What a server, an archive or a person says may hold what a terminal acts upon: escape sequences (C0, DEL, C1), characters
that turn the order of others around or cannot be seen (bidirectional and other format controls), bytes that are not UTF-8,
and line breaks, by which one line poses as two.  All of it is what :meth:`str.isprintable` says no to (the categories
"Other" and "Separator" of Unicode, but the space), so that a new Unicode brings no new hole.
"""

from __future__ import annotations

import re


def escape(text: str, keep: str = "") -> str:
    r"""The text with every other character than printable ones and those of ``keep`` written as ``\xNN`` or ``\uNNNN``.

    A byte that is not UTF-8 (PEP 383) is written as the byte that it is.  It is for showing: a backslash stays one.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in keep else _code(ord(char)) for char in text)


#: A byte that is not UTF-8 as Python has it (PEP 383), or as :func:`repr` writes that.
_BYTE = re.compile(r"[\udc80-\udcff]|(?<!\\)((?:\\\\)*)\\udc([89a-f][0-9a-f])")


def with_bytes(text: str) -> str:
    r"""A message in which bytes that are not UTF-8 are written as the bytes that they are (``\xNN``), also in quoted words."""
    return _BYTE.sub(lambda one: f"{one[1]}\\x{one[2]}" if one[2] else _code(ord(one[0])), text)


def _code(code: int) -> str:
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
