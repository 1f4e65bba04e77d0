"""A text hunk by hunk: each place where both sides changed it is taken from one of them, from both, or is edited."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from goldroot.cli.keys import Keys, page
from goldroot.cli.questions import Line, change_lines
from goldroot.cli.terminal import put
from goldroot.conflicts import CLONE, GOLD

if TYPE_CHECKING:
    from goldroot.merge import Question, TextPart

#: Lines around a hunk that are shown.
_AROUND = 3
_HELP = {
    "s": "take the server's lines", "g": "take gold's lines", "b": "take both, the server's first",
    "c": "cut it into smaller hunks", "e": "edit the whole text, with what was taken until now",
    "j": "leave it undecided, and go on to the next hunk", "k": "go back to the hunk before",
    "q": "leave this file undecided; h goes on where you left", "?": "this list",
}  # fmt: skip


class Taken(NamedTuple):
    """A text that was put together; not ``whole``: it holds markers, or is to be edited."""

    text: bytes
    whole: bool


class Hunks:
    """The parts of a text, and what was taken for each."""

    def __init__(self, parts: Sequence[TextPart]) -> None:
        self.parts = list(parts)
        self.taken: dict[int, bytes] = {}  # by the number of a part

    @classmethod
    def of(cls, question: Question) -> Hunks:
        """Those of a question that gold and the server both have a text of; nothing is taken yet."""
        from goldroot.merge import parts_of

        base, gold, clone = (held or b"" for held in question.contents)
        return cls(parts_of(base, gold, clone))

    def first(self) -> int:
        """Where to begin: at the first of the open ones for which nothing was taken."""
        return next((at for at, number in enumerate(self.open()) if number not in self.taken), 0)

    def open(self) -> list[int]:
        """The numbers of the parts that ask."""
        return [number for number, part in enumerate(self.parts) if part.asks]

    def cut(self, number: int) -> bool:
        """Put smaller parts in the place of one; whether it can be cut."""
        from goldroot.merge import split_part

        made = split_part(self.parts[number])
        if len(made) == 1:
            return False
        self.parts[number : number + 1] = made
        self.taken = {
            (at + len(made) - 1 if at > number else at): lines for at, lines in self.taken.items() if at != number
        }
        return True

    def text(self) -> bytes:
        """The whole text; what is undecided stands between markers."""
        from goldroot.merge import marked, put_together

        return put_together(
            self.parts,
            [self.taken[number] if number in self.taken else marked(self.parts, number) for number in self.open()],
        )


def ask_hunks(hunks: Hunks, keys: Keys) -> Taken | None:
    """Let a person choose for each hunk; ``None``: they leave the file undecided, and ``hunks`` has what they took."""
    at = hunks.first()
    while at < len(hunks.open()):
        number = hunks.open()[at]
        _show(hunks, number)
        key = keys.ask(f"(hunk {at + 1}/{len(hunks.open())}) Whose lines? [{','.join(_HELP)}]", list(_HELP))
        if key in "sgb":
            hunks.taken[number] = hunks.parts[number].taken({"s": CLONE, "g": GOLD, "b": "both"}[key])
            at += 1
        elif key == "j":
            hunks.taken.pop(number, None)
            at += 1
        elif key == "k":
            at = max(0, at - 1)
        elif key == "c" and not hunks.cut(number):
            put("  It cannot be cut: the changes of both sides overlap.")
        elif key == "e":
            return Taken(hunks.text(), False)
        elif key == "q":
            return None
        elif key == "?":
            for word, text in _HELP.items():
                put(f"  {word}  {text}")
    if any(number not in hunks.taken for number in hunks.open()):
        put("  Some hunks were left undecided, and so is the file; h goes on with them.")
        return None
    return Taken(hunks.text(), True)


def _show(hunks: Hunks, number: int) -> None:
    from goldroot.merge import part_changes

    before = b"".join(_settled(hunks, at) for at in range(number))
    after = b"".join(_settled(hunks, at) for at in range(number + 1, len(hunks.parts)))
    lines: list[Line] = [("", ""), *_context(before.split(b"\n")[:-1][-_AROUND:])]
    for who, side in (("gold", "gold"), ("the server", "clone")):
        lines.append((f"  {who}:", "cyan"))
        lines += change_lines(part_changes(hunks.parts[number])[side], indent="    ")
    page([*lines, *_context(after.split(b"\n")[:_AROUND])])


def _settled(hunks: Hunks, number: int) -> bytes:
    """What stands around a hunk: what is agreed or was taken; of others the server's."""
    return hunks.taken.get(number, hunks.parts[number].taken(CLONE))


def _context(lines: Sequence[bytes]) -> list[Line]:
    return [(f"     {line.decode('utf-8', 'surrogateescape')}", "") for line in lines]
