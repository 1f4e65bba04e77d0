"""What of a result carries an account, or names it, and what a person is told of that.

Who makes a plan says it; the merger of accounts asks only where gold deleted an account that the clone has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field

from goldroot.tree import path_text

#: What may name an account; each is a word for the record.
UNITS, CRON, CRONTAB, AT_JOBS, KEYS = "units", "cron", "crontab", "at jobs", "authorized_keys"
SUDOERS, OVERRIDES, LINGER, SETTINGS = "sudoers", "statoverride", "linger", "settings"

#: What does not work without the account: a unit that runs as it, a line of ``/etc/cron.d``, every call of dpkg.
NEEDED_BY_ALL = (UNITS, CRON, OVERRIDES)
#: The same for the account of a service.
NEEDED_BY_SERVICES = (*NEEDED_BY_ALL, CRONTAB, SUDOERS, SETTINGS)

#: So many paths are named; the others are counted.
SHOWN = 10


@dataclass(frozen=True, slots=True)
class AccountUse:
    """What of a result belongs to one user, and what names him; paths absolute in the system."""

    files: Sequence[bytes] = ()
    named: Mapping[str, Sequence[bytes]] = field(default_factory=dict)

    def by(self, words: Sequence[str]) -> bool:
        """Whether any of these names him."""
        return any(self.named.get(word) for word in words)

    def data(self) -> dict[str, object]:
        """For a note: the first paths of each kind, and how many files there are."""
        lists = {"files": self.files, **self.named}
        shown = {word: [path_text(path) for path in paths[:SHOWN]] for word, paths in lists.items() if paths}
        return {"count": len(self.files), **shown}

    def __str__(self) -> str:
        words = [f"{len(self.files):,} file{'s' if len(self.files) != 1 else ''}"] if self.files else []
        words += [
            f"{word} ({path_text(paths[0])}{' and more' if len(paths) > 1 else ''})"
            for word, paths in self.named.items()
            if paths
        ]
        return ", ".join(words)


def _nothing(name: bytes) -> AccountUse:
    return AccountUse()


def _nowhere(name: bytes) -> Sequence[bytes]:
    return ()


@dataclass(frozen=True, slots=True)
class InUse:
    """What the files of a result carry."""

    users: Set[bytes] = frozenset()  #: names of users that files and ACL entries carry
    groups: Set[bytes] = frozenset()
    bare_uids: Set[int] = frozenset()  #: numbers of users on the clone's files that its own tables give no name
    bare_gids: Set[int] = frozenset()
    of: Callable[[bytes], AccountUse] = _nothing  #: name of a user -> where it is used
    of_group: Callable[[bytes], Sequence[bytes]] = _nowhere  #: name of a group -> units and texts that need it
