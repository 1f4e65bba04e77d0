"""What a merged system has to be before it is switched: what makes a server itself is there, generated files are new, its accounts
and the numbers on shared disks are right.

Identity: what a server must have of its own since the new gold is made on the merged disks, and no other server has it.

Owners: nobody can give the files on the disks that a clone links other owners.  An account of gold's that has another number on a clone
than in gold is not the owner of what gold says is its, and who has gold's number there is: a local group with the number of
``crontab`` would own gold's set-gid program.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from goldroot import crash
from goldroot.accounts import GROUP, PASSWD, AccountTables, numbers_in_acl
from goldroot.catalog import AccountKind, clones, decisions
from goldroot.counted import counted
from goldroot.errors import ChecksFailed, NotFound
from goldroot.fleet import manifests
from goldroot.fleet.inputs import Disks, Stage, accounts_of, open_own, read_missing
from goldroot.fleet.update.as_switched import after_commands
from goldroot.fleet.update.entry_says import kept_sets
from goldroot.fleet.update.open_update import OpenUpdate, record_file, write
from goldroot.hosts import own_disks
from goldroot.image import Gold
from goldroot.merge import MARKERS, MIGRATE_DUE, REBUILD_DUE, note_data, record_bytes
from goldroot.site import work_room
from goldroot.system import FirstIdentity, OwnDisks, UpdateTrees, fingerprints, make_first
from goldroot.tree import Manifest, Note, path_bytes, path_text


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that stands in the way of a switch."""

    check: str
    text: str


