"""What a person is told of work on servers: how far it is while it runs, on a terminal only, and what became of each.

The failure of one server does not stop the others; the exit code is the worst one.  rich is imported only when something is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import click

from goldroot.cli.command import on_terminal
from goldroot.cli.failure import error_lines
from goldroot.cli.known_names import clone_names
from goldroot.cli.terminal import put
from goldroot.counted import counted
from goldroot.errors import GoldrootError
from goldroot.escape import escape

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

    from goldroot.fleet import Outcome

Total = Callable[[], int | None]


class Stages:
    """What nobody watches, see :class:`goldroot.fleet.Stage`."""

    def __call__(self, name: str, total: Total | None = None, /) -> Callable[[int], None] | None:
        """Begin a stage; the one before has ended."""
        return None

    def done(self, name: str) -> None:
        """One of the servers is done."""


class _Drawn(Stages):
    """A line for the stage that is under way, below one for the servers where there are several."""

    def __init__(self, progress: Progress, servers: int) -> None:
        self._progress = progress
        self._servers = progress.add_task("servers", total=servers) if servers > 1 else None
        self._last = self._servers

    def __call__(self, name: str, total: Total | None = None, /) -> Callable[[int], None]:
        if self._last is not None and self._last != self._servers:
            self._progress.update(self._last, visible=False)
        known = total() if total is not None else None
        self._last = task = self._progress.add_task(escape(name), total=known)
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            # There may be more than when it was last seen.
            self._progress.update(task, completed=done, total=None if known is None else max(known, done))

        return advance

    def done(self, name: str) -> None:
        if self._servers is not None:
            self._progress.update(self._servers, advance=1)


@contextmanager
def stages(quiet: bool = False, servers: int = 1) -> Iterator[Stages]:
    """A counter per stage of long work; nothing at all where standard error is not a terminal.

    :param servers: of how many it is told when each is done (:meth:`Stages.done`).
    """
    if quiet or not on_terminal():
        yield Stages()
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn

    console = Console(stderr=True, markup=False, emoji=False, highlight=False)
    with Progress(SpinnerColumn(), *_columns(), console=console, transient=True) as progress:
        yield _Drawn(progress, servers)


@contextmanager
def counter(total: int, quiet: bool = False) -> Iterator[Callable[[str, str], None]]:
    """How many of so many servers are done, told after each: nothing here works in a thread, so that it may be forked."""
    if quiet or not on_terminal():
        yield lambda name, kind: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(*_columns(), console=Console(stderr=True), transient=True, auto_refresh=False) as progress:
        task = progress.add_task("servers", total=total)
        progress.refresh()

        def tell(name: str, kind: str) -> None:
            progress.update(task, advance=1, description=f"{name}: {kind or 'done'}", refresh=True)

        yield tell


def _columns() -> tuple[ProgressColumn, ...]:
    """What it is, how many of how many, how long it took, and how long it will take: the last where the total is known."""
    from rich.progress import BarColumn, MofNCompleteColumn, Task, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.text import Text

    class TimeLeft(TimeRemainingColumn):
        def render(self, task: Task) -> Text:
            return Text("") if task.total is None else Text.assemble(super().render(task), " left")

    return (
        TextColumn("{task.description}", markup=False),
        BarColumn(20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeLeft(),
    )


T = TypeVar("T")


names_argument = click.argument("names", metavar="CLONE...", nargs=-1, required=True, shell_complete=clone_names)


#: How many paths of a list are shown.
SHOWN = 10


@dataclass(frozen=True)
class Results(Generic[T]):
    """What became of each clone, in the order of the command."""

    done: dict[str, T]
    failed: dict[str, GoldrootError]
    unfinished: list[str] = field(default_factory=list)  #: begun, and interrupted
    not_begun: list[str] = field(default_factory=list)
    stopped_by: str = ""  #: the kind of the failures after which no other one was begun
    cause: BaseException | None = None  #: what ended the command before its end; raised when all else is told

    def exit_code(self, findings: Callable[[T], int]) -> int:
        """The worst of them; ``findings`` says the exit code of one that did not fail."""
        return max([0, *map(findings, self.done.values()), *(error.exit_code for error in self.failed.values())])


def each(names: Sequence[str], work: Callable[[str], T], tell: Callable[[str], None] = lambda name: None) -> Results[T]:
    """Do the work for every name, once each, and tell of each that is done.  The error of a single name leaves as it is."""
    wanted = list(dict.fromkeys(names))
    if len(wanted) == 1:
        return Results({wanted[0]: work(wanted[0])}, {})
    results: Results[T] = Results({}, {})
    for name in wanted:
        try:
            results.done[name] = work(name)
        except GoldrootError as error:
            results.failed[name] = error
        tell(name)
    return results


def tell_failures(failed: dict[str, GoldrootError]) -> None:
    """The errors, in words, on standard error."""
    for name, error in failed.items():
        for line in error_lines(error, name):
            put(line, err=True)


def tell_left(results: Results[T]) -> None:
    """What was not done, on standard error: each of these servers is exactly as it was, or exactly updated."""
    if results.unfinished:
        put(f"goldroot: interrupted at {', '.join(results.unfinished)}", err=True)
    if results.not_begun:
        why = f" after the failures of the kind {results.stopped_by}" if results.stopped_by else ""
        put(f"goldroot: not begun{why}: {', '.join(results.not_begun)}", err=True)
    if results.unfinished or results.not_begun:
        put("  The same command again does what is left.", err=True)


def failures_data(failed: dict[str, GoldrootError]) -> list[dict[str, object]]:
    """The errors as JSON data."""
    return [{"clone": name, **error.as_dict()} for name, error in failed.items()]


def say_answers(answers: Sequence[Mapping[str, Any]], name: str, *, named: bool) -> None:
    """The remembered answers that a merge uses; an answer is applied silently by nobody."""
    if not answers:
        return
    words = counted(len(answers), "remembered answer is", "remembered answers are")
    put(f"  answers   {words} used (goldroot review decisions {name})")
    for one in answers if named else ():
        put(f"            {answer_line(one)}")


def answer_line(one: Mapping[str, Any]) -> str:
    """A remembered answer in one line."""
    what = f"{one['path']}  [{one['axis']}]" if one["path"] else f"key {one['key'][:12]}"
    own = f" ({one['size']:,} bytes)" if one["size"] is not None else ""
    note = f": {one['note']}" if one["note"] else ""
    return f"{what}  {one['take']}{own}, by {one['who'] or 'somebody'} on {one['decided_at'][:10]}{note}"


def say_failed_rebuilds(done: Outcome) -> None:
    """Files that are made again by a command, and were not: what stands there is one side's, and may be stale."""
    for command, reason in done.failed_rebuilds.items():
        put(f"  warning: `{command}` failed in the merged system: {reason}")
        put(f"           What it makes is old.  Fix it:  goldroot clone enter {done.clone} {command}")


