"""Records of ``shadow`` and ``gshadow`` whose account there is not: what a half-done removal leaves."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from goldroot.accounts.questions import Questions, shown
from goldroot.accounts.tables import GROUP, GSHADOW, PASSWD, SHADOW, AccountTables


class Orphan(NamedTuple):
    """One record; ``file`` is ``shadow`` or ``gshadow``."""

    file: str
    name: bytes


def orphans(tables: AccountTables, users: Collection[bytes] = (), groups: Collection[bytes] = ()) -> list[Orphan]:
    """The records of shadow and gshadow without an account, in the order of their files.

    :param users: names that are accounts although they do not stand in passwd (nss-altfiles' ``/usr/lib/passwd``).
    :param groups: the same for groups.
    """
    found = []
    for file, of, others in ((SHADOW, PASSWD, users), (GSHADOW, GROUP, groups)):
        if not tables.table(of).present:
            continue  # without the table nothing can be told; a system may make its accounts at boot
        names = {key.text for key, _ in tables.table(of).records()} | set(others)
        found += [
            Orphan(file, key.text) for key, _ in tables.table(file).records() if not key.nth and key.text not in names
        ]
    return found


def note_orphans(ask: Questions, files: Mapping[str, bytes | None], clone: AccountTables) -> None:
    """One remark for each file about orphans of a merge that the server did not have before."""
    merged = AccountTables.of({name: data for name, data in files.items() if data is not None})
    before = set(orphans(clone))
    new = [orphan for orphan in orphans(merged) if orphan not in before]
    for file in (SHADOW, GSHADOW):
        names = [shown(orphan.name) for orphan in new if orphan.file == file]
        if names:
            text = f"{len(names)} records have no account in the result: {', '.join(names[:10])}"
            ask.note("account-orphans", file, text + (", ..." if len(names) > 10 else ""), names=names)
