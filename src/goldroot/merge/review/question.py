"""A question as a person meets it: with what each side has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from goldroot.conflicts import CONTENT, SIDES, Decision, answer_word, takes_content
from goldroot.merge.decide.text import MAX_TEXT, is_text
from goldroot.policy import Rule

#: The bytes before a link's target, where a link stands in place of a file's content.
LINK_MARK = b"-> "
#: Word for the answer that is in force until somebody decides.
PROPOSAL = "proposal"


class Asked(Protocol):
    """What a merge asked: :class:`goldroot.conflicts.Conflict`, or what the catalog keeps of one."""

    @property
    def path(self) -> bytes: ...
    @property
    def axis(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def answers(self) -> tuple[str, ...]: ...
    @property
    def stands(self) -> str: ...
    @property
    def detail(self) -> str: ...
    @property
    def secret(self) -> bool: ...
    @property
    def own(self) -> bool: ...


@dataclass(frozen=True)
class Question:
    """A question, and what is at its path on each side.

    :param entry: the entry of the path in the record, as JSON data; empty where the record has none.
    :param contents: of base, gold and the server: a file's bytes, a link's target after ``-> ``, ``None`` for all else.
    :param rule: as the policy has it for the path.
    """

    asked: Asked
    entry: Mapping[str, Any]
    contents: tuple[bytes | None, bytes | None, bytes | None]
    rule: Rule

    def side(self, word: str) -> Mapping[str, Any] | None:
        """What a side (base, gold, clone) has at the path, as the record says it; ``None``: nothing, or it is not known."""
        found: Mapping[str, Any] | None = self.entry.get(word)
        return found

    @property
    def has_sides(self) -> bool:
        """Whether the record says what the sides have."""
        return any(word in self.entry for word in SIDES)

    @property
    def is_text(self) -> bool:
        """Whether it can be answered by a text that a person edits; a side that has no file counts as an empty one."""
        return (
            takes_content(self.asked.axis, self.asked.own)
            and any(held is not None for held in self.contents)
            and all(is_text(held or b"") and len(held or b"") <= MAX_TEXT for held in self.contents)
            and not any((held or b"").startswith(LINK_MARK) and self._is_link(word) for word, held in self._held())
            and not any((self.side(word) or {}).get("kind") == "directory" for word in SIDES)
        )

    def _held(self) -> zip[tuple[str, bytes | None]]:
        return zip(SIDES, self.contents, strict=True)

    def _is_link(self, word: str) -> bool:
        return bool((self.side(word) or {}).get("kind", "link") == "link")

    @property
    def in_both(self) -> bool:
        """Whether gold and the server both have it as a text, so that it can be answered part by part."""
        return self.is_text and self.contents[1] is not None and self.contents[2] is not None


Again = Callable[[str], bool]  #: asked, with the reason in words, whether to open a text again


def never(reason: str) -> bool:
    """Nobody is there to be asked."""
    return False


@dataclass(frozen=True)
class EditWay:
    """How a text is edited.

    :param tool: with git's merge tool, from the three versions, in place of the editor.
    :param again: what is asked where it cannot be an answer yet.
    :param begin: the text to begin with; ``None``: what was kept of an edit before, or what could be merged.
    """

    tool: bool = False
    again: Again = never
    begin: bytes | None = None


@dataclass(frozen=True)
class Desk:
    """What a person sits at who answers questions, of a server's update or of a merge of three directories.

    :param title: whose questions they are, for the first line.
    :param open: the questions that are open, read again each time.
    :param question: looks one up, with what each side has.
    :param detail: what is asked, in words.
    :param decide: keeps an answer, at once.
    :param edit: lets a person edit the text, and keeps it as the answer: (question, how).
    """

    title: str
    open: Callable[[], list[Asked]]
    question: Callable[[Asked], Question]
    detail: Callable[[Asked], str]
    decide: Callable[[Asked, Decision], None]
    edit: Callable[[Asked, EditWay], None]


def answers_of(asked: Asked) -> list[str]:
    """The answers that there are, in the words that a person writes."""
    own = ["FILE"] if takes_content(asked.axis, asked.own) else []
    return [*map(answer_word, asked.answers), *own]


def side_or_content(content: bytes, question: Question) -> Decision:
    """A person's text as an answer: that of one side where it is that side's, which is then said so."""
    for word, held in zip(SIDES[1:], question.contents[1:], strict=True):
        if held == content and word in question.asked.answers:
            return Decision(word)
    return Decision(CONTENT, content)
