"""The account that QEMU has where it is not root: what of a store it can reach.

A store is its owner's alone.  Where another account runs QEMU, that account's group may pass through the directories on the way to
images, and may read and write the images themselves; what else is in a store stays closed.
"""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass

from goldroot.errors import BadInput, Refused
from goldroot.run import run


@dataclass(frozen=True, slots=True)
class Account:
    """An account of this machine, by numbers."""

    name: str
    user: int
    group: int

    @property
    def label(self) -> str:
        """As libvirt's labels of the kind "dac" have it."""
        return f"+{self.user}:+{self.group}"

    def let_pass(self, path: str, mode: int = 0o710) -> None:
        """Let the account pass through a directory, or do there what ``mode`` says for its group."""
        found = os.stat(path)
        if (found.st_gid, found.st_mode & 0o777) != (self.group, mode):
            os.chown(path, -1, self.group)
            os.chmod(path, mode)

    def give(self, path: str, mode: int = 0o640) -> None:
        """Let the account read a file, or do with it what ``mode`` says for its group."""
        os.chown(path, -1, self.group)
        os.chmod(path, mode)

    def refuse_unreachable(self, path: str) -> None:
        """:raises Refused: the account cannot read a file, as one of the directories above it is closed to it."""
        drop = ["setpriv", f"--reuid={self.user}", f"--regid={self.group}", "--clear-groups"]
        if run([*drop, "test", "-r", path], ok=None).status:
            raise Refused(
                f"the account {self.name}, which runs QEMU, cannot reach {path!r}",
                meaning="A site's directory is its owner's alone, and so is what is in it.",
                todo="Put the host's store elsewhere, where the account can pass: `store` in goldroot.toml.",
            )


def account_of(name: str) -> Account:
    """:raises BadInput: there is none of that name."""
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        raise BadInput(
            f"there is no account {name!r} to run QEMU as", todo="Correct `user` of the host in goldroot.toml."
        ) from None
    return Account(name, found.pw_uid, found.pw_gid)
