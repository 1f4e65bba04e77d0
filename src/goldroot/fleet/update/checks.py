"""What is done in a merged system before it is switched: generated files made again, state migrated, everything checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from goldroot import crash
from goldroot.accounts import GROUP, PASSWD, AccountTables
from goldroot.catalog import clones, decisions
from goldroot.errors import ChecksFailed, LimitReached, NotFound, ProgramFailed
from goldroot.fleet import manifests
from goldroot.fleet.inputs import Stage, accounts_of, open_own, read_missing
from goldroot.fleet.update.as_switched import after_commands
from goldroot.fleet.update.entry_says import kept_sets
from goldroot.fleet.update.merged_system import Look, dangling, give_first_identity, on_shared_disks, tells_of
from goldroot.fleet.update.open_update import OpenUpdate
from goldroot.fleet.update.power import try_out
from goldroot.hosts import PREPARED, find_entry, own_disks
from goldroot.merge import MARKERS, MIGRATE_DUE, REBUILD_DUE
from goldroot.system import OwnDisks, fingerprints
from goldroot.tree import Manifest, path_bytes, path_text

if TYPE_CHECKING:
    from goldroot.system import Bound, Confined, Mode

#: How long one command may take, in seconds.
TIMEOUT = 600.0

#: How many lines of a failed check are shown.
LINES = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that stands in the way of a switch."""

    check: str
    text: str


def prove(task: OpenUpdate, stage: Stage, *, trial: bool = False) -> None:
    """Finish the merged system and check it; nothing is switched before this has passed.

    :param trial: start it in isolation, too, where the other checks have passed.
    :raises ChecksFailed: something was found; the error names all of it.
    """
    record = task.record()
    made = give_first_identity(task, record)
    ran = _run_due(task, record, stage)
    crash.point("update.rebuilt")
    with open_sides(task) as sides:
        found = list(shipped(task, record, sides))
        if ran:
            before, after = Look(sides.clone, task.base), Look(sides.merged, task.target)
            task.tell(dangling=list(dangling(record, before, after)))
    found += _image_checks(task, stage)
    if made or ran or task.site.config.image(task.clone.image).checks:
        _look_again(task)
    said: Sequence[str] = ()
    if trial and not found:
        tried = try_out(task, stage)
        found, said = [Finding("trial", text) for text in tried.wrong], tried.journal
    if found:
        error = ChecksFailed(
            f"{task.name}: {len(found)} check{'s' if len(found) != 1 else ''} failed: "
            + "; ".join(f"{one.check}: {one.text}" for one in found[:5]),
            meaning="Nothing was switched: the server is as it was." + (" What the trial said:" if said else ""),
            todo=f"Fix it on the server, or decide otherwise, then: goldroot update run {task.name}. Fixed in a later gold? "
            f"Cancel this one first: goldroot update cancel {task.name}",
        )
        error.lines = list(said)
        raise error
    crash.point("update.checks-passed")
    task.set_state("checked", error="")


@dataclass(frozen=True)
class Sides:
    """The merged system, the server as it is, and what it goes to, by their account tables."""

    merged: OwnDisks
    clone: OwnDisks
    gold: AccountTables


@contextmanager
def open_sides(task: OpenUpdate) -> Iterator[Sides]:
    """What the shipped checks look at, open for the block."""
    with ExitStack() as stack:
        merged = stack.enter_context(task.open_prepared())
        clone = stack.enter_context(task.open_live())
        gold = task.target.accounts
        if task.update.carry:
            back = stack.enter_context(open_own(task.host, task.layout, fallback_disks(task)))
            gold = accounts_of(task.layout, back.opened)
        yield Sides(merged.tree, clone.tree, gold)


def fallback_disks(task: OpenUpdate) -> dict[str, str]:
    """The ids of the disks that a rollback goes back to, by live address."""
    digit = kept_sets(task.entry).get(task.update.back)
    if digit is None:
        raise NotFound(f"what {task.name} was to go back to is not there", todo="See: goldroot fallback list")
    return own_disks(task.entry, digit)


# -- what is due


