"""The six account files in the trees: the merged tables stand in their places, whatever the merge of paths said of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from goldroot.accounts import ACCOUNT_FILES, AccountsMerge
from goldroot.conflicts import CLONE, GOLD
from goldroot.errors import BadPolicy
from goldroot.merge.compare.parts import BASE_SIDE, CLONE_SIDE, GOLD_SIDE, Names, Part, Rows
from goldroot.merge.decide.verdict import BOTH, CONFLICT, MERGED, SAME, Verdict, Want, outcome_of, want_of
from goldroot.merge.fit.part_plan import PartPlan
from goldroot.policy import Policy
from goldroot.tree import DIRECTORY, FILE, INLINE, Entry, parent


def check_account_rules(parts: Sequence[Part], policy: Policy) -> None:
    """Refuse a policy by which the result would hold other account tables than those that number its files."""
    for name in ACCOUNT_FILES:
        place = b"/etc/" + name.encode()
        rule = policy.match(place)
        if rule.cls == "accounts" and not rule.pin:
            continue
        for part in parts:
            prefix = part.place(b"").rstrip(b"/") + b"/"
            inside = place.removeprefix(prefix)
            if place.startswith(prefix) and any(tree.manifest.get(inside) is not None for tree in part.trees):
                said, where = f"of class {rule.cls!r}", rule.where
                if rule.cls == "accounts":
                    said, adds = "pinned", policy.explain(place).adds
                    where = next((added.where for added in reversed(adds) if added.keys.get("pin")), where)
                raise BadPolicy(
                    f"/etc/{name} is {said} ({where})",
                    meaning="Files belong to names, and the merged account tables give each name its number. With"
                    " other tables in the result the files would belong to others.",
                    todo='Leave the six account files to a rule with class = "accounts" and without pin:'
                    f' path = "/etc/{{{",".join(ACCOUNT_FILES)}}}"',
                )


def place_accounts(one: PartPlan, merged: AccountsMerge, names: Names, policy: Policy) -> None:
    """Put the merged account files at their places in this part, if they lie in it."""
    for name in ACCOUNT_FILES:
        place = b"/etc/" + name.encode()
        prefix = one.part.place(b"").rstrip(b"/") + b"/"
        data = merged.files.get(name)
        if place.startswith(prefix) and policy.match(place).cls == "accounts":
            _place_account_file(one, place[len(prefix) :], data, merged, names, policy)


def _place_account_file(
    one: PartPlan, path: bytes, data: bytes | None, merged: AccountsMerge, names: Names,
    policy: Policy,
) -> None:  # fmt: skip
    rows = one.part.rows(path)
    if not any(rows) or any(row is not None and row.kind != FILE for row in rows):
        return
    place = one.part.place(path)
    asked = [conflict for conflict in merged.conflicts if conflict.path == place]
    verdict = one.decided.verdicts.get(path)
    if verdict is None:
        verdict = Verdict(_first(rows, names)[0], SAME)
    elif verdict.because:
        return
    wanted = _account_want(verdict, data, rows, names, merged)
    if wanted is not None and verdict.want is None and not _stands(one, parent(path), names):
        return  # it went with its directory
    word = _account_word(wanted, rows)
    if word == SAME and not asked and path not in one.decided.verdicts:
        return
    verdict.conflicts = [c for c in verdict.conflicts if c.axis not in ("content", "presence")] + asked
    verdict.want = wanted
    verdict.axes.pop("presence", None)
    verdict.axes["presence" if wanted is None else "content"] = CONFLICT if asked else word
    verdict.outcome = CONFLICT if verdict.conflicts else outcome_of(verdict)
    one.decided.verdicts[path] = verdict
    one.decided.comparison.add(path, rows, policy.match(place))


def _stands(one: PartPlan, directory: bytes, names: Names) -> bool:
    want = one.final(directory, names)
    return want is not None and want.kind == DIRECTORY


def _account_want(
    verdict: Verdict, data: bytes | None, rows: Rows, names: Names,
    merged: AccountsMerge,
) -> Want | None:  # fmt: skip
    if data is None:
        return None
    want = verdict.want
    if want is None:
        want, had = _first(rows, names)
        # The tables may have lost its owner with the file.
        owner = want.owner if want.owner in merged.users else b"#%d" % had.uid
        want = replace(want, owner=owner, group=want.group if want.group in merged.groups else b"#%d" % had.gid)
    digest = hashlib.sha256(data).digest()
    for side in (CLONE_SIDE, GOLD_SIDE):
        row = rows[side]
        if row is not None and row.content == digest:
            return replace(want, side=side, content=digest, inline=None, mtime=row.mtime)
    times = [row.mtime for row in rows[1:] if row is not None]
    return replace(want, side=INLINE, content=digest, inline=data, mtime=max(times, default=want.mtime))


def _first(rows: Rows, names: Names) -> tuple[Want, Entry]:
    """The file of the side that is asked first: the clone, gold, base."""
    return next(
        (want_of(row, names[side], side), row)
        for side in (CLONE_SIDE, GOLD_SIDE, BASE_SIDE)
        if (row := rows[side]) is not None
    )


def _account_word(want: Want | None, rows: Rows) -> str:
    contents = [None if row is None else row.content for row in rows]
    result = None if want is None else want.content
    if result == contents[CLONE_SIDE]:
        if result == contents[GOLD_SIDE]:
            return SAME if result == contents[BASE_SIDE] else BOTH
        return CLONE
    return GOLD if result == contents[GOLD_SIDE] else MERGED
