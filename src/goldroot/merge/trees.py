"""Merging any three directories, with no database and no set-up: what ``goldroot merge`` does."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

from goldroot.accounts import AccountTables
from goldroot.conflicts import Decisions
from goldroot.errors import BadInput
from goldroot.files import digest_of
from goldroot.merge.apply.apply import apply_part
from goldroot.merge.apply.output import MARKER, fresh_output, place_of
from goldroot.merge.compare.parts import Part, Tree
from goldroot.merge.decisions import decisions_digest
from goldroot.merge.plan import Accounts, Plan, plan_merge
from goldroot.merge.record.record import make_record, note_data
from goldroot.policy import Policy, worth_reading
from goldroot.tree import FILE, Built, Note, Progress, path_text, scan_trees


@dataclass(frozen=True)
class Request:
    """What a person asked for.

    :param at: where the trees stand in the system, absolute.
    :param out: where the result goes; ``None`` plans only.
    :param accounts: the ``/etc`` of base, gold and clone; ``None`` takes them from the trees.
    :param sync: whether OUT shall be on the disk before it appears.
    """

    base: bytes
    gold: bytes
    clone: bytes
    policy: Policy
    decisions: Decisions
    out: bytes | None = None
    at: bytes = b"/"
    accounts: tuple[bytes, bytes, bytes] | None = None
    jobs: int | None = None
    sync: bool = False


def merge_trees(
    request: Request,
    progress: Callable[[str], Progress | None] | None = None,
    keep: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Merge, and return the record.

    :param progress: gives, for the name of a stage, what is called with the number of entries done since the last call.
    :param keep: is given the record before OUT appears: where it fails, or the process is killed, there is no OUT without
        its record.
    :raises BadInput: a tree is no directory, two are the same, or OUT cannot be used.
    """
    stage = progress or (lambda name: None)
    _check_places(request)
    with ExitStack() as stack:
        room = None
        if request.out is not None:
            room = stack.enter_context(fresh_output(request.out, _fingerprint(request), sync=request.sync))
        plan, notes = plan_trees(request, stage)
        record = make_record(plan)
        if room is not None:
            built = apply_part(plan, plan.parts[0], room, jobs=request.jobs, progress=stage("writing"))
            notes += [_note(_with_owners(note, built, request.at), request.at) for note in built.notes]
        record["notes"] += [note_data(note) for note in notes]
        if keep is not None:
            keep(record)
    return record


def plan_trees(request: Request, stage: Callable[[str], Progress | None]) -> tuple[Plan, list[Note]]:
    """Scan the three trees and plan their merge; also what the scans noted of the clone's tree."""
    at = request.at
    trees = []
    notes: list[Note] = []
    roots = (request.base, request.gold, request.clone)
    chosen = worth_reading(request.policy, at)
    for root, scanned in zip(
        roots, scan_trees(roots, contents=chosen, jobs=request.jobs, progress=stage("reading")), strict=True
    ):
        trees.append(Tree(root, scanned.manifest))
        notes += [_note(note, at) for note in scanned.notes]
    part = Part("tree", at, (trees[0], trees[1], trees[2]))
    return plan_merge([part], request.policy, _accounts(request), request.decisions), notes


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


def _accounts(request: Request) -> Accounts:
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


def _check_places(request: Request) -> None:
    if not request.at.startswith(b"/") or b".." in request.at.split(b"/"):
        raise BadInput(
            f"--at {os.fsdecode(request.at)!r} is no absolute path", todo="Say where the trees stand, such as /etc."
        )
    trees = {"base": request.base, "gold": request.gold, "clone": request.clone}
    seen: dict[tuple[int, int], str] = {}
    for word, path in trees.items():
        identity = _directory(word, path)
        if identity in seen:
            raise BadInput(
                f"{seen[identity]} and {word} are the same directory: {os.fsdecode(path)!r}",
                meaning="Nothing could be told from comparing a tree with itself.",
                todo="Give three different directories (a copy will do).",
            )
        seen[identity] = word
    if request.out is not None:
        place = place_of(request.out)
        _check_apart(place, {word: os.path.realpath(path) for word, path in trees.items()})
        for above in _all_above(place):
            if above in seen:
                raise _inside(place, seen[above])


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


def _fingerprint(request: Request) -> str:
    """A hash of the request: what makes a later command the same command."""
    places = [os.path.realpath(path) for path in (request.base, request.gold, request.clone, *(request.accounts or ()))]
    said = (request.at, request.policy.hash.encode(), decisions_digest(request.decisions))
    return digest_of((*places, *said)).hex()
