"""Account tables: reading them, merging them, and the names and numbers of owners."""

from __future__ import annotations

from typing import TYPE_CHECKING

from goldroot.faces import names_of

__all__ = [
    "ACCOUNT_FILES",
    "ACL_ACCESS",
    "ACL_NAMES",
    "GROUP",
    "NUMBER_KINDS",
    "PASSWD",
    "AccountTables",
    "AccountsMerge",
    "LoginDefs",
    "NumberRanges",
    "OwnerNames",
    "OwnerNumbers",
    "Renumbered",
    "merge_accounts",
    "merge_login_defs",
    "named_in_acl",
    "numbers_in_acl",
    "orphans",
    "owner_names",
]

if TYPE_CHECKING:
    from goldroot.accounts.aliases import owner_names
    from goldroot.accounts.login_defs import LoginDefs, NumberRanges, merge_login_defs
    from goldroot.accounts.merge import AccountsMerge, merge_accounts
    from goldroot.accounts.numbers import NUMBER_KINDS
    from goldroot.accounts.orphan_records import orphans
    from goldroot.accounts.owners import ACL_ACCESS, ACL_NAMES, OwnerNames, OwnerNumbers, named_in_acl, numbers_in_acl
    from goldroot.accounts.renumbered import Renumbered
    from goldroot.accounts.tables import ACCOUNT_FILES, GROUP, PASSWD, AccountTables
else:
    __getattr__, __dir__ = names_of(
        __name__,
        {
            "aliases": "owner_names",
            "login_defs": "LoginDefs NumberRanges merge_login_defs",
            "merge": "AccountsMerge merge_accounts",
            "numbers": "NUMBER_KINDS",
            "orphan_records": "orphans",
            "owners": "ACL_ACCESS ACL_NAMES OwnerNames OwnerNumbers named_in_acl numbers_in_acl",
            "renumbered": "Renumbered",
            "tables": "ACCOUNT_FILES AccountTables GROUP PASSWD",
        },
    )
