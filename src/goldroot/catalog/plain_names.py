"""Names of images and clones: they become directory names, slot names and host names, so they are kept plain."""

from __future__ import annotations

import re
from collections.abc import Iterable

from goldroot.errors import UsageError, did_you_mean

#: Letters, digits, ``.``, ``_`` and ``-``, a letter or digit first; 63 at most, as a label of a host name has.
PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def check_name(kind: str, name: str) -> str:
    """The name, if it can be one.

    :param kind: what it is to name, for the message (``image``).
    :raises UsageError: it cannot.
    """
    if PLAIN.fullmatch(name) is None:
        raise UsageError(
            f"{name!r} cannot be the name of {'an' if kind[0] in 'aeiou' else 'a'} {kind}",
            todo="Take letters, digits, '.', '_' and '-', a letter or digit first, 63 at most.",
        )
    return name


def nearest(name: str, known: Iterable[str]) -> str:
    """``" Did you mean 'web1'?"`` where one of the known names is near; else nothing."""
    return f" {did_you_mean(name, known, cutoff=0.7)}".rstrip()
