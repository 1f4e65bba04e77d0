"""Passwords that let nobody in: ``*``, ``!`` and their like, as tools write them for a system account.

They are equal only where the account has no shell to log in with: a key opens an account whose password is ``*``, and not
one whose password begins with ``!`` (sshd(8), "locked").
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from goldroot.accounts.tables import PASSWD, SHADOW, AccountTables, Key

LOCKED = (b"*", b"!", b"!*", b"!!")
NO_LOGIN = (b"nologin", b"false")


def is_locked_twice(file: str, key: Key, gold: AccountTables, clone: AccountTables) -> bool:
    """Whether gold and the clone both added a system account that nobody can log in to, each with its own word for that."""
    return file == SHADOW and all(_is_locked(tables, key) for tables in (gold, clone))


def _is_locked(tables: AccountTables, key: Key) -> bool:
    shadow, passwd = tables.table(SHADOW).lines.get(key), tables.table(PASSWD).lines.get(key)
    if shadow is None or passwd is None or len(passwd) < 7:
        return False
    if not tables.login_defs.users.is_system(int(passwd[2])):
        return False
    return shadow[1] in LOCKED and os.path.basename(passwd[6]) in NO_LOGIN


def agreed(
    gold: Mapping[str, bytes | None], clone: Mapping[str, bytes | None]
) -> tuple[Mapping[str, bytes | None], Mapping[str, bytes | None]]:
    """Both sides' fields of such an account with what they agree on: the clone's word for the password, and what only one
    of them says of its ageing."""
    word, _, date = (clone["password"] or b"").partition(b":")
    golds = (gold["password"] or b"").partition(b":")[2]
    both = {name: value or gold.get(name) for name, value in clone.items()}
    both["password"] = word + b":" + (date or golds)
    return {name: both[name] if not value or name == "password" else value for name, value in gold.items()}, both
