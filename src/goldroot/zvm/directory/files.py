"""Directory files: reading with a clear word about what is none, writing whole or not at all.

A directory is one file, or an index file of LOAD statements with the files that they name (IBM, "Source Directory
File Formats").
"""

from __future__ import annotations

import os
import re
import stat
import sys
import tempfile
from typing import NamedTuple

from goldroot.errors import BadInput, Refused, TreeChanged
from goldroot.zvm.directory.model import Directory, Entry
from goldroot.zvm.directory.statement import Statement

#: The largest file that is read, in bytes; the directory of a system with 100,000 users has about 200 MB.
LARGEST = 512 << 20
_TEXT_CONTROLS = b"\t\n\r\x0b\x0c\x1a"
_CONTROLS = bytes(byte for byte in range(0x20) if byte not in _TEXT_CONTROLS)
#: Share of a file (1/n) that may be control characters before it is called binary.
_BINARY_SHARE = 20
#: A file name or type of CMS.
_CMS_NAME = re.compile(r"[A-Z0-9@#$+_:-]{1,8}")


def read(path: str) -> bytes:
    """The bytes of a directory file; ``-`` is standard input.  :raises BadInput: no regular file, or too large."""
    if path == "-":
        data = sys.stdin.buffer.read(LARGEST + 1)
    else:
        try:
            # O_NONBLOCK, so that a FIFO without a writer is told and not waited for.
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError as error:
            raise BadInput(f"there is no file {path!r}") from error
        except OSError as error:
            raise BadInput(f"{path!r} cannot be read: {error.strerror}") from error
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            os.close(handle)
            raise BadInput(f"{path!r} is a directory of files", todo="Name the file with the user directory.")
        with open(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise BadInput(f"{path!r} is not a regular file")
            data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise BadInput(f"{path!r} is larger than {LARGEST >> 20} MiB", meaning="No user directory is that large.")
    return data


class FilePart(NamedTuple):
    """One file of a directory; ``before``: how many records the files before it have."""

    path: str
    before: int
    directory: Directory


class Source(NamedTuple):
    """A directory and the files that it stands in: one, or an index file and those that its LOAD statements name.

    ``missing``: the LOAD statements whose file is not there.
    """

    directory: Directory
    parts: tuple[FilePart, ...]
    missing: tuple[Statement, ...]

    def where(self, line: int) -> tuple[str, int]:
        """The file, and the line in it, of a line of the whole directory."""
        part = next(part for part in reversed(self.parts) if part.before < max(line, 1))
        return part.path, line - part.before

    def part_of(self, entry: Entry) -> FilePart:
        """The file that an entry stands in; the first where it stands in none yet."""
        return next((part for part in self.parts if any(one is entry for one in part.directory.entries)), self.parts[0])


def load(path: str) -> Directory:
    """The directory in a file, and in those that it loads.  :raises BadInput: the file is none."""
    return load_source(path).directory


def load_source(path: str) -> Source:
    """The directory in a file; of an index file, in all files that it names and that stand beside it.

    :raises BadInput: the file, or one of those, is not a directory.
    """
    first = _part(path, 0)
    parts, missing = [first], []
    for statement in _loads(first.directory):
        found = None if path == "-" else _beside(path, statement)
        if found is None:
            missing.append(statement)
        else:
            last = parts[-1]
            parts.append(_part(found, last.before + len(last.directory.records())))
    preamble = [statement for part in parts for statement in part.directory.preamble]
    entries = [entry for part in parts for entry in part.directory.entries]
    return Source(Directory(tuple(preamble), tuple(entries)), tuple(parts), tuple(missing))


def _part(path: str, before: int) -> FilePart:
    data = read(path)
    directory = Directory.parse(data, before)
    why = why_no_directory(data, directory)
    if why:
        raise BadInput(f"{path!r} is not a user directory: {why[0]}", todo=why[1])
    return FilePart(path, before, directory)


def _loads(directory: Directory) -> list[Statement]:
    """The LOAD statements of an index file; DIRECTORY and GLOBALDEFS may stand before them."""
    ahead = [entry for entry in directory.entries if entry.kind in ("DIRECTORY", "GLOBALDEFS")]
    code = [*directory.preamble, *(statement for entry in ahead for statement in entry.statements)]
    return [statement for statement in code if statement.keyword == "LOAD"]


def _beside(path: str, load: Statement) -> str | None:
    """The file that a LOAD statement names: ``FN.FT``, ``FN FT`` or ``FN`` beside the index, in any case."""
    words = [word.upper() for word in load.operands[:2]]
    if not words or not all(_CMS_NAME.fullmatch(word) for word in words):
        return None
    wanted = [sign.join(words) for sign in (".", " ")] + words[:1]
    folder = os.path.dirname(path)
    there = {name.upper(): name for name in sorted(os.listdir(folder or "."))}
    found = next((there[name] for name in wanted if name in there), None)
    if found is None or found == os.path.basename(path):
        return None
    return os.path.join(folder, found)


def why_no_directory(data: bytes, directory: Directory) -> tuple[str, str] | None:
    """What is wrong and what to do, for a file that holds no directory; None for one that does."""
    if not data.strip():
        return "it is empty", "Give the source directory, e.g. USER DIRECT of the directory manager."
    if is_ebcdic(data):
        return "it is EBCDIC", "Transfer it as text (FTP: ascii), or convert it with iconv -f IBM1047."
    if sum(data.count(byte) for byte in _CONTROLS) * _BINARY_SHARE > len(data):
        return "it is a binary file", "Give the source directory, not the object directory or a packed file."
    if not directory.entries and not _loads(directory):
        kinds = "USER, IDENTITY, SUBCONFIG, PROFILE, DIRECTORY or LOAD"
        return f"it has no {kinds} statement", "Check the name of the file."
    return None


def is_ebcdic(data: bytes) -> bool:
    """Whether text is EBCDIC: its blank (X'40') is frequent, and its letters are where Latin has accents."""
    sample = data[:65536]
    letters = sum(1 for byte in sample if 0xC1 <= byte <= 0xE9 or 0xF0 <= byte <= 0xF9)
    return sample.count(0x20) * 10 < sample.count(0x40) and (letters + sample.count(0x40)) * 10 > len(sample) * 6


def write(path: str, data: bytes, instead_of: bytes | None = None) -> None:
    """Replaces a file as a whole, keeping mode and owner; a new one is readable by its owner only (it has passwords).

    :param instead_of: what the file must still hold.  :raises TreeChanged: it holds something else.
    """
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    handle, temporary = tempfile.mkstemp(prefix=".goldroot-", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            _like(target, handle)
            file.write(data)
            file.flush()
            os.fsync(handle)
        if instead_of is not None and read(target) != instead_of:
            raise TreeChanged(f"{path!r} was changed meanwhile", meaning="Nothing was written.", todo="Run it again.")
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
    _sync(folder)


def _like(target: str, handle: int) -> None:
    """Gives the new file the mode and, where permitted, the owner of the one that it replaces."""
    try:
        old = os.stat(target)
    except FileNotFoundError:
        return
    if not stat.S_ISREG(old.st_mode):
        raise Refused(f"{target!r} is not a regular file", meaning="It is not replaced.")
    os.fchmod(handle, stat.S_IMODE(old.st_mode))
    if (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()) and os.geteuid() == 0:
        os.fchown(handle, old.st_uid, old.st_gid)


def _sync(folder: str) -> None:
    handle = os.open(folder or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
