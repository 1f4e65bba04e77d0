"""Review: conflicts shown with their three versions, and answered; an answer is remembered for every clone."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from goldroot import private
from goldroot.accounts import NUMBER_KINDS
from goldroot.catalog import Update, WaitingConflict, clones, decisions, updates
from goldroot.conflicts import CONTENT, SIDES, WITH_CONTENT, Decision, answer_given, answer_word
from goldroot.errors import BadInput, NotFound, Refused, UsageError
from goldroot.fleet.clone_names import host_of, machine_of, own_addresses, person
from goldroot.fleet.inputs import policy_of
from goldroot.fleet.own_content import check_markers, own_content
from goldroot.fleet.update import update_files
from goldroot.fleet.update.entry_says import kept_sets
from goldroot.fleet.update.reconcile import is_switched
from goldroot.hosts import Host, find_entry, own_disks
from goldroot.image import open_version
from goldroot.merge import is_text, merge_text, redact_diff
from goldroot.policy import Rule
from goldroot.run import lend_terminal
from goldroot.site import Site, work_room
from goldroot.system import read_path
from goldroot.tree import path_text

_KEY = re.compile(r"[0-9a-f]{6,64}")


@dataclass(frozen=True)
class Case:
    """An update that waits, or one that has conflicts, with them."""

    update: Update
    waiting: list[WaitingConflict]

    @property
    def open(self) -> list[WaitingConflict]:
        """Those that nobody has answered."""
        return [one for one in self.waiting if one.state == "open"]

    @property
    def next_command(self) -> str:
        """What goes on with it."""
        if self.update.kind == "rollback":
            return f"goldroot rollback {self.update.clone} --carry"
        return f"goldroot update run {self.update.clone}"


@dataclass(frozen=True)
class Versions:
    """A path's three versions: content, a link's target after ``-> ``, or ``None``."""

    base: bytes | None
    gold: bytes | None
    clone: bytes | None
    rule: Rule

    def diffs(self, path: bytes) -> dict[str, list[str]]:
        """What may be shown: base to gold, and base to clone."""
        return {
            "base->gold": redact_diff(path, self.base, self.gold, self.rule),
            "base->clone": redact_diff(path, self.base, self.clone, self.rule),
        }


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
    named: dict[str, WaitingConflict] = {}
    for text in wanted:
        hits = [one for one in found.waiting if _named(one, text)]
        if not hits:
            raise NotFound(
                f"{text} is no conflict of {found.update.clone}",
                todo=f"See: goldroot review show {found.update.clone}",
            )
        named |= {one.found.key: one for one in hits}
    if all_like:
        kinds = {(one.found.axis, one.found.kind) for one in named.values()}
        named |= {one.found.key: one for one in found.open if (one.found.axis, one.found.kind) in kinds}
    return list(named.values())


def _named(one: WaitingConflict, text: str) -> bool:
    shown = path_text(one.found.path)
    if text.startswith("/"):
        return shown == text or (text.endswith("/") and shown.startswith(text))
    return bool(_KEY.fullmatch(text)) and one.found.key.startswith(text)


def versions_of(site: Site, found: Case, one: WaitingConflict) -> Versions:
    """The three versions of a conflict's path, read now: gold's from their slots, the clone's from its live disk.

    Of a carry, gold's is the fallback's, and the base's was kept.
    """
    update, path = found.update, one.found.path.lstrip(b"/")
    host = host_of(site, update.clone)
    old, new = (open_version(site, update.image, n, host.name) for n in (update.from_version, update.to_version))
    address = new.layout.disk_of(path).address
    entry = find_entry(host, machine_of(site, update.clone))
    clone = _read_disk(host, own_disks(entry).get(address), path)
    if update.carry:
        base = update_files.load_base(site, update.clone, update.work, one.found.key)
        digit = kept_sets(entry).get(update.back)
        gold = _read_disk(host, own_disks(entry, digit).get(address) if digit else None, path)
    else:
        base, gold = (_read_disk(host, version.disks.get(address), path) for version in (old, new))
    return Versions(base, gold, clone, policy_of(site, update.image).match(one.found.path))


def _read_disk(host: Host, disk: str | None, path: bytes) -> bytes | None:
    if disk is None:
        return None
    with host.open_disks({disk: "ro"}, view="live") as opened:
        return read_path(opened[disk].path, path)


def show_conflict(site: Site, found: Case, one: WaitingConflict) -> dict[str, Any]:
    """A conflict as JSON data, with what may be shown of its versions.

    Of an account's record only the field's name is said, and values where they are no secret.
    """
    conflict = one.found
    data: dict[str, Any] = {
        "path": path_text(conflict.path), "axis": conflict.axis, "kind": conflict.kind, "key": conflict.key,
        "answers": _answers(one), "stands": conflict.stands, "detail": _detail(site, found, one),
        "secret": conflict.secret, "state": one.state,
    }  # fmt: skip
    record = update_files.read_record(site, found.update.clone, found.update.work)
    entry: dict[str, Any] = next((one for one in record.get("entries", ()) if one["path"] == data["path"]), {})
    data |= {side: entry[side] for side in SIDES if side in entry}
    account = _account(conflict.axis)
    if conflict.axis in WITH_CONTENT or account:
        diffs = versions_of(site, found, one).diffs(conflict.path)
        data["diffs"] = {word: _of_account(lines, account) if account else lines for word, lines in diffs.items()}
    return data


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


def _account(axis: str) -> str:
    """The record that a conflict of the account tables is about; "" for any other axis."""
    return axis.split(":")[1] if axis.startswith("accounts:") else ""


def _of_account(lines: list[str], account: str) -> list[str]:
    """The lines that speak of one record."""
    return [line for line in lines if line[1:].partition(":")[0] == account]


def _answers(one: WaitingConflict) -> list[str]:
    own = ["FILE"] if one.found.axis in WITH_CONTENT else []
    return [*map(answer_word, one.found.answers), *own]


def resolve_conflicts(
    site: Site, found: Case, wanted: Sequence[WaitingConflict], take: str, *, note: str = "", plan_only: bool = False
) -> Case:
    """Answer conflicts; ``take`` is one of their answers (``server`` is ``clone``), ``proposal`` (what stands), or a file's path.

    :param plan_only: only see whether it is an answer to all of them.
    :returns: the case as it is now.
    :raises Refused: it is no answer to one of them; then none is answered.
    """
    if not wanted:
        return found
    take, content = answer_given(take), None
    if take not in ("proposal", *{answer for one in wanted for answer in one.found.answers}):
        content = own_content(take)
        _check_takes_content(wanted, take)
    answers = {one.found.key: CONTENT if content is not None else _answer(one, take) for one in wanted}
    if plan_only:
        return found
    with site.catalog.begin() as tx:
        for key, answer in answers.items():
            decisions.decide(tx, found.update.image, key, Decision(answer, content), who=person(), note=note)
    return find_case(site, found.update.clone)


def _answer(one: WaitingConflict, take: str) -> str:
    if take in one.found.answers:
        return take
    if take == "proposal":
        return one.found.stands
    raise Refused(
        f"{answer_word(take)!r} is no answer to {path_text(one.found.path)} ({one.found.axis})",
        meaning="Nothing was decided.",
        todo=f"Answers: {', '.join(_answers(one))}.",
    )


def _check_takes_content(wanted: Sequence[WaitingConflict], take: str) -> None:
    for one in wanted:
        if one.found.axis not in WITH_CONTENT:
            raise Refused(
                f"{path_text(one.found.path)} ({one.found.axis}) takes no content, so {take!r} is no answer to it",
                meaning="Nothing was decided.",
                todo=f"Answers: {', '.join(map(answer_word, one.found.answers))}.",
            )


def edit_conflict(site: Site, found: Case, one: WaitingConflict, *, note: str = "") -> Case:
    """Let a person edit the three versions into one, in ``$VISUAL`` or ``$EDITOR``.

    :raises Refused: the conflict is not about the content of a text.
    :raises BadInput: it was left as it was, or markers are left in it.
    """
    start = starting_text(site, found, one)
    with work_room(site, "review") as room:
        place = os.path.join(room.path, os.path.basename(os.fsdecode(one.found.path)))
        with open(private.open_new(place, exclusive=True), "wb") as file:
            file.write(start)
        # It holds the room, too: where this command is killed, its text is not taken from under it.
        lend_terminal([*_editor(), place], env=_terminal(), pass_fds=(room.handle,))
        with open(place, "rb") as stream:
            content = stream.read()
        if content == start:
            raise BadInput("the file was left as it was", meaning="Nothing was decided.", todo="Edit and save it.")
        check_markers(content, "the file")
        with site.catalog.begin() as tx:
            decisions.decide(tx, found.update.image, one.found.key, Decision(CONTENT, content), who=person(), note=note)
    return find_case(site, found.update.clone)


def starting_text(site: Site, found: Case, one: WaitingConflict) -> bytes:
    """The text that a person begins with: merged as far as it goes, the rest between markers."""
    three = versions_of(site, found, one)
    sides = [side or b"" for side in (three.base, three.gold, three.clone)]
    if one.found.axis not in WITH_CONTENT or not all(is_text(side) for side in sides):
        raise Refused(
            f"{path_text(one.found.path)} ({one.found.axis}) is no text that can be edited",
            todo=f"Answers: {', '.join(_answers(one))}.",
        )
    return merge_text(*sides).merged


def _editor() -> list[str]:
    return shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")


def _terminal() -> dict[str, str]:
    kept = ("HOME", "TERM", "DISPLAY", "WAYLAND_DISPLAY", "LANG", "LC_ALL", "XDG_RUNTIME_DIR")
    return {name: os.environ[name] for name in kept if name in os.environ}


def conflict_at(found: Case, text: str) -> WaitingConflict:
    """The one conflict that is named, for commands that take only one."""
    hits = chosen_conflicts(found, [text])
    if len(hits) != 1:
        keys = ", ".join(f"{one.found.key[:12]} ({one.found.axis})" for one in hits)
        raise UsageError(f"{text} names {len(hits)} conflicts: {keys}", todo="Name one by its key.")
    return hits[0]
