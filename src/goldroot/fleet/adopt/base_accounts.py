"""The account tables that gold and a server are taken to have come from: pure.

They have the accounts that both have, so that nobody counts as removed by either.  An account's number there is the
server's where gold's must hold (of a system account, and of one that files on the shared disks belong to), and gold's
where the server's may stay: what only one side changed is that side's change.  All other fields are gold's, so that
what the server has in them stays.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from goldroot.accounts import ACCOUNT_FILES, GROUP, PASSWD, AccountTables, NumberRanges

#: Fields of lists of users.
_LISTS = {GROUP: (3,), "gshadow": (2, 3)}
_OF_GROUPS = (GROUP, "gshadow")

Record = Sequence[bytes]


@dataclass(frozen=True)
class Used:
    """Numbers of owners that the disks have which all servers share."""

    uids: Collection[int] = ()
    gids: Collection[int] = ()


def base_accounts(gold: AccountTables, server: AccountTables, used: Used) -> AccountTables:
    """The tables of the base; empty ones where either side has none."""
    if gold.empty or server.empty:
        return AccountTables.of({})
    defs = gold.login_defs
    uids = _numbers(gold.users, server.users, defs.users, used.uids)
    gids = _numbers(gold.groups, server.groups, defs.groups, used.gids)
    files = {name: data for name, data in gold.files.items() if name not in ACCOUNT_FILES}
    for file in ACCOUNT_FILES:
        names = gids.keys() if file in _OF_GROUPS else uids.keys()
        if not (gold.table(file).present and server.table(file).present):
            continue
        records = _both(gold, server, file, names)
        if file == PASSWD:
            records = (_user(record, gold, server, uids, gids) for record in records)
        elif file in _LISTS:
            records = (_group(file, record, gids, uids.keys()) for record in records)
        files[file] = b"".join(b":".join(record) + b"\n" for record in records)
    return AccountTables.of(files)


def _numbers(
    gold: Mapping[bytes, int], server: Mapping[bytes, int], ranges: NumberRanges, used: Collection[int]
) -> dict[bytes, int]:
    def must_be_golds(name: bytes) -> bool:
        return gold[name] in used or (ranges.is_system(gold[name]) and ranges.is_system(server[name]))

    return {name: server[name] if must_be_golds(name) else gold[name] for name in gold if name in server}


def _both(gold: AccountTables, server: AccountTables, file: str, names: Set[bytes]) -> Iterator[Record]:
    """Gold's records of what both have."""
    theirs = dict(server.table(file).records())
    return (fields for key, fields in gold.table(file).records() if key.text in names and key in theirs)


def _user(
    record: Record, gold: AccountTables, server: AccountTables, uids: Mapping[bytes, int], gids: Mapping[bytes, int]
) -> Record:
    name = record[0]
    first = gold.group_names.get(int(record[3]))
    if first not in gids:  # gold's first group comes with gold: it is gold that changed it
        line = next(fields for key, fields in server.table(PASSWD).records() if key.text == name)
        first = server.group_names.get(int(line[3]))
    gid = record[3] if first is None else b"%d" % gids.get(first, int(record[3]))
    return (name, record[1], b"%d" % uids[name], gid, *record[4:])


def _group(file: str, record: Record, gids: Mapping[bytes, int], users: Set[bytes]) -> Record:
    """Members that the server does not know are gold's additions, not its removals."""

    def value(index: int, field: bytes) -> bytes:
        if file == GROUP and index == 2:
            return b"%d" % gids[record[0]]
        if index not in _LISTS[file]:
            return field
        return b",".join(member for member in field.split(b",") if member in users)

    return tuple(value(index, field) for index, field in enumerate(record))