def _run_due(task: OpenUpdate, record: Mapping[str, Any], stage: Stage) -> bool:
    """Rebuild and migrate commands, each once, in the merged system; whether any has run there.

    State that was migrated is not migrated again when only a check has failed since.
    """
    due: dict[str, str] = {}
    for note in record.get("notes", ()):
        if note["kind"] in (REBUILD_DUE, MIGRATE_DUE):
            due.setdefault(note["data"]["command"], note["kind"])
    if task.update.migration == "done":
        due = {command: kind for command, kind in due.items() if kind != MIGRATE_DUE}
    required = {note["data"]["command"] for note in record.get("notes", ()) if note.get("data", {}).get("required")}
    failed: dict[str, str] = {}
    migrates = MIGRATE_DUE in due.values()
    if migrates:
        _note_migration(task, "begun")
    with _prepared_system(task, bool(due)) as binds:
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
        _note_migration(task, "done")
    _note_failed(task, failed)
    return bool(due) or task.update.migration == "done"


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


def _note_migration(task: OpenUpdate, how_far: str) -> None:
    task.note(migration=how_far)


def _note_failed(task: OpenUpdate, failed: dict[str, str]) -> None:
    """For the one who runs the update: the last attempt counts."""
    task.tell(failed=failed)


def _look_again(task: OpenUpdate) -> None:
    """What these commands wrote (a check may: `nginx -t` makes directories) is part of the disks as goldroot made them."""
    with task.open_prepared() as server:
        for address, disk in server.ids.items():
            _look_at(task, disk, server.opened[address].path)


def _look_at(task: OpenUpdate, disk: str, path: str) -> None:
    made = manifests.load(task.site, disk, manifests.MADE)
    if made is not None:
        built = manifests.load(task.site, disk) or made
        now = manifests.save_made(task.site, disk, path, built, task.policy)
        if task.update.carry:
            rows = after_commands(made, built, now)
            manifests.save(task.site, disk, Manifest.from_rows(rows, now.squashed), manifests.MADE)


@contextmanager
def _prepared_system(task: OpenUpdate, wanted: bool = True) -> Iterator[Sequence[Bound]]:
    """The merged system, put together for the block; nothing, where it is not wanted."""
    host = task.host
    if not wanted:
        yield ()
        return
    from goldroot.site import open_system  # here, as below: most updates run nothing in the merged system

    with open_system(host, find_entry(host, task.machine_name), task.layout, PREPARED) as binds:
        yield binds


# -- the image's own


def _image_checks(task: OpenUpdate, stage: Stage) -> Iterator[Finding]:
    commands = task.site.config.image(task.clone.image).checks
    if not commands:
        return
    with _prepared_system(task) as binds:
        yield from _run_checks(task, stage, commands, binds)


def _run_checks(task: OpenUpdate, stage: Stage, commands: Sequence[str], binds: Sequence[Bound]) -> Iterator[Finding]:
    for command in commands:
        try:
            done = _run(task, stage, binds, command, None)
        except LimitReached as error:
            yield Finding(command, error.brief.removeprefix("/bin/sh "))
            continue
        if done.status != 0:
            said = told((done.err.strip() or done.out.strip()).decode("utf-8", "replace"))
            limit = f", for want of {done.limit}" if done.limit else ""
            yield Finding(command, f"ended with status {done.status}{limit}" + (f": {said}" if said else ""))


def _run(
    task: OpenUpdate, stage: Stage, binds: Sequence[Bound], command: str, ok: Sequence[int] | None = (0,)
) -> Confined:
    """Run a command in the merged system.  Where it cannot be confined as well as on most machines, that is said."""
    from goldroot.site import run_on, weakness
    from goldroot.system import How

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


# -- the shipped ones


def shipped(task: OpenUpdate, record: Mapping[str, Any], all_sides: Sides) -> Iterator[Finding]:
    """Account tables, unique identity, left-over markers."""
    tree = all_sides.merged
    yield from _accounts(task, all_sides)
    yield from _shared_numbers(task, all_sides, record)
    yield from _identity(task, tree, fingerprints(all_sides.clone))
    yield from _markers(tree, record)


