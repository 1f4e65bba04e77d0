"""``goldroot review``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from goldroot.cli.each_clone import answer_line
from goldroot.cli.hunks import in_full, where_they_meet
from goldroot.cli.known_names import answers, clone_names, conflict_paths
from goldroot.cli.lazy import Group
from goldroot.cli.output import counted, emit, json_option, plan_option, table
from goldroot.cli.site import open_site, site_option
from goldroot.cli.terminal import put, put_content
from goldroot.conflicts import answer_word
from goldroot.errors import EXIT_FINDINGS, NotFound, Refused, UsageError

if TYPE_CHECKING:
    from goldroot.catalog import WaitingConflict
    from goldroot.fleet import Answer, Case
    from goldroot.site import Site

wanted_argument = click.argument("wanted", metavar="[PATH|KEY]...", nargs=-1, shell_complete=conflict_paths)


@click.group(cls=Group)
def review() -> None:
    """Look at what an update must not decide alone, and decide it.

    A decision is remembered for the image: it answers the same question (the same three versions) on every clone.

    \b
    Examples:
      goldroot review list
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
            _say_conflict(one, brief=brief, whole=whole)
        _say_next(found)

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


def _say_conflict(one: dict[str, Any], *, brief: bool, whole: bool) -> None:
    state = "" if one["state"] == "open" else f"  ({one['state']})"
    put(f"{one['path']}  [{one['axis']}]{state}  {one['detail']}")
    answers = ", ".join(map(answer_word, one["answers"]))
    put(f"    stands: {answer_word(one['stands'])}; answers: {answers}; key {one['key'][:12]}")
    if brief:
        return
    for side in ("base", "gold", "clone"):
        if one["axis"] in ("mode", "owner", "group", "type", "presence") and side in one:
            put(f"    {side:<6} {_entry(one[side])}")
    diffs: dict[str, list[str]] = one.get("diffs", {})
    for word, part in (in_full(diffs) if whole else where_they_meet(diffs)).items():
        put(f"    {word}:" + ("  no difference" if not part.lines else ""))
        if part.lines:
            put_content("\n".join(part.lines), indent="      ")
        if part.hidden:
            put(f"      ({counted(part.hidden, 'change')} elsewhere in the file; shown with --whole)")


def _entry(entry: dict[str, Any] | None) -> str:
    if entry is None:
        return "not there"
    return " ".join(str(entry[key]) for key in ("kind", "mode", "owner", "group", "target") if key in entry)


def _say_next(found: Case) -> None:
    name = found.update.clone
    if found.open:
        put(f"{len(found.open)} to decide: goldroot review resolve {name} PATH --take server|gold|proposal|FILE")
    else:
        put(f"All is decided. Go on with: {found.next_command}")


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
    if wanted and (before := _answered_before(site, name, wanted)):
        changed = answer_again(site, before, take, note=note, plan_only=plan_only)
        _changed(name, changed, take, plan_only, as_json)
        return
    found = find_case(site, name)
    conflicts = chosen_conflicts(found, wanted, all_like=all_like, everything=everything)
    found = resolve_conflicts(site, found, conflicts, take, note=note, plan_only=plan_only)
    _decided(found, conflicts, take, plan_only, as_json)


def _answered_before(site: Site, name: str, wanted: Sequence[str]) -> list[Answer]:
    """The remembered answers that are meant, where nothing that waits is."""
    from goldroot.fleet import all_answers, chosen_answers, chosen_conflicts, find_case

    try:
        chosen_conflicts(find_case(site, name), wanted)
    except NotFound:
        known = {one.said.key for one in all_answers(site, name)}
        try:
            return [one for one in chosen_answers(site, wanted) if one.said.key in known]
        except NotFound:
            return []  # what waits for a review is told by its own error
    return []


def _changed(name: str, changed: Sequence[Answer], take: str, plan_only: bool, as_json: bool) -> None:
    rows = [one.as_dict() for one in changed]

    def say() -> None:
        for row in rows:
            put(
                f"{'would change' if plan_only else 'changed'} {row['path'] or row['key'][:12]} [{row['axis']}]: {take}"
            )
        put(f"The next merge that meets the question uses it: goldroot update plan {name}")

    emit(as_json, {"clone": name, "changed": rows, "plan": plan_only}, say)


def _decided(found: Case, conflicts: list[WaitingConflict], take: str, plan_only: bool, as_json: bool) -> None:
    from goldroot.tree import path_text

    rows = [
        {"path": path_text(c.found.path), "axis": c.found.axis, "key": c.found.key, "take": take} for c in conflicts
    ]

    def say() -> None:
        for row in rows:
            put(f"{'would decide' if plan_only else 'decided'} {row['path']} [{row['axis']}]: {take}")
        _say_next(found)

    emit(as_json, {"clone": found.update.clone, "decided": rows, "open": len(found.open), "plan": plan_only}, say)


@review.command()
@click.argument("name", metavar="CLONE", shell_complete=clone_names)
@click.argument("wanted", metavar="PATH|KEY")
@click.option("--note", default="", help="Why; it is kept with the decision.")
@site_option
@plan_option
@json_option
def edit(name: str, wanted: str, note: str, site_dir: str | None, plan_only: bool, as_json: bool) -> None:
    """Decide one conflict by editing: $EDITOR opens the merged text, with markers where both sides changed.

    \b
    Example:
      EDITOR=nano goldroot review edit web1 /etc/nginx/nginx.conf
    """
    from goldroot.fleet import conflict_at, edit_conflict, find_case, starting_text

    site = open_site(site_dir)
    found = find_case(site, name)
    one = conflict_at(found, wanted)
    if plan_only:
        starting_text(site, found, one)
    else:
        found = edit_conflict(site, found, one, note=note)
    _decided(found, [one], "content", plan_only, as_json)


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
@click.argument("wanted", metavar="PATH|KEY...", nargs=-1, required=True)
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
