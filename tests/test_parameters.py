"""No function has more than six parameters: more of them travel together as something that has a name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import goldroot

SOURCE = Path(goldroot.__file__).parent
MOST = 6


def count_of(function: ast.FunctionDef) -> int:
    """The parameters that a caller gives."""
    found = function.args
    names = [one.arg for one in (*found.posonlyargs, *found.args, *found.kwonlyargs, found.vararg, found.kwarg) if one]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def is_command(function: ast.FunctionDef) -> bool:
    """A command's parameters are the options of its command line."""
    return any(
        ast.unparse(one).endswith("_option") or ".command(" in ast.unparse(one) for one in function.decorator_list
    )


def functions() -> Iterator[tuple[str, int]]:
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and not is_command(node):
                yield f"{path.relative_to(SOURCE)}:{node.name}", count_of(node)


def test_no_function_has_more_than_six_parameters() -> None:
    assert {name: count for name, count in functions() if count > MOST} == {}
