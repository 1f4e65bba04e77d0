"""Three trees in, a plan out.

The way of a merge, each step using only those before it::

    compare/   three manifests side by side -> what is not the same in all three (Comparison)
    decide/    each path of it, axis by axis -> a Verdict; each state unit -> a UnitVerdict
    fit/       the verdicts as one tree: directories for what stays, account files, hard links
    refer/     what the result points at: what was there and is gone is asked about
    plan       all parts of a system together -> a Plan, with its conflicts and notes
    apply/     a plan -> the rows of the new tree, written to a place where they appear whole
    record/    a plan -> what is written down of it, and what may be shown
    review/    a question -> what each side did in words, and a person's answer to it

Rules for special things (databases of NSS, maps of mailers, stores of certificates, ...) are entered only where ``special`` says
that one of these things differs.  ``trees`` does all of it with any three directories, ``resolve`` answers what such a merge left
to be decided.  What happens when gold deleted a path that the server edited stands in ``decide/presence``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from goldroot.faces import names_of

__all__ = [
    "BASE_SIDE",
    "CLONE_SIDE",
    "GOLD_SIDE",
    "MARKERS",
    "MIGRATE_DUE",
    "NO_MEMORY",
    "REBUILD_DUE",
    "Asked",
    "Desk",
    "EditPlace",
    "EditWay",
    "LeftOfMerge",
    "ManifestFiles",
    "Memory",
    "MergeGiven",
    "MergePlan",
    "MountLine",
    "Options",
    "Part",
    "PartPlan",
    "Plan",
    "Question",
    "Record",
    "Reference",
    "Removed",
    "Row",
    "SharedFiles",
    "StoredQuestion",
    "Surroundings",
    "TextPart",
    "Tree",
    "Trees",
    "Usr",
    "View",
    "and_alike",
    "answers_of",
    "apply_plan",
    "build_rows",
    "check_record_place",
    "chosen_questions",
    "conflict_data",
    "conflict_shown",
    "decisions_for",
    "edited_text",
    "find_left",
    "first_text",
    "forget_edit",
    "is_text",
    "joined",
    "keeper_of",
    "look_up",
    "make_record",
    "marked",
    "merge_again",
    "merge_text",
    "merge_trees",
    "note_data",
    "note_written",
    "only_one",
    "own_content",
    "parse_fstab",
    "parse_line",
    "part_changes",
    "parts_of",
    "plan_merge",
    "plan_trees",
    "printable",
    "put_together",
    "record_bytes",
    "redact_diff",
    "resolving",
    "side_or_content",
    "split_part",
    "unit_name",
    "usr_links",
    "write_record",
]

if TYPE_CHECKING:
    from goldroot.merge.apply.apply import build_rows
    from goldroot.merge.compare.parts import BASE_SIDE, CLONE_SIDE, GOLD_SIDE, Part, Row, Tree, Usr, joined
    from goldroot.merge.decide.fstab import MountLine, parse_fstab, parse_line, unit_name
    from goldroot.merge.decide.text import is_text, merge_text
    from goldroot.merge.decide.verdict import usr_links
    from goldroot.merge.fit.one_tree import PartPlan
    from goldroot.merge.memory import NO_MEMORY, Memory, Removed
    from goldroot.merge.plan import MIGRATE_DUE, REBUILD_DUE, Plan, plan_merge
    from goldroot.merge.record.record import (
        Record,
        check_record_place,
        conflict_data,
        make_record,
        note_data,
        record_bytes,
        write_record,
    )
    from goldroot.merge.record.redact import printable, redact_diff
    from goldroot.merge.refer.view import ManifestFiles, Reference, View, look_up
    from goldroot.merge.resolve import (
        LeftOfMerge,
        MergeGiven,
        StoredQuestion,
        find_left,
        keeper_of,
        merge_again,
        note_written,
        resolving,
    )
    from goldroot.merge.review.answers import MARKERS, decisions_for, own_content
    from goldroot.merge.review.choose import and_alike, chosen_questions, only_one
    from goldroot.merge.review.editing import EditPlace, edited_text, first_text, forget_edit
    from goldroot.merge.review.parts import TextPart, marked, part_changes, parts_of, put_together, split_part
    from goldroot.merge.review.question import Asked, Desk, EditWay, Question, answers_of, side_or_content
    from goldroot.merge.review.words import conflict_shown
    from goldroot.merge.surroundings import SharedFiles, Surroundings
    from goldroot.merge.trees import MergePlan, Options, Trees, apply_plan, merge_trees, plan_trees
else:
    __getattr__, __dir__ = names_of(
        __name__,
        {
            "apply.apply": "build_rows",
            "compare.parts": "BASE_SIDE CLONE_SIDE GOLD_SIDE Part Row Tree Usr joined",
            "decide.fstab": "MountLine parse_fstab parse_line unit_name",
            "decide.verdict": "usr_links",
            "decide.text": "is_text merge_text",
            "fit.one_tree": "PartPlan",
            "memory": "Memory NO_MEMORY Removed",
            "plan": "MIGRATE_DUE Plan REBUILD_DUE plan_merge",
            "record.record": "conflict_data note_data check_record_place record_bytes write_record Record make_record",
            "record.redact": "printable redact_diff",
            "refer.view": "ManifestFiles Reference View look_up",
            "review.answers": "MARKERS decisions_for own_content",
            "review.editing": "EditPlace edited_text forget_edit first_text",
            "review.parts": "TextPart marked part_changes parts_of put_together split_part",
            "review.question": "Asked Desk EditWay Question answers_of side_or_content",
            "review.words": "conflict_shown",
            "review.choose": "and_alike chosen_questions only_one",
            "resolve": "LeftOfMerge MergeGiven StoredQuestion find_left keeper_of merge_again note_written resolving",
            "surroundings": "SharedFiles Surroundings",
            "trees": "MergePlan Options Trees apply_plan merge_trees plan_trees",
        },
    )
