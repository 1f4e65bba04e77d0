"""The references of two tables: login shells in passwd, paths in fstab."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from goldroot.accounts import AccountTables
from goldroot.merge.decide.authorized_keys import key_files_of
from goldroot.merge.decide.fstab import MOUNT_POINT, parse_fstab
from goldroot.merge.refer.reference import MOUNT, SHELL, Reference
from goldroot.merge.refer.view import THERE, View
from goldroot.policy import ASK, NOTE

PASSWD, FSTAB = b"/etc/passwd", b"/etc/fstab"

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
        yield Reference(SHELL, PASSWD, shell, shell or _DEFAULT_SHELL, PASSWD, ASK if able else NOTE, name)


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
