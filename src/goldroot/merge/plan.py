"""The plan: for every path what will happen and why.  Made by reading only; :mod:`goldroot.merge.apply` carries it out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from goldroot.accounts import PASSWD, AccountsMerge, AccountTables, OwnerNumbers
from goldroot.conflicts import CLONE, Conflict, Decisions
from goldroot.counted import counted
from goldroot.merge import special
from goldroot.merge.compare.compare import Comparer
from goldroot.merge.compare.mounts import see_past_mounts
from goldroot.merge.compare.parts import CLONE_SIDE, GOLD_SIDE, LABELS, Names, Part, read_file
from goldroot.merge.compare.systems import ForeignRoot, asked_of, families, mark_numeric, other_family
from goldroot.merge.decide.contents import merge_contents, read_version, trouble_with
from goldroot.merge.decide.presence import decide_part
from goldroot.merge.decide.services import StaticUnits, settle_static_units, started_by_packages
from goldroot.merge.decide.units import UNIT_GONE, settle_units
from goldroot.merge.decide.verdict import Sameness, Setting, nothing_kept, usr_of
from goldroot.merge.fit.accounts import (
    Accounts,
    check_account_rules,
    has_files,
    has_names,
    irregular_files,
    may_have_removed,
    merge_accounts,
    names_of_owners,
    notes_of_accounts,
    place_accounts,
    tables_of,
)
from goldroot.merge.fit.one_tree import Linked, PartPlan, fit_part, holds, touches
from goldroot.merge.memory import NO_MEMORY, Memory
from goldroot.merge.refer.refer import FSTAB, Asked, Broken, Findings, Referrer
from goldroot.merge.surroundings import Surroundings
from goldroot.policy import Policy
from goldroot.tree import Note

#: Kinds of notes that name a command to be run in the merged system.
REBUILD_DUE: Final = "rebuild-due"
MIGRATE_DUE: Final = "migrate-due"
#: A kind of note: a file that was made from another which is not what it was, and no command is known.
STALE: Final = "stale-map"
#: Kind of the note that some references could not be looked up.
NOT_CHECKED: Final = "references-not-checked"
#: Kind of the note that the list of what the server had removed is not known.
MEMORY_NOT_GIVEN: Final = "memory-not-given"


@dataclass
class Plan:
    """A whole merge as data."""

    parts: list[PartPlan]
    policy: Policy
    names: Names
    numbers: OwnerNumbers
    accounts: AccountsMerge | None
    before: Memory = NO_MEMORY  #: what the server had removed, as the merge was told
    after: Memory = NO_MEMORY  #: what is to be remembered once the server runs from the result
    references: Findings = field(default_factory=Findings)  #: what the server keeps that points at something
    conflicts: list[Conflict] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


def plan_merge(
    parts: Sequence[Part],
    policy: Policy,
    accounts: Accounts,
    decisions: Decisions | None = None,
    *,
    prefer: str | None = None,
    around: Surroundings | None = None,
) -> Plan:
    """Plan the merge of one or more parts that share one set of account tables.

    :param accounts: the account tables of base, gold and clone; empty tables make numbers merge as numbers.
    :param decisions: remembered answers, by conflict key.
    :param prefer: whose version stands at a conflict (``clone`` or ``gold``); the policy's setting by default.
    :param around: what is known besides the trees.
    :raises TreeChanged: a tree was written while it was read.
    :raises BadPolicy: an account table would go by another class than ``accounts``.
    """
    decisions = decisions or {}
    prefer = prefer or policy.conflict
    around = around or Surroundings()
    base_family, gold_family = families(parts, read_file)
    changed = other_family(base_family, gold_family)
    answer = decisions.get(changed.key) if changed is not None else None
    policy = policy.for_family(base_family if answer is not None and answer.take == CLONE else gold_family)
    named = has_names(accounts)
    if has_files(accounts):
        check_account_rules(parts, policy)
    names = names_of_owners(accounts)
    planned: list[PartPlan] = []
    settings: list[Setting] = []
    roots: list[ForeignRoot] = []
    unseen: list[Note] = []
    for given in parts:
        part, hidden = see_past_mounts(given, policy) if any(tree.unseen for tree in given.trees) else (given, [])
        unseen += hidden
        part, its_roots = mark_numeric(part, policy, accounts, decisions) if named else (part, [])
        roots += its_roots
        setting = _setting(part, names, decisions, prefer, around)
        decided = decide_part(Comparer(part, names, policy).run(), setting)
        settle_units(decided, setting, (accounts[0], accounts[1]))
        planned.append(PartPlan(part, decided, Linked()))
        settings.append(setting)
    static = StaticUnits([one.part for one in planned], _started_by_packages(around))
    _settle_special(planned, settings, policy, static)
    memory = _memory_after(planned, settings, policy)
    for one, setting in zip(planned, settings, strict=True):
        fit_part(one.decided, setting)
    referrer = Referrer(planned, settings, around.shared)
    asked = [_asked_about(planned, settings, referrer.look_at_links())]
    _say_ports(planned, referrer)
    merged = merge_accounts(planned, accounts, settings[0])
    if may_have_removed(accounts, around.memory):
        from goldroot.merge.decide.remembered_accounts import accounts_after

        memory = accounts_after(accounts, memory, [one.part for one in planned])
    numbers = (
        OwnerNumbers(merged.users, merged.groups, merged.bare_users, merged.bare_groups)
        if merged is not None and named
        else OwnerNumbers({}, {})
    )
    plan = Plan(planned, policy, names, numbers, merged, around.memory, memory)
    roots = [one for one in roots if any(_has(each, one, names) for each in planned)]
    foreign = asked_of(roots, names, numbers, going_back=around.going_back)
    plan.conflicts += foreign.conflicts
    plan.notes += [*unseen, *foreign.notes]
    result = accounts[CLONE_SIDE]
    if merged is not None:
        result = tables_of(merged)
        plan.notes += notes_of_accounts(planned, merged, accounts, settings[0])
        place_accounts(planned, merged, names, policy)
    _link(planned, names)
    asked.append(_asked_about_files(planned, settings, referrer, result, accounts[GOLD_SIDE]))
    for found in asked:
        plan.conflicts += found.conflicts
        plan.notes += found.notes
    plan.references = referrer.findings
    plan.notes += irregular_files(accounts)
    if touches(planned, special.SERVICES) and not around.going_back:
        from goldroot.merge.fit.remarks import not_started

        plan.notes += not_started(planned, static)
    questions = [*([changed] if changed is not None else []), *_special_questions(plan, decisions, around)]
    _ask(plan, questions, decisions, going_back=around.going_back)
    _collect(plan, named, going_back=around.going_back)
    return plan


def _setting(part: Part, names: Names, decisions: Decisions, prefer: str, around: Surroundings) -> Setting:
    """What decides in one part besides its rows."""
    read, kept_lines = partial(read_version, part), nothing_kept
    if around.memory.entries:
        from goldroot.merge.decide.remembered import RememberedLines

        kept_lines = RememberedLines(read, around.memory, around.going_back).of
    return Setting(
        names,
        decisions,
        prefer,
        partial(merge_contents, read, kept_lines),
        Sameness(part, usr_of(part), read),
        around.memory,
        around.going_back,
        partial(trouble_with, read, kept_lines),
        kept_lines,
    )


def _memory_after(parts: Sequence[PartPlan], settings: Sequence[Setting], policy: Policy) -> Memory:
    """What is to be remembered of what the server removed, as a whole or of files that gold changed, too."""
    comparisons = [one.decided.comparison for one in parts]
    if not any(setting.memory.entries for setting in settings) and not any(
        one.has_removed or one.has_changed_twice for one in comparisons
    ):
        return Memory()
    from goldroot.merge.decide.remembered import memory_after

    return memory_after([one.decided for one in parts], settings, policy)


def _asked_about(parts: Sequence[PartPlan], settings: Sequence[Setting], broken: Sequence[Broken]) -> Asked:
    """What is asked or told of references that will be broken; what was answered is carried out in the parts."""
    if not broken:
        return Asked()
    from goldroot.merge.refer.ask import ask_about

    return ask_about(parts, settings, broken)


def _asked_about_files(
    parts: Sequence[PartPlan],
    settings: Sequence[Setting],
    referrer: Referrer,
    merged: AccountTables,
    gold: AccountTables,
) -> Asked:
    """The same for what stands in files: login shells, fstab, units, cron tables, Postfix's settings."""
    # What gold's own tables refer to is gold's matter.
    if merged.files.get(PASSWD) == gold.files.get(PASSWD) and (
        referrer.content(FSTAB, None) == referrer.content(FSTAB, GOLD_SIDE)
    ):
        return _asked_about(parts, settings, referrer.look_at_files())
    from goldroot.merge.refer.tables import look_at_tables, notes_of_shells

    broken = [*look_at_tables(referrer, merged, gold), *referrer.look_at_files()]
    asked = _asked_about(parts, settings, broken)
    asked.notes += notes_of_shells(referrer, merged, gold, broken)
    return asked


