"""Every command that a test gives prints what its published shape says: looked at in passing, told at the test's end.

What a command hands to ``emit`` is looked at also where a person is spoken to: it is the same data.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import click
from pydantic import BaseModel, TypeAdapter, ValidationError

import goldroot.cli.command
import goldroot.cli.failure
from goldroot.escape import escape

#: What did not fit, since the list was last emptied.
misfits: list[str] = []

#: A byte that is not UTF-8 (PEP 383), as JSON has it.
_HALF = re.compile(r"(?<!\\ud[89ab][0-9a-f]{2})\\udc[89a-f][0-9a-f]")

#: Longer documents are not looked at: they are the same rows again.
LONGEST = 1 << 20


def commands_below(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Every command, with its words, that prints JSON; a group only takes ``--json`` for the commands below it."""
    if any(parameter.name == "as_json" for parameter in command.params):
        yield " ".join(words), command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from commands_below(below, (*words, name))


@cache
def _words() -> dict[int, str]:
    from goldroot.cli.main import cli

    return {id(command): words for words, command in commands_below(cli)}


@cache
def _adapter(shape: str) -> TypeAdapter[Any]:
    from goldroot.views import VIEWS

    model = VIEWS[shape.removesuffix("[]")]
    return TypeAdapter(list[model] if shape.endswith("[]") else model)  # type: ignore[valid-type]


def _as_json(found: Any) -> Any:
    return [one.as_json() for one in found] if isinstance(found, list) else found.as_json()


def fits(shape: str, text: str) -> str:
    """Why a JSON text has not a shape; "" where it has it.

    Nothing is converted, no field is missing or unknown, and what is read and written again is the same.
    """
    try:
        found: BaseModel | list[BaseModel] = _adapter(shape).validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        return f"{shape}: {'.'.join(map(str, first['loc']))}: {first['msg']}"
    return "" if _as_json(found) == json.loads(text) else f"{shape}: it is written otherwise than it was read"


def as_text(data: Any) -> str:
    """Data as JSON; a byte that is not UTF-8, half of a pair in JSON, is read by few: it is written in another way here."""
    return _HALF.sub(
        lambda found: escape(json.loads(f'"{found[0]}"')).replace("\\", "/"), json.dumps(data, default=str)
    )


def look(data: Any) -> None:
    """Look at what the command that runs now prints."""
    from goldroot.views import PRINTED

    context = click.get_current_context(silent=True)
    words = None if context is None else _words().get(id(context.command))
    if words is None or data is None:
        return
    text = as_text(data)
    if len(text) > LONGEST:
        return
    wrong = [fits(shape, text) for shape in PRINTED[words]]
    if all(wrong):
        misfits.append(f"goldroot {words}: {'; '.join(wrong)}")


def watch() -> None:
    """From now on; before the modules of commands are loaded."""
    emit, put_json = goldroot.cli.command.emit, goldroot.cli.failure.put_json

    def looked(as_json: bool, data: Any, human: Callable[[], None]) -> None:
        look(data)
        emit(as_json, data, human)

    def told(data: Any, **how: Any) -> None:
        if wrong := fits("error", as_text(data)):
            misfits.append(f"an error: {wrong}")
        put_json(data, **how)

    goldroot.cli.command.emit = looked
    goldroot.cli.failure.put_json = told  # type: ignore[attr-defined]
