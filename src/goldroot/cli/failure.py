"""From an exception to words and an exit code: what happened, what it means, what to do."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import FrameType
from typing import TextIO

import click

from goldroot.cli import terminal
from goldroot.cli.terminal import put, put_content, put_json
from goldroot.errors import (
    EXIT_BUG,
    EXIT_FINDINGS,
    EXIT_OK,
    EXIT_UNPRINTED,
    Failed,
    GoldrootError,
    MissingPackage,
    NoPermission,
    NoSpace,
    UsageError,
)
from goldroot.escape import with_bytes

#: What asks a command to end, besides the Ctrl-C key (SIGINT): a service manager, a shutdown, a terminal that is closed.
ENDING = (signal.SIGTERM, signal.SIGHUP)

_AS_IT_IS = nullcontext()


class Ended(KeyboardInterrupt):
    """A signal asks this command to end: it tidies up as after Ctrl-C."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def heard() -> Iterator[None]:
    """Take Ctrl-C, and signals that ask for an end, as exceptions; one that is ignored (nohup(1)) stays so.

    Before and after, they just end the process: there is nothing to tidy up, and nobody who turns them into words.
    """
    ours = [number for number in (signal.SIGINT, *ENDING) if signal.getsignal(number) is signal.SIG_DFL]
    try:
        for number in ours:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else _end)
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _end(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)  # who asks twice does not want to wait
    raise Ended(number)


#: What a site needs and the merge does not: the packages of the extra ``fleet`` that goldroot cannot do without.
FLEET = frozenset({"sqlalchemy", "alembic"})


def guarded(command: click.Command, args: Sequence[str], hearing: AbstractContextManager[None] = _AS_IT_IS) -> int:
    """Run ``command`` and return the exit code; nothing but a message reaches the user.

    Where the output cannot be written, a code says that which no other end has: what was done is done.

    :param hearing: how signals are taken meanwhile: :func:`heard`, where this is the whole process.
    """
    streams = sys.stdout, sys.stderr
    status = EXIT_OK
    try:
        try:
            with hearing:
                result = command.main(args=list(args), prog_name="goldroot", standalone_mode=False)
            status = result if isinstance(result, int) else EXIT_OK
        except BaseException as error:  # noqa: BLE001  what it does not know leaves it as it is
            status = _told(error, args, streams[0])
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # The reader went away (``| head``): not an error, but stdout must not be flushed again at exit.
        sys.stdout, sys.stderr = streams
        _leave(sys.stdout)
        return status if status > EXIT_FINDINGS else 128 + signal.SIGPIPE
    except OSError as error:
        _leave(sys.stdout)
        _say(
            f"goldroot: what was done cannot be printed: {error.strerror or error}",
            "  The command has come to its end, and what it did stands.",
        )
        return status if status > EXIT_FINDINGS else EXIT_UNPRINTED


def _told(by: BaseException, args: Sequence[str], out: TextIO) -> int:
    """The exit code of a command that this ended, told to the user."""
    try:
        raise by
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.Abort as stop:
        return interrupted(stop.__cause__)
    except KeyboardInterrupt as stop:
        return interrupted(stop)
    except SystemExit:
        if sys.stdout is out:
            raise
        raise BrokenPipeError from None  # click makes a 1 of it, which has another meaning here, and leaves this trace
    except click.ClickException as error:
        return tell(misspelt(error), args) if "--json" in args else shown(error)
    except GoldrootError as error:
        return tell(error, args)
    except BrokenPipeError:
        raise
    except OSError as error:
        return _of_kernel(error, args)
    except ModuleNotFoundError as error:
        return tell(without_extra(error.name), args) if error.name in FLEET else bug()
    except Exception:  # noqa: BLE001 - the last net: a traceback must not reach a user
        return bug()


def _of_kernel(error: OSError, args: Sequence[str]) -> int:
    """:raises OSError: this, where it came from what prints, click's (``--help``) or ours: no fault of what the command did."""
    *_, (frame, _line) = traceback.walk_tb(error.__traceback__)
    if frame.f_code.co_filename in (terminal.__file__, click.utils.__file__):
        raise error
    return tell(from_os_error(error), args)


