"""The file of a backup: a plain tar, with what it is at its beginning and what is in it, with checksums, at its end.

::

    goldroot-backup.json      what made it, when, of which site: the first member, so that a foreign file is refused at once
    site/...                  files of the site, by their paths in it
    host/NAME/...             files of a host's store
    manifest.json             every member with its size and SHA-256: the last one, so that a part of a backup is none

It is hostile input when it is read: nothing but plain files with names of this form is taken, and nothing is put anywhere
before all of it was read and is what its manifest says.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import IO, Any, BinaryIO

from goldroot import files
from goldroot.catalog import now
from goldroot.errors import BadInput, NewerVersion, NoPermission, Refused
from goldroot.files import json_of, open_given
from goldroot.version import __version__

#: The shape of the file.
SCHEMA = 1
HEAD, MANIFEST = "goldroot-backup.json", "manifest.json"

#: A member's name: no empty part, none that begins with a dot, nothing but what goldroot's own files are called.
_PART = r"[A-Za-z0-9_@+=,][A-Za-z0-9._@+=,-]{0,199}"
_NAME = re.compile(rf"(?:site|host)(?:/{_PART}){{1,12}}")

#: The most that the two JSON members may have, in bytes.
_MOST_JSON = 256 << 20
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class BackupHead:
    """What a backup is of."""

    goldroot: str
    made_at: str  #: UTC, ISO 8601
    root: str  #: of the site, as it was
    stores: Mapping[str, str]  #: host -> label of its store
    catalog: bool  #: whether the catalog is in it


def is_name(name: str) -> bool:
    """Whether a backup has members of that name."""
    return _NAME.fullmatch(name) is not None


class BackupWriter:
    """Adds members to a backup; see :func:`new_backup`."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self.files: dict[str, dict[str, Any]] = {}

    def add(self, name: str, source: BinaryIO) -> None:
        """A member with all that is left of a file."""
        size = os.fstat(source.fileno()).st_size
        reader = _Hashing(source)
        self._tar.addfile(_member(name, size), reader)
        self.files[name] = {"name": name, "size": size, "sha256": reader.digest.hexdigest()}

    def add_json(self, name: str, data: object) -> None:
        """A member that is not in the manifest: the first and the last one."""
        from io import BytesIO

        content = json.dumps(data, indent=1).encode()
        self._tar.addfile(_member(name, len(content)), BytesIO(content))


class _Hashing:
    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        block = self._source.read(size)
        self.digest.update(block)
        return block


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, files.FILE_MODE
    return member


@contextmanager
def new_backup(path: str, head: BackupHead) -> Iterator[BackupWriter]:
    """Write a backup; the file has its name when it is complete, is its owner's alone, and a former backup goes then.

    :raises Refused: something else is there under that name.
    """
    refuse_other_file(path)
    passing = f"{path}.new"
    handle = files.open_new(passing)
    try:
        with os.fdopen(handle, "wb") as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
                writer = BackupWriter(tar)
                writer.add_json(HEAD, {"goldroot_backup": SCHEMA, **_head_data(head)})
                yield writer
                writer.add_json(MANIFEST, {"files": list(writer.files.values())})
            file.flush()
            os.fsync(file.fileno())
        os.replace(passing, path)
    except BaseException:
        os.unlink(passing)
        raise


def refuse_other_file(path: str) -> None:
    """:raises Refused: there is a file of that name that is not a backup. :raises BadInput: it cannot be made there."""
    if not os.path.isdir(os.path.dirname(os.path.abspath(path))):
        raise BadInput(
            f"there is no directory {os.path.dirname(os.path.abspath(path))!r}", meaning="Nothing was written."
        )
    if not os.path.lexists(path):
        return
    try:
        with open_given(path) as file, tarfile.open(fileobj=file, mode="r:") as tar:
            first = tar.next()
            if first is not None and first.name == HEAD:
                return
    except (OSError, tarfile.TarError, ValueError):
        pass
    raise Refused(
        f"{path} is there, and is not a backup of goldroot",
        meaning="It was not touched.",
        todo="Name another file. A former backup is replaced when the new one is complete.",
    )


def _head_data(head: BackupHead) -> dict[str, Any]:
    return {
        "goldroot": head.goldroot, "made_at": head.made_at, "root": head.root, "stores": dict(head.stores),
        "catalog": head.catalog,
    }  # fmt: skip


def new_head(root: str, stores: Mapping[str, str], *, catalog: bool) -> BackupHead:
    """What a backup that is made now says of itself."""
    return BackupHead(__version__, now(), root, stores, catalog)


#: Where the content of a member goes: a file, open for the block; ``None``: it is only read.
Sink = Callable[[str], AbstractContextManager[IO[bytes]]]


