"""``goldroot review``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from goldroot.cli.asking import ask_all
from goldroot.cli.command import Group, emit, json_option, open_site, plan_option, site_option, table
from goldroot.cli.keys import Keys, edit_again, need_terminal
from goldroot.cli.known_names import answered_paths, answers, clone_names, conflict_paths
from goldroot.cli.progress import answer_line
from goldroot.cli.questions import question_lines, say_words, ways_to_answer
from goldroot.cli.terminal import put, put_coloured
from goldroot.counted import counted
from goldroot.errors import EXIT_FINDINGS, NotFound, Refused, UsageError

if TYPE_CHECKING:
    from goldroot.fleet import Answer, Case, WaitingConflict
    from goldroot.site import Site

wanted_argument = click.argument("wanted", metavar="[PATH|KEY]...", nargs=-1, shell_complete=conflict_paths)


@click.group(cls=Group)
def review() -> None:
    """Look at what an update must not decide alone, and decide it.

    A decision is remembered for the image: it answers the same question (the same three versions) on every clone.

    \b
    Examples:
      goldroot review list
      goldroot review next web1
      goldroot review show web1
      goldroot review resolve web1 /etc/ssh/sshd_config --take gold
      goldroot review edit web1 /etc/nginx/nginx.conf
    """


@review.command("list")
@click.argument("name", metavar="[CLONE]", required=False, shell_complete=clone_names)
@site_option
@json_option
def list_cases(name: str | None, site_dir: str | None, as_json: bool) -> int:
    """The clones that wait for a review.  Exit code 1: there are some.

    \b
    Example:
      goldroot review list --json
    """
    from goldroot.fleet import all_cases

    found = all_cases(open_site(site_dir), name)
    data = [
        {
            "clone": one.update.clone, "update": one.update.id, "kind": one.update.kind, "state": one.update.state,
            "from": one.update.from_version, "to": one.update.to_version, "open": len(one.open),
            "decided": len(one.waiting) - len(one.open),
        }
        for one in found
    ]  # fmt: skip

    def say() -> None:
        rows = [
            [str(d["clone"]), str(d["kind"]), f"{d['from']} -> {d['to']}", str(d["open"]), str(d["decided"])]
            for d in data
        ]
        table(["clone", "kind", "gold", "open", "decided"], rows) if rows else put("Nothing waits for a review.")

    emit(as_json, data, say)
    return EXIT_FINDINGS if any(one.open for one in found) else 0


@review.command()
@click.argument("name", metavar="CLONE", shell_complete=clone_names)
@wanted_argument
@click.option("--brief", is_flag=True, help="One line for each, without the versions.")
@click.option("--whole", is_flag=True, help="Long texts whole, not only where both sides changed the same lines.")
@site_option
@json_option
def show(name: str, wanted: tuple[str, ...], brief: bool, whole: bool, site_dir: str | None, as_json: bool) -> int:
    """The conflicts of CLONE, each with what gold changed and what the clone changed; secrets are not shown.

    Without PATH or KEY, all that are open.  A PATH that ends in / takes all below it; a KEY may be shortened.

    \b
    Examples:
      goldroot review show web1
      goldroot review show web1 /etc/nginx/ --whole
    """
    from goldroot.fleet import chosen_conflicts, find_case, show_conflict

    site = open_site(site_dir)
    found = find_case(site, name)
    conflicts = chosen_conflicts(found, wanted) if wanted else found.open
    data = [show_conflict(site, found, one) for one in conflicts]

    def say() -> None:
        _say_sides(found)
        for one in data:
            put_coloured(question_lines(one, brief=brief, whole=whole))
        say_words(data)
        _say_next(site, found)

    emit(as_json, {"clone": name, "update": found.update.id, "conflicts": data}, say)
    return EXIT_FINDINGS if found.open else 0


def _say_sides(found: Case) -> None:
    """Of a way back: its words are those of an update, and its sides are not."""
    if found.update.kind == "rollback":
        name, back = found.update.clone, found.update.to_version
        put(f"{name} goes back to gold {back}. What the words mean here:")
        put(f"    base:  {name} right after its switch to gold {found.update.from_version}")
        put(f"    gold:  the fallback, {name} as it was on gold {back}")
        put(f"    clone: {name} as it is now, with what was changed since the switch")


def _say_next(site: Site, found: Case) -> None:
    from goldroot.fleet import is_editable

    name = found.update.clone
    if not found.open:
        put(f"All is decided. Go on with: {found.update.goes_on}")
        return
    put(f"{len(found.open)} to decide. One after the other, by keys:  goldroot review next {name}")
    every = {one.found.key: one for one in found.waiting}
    for line in ways_to_answer(
        f"goldroot review resolve {name}", f"goldroot review edit {name}",
        [one.found for one in found.open], [one.found for one in found.waiting],
        lambda asked: is_editable(site, found, every[asked.key]),
    ):  # fmt: skip
        put(f"  {line}")


@review.command("next")
@click.argument("name", metavar="[CLONE]", required=False, shell_complete=clone_names)
@site_option
@json_option
def ask_next(name: str | None, site_dir: str | None, as_json: bool) -> int:
    """Ask what is to be decided, one question after the other: each is answered by one key, as in `git add -p`.

    Without CLONE, those of every server that waits.  Each question shows what gold changed and what the server changed; long
    ones stand in $PAGER.  s takes the server's, g gold's; h goes through a text hunk by hunk; e opens $VISUAL or $EDITOR, t the
    tool of `git config merge.tool`; j and k go on and back, q quits, ? tells all keys.  An answer is kept at once.

    With --json nobody is asked: the first open question is printed, as `goldroot review show` has it.

    Exit code 1: something is left undecided.

    \b
    Examples:
      goldroot review next
      goldroot review next web1
    """
    from goldroot.fleet import all_cases, desk_of, find_case

    site = open_site(site_dir)
    cases = [find_case(site, name)] if name is not None else [one for one in all_cases(site) if one.open]
    if as_json:
        return _next_as_data(site, cases)
    names = [one.update.clone for one in cases]
    keys = Keys()
    if any(one.open for one in cases):
        need_terminal(f"goldroot review show {names[0]}", f"goldroot review resolve {names[0]} PATH --take server|gold")
    for one in names:
        if not ask_all(desk_of(site, one), keys):
            break
    after = [find_case(site, one) for one in names]
    for found in after:
        _say_next(site, found)
    if not names:
        put("Nothing waits for a review.")
    return EXIT_FINDINGS if any(found.open for found in after) else 0


def _next_as_data(site: Site, cases: Sequence[Case]) -> int:
    from goldroot.fleet import show_conflict

    first = next((one for one in cases if one.open), None)
    data = {
        "clone": first.update.clone if first else None,
        "conflict": show_conflict(site, first, first.open[0]) if first else None,
        "open": sum(len(one.open) for one in cases),
    }
    emit(True, data, lambda: None)
    return EXIT_FINDINGS if first else 0


@review.command()
@click.argument("name", metavar="CLONE", shell_complete=clone_names)
@wanted_argument
@click.option(
    "--take",
    required=True,
    metavar="server|gold|proposal|FILE",
    type=click.Path(),
    shell_complete=answers,
    help="The answer; FILE: content of your own.",
)
@click.option("--all-like", is_flag=True, help="And every open one with the same axis and kind as those named.")
@click.option("--all", "everything", is_flag=True, help="Every open one.")
@click.option("--note", default="", help="Why; it is kept with the decision.")
@site_option
@plan_option
@json_option
def resolve(
    name: str, wanted: tuple[str, ...], take: str, all_like: bool, everything: bool, note: str, site_dir: str | None,
    plan_only: bool, as_json: bool,
) -> None:  # fmt: skip
    """Decide conflicts of CLONE.  Nothing is changed on the server; the next `goldroot update run` uses the answers.

    An answer that was given before (`goldroot review decisions CLONE`) is changed by answering again, by its path or key.

    \b
    Examples:
      goldroot review resolve web1 /etc/ssh/sshd_config --take gold --note "new default is right"
      goldroot review resolve web1 /etc/nginx/ --take server
      goldroot review resolve web1 /etc/motd --take ./motd
    """
    from goldroot.fleet import answer_again, chosen_conflicts, find_case, resolve_conflicts

    if not wanted and not everything:
        raise UsageError("nothing says which conflicts", todo="Name paths or keys, or give --all.")
    site = open_site(site_dir)
    try:
        found = find_case(site, name)
        conflicts = chosen_conflicts(found, wanted, all_like=all_like, everything=everything)
    except NotFound:
        before = _answered_before(site, name, wanted)
        if not before:
            raise
        changed = answer_again(site, before, take, note=note, plan_only=plan_only)
        _changed(name, changed, take, plan_only, as_json)
        return
    found = resolve_conflicts(site, found, conflicts, take, note=note, plan_only=plan_only)
    _decided(site, found, conflicts, take, plan_only, as_json)


def _answered_before(site: Site, name: str, wanted: Sequence[str]) -> list[Answer]:
    """The remembered answers that are meant, where nothing that waits is."""
    from goldroot.fleet import chosen_answers

    try:
        return chosen_answers(site, wanted, name) if wanted else []
    except NotFound:
        return []  # what waits for a review is told by its own error


def _changed(name: str, changed: Sequence[Answer], take: str, plan_only: bool, as_json: bool) -> None:
    rows = [one.as_dict() for one in changed]

    def say() -> None:
        for row in rows:
            put(
                f"{'would change' if plan_only else 'changed'} {row['path'] or row['key'][:12]} [{row['axis']}]: {take}"
            )
        put(f"The next merge that meets the question uses it: goldroot update plan {name}")

    emit(as_json, {"clone": name, "changed": rows, "plan": plan_only}, say)


def _decided(
    site: Site, found: Case, conflicts: list[WaitingConflict], take: str, plan_only: bool, as_json: bool
) -> None:
    from goldroot.tree import path_text

    rows = [
        {"path": path_text(c.found.path), "axis": c.found.axis, "key": c.found.key, "take": take} for c in conflicts
    ]

    def say() -> None:
        for row in rows:
            put(f"{'would decide' if plan_only else 'decided'} {row['path']} [{row['axis']}]: {take}")
        _say_next(site, found)

    emit(as_json, {"clone": found.update.clone, "decided": rows, "open": len(found.open), "plan": plan_only}, say)


@review.command()
@click.argument("name", metavar="CLONE", shell_complete=clone_names)
@click.argument("wanted", metavar="PATH|KEY", shell_complete=conflict_paths)
@click.option("--note", default="", help="Why; it is kept with the decision.")
@click.option("--tool", is_flag=True, help="With git's merge tool (git config merge.tool) in place of the editor.")
@site_option
@plan_option
@json_option
def edit(
    name: str, wanted: str, note: str, tool: bool, site_dir: str | None, plan_only: bool, as_json: bool
) -> None:  # fmt: skip
    """Decide one conflict by editing: $VISUAL or $EDITOR opens the merged text, with markers where both sides changed.

    Where markers are left it is opened again, if you want.  What you wrote is kept until it is an answer: the next edit of the
    same conflict goes on from there.

    \b
    Example:
      EDITOR=nano goldroot review edit web1 /etc/nginx/nginx.conf
    """
    from goldroot.fleet import conflict_at, edit_conflict, find_case, starting_text
    from goldroot.merge import EditWay

    site = open_site(site_dir)
    found = find_case(site, name)
    one = conflict_at(found, wanted)
    if plan_only:
        starting_text(site, found, one)
    else:
        found = edit_conflict(site, found, one, note=note, way=EditWay(tool, edit_again))
    _decided(site, found, [one], "content", plan_only, as_json)


@review.command("decisions")
@click.argument("name", metavar="[CLONE]", required=False, shell_complete=clone_names)
@site_option
@json_option
def list_decisions(name: str | None, site_dir: str | None, as_json: bool) -> None:
    """The answers that are remembered: what was asked, what was answered, who did and when, and which servers used it.

    With CLONE, those that its merges used and those to questions that it waits with.

    \b
    Examples:
      goldroot review decisions
      goldroot review decisions web1 --json
    """
    from goldroot.fleet import all_answers

    data = [one.as_dict() for one in all_answers(open_site(site_dir), name)]

    def say() -> None:
        for image in dict.fromkeys(row["image"] for row in data):
            put(f"{image}:")
            for row in data:
                if row["image"] == image:
                    put(f"  {row['key'][:12]}  {answer_line(row)}")
                    if row["used_by"]:
                        put(f"                used by {', '.join(row['used_by'])}")
        if not data:
            put("No answer is remembered.")

    emit(as_json, data, say)


@review.command()
@click.argument("wanted", metavar="PATH|KEY...", nargs=-1, required=True, shell_complete=answered_paths)
@click.option("--yes", is_flag=True, help="Do not ask; without a terminal nobody is asked.")
@site_option
@plan_option
@json_option
def forget(wanted: tuple[str, ...], yes: bool, site_dir: str | None, plan_only: bool, as_json: bool) -> None:
    """Forget remembered answers: the next merge that meets the question asks it again, on every server.

    Servers that were switched with an answer stay as they are.  A PATH takes all its answers; a KEY may be shortened.

    \b
    Examples:
      goldroot review forget 3f9a0c21b7de
      goldroot review forget /etc/ssh/sshd_config --plan
    """
    from goldroot.fleet import chosen_answers, forget_answers

    site = open_site(site_dir)
    found = chosen_answers(site, wanted)
    rows = [one.as_dict() for one in found]
    if not plan_only:
        if not (yes or as_json):
            _consent(rows)
        forget_answers(site, found)

    def say() -> None:
        for row in rows:
            put(f"{'would forget' if plan_only else 'forgot'} {row['key'][:12]}  {answer_line(row)}")
        if plan_only:
            put(_follows(rows))

    emit(as_json, {"forgotten": rows, "plan": plan_only}, say)


def _follows(rows: Sequence[dict[str, Any]]) -> str:
    used = sorted({name for row in rows for name in row["used_by"]})
    stay = f" {', '.join(used)} {'stays' if len(used) == 1 else 'stay'} as now." if used else ""
    return f"The next merge that meets {'the question asks it' if len(rows) == 1 else 'these questions asks them'} again.{stay}"


def _consent(rows: Sequence[dict[str, Any]]) -> None:
    """Ask on a terminal. :raises click.Abort: the person does not want it."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    for row in rows:
        put(f"{row['key'][:12]}  {answer_line(row)}", err=True)
    put(_follows(rows), err=True)
    if not click.confirm(f"Forget {counted(len(rows), 'answer')}?", err=True):
        raise Refused("nothing was forgotten")
