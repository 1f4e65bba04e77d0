"""Names that are the same but for version numbers: ``php8.2.load`` and ``php8.4.load``."""

from __future__ import annotations

import re

_VERSION = re.compile(rb"[0-9]+(?:\.[0-9]+)*")


def without_versions(path: bytes) -> bytes:
    """A path with ``#`` for each version number, in its directories too.

    What stands behind an ``@`` is the instance of a unit (``postgresql@15-main.service``, systemd.unit(5)), and no
    version: two instances are two services.
    """
    return b"/".join(_name(name) for name in path.split(b"/"))


def _name(name: bytes) -> bytes:
    head, at, instance = name.partition(b"@")
    return _VERSION.sub(b"#", head) + at + instance
