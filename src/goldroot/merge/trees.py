"""Merging any three directories, with no database and no set-up: what ``goldroot merge`` does, and the Python library.

::

    plan = plan_trees(Trees("gold-1/etc", "gold-2/etc", "server/etc", at="/etc"))     reads only
    record = apply_plan(plan, "merged")                                               writes ``merged``, whole or not at all

:func:`merge_trees` is both in one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace

from goldroot.accounts import AccountTables
from goldroot.conflicts import Conflict, Decisions, decisions_digest
from goldroot.errors import BadInput
from goldroot.files import AnyPath, digest_of
from goldroot.merge.apply.apply import apply_part
from goldroot.merge.apply.output import MARKER, fresh_output, place_of
from goldroot.merge.compare.parts import Part, Tree, read_file
from goldroot.merge.compare.systems import RELEASES
from goldroot.merge.decide.verdict import usr_links
from goldroot.merge.fit.accounts import Accounts
from goldroot.merge.memory import NO_MEMORY, Memory, load_memory
from goldroot.merge.plan import Plan, plan_merge
from goldroot.merge.record.record import Record
from goldroot.merge.surroundings import DirectoryFiles, SharedFiles, Surroundings
from goldroot.policy import Policy, family_of, worth_reading
from goldroot.tree import FILE, LINK, Built, Note, Progress, path_text, scan_trees


@dataclass(frozen=True)
class Trees:
    """The three directories of a merge, which are only read.

    :param base: the old gold's tree, as the server was made from it.
    :param gold: the new gold's.
    :param clone: the server's, as it is now.
    :param at: where the trees stand in the system, absolute: ``/etc`` for trees that are ``/etc``.  The policy's rules go
        by it.
    :param accounts: the ``/etc`` of base, gold and clone, for trees that do not hold it; else owners that the trees do
        not name are merged as numbers.
    :param system: the root of the whole system before (base's) and after (gold's), for trees that are not whole: what the
        server points at is looked up there.
    """

    base: AnyPath
    gold: AnyPath
    clone: AnyPath
    at: str | bytes = "/"
    accounts: tuple[AnyPath, AnyPath, AnyPath] | None = None
    system: tuple[AnyPath, AnyPath] | None = None


@dataclass(frozen=True)
class Options:
    """How a merge is done; nothing but ``after`` changes the result.

    :param after: the record (a file) of the server's last merge: what it had removed before stays removed.
    :param jobs: processes at once; ``None``: one for each processor.
    :param sync: whether the result shall be on the disk before it appears.  Without, goldroot waits no more than ``cp``.
    :param progress: gives, for the name of a stage (``reading``, ``writing``), what is called with the number of entries
        done since the last call, or ``None``.
    """

    jobs: int | None = None
    sync: bool = False
    progress: Callable[[str], Progress | None] = lambda stage: None
    after: AnyPath | None = None


@dataclass(frozen=True)
class MergePlan:
    """A merge that was planned: nothing is written yet, and ``record`` says what would be."""

    record: Record
    _plan: Plan = field(repr=False)
    _request: _Request = field(repr=False)

    @property
    def conflicts(self) -> tuple[Conflict, ...]:
        """What nobody has decided.  Plan again with ``decisions``, by :attr:`Conflict.key`, to decide it."""
        return self.record.conflicts


def plan_trees(
    trees: Trees, policy: Policy | None = None, decisions: Decisions | None = None, *, options: Options | None = None
) -> MergePlan:
    """Scan three directories and plan their merge.  Nothing is written.

    :param policy: the rules; ``None``: goldroot's own.
    :param decisions: answers to conflicts of an earlier plan, by their keys.
    :raises BadInput: a tree is not a directory, two of them are the same, ``at`` is not an absolute path, or
        ``options.after`` is not a record.
    :raises BadPolicy: the policy gives account files to another class than ``accounts``.
    :raises NoPermission: something may not be read; the error names it.
    :raises TreeChanged: a tree was written while it was read.
    """
    options = options or Options()
    request = _Request.of(trees, policy, decisions, options.after)
    _check_trees(request)
    return _plan(request, options)


def apply_plan(
    plan: MergePlan, into: AnyPath, *, options: Options | None = None, keep: Callable[[Record], None] | None = None
) -> Record:
    """Write the result of a plan.  It appears whole, or not at all; at a conflict the side that stands is in it.

    :param into: a new name, or an empty directory (a mount point, for one).
    :param keep: is given the record before the result appears: where it fails, or the process is killed, there is no
        result without its record.
    :returns: the plan's record, with what could not be kept where it was written (owners, devices, attributes).
    :raises BadInput: ``into`` is not empty, is not a directory, or lies in one of the trees.
    :raises Busy: another goldroot writes it.
    :raises NoSpace: its file system is full.
    :raises TreeChanged: a file is not what it was when the plan was made.
    """
    out = os.fsencode(into)
    options = options or Options()
    _check_into(plan._request, out, _check_trees(plan._request))
    with fresh_output(out, plan._request.fingerprint(), sync=options.sync) as room:
        return _write(plan, room, options, keep)


def merge_trees(
    trees: Trees,
    into: AnyPath,
    policy: Policy | None = None,
    decisions: Decisions | None = None,
    *,
    options: Options | None = None,
    keep: Callable[[Record], None] | None = None,
) -> Record:
    """Plan and write in one: parameters and errors of :func:`plan_trees` and :func:`apply_plan`.

    What is wrong with ``into`` is said before anything is read.
    """
    out = os.fsencode(into)
    options = options or Options()
    request = _Request.of(trees, policy, decisions, options.after)
    _check_into(request, out, _check_trees(request))
    with fresh_output(out, request.fingerprint(), sync=options.sync) as room:
        return _write(_plan(request, options), room, options, keep)


@dataclass(frozen=True)
class _Request:
    """What a person asked for, as bytes."""

    base: bytes
    gold: bytes
    clone: bytes
    at: bytes
    accounts: tuple[bytes, bytes, bytes] | None
    policy: Policy
    decisions: Decisions
    memory: Memory
    system: tuple[bytes, bytes] | None

    @classmethod
    def of(cls, trees: Trees, policy: Policy | None, decisions: Decisions | None, after: AnyPath | None) -> _Request:
        base, gold, clone = (os.fsencode(tree) for tree in (trees.base, trees.gold, trees.clone))
        given = None
        if trees.accounts is not None:
            one, two, three = map(os.fsencode, trees.accounts)
            given = one, two, three
        memory = NO_MEMORY if after is None else load_memory(os.fsencode(after))
        system = None if trees.system is None else (os.fsencode(trees.system[0]), os.fsencode(trees.system[1]))
        at, policy = _in_one_form(trees.at), policy or Policy.default()
        return cls(base, gold, clone, at, given, policy, decisions or {}, memory, system)

    @property
    def roots(self) -> dict[str, bytes]:
        return {"base": self.base, "gold": self.gold, "clone": self.clone}

    def fingerprint(self) -> str:
        """A hash of the request: what makes a later command the same command."""
        given = (*self.roots.values(), *(self.accounts or ()), *(self.system or ()))
        places = [os.path.realpath(path) for path in given]
        said = self.policy.hash.encode(), decisions_digest(self.decisions), self.memory.digest()
        return digest_of((*places, self.at, *said)).hex()


def _in_one_form(at: str | bytes) -> bytes:
    """An absolute path in the one form in which rules match; others as they are, to be refused."""
    raw = os.fsencode(at)
    return b"/" + b"/".join(name for name in raw.split(b"/") if name not in (b"", b".")) if raw[:1] == b"/" else raw


def _plan(request: _Request, options: Options) -> MergePlan:
    at = request.at
    chosen = worth_reading(request.policy, at)
    roots = list(request.roots.values())
    scans = scan_trees(roots, contents=chosen, jobs=options.jobs, progress=options.progress("reading"))
    base, gold, clone = (
        Tree.scanned(root, scanned.manifest, scanned.notes) for root, scanned in zip(roots, scans, strict=True)
    )
    if request.system is not None:
        base, gold = (_of_system(tree, root) for tree, root in zip((base, gold), request.system, strict=True))
    parts, around = [Part("tree", at, (base, gold, clone))], Surroundings(request.memory, _shared(request))
    plan = plan_merge(parts, request.policy, _accounts(request), request.decisions, around=around)
    return MergePlan(Record.of(plan, *(_note(note, at) for scanned in scans for note in scanned.notes)), plan, request)


def _of_system(tree: Tree, root: bytes) -> Tree:
    """A tree with what its system's root tells: how it leads into its ``/usr``, and its family."""
    files = DirectoryFiles(root, b"/")

    def target_of(path: bytes) -> bytes | None:
        node = files.look(path)
        return node.target if node is not None and node.kind == LINK else None

    texts = (
        read_file(root, path[1:]) for path in RELEASES if (node := files.look(path)) is not None and node.kind == FILE
    )
    return replace(tree, usr=usr_links(target_of), family=next(filter(None, map(family_of, texts)), ""))


