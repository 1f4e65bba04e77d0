"""Which answers are legal for which call.

``codes.json`` beside this module is a compact copy of the return and reason codes that IBM's *z/VM 7.1 Systems
Management Application Programming* (SC24-6327) lists for each call.  The simulator gives no other answer; a call
that the book does not describe (``System_Info_Query`` and ``System_Performance_Info_Query``, which real systems
answer all the same) has the codes that it was seen to give.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources

from goldroot.zvm.simulator.answer import Answer, IllegalAnswer

#: What every server may say before it knows the call: authentication failed, no such function, lengths wrong.
BEFORE_THE_CALL = frozenset({(120, 0), (900, 12), (900, 20), (900, 36)})

#: Return codes with a reason code that no list can hold: the seconds granted, a product's own number.
ASYNCHRONOUS = 592


@cache
def table() -> dict[str, dict[str, str]]:
    """API name -> ``rc_rs`` (or ``rc`` alone, where any reason code may follow) -> IBM's text."""
    packed = json.loads(resources.files(__package__).joinpath("codes.json").read_text("ascii"))
    texts = packed["texts"]
    return {
        api: {code: texts[int(number)] for code, number in (pair.split(":") for pair in line.split())}
        for api, line in packed["apis"].items()
    }


def legal(api: str, rc: int, rs: int) -> bool:
    """Whether ``api`` may answer ``rc``/``rs``.

    An asynchronous start is legal in both its forms wherever the book lists either of them: systems differ in
    whether the operation's number is the reason code or output.
    """
    listed = table().get(api)
    if listed is None:
        return (rc, rs) in BEFORE_THE_CALL
    if rc == ASYNCHRONOUS:
        return any(code == "592" or code.startswith("592_") for code in listed)
    return f"{rc}_{rs}" in listed or str(rc) in listed or (rc, rs) in BEFORE_THE_CALL


def text(api: str, rc: int, rs: int) -> str:
    """IBM's words for an answer; "" where there are none."""
    listed = table().get(api, {})
    return listed.get(f"{rc}_{rs}") or listed.get(str(rc)) or ""


def first_legal(api: str, *codes: tuple[int, int]) -> tuple[int, int] | None:
    """The first of several answers that ``api`` may give."""
    return next((code for code in codes if legal(api, *code)), None)


def check(api: str, answer: Answer) -> Answer:
    """The answer itself, or :class:`IllegalAnswer`."""
    if not legal(api, answer.rc, answer.rs):
        raise IllegalAnswer(f"{api} does not answer {answer.rc}/{answer.rs}")
    return answer
