"""What in the spools of a result names accounts by itself: at jobs by number, crontabs and mail by the names of files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from goldroot.accounts import PASSWD, AccountsMerge, AccountTables, asks_elsewhere, merge_sources
from goldroot.kinds import NoteKind
from goldroot.merge.compare.parts import CLONE_SIDE
from goldroot.merge.fit.account_uses import AT_PLACES, CRONTABS
from goldroot.merge.fit.result_files import ResultFiles
from goldroot.tree import FILE, Note, path_text

#: at(1) writes the numbers of its caller into a job, and atd refuses one whose file has another owner.
_AT_RUN = re.compile(rb"\A#![^\n]*\n# atrun uid=(\d+) gid=\d+")

MAIL = (b"/var/mail/", b"/var/spool/mail/")
#: So many paths are named; the others are counted.
SHOWN = 10


def notes_of_spools(
    files: ResultFiles, merged: AccountsMerge, accounts: tuple[AccountTables, AccountTables, AccountTables]
) -> Iterator[Note]:
    """At jobs of renumbered users, and crontabs and mail of names that the result has no account of."""
    moved = {one.clone: one.number for one in merged.renumbered if one.is_user and one.clone is not None}
    moved = {old: new for old, new in moved.items() if old != new}
    if jobs := list(_stale_jobs(files, moved)) if moved else []:
        yield _note("at-job-stale", jobs, "at jobs hold the old number of a renumbered account; atd refuses them")
    data = merged.files.get(PASSWD)
    known = AccountTables.of({PASSWD: data} if data is not None else {}).users.keys()
    elsewhere = asks_elsewhere(merge_sources(*(tables.sources for tables in accounts)))
    # Where users are looked for in other places too, only a name that this merge took away says something.
    lost = [
        path
        for path, name in _named_files(files)
        if name not in known and (not elsewhere or name in accounts[CLONE_SIDE].users)
    ]
    if lost:
        yield _note("spool-without-account", lost, "crontabs or mail files have a name without an account")


def _note(kind: NoteKind, paths: list[bytes], text: str) -> Note:
    shown = [path_text(path) for path in paths]
    return Note(kind, paths[0], f"{len(paths)} {text}: {shown[0]}", {"count": len(paths), "paths": shown[:SHOWN]})


def _stale_jobs(files: ResultFiles, moved: Mapping[int, int]) -> Iterator[bytes]:
    for place in AT_PLACES:
        for path in files.children(place.rstrip(b"/")):
            found = _AT_RUN.match(files.text(path) or b"")
            if found and int(found[1]) in moved:
                yield path


def _named_files(files: ResultFiles) -> Iterator[tuple[bytes, bytes]]:
    """The files of crontabs and mail, with their names."""
    for place in (*CRONTABS, *MAIL):
        for path in files.children(place.rstrip(b"/")):
            found = files.final(path)
            if found is not None and found[2].kind == FILE:
                yield path, path[len(place) :]
