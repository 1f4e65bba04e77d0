"""Bytes from a server, read with care."""

from __future__ import annotations


class Malformed(ValueError):
    """The bytes do not follow the layout; the message says where and why."""


class Area:
    """Bytes that are read from left to right, never past their end."""

    def __init__(self, data: bytes, what: str) -> None:
        self.data = data
        self.at = 0
        self.what = what

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def take(self, size: int, name: str) -> bytes:
        if size > self.left:
            raise Malformed(f"{name} at byte {self.at} of {self.what} wants {size:,} bytes; {self.left:,} are there")
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, size: int, name: str) -> int:
        return int.from_bytes(self.take(size, name), "big")

    def sized(self, name: str) -> Area:
        """The area that an int4 length announces."""
        return Area(self.take(self.number(4, f"the length of {name}"), name), name)

    def zero_ended(self) -> bytes:
        """Up to the next NUL; the last one of an area may lack it, as in captured answers."""
        end = self.data.find(b"\0", self.at)
        end = len(self.data) if end < 0 else end
        found = self.data[self.at : end]
        self.at = min(end + 1, len(self.data))
        return found

    def done(self) -> None:
        if self.left:
            raise Malformed(f"{self.left:,} bytes too many at the end of {self.what}")
