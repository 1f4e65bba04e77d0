"""Random ids of pieces of work: never a counter, which comes back after a restore and then names other things."""

from __future__ import annotations

import secrets
import string

_LETTERS = string.ascii_lowercase + string.digits
_LENGTH = 10


def new_id() -> str:
    """Ten small letters and digits."""
    return "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
