"""Commands in a merged system before it is switched: files made again, state migrated, the image's own checks; and what a
rebuild left behind.

Links that a program made: the merge leaves them out of what it asks about, since a rebuild changes them: ``update-ca-certificates``
takes the links of authorities away that are gone.  One that leads to nothing after it, and led somewhere on the server as it is, is
told.
"""

from __future__ import annotations

import os.path
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from goldroot.errors import ChecksFailed, LimitReached, ProgramFailed
from goldroot.fleet.inputs import Stage
from goldroot.fleet.update.open_update import OpenUpdate
from goldroot.hosts import PREPARED, find_entry
from goldroot.image import Gold
from goldroot.merge import MIGRATE_DUE, REBUILD_DUE
from goldroot.site import open_system, run_on, weakness
from goldroot.system import How, OwnDisks
from goldroot.tree import LINK, path_bytes, path_text

if TYPE_CHECKING:
    from goldroot.system import Bound, Confined, Mode

#: How long one command may take, in seconds.
TIMEOUT = 600.0

#: How many lines of a failed check are shown.
LINES = 3


def run_due(task: OpenUpdate, due: Mapping[str, str], record: Mapping[str, Any], stage: Stage) -> dict[str, str]:
    """Run rebuild and migrate commands; those that failed, and why.

    :param due: command -> :data:`REBUILD_DUE` or :data:`MIGRATE_DUE`.
    :raises ChecksFailed: a migration failed, or the rebuild of what must be what it is made from.
    """
    required = {note["data"]["command"] for note in record.get("notes", ()) if note.get("data", {}).get("required")}
    failed: dict[str, str] = {}
    migrates = MIGRATE_DUE in due.values()
    if migrates:
        task.note(migration="begun")
    with _prepared_system(task) as binds:
        for command, kind in due.items():
            try:
                _run(task, stage, binds, command)
            except ProgramFailed as error:
                why = error.brief.removeprefix("/bin/sh ")
                if kind == MIGRATE_DUE:
                    raise _not_migrated(task, command, why) from error
                if command in required:
                    raise _not_rebuilt(task, command, why) from error
                # The file that stands there is a whole one, of one side: worth a word, not worth stopping for.
                failed[command] = why
                with task.site.catalog.begin() as tx:
                    tx.event("rebuild-failed", f"clone:{task.name}", update=task.update.id, command=command)
    if migrates:
        task.note(migration="done")
    return failed


def _not_migrated(task: OpenUpdate, command: str, why: str) -> ChecksFailed:
    return ChecksFailed(
        f"{task.name}: the migration {command!r} {why}",
        meaning="Nothing was switched: the server is as it was. The next run begins with a new copy of the state.",
        todo=f"Fix the cause, then: goldroot update run {task.name}",
    )


def _not_rebuilt(task: OpenUpdate, command: str, why: str) -> ChecksFailed:
    return ChecksFailed(
        f"{task.name}: {command!r} {why}",
        meaning="What it makes would not be what it is made from. Nothing was switched: the server is as it was.",
        todo=f"Fix the cause, then: goldroot update run {task.name}",
    )


def run_checks(task: OpenUpdate, stage: Stage, commands: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Run the image's own checks; each that failed, and how."""
    with _prepared_system(task) as binds:
        for command in commands:
            try:
                done = _run(task, stage, binds, command, None)
            except LimitReached as error:
                yield command, error.brief.removeprefix("/bin/sh ")
                continue
            if done.status != 0:
                said = told((done.err.strip() or done.out.strip()).decode("utf-8", "replace"))
                limit = f", for want of {done.limit}" if done.limit else ""
                yield command, f"ended with status {done.status}{limit}" + (f": {said}" if said else "")


@contextmanager
def _prepared_system(task: OpenUpdate) -> Iterator[Sequence[Bound]]:
    """The merged system, put together for the block."""
    host = task.host
    with open_system(host, find_entry(host, task.machine_name), task.layout, PREPARED) as binds:
        yield binds


def _run(
    task: OpenUpdate, stage: Stage, binds: Sequence[Bound], command: str, ok: Sequence[int] | None = (0,)
) -> Confined:
    """Run a command in the merged system.  Where it cannot be confined as well as on most machines, that is said."""

    def hear(mode: Mode, why: str) -> None:
        if word := weakness(mode, why):
            stage(f"{task.name}: {word}")

    stage(f"{task.name}: {command}")
    how = How(ok=ok, timeout=TIMEOUT, told=hear)
    time = task.site.config.image(task.clone.image).check_time
    return run_on(task.site.config, task.clone.image, binds, ["/bin/sh", "-c", command], how, time=time)


def told(output: str) -> str:
    """The end of what a command said, as one line: often its last line alone is a mark below the one that says why."""
    lines = [" ".join(line.split()) for line in output.splitlines()]
    said = [line for line in lines if any(map(str.isalnum, line))][-LINES:]
    return "; ".join(line[:200] for line in said)


# -- links that lead to nothing

#: More links in a row lead nowhere (path_resolution(7)).
_MOST = 40
_ARROW = b"-> "


@dataclass(frozen=True)
class Look:
    """A server's system: its own disks over those that it shares with a gold."""

    own: OwnDisks
    gold: Gold

    def leads(self, path: bytes) -> bool:
        """Whether a link (no leading slash) leads to something; one into what is not on a disk does."""
        for _ in range(_MOST):
            target = self._target(path)
            if target is None:
                return self._is_there(path)
            path = os.path.normpath(os.path.join(b"/" + os.path.dirname(path), target)).lstrip(b"/")
        return False

    def _target(self, path: bytes) -> bytes | None:
        if self.own.root(path) is not None:
            return (self.own.read(path) or b"").removeprefix(_ARROW) if self.own.kind(path) == "link" else None
        entry = self._shared(path)
        return entry.content if entry is not None and entry.kind == LINK else None

    def _is_there(self, path: bytes) -> bool:
        if self.own.root(path) is not None:
            return bool(self.own.kind(path))
        # By way of a linked directory (/lib) a path is not in the list: that is not known, and not told.
        return self._shared(path) is not None or self._shared(os.path.dirname(path)) is None

    def _shared(self, path: bytes) -> Any:
        return self.gold.manifest(self.gold.layout.disk_of(path).address).get(path)


def dangling(record: Mapping[str, Any], before: Look, after: Look) -> Iterator[str]:
    """The links beside what was made again that lead to nothing after it, and led somewhere before."""
    notes = record.get("notes", ())
    places = {os.path.dirname(path_bytes(note["path"])).lstrip(b"/") for note in notes if note["kind"] == REBUILD_DUE}
    for place in sorted(places):
        for name in after.own.names(place):
            path = place + b"/" + name
            if after.own.kind(path) == "link" and not after.leads(path) and before.leads(path):
                yield "/" + path_text(path)
