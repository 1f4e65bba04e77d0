"""What the Tab key offers where a command takes the name of a clone or an image: those of the site."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

from goldroot.errors import GoldrootError

if TYPE_CHECKING:
    import click

    from goldroot.catalog import Tx


def clone_names(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """The clones whose names begin so; those that stand on the line already are left out."""
    from goldroot.catalog import clones

    given = context.params.get(parameter.name or "") if parameter.nargs == -1 else None
    found = _read(context, lambda tx: [one.name for one in clones.every(tx)])
    return [name for name in found if name.startswith(begun) and name not in (given or ())]


def image_names(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """The images whose names begin so."""
    from goldroot.catalog import images

    return [
        name for name in _read(context, lambda tx: [one.name for one in images.every(tx)]) if name.startswith(begun)
    ]


def _read(context: click.Context, names: Callable[[Tx], list[str]]) -> list[str]:
    """Names from the site that the command would work on; none where it cannot be read: this is no place for errors."""
    from goldroot.image.site import Site

    try:
        with closing(Site.open(context.params.get("site_dir"))) as site, site.catalog.read() as tx:
            return names(tx)
    except (GoldrootError, OSError):
        return []
