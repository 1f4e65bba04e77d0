"""What the Tab key offers where a command takes the name of a clone or an image: those of the site.

A catalog in SQLite is read here without SQLAlchemy, which is loaded for longer than a person waits for a key; and it is
only read: what a command may do at the opening, such as bringing an old schema up to date, is not a business of a key.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

from goldroot.cli.everywhere import named_site
from goldroot.errors import GoldrootError

if TYPE_CHECKING:
    import click

    from goldroot.site import Site

#: Tables of the catalog whose key is a name.
Kind = Literal["clones", "images"]
KINDS: tuple[Kind, ...] = ("clones", "images")


def clone_names(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """The clones whose names begin so; those that stand on the line already are left out."""
    given = context.params.get(parameter.name or "") if parameter.nargs == -1 else None
    return [name for name in _names(context, "clones") if name.startswith(begun) and name not in (given or ())]


def image_names(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """The images whose names begin so."""
    return [name for name in _names(context, "images") if name.startswith(begun)]


def clone_and_image_names(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """The clones, and then the images, whose names begin so."""
    return [name for kind in KINDS for name in _names(context, kind) if name.startswith(begun)]


def host_names(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """The hosts whose names begin so."""
    from goldroot.site import Site

    try:
        with closing(Site.open(named_site(context), looking=True)) as site:
            return [name for name in site.config.hosts if name.startswith(begun)]
    except (GoldrootError, OSError, ModuleNotFoundError):
        return []


def _names(context: click.Context, kind: Kind) -> list[str]:
    """Names from the site that the command would work on; none where it cannot be read: this is not a place for errors."""
    from goldroot.site import Site

    try:
        with closing(Site.open(named_site(context), looking=True)) as site:
            if path := site.catalog_file:
                return _in_sqlite(path, kind)
            return _in_catalog(site, kind)
    except (GoldrootError, OSError, sqlite3.Error, ModuleNotFoundError):
        return []


def _in_sqlite(path: str, kind: Kind) -> list[str]:
    # Not mode=ro: such a reader leaves its files of the write-ahead log behind.  rw makes no catalog where there is none.
    with closing(sqlite3.connect(f"file:{quote(path)}?mode=rw", uri=True)) as catalog:
        return [name for (name,) in catalog.execute(f"SELECT name FROM {kind} ORDER BY name")]


def _in_catalog(site: Site, kind: Kind) -> list[str]:
    from goldroot.catalog import clones, images

    with site.catalog.read() as tx:
        return [one.name for one in (clones.every(tx) if kind == "clones" else images.every(tx))]
