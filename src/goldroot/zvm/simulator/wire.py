"""Bytes and numbers of the systems management protocol: what a request is made of and how a reply is built.

All integers are big-endian.  A request is ``int4 length`` (which does not count itself) and then strings, each an
``int4`` length and its bytes: function name, user ID, password, target, parameters.  A reply is an ``int4`` request
identifier, sent at once, and later ``int4 length, int4 request identifier, int4 return code, int4 reason code`` with
the output behind them.  Source: the captured frames, and the layouts of Feilong's ``zthin/src``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

#: The wire's character set: one byte is one character, and nothing that arrives is ever refused by it.
CHARSET = "iso8859-1"

#: Bytes of the largest request that is taken.  A directory entry of 10,000 records stays below it.
LARGEST_REQUEST = 1 << 20

#: rc 900: the request itself is wrong.
UNKNOWN_FUNCTION = (900, 12)
WRONG_TOTAL_LENGTH = (900, 20)
LENGTH_OUT_OF_RANGE = (900, 36)


class Malformed(Exception):
    """The request's bytes do not add up; ``code`` is the (return code, reason code) that says so."""

    def __init__(self, code: tuple[int, int]) -> None:
        super().__init__(code)
        self.code = code


class Cursor:
    """Reads a request from left to right; every read past the end is :class:`Malformed` with 900/20."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    @property
    def left(self) -> int:
        """Bytes that have not been read."""
        return len(self.data) - self.at

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise Malformed(WRONG_TOTAL_LENGTH)
        piece = self.data[self.at : self.at + count]
        self.at += count
        return piece

    def int1(self) -> int:
        return self.take(1)[0]

    def int4(self) -> int:
        return int(struct.unpack(">i", self.take(4))[0])

    def int8(self) -> int:
        return int(struct.unpack(">q", self.take(8))[0])

    def string(self) -> str:
        """A counted string; a negative length is out of every range (900/36)."""
        length = self.int4()
        if length < 0:
            raise Malformed(LENGTH_OUT_OF_RANGE)
        return self.take(length).decode(CHARSET)

    def rest(self) -> bytes:
        return self.take(self.left)

    def part(self) -> Cursor:
        """A counted piece of the request, to be read on its own."""
        length = self.int4()
        if length < 0:
            raise Malformed(LENGTH_OUT_OF_RANGE)
        return Cursor(self.take(length))


def int1(number: int) -> bytes:
    return struct.pack(">B", number & 0xFF)


def int4(number: int) -> bytes:
    return struct.pack(">I", number & 0xFFFFFFFF)


def int8(number: int) -> bytes:
    return struct.pack(">Q", number & 0xFFFFFFFFFFFFFFFF)


def raw(text: str) -> bytes:
    """Text as it travels; a character that the wire has no byte for becomes a question mark."""
    return text.encode(CHARSET, "replace")


def string(text: str | bytes) -> bytes:
    """A counted string."""
    data = text if isinstance(text, bytes) else raw(text)
    return int4(len(data)) + data


def array(elements: Iterable[bytes]) -> bytes:
    """``int4`` length of all elements together, and the elements."""
    data = b"".join(elements)
    return int4(len(data)) + data


def struct4(*fields: bytes) -> bytes:
    """A structure that carries its own length."""
    return array(fields)


def asciiz(text: str) -> bytes:
    """Text that ends with a zero byte."""
    return raw(text) + b"\0"


def asciiz_list(texts: Iterable[str]) -> bytes:
    return b"".join(asciiz(text) for text in texts)


def reply(request_id: int, return_code: int, reason_code: int, data: bytes = b"") -> bytes:
    """The second part of a reply, with its length in front."""
    body = int4(request_id) + int4(return_code) + int4(reason_code) + data
    return int4(len(body)) + body
