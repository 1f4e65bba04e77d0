"""Commands of many names that were cut off: the same command again finishes what is left.

::

    SITE/commands/9f2c...json    the command, and how each of its clones was before it began

The file is written before the first clone is touched, and removed when all of them are done: where one failed, or the command
was killed, it stays.  The same command again asks the catalog what became of each name since.  A name is done already only
where what is there now is what this command makes of what was there before: so an old file does no harm.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal

from goldroot import files
from goldroot.catalog import Tx, clones, updates
from goldroot.errors import NoSpace
from goldroot.files import digest_of
from goldroot.site import Site

Command = Literal["clone create", "clone delete", "fallback prune", "update cancel", "rollback"]

#: Files of commands that nobody repeated go after so many days.
KEPT_DAYS = 30


@dataclass(frozen=True)
class Repeated:
    """A command of many names; ``before`` is how each name was when it was begun first, empty where it is new."""

    site: Site
    command: Command
    names: tuple[str, ...]
    before: Mapping[str, Mapping[str, Any]]
    file: str

    def is_done(self, name: str) -> bool:
        """Whether the command that was cut off had done its work on this clone."""
        if name not in self.before:
            return False
        with self.site.catalog.read() as tx:
            return _DONE[self.command](self.before[name], _now(tx, name))

    def end(self, *, left: bool) -> None:
        """The command has come to its end.

        :param left: something failed: the same command again is to know what was done.
        """
        if not left:
            with suppress(FileNotFoundError):
                os.unlink(self.file)


@contextmanager
def many_names(
    site: Site,
    command: Command,
    names: Sequence[str],
    options: Mapping[str, object] | None = None,
    *,
    looking: bool = False,
) -> Iterator[Repeated]:
    """A command of many names, for the block; the caller says at its end whether anything is left.

    :param options: what makes it the same command, besides the names.
    :param looking: a plan: nothing is written.
    """
    wanted = tuple(dict.fromkeys(names))
    file = _file(site, command, wanted, options or {})
    before = _read(file) if len(wanted) > 1 else {}
    repeated = Repeated(site, command, wanted, before, file)
    if len(wanted) > 1 and not before and not looking:
        with site.catalog.read() as tx:
            known = {name: _now(tx, name) for name in wanted}
        with suppress(NoSpace, OSError):  # a command that makes room must work where there is none
            _note(file, {"command": command, "before": known})
    yield repeated


def _file(site: Site, command: Command, names: Sequence[str], options: Mapping[str, object]) -> str:
    said = [command, *names, json.dumps(dict(sorted(options.items())), default=str)]
    return site.path(
        "commands", digest_of(word.encode("utf-8", "surrogateescape") for word in said).hex()[:32] + ".json"
    )


def _note(file: str, data: Mapping[str, object]) -> None:
    directory = os.path.dirname(file)
    files.make_directory(directory)
    _sweep(directory)
    files.write(file, json.dumps(data).encode())


def _read(file: str) -> dict[str, dict[str, Any]]:
    """What was noted; nothing where it was not, or cannot be read: then the command begins as if it were new."""
    try:
        with open(file, "rb") as stream:
            before = files.json_of(stream.read())["before"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return before if isinstance(before, dict) else {}


def _sweep(directory: str) -> None:
    oldest = time.time() - KEPT_DAYS * 86400
    for name in os.listdir(directory):
        with suppress(OSError):
            place = os.path.join(directory, name)
            if os.stat(place).st_mtime < oldest:
                os.unlink(place)


def _now(tx: Tx, name: str) -> dict[str, Any]:
    """How a clone is, as far as one of these commands changes it."""
    clone = clones.find(tx, name)
    going, last = updates.in_flight(tx, name), updates.latest(tx, name)
    return {
        "state": "" if clone is None else clone.state, "made": "" if clone is None else clone.created_at,
        "live": "" if clone is None else clone.last, "going": 0 if going is None else going.id,
        "last": 0 if last is None else last.id, "last_kind": "" if last is None else last.kind,
        "uncleared": clone is not None and bool(updates.uncleared(tx, name)),
        "last_state": "" if last is None else last.state, "last_work": "" if last is None else last.work,
        "kept": [one.id for one in (*updates.fallbacks(tx, name), *updates.cut_off_fallbacks(tx, name))],
    }  # fmt: skip


_State = Mapping[str, Any]


def _created(before: _State, now: _State) -> bool:
    return before["state"] in ("", "creating") and now["state"] == "active"


def _deleted(before: _State, now: _State) -> bool:
    return bool(before["state"]) and not now["state"]


def _pruned(before: _State, now: _State) -> bool:
    return bool(before["kept"]) and now["state"] == "active" and not set(before["kept"]) & set(now["kept"])


def _cancelled(before: _State, now: _State) -> bool:
    given_up = now["last"] == before["going"] and now["last_state"] == "cancelled"
    return bool(before["going"]) and given_up and not now["uncleared"]


def _rolled_back(before: _State, now: _State) -> bool:
    """A rollback that was begun then or later is done, and nothing happened since: what it made is live."""
    newer = now["last"] > before["last"] or now["last"] == before["going"]
    return newer and (now["last_kind"], now["last_state"]) == ("rollback", "done") and now["live"] == now["last_work"]


_DONE: Mapping[Command, Callable[[_State, _State], bool]] = {
    "clone create": _created,
    "clone delete": _deleted,
    "fallback prune": _pruned,
    "update cancel": _cancelled,
    "rollback": _rolled_back,
}
