"""What of a path's metadata means something: labels, signatures and one flag change without anybody changing the path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from goldroot.merge.compare.parts import AT_FLAGS, AT_XATTRS, Row

#: They sign or measure the content, so they go where it goes and cannot survive a merge of it.
SIGNATURES = (b"security.ima", b"security.evm")

#: Security labels; a path without one says nothing of it (the system gives it one by its own rules).
LABELS = (
    b"security.selinux", b"security.SMACK64", b"security.SMACK64EXEC", b"security.SMACK64MMAP",
    b"security.SMACK64TRANSMUTE",
)  # fmt: skip

#: FS_NODUMP_FL: whether dump(8) takes the file, which nothing else reads.
NODUMP = 0x40


def canonical_flags(flags: int) -> int:
    """Inode flags without those that say nothing of how a file is used."""
    return flags & ~NODUMP


def labels_said(sides: Iterable[Iterable[bytes]]) -> frozenset[bytes]:
    """The labels that every side which has a path gives it; of others nothing can be said.

    :param sides: the names of the path's extended attributes on each side that has it.
    """
    held = [frozenset(names) for names in sides]
    return frozenset(name for name in LABELS if all(name in names for names in held))


def canonical_xattrs(xattrs: Mapping[bytes, bytes], said: frozenset[bytes]) -> dict[bytes, bytes]:
    """Extended attributes without signatures, which follow the content, and without labels that not all sides give."""
    return {
        name: value for name, value in xattrs.items() if name not in SIGNATURES and (name not in LABELS or name in said)
    }


def meant(row: Row, said: frozenset[bytes]) -> Row:
    """A row with only what means something."""
    flags = canonical_flags(row[AT_FLAGS])
    xattrs = tuple(canonical_xattrs(dict(row[AT_XATTRS]), said).items())
    if flags == row[AT_FLAGS] and xattrs == row[AT_XATTRS]:
        return row
    return (*row[:AT_XATTRS], xattrs, flags, *row[AT_FLAGS + 1 :])


def meant_of(rows: Iterable[Row | None]) -> list[Row | None]:
    """One path's rows on all sides with only what means something."""
    rows = list(rows)
    said = labels_said((name for name, _ in row[AT_XATTRS]) for row in rows if row is not None)
    return [None if row is None else meant(row, said) for row in rows]
