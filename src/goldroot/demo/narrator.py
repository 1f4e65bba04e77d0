"""How the demo speaks: narration, commands as a person types them, their real output, shortened."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import IO

import click

from goldroot.cli.terminal import put, put_styled
from goldroot.counted import counted
from goldroot.errors import Failed

#: Columns of narration; a terminal may be narrower.
WIDTH = 96


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that was run: exit status and what it wrote."""

    status: int
    out: str


class Narrator:
    """Tells the story on standard output; a quiet one runs the same commands and says nothing.

    :param colour: for a terminal. :param pause: wait for Enter before each chapter.
    :param room: a directory whose name is left out of what commands print: it is long, and gone afterwards.
    """

    def __init__(self, *, quiet: bool = False, colour: bool = False, pause: bool = False, room: str = "") -> None:
        self.quiet = quiet
        self.colour = colour
        self.pause = pause
        self.room = room
        self.width = min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns - 1)
        self._chapter = 0

    # -- words

    def chapter(self, title: str) -> None:
        """The next part of the story begins."""
        self._chapter += 1
        self._print("")
        if self.pause:
            click.pause("[Enter]", err=True)
        self._print(f"{self._chapter}. {title}", bold=True, fg="cyan")

    def say(self, text: str) -> None:
        """A sentence of narration."""
        self._print("")
        for line in textwrap.wrap(" ".join(text.split()), self.width):
            self._print(line)

    def line(self, text: str, fg: str | None = None) -> None:
        """One line as it is."""
        self._print(text, fg=fg)

    def _print(self, text: str, *, bold: bool = False, fg: str | None = None) -> None:
        if not self.quiet:
            if self.colour and text:
                put_styled(text.expandtabs(), {"bold": bold, "fg": fg})
            else:
                put(text.expandtabs(), flush=True)

    # -- commands

    def goldroot(self, *words: str, ok: Sequence[int] = (0,), lines: int = 10, last: int = 0) -> Ran:
        """Show ``goldroot WORDS``, run it, and show the first ``lines`` and the ``last`` lines of what it says.

        :raises Failed: it ended with another status than one of ``ok``.
        """
        self.prompt(shlex.join(["goldroot", *words]))
        return self.show(self.silently(*words, ok=ok), lines, last)

    def prompt(self, command: str) -> None:
        """A command as it is typed."""
        self._print("")
        self._print("$ " + command.replace(self.room + "/", ""), bold=True)

    def shell(self, enter: str, machine: str, *script: str, run: Callable[[str], Ran], lines: int = 10) -> Ran:
        """Show the command that enters a system and a script, line by line as it is typed there; ``run`` runs all of it."""
        self.prompt(enter)
        for line in script:
            self._print(f"{machine}# {line}", fg="yellow")
        return self.show(run("\n".join(script)), lines)

    def silently(self, *words: str, ok: Sequence[int] = (0,)) -> Ran:
        """Run a goldroot command without a word."""
        from goldroot.cli.failure import guarded
        from goldroot.cli.main import cli

        with _captured() as file:
            status = guarded(cli, words)
            sys.stdout.flush()
        out = file()
        if status not in ok:
            raise Failed(
                f"the demo stops: {shlex.join(['goldroot', *words])} ended with status {status}",
                meaning=" / ".join(out.strip().splitlines()[-5:]),
                todo="This is a bug in goldroot or in its demo; `goldroot demo --keep DIR` leaves the site for a look.",
            )
        return Ran(status, out)

    def show(self, ran: Ran, lines: int = 10, last: int = 0) -> Ran:
        """The output of a command: its first ``lines`` and its ``last`` lines."""
        said = ran.out.replace(self.room + "/", "").rstrip("\n").split("\n") if ran.out.strip() else []
        left_out = len(said) - lines - last
        # One line more costs as much room as the word that it was left out.
        if left_out <= 1:
            lines, left_out = len(said), 0
        for line in said[:lines]:
            self._output(line)
        if left_out:
            self._print(f"    ... {counted(left_out, 'line')} more", fg="bright_black")
            for line in said[len(said) - last :]:
                self._output(line)
        return ran

    def _output(self, line: str) -> None:
        for part in _fitted(line, self.width - 4):
            self._print("    " + part)


def _fitted(line: str, width: int) -> list[str]:
    """A line of output that is too long: a sentence is wrapped, a row of a table (or of anything with columns) is cut."""
    if len(line) <= width:
        return [line]
    indent = " " * (len(line) - len(line.lstrip()))
    if "  " in line.strip() or "\t" in line:
        return [line[: width - 3] + "..."]
    return textwrap.wrap(line, width, subsequent_indent=indent + "  ", break_on_hyphens=False)


@contextmanager
def _captured() -> Iterator[Callable[[], str]]:
    """Standard output, of child processes too, goes to a file; standard error too, unless it draws on a terminal.

    Gives a function that tells what was written; it may be called after the block.
    """
    on_terminal = sys.stderr.isatty()
    said = b""
    with ExitStack() as stack:
        file: IO[bytes] = stack.enter_context(tempfile.TemporaryFile())
        words = stack.enter_context(os.fdopen(os.dup(file.fileno()), "w", buffering=1, errors="backslashreplace"))
        stack.enter_context(_descriptor(1, file))
        stack.enter_context(redirect_stdout(words))
        if not on_terminal:
            # The object sys.stderr stays: libraries that log keep it for longer than this block.
            stack.enter_context(_descriptor(2, file))
        yield lambda: said.decode("utf-8", "replace")
        words.flush()
        file.seek(0)
        said = file.read()


@contextmanager
def _descriptor(number: int, file: IO[bytes]) -> Iterator[None]:
    """A descriptor of this process, and of its children, is ``file`` in the block."""
    (sys.stdout if number == 1 else sys.stderr).flush()
    kept = os.dup(number)
    os.dup2(file.fileno(), number)
    try:
        yield
    finally:
        os.dup2(kept, number)
        os.close(kept)
