"""The record as a file."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping, Sequence
from typing import Any

from goldroot.errors import UsageError
from goldroot.files import write_whole


def record_bytes(record: Mapping[str, Any]) -> bytes:
    """The record as it stands in a file."""
    return json.dumps(record, indent=1, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def check_record_place(file: str, trees: Sequence[str], out: str | None) -> None:
    """See before a merge that its record can be written after it.

    :raises UsageError: it cannot, or it would become part of a tree or of the result.
    """
    if file == "-":
        raise UsageError(
            "--report wants a file, and '-' is none",
            todo="Use --json to print the record, or ./- for a file of that name.",
        )
    place = os.path.realpath(file)
    if not _may_be_written(place):
        raise UsageError(
            f"the record cannot be written to {file!r}",
            meaning="Nothing was merged.", todo="Give a file in a directory that is there and may be written.",
        )  # fmt: skip
    for tree in (*trees, *([out] if out else [])):
        if place.startswith(os.path.realpath(tree).rstrip("/") + "/"):
            raise UsageError(
                f"the record's place {file!r} lies inside {tree!r}",
                meaning="The trees are only read, and the result holds only what was merged.",
                todo="Give a file outside of them.",
            )


def write_record(record: Mapping[str, Any], file: str, *, sync: bool = False) -> None:
    """Write the record whole: a reader sees the old file or the new one.

    A link is followed, as the user's own word; a device, pipe or terminal is written to, never replaced.  A new file is
    its owner's alone; one that is there keeps its mode.

    :param sync: whether it shall be on the disk when this returns.
    """
    if _is_special(file):
        with open(file, "wb") as stream:
            stream.write(record_bytes(record))
        return
    place = os.path.realpath(file)
    mode = stat.S_IMODE(os.stat(place).st_mode) if os.path.exists(place) else 0o600
    write_whole(place, [record_bytes(record)], beside=b".goldroot-new", mode=mode, sync=sync)


def _may_be_written(place: str) -> bool:
    if _is_special(place):
        return os.access(place, os.W_OK)
    above = os.path.dirname(place)
    return not os.path.isdir(place) and os.path.isdir(above) and os.access(above, os.W_OK)


def _is_special(file: str) -> bool:
    """Whether something stands there that is neither a regular file nor a directory."""
    try:
        mode = os.stat(file).st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
