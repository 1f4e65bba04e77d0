"""``goldroot merge``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from goldroot.cli.command import Group, emit, json_option, plan_option
from goldroot.cli.merge_resolve import edit, resolve, say_ways, show
from goldroot.cli.progress import stages
from goldroot.cli.questions import question_lines
from goldroot.cli.terminal import put
from goldroot.counted import counted
from goldroot.errors import EXIT_FINDINGS, UsageError
from goldroot.views import PATH_OUTCOMES

EPILOG = """\b
Examples:
  goldroot merge --base old-gold --gold new-gold --clone server --plan
  goldroot merge --base g1/etc --gold g2/etc --clone web1/etc --at /etc --into merged
  goldroot merge --base g1/srv --gold g2/srv --clone web1/srv --at /srv \\
      --accounts g1/etc g2/etc web1/etc --into merged --report record.json
  goldroot merge resolve merged

\b
Exit codes: 0 merged without a conflict; 1 merged, conflicts are left (the server's
version stands there, and `goldroot merge resolve OUT` asks about them); 2 to 70: refused or failed, and OUT is not
there; 74 and 141: it is there, and what there is to say could not be printed; 129, 130 and 143: interrupted, and OUT is
whole or not there.
"""


@click.group(cls=Group, epilog=EPILOG, invoke_without_command=True)
@click.option("--base", metavar="DIR", type=click.Path(), help="The server's old gold, as it was cloned.  [required]")
@click.option("--gold", metavar="DIR", type=click.Path(), help="The new gold.  [required]")
@click.option("--clone", metavar="DIR", type=click.Path(), help="The server's tree now.  [required]")
@click.option(
    "--into",
    metavar="OUT",
    type=click.Path(),
    help="Where the result goes: new, or an empty directory. It appears whole.",
)
@click.option("--at", default="/", show_default=True, metavar="PATH", help="Where the trees stand in the system.")
@click.option(
    "--accounts",
    nargs=3,
    metavar="B G C",
    type=click.Path(),
    help="The /etc of each side, where the trees do not hold it.",
)
@click.option(
    "--system",
    nargs=2,
    metavar="B G",
    type=click.Path(),
    help="The whole root before and after, where the trees are a part: what the server points at is looked up there.",
)
@click.option(
    "--policy",
    "policy_file",
    metavar="FILE",
    type=click.Path(),
    help="A policy that extends or replaces the default one.",
)
@click.option("--report", metavar="FILE", type=click.Path(), help="Write the record (JSON) here.")
@click.option(
    "--decisions", "decisions_file", metavar="FILE", type=click.Path(), help="Answers to conflicts, by key (JSON)."
)
@click.option(
    "--after",
    "after_file",
    metavar="RECORD",
    type=click.Path(),
    help="The record of the last merge of this server: what it had removed before stays removed.",
)
@click.option("--sync", is_flag=True, help="Wait until OUT is on the disk; it appears then. A mount point always is.")
@plan_option
@json_option
@click.pass_context
def merge(
    context: click.Context, base: str, gold: str, clone: str, into: str | None, at: str, accounts: tuple[str, str, str] | None,
    system: tuple[str, str] | None, policy_file: str | None, report: str | None, decisions_file: str | None,
    after_file: str | None, sync: bool, plan_only: bool, as_json: bool,
) -> int:  # fmt: skip
    """Merge three directory trees: BASE and GOLD, and the CLONE's own changes.

    Every path is merged axis by axis (presence, content, mode, owner, group, extended attributes); owners are merged as
    names; a record says for every path that changed what was done and which rule decided. The three trees are only read.
    """
    if context.invoked_subcommand is not None:
        return 0
    _need(context, "base", "gold", "clone")
    from goldroot.conflicts import load_decisions
    from goldroot.merge import (
        MergeGiven,
        Options,
        Trees,
        check_record_place,
        keeper_of,
        merge_trees,
        note_written,
        plan_trees,
    )
    from goldroot.policy import Policy

    if not plan_only and into is None:
        raise UsageError("nothing says where the result goes", todo="Give --into OUT, or --plan to only look.")
    if report:
        check_record_place(report, (base, gold, clone), None if plan_only else into)
    trees = Trees(base, gold, clone, at, accounts, system)
    policy = Policy.load(policy_file) if policy_file else Policy.default()
    decisions = load_decisions(decisions_file) if decisions_file else {}
    with stages(as_json) as stage:
        options = Options(sync=sync, progress=stage, after=after_file)
        if plan_only or into is None:
            record = plan_trees(trees, policy, decisions, options=options).record
            if report:
                record.write(report, sync=sync)
        else:
            keep = keeper_of(MergeGiven(trees, policy_file, report, options), into, decisions)
            record = merge_trees(trees, into, policy, decisions, options=options, keep=keep)
            note_written(into)
    emit(as_json, record.data, lambda: tell(record.data, plan_only, into, report))
    return EXIT_FINDINGS if record.conflicts else 0


def _need(context: click.Context, *names: str) -> None:
    """These options are missing only where no command of the group is given.

    :raises click.MissingParameter: one is.
    """
    for parameter in context.command.params:
        if parameter.name in names and context.params.get(parameter.name) is None:
            raise click.MissingParameter(ctx=context, param=parameter)


def tell(record: Mapping[str, Any], plan_only: bool, into: str | None, report: str | None) -> None:
    """The record in words."""
    counts = record["counts"]
    put("The plan:" if plan_only else f"Merged into {into}:")
    put(f"  {counts.get('unchanged', 0):>8,}  unchanged")
    for outcome, words in PATH_OUTCOMES.items():
        if counts.get(outcome):
            put(f"  {counts[outcome]:>8,}  {words}")
    if plan_only:
        for entry in record["entries"]:
            put(f"{entry['outcome']:<9} {entry['path']}  ({entry['axis']}; {entry['rule']['class']})")
    tell_conflicts(record["conflicts"], None if plan_only else into)
    tell_notes(record["notes"])
    if report:
        put(f"The record is in {report}.")
    else:
        put("Use --report FILE to keep the record" + ("." if plan_only else ", --plan to see every path."))


def tell_notes(notes: list[dict[str, Any]], most: int = 4) -> None:
    """Notes by their kind, the first few of each."""
    kinds: dict[str, list[dict[str, Any]]] = {}
    for note in notes:
        kinds.setdefault(note["kind"], []).append(note)
    if kinds:
        put(f"{counted(len(notes), 'note')}:")
    for kind, some in kinds.items():
        put(f"  {kind} ({len(some)})")
        for note in some[:most]:
            put(f"      {note['path'] + ': ' if note['path'] else ''}{note['text']}")
        if len(some) > most:
            put(f"      ... and {len(some) - most} more")


def tell_conflicts(conflicts: list[dict[str, Any]], into: str | None) -> None:
    """Every conflict, what is in force now, and how to decide it.

    :param into: the result; ``None``: there is none yet.
    """
    if not conflicts:
        return
    from goldroot.merge import StoredQuestion, answers_of

    put(f"{counted(len(conflicts), 'conflict')} to decide:")
    for conflict in conflicts:
        shown = {**conflict, "answers": answers_of(StoredQuestion.of(conflict))}
        for line, _ in question_lines(shown, brief=True, whole_key=True):
            put(f"  {line}")
    if into is None:
        put("With --into OUT it is merged, and they are decided with:  goldroot merge resolve OUT")
    else:
        tell_ways(into)


def tell_ways(out: str) -> None:
    """How what is open can be decided.

    Where nothing could be kept beside the result, by a decisions file: its keys are those of the record.
    """
    from goldroot.errors import NotFound

    try:
        say_ways(out)
    except NotFound:
        put("Decide them in a file, by the keys in the record (--report FILE), and merge once more: --decisions FILE")


merge.add_command(resolve)
merge.add_command(show)
merge.add_command(edit)