def _say_ports(parts: Sequence[PartPlan], referrer: Referrer) -> None:
    """Add to each question about a deleted unit the port that it and a newer one would both take."""
    asked = (unit.conflict for one in parts for unit in one.decided.units.values() if unit.conflict is not None)
    if any(conflict.kind == UNIT_GONE for conflict in asked):
        from goldroot.merge.refer.ask import say_ports

        say_ports(parts, referrer)


def _link(parts: Sequence[PartPlan], names: Names) -> None:
    """Say which names of the result share a file, where any did."""
    for one in parts:
        if any(one.decided.comparison.groups):
            from goldroot.merge.fit.hard_links import links_of

            one.linked = links_of(one, names)


def _settle_special(
    parts: Sequence[PartPlan], settings: Sequence[Setting], policy: Policy, static: StaticUnits
) -> None:
    """Let the rules for special things decide where one of these things differs, in place."""
    decided = [one.decided for one in parts]
    if touches(parts, special.SERVICES) or any(setting.memory.entries for setting in settings):
        settle_static_units(decided, settings, policy, static)
    if touches(parts, special.ALTERNATIVES):
        from goldroot.merge.fit.alternatives import follow_masters, settle_alternatives

        settle_alternatives(decided, settings[0].names)
        follow_masters(decided, settings[0].names)
    if touches(parts, special.MAIL_MAPS):
        from goldroot.merge.fit.derived import follow_sources

        for one, setting in zip(decided, settings, strict=True):
            follow_sources(one, setting, policy)


