"""How a server is reached by ssh, to be read through itself: what ``[images.NAME]`` and ``[clones.NAME]`` say of it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace

from goldroot import toml

#: Whom ssh may be told to go to: nothing that it would read as an option.
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@%\[\]-]*")
#: What stands for a clone's name in an image's table.
_NAME = "{name}"


@dataclass(frozen=True, slots=True)
class Reach:
    """How a server is reached.

    :param host: as ssh takes it: ``HOST`` or ``USER@HOST``; "": it is not.
    :param key: path of a private key; "": as ssh's own settings say.
    :param sudo: by ``sudo -n`` there: who comes by ssh is not root, and may do that without a password.
    """

    host: str = ""
    key: str = ""
    sudo: bool = False

    def of(self, clone: str) -> Reach:
        """What an image's table says, for one of its clones."""
        return replace(self, host=self.host.replace(_NAME, clone))


NOT_REACHED = Reach()


def is_host(text: str) -> bool:
    """Whether ssh could be told to go there."""
    return _HOST.fullmatch(text) is not None


def read_reach(table: toml.Table) -> Reach:
    """What a table says: ``ssh``, ``ssh_key`` (a relative path is the site's) and ``ssh_sudo``.

    :raises BadPolicy: a mistake, with its line.
    """
    host, key = table.text("ssh", ""), table.text("ssh_key", "")
    if host and not is_host(host.replace(_NAME, "name")):
        raise table.error(
            f"{host!r} is not a host that ssh could go to", "ssh",
            todo="Write HOST or USER@HOST; all else (a port, a jump) goes into ~/.ssh/config.",
        )  # fmt: skip
    if key:
        key = os.path.join(os.path.dirname(os.path.abspath(table.file)), key)
    return Reach(host, key, table.truth("ssh_sudo", default=False))