def _leave(stream: TextIO) -> None:
    """What still waits to be written goes nowhere: at its end Python would try once more, and make a 120 of it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _say(*lines: str) -> None:
    """On standard error; where even that cannot be written, the exit code says it."""
    try:
        for line in lines:
            put(line, err=True)
        sys.stderr.flush()
    except OSError:
        _leave(sys.stderr)


def interrupted(by: BaseException | None) -> int:
    """Say so; the exit code is that of a shell, 128 and the signal's number."""
    _say("Interrupted. Nothing is lost: run the command again.")
    return 128 + (by.number if isinstance(by, Ended) else signal.SIGINT)


def tell(error: GoldrootError, args: Sequence[str]) -> int:
    """Print an error, as JSON where ``--json`` was asked for and can be printed."""
    if "--json" in args:
        try:
            put_json(error.as_dict(), lay_out=True, flush=True)
            return error.exit_code
        except OSError:
            _leave(sys.stdout)
    _say(*error_lines(error))
    return error.exit_code


def error_lines(error: GoldrootError, of: str = "") -> list[str]:
    """An error as lines for a person; what somebody else said of it stands deeper.

    :param of: whose it is, where a command works on several.
    """
    said = [*filter(None, [error.meaning]), *(f"  {line}" for line in error.lines), *filter(None, [error.todo])]
    return [
        with_bytes(line)
        for line in (f"goldroot: {of}{': ' if of else ''}{error.brief}", *(f"  {line}" for line in said))
    ]


def shown(error: click.ClickException) -> int:
    """Print a mistake of the command line as click does, with the usage."""
    words = io.StringIO()
    error.show(file=words)
    put_content(with_bytes(words.getvalue().rstrip("\n")), err=True)
    return error.exit_code


def misspelt(error: click.ClickException) -> GoldrootError:
    """A mistake of the command line, as an error like the others."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    return UsageError(error.format_message(), todo=f"See: {context.command_path} --help" if context else "")


def from_os_error(error: OSError) -> GoldrootError:
    """The error of a person for an error of the kernel."""
    where = f" at {os.fsdecode(error.filename)!r}" if isinstance(error.filename, str | bytes) else ""
    said = f"{error.strerror or error}{where}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace(f"no space left: {said}", todo="Make room, then run the same command again.")
    if error.errno == errno.EROFS:
        return NoPermission(f"not permitted: {said}", todo="Mount it read-write, or name another place.")
    if error.errno in (errno.EACCES, errno.EPERM):
        return NoPermission(f"not permitted: {said}", todo="Run it as root, or as the owner of these files.")
    if error.errno == errno.ENOENT and not where and _is_nowhere():
        return Failed("the current directory is not there any more", todo="Go to one that is (cd), and try again.")
    return Failed(
        said,
        meaning="What was begun is left as it is; nothing was switched.",
        todo="Fix that, then run the same command again.",
    )


def _is_nowhere() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False


def without_extra(package: str) -> GoldrootError:
    """The error of a person for a package that only an extra of goldroot brings."""
    return MissingPackage(
        f"this command works on a site, and for that the Python package {package!r} is not installed",
        meaning="goldroot was installed without its extra 'fleet'; `goldroot merge` and `goldroot policy` work without it.",
        todo="Install goldroot with it: pip install '.[fleet]' in its directory.",
    )


def bug() -> int:
    """Save the traceback and say where it is."""
    details = traceback.format_exc()
    try:
        handle, path = tempfile.mkstemp(prefix="goldroot-bug-", suffix=".txt")
        with os.fdopen(handle, "w", errors="backslashreplace") as file:
            file.write(details)
        where = f"The details are in {path}: please send them to the developers."
    except OSError as error:
        where = f"The details could not be kept ({error.strerror or error}). The last line: {details.splitlines()[-1]}"
    _say(
        "goldroot: this is a bug in goldroot, not your mistake.", f"  {where}",
        "  Nothing is switched by half: run the command again when it is fixed.",
    )  # fmt: skip
    return EXIT_BUG
