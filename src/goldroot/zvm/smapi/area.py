"""Bytes from a server, read with care."""

from __future__ import annotations


class Malformed(ValueError):
    """The bytes do not follow the layout; the message says where and why."""


#: Most values in one answer.  A directory of 50,000 machines has fewer; an answer of NULs alone would have millions.
MOST_VALUES = 2_000_000


class Budget:
    """How many values an answer may still have: objects cost more memory than the bytes they are made of."""

    def __init__(self, left: int = MOST_VALUES) -> None:
        self.left = left

    def spend(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Malformed(f"it has more than {MOST_VALUES:,} values")


class Area:
    """Bytes that are read from left to right, never past their end.

    :param what: the name of the area in messages.  :param budget: shared with the areas inside.
    """

    def __init__(self, data: bytes, what: str, budget: Budget | None = None) -> None:
        self.data = data
        self.at = 0
        self.what = what
        self.budget = budget or Budget()

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
        return Area(self.take(self.number(4, f"the length of {name}"), name), name, self.budget)

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
