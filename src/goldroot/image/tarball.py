"""Unpacking a tar of a root file system.  An archive is hostile input.

Python's ``tarfile`` reads headers; everything that touches a file is done here, by directory descriptor and without
following any link, so that no name can lead out of the tree.  What no honest archive of a root file system has (``..``,
absolute names, names that lead through a link, hard links to what is not in the archive) is refused as a whole.
"""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from tarfile import HeaderError, ReadError
from typing import IO, Any, Self, cast

import zstandard

from goldroot.errors import BadInput, NoPermission
from goldroot.files import open_given
from goldroot.image.unpack import Unpacked, Unpacker
from goldroot.tree import Progress

#: How a compressed archive begins -> what it is.
_MAGIC = {b"\x1f\x8b": "gz", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zst", b"BZh": "bz2"}

_BROKEN = (
    tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, zstandard.ZstdError, ValueError,
    OverflowError,
)  # fmt: skip


def unpack(archive: str, out: str, *, progress: Progress | None = None) -> Unpacked:
    """Unpack a tar (plain, gz, xz, zst, bz2) into the empty directory ``out``.

    Unprivileged, owners are not set but returned, and device nodes are noted.

    :raises BadInput: no tar, damaged, or with something in it that no root file system has; the error names it.
    :raises NoSpace, NoPermission: from writing.
    """
    with _opened(archive) as stream:
        return unpack_stream(stream, out, shown=archive, progress=progress)


def unpack_stream(
    stream: IO[bytes], out: str, *, shown: str, whole: bool = True, progress: Progress | None = None
) -> Unpacked:
    """Unpack a plain tar as it arrives; see :func:`unpack`.

    :param shown: what it is, for messages.  :param whole: it is a root file system, not files of one.
    """
    with Unpacker(out) as unpacker:
        try:
            with tarfile.open(
                fileobj=stream, mode="r|", encoding="utf-8", errors="surrogateescape", tarinfo=_Member, bufsize=_READ
            ) as tar:
                while (member := tar.next()) is not None:
                    # The list of all members, which nobody needs, would grow with the archive.
                    cast(Any, tar).members.clear()
                    unpacker.add(tar, member)
                    if progress:
                        progress(1)
        except _BROKEN as error:
            raise BadInput(
                f"{shown} cannot be read as a tar archive: {error or type(error).__name__}",
                meaning="It is damaged or cut off, or something else. Nothing was imported.",
                todo="Look at it with `tar -tvf`, and make it again.",
            ) from error
        return unpacker.finish(whole=whole)


#: Bytes that are read at once.
_READ = 1 << 20


class _Member(tarfile.TarInfo):
    """Says when an archive stops without its end mark: ``tarfile`` alone takes a cut-off archive for a short one."""

    @classmethod
    def fromtarfile(cls, tarfile: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(tarfile)
        except HeaderError as error:
            if type(error).__name__ == "EOFHeaderError":
                raise
            raise ReadError(f"no header where one must be ({error})") from error


@contextmanager
def _opened(archive: str) -> Iterator[IO[bytes]]:
    try:
        file = open_given(archive)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise BadInput(f"{archive}: {error.strerror}", todo="Name a directory or a tar archive.") from None
    except PermissionError:
        raise NoPermission(f"{archive} cannot be read", todo="Run it as somebody who may read it.") from None
    except OSError as error:
        raise BadInput(f"{archive}: {error.strerror}", todo="Name a directory or a tar archive.") from None
    with file:
        head = file.peek(6)[:6] if isinstance(file, io.BufferedReader) else b""
        kind = next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), "")
        with _decompressed(file, kind) as stream:
            yield stream


def _decompressed(file: IO[bytes], kind: str) -> IO[bytes]:
    if kind == "gz":
        return cast(IO[bytes], gzip.GzipFile(fileobj=file))
    if kind == "xz":
        return cast(IO[bytes], lzma.LZMAFile(file))
    if kind == "bz2":
        import bz2

        return cast(IO[bytes], bz2.BZ2File(file))
    if kind == "zst":
        reader = zstandard.ZstdDecompressor(max_window_size=1 << 31).stream_reader(file, read_across_frames=True)
        return cast(IO[bytes], io.BufferedReader(cast(io.RawIOBase, reader), 1 << 20))
    return file