def _shared(request: _Request) -> tuple[SharedFiles, SharedFiles] | None:
    """The two roots in which references are looked up."""
    if request.system is None or request.at == b"/":
        return None  # whole trees have all that is there
    before, after = (DirectoryFiles(root, request.at) for root in request.system)
    return before, after


def _write(plan: MergePlan, room: bytes, options: Options, keep: Callable[[Record], None] | None) -> Record:
    at = plan._request.at
    progress = options.progress("writing")
    built = apply_part(plan._plan, plan._plan.parts[0], room, jobs=options.jobs, progress=progress)
    record = plan.record.with_notes(_note(_with_owners(note, built, at), at) for note in built.notes)
    if keep is not None:
        keep(record)
    return record


def _note(note: Note, at: bytes) -> Note:
    return Note(note.kind, _place(at, note.path), note.text, note.data)


def _place(at: bytes, path: bytes) -> bytes:
    return at.rstrip(b"/") + b"/" + path if path else at


def _with_owners(note: Note, built: Built, at: bytes) -> Note:
    """The note of owners that could not be kept says which: by ``uid:gid``, the paths that should be theirs; and which
    files are programs of another that must not run as the caller instead."""
    if note.kind != "owner-not-kept":
        return note
    owners: dict[str, list[str]] = {}
    set_id = []
    for path, uid, gid in built.owners:
        owners.setdefault(f"{uid}:{gid}", []).append(path_text(_place(at, path)))
        entry = built.manifest.get(path)
        if entry is not None and entry.kind == FILE and entry.mode & 0o6000:
            set_id.append(path_text(_place(at, path)))
    text = f"{note.text}; left without set-uid and set-gid: {len(set_id)}" if set_id else note.text
    return Note(note.kind, note.path, text, {**note.data, "owners": owners, **({"set-id": set_id} if set_id else {})})


