"""The whole exception tree.  Each error says what happened, what it means, and what to do.

::

    GoldrootError                     exit 4
    ├── UsageError                    exit 2   the command line or a file that the user wrote is wrong
    │   ├── BadInput                  exit 2   a tree, archive, manifest or directory file cannot be used
    │   ├── BadPolicy                 exit 2   a policy or configuration file, with file and line
    │   └── BadTable                  exit 2   a host's table, before its file and line are known (goldroot.hosts)
    ├── Refused                       exit 3   understood, and deliberately not done: a rule forbids it now
    │   ├── NotFound                  exit 3   no image, version, clone, ... of that name
    │   ├── NoFreeSlot                exit 3   every slot is held; the error names by whom
    │   ├── NotTested                 exit 3   the maintenance system changed since its last test
    │   ├── StillRunning              exit 3   a clone may still be written
    │   └── Cancelled                 exit 3   a run ended because somebody asked for it (goldroot.workflow)
    ├── Failed                        exit 4   tried, and the world said no; nothing was lost
    │   ├── NoSpace                   exit 4   a file system is full (or a quota is)
    │   ├── NoPermission              exit 4   the kernel refused an operation
    │   ├── MissingProgram            exit 4   an external program is not installed
    │   ├── MissingPackage            exit 4   a Python package is not installed: goldroot's extra that needs it was not
    │   ├── ProgramFailed             exit 4   an external program ended with an error
    │   │   └── LimitReached              exit 4   it took more time, memory, space ... than it may
    │   ├── TreeChanged               exit 4   a tree changed while it was read
    │   ├── ChecksFailed              exit 4   a check of a system failed; nothing was switched
    │   │   └── HealthFailed              exit 4   a server did not come up well after its switch, and went back
    │   ├── BadSignature              exit 4   a gold version is not what was signed
    │   └── HostError                 exit 4   a host answered with an error
    │       ├── Unreachable           exit 4   a host did not answer: nothing is known
    │       │   └── ReplyLost             exit 4   it was asked for a change, and whether that was made is not known (goldroot.hosts)
    │       ├── Damaged               exit 4   a disk, an entry or a database is broken, and is not repaired
    │       │   └── DatabaseDamaged       exit 4   the catalog is, or what the steps of runs are written in
    │       ├── CpRefused             exit 4   z/VM's control program did not do it (goldroot.hosts.zvm)
    │       └── SmapiError            exit 4   z/VM did; more of them in goldroot.zvm.smapi
    ├── Busy                          exit 5   another goldroot command works on the same thing
    │   └── EntryChanged              exit 5   an entry is not what a change of it was made from (goldroot.hosts)
    └── NewerVersion                  exit 6   the data was written by a newer goldroot

The other exit codes, and what each means, are in :data:`EXIT_CODES`.  70 is a bug in goldroot: the traceback goes to a file
that the message names, never to the user.  74 is EX_IOERR of sysexits.h.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from goldroot.escape import with_bytes

EXIT_OK = 0
EXIT_FINDINGS = 1
EXIT_BUG = 70
EXIT_UNPRINTED = 74

#: Every code that a command ends with, and its meaning; but for those that run a command of yours, whose code they give.
#: Help, man pages and the reference have it from here.
EXIT_CODES = {
    "0": "done",
    "1": "done, and something waits for you: conflicts left, differences found",
    "2": "the command line or a file that you wrote is wrong",
    "3": "refused: a rule forbids it now",
    "4": "tried, and failed",
    "5": "another goldroot command works on the same thing",
    "6": "the data was written by a newer goldroot",
    "70": "a bug in goldroot",
    "74": "done, and the output cannot be written",
    "129, 130, 143": "interrupted, by SIGHUP, Ctrl-C, SIGTERM",
    "141": "the reader of the output went away",
}


class GoldrootError(Exception):
    """An error for a person.

    :param brief: what happened, one sentence.
    :param meaning: what it means for the user's data and systems; "" where the first sentence says it.
    :param todo: what to do next; "" where nothing can be advised.

    ``lines`` is what somebody else said of it, line by line: a console, a journal.
    """

    exit_code = 4
    kind = "error"
    lines: Sequence[str] = ()

    def __init__(self, brief: str, *, meaning: str = "", todo: str = "") -> None:
        super().__init__(brief)
        self.brief = brief
        self.meaning = meaning
        self.todo = todo

    def as_dict(self) -> dict[str, object]:
        """The error as JSON data, as ``--json`` prints it."""
        return {
            "error": self.kind,
            "what": with_bytes(self.brief),
            "meaning": with_bytes(self.meaning),
            "todo": with_bytes(self.todo),
            "lines": [with_bytes(line) for line in self.lines],
            "exit_code": self.exit_code,
        }


class UsageError(GoldrootError):
    exit_code = 2
    kind = "usage"


class BadInput(UsageError):
    kind = "bad-input"


class BadPolicy(UsageError):
    """A policy or configuration file is wrong; ``file`` and ``line`` (1-based) say where, when known."""

    kind = "bad-policy"

    def __init__(
        self, brief: str, *, file: str = "", line: int | None = None, meaning: str = "", todo: str = ""
    ) -> None:
        where = f"{file}:{line}: " if file and line else f"{file}: " if file else ""
        super().__init__(where + brief, meaning=meaning, todo=todo)
        self.file = file
        self.line = line


class Refused(GoldrootError):
    exit_code = 3
    kind = "refused"


class NotFound(Refused):
    kind = "not-found"


class NoFreeSlot(Refused):
    kind = "no-free-slot"


class NotTested(Refused):
    kind = "not-tested"


class StillRunning(Refused):
    kind = "still-running"


class Failed(GoldrootError):
    exit_code = 4
    kind = "failed"


class NoSpace(Failed):
    kind = "no-space"


class NoPermission(Failed):
    kind = "no-permission"


class MissingProgram(Failed):
    kind = "missing-program"


class MissingPackage(Failed):
    kind = "missing-package"


class ProgramFailed(Failed):
    """An external program ended with an error; ``status`` is its exit status, ``stderr`` what it said."""

    kind = "program-failed"

    def __init__(self, brief: str, *, status: int = -1, stderr: str = "", meaning: str = "", todo: str = "") -> None:
        super().__init__(brief, meaning=meaning, todo=todo)
        self.status = status
        self.stderr = stderr


class LimitReached(ProgramFailed):
    """A confined command took more than it may; ``limit`` names the limit as goldroot.toml does."""

    kind = "limit-reached"

    def __init__(self, brief: str, *, limit: str, stderr: str = "", meaning: str = "", todo: str = "") -> None:
        super().__init__(brief, stderr=stderr, meaning=meaning, todo=todo)
        self.limit = limit


class TreeChanged(Failed):
    kind = "tree-changed"


class ChecksFailed(Failed):
    kind = "checks-failed"


class HealthFailed(ChecksFailed):
    kind = "health-failed"


class BadSignature(Failed):
    kind = "bad-signature"


class HostError(Failed):
    kind = "host-error"


class Unreachable(HostError):
    kind = "unreachable"


class Damaged(HostError):
    kind = "damaged"


class DatabaseDamaged(Damaged):
    """Not a server is damaged but what goldroot keeps of all: nothing that is done to one clone helps."""

    kind = "damaged-database"


class Busy(GoldrootError):
    exit_code = 5
    kind = "busy"


class NewerVersion(GoldrootError):
    exit_code = 6
    kind = "newer-version"


def nearest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """The one of the known words that was perhaps meant, or "".

    :param cutoff: how alike they must be, see :func:`difflib.get_close_matches`.
    """
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, list(known), n=1, cutoff=cutoff)), "")


def did_you_mean(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """A question (``Did you mean 'plan'?``), as of :func:`nearest`, or ""."""
    near = nearest(word, known, cutoff=cutoff)
    return f"Did you mean {near!r}?" if near else ""