def _special_questions(plan: Plan, decisions: Decisions, around: Surroundings) -> Iterator[Conflict]:
    """Questions about special things in the result; what is noted of these goes into the plan."""
    parts, names = plan.parts, plan.names
    if touches(parts, special.PACKAGES):
        from goldroot.merge.fit.remarks import own_packages

        packages = own_packages(parts, names, decisions, going_back=around.going_back)
        plan.conflicts += packages.conflicts
        plan.notes += packages.notes
    if holds(parts, (special.OVERRIDES,)):
        from goldroot.merge.fit.account_uses import without_effect

        plan.notes += without_effect(parts, names)
    trees = (one.part.trees[side] for one in parts for side in (GOLD_SIDE, CLONE_SIDE))
    if any(name in LABELS for tree in trees for held in tree.manifest.columns.xattr_sets for name, _ in held):
        from goldroot.merge.fit.remarks import labels_due

        plan.notes += labels_due(parts)
    if touches(parts, special.SSHD_KEYS):
        from goldroot.merge.fit.withdrawn import withdrawn_keys

        plan.notes += withdrawn_keys(parts, names)
    if touches(parts, special.AUTHORITIES):
        from goldroot.merge.fit.withdrawn import withdrawn_authorities

        yield from withdrawn_authorities(parts, plan.policy)
    if touches(parts, special.BOOT_DEVICES):
        from goldroot.merge.fit.remarks import unknown_devices

        yield from unknown_devices(parts, names)


def _started_by_packages(around: Surroundings) -> tuple[Callable[[], set[bytes]], Callable[[], set[bytes]]] | None:
    """The units that the shared disks start, before and after."""
    if around.shared is None:
        return None
    before, after = around.shared
    return partial(started_by_packages, before), partial(started_by_packages, after)


def _has(one: PartPlan, root: ForeignRoot, names: Names) -> bool:
    """Whether another system's root is in the result of a part: of one that goes nobody needs to know whose numbers it had."""
    return one.part.name == root.part.name and one.final(root.path, names) is not None


def _ask(plan: Plan, found: Iterable[Conflict], decisions: Decisions, *, going_back: bool) -> None:
    """Questions that are about the result, not about one of its axes; on the way back they are remarks."""
    for conflict in found:
        decision = decisions.get(conflict.key)
        if going_back:
            plan.notes.append(Note(conflict.kind, conflict.path, conflict.detail))
        elif decision is None or decision.take not in conflict.answers:
            trouble = "" if decision is None else f"{decision.take!r} is none of its answers"
            plan.conflicts.append(conflict.unanswered(trouble))
        else:
            data = {"key": conflict.key, "take": decision.take, "axis": conflict.axis}
            plan.notes.append(Note("decided", conflict.path, f"{conflict.axis}: decided", data))


