"""Review: conflicts shown with their three versions, and answered; an answer is remembered for every clone."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from goldroot.accounts import NUMBER_KINDS
from goldroot.catalog import Update, clones, decisions, updates
from goldroot.catalog import WaitingConflict as WaitingConflict
from goldroot.conflicts import Decision
from goldroot.errors import NotFound, Refused
from goldroot.fleet.clone_names import host_of, machine_of, person
from goldroot.fleet.inputs import own_addresses, policy_of
from goldroot.fleet.update import open_update
from goldroot.fleet.update.entry_says import kept_sets
from goldroot.fleet.update.reconcile import is_switched
from goldroot.hosts import Host, find_entry, own_disks
from goldroot.image import open_version
from goldroot.merge import (
    Asked,
    Desk,
    EditPlace,
    EditWay,
    Question,
    and_alike,
    answers_of,
    chosen_questions,
    conflict_shown,
    decisions_for,
    edited_text,
    first_text,
    forget_edit,
    only_one,
    side_or_content,
)
from goldroot.site import Site, work_room
from goldroot.system import read_path
from goldroot.tree import path_text

#: In the editor, and nobody is asked.
IN_EDITOR = EditWay()


@dataclass(frozen=True)
class Case:
    """An update that waits, or one that has conflicts, with them."""

    update: Update
    waiting: list[WaitingConflict]

    @property
    def open(self) -> list[WaitingConflict]:
        """Those that nobody has answered."""
        return [one for one in self.waiting if one.state == "open"]


def all_cases(site: Site, name: str | None = None) -> list[Case]:
    """The updates in flight that have met conflicts, by number.

    :raises NotFound: no such clone.
    """
    with site.catalog.read() as tx:
        if name is not None:
            clones.get(tx, name)
        going = [one for one in updates.every(tx, name) if not one.ended]
        found = [Case(one, decisions.conflicts_of(tx, one.id)) for one in going]
    return [one for one in found if one.waiting]


def find_case(site: Site, name: str) -> Case:
    """The update of one clone that has conflicts.

    :raises NotFound: there is none, or no such clone.
    """
    found = all_cases(site, name)
    if not found or is_switched(site, found[0].update):
        raise NotFound(f"nothing of {name} waits for a review", todo="See: goldroot review list")
    return found[0]


def chosen_conflicts(
    found: Case, wanted: Sequence[str], *, all_like: bool = False, everything: bool = False
) -> list[WaitingConflict]:
    """The conflicts that are named by path (and all below a path that ends in a slash) or by the beginning of a key.

    :param all_like: and all open ones with the same axis and kind as a named one.
    :param everything: all open ones.
    :raises NotFound: a name that names none.
    """
    if everything:
        return found.open
    every = {one.found.key: one for one in found.waiting}
    named = chosen_questions(
        [one.found for one in found.waiting], wanted,
        of=found.update.clone, show=f"goldroot review show {found.update.clone}",
    )  # fmt: skip
    if all_like:
        named = and_alike(named, [one.found for one in found.open])
    return [every[one.key] for one in named]


def question_of(site: Site, found: Case, one: WaitingConflict) -> Question:
    """A conflict with what each side has at its path, read now: gold's from their slots, the clone's from its live disk.

    Of a carry, gold's is the fallback's, and the base's was kept.
    """
    update, path = found.update, one.found.path.lstrip(b"/")
    host = host_of(site, update.clone)
    old, new = (open_version(site, update.image, n, host.name) for n in (update.from_version, update.to_version))
    address = new.layout.disk_of(path).address
    entry = find_entry(host, machine_of(site, update.clone))
    clone = _read_disk(host, own_disks(entry).get(address), path)
    if update.carry:
        base = open_update.load_base(site, update.clone, update.work, one.found.key)
        digit = kept_sets(entry).get(update.back)
        gold = _read_disk(host, own_disks(entry, digit).get(address) if digit else None, path)
    else:
        base, gold = (_read_disk(host, version.disks.get(address), path) for version in (old, new))
    rule = policy_of(site, update.image).match(one.found.path)
    return Question(one.found, _entry_of(site, update, path_text(one.found.path)), (base, gold, clone), rule)


def _entry_of(site: Site, update: Update, shown: str) -> dict[str, Any]:
    """The entry of a path in the record of the update's last merge; empty where it has none."""

    def entry(record: Any) -> dict[str, Any]:
        return next(({**one} for one in record.get("entries", ()) if one["path"] == shown), {})

    return open_update.read_kept(open_update.record_file(site, update.clone, update.work), entry) or {}


def _read_disk(host: Host, disk: str | None, path: bytes) -> bytes | None:
    if disk is None:
        return None
    with host.open_disks({disk: "ro"}, view="live") as opened:
        return read_path(opened[disk].path, path)