def _accounts(request: _Request) -> Accounts:
    base, gold, clone = (_held(tree, request.at) for tree in (request.base, request.gold, request.clone))
    if request.accounts is None:
        return base, gold, clone
    given = [AccountTables.read(etc) for etc in request.accounts]
    for place, own, other in zip(request.accounts, (base, gold, clone), given, strict=True):
        _check_given(place, own, other)
    return given[0], given[1], given[2]


def _held(tree: bytes, at: bytes) -> AccountTables:
    """The tables that a tree holds itself; empty ones where it holds no ``/etc``."""
    inside = _etc_inside(at)
    return AccountTables.of({}) if inside is None else AccountTables.read(tree, inside)


def _check_given(place: bytes, own: AccountTables, given: AccountTables) -> None:
    """The merged tables stand in the result: made of others than the tree's, they would lose its accounts."""
    for name, data in own.files.items():
        if given.files.get(name) != data:
            raise BadInput(
                f"the tree holds an /etc/{name} of its own, which is another than that of {os.fsdecode(place)!r}",
                meaning="Its accounts would be lost, and its files be given to those of the other table.",
                todo="Leave --accounts out: it is for trees that do not hold /etc.",
            )


def _etc_inside(at: bytes) -> bytes | None:
    """Where ``/etc`` lies in trees that stand at ``at``; ``None`` where they do not hold it."""
    prefix = at.rstrip(b"/") + b"/"
    if prefix == b"/etc/":
        return b""
    return b"/etc"[len(prefix) :] if b"/etc".startswith(prefix) else None


