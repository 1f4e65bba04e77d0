"""Merging account tables as the laws and cases say it: with what matters of their use and of remembered answers."""

from __future__ import annotations

from collections.abc import Set

from goldroot.accounts import AccountsMerge, AccountTables, InUse, Questions, merge_account_tables
from goldroot.conflicts import CLONE, Decisions


def merge_accounts(
    base: AccountTables,
    gold: AccountTables,
    clone: AccountTables,
    *,
    users_in_use: Set[bytes] = frozenset(),
    groups_in_use: Set[bytes] = frozenset(),
    clone_bare_uids: Set[int] = frozenset(),
    clone_bare_gids: Set[int] = frozenset(),
    decisions: Decisions | None = None,
    prefer: str = CLONE,
) -> AccountsMerge:
    """Merge three systems' tables.

    :param users_in_use: names of users that files of the result have, so that their accounts stay; groups the same.
    :param clone_bare_uids: numbers on the clone's files that its own tables give no name; groups the same.
    :param prefer: the side that stands at a conflict.
    """
    used = InUse(users_in_use, groups_in_use, clone_bare_uids, clone_bare_gids)
    return merge_account_tables((base, gold, clone), used, Questions(decisions or {}, prefer))