def show_conflict(site: Site, found: Case, one: WaitingConflict) -> dict[str, Any]:
    """A conflict as JSON data, with what may be shown of its versions.

    Of an account's record only the field's name is said, and values where they are not a secret.
    """
    question = question_of(site, found, one)
    return {**conflict_shown(question, _detail(site, found, one)), "state": one.state}


def _detail(site: Site, found: Case, one: WaitingConflict) -> str:
    """What is asked, and where not every answer can be lived with, that it is so."""
    if one.found.kind not in NUMBER_KINDS:
        return one.found.detail
    host = host_of(site, found.update.clone)
    layout = open_version(site, found.update.image, found.update.to_version, host.name).layout
    own = own_addresses(layout, find_entry(host, machine_of(site, found.update.clone)))
    if all(disk.address in own for disk in layout.disks):
        return one.found.detail
    return f"{one.found.detail}; the disks that it shares with gold carry gold's number and cannot be re-owned"


def resolve_conflicts(
    site: Site, found: Case, wanted: Sequence[WaitingConflict], take: str, *, note: str = "", plan_only: bool = False
) -> Case:
    """Answer conflicts; ``take`` is one of their answers (``server`` is ``clone``), ``proposal`` (what stands), or a file's path.

    :param plan_only: only see whether it is an answer to all of them.
    :returns: the case as it is now.
    :raises Refused: it is not an answer to one of them; then none is answered.
    """
    if not wanted:
        return found
    show = f"goldroot review show {found.update.clone}"
    answers = decisions_for([one.found for one in wanted], take, show=show)
    if plan_only:
        return found
    keep_answers(site, found.update.image, answers, note)
    return find_case(site, found.update.clone)


def keep_answers(site: Site, image: str, answers: Mapping[str, Decision], note: str = "") -> None:
    """Remember a person's answers, by the keys of their questions; what was kept of an edit of one is not needed any more."""
    with site.catalog.begin() as tx:
        for key, answer in answers.items():
            decisions.decide(tx, image, key, answer, who=person(), note=note)


def edit_conflict(site: Site, found: Case, one: WaitingConflict, *, note: str = "", way: EditWay = IN_EDITOR) -> Case:
    """Let a person edit the three versions into one, in ``$VISUAL`` or ``$EDITOR``.

    :raises Refused: the conflict is not about the content of a text.
    :raises BadInput: it was left as it was, or markers are left in it; what was written is kept, and the error says where.
    """
    question = editable_question(site, found, one)
    update = found.update
    kept = os.path.join(open_update.directory(site, update.clone, update.work), "edits", one.found.key)
    with work_room(site, "review") as room:
        # The editor holds the room, too: where this command is killed, its text is not taken from under it.
        place = EditPlace(room.path, os.path.basename(os.fsdecode(one.found.path)), kept, room.handle)
        content = edited_text(question.contents, place, way)
        keep_answers(site, update.image, {one.found.key: side_or_content(content, question)}, note)
        forget_edit(kept)
    return find_case(site, update.clone)


def editable_question(site: Site, found: Case, one: WaitingConflict) -> Question:
    """A conflict that can be answered by a text.

    :raises Refused: it is not about one.
    """
    question = question_of(site, found, one)
    if not question.is_text:
        raise Refused(
            f"{path_text(one.found.path)} ({one.found.axis}) is not a text that can be edited",
            todo=f"Answers: {', '.join(answers_of(one.found))}.",
        )
    return question


def is_editable(site: Site, found: Case, one: WaitingConflict) -> bool:
    """Whether a conflict can be answered by a text."""
    return question_of(site, found, one).is_text


def starting_text(site: Site, found: Case, one: WaitingConflict) -> bytes:
    """The text that a person begins with: merged as far as it goes, the rest between markers.

    :raises Refused: the conflict is not about the content of a text.
    """
    return first_text(editable_question(site, found, one).contents)


def desk_of(site: Site, name: str) -> Desk:
    """Where a person answers what a clone waits with, one question after the other.

    :raises NotFound: nothing of it waits.
    """
    found = find_case(site, name)
    waiting = {one.found.key: one for one in found.waiting}

    def edit(asked: Asked, way: EditWay) -> None:
        edit_conflict(site, found, waiting[asked.key], way=way)

    return Desk(
        title=f"{name}, {found.update.image} {found.update.from_version} -> {found.update.to_version}",
        open=lambda: [one.found for one in find_case(site, name).open],
        question=lambda asked: question_of(site, found, waiting[asked.key]),
        detail=lambda asked: _detail(site, found, waiting[asked.key]),
        decide=lambda asked, answer: keep_answers(site, found.update.image, {asked.key: answer}),
        edit=edit,
    )


def conflict_at(found: Case, text: str) -> WaitingConflict:
    """The one conflict that is named, for commands that take only one."""
    hits = chosen_conflicts(found, [text])
    key = only_one([one.found for one in hits], text).key
    return next(one for one in hits if one.found.key == key)
