"""Questions one after the other, answered by one key each: ``goldroot review next`` and ``goldroot merge resolve``.

As ``git add -p`` does it: an answer is kept at once, so that whoever leaves, in whatever way, has lost none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from goldroot.cli.failure import error_lines
from goldroot.cli.keys import Keys, page
from goldroot.cli.questions import Line, question_lines
from goldroot.cli.terminal import put
from goldroot.conflicts import CLONE, GOLD, MOVED, Decision, answer_word
from goldroot.errors import GoldrootError

if TYPE_CHECKING:
    from goldroot.cli.asking_hunks import Hunks
    from goldroot.merge import Asked, Desk, Question

#: Answer -> its key and what it means; other answers have a digit.
_ANSWERS = {
    CLONE: ("s", "the server's stays"),
    GOLD: ("g", "gold's is taken"),
    MOVED: ("m", "the change is made where the file is now"),
    "proposal": ("p", "what is proposed is done"),
    "withdraw": ("w", "the account stays, and nobody can log in with it"),
    "numeric": ("n", "owners there are numbers of another system"),
    "names": ("a", "owners there are accounts of this one"),
}
_HELP = {
    "h": "hunk by hunk: take some parts from the server and some from gold",
    "e": "edit the text ($VISUAL, $EDITOR); it begins with what could be merged",
    "t": "git's merge tool (git config merge.tool)",
    "v": "view it once more, whole",
    "j": "leave it undecided, and go on to the next one",
    "k": "leave it undecided, and go back to the one before",
    "q": "quit; what was answered is kept",
    "?": "this list",
}


def ask_all(desk: Desk, keys: Keys) -> bool:
    """Ask every open question of a desk.

    :returns: whether the person has been through all of them; else they want to leave.
    """
    order = list(desk.open())
    left = [*range(len(order))]
    met: dict[int, _One] = {}
    at = 0  # in left
    while at < len(left):
        number = left[at]
        if number not in met:
            met[number] = _One(desk, keys, order[number], f"({number + 1}/{len(order)})")
        way = met[number].ask()
        if way == "q":
            return False
        if way == "done":
            left.pop(at)
        elif way == "j":
            at += 1
        elif at:
            at -= 1
        else:
            put("  None before this one is undecided.")
    return True


class _One:
    """One question."""

    def __init__(self, desk: Desk, keys: Keys, asked: Asked, count: str) -> None:
        self.desk, self.keys, self.asked, self.count = desk, keys, asked, count
        self.question: Question = desk.question(asked)
        self.by_key = _keys_of(asked.answers)
        self.hunks: Hunks | None = None  #: what was chosen hunk by hunk until the person left it

    def ask(self) -> str:
        """``done``, or the key by which the person leaves it undecided."""
        help_texts = {key: text for key, text in _HELP.items() if key in self._keys()}
        self._show(whole=False)
        while True:
            shown = ",".join(self._keys())
            key = self.keys.ask(f"{self.count} Which one? [{shown}]", self._keys())
            if key in self.by_key:
                self._decide(self.by_key[key])
                return "done"
            if key in "jkq":
                return key
            if key == "?":
                _say_help(self.by_key, help_texts)
            elif key == "v":
                self._show(whole=True)
            elif self._by_text(key):
                return "done"

    def _keys(self) -> list[str]:
        text = ["h"] if self._has_hunks() else []
        return [*self.by_key, *text, *(("e", "t") if self.question.is_text else ()), "v", "j", "k", "q", "?"]

    def _has_hunks(self) -> bool:
        return self.question.in_both and not (self.asked.secret or self.question.rule.secret)

    def _show(self, *, whole: bool) -> None:
        from goldroot.merge import conflict_shown

        data = conflict_shown(self.question, self.desk.detail(self.asked))
        first: list[Line] = [("", ""), (f"{self.count} {self.desk.title}", "")]
        page([*first, *question_lines(data, whole=whole, more="with v")])

    def _decide(self, answer: str) -> None:
        self.desk.decide(self.asked, Decision(answer))
        put(f"  decided: {answer_word(answer)}")

    def _by_text(self, key: str) -> bool:
        """Whether it was decided by a text: edited, or put together from hunks."""
        from goldroot.cli.asking_hunks import Hunks, ask_hunks
        from goldroot.merge import EditWay, side_or_content

        try:
            if key == "h":
                self.hunks = self.hunks or Hunks.of(self.question)
                content = ask_hunks(self.hunks, self.keys)
                if content is None:
                    return False
                if content.whole:
                    self.desk.decide(self.asked, side_or_content(content.text, self.question))
                else:
                    self.desk.edit(self.asked, EditWay(again=self._again, begin=content.text))
            else:
                self.desk.edit(self.asked, EditWay(tool=key == "t", again=self._again))
        except GoldrootError as error:
            for line in error_lines(error):
                put(line)
            return False
        put("  decided: your text")
        return True

    def _again(self, why: str) -> bool:
        return self.keys.yes(f"  {why[0].upper()}{why[1:]}. Edit it again?")


def _keys_of(answers: tuple[str, ...]) -> dict[str, str]:
    """Key -> answer."""
    found: dict[str, str] = {}
    for number, answer in enumerate(answers, 1):
        found[_ANSWERS[answer][0] if answer in _ANSWERS else str(number)] = answer
    return found


def _say_help(answers: Mapping[str, str], others: Mapping[str, str]) -> None:
    for key, answer in answers.items():
        put(f"  {key}  {_ANSWERS[answer][1] if answer in _ANSWERS else answer}")
    for key, text in others.items():
        put(f"  {key}  {text}")
