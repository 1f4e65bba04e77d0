"""Parameters as a person writes them: ``NAME=VALUE`` and ``NAME@FILE``."""

from __future__ import annotations

import os
import re
import stat
from typing import Any

from goldroot.errors import UsageError
from goldroot.zvm.smapi.encode import named
from goldroot.zvm.smapi.table import LIST_TYPES, CallLayout, Param

#: A file of parameters or a password is not longer than this (bytes).
LONGEST_FILE = 16 << 20


def parse_params(layout: CallLayout, params: tuple[str, ...]) -> dict[str, Any]:
    """``NAME=VALUE`` and ``NAME@FILE`` as the values that the function takes.

    :raises UsageError: a word that is neither, an unknown or repeated name, a file that cannot be read.
    """
    found: dict[str, Any] = {}
    for word in params:
        parts = re.fullmatch(r"(\w+)([=@])(.*)", word, re.S)
        if not parts:
            raise UsageError("a parameter is neither PARAM=VALUE nor PARAM@FILE", todo="See goldroot zvm call --help.")
        name, sign, value = parts.groups()
        param = layout.param(name)
        if param is None:
            named(layout, {name: ""})
            continue
        many = param.type in LIST_TYPES
        if param.name in found and not many:
            raise UsageError(f"{name} is given twice")
        new = _from_file(value, param) if sign == "@" else [value] if many else _typed(value, param)
        found[param.name] = [*found.get(param.name, []), *new] if many else new
    return found


def _typed(value: str, param: Param) -> Any:
    if param.type == "bytes" and (hexed := re.fullmatch(r"[xX]'((?:[0-9A-Fa-f]{2})*)'", value)):
        return bytes.fromhex(hexed[1])
    return value


def _from_file(path: str, param: Param) -> Any:
    """A value from a file; for a list, one member for each line, its bytes as they are."""
    data = read_small_file(path)
    if param.type in ("lines", "zlines", "joined"):
        return [line.removesuffix(b"\r") for line in data.removesuffix(b"\n").split(b"\n")] if data else []
    if param.type == "bytes":
        return data
    chars = data.decode("latin-1").removesuffix("\n").removesuffix("\r")
    return chars.split("\n") if param.type in LIST_TYPES else chars


def read_small_file(path: str) -> bytes:
    """A regular file (or what ``/dev/fd`` and pipes give), up to 16 MiB.

    :raises UsageError: it cannot be read, or is longer.
    """
    try:
        with open(path, "rb") as file:
            if stat.S_ISDIR(os.fstat(file.fileno()).st_mode):
                raise IsADirectoryError(21, "it is a directory")
            data = file.read(LONGEST_FILE + 1)
    except (OSError, ValueError) as error:
        raise UsageError(f"the file {path!r} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > LONGEST_FILE:
        raise UsageError(f"the file {path!r} is longer than {LONGEST_FILE >> 20} MiB")
    return data