def prove(task: OpenUpdate, stage: Stage, *, trial: bool = False) -> None:
    """Finish the merged system and check it; nothing is switched before this has passed.

    :param trial: start it in isolation, too, where the other checks have passed, the site wants it and the host can.
    :raises ChecksFailed: something was found; the error names all of it.
    """
    record = task.record()
    made = give_first_identity(task, record)
    ran = _run_due(task, record, stage)
    crash.point("update.rebuilt")
    with open_sides(task) as sides:
        found = list(shipped(task, record, sides))
        if ran:
            from goldroot.fleet.update.commands import Look, dangling

            before, after = Look(sides.clone, task.base), Look(sides.merged, task.target)
            task.tell(dangling=list(dangling(record, before, after)))
    image = task.site.config.image(task.clone.image)
    if image.checks:
        from goldroot.fleet.update.commands import run_checks

        found += [Finding(command, text) for command, text in run_checks(task, stage, image.checks)]
    if made or ran or image.checks:
        _look_again(task)
    said: Sequence[str] = ()
    if trial and not found and image.running.trial == "boot" and task.host.abilities.trials:
        from goldroot.fleet.update.power import try_out

        tried = try_out(task, stage)
        found, said = [Finding("trial", text) for text in tried.wrong], tried.journal
    if found:
        error = ChecksFailed(
            f"{task.name}: {counted(len(found), 'check')} failed: "
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
    failed: dict[str, str] = {}
    if due:
        # Here, as above: most updates run nothing in the merged system.
        from goldroot.fleet.update.commands import run_due

        failed = run_due(task, due, record, stage)
    task.tell(failed=failed)
    return bool(due) or task.update.migration == "done"


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


# -- numbers on the shared disks


@dataclass(frozen=True, slots=True)
class OtherNumber:
    """An account of gold's that has another number on a clone, or none while another has its; names as text."""

    kind: AccountKind
    name: str
    number: int  #: in gold
    own: int | None  #: on the clone; None where there is no such account
    holder: str | None  #: who has gold's number on the clone

    @property
    def axes(self) -> set[str]:
        """The axes on which its number may have been decided."""
        field = "uid" if self.kind == "user" else "gid"
        return {f"accounts:{name}:{field}" for name in (self.name, self.holder) if name is not None}

    def __str__(self) -> str:
        here = "does not exist here" if self.own is None else f"has {self.own} here"
        return here + ("" if self.holder is None else f", where {self.number} is {self.holder}'s")


def other_numbers(gold: AccountTables, own: AccountTables) -> Iterator[OtherNumber]:
    """Gold's accounts that are not what gold says in the tables of a clone.

    One that the clone deleted is none of them, as long as its number is nobody's.
    """
    kinds: tuple[AccountKind, ...] = ("user", "group")
    tables = (
        (gold.users, gold.user_names, own.users, own.user_names),
        (gold.groups, gold.group_names, own.groups, own.group_names),
    )
    for kind, (numbers, names, here, names_here) in zip(kinds, tables, strict=True):
        for number, name in names.items():
            now, holder = here.get(name), names_here.get(number)
            # Gold may give one number two names, of which the clone may have deleted the first.
            known = holder is None or numbers.get(holder) == number
            if now != number and not (now is None and known):
                yield OtherNumber(kind, _text(name), number, now, None if holder is None else _text(holder))


def on_shared_disks(gold: Gold, own: AccountTables, addresses: Collection[str]) -> Mapping[OtherNumber, bytes]:
    """Those whose number files on gold's disks at these addresses carry: the first such path (no leading slash)."""
    strange = list(other_numbers(gold.accounts, own))
    found: dict[OtherNumber, bytes] = {}
    for address in addresses if strange else ():
        manifest = gold.manifest(address)
        for one in strange:
            path = None if one in found else first_path(manifest, one.kind, one.number)
            if path is not None:
                found[one] = path
    return found


def tells_of(note: Mapping[str, Any], one: OtherNumber) -> bool:
    """Whether a note of a record tells of a decision about the number of this account, or of who has it."""
    return note["kind"] == "decided" and note.get("data", {}).get("axis") in one.axes


def first_path(manifest: Manifest, kind: AccountKind, number: int) -> bytes | None:
    """The first path that belongs to a number, or whose ACLs name it."""
    columns = manifest.columns
    sets = {nth for nth, held in enumerate(columns.xattr_sets) if number in numbers_in_acl(held)[kind == "group"]}
    rows = [next((row for row, nth in enumerate(columns.xattrs) if nth in sets), len(columns))] if sets else []
    with suppress(ValueError):
        rows.append((columns.uids if kind == "user" else columns.gids).index(number))
    row = min(rows, default=len(columns))
    return manifest.entry(row).path if row < len(columns) else None


def _text(name: bytes) -> str:
    return name.decode("utf-8", "replace")


# -- identity


def give_first_identity(task: OpenUpdate, record: Mapping[str, Any]) -> bool:
    """Make it, and note in the update's record what was made; whether anything was.

    A rollback that carries makes nothing: the fallback has its own.
    """
    if task.update.carry:
        return False
    with ExitStack() as stack:
        result = stack.enter_context(task.open_prepared("rw")).tree
        live = stack.enter_context(task.open_live()).tree
        base, gold = (
            _of_gold(task, stack.enter_context(one.open(task.update.disks))) for one in (task.base, task.target)
        )
        hostname = (result.read(b"etc/hostname") or b"").strip().decode("utf-8", "replace") or task.name
        with work_room(task.site, f"keys-{task.name}") as room:
            done = make_first(UpdateTrees(base, gold, live, result), hostname, room.path)
    if not done:
        return False
    crash.point("update.identity-made")
    known = list(record.get("notes", ()))
    notes = [*known, *(data for note in _notes(done) if (data := note_data(note)) not in known)]
    path = record_file(task.site, task.name, task.work)
    write(path, record_bytes({**record, "notes": notes}))
    return True


def _of_gold(task: OpenUpdate, opened: Disks) -> OwnDisks:
    return OwnDisks(task.layout, {address: disk.path for address, disk in opened.items()})


def _notes(done: FirstIdentity) -> Iterator[Note]:
    for path in done.made:
        yield Note("identity-made", b"/" + path, "gold has it for the first time: the server got its own")
    for path in done.removed:
        yield Note("identity-removed", b"/" + path, "gold's own was left out: the server's program makes another")
