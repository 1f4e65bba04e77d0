"""The conflicts of many plans, each text once: a fleet that was set up alike asks the same few questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def grouped_conflicts(plans: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What nobody has decided yet, as JSON data, by path and axis: the text, and the clones by the key of their question.

    :param plans: as JSON data.

    Clones under one key have the same question, and one answer serves them all.  Where the text is the same and the keys are
    not, what the servers have there differs.
    """
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for plan in plans:
        for one in plan["record"]["conflicts"]:
            what = (one["path"], one["axis"], one["kind"], one["detail"])
            fields = ("path", "axis", "kind", "detail", "answers", "stands", "secret")
            group = found.setdefault(what, {**{name: one[name] for name in fields}, "clones": {}})
            names = group["clones"].setdefault(one["key"], [])
            if plan["clone"] not in names:
                names.append(plan["clone"])
    return [found[what] for what in sorted(found)]
