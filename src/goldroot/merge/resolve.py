"""Answering what a merge of three directories left to be decided, and merging once more with the answers.

Where conflicts are left, what is needed for that stands beside the result, the caller's alone::

    OUT.review/
    ├── merge.json         how OUT was merged: the three trees and all else that was given
    ├── record.json        the record of that merge
    ├── decisions.json     the answers; it is a decisions file, also for other servers
    └── edits/KEY          a text that somebody edits, or left with markers

Once all is decided, the merge is made again beside OUT, and takes its place.  An OUT that was changed since it was merged is
kept, as ``OUT.before``.
"""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from goldroot import files
from goldroot.conflicts import SIDES, Decision, decisions_text, load_decisions
from goldroot.errors import BadInput, NotFound, Refused
from goldroot.files import NOT_THERE, json_of, parent_of, read_given, read_regular
from goldroot.locks import lock
from goldroot.merge.apply.output import place_of
from goldroot.merge.record.record import Record, record_bytes
from goldroot.merge.review.editing import EditPlace, edited_text, forget_edit
from goldroot.merge.review.question import LINK_MARK, Asked, Desk, EditWay, Question, answers_of, side_or_content
from goldroot.merge.trees import Options, Trees, merge_trees
from goldroot.policy import Policy
from goldroot.tree import path_bytes, path_text, remove_tree

SCHEMA = 1


@dataclass(frozen=True)
class MergeGiven:
    """What a merge was given, so that it can be made again.

    :param policy: a policy's file; ``None``: goldroot's own.
    :param report: where its record was written, too.
    """

    trees: Trees
    policy: str | None = None
    report: str | None = None
    options: Options = field(default_factory=Options)

    def data(self) -> dict[str, Any]:
        """As JSON data; paths are absolute."""
        trees, options = self.trees, self.options
        return {
            "schema": SCHEMA,
            **{word: _absolute(getattr(trees, word)) for word in SIDES},
            "at": path_text(os.fsencode(trees.at)),
            "accounts": None if trees.accounts is None else [*map(_absolute, trees.accounts)],
            "system": None if trees.system is None else [*map(_absolute, trees.system)],
            "policy": _absolute_or_none(self.policy),
            "report": _absolute_or_none(self.report),
            "after": None if options.after is None else _absolute(options.after),
            "sync": options.sync,
        }

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> MergeGiven:
        """From JSON data."""
        base, gold, clone = (path_bytes(data[word]) for word in SIDES)
        accounts, system = ([path_bytes(one) for one in data[word] or ()] for word in ("accounts", "system"))
        trees = Trees(
            base, gold, clone, path_bytes(data["at"]), (accounts[0], accounts[1], accounts[2]) if accounts else None,
            (system[0], system[1]) if system else None,
        )  # fmt: skip
        policy, report = (
            None if data[word] is None else os.fsdecode(path_bytes(data[word])) for word in ("policy", "report")
        )
        after = None if data["after"] is None else path_bytes(data["after"])
        return cls(trees, policy, report, Options(sync=bool(data["sync"]), after=after))


@dataclass(frozen=True)
class StoredQuestion:
    """A conflict as the record has it."""

    path: bytes
    axis: str
    kind: str
    key: str
    answers: tuple[str, ...]
    stands: str
    detail: str
    secret: bool
    own: bool

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> StoredQuestion:
        """From the record's JSON data."""
        known = {word: data[word] for word in ("axis", "kind", "key", "stands", "detail", "secret")}
        own = bool(data.get("takes_content", True))  # an older goldroot's record goes by the axis
        return cls(path=path_bytes(data["path"]), answers=tuple(data["answers"]), own=own, **known)


