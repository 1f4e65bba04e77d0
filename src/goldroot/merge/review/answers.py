"""A person's answer to a question: a word, or content of their own."""

from __future__ import annotations

import re
from collections.abc import Sequence

from goldroot.conflicts import CONTENT, Decision, answer_given, answer_word, takes_content
from goldroot.errors import BadInput, Refused, UsageError
from goldroot.files import read_given
from goldroot.merge.review.question import PROPOSAL, Asked, answers_of
from goldroot.tree import path_text

#: What our own text merge leaves at a conflict (merge/decide/text.py); a person's answer may hold it by mistake.
MARKERS = re.compile(rb"^(?:<{7,} clone|\|{7,} base|>{7,} gold)\r?$", re.MULTILINE)
#: In bytes: anything larger is not a text that a person edits.
LARGEST = 16 << 20


def decisions_for(wanted: Sequence[Asked], take: str, *, show: str) -> dict[str, Decision]:
    """The same answer to some questions, by their keys.

    :param take: one of their answers (``server`` is ``clone``), ``proposal`` (what is in force), or a file's path.
    :param show: the command that names the answers, for the error.
    :raises Refused: it is not an answer to one of them. :raises UsageError: it is neither an answer nor a file.
    :raises BadInput: the file holds markers of a merge, or is too large.
    """
    take = answer_given(take)
    if take == PROPOSAL or any(take in one.answers for one in wanted):
        return {one.key: Decision(_answer(one, take)) for one in wanted}
    content = own_content(take, show)
    for one in wanted:
        if not takes_content(one.axis, one.own):
            raise Refused(
                f"{path_text(one.path)} ({one.axis}) takes no content, so {take!r} is not an answer to it",
                meaning="Nothing was decided.",
                todo=f"Answers: {', '.join(map(answer_word, one.answers))}.",
            )
    return {one.key: Decision(CONTENT, content) for one in wanted}


def _answer(one: Asked, take: str) -> str:
    if take in one.answers:
        return take
    if take == PROPOSAL:
        return one.stands
    raise Refused(
        f"{answer_word(take)!r} is not an answer to {path_text(one.path)} ({one.axis})",
        meaning="Nothing was decided.",
        todo=f"Answers: {', '.join(answers_of(one))}.",
    )


def own_content(file: str, show: str) -> bytes:
    """What a person's file holds, as the answer to a question.

    :param show: the command that names the answers.
    :raises UsageError: there is no such file, so the word was meant as another answer. :raises BadInput: it is too large, or
        holds markers of a merge.
    """
    try:
        content = read_given(file, LARGEST + 1)
    except OSError as error:
        raise UsageError(
            f"{file!r} is neither an answer nor a file that can be read ({error.strerror})",
            todo=f"Give server, gold, proposal, another answer that `{show}` names, or a file.",
        ) from error
    if len(content) > LARGEST:
        raise BadInput(f"{file!r} is larger than {LARGEST >> 20} MiB", todo="Take it to the server afterwards.")
    check_markers(content, file)
    return content


def check_markers(content: bytes, what: str) -> None:
    """:raises BadInput: markers of a merge are left in it."""
    if MARKERS.search(content):
        raise BadInput(
            f"{what} still holds conflict markers", meaning="Nothing was decided.", todo="Remove them and try again."
        )
