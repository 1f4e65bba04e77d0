"""Account tables: reading them, merging them, and the names and numbers of owners."""

from __future__ import annotations

from typing import TYPE_CHECKING

from goldroot.faces import names_of

__all__ = [
    "ACCOUNT_FILES",
    "ACL_ACCESS",
    "ACL_NAMES",
    "AT_JOBS",
    "CRON",
    "CRONTAB",
    "GROUP",
    "GROUP_FILES",
    "GSHADOW",
    "KEYS",
    "LINGER",
    "MEMBER_LISTS",
    "NUMBER_KINDS",
    "NUMERIC_OWNERS",
    "OVERRIDES",
    "PASSWD",
    "SETTINGS",
    "SUDOERS",
    "UNITS",
    "USER_FILES",
    "AccountTables",
    "AccountUse",
    "AccountsMerge",
    "InUse",
    "Key",
    "LoginDefs",
    "NumberRanges",
    "OwnerNames",
    "OwnerNumbers",
    "Questions",
    "Renumbered",
    "Table",
    "asks_elsewhere",
    "is_named",
    "merge_account_tables",
    "merge_login_defs",
    "merge_sources",
    "named_in_acl",
    "numbers_in_acl",
    "orphans",
    "owner_names",
    "rename_in_acls",
]

if TYPE_CHECKING:
    from goldroot.accounts.aliases import owner_names
    from goldroot.accounts.login_defs import LoginDefs, NumberRanges, merge_login_defs
    from goldroot.accounts.merge import AccountsMerge, merge_account_tables
    from goldroot.accounts.numbers import NUMBER_KINDS
    from goldroot.accounts.orphan_records import orphans
    from goldroot.accounts.owners import (
        ACL_ACCESS,
        ACL_NAMES,
        NUMERIC_OWNERS,
        OwnerNames,
        OwnerNumbers,
        is_named,
        named_in_acl,
        numbers_in_acl,
        rename_in_acls,
    )
    from goldroot.accounts.questions import Questions
    from goldroot.accounts.renumbered import Renumbered
    from goldroot.accounts.sides import GROUP_FILES, MEMBER_LISTS, USER_FILES
    from goldroot.accounts.sources import asks_elsewhere, merge_sources
    from goldroot.accounts.tables import ACCOUNT_FILES, GROUP, GSHADOW, PASSWD, AccountTables, Key, Table
    from goldroot.accounts.uses import (
        AT_JOBS,
        CRON,
        CRONTAB,
        KEYS,
        LINGER,
        OVERRIDES,
        SETTINGS,
        SUDOERS,
        UNITS,
        AccountUse,
        InUse,
    )
else:
    __getattr__, __dir__ = names_of(
        __name__,
        {
            "aliases": "owner_names",
            "login_defs": "LoginDefs NumberRanges merge_login_defs",
            "merge": "AccountsMerge merge_account_tables",
            "numbers": "NUMBER_KINDS",
            "orphan_records": "orphans",
            "owners": "ACL_ACCESS ACL_NAMES NUMERIC_OWNERS OwnerNames OwnerNumbers is_named named_in_acl numbers_in_acl "
            "rename_in_acls",
            "questions": "Questions",
            "renumbered": "Renumbered",
            "sides": "GROUP_FILES MEMBER_LISTS USER_FILES",
            "sources": "asks_elsewhere merge_sources",
            "tables": "ACCOUNT_FILES AccountTables GROUP GSHADOW Key PASSWD Table",
            "uses": "AT_JOBS AccountUse CRON CRONTAB InUse KEYS LINGER OVERRIDES SETTINGS SUDOERS UNITS",
        },
    )