def say_dangling(done: Outcome) -> None:
    """Links that a program made, and did not take away when what they lead to was gone."""
    if done.dangling:
        shown = ", ".join(done.dangling[:SHOWN]) + (", ..." if len(done.dangling) > SHOWN else "")
        links = counted(len(done.dangling), "link leads", "links lead")
        put(f"  warning: {links} to nothing, though their directory was made again: {shown}")


def say_shared(done: Outcome) -> None:
    """Files that should be this server's alone, and are another one's, too: an older goldroot copied them from gold."""
    if done.shared:
        put(f"  warning: as on other servers, as before: {', '.join(done.shared)}")
        put(f"           Remove them, and their programs make others:  goldroot clone enter {done.clone}")


def say_how_it_does(done: Outcome) -> None:
    """How the server does after its switch, and what the trial before it found to be otherwise."""
    if done.health == "good":
        put("  It was started again, and is well.")
    elif done.health:
        put(
            f"  It was off, and stays off; how it does is asked when it is started: goldroot machine start {done.clone}"
        )
    for line in done.different[:SHOWN]:
        put(f"  otherwise in the trial: {line}")


def say_not_compared(done: Outcome) -> None:
    """Servers whose identity could not be read, so that nobody can say whether it is this one's too."""
    if done.not_compared:
        put(f"  warning: not compared with {', '.join(done.not_compared)}, which cannot be read:")
        put("           a machine-id or an ssh host key may be shared.  Look with:  goldroot clone show CLONE")
