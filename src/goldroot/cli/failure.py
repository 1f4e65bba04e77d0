"""From an exception to words and an exit code: what happened, what it means, what to do."""

from __future__ import annotations

import errno
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence

import click

from goldroot.errors import EXIT_BUG, Failed, GoldrootError, MissingPackage, NoPermission, NoSpace, UsageError

INTERRUPTED = 130

#: What a site needs and the merge does not: the packages of the extra ``fleet`` that goldroot imports.
FLEET = frozenset({"sqlalchemy", "alembic", "dbos"})


def guarded(command: click.Command, args: Sequence[str]) -> int:
    """Run ``command`` and return the exit code; nothing but a message reaches the user."""
    try:
        result = command.main(args=list(args), prog_name="goldroot", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.Abort:
        print("Interrupted. Nothing is lost: run the command again.", file=sys.stderr)
        return INTERRUPTED
    except click.ClickException as error:
        return tell(misspelt(error), args) if "--json" in args else shown(error)
    except GoldrootError as error:
        return tell(error, args)
    except BrokenPipeError:
        # The reader went away (``| head``): not an error, but stdout must not be flushed again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        return tell(from_os_error(error), args)
    except ModuleNotFoundError as error:
        return tell(without_extra(error.name), args) if error.name in FLEET else bug()
    except Exception:  # noqa: BLE001 - the last net: a traceback must not reach a user
        return bug()


def tell(error: GoldrootError, args: Sequence[str]) -> int:
    """Print an error, as JSON where ``--json`` was asked for."""
    if "--json" in args:
        print(json.dumps(error.as_dict(), indent=2))
        return error.exit_code
    print(f"goldroot: {error.brief}", file=sys.stderr)
    for text in (error.meaning, error.todo):
        if text:
            print(f"  {text}", file=sys.stderr)
    return error.exit_code


def shown(error: click.ClickException) -> int:
    """Print a mistake of the command line as click does, with the usage."""
    error.show()
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
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return NoPermission(f"not permitted: {said}", todo="Run it as root, or as the owner of these files.")
    return Failed(said, meaning="What was begun is left as it is; nothing was switched.")


def without_extra(package: str) -> GoldrootError:
    """The error of a person for a package that only an extra of goldroot brings."""
    return MissingPackage(
        f"this command works on a site, and for that the Python package {package!r} is not installed",
        meaning="goldroot was installed without its extra 'fleet'; `goldroot merge` and `goldroot policy` work without it.",
        todo="Install goldroot with it: pip install '.[fleet]' in its directory.",
    )


def bug() -> int:
    """Save the traceback and say where it is."""
    handle, path = tempfile.mkstemp(prefix="goldroot-bug-", suffix=".txt")
    with os.fdopen(handle, "w") as file:
        traceback.print_exc(file=file)
    print("goldroot: this is a bug in goldroot, not your mistake.", file=sys.stderr)
    print(f"  The details are in {path}: please send them to the developers.", file=sys.stderr)
    print("  Nothing is switched by half: run the command again when it is mended.", file=sys.stderr)
    return EXIT_BUG