@dataclass(frozen=True)
class LeftOfMerge:
    """What a merge left to be decided.

    :param out: the result's place, absolute.
    :param written: when OUT had appeared, in nanoseconds since 1970; 0 where the merge was cut off before it was noted.
    """

    out: str
    given: MergeGiven
    record: Mapping[str, Any]
    written: int

    @property
    def waiting(self) -> list[StoredQuestion]:
        """All questions, by path."""
        return [StoredQuestion.of(one) for one in self.record["conflicts"]]

    @property
    def answers(self) -> dict[str, Decision]:
        """The answers by the keys of their questions, as they are now."""
        return _answers(review_place(self.out))

    @property
    def open(self) -> list[StoredQuestion]:
        """The questions that nobody has answered."""
        known = self.answers
        return [one for one in self.waiting if one.key not in known]

    def question(self, asked: Asked) -> Question:
        """A question with what each side has."""
        shown = path_text(asked.path)
        entry: Mapping[str, Any] = next((one for one in self.record["entries"] if one["path"] == shown), {})
        policy = Policy.load(self.given.policy) if self.given.policy else Policy.default()
        base, gold, clone = (self._read(side, asked.path) for side in range(3))
        return Question(asked, entry, (base, gold, clone), policy.match(asked.path))

    def _read(self, side: int, place: bytes) -> bytes | None:
        trees = self.given.trees
        at = os.fsencode(trees.at).rstrip(b"/") + b"/"
        if place.startswith(at):
            return _read(os.fsencode(getattr(trees, SIDES[side])), place[len(at) :])
        if trees.accounts is not None and place.startswith(b"/etc/"):
            return _read(os.fsencode(trees.accounts[side]), place[len(b"/etc/") :])
        return None

    def decide(self, answers: Mapping[str, Decision]) -> None:
        """Keep answers, at once."""
        place = review_place(self.out)
        files.write(os.path.join(place, "decisions.json"), decisions_text({**_answers(place), **answers}))

    def edit(self, asked: Asked, way: EditWay) -> None:
        """Let a person edit the three versions into the answer.

        :raises Refused: the question is not about the content of a text.
        :raises BadInput: it was left as it was, or markers are left in it; what was written is kept.
        """
        question = self.question(asked)
        if not question.is_text:
            raise Refused(
                f"{path_text(asked.path)} ({asked.axis}) is not a text that can be edited",
                todo=f"Answers: {', '.join(answers_of(asked))}.",
            )
        room = os.path.join(review_place(self.out), "edits", asked.key)
        place = EditPlace(room, name := os.path.basename(os.fsdecode(asked.path)), os.path.join(room, name))
        content = edited_text(question.contents, place, way)
        self.decide({asked.key: side_or_content(content, question)})
        forget_edit(place.kept)

    def desk(self) -> Desk:
        """Where a person answers one question after the other."""
        return Desk(
            title=os.fsdecode(self.out),
            open=lambda: [*self.open],
            question=self.question,
            detail=lambda asked: asked.detail,
            decide=lambda asked, answer: self.decide({asked.key: answer}),
            edit=self.edit,
        )


def review_place(out: str) -> str:
    """The directory beside a result, for what is to be decided in it."""
    return out.rstrip("/") + ".review"


def result_place(out: str) -> str:
    """The absolute path of a result."""
    return os.fsdecode(place_of(os.fsencode(out)))


def keeper_of(given: MergeGiven, out: str, decisions: Mapping[str, Decision]) -> Callable[[Record], None]:
    """What keeps a record beside its result before that appears, where conflicts are left; see :func:`merge_trees`.

    Where nothing can be written there, nothing is: the merge itself needs it not.
    """

    def keep(record: Record) -> None:
        if given.report:
            record.write(given.report, sync=given.options.sync)
        place = review_place(result_place(out))
        if record.conflicts or os.path.isdir(place):
            with suppress(OSError):
                files.make_directory(place)
                _write_down(place, given, record, 0)
                # A given answer that the merge could not use is not an answer: it is asked for again.
                useless = decisions.keys() & {one.key for one in record.conflicts}
                known = {key: one for key, one in {**_answers(place), **decisions}.items() if key not in useless}
                files.write(os.path.join(place, "decisions.json"), decisions_text(known))

    return keep


def note_written(out: str) -> None:
    """Note that a result has appeared just now: what changes in it later is somebody else's work."""
    place = review_place(result_place(out))
    with suppress(OSError):
        file = os.path.join(place, "merge.json")
        data = json_of(read_given(file))
        files.write(file, _json({**data, "written": time.time_ns()}))


def find_left(out: str) -> LeftOfMerge:
    """What the merge into ``out`` left to be decided.

    :raises NotFound: there is nothing, or it was merged by another goldroot. :raises BadInput: what stands beside it is damaged.
    """
    where = result_place(out)
    place = review_place(where)
    try:
        data = json_of(read_given(os.path.join(place, "merge.json")))
        record = json_of(read_given(os.path.join(place, "record.json")))
        if data["schema"] != SCHEMA:
            raise BadInput(f"{place!r} was written by a newer goldroot", todo="Use that one.")
        return LeftOfMerge(where, MergeGiven.of(data), record, int(data["written"]))
    except FileNotFoundError:
        raise NotFound(
            f"nothing is to be decided in {out!r}",
            meaning=f"Where a merge leaves conflicts, they stand in {place!r}.",
            todo="Name the OUT of `goldroot merge ... --into OUT`.",
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"{place!r} is damaged: {error}", todo="Remove it, and run `goldroot merge` again.") from error


