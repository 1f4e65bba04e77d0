"""What a call comes to: an answer, or an error that is an answer too."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """Return code, reason code and the output behind them, as bytes."""

    rc: int = 0
    rs: int = 0
    data: bytes = b""


class SmapiError(Exception):
    """Ends a call with these codes; ``data`` is the error buffer of the few calls that have one."""

    def __init__(self, rc: int, rs: int, data: bytes = b"") -> None:
        super().__init__(f"{rc}/{rs}")
        self.answer = Answer(rc, rs, data)


class IllegalAnswer(AssertionError):
    """The simulator was about to give an answer that the call does not have: a bug in the simulator."""
