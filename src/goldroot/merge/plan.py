"""The plan: for every path what will happen and why.  Made by reading only; :mod:`goldroot.merge.apply` carries it out."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace

from goldroot.errors import BadPolicy
from goldroot.merge.accounts import AccountsMerge, merge_accounts
from goldroot.merge.axes import (
    BASE_SIDE,
    CLONE_SIDE,
    CONFLICT,
    GOLD_SIDE,
    INLINE,
    MERGED,
    SAME,
    Setting,
    Verdict,
    Want,
    outcome_of,
    spoken,
)
from goldroot.merge.contents import merger_of
from goldroot.merge.links import Linked, merge_links
from goldroot.merge.model import CLONE, GOLD, SIDES, Conflict, Decisions, Note
from goldroot.merge.owners import Names, Numbers, named_in_acl
from goldroot.merge.policy import Policy
from goldroot.merge.subtrees import NO_SIDE, Decided, Decider, UnitVerdict
from goldroot.merge.survey import Part, Surveyor
from goldroot.tree.accounts import ACCOUNT_FILES, AccountTables
from goldroot.tree.entry import DIRECTORY, FILE, SOCKET, Entry, parent

Accounts = tuple[AccountTables, AccountTables, AccountTables]  #: base, gold, clone


@dataclass
class PartPlan:
    """What happens to one part."""

    part: Part
    decided: Decided
    linked: Linked

    def unit_over(self, path: bytes) -> UnitVerdict | None:
        """The state unit that a path lies in; ``None`` outside of any."""
        while path:
            if path in self.decided.units:
                return self.decided.units[path]
            path = parent(path)
        return None

    def side_over(self, path: bytes) -> int | None:
        """The side of the state unit that a path lies in; ``None`` outside of any."""
        unit = self.unit_over(path)
        return None if unit is None else unit.side

    def unit_is_unchanged(self, path: bytes) -> bool:
        """Whether a path lies in a unit that nobody changed."""
        unit = self.unit_over(path)
        return unit is not None and unit.outcome == SAME


@dataclass
class Plan:
    """A whole merge as data."""

    parts: list[PartPlan]
    policy: Policy
    names: tuple[Names, Names, Names]
    numbers: Numbers
    accounts: AccountsMerge | None
    conflicts: list[Conflict] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


def plan_merge(
    parts: Sequence[Part],
    policy: Policy,
    accounts: Accounts,
    decisions: Decisions | None = None,
    *,
    prefer: str | None = None,
    ask_units: bool = False,
) -> Plan:
    """Plan the merge of one or more parts that share one set of account tables.

    :param accounts: the account tables of base, gold and clone; empty tables make numbers merge as numbers.
    :param decisions: remembered answers, by conflict key.
    :param prefer: whose version stands at a conflict (``clone`` or ``gold``); the policy's setting by default.
    :param ask_units: see :class:`goldroot.merge.subtrees.Decider`.
    :raises TreeChanged: a tree was written while it was read.
    :raises BadPolicy: an account table would go by another class than ``accounts``.
    """
    decisions = decisions or {}
    prefer = prefer or policy.conflict
    named = not all(tables.empty for tables in accounts)
    if named:
        _check_account_rules(parts, policy)
    names = _names(accounts) if named else _names((AccountTables.of({}),) * 3)
    planned = []
    for part in parts:
        survey = Surveyor(part, names, policy).run()
        setting = Setting(names, decisions, prefer, merger_of(part))
        decided = Decider(survey, setting, ask_units=ask_units).run()
        planned.append(PartPlan(part, decided, Linked()))
    merged = _merge_accounts(accounts, planned, names, decisions, prefer) if named else None
    numbers = Numbers(merged.users, merged.groups, merged.bare_users, merged.bare_groups) if merged else Numbers({}, {})
    plan = Plan(planned, policy, names, numbers, merged)
    for one in planned:
        if merged is not None:
            _place_accounts(one, merged, names, policy)
        one.linked = _links(one, names)
    plan.notes += _irregular(accounts)
    _collect(plan, named, going_back=ask_units)
    return plan


def _irregular(accounts: Accounts) -> list[Note]:
    """Account files that are links or the like: nothing follows them, so what they would say is not known."""
    return [
        Note(
            "account-file-not-regular", b"/etc/" + file.encode(),
            f"{word}'s is no regular file, and was taken as missing: without names its owners are merged as numbers",
            {"side": word},
        )
        for word, tables in zip(SIDES, accounts, strict=True)
        for file in tables.irregular
        if file in ACCOUNT_FILES
    ]  # fmt: skip


def _check_account_rules(parts: Sequence[Part], policy: Policy) -> None:
    """Refuse a policy by which the result would hold other account tables than those that number its files."""
    for name in ACCOUNT_FILES:
        place = b"/etc/" + name.encode()
        rule = policy.match(place)
        if rule.cls == "accounts" and not rule.pin:
            continue
        for part in parts:
            prefix = part.place(b"").rstrip(b"/") + b"/"
            inside = place.removeprefix(prefix)
            if place.startswith(prefix) and any(tree.manifest.get(inside) is not None for tree in part.trees):
                said, where = f"of class {rule.cls!r}", rule.where
                if rule.cls == "accounts":
                    said, adds = "pinned", policy.explain(place).adds
                    where = next((added.where for added in reversed(adds) if added.keys.get("pin")), where)
                raise BadPolicy(
                    f"/etc/{name} is {said} ({where})",
                    meaning="Files belong to names, and the merged account tables give each name its number. With"
                    " other tables in the result the files would belong to others.",
                    todo='Leave the six account files to a rule with class = "accounts" and without pin:'
                    f' path = "/etc/{{{",".join(ACCOUNT_FILES)}}}"',
                )


def _names(accounts: Accounts) -> tuple[Names, Names, Names]:
    base, gold, clone = (Names(tables.user_names, tables.group_names) for tables in accounts)
    return base, gold, clone


def _merge_accounts(
    accounts: Accounts, parts: Sequence[PartPlan], names: tuple[Names, Names, Names], decisions: Decisions, prefer: str
) -> AccountsMerge:
    users, groups = _in_use(parts, names)
    return merge_accounts(
        *accounts,
        users_in_use={token for token in users if not token.startswith(b"#")},
        groups_in_use={token for token in groups if not token.startswith(b"#")},
        clone_bare_uids={int(token[1:]) for token in users if token.startswith(b"#")},
        clone_bare_gids={int(token[1:]) for token in groups if token.startswith(b"#")},
        decisions=decisions,
        prefer=prefer,
    )


def _in_use(parts: Sequence[PartPlan], names: tuple[Names, Names, Names]) -> tuple[set[bytes], set[bytes]]:
    """The user and group tokens that anything in the result carries."""
    users: set[bytes] = set()
    groups: set[bytes] = set()
    for one in parts:
        survey = one.decided.survey
        users |= survey.used.users
        groups |= survey.used.groups
        for path, unit in one.decided.units.items():
            if unit.side != NO_SIDE:
                used = survey.units[path].used[unit.side - GOLD_SIDE]
                users |= used.users
                groups |= used.groups
        for verdict in one.decided.verdicts.values():
            if verdict.want is not None:
                users.add(verdict.want.owner)
                groups.add(verdict.want.group)
                acl_users, acl_groups = named_in_acl(verdict.want.xattrs)
                users |= acl_users
                groups |= acl_groups
    return users, groups


def _place_accounts(one: PartPlan, merged: AccountsMerge, names: tuple[Names, Names, Names], policy: Policy) -> None:
    """Put the merged account files at their places in this part, if they lie in it."""
    for name in ACCOUNT_FILES:
        place = b"/etc/" + name.encode()
        prefix = one.part.place(b"").rstrip(b"/") + b"/"
        data = merged.files.get(name)
        if place.startswith(prefix) and policy.match(place).cls == "accounts":
            _place_account_file(one, place[len(prefix) :], data, merged, names, policy)


def _place_account_file(
    one: PartPlan, path: bytes, data: bytes | None, merged: AccountsMerge, names: tuple[Names, Names, Names],
    policy: Policy,
) -> None:  # fmt: skip
    rows: tuple[Entry | None, ...] = tuple(tree.manifest.get(path) for tree in one.part.trees)
    if not any(rows) or any(row is not None and row.kind != FILE for row in rows):
        return
    place = one.part.place(path)
    asked = [conflict for conflict in merged.conflicts if conflict.path == place]
    verdict = one.decided.verdicts.get(path)
    if verdict is None:
        side = next(s for s in (CLONE_SIDE, GOLD_SIDE, BASE_SIDE) if rows[s] is not None)
        verdict = Verdict(spoken(rows[side], names[side], side), SAME)  # type: ignore[arg-type]
    elif verdict.because:
        return
    wanted = _account_want(verdict, data, rows, names, merged)
    if wanted is not None and verdict.want is None and not _stands(one, parent(path), names):
        return  # it went with its directory
    word = _account_word(wanted, rows)
    if word == SAME and not asked and path not in one.decided.verdicts:
        return
    verdict.conflicts = [c for c in verdict.conflicts if c.axis not in ("content", "presence")] + asked
    verdict.want = wanted
    verdict.axes.pop("presence", None)
    verdict.axes["presence" if wanted is None else "content"] = CONFLICT if asked else word
    verdict.outcome = CONFLICT if verdict.conflicts else outcome_of(verdict)
    one.decided.verdicts[path] = verdict
    survey = one.decided.survey
    survey.deltas[path] = rows  # type: ignore[assignment]
    survey.rules[path] = policy.match(place)


def _stands(one: PartPlan, directory: bytes, names: tuple[Names, Names, Names]) -> bool:
    want = _final(one, directory, names)
    return want is not None and want.kind == DIRECTORY


def _account_want(
    verdict: Verdict, data: bytes | None, rows: Sequence[Entry | None], names: tuple[Names, Names, Names],
    merged: AccountsMerge,
) -> Want | None:  # fmt: skip
    if data is None:
        return None
    want = verdict.want
    if want is None:
        side = next(s for s in (CLONE_SIDE, GOLD_SIDE, BASE_SIDE) if rows[s] is not None)
        row = rows[side]
        assert row is not None
        want = spoken(row, names[side], side)
        # The tables may have lost its owner with the file.
        owner = want.owner if want.owner in merged.users else b"#%d" % row.uid
        want = replace(want, owner=owner, group=want.group if want.group in merged.groups else b"#%d" % row.gid)
    digest = hashlib.sha256(data).digest()
    for side in (CLONE_SIDE, GOLD_SIDE):
        row = rows[side]
        if row is not None and row.content == digest:
            return replace(want, side=side, content=digest, inline=None, mtime=row.mtime)
    times = [row.mtime for row in rows[1:] if row is not None]
    return replace(want, side=INLINE, content=digest, inline=data, mtime=max(times, default=want.mtime))


def _account_word(want: Want | None, rows: Sequence[Entry | None]) -> str:
    contents = [None if row is None else row.content for row in rows]
    result = None if want is None else want.content
    if result == contents[CLONE_SIDE]:
        if result == contents[GOLD_SIDE]:
            return SAME if result == contents[BASE_SIDE] else "both"
        return CLONE
    return GOLD if result == contents[GOLD_SIDE] else MERGED


def _links(one: PartPlan, names: tuple[Names, Names, Names]) -> Linked:
    survey = one.decided.survey
    if not any(survey.groups):
        return Linked()

    read = _contents_of_groups(one)

    def final(path: bytes) -> Hashable | None:
        want = _final(one, path, names)
        if want is None or want.kind in (DIRECTORY, SOCKET):
            return None
        content: Hashable = want.content
        if want.kind == FILE and not want.content:
            # What is the same on both sides may be spoken of as the clone's, as the names beside it in other units are.
            side = CLONE_SIDE if one.unit_is_unchanged(path) else want.side
            group = (side, survey.groups[side].get(path, path))
            content = read.get(group, group)
        head = (want.kind, content, want.mode, want.owner, want.group, want.flags, want.project)
        return head, frozenset(want.xattrs.items())

    def held(side: int, path: bytes) -> bool:
        entry = one.part.trees[side].manifest.get(path)
        return entry is not None and entry.kind != DIRECTORY

    return merge_links(survey.groups, final, held)


def _contents_of_groups(one: PartPlan) -> dict[Hashable, bytes]:
    """(side, hard-link group) -> digest, where one of its names was read: a unit's files, which nobody reads, may share
    their inode with a file that is merged by its content."""
    read: dict[Hashable, bytes] = {}
    for side, (tree, groups) in enumerate(zip(one.part.trees, one.decided.survey.groups, strict=True)):
        for path, number in groups.items():
            rows = one.decided.survey.deltas.get(path)
            entry = tree.manifest.get(path) if rows is None else rows[side]
            if entry is not None and entry.content and entry.kind == FILE:
                read[side, number] = entry.content
    return read


def _final(one: PartPlan, path: bytes, names: tuple[Names, Names, Names]) -> Want | None:
    """What a path is in the result, however it was decided."""
    verdict = one.decided.verdicts.get(path)
    if verdict is not None:
        return verdict.want
    side = one.side_over(path)
    side = CLONE_SIDE if side is None else side
    entry = None if side == NO_SIDE else one.part.trees[side].manifest.get(path)
    return None if entry is None else spoken(entry, names[side], side)


def _collect(plan: Plan, named: bool, *, going_back: bool) -> None:
    """Gather conflicts and notes in a stable order."""
    if not named:
        plan.notes.append(Note("numbers-as-numbers", b"", "no account tables: owners were merged as numbers"))
    placed: set[str] = set()
    for one in plan.parts:
        for verdict in one.decided.verdicts.values():
            plan.conflicts.extend(verdict.conflicts)
            placed.update(conflict.key for conflict in verdict.conflicts)
        plan.conflicts.extend(unit.conflict for unit in one.decided.units.values() if unit.conflict is not None)
        plan.notes.extend(_part_notes(one, going_back=going_back))
    if plan.accounts is not None:
        plan.conflicts.extend(conflict for conflict in plan.accounts.conflicts if conflict.key not in placed)
        plan.notes.extend(plan.accounts.notes)
    plan.conflicts.sort(key=lambda conflict: (conflict.path, conflict.axis))
    plan.notes.sort(key=lambda note: (note.path, note.kind, note.text))


def _part_notes(one: PartPlan, *, going_back: bool) -> list[Note]:
    part, survey = one.part, one.decided.survey
    notes = [
        Note("socket-dropped", part.place(path), "a socket is made anew by the program that listens on it")
        for path in survey.sockets
        if _kept_beside(one, path)
    ]
    for path, verdict in one.decided.verdicts.items():
        notes.extend(Note("path", part.place(path), text) for text in verdict.notes)
        rule = survey.rules[path]
        if rule.rebuild and verdict.want is not None:
            notes.append(
                Note("rebuild-due", part.place(path), f"to be made anew by: {rule.rebuild}", {"command": rule.rebuild})
            )
    for path, unit in one.decided.units.items():
        notes.extend(Note("state-unit", part.place(path), text) for text in unit.notes)
        rule = survey.units[path].rule
        at_home = going_back and unit.side == GOLD_SIDE  # the fallback's, in the system that wrote it
        if rule.migrate and survey.units[path].gold_changed and not at_home:
            notes.append(
                Note("migrate-due", part.place(path), f"to be migrated by: {rule.migrate}", {"command": rule.migrate})
            )
    notes.extend(
        Note("hard-link-separated", part.place(path), "it shared its file with other names, which end different now")
        for path in one.linked.separated
    )
    return notes


def _kept_beside(one: PartPlan, path: bytes) -> bool:
    """Whether a socket's directory is the clone's matter at all (below a cache everything goes)."""
    return path not in one.decided.verdicts