def _accounts(task: OpenUpdate, all_sides: Sides) -> Iterator[Finding]:
    root = all_sides.merged.root(b"etc/passwd")
    if root is None:
        return
    merged = AccountTables.read(root, b"etc")
    clone_root = all_sides.clone.root(b"etc")
    sides = [task.target.accounts] + ([AccountTables.read(clone_root, b"etc")] if clone_root else [])
    for file in (PASSWD, GROUP):
        had = [duplicates(side, file) for side in sides]
        for word, count in duplicates(merged, file).items():
            if all(count > known[word] for known in had):
                yield Finding("accounts", f"/etc/{file} has {word} {count + 1} times")
        odd = {key for side in sides for key in side.table(file).keys if key.odd}
        for key in merged.table(file).keys:
            if key.odd and key not in odd:
                yield Finding("accounts", f"/etc/{file} has a line that is not a record")


def _shared_numbers(task: OpenUpdate, all_sides: Sides, record: Mapping[str, Any]) -> Iterator[Finding]:
    """Gold's accounts whose files on the disks that the clone links would be another's, or nobody's.

    What was so before, by the server's own doing, is not for this update to refuse.  An answer that made it so cannot
    be used, and is asked for again.
    """
    root = all_sides.merged.root(b"etc/passwd")
    linked = [address for address in task.target.addresses if address not in task.update.disks]
    found = {} if root is None else on_shared_disks(task.target, AccountTables.read(root, b"etc"), linked)
    if not found:
        return
    clone_root = all_sides.clone.root(b"etc")
    before = AccountTables.of({}) if clone_root is None else AccountTables.read(clone_root, b"etc")
    known = {*on_shared_disks(task.base, before, linked), *on_shared_disks(task.target, all_sides.gold, linked)}
    for one, path in found.items():
        if one not in known:
            decided = [note for note in record.get("notes", ()) if tells_of(note, one)]
            _withdraw(task, decided)
            todo = "the next run asks again" if decided else f"give it {one.number} on the server"
            said = f"the {one.kind} {one.name} {one}, and the disks shared with gold carry {one.number} for it"
            yield Finding("accounts", f"{said} (/{path_text(path)}): {todo}; only a read-write clone can have it so")


def _withdraw(task: OpenUpdate, decided: Sequence[Mapping[str, Any]]) -> None:
    """Take back the answers that these notes of a record tell of."""
    for note in decided:
        with task.site.catalog.begin() as tx:
            decisions.withdraw(tx, task.clone.image, note["data"]["key"])


def duplicates(tables: AccountTables, file: str) -> Counter[str]:
    """Names and numbers that stand in a table more than once: how often more."""
    seen: Counter[str] = Counter()
    for key, fields in tables.table(file).records():
        seen[f"the name {key.text.decode('utf-8', 'replace')}"] += 1
        seen[f"the number {int(fields[2])}"] += 1
    return Counter({word: count - 1 for word, count in seen.items() if count > 1})


def _identity(task: OpenUpdate, tree: OwnDisks, before: Mapping[str, str]) -> Iterator[Finding]:
    """The other servers' are asked of the catalog.  One that it knows nothing of, and that cannot be read, is told: a
    damaged neighbour is not a reason to hold this one up.

    :param before: the fingerprints of the server as it is.  A file that another server has, too, since both were made, is told:
        an older goldroot made some servers so, and this update makes it no worse.
    """
    unknown = read_missing(task.site, task.name)
    now = fingerprints(tree)
    with task.site.catalog.read() as tx:
        shared = sorted(clones.sharing(tx, task.name, now), key=lambda found: (found[1], found[0]))
    as_before = [(word, other) for word, other in shared if word.startswith("/") and before.get(word) == now[word]]
    task.tell(not_compared=unknown, shared=[f"{word} ({other})" for word, other in as_before])
    for word, other in shared:
        if (word, other) not in as_before:
            yield Finding(
                "identity", f"the {word} is that of {other} too" if word[0] != "/" else f"{word} is as on {other}"
            )


def _markers(tree: OwnDisks, record: Mapping[str, Any]) -> Iterator[Finding]:
    for entry in record.get("entries", ()):
        axes: Mapping[str, str] = entry.get("axes", {})
        if axes.get("content") == "merged" or "decided" in entry:
            path = path_bytes(entry["path"]).lstrip(b"/")
            content = tree.read(path) or b""
            if MARKERS.search(content):
                yield Finding("markers", f"{entry['path']} holds conflict markers")
