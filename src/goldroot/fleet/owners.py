"""Owners of files that a machine of a host cannot have: its numbers end below them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from goldroot.errors import Refused
from goldroot.hosts import Host
from goldroot.tree import Manifest, path_text

_SHOWN = 5


def refuse_owners(host: Host, name: str, trees: Iterable[Manifest]) -> None:
    """:raises Refused: a file has an owner above what a machine of this host can have; the error names them.

    :param name: of the clone.
    :param trees: of its disks, own and shared.
    """
    largest = host.abilities.largest_owner
    found = [one for tree in trees for one in _above(tree, largest)]
    if found:
        more = f", and {len(found) - _SHOWN:,} more" if len(found) > _SHOWN else ""
        raise Refused(
            f"{len(found):,} file{'s' if len(found) != 1 else ''} of {name} would have owners that a server on host "
            f"{host.name} cannot have: {'; '.join(found[:_SHOWN])}{more}",
            meaning=f"Numbers of users and groups end at {largest:,} there: inside, such a file would be nobody's, and nobody could "
            "change it. Nothing was made or switched.",
            todo="Give these files other owners, or use a host of another kind.",
        )


def _above(tree: Manifest, largest: int) -> Iterator[str]:
    columns = tree.columns
    if not len(tree) or max(max(columns.uids), max(columns.gids)) <= largest:
        return
    for path, uid, gid in zip(tree.paths(), columns.uids, columns.gids, strict=True):
        if max(uid, gid) > largest:
            yield f"/{path_text(path)} ({f'user {uid}' if uid > largest else f'group {gid}'})"
