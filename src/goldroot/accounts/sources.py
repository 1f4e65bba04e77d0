"""Where a system looks for the accounts of its users: the line ``passwd`` of nsswitch.conf(5)."""

from __future__ import annotations

import re

#: What glibc asks where no file or no line says anything.
FILES_ALONE = (b"files",)

#: ``[NOTFOUND=return]`` says what to do after a service, and names none.
_ACTION = re.compile(rb"\[[^\]]*\]")


def account_sources(data: bytes | None) -> tuple[bytes, ...]:
    """The services that are asked for a user, in their order; ``files`` is ``/etc/passwd``.

    :param data: the content of ``/etc/nsswitch.conf``; ``None`` where there is none.
    """
    found: tuple[bytes, ...] = FILES_ALONE
    for line in (data or b"").split(b"\n"):
        database, colon, services = line.partition(b"#")[0].partition(b":")
        if colon and database.strip() == b"passwd":
            found = tuple(_ACTION.sub(b" ", services).split())  # glibc goes by the last line
    return found


def merge_sources(base: tuple[bytes, ...], gold: tuple[bytes, ...], clone: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """The sources of a merged system: gold's where it has others than files, else what either side changed."""
    return gold if asks_elsewhere(gold) or clone == base else clone


def asks_elsewhere(sources: tuple[bytes, ...]) -> bool:
    """Whether a user may be known without a line in ``/etc/passwd``."""
    return any(service != b"files" for service in sources)