@contextmanager
def resolving(out: str) -> Iterator[LeftOfMerge]:
    """What a merge left, for one command at a time.

    :raises NotFound: as :func:`find_left`. :raises Busy: another command answers it.
    """
    found = find_left(out)
    with lock(os.path.join(review_place(found.out), "lock"), wait=0):
        yield find_left(out)


def merge_again(left: LeftOfMerge, into: str | None = None, *, options: Options | None = None) -> tuple[Record, str]:
    """Merge once more with all answers; the result takes OUT's place, or goes to ``into``.

    :returns: the record, and where OUT as it was is kept, since somebody changed it after it was merged; "" where it was not.
    :raises Refused: OUT cannot be exchanged: it is a mount point, or its directory cannot be written.
    """
    given = left.given
    if options is not None:
        given = replace(given, options=replace(options, sync=given.options.sync, after=given.options.after))
    policy = Policy.load(given.policy) if given.policy else Policy.default()
    answers = left.answers
    if into is not None:
        record = merge_trees(
            given.trees, into, policy, answers, options=given.options, keep=keeper_of(given, into, answers)
        )
        note_written(into)
        return record, ""
    _refuse_fixed(left.out)
    above, name = os.path.split(left.out)
    new = os.path.join(above, f".{name[:200]}.goldroot-again")
    remove_tree(new, keep=())
    record = merge_trees(
        given.trees, new, policy, answers, options=given.options, keep=keeper_of(given, left.out, answers)
    )
    kept = _exchange(left, new)
    note_written(left.out)
    return record, kept


def _exchange(left: LeftOfMerge, new: str) -> str:
    """Put a new result in OUT's place; where OUT is kept, if it is.  A kill leaves it under one of the two names."""
    before = _free_name(left.out + ".before")
    with suppress(FileNotFoundError):
        os.rename(left.out, before)
    os.rename(new, left.out)
    if not os.path.isdir(before):
        return ""
    if left.written and not _changed_since(before, left.written):
        remove_tree(before, keep=())
        return ""
    return before


def _free_name(name: str) -> str:
    number, found = 1, name
    while os.path.lexists(found):
        number += 1
        found = f"{name}-{number}"
    return found


def _changed_since(root: str, moment: int) -> bool:
    """Whether anything below a directory was changed after a moment (nanoseconds since 1970)."""
    for _, directories, others, handle in os.fwalk(os.fsencode(root), follow_symlinks=False):
        for name in (*directories, *others):
            if os.stat(name, dir_fd=handle, follow_symlinks=False).st_ctime_ns > moment:
                return True
    return False


def _refuse_fixed(out: str) -> None:
    above = os.path.dirname(out)
    if os.path.isdir(out) and (os.path.ismount(out) or not os.access(above, os.W_OK)):
        raise Refused(
            f"{out!r} is a mount point, or its directory cannot be written: it cannot be exchanged",
            meaning="The answers are kept; nothing was merged.",
            todo="Give the place for the result: --into NEW.",
        )


def _write_down(place: str, given: MergeGiven, record: Record, written: int) -> None:
    files.write(os.path.join(place, "record.json"), record_bytes(record.data))
    files.write(os.path.join(place, "merge.json"), _json({**given.data(), "written": written}))


def _answers(place: str) -> dict[str, Decision]:
    file = os.path.join(place, "decisions.json")
    return load_decisions(file) if os.path.exists(file) else {}


def _read(root: bytes, path: bytes) -> bytes | None:
    """A file's bytes, a link's target after its mark; ``None`` for all else."""
    try:
        with parent_of(root, path) as (directory, name):
            found = read_regular(name, directory)
            if found is not None:
                return found
            return LINK_MARK + os.fsencode(os.readlink(name, dir_fd=directory))
    except OSError as error:
        if error.errno in (*NOT_THERE, errno.EINVAL):  # EINVAL: it is not a link either
            return None
        raise


def _absolute(path: object) -> str:
    return path_text(os.path.abspath(os.fsencode(path)))  # type: ignore[arg-type]


def _absolute_or_none(path: str | None) -> str | None:
    return None if path is None else _absolute(path)


def _json(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data, indent=1).encode() + b"\n"
