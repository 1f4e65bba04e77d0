"""A question on the screen: what is asked, what each side did, and what can be answered."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from goldroot.cli.hunks import HunkPart, in_full, where_they_meet
from goldroot.cli.terminal import put
from goldroot.conflicts import answer_word
from goldroot.counted import counted
from goldroot.tree import path_text

if TYPE_CHECKING:
    from goldroot.merge import Asked

#: (text, colour): a line as :func:`goldroot.cli.terminal.put_coloured` takes it.
Line = tuple[str, str]

#: Side -> who it is, at the beginning of a sentence's end.
_WHO = {"gold": "gold", "clone": "the server"}
#: How a line of a difference begins -> its colour.
_COLOURS = {"+": "green", "-": "red", "@": "cyan", "~": "yellow"}


def question_lines(
    one: Mapping[str, Any],
    *,
    brief: bool = False,
    whole: bool = False,
    whole_key: bool = False,
    more: str = "with --whole",
) -> list[Line]:
    """A conflict as lines.

    :param one: as :func:`goldroot.merge.conflict_shown` gives it; one of a record, with its answers in a person's words.
    :param brief: without what the sides have.
    :param whole: long texts whole, not only where both sides changed the same lines.
    :param whole_key: the key as a decisions file wants it.
    :param more: how the rest of a long text is shown.
    """
    key = one["key"] if whole_key else one["key"][:12]
    state = "" if one.get("state", "open") == "open" else f"  ({one['state']})"
    lines = [
        (f"{one['path']}  [{one['axis']}]{state}  {one['detail']}", "bright_white"),
        (f"    current result: {current_result(one)}; answers: {', '.join(one['answers'])}; key {key}", ""),
    ]
    return lines if brief else lines + _sides(one, whole, more)


def current_result(one: Mapping[str, Any]) -> str:
    """The answer that is in force until somebody decides."""
    return answer_word(str(one["stands"]))


def _sides(one: Mapping[str, Any], whole: bool, more: str) -> list[Line]:
    diffs: dict[str, list[str]] = one.get("diffs", {})
    parts = in_full(diffs) if whole else where_they_meet(diffs)
    lines: list[Line] = []
    for side, words in one.get("said", {}).items():
        part = parts.get(f"base->{side}", HunkPart([], 0))
        shown = [] if one["axis"].startswith("accounts:") else part.lines
        lines.append((f"    {_WHO[side]} {words}" + (":" if shown else ""), ""))
        lines += change_lines(shown, indent="      ")
        if part.hidden:
            lines.append((f"      ({counted(part.hidden, 'change')} elsewhere in the file; shown {more})", ""))
    return lines


def change_lines(changes: Sequence[str], *, indent: str) -> list[Line]:
    """Lines of a difference in their colours."""
    return [(f"{indent}{line}", _COLOURS.get(line[:1], "")) for text in changes for line in text.split("\n")]


def say_words(data: Sequence[Mapping[str, Any]]) -> None:
    """The words that are not everyday ones, where they appear."""
    if data:
        put("In brackets: which property of the path is asked about, its axis.")
    if any(one["stands"] == "proposal" for one in data):
        put("proposal: goldroot's own suggestion, which the line above names.")


def ways_to_answer(
    resolve: str, edit: str, asked: Sequence[Asked], names: Sequence[Asked], is_text: Callable[[Asked], bool]
) -> list[str]:
    """How the first of what is open can be answered by a command, and the first text be edited: exactly what works.

    :param resolve: the command that takes an answer. :param edit: the one that opens an editor.
    :param asked: what is open. :param names: all that a path may name, what is decided among it.
    :param is_text: whether a question can be answered by a text; it may have to be read.
    """
    from goldroot.merge import answers_of

    count = Counter(one.path for one in names)

    def name(one: Asked) -> str:
        return shlex.quote(path_text(one.path)) if count[one.path] == 1 else one.key[:12]

    lines = [f"{resolve} {name(asked[0])} --take {'|'.join(answers_of(asked[0]))}"]
    text = next((one for one in asked if is_text(one)), None)
    return [*lines, f"{edit} {name(text)}"] if text is not None else lines
