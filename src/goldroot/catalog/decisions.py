"""Conflicts and decisions.  A decision is remembered for the image under the conflict's key, and answers the same
conflict on every clone: those that wait now, and those that come."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from goldroot.catalog import updates
from goldroot.catalog.schema import ENDED, conflicts, decisions
from goldroot.catalog.schema import events as event_table
from goldroot.catalog.schema import updates as update_table
from goldroot.catalog.store import Tx, now
from goldroot.conflicts import Decision
from goldroot.errors import Refused

CONTENT = "content"


@dataclass(frozen=True, slots=True)
class FoundConflict:
    """A conflict as a merge found it.  ``path`` is absolute in the system; ``detail`` holds no secret."""

    key: str
    path: bytes
    axis: str
    kind: str
    answers: tuple[str, ...]
    stands: str
    detail: str = ""
    secret: bool = False
    own: bool = True  #: as of :class:`goldroot.conflicts.Conflict`


@dataclass(frozen=True, slots=True)
class WaitingConflict:
    """A conflict of an update: ``open``, or ``decided``."""

    update: int
    clone: str
    found: FoundConflict
    state: Literal["open", "decided"]


@dataclass(frozen=True, slots=True)
class Decided:
    """A person's answer: ``take`` is one of the answers, or ``content`` with bytes of their own."""

    image: str
    key: str
    take: str
    content: bytes | None
    who: str
    decided_at: str
    note: str


def set_conflicts(tx: Tx, update: int, found: Iterable[FoundConflict]) -> int:
    """Replace an update's conflicts by those of its newest merge; returns how many of them are open."""
    known = remembered(tx, updates.get(tx, update).image)
    tx.write(conflicts.delete().where(conflicts.c.update_id == update))
    rows = [
        {
            "update_id": update,
            "key": one.key,
            "path": one.path,
            "axis": one.axis,
            "kind": one.kind,
            "answers": list(one.answers),
            "stands": one.stands,
            "detail": one.detail,
            "secret": one.secret,
            "own": one.own,
            "state": "decided" if one.key in known else "open",
        }
        for one in found
    ]
    if rows:
        tx.write(conflicts.insert(), rows)
    return sum(row["state"] == "open" for row in rows)


def conflicts_of(tx: Tx, update: int, *, state: Literal["open", "decided"] | None = None) -> list[WaitingConflict]:
    """An update's conflicts, by path and axis."""
    query = (
        sa.select(conflicts, update_table.c.clone)
        .join(update_table, update_table.c.id == conflicts.c.update_id)
        .where(conflicts.c.update_id == update)
        .order_by(conflicts.c.path, conflicts.c.axis, conflicts.c.key)
    )
    if state is not None:
        query = query.where(conflicts.c.state == state)
    return [_waiting(row) for row in tx.rows(query)]


def open_counts(tx: Tx) -> dict[int, int]:
    """How many questions are open, by the number of the update in flight that asks them."""
    query = (
        sa.select(conflicts.c.update_id, sa.func.count())
        .join(update_table, update_table.c.id == conflicts.c.update_id)
        .where(conflicts.c.state == "open", update_table.c.state.not_in(ENDED))
        .group_by(conflicts.c.update_id)
    )
    return {row[0]: row[1] for row in tx.rows(query)}


def with_key(tx: Tx, image: str, prefix: str) -> list[WaitingConflict]:
    """The conflicts of updates in flight whose key begins with ``prefix``: the same question, on every clone."""
    query = (
        sa.select(conflicts, update_table.c.clone)
        .join(update_table, update_table.c.id == conflicts.c.update_id)
        .where(
            update_table.c.image == image,
            update_table.c.state.not_in(ENDED),
            conflicts.c.key.startswith(prefix, autoescape=True),
        )
        .order_by(conflicts.c.key, update_table.c.clone)
    )
    return [_waiting(row) for row in tx.rows(query)]


def _waiting(row: sa.Row[tuple[object, ...]]) -> WaitingConflict:
    values = row._mapping
    found = FoundConflict(
        values["key"],
        bytes(values["path"]),
        values["axis"],
        values["kind"],
        tuple(values["answers"]),
        values["stands"],
        values["detail"],
        values["secret"],
        values["own"],
    )
    return WaitingConflict(values["update_id"], values["clone"], found, values["state"])


