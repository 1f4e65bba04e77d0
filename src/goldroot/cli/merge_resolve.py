"""``goldroot merge resolve``, ``show`` and ``edit``: what a merge of three directories left to be decided."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from goldroot.cli.asking import ask_all
from goldroot.cli.command import Command, emit, json_option, plan_option
from goldroot.cli.keys import Keys, edit_again, need_terminal
from goldroot.cli.progress import stages
from goldroot.cli.questions import question_lines, say_words, ways_to_answer
from goldroot.cli.terminal import put, put_coloured
from goldroot.counted import counted
from goldroot.errors import EXIT_FINDINGS, UsageError
from goldroot.tree import path_text

if TYPE_CHECKING:
    from goldroot.merge import Asked, LeftOfMerge, StoredQuestion

out_argument = click.argument("out", metavar="OUT", type=click.Path())
wanted_argument = click.argument("wanted", metavar="[PATH|KEY]...", nargs=-1)


@click.command(cls=Command)
@out_argument
@wanted_argument
@click.option("--take", metavar="server|gold|proposal|FILE", type=click.Path(),
              help="The answer, without asking; FILE: content of your own.")  # fmt: skip
@click.option("--all-like", is_flag=True, help="And every open one with the same axis and kind as those named.")
@click.option("--all", "everything", is_flag=True, help="Every open one.")
@click.option("--into", metavar="NEW", type=click.Path(),
              help="Where the result goes, a new name or an empty directory; OUT stays as it is.")  # fmt: skip
@plan_option
@json_option
def resolve(
    out: str, wanted: tuple[str, ...], take: str | None, all_like: bool, everything: bool, into: str | None,
    plan_only: bool, as_json: bool,
) -> int:  # fmt: skip
    """Decide what the merge into OUT left open: by keys, one question after the other, or with --take by a command.

    Once nothing is open any more, the merge is made again with the answers, and its result takes the place of OUT; an OUT that
    you changed since is kept beside it.  The answers are in OUT.review/decisions.json, for other servers, too (--decisions).

    Exit code 1: something is left undecided.

    \b
    Examples:
      goldroot merge resolve merged
      goldroot merge resolve merged /etc/ssh/sshd_config --take gold
      goldroot merge resolve merged --all --take server
    """
    from goldroot.merge import Options, merge_again, resolving

    if take is None and (wanted or all_like or everything):
        raise UsageError(
            "nothing says which answer", todo="Give --take server, gold or a FILE; or only OUT, to be asked."
        )
    if take is not None and not (wanted or everything):
        raise UsageError("nothing says which conflicts", todo="Name paths or keys, or give --all.")
    kept = ""
    with resolving(out) as left:
        rows = (
            _answer(left, take, _meant(left, out, wanted, all_like, everything), plan_only) if take is not None else []
        )
        if take is None and left.open and not (as_json or plan_only):
            need_terminal(f"goldroot merge show {shlex.quote(out)}",
                          f"goldroot merge resolve {shlex.quote(out)} PATH --take server|gold")  # fmt: skip
            ask_all(left.desk(), Keys())
        still: list[Asked] = [*left.open]
        merged = None
        if left.waiting and not (still or plan_only):
            with stages(as_json) as stage:
                merged, kept = merge_again(left, into, options=Options(progress=stage))
            still = [*merged.conflicts]

    def say() -> None:
        for row in rows:
            put(f"{'would decide' if plan_only else 'decided'} {row['path']} [{row['axis']}]: {row['take']}")
        if merged is not None:
            put(f"Merged into {into or out}, with {counted(len(left.answers), 'answer')}.")
            if kept:
                put(f"{out} was changed after it was merged; as it was, it is in {kept}")
        if merged is None or still:
            say_ways((into or out) if merged is not None else out)

    data = {
        "out": out, "decided": rows, "open": [_row(one) for one in still], "merged": merged is not None, "kept": kept,
        "plan": plan_only,
    }  # fmt: skip
    emit(as_json, data, say)
    return EXIT_FINDINGS if still else 0


def _meant(
    left: LeftOfMerge, out: str, wanted: Sequence[str], all_like: bool, everything: bool
) -> list[StoredQuestion]:
    from goldroot.merge import and_alike, chosen_questions

    if everything:
        return left.open
    named = chosen_questions(left.waiting, wanted, of=out, show=f"goldroot merge show {shlex.quote(out)}")
    return and_alike(named, left.open) if all_like else named


def _answer(left: LeftOfMerge, take: str, meant: Sequence[StoredQuestion], plan_only: bool) -> list[dict[str, Any]]:
    from goldroot.merge import decisions_for

    answers = decisions_for(meant, take, show=f"goldroot merge show {shlex.quote(left.out)}")
    if not plan_only:
        left.decide(answers)
    return [{**_row(one), "take": take} for one in meant]


def _row(one: Asked) -> dict[str, Any]:
    return {"path": path_text(one.path), "axis": one.axis, "key": one.key}


@click.command(cls=Command)
@out_argument
@wanted_argument
@click.option("--brief", is_flag=True, help="One line for each, without the versions.")
@click.option("--whole", is_flag=True, help="Long texts whole, not only where both sides changed the same lines.")
@json_option
def show(out: str, wanted: tuple[str, ...], brief: bool, whole: bool, as_json: bool) -> int:
    """Show what the merge into OUT left open, each with what gold changed and what the server changed.

    Without PATH or KEY, all that are open.  A PATH that ends in / takes all below it; a KEY may be shortened.

    Exit code 1: something is open.

    \b
    Example:
      goldroot merge show merged
    """
    from goldroot.merge import chosen_questions, conflict_shown, find_left

    left = find_left(out)
    asked = chosen_questions(left.waiting, wanted, of=out, show=f"goldroot merge show {shlex.quote(out)}")
    known = left.answers
    data = [
        {**conflict_shown(left.question(one), one.detail), "state": "decided" if one.key in known else "open"}
        for one in (asked or left.open)
    ]

    def say() -> None:
        for one in data:
            put_coloured(question_lines(one, brief=brief, whole=whole))
        say_words(data)
        say_ways(out)

    emit(as_json, {"out": out, "conflicts": data}, say)
    return EXIT_FINDINGS if left.open else 0


@click.command(cls=Command)
@out_argument
@click.argument("wanted", metavar="PATH|KEY")
@click.option("--tool", is_flag=True, help="With git's merge tool (git config merge.tool) in place of the editor.")
@json_option
def edit(out: str, wanted: str, tool: bool, as_json: bool) -> int:
    """Decide one conflict of the merge into OUT by editing: $VISUAL or $EDITOR opens what could be merged.

    Where markers are left it is opened again, if you want.  What you wrote is kept until it is an answer.

    \b
    Example:
      EDITOR=nano goldroot merge edit merged /etc/nginx/nginx.conf
    """
    from goldroot.merge import EditWay, chosen_questions, find_left, only_one, resolving

    with resolving(out) as left:
        hits = chosen_questions(left.waiting, [wanted], of=out, show=f"goldroot merge show {shlex.quote(out)}")
        one = only_one(hits, wanted)
        left.edit(one, EditWay(tool, edit_again))
    after = find_left(out)
    row = {**_row(one), "take": "content"}

    def say() -> None:
        put(f"decided {row['path']} [{row['axis']}]: content")
        say_ways(out)

    emit(as_json, {"out": out, "decided": [row], "open": [_row(one) for one in after.open]}, say)
    return EXIT_FINDINGS if after.open else 0


def say_ways(out: str) -> None:
    """What is open in a result, and how it can be decided.

    :raises NotFound: nothing is kept beside it.
    """
    from goldroot.merge import find_left

    left, name = find_left(out), shlex.quote(out)
    if not left.waiting:
        put("Nothing is to be decided.")
    elif not left.open:
        put(f"All is decided. Go on with: goldroot merge resolve {name}")
    else:
        put(f"{len(left.open)} to decide. One after the other, by keys:  goldroot merge resolve {name}")
        ways = ways_to_answer(
            f"goldroot merge resolve {name}", f"goldroot merge edit {name}", left.open, left.waiting,
            lambda asked: left.question(asked).is_text,
        )  # fmt: skip
        for line in ways:
            put(f"  {line}")