def read_backup(path: str, sink: Sink | None = None) -> tuple[BackupHead, list[str]]:
    """Read a backup to its end, and see that it is what it says.

    :param sink: is asked for a place for each member, which nobody must believe before this returns.
    :returns: what it is of, and the names of its members.
    :raises BadInput: it is foreign, damaged, cut off or hostile. :raises NewerVersion: a newer goldroot wrote it.
    """
    try:
        with open_given(path) as file:
            size = os.fstat(file.fileno()).st_size
            with tarfile.open(fileobj=file, mode="r:", errorlevel=2) as tar:
                return _read(path, tar, sink, size)
    except (tarfile.TarError, EOFError, OverflowError, UnicodeError) as error:
        raise _bad(path, f"it is not a whole tar archive ({error or type(error).__name__})") from error
    except (FileNotFoundError, IsADirectoryError) as error:
        raise BadInput(f"{path}: {error.strerror}", todo="Name the file of a backup.") from None
    except PermissionError:
        raise NoPermission(f"{path} cannot be read", todo="Run it as somebody who may read it.") from None
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise BadInput(f"{path}: {error.strerror}", todo="Name the file of a backup.") from None


def _read(path: str, tar: tarfile.TarFile, sink: Sink | None, size: int) -> tuple[BackupHead, list[str]]:
    head: BackupHead | None = None
    found: dict[str, tuple[int, str]] = {}
    while (member := tar.next()) is not None:
        tar.members.clear()  # type: ignore[attr-defined]  # a list of them, which nobody needs, would grow with the file
        _check(path, member, size)
        if head is None:
            head = _head(path, member, tar)
        elif member.name == MANIFEST:
            _compare(path, _json(path, tar, member), found)
            if tar.next() is not None:
                raise _bad(path, "something follows its end")
            return head, list(found)
        else:
            if not is_name(member.name) or member.name in found:
                raise _bad(path, f"it has a member {member.name!r}{' twice' if member.name in found else ''}")
            found[member.name] = _take(path, tar, member, sink)
    if head is None:
        raise _bad(path, "it is empty")
    raise _bad(path, "it was cut off")


def _check(path: str, member: tarfile.TarInfo, size: int) -> None:
    if not member.isreg() or member.issparse() or member.pax_headers.keys() - {"path"}:
        raise _bad(path, f"its member {member.name!r} is not a plain file")
    if not 0 <= member.size <= size:
        raise _bad(path, f"its member {member.name!r} says that it has {member.size} bytes")


def _head(path: str, member: tarfile.TarInfo, tar: tarfile.TarFile) -> BackupHead:
    if member.name != HEAD:
        raise _bad(path, f"it begins with {member.name!r}")
    data = _json(path, tar, member)
    schema = data.get("goldroot_backup")
    if type(schema) is int and schema > SCHEMA:
        raise NewerVersion(f"{path} was written by a newer goldroot", todo="Use that one to restore it.")
    texts = [data.get(key) for key in ("goldroot", "made_at", "root")]
    stores = data.get("stores")
    if schema != SCHEMA or not all(isinstance(one, str) for one in texts) or not _is_texts(stores):
        raise _bad(path, "it does not say what it is of")
    if type(data.get("catalog")) is not bool:
        raise _bad(path, "it does not say whether the catalog is in it")
    return BackupHead(data["goldroot"], data["made_at"], data["root"], data["stores"], data["catalog"])


def _is_texts(data: object) -> bool:
    return isinstance(data, dict) and all(isinstance(one, str) for pair in data.items() for one in pair)


def _json(path: str, tar: tarfile.TarFile, member: tarfile.TarInfo) -> dict[str, Any]:
    if member.size > _MOST_JSON:
        raise _bad(path, f"its member {member.name!r} is too large")
    source = tar.extractfile(member)
    try:
        data = json_of(b"" if source is None else source.read())
    except ValueError as error:
        raise _bad(path, f"its member {member.name!r} is not JSON") from error
    if not isinstance(data, dict):
        raise _bad(path, f"its member {member.name!r} is not what it should be")
    return data


def _take(path: str, tar: tarfile.TarFile, member: tarfile.TarInfo, sink: Sink | None) -> tuple[int, str]:
    source = tar.extractfile(member)
    assert source is not None, "it is a plain file"
    digest, left = hashlib.sha256(), member.size
    with nullcontext() if sink is None else sink(member.name) as out:
        while left:
            block = source.read(min(_CHUNK, left))
            if not block:
                raise _bad(path, "it was cut off")
            digest.update(block)
            left -= len(block)
            if out is not None:
                out.write(block)
    return member.size, digest.hexdigest()


def _compare(path: str, data: Mapping[str, Any], found: Mapping[str, tuple[int, str]]) -> None:
    try:
        said = {one["name"]: (one["size"], one["sha256"]) for one in data["files"]}
    except (KeyError, TypeError) as error:
        raise _bad(path, "its manifest is not one") from error
    if said != found:
        wrong = sorted(str(name) for name in said.keys() | found.keys() if said.get(name) != found.get(name))
        raise _bad(path, f"{wrong[0]!r} is not what its manifest says")


def _bad(path: str, why: str) -> BadInput:
    return BadInput(
        f"{path} is not a backup that can be used: {why}",
        meaning="It is damaged, cut off, or something else. Nothing was changed.",
        todo="Take another backup; `goldroot restore FILE --plan` reads one to its end and changes nothing.",
    )
