"""A published gold version: its record, signed, what stands beside it, and whether its disks are what was published.

::

    images/debian/gold/2/
    ├── record.json       canonical JSON: what this version is, with the digest of everything below and of the disks
    ├── record.json.sig   the signature of its bytes by the site's key (``ssh-keygen -Y sign``)
    ├── 1B1.manifest      the manifest of each disk, with the inodes and times of gold's own files
    ├── accounts.json     names and numbers of users and groups (no passwords)
    └── packages.json     names, versions, architectures
    images/debian/gold/2/on-west/1B1.manifest    the same as the copy on the host ``west`` has them: other inodes
    images/debian/gold/2/on-west/hashes.json     root hashes of its disks, and their signature (:mod:`goldroot.image.hashes`)
    images/debian/gold/.3.new/    a version that is being published; its directory is renamed when it is complete

The catalog says which versions there are; the record says what one is.  It is verified whenever a version is opened.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from goldroot.accounts import AccountTables
from goldroot.catalog import AccountKind, LocalAccount, LocalAccounts, Tx, copies, images
from goldroot.catalog import gold as catalog_gold
from goldroot.errors import BadInput, BadSignature, GoldrootError, NewerVersion, NotFound
from goldroot.hosts import LIVE, Host, Opened, find_entry, own_disks
from goldroot.site import Layout, Site, former_names, parse_layout, refuse_renaming, verify_gold_document
from goldroot.system import Package
from goldroot.tree import Manifest, Progress, path_text, scan_tree

if TYPE_CHECKING:
    from goldroot.image.changes import Change

#: The shape of a record.  1 had the slot and the ids of the disks, too, which are a host's matter.
SCHEMA = 2

RECORD, SIGNATURE = "record.json", "record.json.sig"
#: What is beside them, as files of JSON whose digests the record has.
_BESIDE = ("accounts", "packages")


@dataclass(frozen=True)
class Gold:
    """One gold version, opened.  ``record`` is what was signed; ``slot`` the machine on ``host_name`` that owns its disks."""

    site: Site
    image: str
    number: int
    slot: str
    host_name: str
    record: Mapping[str, Any]

    @property
    def host(self) -> Host:
        """Where its disks are."""
        return self.site.host_named(self.host_name)

    @cached_property
    def layout(self) -> Layout:
        return parse_layout(self.record["layout"]["text"], f"the layout of {self.image} {self.number}")

    @property
    def addresses(self) -> list[str]:
        return sorted(self.record["disks"])

    @cached_property
    def disks(self) -> Mapping[str, str]:
        """The ids of its disks, by address.

        :raises NotFound: they are being removed.
        :raises BadSignature: the slot does not hold this version.
        """
        entry = find_entry(self.host, self.slot)
        mark = entry.marks.get(LIVE)
        if mark is not None and (mark.state, mark.image, mark.version) == ("removing", self.image, self.number):
            raise NotFound(
                f"the disks of gold version {self.number} of {self.image} are being removed",
                meaning="A retirement was begun, and ended before its time.",
                todo=f"Finish it: goldroot gold retire {self.image} {self.number} --remove",
            )
        if mark is None or (mark.state, mark.image, mark.version) != ("gold", self.image, self.number):
            raise BadSignature(
                f"{self.slot} does not hold gold version {self.number} of {self.image}",
                meaning="The catalog says that it does: one of the two was put back from a backup.",
                todo="Put back the one that goes with the other, or publish a new version.",
            )
        return own_disks(entry)

    @contextmanager
    def open(self, addresses: Iterable[str] | None = None) -> Iterator[Mapping[str, Opened]]:
        """Its disks (all without addresses) by address, open for the block."""
        ids = {a: id for a, id in self.disks.items() if addresses is None or a in set(addresses)}
        with self.host.open_disks(dict.fromkeys(ids.values(), "ro")) as opened:
            yield {address: opened[id] for address, id in ids.items()}

    def manifest(self, address: str) -> Manifest:
        """What a disk holds. :raises BadSignature: the stored manifest is not there, or is not the signed one."""
        signed = self.record["disks"][address]["digest"]
        place = copy_directory(self.site, self.image, self.number, self.host_name)
        if not os.path.isdir(place):
            place = directory_of(self.site, self.image, self.number)
        file = os.path.join(place, f"{address}.manifest")
        try:
            manifest = Manifest.load(file, digest=signed)
        except BadInput as error:
            raise _changed(self, f"the manifest of {address}", error.brief) from error
        if manifest.digest() != signed:
            raise _changed(self, f"the manifest of {address}")
        return manifest

    def check_beside(self) -> None:
        """See that the accounts and packages that stand beside the record are what was signed: the next publish needs them.

        :raises BadSignature: they are not.
        """
        for name in _BESIDE:
            self._beside(name)

    @cached_property
    def accounts(self) -> AccountTables:
        """The account tables, read from gold's own /etc; settings that are in /usr/etc alone, from there."""
        address, vendors = (self.layout.disk_of(path).address for path in (b"etc", b"usr/etc"))
        with self.open([address]) as opened:
            tables = AccountTables.read(opened[address].path, b"etc")
        if tables.complete or vendors == address:
            return tables
        with self.open([vendors]) as opened:
            return tables.with_vendors(opened[vendors].path)

    @cached_property
    def numbers(self) -> Mapping[str, Mapping[str, int]]:
        """``users`` and ``groups``: name -> number, as they were at publishing."""
        numbers: Mapping[str, Mapping[str, int]] = self._beside("accounts")
        return numbers

    @cached_property
    def packages(self) -> tuple[Package, ...]:
        return tuple(Package(*package) for package in self._beside("packages"))

    def _beside(self, name: str) -> Any:
        try:
            with open(os.path.join(directory_of(self.site, self.image, self.number), f"{name}.json"), "rb") as file:
                content = file.read()
        except (FileNotFoundError, IsADirectoryError) as error:
            raise _changed(self, f"{name}.json", str(error.strerror)) from error
        if hashlib.sha256(content).hexdigest() != self.record[name]["digest"]:
            raise _changed(self, f"{name}.json")
        return json.loads(content)


