"""What a review shows of questions, and what it decided."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from goldroot.views.base import View
from goldroot.views.record import RecordConflict, SideOfPath


class ConflictShown(RecordConflict):
    """A question with what each side has, in words and lines."""

    state: Literal["open", "decided"]
    base: SideOfPath | None = None
    gold: SideOfPath | None = None
    clone: SideOfPath | None = None
    said: dict[str, str] = Field(default_factory=dict, description="gold, clone -> what that side did, in words")
    diffs: dict[str, list[str]] = Field(
        default_factory=dict, description="base->gold, base->clone: lines of texts and tables; no secrets"
    )


class ReviewShown(View):
    """The questions of a server's update or way back."""

    clone: str
    update: int
    conflicts: tuple[ConflictShown, ...]


class ReviewRow(View):
    """An update or rollback that waits for a person, as the list of them shows it."""

    clone: str
    update: int
    kind: Literal["update", "rollback"]
    state: str
    from_: int = Field(alias="from")
    to: int
    open: int = Field(description="questions that nobody has answered yet")
    decided: int


class ReviewNext(View):
    """The first question that nobody has answered."""

    clone: str | None
    conflict: ConflictShown | None
    open: int = Field(description="questions that nobody has answered yet")


class MergeShown(View):
    """The questions that a merge of three directories left."""

    out: str
    conflicts: tuple[ConflictShown, ...]


class QuestionNamed(View):
    """A question by its names."""

    path: str
    axis: str
    key: str


class AnswerGiven(QuestionNamed):
    """A question to which an answer was given, or would be."""

    take: str = Field(description="as it was written; content where a person edited")


class ReviewDecided(View):
    """Answers that were given to the questions of a server."""

    clone: str
    decided: tuple[AnswerGiven, ...]
    open: int
    plan: bool


class MergeResolved(View):
    """Answers that were given to what a merge left, and whether it was made again."""

    out: str
    decided: tuple[AnswerGiven, ...]
    open: tuple[QuestionNamed, ...]
    merged: bool = False
    kept: str = Field("", description="where OUT as it was is kept, as somebody had changed it; empty where nobody had")
    plan: bool = False