def _check_trees(request: _Request) -> dict[tuple[int, int], str]:
    """See that the trees are three directories; which of them each device and inode is."""
    if not request.at.startswith(b"/") or b".." in request.at.split(b"/"):
        raise BadInput(
            f"--at {os.fsdecode(request.at)!r} is not an absolute path", todo="Say where the trees stand, such as /etc."
        )
    seen: dict[tuple[int, int], str] = {}
    for word, path in request.roots.items():
        identity = _directory(word, path)
        if identity in seen:
            raise BadInput(
                f"{seen[identity]} and {word} are the same directory: {os.fsdecode(path)!r}",
                meaning="Nothing could be told from comparing a tree with itself.",
                todo="Give three different directories (a copy will do).",
            )
        seen[identity] = word
    for word, path in zip(("the system before", "the system after"), request.system or (), strict=False):
        _directory(word, path)
    return seen


def _check_into(request: _Request, out: bytes, trees: dict[tuple[int, int], str]) -> None:
    """See that the result would not come to stand in a tree; what is in its place :func:`fresh_output` looks at."""
    place = place_of(out)
    _check_apart(place, {word: os.path.realpath(path) for word, path in request.roots.items()})
    for above in _all_above(place):
        if above in trees:
            raise _inside(place, trees[above])


def _directory(word: str, path: bytes) -> tuple[int, int]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise BadInput(f"{word}: there is no {os.fsdecode(path)!r}", todo="Check the path.") from None
    except NotADirectoryError:
        raise BadInput(f"{word}: {os.fsdecode(path)!r} is not a directory", todo="Give a directory.") from None
    try:
        held = os.fstat(descriptor)
        unfinished = os.fsdecode(MARKER) in os.listdir(descriptor)
    finally:
        os.close(descriptor)
    if unfinished:
        raise BadInput(
            f"{word}: {os.fsdecode(path)!r} is the unfinished result of a merge",
            meaning="It is incomplete and must not be used.", todo="Run the merge that began it once more.",
        )  # fmt: skip
    return held.st_dev, held.st_ino


def _check_apart(out: bytes, trees: dict[str, bytes]) -> None:
    for word, tree in trees.items():
        if out == tree:
            raise BadInput(
                f"OUT is the {word} tree itself: {os.fsdecode(out)!r}",
                meaning="The three trees are only read.", todo="Give a new directory.",
            )  # fmt: skip
        if (out + b"/").startswith(tree.rstrip(b"/") + b"/"):
            raise _inside(out, word)


def _inside(out: bytes, word: str) -> BadInput:
    return BadInput(
        f"OUT lies inside the {word} tree: {os.fsdecode(out)!r}",
        meaning="The result would become part of what is read.", todo="Give a directory outside of the trees.",
    )  # fmt: skip


def _all_above(out: bytes) -> Iterator[tuple[int, int]]:
    """The directories in which OUT stands or will stand; by these a tree is known under another name, too (a bind
    mount)."""
    while out != b"/":
        with suppress(OSError):
            held = os.stat(out)
            yield held.st_dev, held.st_ino
        out = os.path.dirname(out)
