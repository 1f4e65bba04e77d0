"""What the server's tables refer to: the login shells of its accounts, the paths in its fstab."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from goldroot.accounts import AccountTables
from goldroot.merge.compare.parts import CLONE_SIDE, GOLD_SIDE
from goldroot.merge.decide.fstab import MOUNT_POINT, parse_fstab
from goldroot.merge.decide.line_sets import key_files_of
from goldroot.merge.fit.one_tree import holds
from goldroot.merge.refer.refer import FSTAB, Broken, Referrer
from goldroot.merge.refer.view import MOUNT, SHELL, THERE, Reference, View
from goldroot.policy import ASK, NOTE
from goldroot.tree import Note, path_text, some_paths

#: Kind of the note about login shells that are there, and not allowed any more.
NOT_LISTED: Final = "shell-not-listed"

_PASSWD, _SHELLS = b"/etc/passwd", b"/etc/shells"

#: passwd(5): an empty field is this.
_DEFAULT_SHELL = b"/bin/sh"


def shells_of(merged: AccountTables, gold: AccountTables, after: View) -> Iterator[Reference]:
    """The login shells of the merged accounts, but for those that gold's account of the same name has, too."""
    golds = _shells(gold)
    hashes = {key.text: fields[1] for key, fields in merged.table("shadow").records() if key.nth == 0}
    for name, (shell, home, password) in _shells(merged).items():
        if name in golds and golds[name][0] == shell:
            continue
        able = _usable(hashes.get(name, b"") if password == b"x" else password, name in hashes or password != b"x")
        able = able or any(after.find(one).state == THERE for one in key_files_of(name, home))
        yield Reference(SHELL, _PASSWD, shell, shell or _DEFAULT_SHELL, _PASSWD, ASK if able else NOTE, name)


def _shells(tables: AccountTables) -> Mapping[bytes, tuple[bytes, bytes, bytes]]:
    """Name -> shell, home directory, password field, of the first record of each name."""
    return {
        key.text: (fields[6], fields[5], fields[1])
        for key, fields in tables.table("passwd").records()
        if key.nth == 0 and len(fields) > 6
    }


def unlisted(merged: AccountTables, gold: AccountTables, gone: set[bytes]) -> Mapping[bytes, list[bytes]]:
    """Shells that /etc/shells listed and does not any more -> the accounts that have them and are not as gold's."""
    golds = _shells(gold)
    found: dict[bytes, list[bytes]] = {}
    for name, (shell, _, _) in _shells(merged).items():
        if shell in gone and (name not in golds or golds[name][0] != shell):
            found.setdefault(shell, []).append(name)
    return found


def _usable(hashed: bytes, known: bool) -> bool:
    """Whether a password can be given: shadow(5).  An empty one needs none."""
    return known and not hashed.startswith((b"!", b"*"))


def mounts_of(merged: bytes, gold: bytes) -> Iterator[Reference]:
    """The paths of the merged fstab that gold's own does not have in the same use."""
    golds = {(line.point, what, path) for line in parse_fstab(gold) for what, path in line.paths()}
    for line in parse_fstab(merged):
        for what, path in line.paths():
            if (line.point, what, path) not in golds:
                who = what if what == MOUNT_POINT else what + b" of " + line.point
                yield Reference(MOUNT, FSTAB, path, path, FSTAB, NOTE if line.lenient else ASK, who, line.said)


def look_at_tables(referrer: Referrer, merged: AccountTables, gold: AccountTables) -> list[Broken]:
    """Find the login shells, and the paths in fstab, that are gone."""
    mounts = mounts_of(referrer.content(FSTAB, None), referrer.content(FSTAB, GOLD_SIDE))
    shells = shells_of(merged, gold, referrer.after) if holds(referrer.parts, (_PASSWD,)) else ()
    references = [*shells, *map(referrer.at_boot, mounts)]
    return list(referrer.broken((reference, None) for reference in references))


def notes_of_shells(
    referrer: Referrer, merged: AccountTables, gold: AccountTables, broken: Iterable[Broken]
) -> Iterator[Note]:
    """Shells that /etc/shells does not list any more, and that accounts of the server have.

    :param broken: what is asked about already.
    """
    before, after = (
        {line.strip() for line in referrer.content(_SHELLS, side).split(b"\n") if line.strip().startswith(b"/")}
        for side in (CLONE_SIDE, None)
    )
    gone = {one.reference.text for one in broken if one.reference.kind == SHELL}
    for shell, names in unlisted(merged, gold, before - after).items():
        if shell not in gone:
            text = f"{path_text(shell)} is not in /etc/shells any more; it is the login shell of {some_paths(names)}"
            yield Note(NOT_LISTED, _SHELLS, text, {"accounts": len(names)})
