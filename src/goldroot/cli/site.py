"""``goldroot init``, and the option by which every other command finds its site."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

import click

from goldroot.cli.known_names import host_names
from goldroot.cli.lazy import Command, named_site, quiet
from goldroot.cli.output import emit, json_option, plan_option
from goldroot.cli.terminal import put
from goldroot.errors import GoldrootError

if TYPE_CHECKING:
    from goldroot.fleet import UpdatePlan
    from goldroot.site import Site

F = TypeVar("F", bound=Callable[..., Any])


def site_option(command: F) -> F:
    """Adds ``--site`` (parameter ``site_dir``); see :func:`open_site`."""
    return click.option(
        "--site",
        "site_dir",
        metavar="DIR",
        type=click.Path(readable=False),  # one that is another user's is told as such, not as a misspelt option
        help="The site's directory (default: $GOLDROOT_SITE, else the one around the current directory).",
    )(command)


def host_option(help: str) -> Callable[[F], F]:
    """Adds ``--host`` (parameter ``host``, "" where none is named)."""
    return click.option("--host", default="", metavar="NAME", shell_complete=host_names, help=help)


def open_site(site_dir: str | None, *, looking: bool = False) -> Site:
    """The site of a command; it is closed when the command ends.

    :param looking: the command only looks, though it is not called a plan: nothing at all is changed by the opening.
    """
    from goldroot.site import Site

    context = click.get_current_context(silent=True)
    site = Site.open(named_site(context, site_dir), looking=looking or (context is not None and is_plan(context)))
    for line in () if quiet() else site.told:
        put(f"goldroot: {line}", err=True)
    if context:
        context.call_on_close(site.close)
        if site.config.group and not site.looking:
            context.call_on_close(lambda: _export(site))  # before it is closed
    return site


def _export(site: Site) -> None:
    """What the site's group may look at, as it is at the end of a command."""
    from goldroot.fleet import EXPORTED, forget_plans

    _write_views(site, dict(EXPORTED))
    forget_plans(site)


def _write_views(site: Site, views: dict[str, Callable[[Site], Any]]) -> None:
    from goldroot.site import export_views

    try:
        export_views(site, views)
    except (GoldrootError, OSError) as error:
        why = error.brief if isinstance(error, GoldrootError) else error.strerror
        put(f"goldroot: the views for the group {site.config.group} were not written: {why}", err=True)


def shown(
    site_dir: str | None, view: str, make: Callable[[Site], Any], pick: Callable[[Any], Any] = lambda found: found
) -> Any:
    """What a command shows: made from the site, or, for a member of the site's group, as it was exported last.

    :param view: its name among the exported ones.
    :param make: makes it.
    :param pick: takes from an exported one, which has everything, what was asked for.
    """
    from goldroot.site import Site, is_members, read_view

    context = click.get_current_context(silent=True)
    root = named_site(context, site_dir) or Site.find()
    if is_members(root) and (found := read_view(root, view)) is not None:
        if not quiet():
            put(f"goldroot: as it was at {found[0]}, when the last command of the site's owner ended", err=True)
        return pick(found[1])
    return make(open_site(site_dir))


def member_view(site_dir: str | None) -> Callable[[str], Any] | None:
    """For a member of the site's group: what gives an exported view by its name (``None``: there is none), and says once how
    old it is.  ``None`` for everybody else.
    """
    from goldroot.site import Site, is_members, read_view

    root = named_site(click.get_current_context(silent=True), site_dir) or Site.find()
    if not is_members(root):
        return None

    def view(name: str) -> Any:
        found = read_view(root, name)
        if found is not None and not quiet():
            put(f"goldroot: {name}: as it was at {found[0]}", err=True)
        return None if found is None else found[1]

    return view


def export_plans(site: Site, plans: Iterable[UpdatePlan]) -> None:
    """Plans that the site's group may look at; a site that names none has nothing of it."""
    from goldroot.fleet import plan_views

    if site.config.group:
        _write_views(site, plan_views(plans))


@contextmanager
def room_for(site: Site, plan_only: bool) -> Iterator[None]:
    """For a command that frees room: on a full disk it has the site's reserve; a plan changes nothing, and has not."""
    from goldroot.site import making_room

    with nullcontext() if plan_only else making_room(site):
        yield


def is_plan(context: click.Context) -> bool:
    """Whether a command only says what it would do: then nothing at all changes, not even a mode."""
    return bool(context.params.get("plan_only")) or context.command.name == "plan"


@click.command(cls=Command)
@click.argument("directory", type=click.Path(readable=False))
@click.option(
    "--host",
    "kind",
    type=click.Choice(["directory", "nspawn", "qemu", "libvirt"]),
    default="directory",
    show_default=True,
    help="The kind of the new site's host; goldroot.toml may name more.",
)
@plan_option
@json_option
def init(directory: str, kind: str, plan_only: bool, as_json: bool) -> None:
    """Make a site in DIRECTORY: configuration, catalog, signing key, and the store of its host.

    A site that is there already is completed, with the stores of hosts that its goldroot.toml has now; nothing in it is replaced.

    \b
    Examples:
      goldroot init /srv/goldroot
      goldroot init /srv/goldroot --host nspawn
      goldroot image import debian --from bookworm.tar --site /srv/goldroot
    """
    from goldroot.site import init_site, next_step, plan_init

    made = plan_init(directory, kind)
    told: list[str] = []
    then = ""
    if not plan_only:
        with closing(init_site(directory, kind)) as site:
            told, then = site.told, next_step(site, directory, made)

    def say() -> None:
        for path in made:
            put(("would make " if plan_only else "made ") + path)
        if not made:
            put(told[0] if told else f"{directory} is a complete site; nothing to do.")
        elif then:
            put(f"Next: {then}")

    emit(as_json, {"made": made, "plan": plan_only}, say)
