"""What the Tab key offers where a command takes a name: clones, images, versions and open conflicts of the site, and what
goldroot itself has names for.

A catalog in SQLite is read here without SQLAlchemy, which is loaded for longer than a person waits for a key; and it is
only read: what a command may do at the opening, such as bringing an old schema up to date, is not a business of a key.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import quote

import click

from goldroot.cli.command import named_site
from goldroot.errors import GoldrootError
from goldroot.tree import path_text

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from goldroot.site import Site

F = TypeVar("F", bound=Callable[..., Any])

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


def gold_versions(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """The published versions of the image on the line, or of that of its clone, newest first."""
    return _versions(context, begun, "published")


def retired_versions(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """The retired versions of the image on the line, newest first."""
    return _versions(context, begun, "retired")


def _versions(context: click.Context, begun: str, state: str) -> list[str]:
    given = context.params
    # A line that ends in an option without its value is not parsed to its end: names are among the rest then.
    names = (*(given.get("names") or ()), *context.args)
    image, clone = given.get("image") or "", given.get("name") or next(iter(names), "")
    rows = _asked(context, _VERSIONS, (image, clone, state))
    others = {str(value) for name, value in given.items() if name in ("old", "new")}
    numbers = (str(number) for (number,) in rows)
    return [number for number in numbers if number.startswith(begun) and number not in others]


def conflict_paths(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """The paths about which the clone on the line is asked; those that stand there already are left out."""
    given = context.params.get(parameter.name or "") or ()
    paths = (path_text(path) for (path,) in _asked(context, _CONFLICTS, (context.params.get("name") or "",)))
    return [path for path in paths if path.startswith(begun) and path not in given]


def answered_paths(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """The paths about which answers are remembered; those that stand on the line already are left out."""
    given = context.params.get(parameter.name or "") or ()
    paths = (path_text(path) for (path,) in _asked(context, _ANSWERED, ()))
    return [path for path in paths if path.startswith(begun) and path not in given]


def answers(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """The answers to a conflict by their names, and files."""
    return _or_a_file(("server", "gold", "moved", "proposal"), begun)


def layout_names(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """The layouts that come with goldroot, and files."""
    from goldroot.site import SHIPPED_LAYOUTS

    return _or_a_file(SHIPPED_LAYOUTS, begun)


def smapi_names(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """The functions of SMAPI, in whatever case they are begun."""
    from goldroot.zvm.smapi.table import layouts

    return [name for name in layouts() if name.lower().startswith(begun.lower())]


def _or_a_file(names: Iterable[str], begun: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    found = [CompletionItem(name) for name in names if name.startswith(begun)]
    return found or [CompletionItem(begun, type="file")]


_VERSIONS = """
SELECT number FROM gold_versions
WHERE state = ?3 AND image IN (?1, (SELECT image FROM clones WHERE name = ?2)) ORDER BY number DESC
"""
_CONFLICTS = """
SELECT DISTINCT path FROM conflicts JOIN updates ON updates.id = conflicts.update_id
WHERE updates.clone = ?1 AND conflicts.state = 'open' ORDER BY path
"""
_ANSWERED = "SELECT DISTINCT path FROM conflicts WHERE key IN (SELECT key FROM decisions) ORDER BY path"


def _asked(context: click.Context, question: str, values: tuple[str, ...]) -> list[tuple[Any, ...]]:
    """Rows of a catalog in SQLite; none from another, and where it cannot be read."""
    from goldroot.site import Site

    try:
        with closing(Site.open(named_site(context), looking=True)) as site:
            if not (path := site.catalog_file):
                return []
            with closing(_connected(path)) as catalog:
                return catalog.execute(question, values).fetchall()
    except (GoldrootError, OSError, sqlite3.Error, ModuleNotFoundError):
        return []


def _connected(path: str) -> sqlite3.Connection:
    # Not mode=ro: such a reader leaves its files of the write-ahead log behind.  rw makes no catalog where there is none.
    return sqlite3.connect(f"file:{quote(path)}?mode=rw", uri=True)


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
    with closing(_connected(path)) as catalog:
        return [name for (name,) in catalog.execute(f"SELECT name FROM {kind} ORDER BY name")]


def _in_catalog(site: Site, kind: Kind) -> list[str]:
    from goldroot.fleet import every_clone
    from goldroot.image import image_names

    return every_clone(site) if kind == "clones" else image_names(site)


def host_option(help: str) -> Callable[[F], F]:
    """Adds ``--host`` (parameter ``host``, "" where none is named)."""
    return click.option("--host", default="", metavar="NAME", shell_complete=host_names, help=help)
