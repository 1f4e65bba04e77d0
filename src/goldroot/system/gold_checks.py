"""What must not be published: accounts that nobody can use, or that two have; and what maintenance leaves behind.

Pure but for reading single files.  The account tables of a gold go to every server, so a slip in them is one on all servers.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from goldroot.accounts import GROUP, PASSWD, AccountTables, orphans
from goldroot.counted import counted
from goldroot.system.own_disks import OwnDisks
from goldroot.tree import FILE, Manifest

#: What is found, by the word that accepts it.
NO_HASHES, DOUBLED, ORPHANS = "no-hashes", "doubled", "orphans"
FINDINGS = {
    NO_HASHES: "accounts whose password stands elsewhere, and there is no elsewhere",
    DOUBLED: "a name or number that two accounts have",
    ORPHANS: "records of shadow and gshadow without an account",
}

#: What a shell or a program writes down of what a person typed.
_HISTORY = re.compile(
    rb"\.(?:(?:bash|zsh|ash|sh|ksh|python|mysql|psql|sqlite|node_repl|rediscli|irb|octave|mariadb)_?history|history|lesshst|viminfo|wget-hsts)"
)
_HOMES = re.compile(rb"(?:root|home/[^/]+)/(?:[^/]+|\.local/(?:share|state)/(?:[^/]+/)*[^/]*hist[^/]*)")
#: Directories below which every file was left by the work on the system.
_LEFT_IN = (
    b"var/log/", b"var/cache/apt/", b"var/cache/dnf/", b"var/cache/yum/", b"var/cache/libdnf5/", b"var/cache/zypp/", b"var/tmp/",
    b"tmp/", b"var/crash/", b"var/lib/systemd/coredump/",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a gold should not have."""

    what: str  #: one of FINDINGS
    subject: str  #: which of its kind; two versions of an image with the same one have the same finding
    text: str  #: for a person

    @property
    def key(self) -> str:
        """What is accepted when this one alone is."""
        return f"{self.what}:{self.subject}" if self.subject else self.what


def examine_accounts(tables: AccountTables, tree: OwnDisks) -> list[Finding]:
    """Everything about a system's accounts that should not be published.

    :param tree: all of its disks.
    """
    return [*_without_hashes(tables, tree), *_doubled(tables), *_orphans(tables, tree)]


def _without_hashes(tables: AccountTables, tree: OwnDisks) -> Iterator[Finding]:
    """passwd(5): ``x`` means that the hash is in shadow(5); tcb(5) has a file for each; other services have their own."""
    waiting = [key.text for key, fields in tables.table(PASSWD).records() if fields[1] == b"x"]
    if not waiting or any(tables.table("shadow").records()):
        return
    if tree.kind(b"etc/tcb") == "directory" or services(tree, b"shadow") - {b"files", b"compat"}:
        return
    whose = counted(len(waiting), "account has its", "accounts have their")
    text = f"{whose} password elsewhere ('x'), and there is no /etc/shadow with one: nobody can log in"
    yield Finding(NO_HASHES, "", text)


def services(tree: OwnDisks, database: bytes) -> set[bytes]:
    """The services that nsswitch.conf(5) names for a database; without actions like ``[NOTFOUND=return]``.

    SUSE's stands in /usr/etc, where /etc has none.
    """
    text = next(
        (held for path in (b"etc", b"usr/etc") if (held := tree.read(path + b"/nsswitch.conf")) is not None), b""
    )
    for line in text.split(b"\n"):
        name, _, rest = line.partition(b"#")[0].partition(b":")
        if name.strip() == database:
            return set(re.sub(rb"\[[^]]*\]", b" ", rest).split())
    return set()


def _doubled(tables: AccountTables) -> Iterator[Finding]:
    for file, kind in ((PASSWD, "uid"), (GROUP, "gid")):
        records = [(key.text, int(fields[2])) for key, fields in tables.table(file).records()]
        for name, count in Counter(name for name, _ in records).items():
            if count > 1:
                shown = name.decode("utf-8", "replace")
                yield Finding(DOUBLED, f"{file}:{shown}", f"/etc/{file} has {shown} {count} times")
        for number, count in Counter(number for _, number in dict.fromkeys(records)).items():
            if count > 1 and (number or kind == "gid"):
                names = dict.fromkeys(name for name, held in records if held == number)
                if len(names) > 1:
                    shown = ", ".join(name.decode("utf-8", "replace") for name in names)
                    yield Finding(DOUBLED, f"{kind}:{number}", f"the {kind} {number} is that of {shown}")


def _orphans(tables: AccountTables, tree: OwnDisks) -> Iterator[Finding]:
    users, groups = (_other_accounts(tree, file) for file in (PASSWD, GROUP))
    for file, name in orphans(tables, users, groups):
        shown = name.decode("utf-8", "replace")
        kind = "account" if file == "shadow" else "group"
        yield Finding(ORPHANS, f"{file}:{shown}", f"/etc/{file} has a record of {shown}, and there is no such {kind}")


def _other_accounts(tree: OwnDisks, file: str) -> set[bytes]:
    """Accounts that are not in /etc: those of nss-altfiles, and JSON records (nss-systemd(8))."""
    table = tree.read(b"usr/lib/" + file.encode()) or b""
    names = {line.partition(b":")[0] for line in table.split(b"\n") if b":" in line}
    suffix = b".user" if file == PASSWD else b".group"
    for directory in (b"etc/userdb", b"usr/lib/userdb", b"var/lib/systemd/home"):
        names |= {name.removesuffix(suffix) for name in tree.names(directory) if name.endswith(suffix)}
        names |= {name.removesuffix(b".identity") for name in tree.names(directory) if name.endswith(b".identity")}
    return names


def leftovers(manifests: Mapping[str, Manifest]) -> list[tuple[str, bytes]]:
    """Files that the work on a system left in it: (disk's address, path), each file once.

    Only files: a log's directory has its owner, and ``/var/log/journal`` has a meaning.  Empty files hold nothing.
    """
    return [
        (address, row[0])
        for address, manifest in manifests.items()
        for row in manifest.rows()
        if row[1] == FILE and row[5] and is_leftover(row[0])
    ]


def is_leftover(path: bytes) -> bool:
    """Whether a file at a path of a system holds only what was left by working on it."""
    if path.startswith(_LEFT_IN):
        return True
    name = os.path.basename(path)
    return bool(_HOMES.fullmatch(path)) and (bool(_HISTORY.fullmatch(name)) or b"/.local/" in path)
