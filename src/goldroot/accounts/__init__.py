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
    "unchanged_tables",
]

if TYPE_CHECKING:
    from goldroot.accounts.merge import merge_account_tables, orphans
    from goldroot.accounts.numbers import NUMBER_KINDS, Renumbered
    from goldroot.accounts.owners import (
        ACL_ACCESS,
        ACL_NAMES,
        NUMERIC_OWNERS,
        AccountsMerge,
        OwnerNames,
        OwnerNumbers,
        is_named,
        named_in_acl,
        numbers_in_acl,
        owner_names,
        rename_in_acls,
        unchanged_tables,
    )
    from goldroot.accounts.sides import (
        AT_JOBS,
        CRON,
        CRONTAB,
        GROUP_FILES,
        KEYS,
        LINGER,
        MEMBER_LISTS,
        OVERRIDES,
        SETTINGS,
        SUDOERS,
        UNITS,
        USER_FILES,
        AccountUse,
        InUse,
    )
    from goldroot.accounts.tables import (
        ACCOUNT_FILES,
        GROUP,
        GSHADOW,
        PASSWD,
        AccountTables,
        Key,
        LoginDefs,
        NumberRanges,
        Table,
        asks_elsewhere,
        merge_login_defs,
        merge_sources,
    )
    from goldroot.accounts.three_way import Questions
else:
    __getattr__, __dir__ = names_of(
        __name__,
        {
            "merge": "merge_account_tables orphans",
            "numbers": "NUMBER_KINDS Renumbered",
            "owners": "ACL_ACCESS ACL_NAMES AccountsMerge NUMERIC_OWNERS OwnerNames OwnerNumbers is_named named_in_acl "
            "numbers_in_acl owner_names rename_in_acls unchanged_tables",
            "sides": "AT_JOBS CRON CRONTAB GROUP_FILES KEYS LINGER MEMBER_LISTS OVERRIDES SETTINGS SUDOERS UNITS "
            "USER_FILES AccountUse InUse",
            "tables": "ACCOUNT_FILES GROUP GSHADOW PASSWD AccountTables Key LoginDefs NumberRanges Table "
            "asks_elsewhere merge_login_defs merge_sources",
            "three_way": "Questions",
        },
    )
