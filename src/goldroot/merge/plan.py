"""The plan: for every path what will happen and why.  Made by reading only; :mod:`goldroot.merge.apply` carries it out."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from goldroot.merge.account_places import check_account_rules, place_accounts
from goldroot.merge.accounts import AccountsMerge, merge_accounts
from goldroot.merge.axes import CLONE_SIDE, GOLD_SIDE, Setting
from goldroot.merge.contents import merger_of
from goldroot.merge.decided import NO_SIDE
from goldroot.merge.links import Linked, merge_links
from goldroot.merge.model import MIGRATE_DUE, REBUILD_DUE, SIDES, Conflict, Decisions, Note
from goldroot.merge.owners import Names, Numbers, named_in_acl
from goldroot.merge.part_plan import PartPlan
from goldroot.merge.policy import Policy
from goldroot.merge.subtrees import Decider
from goldroot.merge.survey import Part, Surveyor
from goldroot.tree.accounts import ACCOUNT_FILES, AccountTables
from goldroot.tree.entry import DIRECTORY, FILE, SOCKET

Accounts = tuple[AccountTables, AccountTables, AccountTables]  #: base, gold, clone


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
    :param ask_units: see :class:`goldroot.merge.units.UnitDecider`.
    :raises TreeChanged: a tree was written while it was read.
    :raises BadPolicy: an account table would go by another class than ``accounts``.
    """
    decisions = decisions or {}
    prefer = prefer or policy.conflict
    named = not all(tables.empty for tables in accounts)
    if named:
        check_account_rules(parts, policy)
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
            place_accounts(one, merged, names, policy)
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


def _links(one: PartPlan, names: tuple[Names, Names, Names]) -> Linked:
    survey = one.decided.survey
    if not any(survey.groups):
        return Linked()

    read = _contents_of_groups(one)

    def final(path: bytes) -> Hashable | None:
        want = one.final(path, names)
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
                Note(REBUILD_DUE, part.place(path), f"to be made anew by: {rule.rebuild}", {"command": rule.rebuild})
            )
    for path, unit in one.decided.units.items():
        notes.extend(Note("state-unit", part.place(path), text) for text in unit.notes)
        rule = survey.units[path].rule
        at_home = going_back and unit.side == GOLD_SIDE  # the fallback's, in the system that wrote it
        if rule.migrate and survey.units[path].gold_changed and not at_home:
            notes.append(
                Note(MIGRATE_DUE, part.place(path), f"to be migrated by: {rule.migrate}", {"command": rule.migrate})
            )
    notes.extend(
        Note("hard-link-separated", part.place(path), "it shared its file with other names, which end different now")
        for path in one.linked.separated
    )
    return notes


def _kept_beside(one: PartPlan, path: bytes) -> bool:
    """Whether a socket's directory is the clone's matter at all (below a cache everything goes)."""
    return path not in one.decided.verdicts
