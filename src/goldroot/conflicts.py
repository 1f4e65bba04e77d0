"""Questions that a merge must not answer alone, and the answers that people gave: plain data for all rooms, and a file of them.

A file of decisions, in which KEY is a conflict's ``key`` in the record::

    {"schema": 1,
     "decisions": {"KEY": "clone",                                  a bare answer
                   "KEY": {"take": "gold", "note": "..."},          the same with words
                   "KEY": {"take": "content", "text": "..."},       content of one's own, as text
                   "KEY": {"take": "content", "base64": "..."},     or as any bytes
                   "KEY": {"take": "content", "file": "..."}}}      or in a file beside this one
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from goldroot.errors import BadInput
from goldroot.files import digest_of, json_of, read_given
from goldroot.kinds import ConflictKind

__all__ = [
    "CLONE", "CONTENT", "GOLD", "MOVED", "SIDES", "Conflict", "Decision", "Decisions",
    "Remembered", "answer_given", "answer_word", "decisions_digest", "decisions_text", "load_decisions", "takes_content",
]  # fmt: skip

CLONE, GOLD, CONTENT = "clone", "gold", "content"
#: An answer where one side moved a file that the other changed: the change is made at the new place.
MOVED = "moved"
#: The three trees, in the order of everything that has one value of each.
SIDES = ("base", "gold", "clone")
#: What a person reads and writes for the answer that is stored as ``clone``.
SERVER = "server"
#: Axes on which content of one's own may be an answer.
_WITH_CONTENT = ("content", "presence", "type")


def answer_word(answer: str) -> str:
    """An answer as a person reads it."""
    return SERVER if answer == CLONE else answer


def answer_given(word: str) -> str:
    """What a person wrote, as it is stored: ``server`` and ``clone`` are the same answer."""
    return CLONE if word == SERVER else word


@dataclass(frozen=True, slots=True)
class Conflict:
    """A question that the merge must not answer alone.

    ``values`` are base's, gold's and the clone's value *on this axis* as canonical bytes (``b""`` where absent); with
    path and axis they make the key under which a decision is remembered, so one answer serves every clone with the same
    question.  ``detail`` is for a person and never holds a secret.
    """

    path: bytes  #: absolute in the system
    axis: str  #: ``presence``, ``content``, ``mode``, ``owner``, ``group``, ``xattr:NAME``, ``accounts:RECORD:FIELD``
    kind: ConflictKind  #: a word for a program, such as ``both-changed``
    values: tuple[bytes, bytes, bytes]
    answers: tuple[str, ...] = (CLONE, GOLD)
    stands: str = CLONE  #: the answer in force until somebody decides
    detail: str = ""
    secret: bool = False
    own: bool = True  #: on an axis that has contents: a file of a person's own is an answer (:func:`takes_content`)

    @property
    def key(self) -> str:
        """Hex SHA-256 over path, axis and the three values, each with its length before it."""
        return digest_of((self.path, self.axis.encode("utf-8", "surrogateescape"), *self.values)).hex()

    def unanswered(self, trouble: str) -> Conflict:
        """The conflict, with a word on why its remembered answer was of no use; itself where there is none to be said."""
        if not trouble:
            return self
        return replace(self, detail=f"{self.detail}; the remembered answer cannot be used: {trouble}")


def takes_content(axis: str, own: bool) -> bool:
    """Whether a file of a person's own is an answer to a question: the one rule for a review and for the merge.

    :param own: as the merge that asked it said (:attr:`Conflict.own`): nobody can write a link, say.
    """
    return own and axis in _WITH_CONTENT


@dataclass(frozen=True, slots=True)
class Decision:
    """A person's answer to a conflict: ``take`` is one of its answers, or ``content`` with bytes of their own.

    ``server`` is what a person calls the answer ``clone``: both are taken.  An answer that a question does not have answers
    nothing: the conflict stays open.
    """

    take: str
    content: bytes | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "take", answer_given(self.take))


Decisions = Mapping[str, Decision]  #: conflict key -> decision


@dataclass(frozen=True)
class Remembered(Mapping[str, Decision]):
    """Remembered answers that know which of them a merge asked for.

    Only ``get`` is a question of a merge; what goes over all of them (a digest, a file) asks for none.
    """

    answers: Decisions
    asked: set[str] = field(default_factory=set)  #: keys of the answers that were there when they were asked for

    def get(self, key: str, default: Decision | None = None) -> Decision | None:  # type: ignore[override]
        found = self.answers.get(key, default)
        if key in self.answers:
            self.asked.add(key)
        return found

    def used(self, left: Iterable[Conflict]) -> list[str]:
        """The keys of the answers that a merge used.

        :param left: what it did not find answered: an answer that cannot be used leaves its question open.
        """
        return sorted(self.asked - {one.key for one in left})

    def __getitem__(self, key: str) -> Decision:
        return self.answers[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.answers)

    def __len__(self) -> int:
        return len(self.answers)


# -- A file of decisions

SCHEMA = 1
_KEY = re.compile("[0-9a-f]{64}")


def load_decisions(file: str) -> dict[str, Decision]:
    """Read a decisions file.

    :raises BadInput: it cannot be read or is not of the form above.
    """
    try:
        data = json_of(read_given(file))
    except OSError as error:
        raise BadInput(f"{file}: the decisions cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise BadInput(f"{file}: this is not JSON: {error}") from error
    if not isinstance(data, dict) or not isinstance(data.get("decisions"), dict):
        raise BadInput(f'{file}: a decisions file is an object with "decisions": {{KEY: ANSWER}}')
    if data.get("schema", SCHEMA) != SCHEMA:
        raise BadInput(f"{file}: schema {data['schema']!r} is not known here", todo="A newer goldroot may read it.")
    where = os.path.dirname(os.path.abspath(file))
    decisions = {str(key): _decision(file, where, key, answer) for key, answer in data["decisions"].items()}
    for key in decisions:
        if not _KEY.fullmatch(key):
            raise BadInput(
                f"{file}: {key!r} is not a key of a conflict",
                meaning="An answer under it would answer nothing.",
                todo="Write the whole key, 64 hex digits, as the record has it.",
            )
    return decisions


def _decision(file: str, where: str, key: str, answer: Any) -> Decision:
    if isinstance(answer, str):
        return Decision(answer)
    if not isinstance(answer, dict) or not isinstance(answer.get("take"), str):
        raise BadInput(
            f'{file}: the answer to {key[:12]}... needs a "take"', todo='Write {"take": "server"} or "gold".'
        )
    if answer["take"] != CONTENT:
        return Decision(answer["take"])
    return Decision(CONTENT, _content(file, where, key, answer))


def _content(file: str, where: str, key: str, answer: dict[str, Any]) -> bytes:
    try:
        if "text" in answer:
            return str(answer["text"]).encode("utf-8", "surrogateescape")
        if "base64" in answer:
            return base64.b64decode(answer["base64"], validate=True)
        return read_given(os.path.join(where, str(answer["file"])))
    except KeyError:
        raise BadInput(f'{file}: the answer to {key[:12]}... needs "text", "base64" or "file"') from None
    except (ValueError, TypeError) as error:
        raise BadInput(f"{file}: the base64 of {key[:12]}... is damaged") from error
    except OSError as error:
        raise BadInput(f"{file}: the content for {key[:12]}... cannot be read: {error.strerror}") from error


def decisions_text(decisions: Decisions) -> bytes:
    """A decisions file with these answers; contents may be any bytes."""
    said = {
        key: {"take": one.take} | ({} if one.content is None else {"base64": base64.b64encode(one.content).decode()})
        for key, one in sorted(decisions.items())
    }
    return json.dumps({"schema": SCHEMA, "decisions": said}, indent=1).encode() + b"\n"


def decisions_digest(decisions: Decisions) -> bytes:
    """A hash over a set of decisions."""
    given = sorted(decisions.items(), key=lambda item: item[0])
    return digest_of(part for key, one in given for part in (key.encode(), one.take.encode(), one.content or b""))
