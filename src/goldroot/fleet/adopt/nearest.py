"""Which gold version is nearest to a server, and which packages differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from goldroot.catalog import copies
from goldroot.catalog import gold as catalog_gold
from goldroot.errors import NotFound, Refused
from goldroot.image import Gold, newest_gold, open_version
from goldroot.site import Site
from goldroot.system import Package, PackageChange, compare_packages


@dataclass(frozen=True, slots=True)
class Distance:
    """How far a version is from the server: packages (or files, where ``by`` is ``content``) that differ."""

    number: int
    differ: int
    by: str


@dataclass(frozen=True, slots=True)
class PackagesBeside:
    """What the server's packages are beside gold's; ``old`` of a change is the server's version, ``new`` is gold's."""

    missing: tuple[PackageChange, ...]  #: gold has them, the server does not
    extra: tuple[PackageChange, ...]  #: the server has them, gold does not
    other: tuple[PackageChange, ...]  #: both have them, in other versions


def published(site: Site, image: str, host: str) -> list[Gold]:
    """The versions of an image that a server on this host can be made from, newest first.

    :raises NotFound: there is none.
    """
    with site.catalog.read() as tx:
        newest_gold(tx, image)
        numbers = [
            one.number
            for one in catalog_gold.every(tx, image)
            if one.state == "published"
            and any(copy.host == host and copy.state == "whole" for copy in copies.every(tx, image, one.number))
        ]
    if not numbers:
        raise NotFound(
            f"no gold version of {image} has a copy on host {host}",
            todo=f"Make one with: goldroot gold replicate {image} N --to {host}",
        )
    return [open_version(site, image, number, host) for number in sorted(numbers, reverse=True)]


def refuse_retired(site: Site, image: str, number: int) -> None:
    """:raises Refused: no clone is made from this version any more."""
    with site.catalog.read() as tx:
        state = catalog_gold.get(tx, image, number).state
    if state != "published":
        raise Refused(f"gold version {number} of {image} is {state}", todo="Take a published version, or the nearest.")


def by_packages(versions: Iterable[Gold], installed: tuple[Package, ...]) -> list[Distance]:
    """The distance of each version by the package database; none where one side has no packages."""
    if not installed:
        return []
    known = [(gold.number, gold.packages) for gold in versions]
    return [
        Distance(number, len(compare_packages(installed, packages)), "packages")
        for number, packages in known
        if packages
    ]


def by_content(versions: Iterable[Gold], differ: Callable[[Gold], int]) -> list[Distance]:
    """The distance of each version by the files that all servers share."""
    return [Distance(gold.number, differ(gold), "content") for gold in versions]


def nearest(distances: Sequence[Distance]) -> int:
    """The number of the version that differs least; of equal ones the newest."""
    return min(distances, key=lambda one: (one.differ, -one.number)).number


def packages_beside(server: tuple[Package, ...], gold: tuple[Package, ...]) -> PackagesBeside:
    """What the packages of a server are beside those of a version."""
    changes = compare_packages(server, gold)
    return PackagesBeside(
        tuple(one for one in changes if not one.old),
        tuple(one for one in changes if not one.new),
        tuple(one for one in changes if one.old and one.new),
    )


#: Architectures of packages that run anywhere.
_ANYWHERE = {"all", "noarch", "(none)", ""}


def refuse_architecture(gold: Gold, installed: tuple[Package, ...]) -> None:
    """:raises Refused: the server's programs are of another architecture than gold's."""
    theirs, ours = ({one.architecture for one in packages} - _ANYWHERE for packages in (installed, gold.packages))
    if theirs and ours and not theirs & ours:
        raise Refused(
            f"the server's packages are for {', '.join(sorted(theirs))}, and those of {gold.image} {gold.number} for "
            f"{', '.join(sorted(ours))}",
            meaning="Nothing of its own could run there. Nothing was made.",
            todo="Adopt it into an image of its own architecture.",
        )
