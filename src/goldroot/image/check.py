"""Examining the maintenance system before it is published: ``goldroot gold check``.

What was accepted is kept beside the image, by finding: the next version may have it too, and not another one of its kind::

    images/debian/accepted.json    ["doubled:uid:100", "no-hashes"]
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from goldroot import files
from goldroot.accounts import AccountTables
from goldroot.errors import BadInput, Refused
from goldroot.hosts import Opened
from goldroot.image.changes import changes_between
from goldroot.image.gold_version import Gold, current_gold
from goldroot.image.maintain import existing_system
from goldroot.image.systems import MAINTENANCE, System
from goldroot.site import Site
from goldroot.system import (
    FINDINGS,
    Finding,
    OwnDisks,
    Tie,
    broken_references,
    doubtful,
    examine_accounts,
    host_ties,
    is_leftover,
    leftovers,
    remove_path,
)
from goldroot.tree import Entry, Manifest, Note, Progress

ACCEPTED = "accepted.json"

#: What a system writes by itself; beside logs, caches and histories it says nothing of what a gold is.
_OWN_DOING = (
    b"etc/machine-id", b"var/lib/dbus/machine-id", b"var/lib/systemd/random-seed", b"var/lib/urandom/random-seed", b"etc/.updated",
    b"var/.updated",
)  # fmt: skip
_CACHES = (b"var/cache/", b"run/")


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found in a maintenance system."""

    refused: tuple[Finding, ...] = ()  #: nobody has accepted these
    known: tuple[Finding, ...] = ()  #: the version before has them, too
    accepted: tuple[Finding, ...] = ()
    leftovers: tuple[tuple[str, bytes], ...] = ()  #: (disk's address, path)
    broken: tuple[str, ...] = ()  #: what the system points at and does not have
    ties: tuple[Tie, ...] = ()  #: what ties the system to one host: a publish is refused without ``--keep``
    doubtful: tuple[Note, ...] = ()  #: what is perhaps not meant for every server
    cleaned: int = 0  #: how many files were removed

    @property
    def words(self) -> list[str]:
        """What may be accepted, as ``--accept`` takes it."""
        return list(dict.fromkeys(finding.what for finding in self.refused))


def check_gold(
    site: Site, image: str, *, clean: bool = False, accept: Collection[str] = (), progress: Progress | None = None
) -> Checked:
    """Examine an image's maintenance system as it is now.

    :param clean: remove what working on it left: histories, logs, packages in caches, temporary files; no directory.
    :param accept: kinds of findings (see :data:`goldroot.system.FINDINGS`), or single ones by their keys; remembered for the
        versions to come.
    :raises BadInput: nothing that could be found has a name of ``accept``.
    :raises StillRunning: the system may be written just now.
    """
    refuse_unknown(accept)
    system = existing_system(site, image, MAINTENANCE)
    with (
        site.lock(f"image-{image}", doing=f"check of {image}"),
        system.host.hold(system.machine),
        system.open("rw" if clean else "ro") as opened,
    ):
        manifests = system.scan(opened, progress=progress)
        checked = examine(system, opened, manifests, current_gold(site, image), accept)
        remember(system, checked)
        if not clean:
            return checked
        for address, path in checked.leftovers:
            remove_path(opened[address].path, path)
        system.scan(opened, progress=progress)
    return replace(checked, leftovers=(), cleaned=len(checked.leftovers))


def examine(
    system: System,
    opened: Mapping[str, Opened],
    manifests: Mapping[str, Manifest],
    last: Gold | None,
    accept: Collection[str] = (),
) -> Checked:
    """Examine a maintenance system that was scanned, by its open disks; ``last`` is the version before."""
    tree = OwnDisks(system.layout, {address: disk.path for address, disk in opened.items()})
    tables = _tables(opened[system.layout.disk_of(b"etc").address].path)
    found = examine_accounts(tables, tree)
    before: set[str] = set()
    if last is not None and found:
        with last.open() as disks:
            its = OwnDisks(last.layout, {address: disk.path for address, disk in disks.items()})
            before = {finding.key for finding in examine_accounts(last.accounts, its)}
    taken = {*accept, *_remembered(system)}
    accepted = [finding for finding in found if finding.key in taken or finding.what in accept]
    rest = [finding for finding in found if finding not in accepted]
    return Checked(
        tuple(finding for finding in rest if finding.key not in before),
        tuple(finding for finding in rest if finding.key in before),
        tuple(accepted),
        tuple(leftovers(manifests)),
        tuple(_broken(system, manifests, tables, tree)),
        tuple(host_ties(tree)),
        tuple(doubtful(tree)),
    )


def refuse(image: str, checked: Checked) -> None:
    """:raises Refused: there is something that nobody has accepted."""
    if checked.refused:
        shown = "; ".join(finding.text for finding in checked.refused[:5])
        more = f"; and {len(checked.refused) - 5} more" if len(checked.refused) > 5 else ""
        words = " ".join(f"--accept {word}" for word in checked.words)
        raise Refused(
            f"{image} should not be published as it is: {shown}{more}",
            meaning="Every server made from it would have that. Nothing was published.",
            todo=f"Fix it in the maintenance system, or accept it: goldroot gold check {image} {words}",
        )


def refuse_unknown(accept: Iterable[str]) -> None:
    """:raises BadInput: a word to accept is the name of nothing that could be found."""
    for word in accept:
        if word.partition(":")[0] not in FINDINGS:
            raise BadInput(f"{word!r} is nothing that could be accepted", todo=f"Known are: {', '.join(FINDINGS)}.")


def equals_last(manifests: Mapping[str, Manifest], last: Gold | None, layout: str) -> bool:
    """Whether a system is what the version before is, but for times, logs, caches, histories and its own id.

    :param layout: the hash of the system's layout.
    """
    if last is None or last.layout.hash != layout or sorted(manifests) != last.addresses:
        return False
    return not any(
        True
        for address, manifest in manifests.items()
        if manifest.digest() != last.record["disks"][address]["digest"]
        for change in changes_between(last.manifest(address), manifest)
        if not (change.only_time or _is_own_doing(change.path))
    )


def _is_own_doing(path: bytes) -> bool:
    return path in _OWN_DOING or (path + b"/").startswith(_CACHES) or is_leftover(path)


def remember(system: System, checked: Checked) -> None:
    """Keep what was accepted for the versions to come."""
    known = _remembered(system)
    keys = sorted({*known, *(finding.key for finding in checked.accepted)})
    if keys != sorted(known):
        files.write(_file(system), json.dumps(keys).encode() + b"\n")


def _remembered(system: System) -> Sequence[str]:
    try:
        with open(_file(system), "rb") as file:
            return [str(key) for key in files.json_of(file.read())]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError) as error:
        raise BadInput(
            f"{_file(system)} is not JSON: {error}", todo="Remove it, and accept again what it held."
        ) from None


def _file(system: System) -> str:
    return system.site.image_path(system.image, ACCEPTED)


def _tables(root: str) -> AccountTables:
    return AccountTables.read(root, b"etc")


def _broken(system: System, manifests: Mapping[str, Manifest], tables: AccountTables, tree: OwnDisks) -> list[str]:
    def look(path: bytes) -> Entry | None:
        return manifests[system.layout.disk_of(path).address].get(path)

    def below(path: bytes) -> Iterator[Entry]:
        return manifests[system.layout.disk_of(path).address].below(path)

    return broken_references(look, below, tables, tree.read(b"etc/fstab") or b"")