def canonical(data: object) -> bytes:
    """JSON that is the same bytes for the same data: sorted keys, no spaces, ASCII."""
    return json.dumps(data, sort_keys=True, separators=(",", ":")).encode("ascii") + b"\n"


def directory_of(site: Site, image: str, number: int, *, new: bool = False) -> str:
    """The directory of a version, or (``new``) of one that is being published."""
    return site.image_path(image, "gold", f".{number}.new" if new else str(number))


def copy_directory(site: Site, image: str, number: int, host: str) -> str:
    """What is kept of a version's copy on a host that it was not published on."""
    return os.path.join(directory_of(site, image, number), f"on-{host}")


def open_version(site: Site, image: str, number: int | None = None, host: str = "") -> Gold:
    """A gold version by its number, else the current one; the signature of its record is verified.

    :param host: whose copy; "": of the image's home, or of another host where that has none.
    :raises NotFound: there is none, or its disks have given way to a newer one, or that host has no copy.
    :raises BadSignature: its record is not what a signer of this site signed.
    :raises Refused: the image is being renamed.
    """
    if site.is_renaming():
        refuse_renaming(site, image)
    with site.catalog.read() as tx:
        known = newest_gold(tx, image) if number is None else catalog_gold.get(tx, image, number, host)
        if host and known.host != host:
            known = catalog_gold.get(tx, image, known.number, host)
        if known.copy != "whole" or known.state == "publishing":
            known = _elsewhere(tx, known, host)
    assert known.slot_name is not None
    return Gold(site, image, known.number, known.slot_name, known.host, read_gold_record(site, image, known.number))


def _elsewhere(tx: Tx, known: catalog_gold.GoldVersion, host: str) -> catalog_gold.GoldVersion:
    """The same version on another host than the one that has no copy, where any will do; see :func:`open_version`."""
    what = f"gold version {known.number} of {known.image}"
    there = [one.host for one in copies.every(tx, known.image, known.number) if one.state == "whole"]
    if known.state == "publishing" or not there:
        why = "is being published" if known.state == "publishing" else "has given its slot to a newer one"
        raise NotFound(f"{what} {why}", todo=f"See: goldroot gold list {known.image}")
    if host:
        raise NotFound(
            f"{what} has no copy on host {host}",
            meaning=f"It has one on {', '.join(there)}. A server links gold on its own host.",
            todo=f"Make one with: goldroot gold replicate {known.image} {known.number} --to {host}",
        )
    return catalog_gold.get(tx, known.image, known.number, there[0])


