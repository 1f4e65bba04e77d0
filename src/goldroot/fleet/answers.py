"""Remembered answers: what people decided, for which question, and which servers were merged with it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from goldroot.catalog import Decided, Question, Tx, clones, decisions, images, updates
from goldroot.conflicts import CONTENT, Decision, answer_given, answer_word, takes_content
from goldroot.errors import NotFound, Refused, UsageError
from goldroot.fleet.clone_names import person
from goldroot.merge import own_content
from goldroot.site import Site
from goldroot.tree import path_text

_KEY = re.compile(r"[0-9a-f]{6,64}")


@dataclass(frozen=True, slots=True)
class Answer:
    """A person's answer with its question, and the servers whose last merges used it, by name."""

    said: Decided
    question: Question
    used: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """As JSON data; content of a person's own is told by its size, as it may be a secret."""
        return {**told(self.said, self.question), "image": self.said.image, "used_by": list(self.used)}


def told(said: Decided, question: Question) -> dict[str, Any]:
    """An answer as a plan and a run name it, as JSON data."""
    return {
        "key": said.key, "path": path_text(question.path), "axis": question.axis, "take": answer_word(said.take),
        "size": None if said.content is None else len(said.content), "who": said.who, "decided_at": said.decided_at,
        "note": said.note,
    }  # fmt: skip


def used_answers(site: Site, image: str, keys: Iterable[str]) -> list[dict[str, Any]]:
    """The answers under these keys, as :func:`told` names them, by path; one that was forgotten since is left out."""
    wanted = set(keys)
    if not wanted:
        return []
    with site.catalog.read() as tx:
        known, asked = decisions.remembered(tx, image), decisions.questions(tx, image, wanted)
    found = [told(known[key], asked.get(key, Question())) for key in wanted & known.keys()]
    return sorted(found, key=lambda one: (one["path"], one["axis"], one["key"]))


def all_answers(site: Site, name: str | None = None) -> list[Answer]:
    """The answers that are remembered, by image and path.

    :param name: only those that the last merge of this clone used, and those to questions that it waits with.
    :raises NotFound: no such clone.
    """
    with site.catalog.read() as tx:
        of = [clones.get(tx, name).image] if name is not None else [one.name for one in images.every(tx)]
        found = [one for image in of for one in _of_image(tx, image)]
        waits = set() if name is None else _waits_with(tx, name)
    if name is not None:
        found = [one for one in found if name in one.used or one.said.key in waits]
    return sorted(found, key=lambda one: (one.said.image, one.question.path, one.question.axis, one.said.key))


def _of_image(tx: Tx, image: str) -> list[Answer]:
    known, used = decisions.remembered(tx, image), _used(tx, image)
    asked = decisions.questions(tx, image, known)
    return [Answer(one, asked.get(key, Question()), tuple(sorted(used.get(key, ())))) for key, one in known.items()]


def _used(tx: Tx, image: str) -> dict[str, set[str]]:
    """The clones by the keys of the answers that a merge of theirs used."""
    found: dict[str, set[str]] = {}
    for one in updates.every(tx):
        if one.image == image:
            for key in one.told.get("answers", ()):
                found.setdefault(str(key), set()).add(one.clone)
    return found


def _waits_with(tx: Tx, name: str) -> set[str]:
    going = updates.in_flight(tx, name)
    return set() if going is None else {one.found.key for one in decisions.conflicts_of(tx, going.id)}


def chosen_answers(site: Site, wanted: Sequence[str], name: str | None = None) -> list[Answer]:
    """The answers that are named by the beginning of a key, or by a path.

    :param name: of those of this clone (:func:`all_answers`).
    :raises NotFound: a name that names none.
    :raises UsageError: the beginning of a key that several answers have.
    """
    known = all_answers(site, name)
    named: dict[tuple[str, str], Answer] = {}
    for text in wanted:
        hits = [one for one in known if _named(one, text)]
        if not hits:
            raise NotFound(f"no remembered answer is named {text}", todo="See: goldroot review decisions")
        if len(hits) > 1 and not text.startswith("/"):
            keys = ", ".join(one.said.key[: len(text) + 6] for one in hits)
            raise UsageError(f"{text} names {len(hits)} answers: {keys}", todo="Write more of the key.")
        named |= {(one.said.image, one.said.key): one for one in hits}
    return list(named.values())


def _named(one: Answer, text: str) -> bool:
    if text.startswith("/"):
        return path_text(one.question.path) == text
    return bool(_KEY.fullmatch(text)) and one.said.key.startswith(text)


def forget_answers(site: Site, wanted: Sequence[Answer]) -> None:
    """Forget answers: the next merge that meets the question asks it again.  Servers that were switched stay as they are."""
    with site.catalog.begin() as tx:
        for one in wanted:
            decisions.withdraw(tx, one.said.image, one.said.key)


def answer_again(
    site: Site, wanted: Sequence[Answer], take: str, *, note: str = "", plan_only: bool = False
) -> list[Answer]:
    """Give other answers to questions that were answered before; the next merge that meets them uses these.

    :param take: as of :func:`goldroot.fleet.resolve_conflicts`, but for ``proposal``: nothing is proposed any more.
    :raises Refused: it is not an answer to one of them; then none is changed.
    """
    take, content = answer_given(take), None
    if take not in {answer for one in wanted for answer in one.question.answers}:
        content = own_content(take, "goldroot review decisions")
    for one in wanted:
        _check(one, take, content)
    if plan_only:
        return list(wanted)
    answer = Decision(take) if content is None else Decision(CONTENT, content)
    with site.catalog.begin() as tx:
        for one in wanted:
            decisions.decide(tx, one.said.image, one.said.key, answer, who=person(), note=note)
    keys = {(one.said.image, one.said.key) for one in wanted}
    return [one for one in all_answers(site) if (one.said.image, one.said.key) in keys]


def _check(one: Answer, take: str, content: bytes | None) -> None:
    takes = takes_content(one.question.axis, one.question.own)
    if (takes and content is not None) or take in one.question.answers:
        return
    answers = [*map(answer_word, one.question.answers), *(["FILE"] if takes else [])]
    raise Refused(
        f"{answer_word(take)!r} is not an answer to {path_text(one.question.path) or one.said.key[:12]} ({one.question.axis})",
        meaning="Nothing was changed.",
        todo=f"Answers: {', '.join(answers)}."
        if one.question.answers
        else "It is an answer of an older goldroot: forget it (goldroot review forget), and it is asked again.",
    )
