"""The reference of the calls, docs/zvm/calls.md, made from the table of layouts.

``python -m goldroot.zvm.smapi.reference > docs/zvm/calls.md`` writes it; a test says when that was forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence

from goldroot.zvm.smapi.table import CallLayout, Param, Value, layouts

HEAD = """\
# SMAPI calls

Every function that goldroot's client speaks, made from its table of layouts
(`src/goldroot/zvm/smapi/layouts.txt`): do not edit this page, run
`python -m goldroot.zvm.smapi.reference > docs/zvm/calls.md`.

`read` functions change nothing, and are asked again when an answer is lost; `change` functions are never sent twice.
*unconfirmed*: the layout comes from IBM's book and from other clients; no captured frame confirms it.
Call them with `goldroot zvm call FUNCTION --target USER PARAM=VALUE ...` or, in Python,
`client.call("FUNCTION", "USER", param=value)`. Parameters stand in the order of the wire.
"""

_MEANS = {
    "str": "text",
    "secret": "password, never shown",
    "secretkey": "password, never shown",
    "z": "text",
    "rest": "text",
    "key": "keyword",
    "lkey": "keyword",
    "lines": "list of records",
    "zlines": "list of keywords",
    "joined": "list of lines",
    "pairs": "list of NAME=VALUE",
    "area": "list of texts",
    "tail": "bytes",
    "char": "text",
    "name": "text",
}


def param_rows(layout: CallLayout) -> list[list[str]]:
    """Name, type and range of each parameter."""
    return [[param.name, _MEANS.get(param.type, param.type), _range(param)] for param in layout.params]


def _range(param: Param) -> str:
    parts = [f"{param.low} to {param.high} characters"] if param.high else []
    parts += ["required"] if param.required else []
    parts += [f"default {param.default}"] if param.default else []
    parts += [f"also called {name}" for name in param.aliases]
    return ", ".join(parts)


def value_rows(values: Sequence[Value], depth: int = 0) -> list[list[str]]:
    """Name, type and number of each value; members of structures are indented."""
    rows: list[list[str]] = []
    for value in values:
        kind = value.struct or _MEANS.get(value.type, value.type)
        rows.append(["  " * depth + value.name, kind, "any number" if value.many else ""])
        rows += value_rows(value.members, depth + 1)
    return rows


def reference() -> str:
    """The whole page, in Markdown."""
    return HEAD + "".join(_section(layouts()[api]) for api in sorted(layouts()))


def _section(layout: CallLayout) -> str:
    marks = ", *unconfirmed*" if "unconfirmed" in layout.flags else ""
    lines = ["", f"## {layout.api}", "", f"{layout.kind}{marks}. {layout.does}", ""]
    lines += _table("parameter", param_rows(layout)) + _table("value", value_rows(layout.values))
    return "\n".join(lines)


def _table(title: str, rows: list[list[str]]) -> list[str]:
    if not rows:
        return []
    body = [f"| `{name.strip()}`{_within(name)} | {kind} | {more} |" for name, kind, more in rows]
    return [f"| {title} | type | |", "| --- | --- | --- |", *body, ""]


def _within(name: str) -> str:
    depth = (len(name) - len(name.lstrip())) // 2
    return f" ({'›' * depth} in the structure above)" if depth else ""


if __name__ == "__main__":
    print(reference(), end="")
