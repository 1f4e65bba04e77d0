"""Gold that was copied: its files have other inodes than those that are known, and perhaps times in whole seconds.

A plain tar keeps the seconds of a time and no more, and the signed digest of a disk has them exactly.  Where everything else
is what was published, byte for byte, the times are put back as they were signed: nothing that anybody wrote is lost by it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Literal

from goldroot.catalog import copies
from goldroot.errors import BadSignature
from goldroot.files import Cursor, split
from goldroot.hosts import Opened
from goldroot.image.changes import changes_between
from goldroot.image.filling import evidence_of
from goldroot.image.gold_version import Gold, copy_directory, directory_of
from goldroot.image.systems import as_recorded
from goldroot.tree import Entry, Manifest, Progress, path_text, scan_tree

SECOND = 1_000_000_000

#: same: as it was published, as far as can be told without reading.  copied: times have lost their parts of a second, and
#: nothing else is another.  changed: more is.
Look = Literal["same", "copied", "changed"]


def is_replaced(gold: Gold) -> bool:
    """Whether the disks of a version are other ones than what was published, where the host has a proof that they may be.

    That proof is cheap.  Only where it does not hold, as after a copy of the store, all but contents and inodes is compared.
    """
    return bool(_proof(gold)) and look_at_copy(gold) == "changed"


def look_at_copy(gold: Gold) -> Look:
    """How the disks of a version stand, without reading a file: by what the host proves, or by all but contents and inodes.

    :raises BadSignature: a manifest is not what was signed.
    """
    if (proof := _proof(gold)) and evidence_of(gold.host, gold.disks) == proof:
        return "same"
    looks: set[Look] = {"same"}
    with gold.open() as opened:
        for address, disk in opened.items():
            known = gold.manifest(address)
            now = as_recorded(scan_tree(disk.path, contents=False).manifest, known)
            looks.add(_look(known, now))
    return max(looks, key=("same", "copied", "changed").index)


def _proof(gold: Gold) -> dict[str, str]:
    """What the host proved of each disk when it was published; nothing, where it does not prove all of them."""
    with gold.site.catalog.read() as tx:
        copy = copies.find(tx, gold.image, gold.number, gold.host_name)
    proof = {} if copy is None else dict(copy.evidence)
    return proof if all(proof.values()) else {}


def _look(known: Manifest, now: Manifest) -> Look:
    if len(known) != len(now):
        return "changed"
    looks: Look = "same"
    for old, new in zip(known.rows(), now.rows(), strict=True):
        was, there = Entry._make(old), Entry._make(new)
        alike = there._replace(mtime=was.mtime, inode=was.inode, ctime=was.ctime)
        if was.kind == "f":
            alike = alike._replace(content=was.content)
        if was != alike:
            return "changed"
        if was.mtime == there.mtime or was.kind == "d":
            continue
        if not _is_rounded(was.kind, was.mtime, there.mtime):
            return "changed"  # no copy does that: it was written, or is of another version
        looks = "copied"
    return looks


def accept_copied(gold: Gold, progress: Progress | None = None) -> int:
    """Read the disks of a version, and take them as they stand where they hold what was published.

    :returns: how many times were put back.
    :raises BadSignature: something else differs; the error names the first paths.
    """
    put_back = 0
    with gold.open() as opened:
        found = {}
        for address, disk in opened.items():
            known = gold.manifest(address)
            now = as_recorded(scan_tree(disk.path, progress=progress).manifest, known)
            if changed := [one for one in changes_between(known, now) if not one.only_time]:
                named = ", ".join("/" + path_text(one.path) for one in changed[:3])
                raise BadSignature(
                    f"the disk {address} of gold version {gold.number} of {gold.image} is not what was published: {named}",
                    meaning="More than its times differs. Nothing was changed.",
                    todo=f"Look with: goldroot gold verify {gold.image} {gold.number}",
                )
            if late := [one for one in _times(known, now) if not _is_rounded(*one[1:])]:
                raise BadSignature(
                    f"the disk {address} of gold version {gold.number} of {gold.image} has a file with another time: "
                    f"/{path_text(late[0][0])}",
                    meaning="It is not the time that was published, without its parts of a second. Nothing was changed.",
                    todo=f"Look with: goldroot gold verify {gold.image} {gold.number}",
                )
            found[address] = now
        for address, now in found.items():
            put_back += _put_back(opened[address], gold.manifest(address), now)
            after = scan_tree(opened[address].path, known=now, writers="ended").manifest
            _save(gold, address, as_recorded(after, gold.manifest(address)))
    with gold.site.catalog.begin() as tx:
        copies.note_evidence(tx, gold.image, gold.number, gold.host_name, evidence_of(gold.host, gold.disks))
    return put_back


def _times(known: Manifest, now: Manifest) -> Iterator[tuple[bytes, str, int, int]]:
    """Where the times differ: path, kind, the time as signed, and as it is."""
    for old, new in zip(known.rows(), now.rows(), strict=True):
        was, there = Entry._make(old), Entry._make(new)
        if was.mtime != there.mtime:
            yield was.path, was.kind, was.mtime, there.mtime


def _is_rounded(kind: str, signed: int, now: int) -> bool:
    """Whether a time is the signed one with a coarser clock; a directory's follows from what was done in it."""
    return kind == "d" or (now % SECOND == 0 and abs(signed - now) < SECOND)


def _put_back(disk: Opened, known: Manifest, now: Manifest) -> int:
    """The times as they were signed; what is in a directory comes before it."""
    late = list(_times(known, now))
    cursor = Cursor(disk.handle)
    try:
        for path, _, signed, _ in reversed(late):
            above, name = split(path)
            place = cursor.at(above)
            accessed = os.stat(name, dir_fd=place, follow_symlinks=False).st_atime_ns
            os.utime(name, ns=(accessed, signed), dir_fd=place, follow_symlinks=False)
    finally:
        cursor.close()
    return len(late)


def _save(gold: Gold, address: str, manifest: Manifest) -> None:
    if manifest.digest() != gold.record["disks"][address]["digest"]:
        raise BadSignature(
            f"the disk {address} of gold version {gold.number} of {gold.image} is not what was signed",
            meaning="Its times were put back, and something else differs.",
            todo=f"Look with: goldroot gold verify {gold.image} {gold.number}",
        )
    place = copy_directory(gold.site, gold.image, gold.number, gold.host_name)
    if not os.path.isdir(place):
        place = directory_of(gold.site, gold.image, gold.number)
    manifest.save(os.path.join(place, f"{address}.manifest"))