def _collect(plan: Plan, named: bool, *, going_back: bool) -> None:
    """Gather conflicts and notes in a stable order."""
    if not named:
        plan.notes.append(Note("numbers-as-numbers", b"", "no account tables: owners were merged as numbers"))
    if count := 0 if plan.before.given else _could_have_mattered(plan.parts):
        text = f"of what gold adds, {count} may be what the server had removed before: the last merge's record tells"
        plan.notes.append(Note(MEMORY_NOT_GIVEN, b"", text, {"paths": count}))
    if count := plan.references.not_checked:
        text = f"{counted(count, 'reference was', 'references were')} not checked: what the server points at is outside of the trees"
        plan.notes.append(Note(NOT_CHECKED, b"", text, {"references": count}))
    placed: set[str] = set()
    for one in plan.parts:
        for verdict in one.decided.verdicts.values():
            plan.conflicts.extend(verdict.conflicts)
            placed.update(conflict.key for conflict in verdict.conflicts)
        plan.conflicts.extend(one.decided.conflicts)
        plan.conflicts.extend(unit.conflict for unit in one.decided.units.values() if unit.conflict is not None)
        plan.notes.extend([*_part_notes(one, going_back=going_back), *one.decided.notes])
    if plan.accounts is not None:
        plan.conflicts.extend(conflict for conflict in plan.accounts.conflicts if conflict.key not in placed)
        plan.notes.extend(plan.accounts.notes)
    plan.conflicts.sort(key=lambda conflict: (conflict.path, conflict.axis))
    plan.notes.sort(key=lambda note: (note.path, note.kind, note.text))


def _could_have_mattered(parts: Sequence[PartPlan]) -> int:
    from goldroot.merge.decide.remembered import could_have_mattered

    return sum(could_have_mattered(one.decided) for one in parts)


def _part_notes(one: PartPlan, *, going_back: bool) -> list[Note]:
    part, comparison = one.part, one.decided.comparison
    notes = [
        Note("socket-dropped", part.place(path), "a socket is made again by the program that listens on it")
        for path in comparison.sockets
        if _kept_beside(one, path)
    ]
    for path, verdict in one.decided.verdicts.items():
        notes.extend(Note("path", part.place(path), text) for text in verdict.notes)
    notes += _rebuilds(one)
    for path, unit in one.decided.units.items():
        notes.extend(Note("state-unit", part.place(path), text) for text in unit.notes)
        rule = comparison.units[path].rule
        at_home = going_back and unit.side == GOLD_SIDE  # the fallback's, in the system that wrote it
        if rule.migrate and comparison.units[path].gold_changed and not at_home:
            notes.append(
                Note(MIGRATE_DUE, part.place(path), f"to be migrated by: {rule.migrate}", {"command": rule.migrate})
            )
    notes.extend(
        Note("hard-link-separated", part.place(path), "it shared its file with other names, which end different now")
        for path in one.linked.separated
    )
    return notes


def _rebuilds(one: PartPlan) -> Iterator[Note]:
    """What is to be made again: one note for each command, at the first of its paths."""
    decided, place = one.decided, one.part.place
    due: dict[str, list[bytes]] = {}
    required: set[str] = set()
    for path, verdict in decided.verdicts.items():
        rule = decided.comparison.rules[path]
        if rule.rebuild and verdict.want is not None:
            due.setdefault(rule.rebuild, []).append(path)
            if rule.required:
                required.add(rule.rebuild)
    for command, paths in due.items():
        more = f" with {len(paths) - 1:,} more," if len(paths) > 1 else ""
        data: dict[str, object] = {"command": command, **({"required": True} if command in required else {})}
        yield Note(REBUILD_DUE, place(paths[0]), f"to be made again{more} by: {command}", data)
    for path, rebuild in decided.rebuilds.items():
        if rebuild.command:
            yield Note(REBUILD_DUE, place(path), rebuild.text, {"command": rebuild.command, "required": True})
        else:
            yield Note(STALE, place(path), rebuild.text)


def _kept_beside(one: PartPlan, path: bytes) -> bool:
    """Whether a socket's directory is the clone's matter at all (below a cache everything goes)."""
    return path not in one.decided.verdicts
