"""``goldroot schema``: the published shapes of what is printed as JSON."""

from __future__ import annotations

from typing import Any

import click

from goldroot.cli.command import Command, emit, json_option, table
from goldroot.cli.terminal import put_exact
from goldroot.errors import NotFound, did_you_mean


def _names(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    from goldroot.views import VIEWS

    return [name for name in VIEWS if name.startswith(begun)]


@click.command(cls=Command)
@click.argument("name", metavar="[NAME]", required=False, shell_complete=_names)
@json_option
def schema(name: str | None, as_json: bool) -> None:
    """Print the JSON Schema of a shape that commands print with --json; without NAME, which shapes there are, and which
    commands print them.  Errors have the shape `error`.

    \b
    Examples:
      goldroot schema
      goldroot schema update-plan
    """
    from goldroot.views import VIEWS, printed_by, schema_of, schema_text

    if name is None:
        rows = [
            {"name": one, "what": (view.__doc__ or "").partition("\n")[0], "printed_by": list(printed_by(one))}
            for one, view in VIEWS.items()
        ]
        emit(as_json, rows, lambda: table(["name", "what it is", "printed by"], [_row(row) for row in rows]))
        return
    if name not in VIEWS:
        raise NotFound(
            f"there is no shape {name!r}. {did_you_mean(name, list(VIEWS))}".rstrip(), todo="See: goldroot schema"
        )
    emit(as_json, schema_of(name), lambda: put_exact(schema_text(name)))


def _row(row: dict[str, Any]) -> list[str]:
    by = row["printed_by"]
    said = "every command, for an error" if by == ["*"] else ", ".join(by) or "inside others"
    return [row["name"], row["what"], said]