def newest_gold(tx: Tx, image: str) -> catalog_gold.GoldVersion:
    """The newest published version.

    :raises NotFound: there is none yet, all are retired, or there is no such image.
    """
    known = catalog_gold.current(tx, image)
    if known is None:
        images.get(tx, image)
        retired = any(version.state == "retired" for version in catalog_gold.every(tx, image))
        why = f"every gold version of {image} is retired" if retired else f"{image} has no gold version yet"
        raise NotFound(why, todo=f"Publish one with: goldroot gold publish {image}")
    return known


def current_gold(site: Site, image: str) -> Gold | None:
    """The newest published version, ``None`` before the first one."""
    with site.catalog.read() as tx:
        known = catalog_gold.current(tx, image)
    return None if known is None else open_version(site, image, known.number)


def read_gold_record(site: Site, image: str, number: int) -> Mapping[str, Any]:
    """The record of any version that ever was; it is verified once, as long as its files stay as they are.

    Verifying one starts a process, and a command asks for the same version several times.
    """
    directory = directory_of(site, image, number)
    seen = _seen(os.path.join(directory, RECORD), os.path.join(directory, SIGNATURE), site.key.allowed)
    known, record = site.verified.get((image, number), (None, {}))
    if seen is None or known != seen:
        record = _verified(site, image, number, directory)
        site.verified[image, number] = (seen, record)
    return record


def _seen(*files: str) -> tuple[tuple[int, ...], ...] | None:
    """What changes when one of these files is written; ``None`` where one is missing."""
    try:
        found = [os.stat(file) for file in files]
    except FileNotFoundError:
        return None
    return tuple((one.st_dev, one.st_ino, one.st_size, one.st_mtime_ns, one.st_ctime_ns) for one in found)


def _verified(site: Site, image: str, number: int, directory: str) -> Mapping[str, Any]:
    what = f"gold version {number} of {image}"
    try:
        with open(os.path.join(directory, RECORD), "rb") as file:
            document = file.read()
        with open(os.path.join(directory, SIGNATURE), encoding="utf-8", errors="replace") as file:
            signature = file.read()
    except FileNotFoundError as error:
        raise BadSignature(
            f"{what} has no signed record: {error.filename} is missing",
            meaning="Nobody can say whether its disks are what was published.",
            todo="Put the image's directory back from a backup, or publish a new version.",
        ) from None
    site.key.verify(document, signature, what)
    record: Mapping[str, Any] = json.loads(document)
    if record["schema"] > SCHEMA:
        raise NewerVersion(f"{what} was published by a newer goldroot", todo="Use that one for this site.")
    # An image that was renamed: its records name it as it was called when they were signed.
    its_name = record["image"] == image or record["image"] in former_names(site, image)
    if record["version"] != number or not its_name:
        raise BadSignature(f"the record of {what} is that of {record['image']} {record['version']}")
    return record


def papers_hold(directory: str, signers: str) -> dict[str, bool]:
    """Which files of a version's directory go with its signed record; none where that does not hold.

    :param directory: of the version, wherever it stands.
    :param signers: the list of those whose signatures count.
    """
    try:
        with open(os.path.join(directory, RECORD), "rb") as file:
            document = file.read()
        with open(os.path.join(directory, SIGNATURE), encoding="utf-8", errors="replace") as file:
            verify_gold_document(signers, document, file.read())
        record = json.loads(document)
        disks = {address: str(disk["digest"]) for address, disk in record["disks"].items()}
        beside = {f"{name}.json": str(record[name]["digest"]) for name in _BESIDE}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, GoldrootError):
        return {}
    good = {RECORD: True, SIGNATURE: True}
    for place, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(place, name)
            shown, address = os.path.relpath(path, directory), name.removesuffix(".manifest")
            if name != address:
                good[shown] = address in disks and _has_digest(path, disks[address])
            elif name in beside:
                with open(path, "rb") as file:
                    good[shown] = hashlib.sha256(file.read()).hexdigest() == beside[name]
    return good


