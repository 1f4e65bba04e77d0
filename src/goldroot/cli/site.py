"""``goldroot init``."""

from __future__ import annotations

from contextlib import closing

import click

from goldroot.cli.command import Command, emit, json_option, plan_option
from goldroot.cli.terminal import put


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
