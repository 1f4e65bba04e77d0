"""One key at a time from a terminal, and long texts in a pager."""

from __future__ import annotations

import os
import select
import shutil
import sys
from collections.abc import Sequence

from goldroot.cli.questions import Line
from goldroot.cli.terminal import coloured, put, put_coloured, put_prompt
from goldroot.errors import GoldrootError, UsageError
from goldroot.run import lend_terminal, persons_program

#: What less(1) does without other orders: quit where all fits on the screen, show colours, leave it on the screen.
_LESS = "FRX"
#: What ends the input: Ctrl-D, also where it was pressed a moment before keys are read one by one: the terminal keeps a
#: zero for it then (n_tty.c of Linux).
_ENDS = ("", "\x04", "\0")
#: Many press Enter after a key; it says nothing more.
_ENTER = "\r\n"


def at_terminal() -> bool:
    """Whether a person can be asked: keys are read from standard input, and questions stand on standard output."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def need_terminal(show: str, resolve: str) -> None:
    """See that a person can be asked.

    :param show: the command that shows the questions without asking. :param resolve: the one that answers one.
    :raises UsageError: nobody can be asked here.
    """
    if not at_terminal():
        raise UsageError(
            "questions are asked on a terminal, and this is not one",
            meaning="Nothing was decided.",
            todo=f"See them with: {show}; answer with: {resolve}",
        )


def edit_again(why: str) -> bool:
    """Ask a person, where there is one, whether to open a text again that cannot be an answer."""
    return at_terminal() and Keys().yes(f"{why[0].upper()}{why[1:]}. Edit it again?")


class Keys:
    """The keys of a person."""

    def ask(self, prompt: str, known: Sequence[str]) -> str:
        """Ask until one of the known keys is pressed; the end of the input is ``q``.

        A key that is not known is said to be none, and ``?`` should be among those that are.
        """
        while True:
            put_prompt(prompt)
            key = self._next()
            put(key if key.isprintable() else "")
            if key in known:
                return key
            if key in _ENTER:
                continue
            put(f"  {key!r} is not one of the keys here; ? tells them.")

    def yes(self, question: str) -> bool:
        """Whether a person says yes; Enter is yes."""
        return self.ask(f"{question} [Y/n]", ("y", "Y", "n", "N", "q", "\r", "\n")) in "yY\r\n"

    def _next(self) -> str:
        key = read_key(sys.stdin.fileno())
        return "q" if key in _ENDS else key


def read_key(terminal: int) -> str:
    """The next key, without waiting for Enter; "" at the end of the input.

    What was typed ahead counts, and no more is read than the one key, since what follows may be an editor's.
    :func:`click.getchar` throws the former away.
    """
    import termios
    import tty

    before = termios.tcgetattr(terminal)
    try:
        tty.setcbreak(terminal, termios.TCSADRAIN)
        key = os.read(terminal, 1)
        if key == b"\x1b" and select.select([terminal], [], [], 0)[0]:
            key += os.read(terminal, 31)  # an arrow, say: several characters, and one key
        elif key >= b"\xc0":
            key += os.read(terminal, 1 if key < b"\xe0" else 2 if key < b"\xf0" else 3)
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
    return key.decode("utf-8", "replace")


def page(lines: Sequence[Line]) -> None:
    """Show lines; in ``$PAGER`` where they are more than the screen has."""
    if len(lines) < shutil.get_terminal_size().lines - 2:
        put_coloured(lines)
        return
    text = "".join(f"{line}\n" for line in coloured(lines)).encode("utf-8", "backslashreplace")
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "LC_ALL", "LESSCHARSET") if name in os.environ}
    sys.stdout.flush()
    try:
        pager = persons_program(("GOLDROOT_PAGER", "PAGER"), "less")
        lend_terminal(pager, env={"LESS": os.environ.get("LESS", _LESS), **kept}, stdin=text)
    except GoldrootError as error:
        put(f"  (without a pager: {error.brief})")
        put_coloured(lines)