def _has_digest(path: str, digest: str) -> bool:
    try:
        return Manifest.load(path, digest=digest).digest() == digest
    except GoldrootError:
        return False


def _changed(gold: Gold, what: str, why: str = "") -> BadSignature:
    return BadSignature(
        f"{what} of {gold.image} {gold.number} is not what was signed" + (f": {why}" if why else ""),
        meaning="It was changed or damaged after it was published.",
        todo=f"Put {directory_of(gold.site, gold.image, gold.number)} back from a backup (goldroot restore).",
    )


def changes_of(
    disk: Opened, manifest: Manifest, known: Manifest | None, progress: Progress | None = None
) -> Iterator[Change]:
    """What on a disk of a version is not as published; files that are as ``known`` says are believed, not read."""
    found = scan_tree(disk.path, known=known, progress=progress).manifest
    if found.digest() == manifest.digest():  # as nearly always: then no row is looked at
        return iter(())
    from goldroot.image.changes import changes_between
    from goldroot.image.systems import as_recorded

    return changes_between(manifest, as_recorded(found, manifest))


def check_genuine(gold: Gold) -> None:
    """See that a version's disks are what was published; once for each opening of the site.

    The inodes are believed, or what the host gives as a proof, where it gives one: on a sealed image inodes prove nothing.

    Who works with gold's files does this first: what was written into a slot must not spread to the clones.

    :raises BadSignature: they are not; the error names the first paths.
    """
    what = gold.image, gold.number, gold.host_name
    if what in gold.site.genuine:
        return
    untouched = _untouched(gold)
    if untouched:
        gold.site.genuine.add(what)
        return
    with gold.open() as opened:
        manifests = {address: gold.manifest(address) for address in opened}
        found = {
            address: list(changes_of(opened[address], known, known if untouched is None else None))
            for address, known in manifests.items()
        }
    for address, changed in found.items():
        if changed:
            named = ", ".join("/" + path_text(change.path) for change in changed[:3])
            copied = all(change.only_time for changes in found.values() for change in changes)
            raise BadSignature(
                f"the disk {address} of gold version {gold.number} of {gold.image} is not what was published: {named}"
                + (f" and {len(changed) - 3} more" if len(changed) > 3 else ""),
                meaning="Only times differ, as after a copy that keeps whole seconds. Nothing was taken from it."
                if copied
                else "It was written after it was signed. Nothing was taken from it.",
                todo="If the site was copied: goldroot doctor --repair reads it, and accepts it where it has what was published."
                if copied
                else f"Look with `goldroot gold verify {gold.image} {gold.number}`; put the disk back, or publish again.",
            )
    gold.site.genuine.add(what)


def _untouched(gold: Gold) -> bool | None:
    """Whether the host proves that nobody wrote to the disks since they were sealed; ``None``: it has no proof."""
    with gold.site.catalog.read() as tx:
        copy = copies.find(tx, gold.image, gold.number, gold.host_name)
    then = {} if copy is None else dict(copy.evidence)
    if not then or not all(then.values()):
        return None
    from goldroot.image.filling import evidence_of

    return evidence_of(gold.host, gold.disks) == then


def local_accounts(base: AccountTables, own: AccountTables) -> LocalAccounts:
    """How a clone's accounts differ from its gold's: what the catalog keeps of them."""
    local = [
        LocalAccount(kind, name, now)
        for kind, before, mine in _kinds(base, own)
        for name in sorted({*before, *mine})
        if (now := mine.get(name)) != before.get(name)
    ]
    return LocalAccounts(tuple(local), {"users": [*own.login_defs.users], "groups": [*own.login_defs.groups]})


def _kinds(
    base: AccountTables, own: AccountTables
) -> tuple[tuple[AccountKind, Mapping[bytes, int], Mapping[bytes, int]], ...]:
    return ("user", base.users, own.users), ("group", base.groups, own.groups)
