"""Questions that a merge must not answer alone, and the answers that people gave.  Plain data, for all rooms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from goldroot.files import digest_of
from goldroot.kinds import ConflictKind

__all__ = [
    "CLONE", "CONTENT", "GOLD", "MOVED", "NOT_A_FILE", "SIDES", "WITH_CONTENT", "Conflict", "Decision", "Decisions",
    "Remembered", "answer_given", "answer_word", "takes_content",
]  # fmt: skip

CLONE, GOLD, CONTENT = "clone", "gold", "content"
#: An answer where one side moved a file that the other changed: the change is made at the new place.
MOVED = "moved"
#: The three trees, in the order of everything that has one value of each.
SIDES = ("base", "gold", "clone")
#: What a person reads and writes for the answer that is stored as ``clone``.
SERVER = "server"
#: Axes on which content of one's own is an answer.
WITH_CONTENT = ("content", "presence", "type")
#: What a content that is not a file's is called in ``detail``; nobody can write one.
NOT_A_FILE = "link or device"


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

    @property
    def key(self) -> str:
        """Hex SHA-256 over path, axis and the three values, each with its length before it."""
        return digest_of((self.path, self.axis.encode("utf-8", "surrogateescape"), *self.values)).hex()

    def unanswered(self, trouble: str) -> Conflict:
        """The conflict, with a word on why its remembered answer was of no use; itself where there is none to be said."""
        if not trouble:
            return self
        return replace(self, detail=f"{self.detail}; the remembered answer cannot be used: {trouble}")


def takes_content(axis: str, detail: str) -> bool:
    """Whether content of a person's own is an answer to a question; what the catalog keeps of one says it by its words."""
    return axis in WITH_CONTENT and not (axis == "content" and NOT_A_FILE in detail)


@dataclass(frozen=True, slots=True)
class Decision:
    """A person's answer to a conflict: ``take`` is one of its answers, or ``content`` with bytes of their own."""

    take: str
    content: bytes | None = None


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
