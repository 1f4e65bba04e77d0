"""The accounts of a merge: who is in use in the result, the merged tables, and these in their places, whatever the merge of paths
said of the six files.

Where the six files are the same in all three trees they are not merged, which an ordinary update has no need of.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from goldroot.accounts import (
    ACCOUNT_FILES,
    GROUP,
    GSHADOW,
    PASSWD,
    AccountsMerge,
    AccountTables,
    AccountUse,
    InUse,
    OwnerNames,
    is_named,
    named_in_acl,
    owner_names,
    unchanged_tables,
)
from goldroot.conflicts import CLONE, GOLD, SIDES
from goldroot.errors import BadPolicy
from goldroot.merge import special
from goldroot.merge.compare.parts import BASE_SIDE, CLONE_SIDE, GOLD_SIDE, Names, Part, Rows
from goldroot.merge.decide.verdict import (
    BOTH,
    CONFLICT,
    MERGED,
    NO_SIDE,
    SAME,
    Setting,
    Verdict,
    Want,
    outcome_of,
    want_of,
)
from goldroot.merge.fit.one_tree import PartPlan, ResultFiles, holds
from goldroot.merge.memory import Memory
from goldroot.policy import Policy
from goldroot.tree import DIRECTORY, FILE, INLINE, Entry, Note, parent

if TYPE_CHECKING:
    from goldroot.merge.fit.account_uses import AccountUses

Accounts = tuple[AccountTables, AccountTables, AccountTables]  #: base, gold, clone


def names_of_owners(accounts: Accounts) -> Names:
    """What each side calls the numbers of owners; where no side has a table, numbers stay numbers."""
    users, groups = accounts[GOLD_SIDE].users, accounts[GOLD_SIDE].groups
    base, gold, clone = (
        OwnerNames(owner_names(tables.users, users), owner_names(tables.groups, groups)) for tables in accounts
    )
    return base, gold, clone


def merge_accounts(parts: Sequence[PartPlan], accounts: Accounts, setting: Setting) -> AccountsMerge | None:
    """The merged tables of a system; ``None`` where no side has any."""
    if not has_files(accounts):
        return None
    used = _in_use(parts, setting.names, accounts[CLONE_SIDE]) if has_names(accounts) else InUse()
    removed = may_have_removed(accounts, setting.memory)
    if not removed and (unchanged := unchanged_tables(accounts, used)) is not None:
        return unchanged
    from goldroot.accounts import Questions, merge_account_tables

    if removed:
        from goldroot.merge.decide.remembered_accounts import as_remembered

        accounts = as_remembered(accounts, setting.memory)
    ask = Questions(setting.decisions, setting.prefer, going_back=setting.going_back)
    return merge_account_tables(accounts, used, ask)


def has_names(accounts: Accounts) -> bool:
    """Whether any number of an owner has a name."""
    return not all(tables.empty for tables in accounts)


def has_files(accounts: Accounts) -> bool:
    """Whether any side has one of the six files."""
    return any(file in tables.files for tables in accounts for file in ACCOUNT_FILES)


def _in_use(parts: Sequence[PartPlan], names: Names, clone: AccountTables) -> InUse:
    """The accounts that anything in the result carries."""
    users: set[bytes] = set()
    groups: set[bytes] = set()
    if holds(parts, (special.OVERRIDES,)):
        from goldroot.merge.fit.account_uses import groups_in_overrides

        groups = groups_in_overrides(parts, names)
    for one in parts:
        comparison = one.decided.comparison
        users |= comparison.used.users
        groups |= comparison.used.groups
        for path, unit in one.decided.units.items():
            if unit.side != NO_SIDE:
                used = comparison.units[path].used[unit.side - GOLD_SIDE]
                users |= {unit.users.get(name, name) for name in used.users}
                groups |= {unit.groups.get(name, name) for name in used.groups}
        for verdict in one.decided.verdicts.values():
            if verdict.want is not None:
                users.add(verdict.want.owner)
                groups.add(verdict.want.group)
                acl_users, acl_groups = named_in_acl(verdict.want.xattrs)
                users |= acl_users
                groups |= acl_groups
    (users, bare_uids), (groups, bare_gids) = _apart(users), _apart(groups)

    @cache
    def uses() -> AccountUses:
        """Made for the first account that gold deleted."""
        from goldroot.merge.fit.account_uses import AccountUses

        return AccountUses(parts, names, clone)

    def of(name: bytes) -> AccountUse:
        return uses().of(name)

    def of_group(name: bytes) -> Sequence[bytes]:
        return uses().of_group(name)

    return InUse(users, groups, bare_uids, bare_gids, of, of_group)


def _apart(tokens: set[bytes]) -> tuple[set[bytes], set[int]]:
    """Names, and numbers without a name."""
    named = {token for token in tokens if is_named(token)}
    return named, {int(token[1:]) for token in tokens if token.startswith(b"#")}


def irregular_files(accounts: Accounts) -> list[Note]:
    """Account files that are links or the like: nothing follows them, so what they would say is not known."""
    return [
        Note(
            "account-file-not-regular", b"/etc/" + file.encode(),
            f"{word}'s is not a regular file, and was taken as missing: without names its owners are merged as numbers",
            {"side": word},
        )
        for word, tables in zip(SIDES, accounts, strict=True)
        for file in tables.irregular
        if file in ACCOUNT_FILES
    ]  # fmt: skip


def may_have_removed(accounts: Accounts, memory: Memory) -> bool:
    """Whether the server may have removed an account or a membership: now, or before."""
    base, _, clone = (tables.files for tables in accounts)
    return has_files(accounts) and any(
        base.get(file) != clone.get(file) or memory.lines(b"/etc/" + file.encode()) is not None
        for file in (PASSWD, GROUP, GSHADOW)
    )


def notes_of_accounts(
    parts: Sequence[PartPlan], merged: AccountsMerge, accounts: Accounts, setting: Setting
) -> Iterator[Note]:
    """What is told of accounts besides what their merge says: spools and overrides that name others, and who stays removed."""
    if has_names(accounts):
        if any(
            _has_file(one, place) for one in parts for place in (*special.AT_JOBS, *special.CRONTABS, *special.MAIL)
        ):
            from goldroot.merge.fit.account_uses import notes_of_spools

            yield from notes_of_spools(ResultFiles(parts, setting.names), merged, accounts)
        if holds(parts, (special.OVERRIDES,)):
            from goldroot.merge.fit.account_uses import unknown_in_overrides

            yield from unknown_in_overrides(parts, setting.names, merged)
    if may_have_removed(accounts, setting.memory):
        from goldroot.merge.decide.remembered_accounts import note_removed_accounts

        yield from note_removed_accounts(accounts, setting.memory, tables_of(merged))


def _has_file(one: PartPlan, directory: bytes) -> bool:
    """Whether any tree has a file somewhere in a directory."""
    inside = one.part.inside(directory.rstrip(b"/"))
    if inside is None:
        return False
    return any(entry.kind == FILE for tree in one.part.trees for entry in tree.manifest.below(inside))


def tables_of(merged: AccountsMerge) -> AccountTables:
    """The merged tables as tables."""
    return AccountTables.of({name: data for name, data in merged.files.items() if data is not None})


def check_account_rules(parts: Sequence[Part], policy: Policy) -> None:
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


def place_accounts(parts: Sequence[PartPlan], merged: AccountsMerge, names: Names, policy: Policy) -> None:
    """Put the merged account files at their places, in the parts in which these lie."""
    files = [(b"/etc/" + name.encode(), merged.files.get(name)) for name in ACCOUNT_FILES]
    files = [(place, data) for place, data in files if policy.match(place).cls == "accounts"]
    for one in parts:
        prefix = one.part.place(b"").rstrip(b"/") + b"/"
        for place, data in files:
            if place.startswith(prefix):
                _place_account_file(one, place[len(prefix) :], data, merged, names, policy)


def _place_account_file(
    one: PartPlan, path: bytes, data: bytes | None, merged: AccountsMerge, names: Names,
    policy: Policy,
) -> None:  # fmt: skip
    rows = one.part.rows(path)
    if not any(rows) or any(row is not None and row.kind != FILE for row in rows):
        return
    place = one.part.place(path)
    asked = [conflict for conflict in merged.conflicts if conflict.path == place]
    verdict = one.decided.verdicts.get(path)
    if verdict is None:
        verdict = Verdict(_first(rows, names)[0], SAME)
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
    one.decided.comparison.add(path, rows, policy.match(place))


def _stands(one: PartPlan, directory: bytes, names: Names) -> bool:
    want = one.final(directory, names)
    return want is not None and want.kind == DIRECTORY


def _account_want(
    verdict: Verdict, data: bytes | None, rows: Rows, names: Names,
    merged: AccountsMerge,
) -> Want | None:  # fmt: skip
    if data is None:
        return None
    want = verdict.want
    if want is None:
        want, had = _first(rows, names)
        # The tables may have lost its owner with the file.
        owner = want.owner if want.owner in merged.users else b"#%d" % had.uid
        want = replace(want, owner=owner, group=want.group if want.group in merged.groups else b"#%d" % had.gid)
    digest = hashlib.sha256(data).digest()
    for side in (CLONE_SIDE, GOLD_SIDE):
        row = rows[side]
        if row is not None and row.content == digest:
            return replace(want, side=side, content=digest, inline=None, mtime=row.mtime)
    times = [row.mtime for row in rows[1:] if row is not None]
    return replace(want, side=INLINE, content=digest, inline=data, mtime=max(times, default=want.mtime))


def _first(rows: Rows, names: Names) -> tuple[Want, Entry]:
    """The file of the side that is asked first: the clone, gold, base."""
    return next(
        (want_of(row, names[side], side), row)
        for side in (CLONE_SIDE, GOLD_SIDE, BASE_SIDE)
        if (row := rows[side]) is not None
    )


def _account_word(want: Want | None, rows: Rows) -> str:
    contents = [None if row is None else row.content for row in rows]
    result = None if want is None else want.content
    if result == contents[CLONE_SIDE]:
        if result == contents[GOLD_SIDE]:
            return SAME if result == contents[BASE_SIDE] else BOTH
        return CLONE
    return GOLD if result == contents[GOLD_SIDE] else MERGED
