"""Which paths of a system stand on which disk of a machine: a table of the host, by place, as the layout has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from goldroot.errors import BadInput
from goldroot.hosts.machines.powered import Given
from goldroot.hosts.sets import place_of


def usual_paths() -> dict[str, list[str]]:
    """Those of the layout ``readonly-root``."""
    return {"B1": ["/"], "B5": ["/etc", "/root", "/srv", "/home", "/usr/local"], "B6": ["/var"]}


def check_paths(paths: Mapping[str, Sequence[str]]) -> None:
    """:raises ValueError: a place or path is not one, or a path stands on two disks."""
    seen: set[str] = set()
    for place, listed in paths.items():
        if len(place) != 2 or not set(place) <= set("0123456789ABCDEF"):
            raise ValueError(f"{place!r} is not a place: two hexadecimal digits")
        for path in listed:
            if (path != "/" and any(step in ("", ".", "..") for step in path.split("/")[1:])) or path[:1] != "/":
                raise ValueError(f"{path!r} is not an absolute path in its shortest form")
            if path in seen:
                raise ValueError(f"{path!r} stands on two disks")
            seen.add(path)


def ordered(name: str, disks: Sequence[Given], paths: Mapping[str, Sequence[str]]) -> Iterator[tuple[Given, str]]:
    """Every disk with each of its paths, parents before what is in them.

    :raises BadInput: no disk has the root, or a disk's place has no paths.
    """
    found: list[tuple[Given, str]] = []
    for given in disks:
        place = place_of(given.address)
        if place not in paths:
            raise BadInput(
                f"{name} has a disk at {given.address}, and this host does not know where its files belong",
                todo=f'Add the place to the host\'s table: paths = {{{place} = ["/..."], ...}}.',
            )
        found += [(given, path) for path in paths[place]]
    if not any(path == "/" for _, path in found):
        raise BadInput(f"no disk of {name} has the root", todo="Its entry needs a link or disk whose place has '/'.")
    return iter(sorted(found, key=lambda one: one[1].strip("/").split("/") if one[1] != "/" else []))