def decide(tx: Tx, image: str, key: str, answer: Decision, *, who: str = "", note: str = "") -> list[int]:
    """Remember an answer (a newer one replaces it) and answer with it every conflict of that key that waits.

    :returns: the numbers of the updates in flight that asked this question.
    :raises Refused: it is not an answer to this question, or its content is missing or not asked for.
    """
    take, content = answer.take, answer.content
    asked = with_key(tx, image, key)
    for one in asked:
        answers = (*one.found.answers, *((CONTENT,) if one.found.own else ()))
        if take not in answers:
            raise Refused(f"{take!r} is not an answer here", todo=f"Answers: {', '.join(answers)}.")
    if (take == CONTENT) != (content is not None):
        raise Refused("an answer of one's own needs the content, and no other answer takes one")
    where = (decisions.c.image == image, decisions.c.key == key)
    values = {"take": take, "content": content, "who": who, "decided_at": now(), "note": note}
    if not tx.write(decisions.update().where(*where).values(**values)):
        tx.write(decisions.insert().values(image=image, key=key, **values))
    numbers = sorted({one.update for one in asked})
    tx.write(
        conflicts.update().where(conflicts.c.key == key, conflicts.c.update_id.in_(numbers)).values(state="decided")
    )
    tx.event("decided", f"image:{image}", key=key, take=take, who=who, updates=numbers, **_question(asked))
    return numbers


def _question(asked: Sequence[WaitingConflict]) -> dict[str, object]:
    """What an event keeps of the question, as the conflict itself goes with its update; nothing of one that nobody asks."""
    if not asked:
        return {}
    found = asked[0].found
    return {
        "path": os.fsdecode(found.path), "axis": found.axis, "kind": found.kind, "answers": list(found.answers),
        "own": found.own,
    }  # fmt: skip


def withdraw(tx: Tx, image: str, key: str) -> bool:
    """Forget an answer; the conflicts that it answered in updates that have not switched are open again."""
    if not tx.write(decisions.delete().where(decisions.c.image == image, decisions.c.key == key)):
        return False
    numbers = sorted({one.update for one in with_key(tx, image, key)})
    tx.write(conflicts.update().where(conflicts.c.key == key, conflicts.c.update_id.in_(numbers)).values(state="open"))
    tx.event("decision-withdrawn", f"image:{image}", key=key)
    return True


def remembered(tx: Tx, image: str) -> dict[str, Decided]:
    """All answers for an image, by key: what a merge is given."""
    rows = tx.rows(sa.select(decisions).where(decisions.c.image == image).order_by(decisions.c.key))
    return {
        row.key: Decided(
            row.image,
            row.key,
            row.take,
            None if row.content is None else bytes(row.content),
            row.who,
            row.decided_at,
            row.note,
        )
        for row in rows
    }


@dataclass(frozen=True, slots=True)
class Question:
    """What a remembered answer answers; nothing is known of one that an older goldroot remembered, once it was used."""

    path: bytes = b""
    axis: str = ""
    kind: str = ""
    answers: tuple[str, ...] = ()
    own: bool = True


def questions(tx: Tx, image: str, keys: Collection[str]) -> dict[str, Question]:
    """The questions of an image with these keys, as far as they are known."""
    found = {key: one for key, one in _answered(tx, image) if key in keys}
    # Of an older goldroot: what an update still has.
    for key in set(keys) - found.keys():
        if (asked := tx.first(_WITH_KEY, key=key)) is not None:
            found[key] = Question(bytes(asked.path), asked.axis, asked.kind, tuple(asked.answers), asked.own)
    return found


_WITH_KEY = sa.select(conflicts).where(conflicts.c.key == sa.bindparam("key")).limit(1)


def _answered(tx: Tx, image: str) -> Iterator[tuple[str, Question]]:
    where = (event_table.c.subject == f"image:{image}", event_table.c.what == "decided")
    for (data,) in tx.rows(sa.select(event_table.c.data).where(*where).order_by(event_table.c.id)):
        if "path" in data:
            path, answers = os.fsencode(data["path"]), tuple(data["answers"])
            yield data["key"], Question(path, data["axis"], data["kind"], answers, data.get("own", True))
