"""``goldroot update``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from goldroot.cli.command import (
    VERSION,
    Group,
    commands_option,
    emit,
    export_plans,
    json_option,
    member_view,
    open_site,
    plan_option,
    room_for,
    shown,
    site_option,
    table,
    tells_commands,
    verbose,
)
from goldroot.cli.known_names import clone_names, gold_versions, image_names
from goldroot.cli.progress import (
    Results,
    counter,
    each,
    failures_data,
    names_argument,
    say_answers,
    say_dangling,
    say_failed_rebuilds,
    say_how_it_does,
    say_not_compared,
    say_shared,
    stages,
    tell_failures,
    tell_left,
)
from goldroot.cli.terminal import put
from goldroot.errors import EXIT_FINDINGS, UsageError
from goldroot.views import PATH_OUTCOMES

if TYPE_CHECKING:
    from goldroot.cli.zvm_commands import Commands
    from goldroot.fleet import Outcome
    from goldroot.site import Site


to_option = click.option(
    "--to",
    type=VERSION,
    metavar="N",
    shell_complete=gold_versions,
    help="The gold version to go to (default: the current one).",
)

#: Outcome of an entry of the record -> what it means for the server.
WORDS = {word: words for word, words in PATH_OUTCOMES.items() if word != "same"}


@click.group(cls=Group)
def update() -> None:
    """Move clones to another gold version: merge, review, checks, and one atomic switch.

    \b
    The usual way:
      goldroot update plan web1
      goldroot update run web1
      goldroot review next web1      where it needs one
      goldroot rollback web1         where it was a mistake
    """


@update.command()
@names_argument
@to_option
@click.option("--all-paths", is_flag=True, help="Name every path, not only the conflicts and what was merged.")
@commands_option
@site_option
@json_option
def plan(names: tuple[str, ...], to: int | None, all_paths: bool, site_dir: str | None, as_json: bool) -> int:
    """Show what an update of each CLONE would do, and change nothing.  The clones may be running.

    Of several clones each conflict is told once, with the names of the servers that have it.

    Exit code 1: there are conflicts that nobody has decided yet.

    \b
    Examples:
      goldroot update plan web1 web2
      goldroot update plan web1 --to 3 --all-paths
      goldroot update plan web1 --commands
    """
    if (exported := member_view(site_dir)) is not None:
        from goldroot.cli.zvm_commands import Commands
        from goldroot.fleet import exported_plan

        looked = each(names, lambda name: exported_plan(exported, name, to))
        tells_commands(plan_only=False)
        return _emit_plans(looked, all_paths, as_json, Commands())
    return _make_plans(open_site(site_dir), names, to, all_paths, as_json)


def _make_plans(site: Site, names: tuple[str, ...], to: int | None, all_paths: bool, as_json: bool) -> int:
    from goldroot.cli.zvm_commands import commands_of
    from goldroot.fleet import Prefetch, told_update

    with Prefetch(site, names) as ahead:
        from goldroot.fleet import plan_update

        with stages(as_json, len(names)) as stage:
            plans = each(names, lambda name: plan_update(site, name, to, stage=stage, ahead=ahead), stage.done)

    export_plans(site, plans.done.values())
    due = [found for found in plans.done.values() if found.clone.version != found.to]
    commands = commands_of(lambda: [told_update(site, found.clone.name, found.to) for found in due])
    back = {name for name, found in plans.done.items() if found.after_rollback}
    results = Results({name: found.as_dict() for name, found in plans.done.items()}, plans.failed)
    return _emit_plans(results, all_paths, as_json, commands, named=back)


def _emit_plans(
    results: Results[dict[str, Any]], all_paths: bool, as_json: bool, commands: Commands, *, named: Collection[str] = ()
) -> int:
    """:param named: clones of which the remembered answers are named."""
    from goldroot.fleet import grouped_conflicts

    groups = grouped_conflicts(list(results.done.values()))
    many = len(results.done) > 1

    def say() -> None:
        for name, found in results.done.items():
            _say_plan(found, all_paths, conflicts=not many, named=verbose() or name in named)
        if many:
            _say_groups(groups)
        commands.say()
        tell_failures(results.failed)

    data = {
        "plans": list(results.done.values()), "conflicts": groups,
        "failed": failures_data(results.failed), **commands.data(),
    }  # fmt: skip
    emit(as_json, data, say)
    return results.exit_code(lambda found: EXIT_FINDINGS if found["record"]["conflicts"] else 0)


def _say_groups(groups: Sequence[dict[str, Any]]) -> None:
    """Each conflict of several servers once, with their names: one line for each question that has an answer of its own."""
    if groups:
        put("To be decided:")
    for one in groups:
        put(f"  conflict  {one['path']}  [{one['axis']}]  {one['detail']}")
        for key, names in one["clones"].items():
            serves = "; one answer serves them" if len(names) > 1 else ""
            put(f"            on {', '.join(names)}  (key {key[:12]}{serves})")


def _say_plan(found: Mapping[str, Any], all_paths: bool, *, conflicts: bool = True, named: bool = False) -> None:
    """:param conflicts: whether each is named here, and not once for several servers; ``named``: remembered answers are."""
    clone, record = found["clone"], found["record"]
    counts = record["counts"]
    if found["from"] == found["to"]:
        put(f"{clone} is on {found['image']} {found['to']} already; nothing to do.")
        if found["stays"]:
            put(f"  {found['stays']}")
        return
    put(f"{clone}: {found['image']} {found['from']} -> {found['to']}")
    put(f"  {counts.get('unchanged', 0):>8,}  unchanged")
    # One path may ask more than one question, and it is questions that are to be decided.
    shown = {**counts, "conflict": len(record["conflicts"])}
    for outcome, words in WORDS.items():
        if shown.get(outcome):
            put(f"  {shown[outcome]:>8,}  {words}")
    for entry in record["entries"]:
        if all_paths or entry["outcome"] == "merged":
            put(f"  {entry['outcome']:<9} {entry['path']}  ({entry['axis']}; {entry['rule']['class']})")
    for conflict in record["conflicts"] if conflicts else ():
        put(f"  conflict  {conflict['path']}  [{conflict['axis']}]  {conflict['detail']}")
    for path, note in due(record["notes"]).items():
        put(f"  due       {path}: {note}")
    say_answers(found["answers"], clone, named=named)
    _count_notes(record["notes"], "--json has them")


def _count_notes(notes: Sequence[dict[str, Any]], where: str) -> None:
    """How many notes there are of each kind; what is due has lines of its own."""
    from goldroot.merge import MIGRATE_DUE, REBUILD_DUE

    kinds = Counter(note["kind"] for note in notes if note["kind"] not in (REBUILD_DUE, MIGRATE_DUE))
    if kinds:
        put(f"  notes     {', '.join(f'{count} {kind}' for kind, count in sorted(kinds.items()))} ({where})")


def due(notes: Sequence[dict[str, Any]]) -> dict[str, str]:
    """What is due, by path.  A command is run once, so it is one line: that of its first path, which is the topmost."""
    from goldroot.merge import MIGRATE_DUE, REBUILD_DUE

    firsts: dict[tuple[str, str], dict[str, Any]] = {}
    for note in notes:
        if note["kind"] in (REBUILD_DUE, MIGRATE_DUE):
            firsts.setdefault((note["kind"], note["data"]["command"]), note)
    return {note["path"]: note["text"] for note in firsts.values()}


@update.command()
@click.argument("names", metavar="[CLONE]...", nargs=-1, shell_complete=clone_names)
@click.option("--image", metavar="IMAGE", shell_complete=image_names, help="Every clone of this image, without names.")
@click.option("--all", "every", is_flag=True, help="Every clone of the site, without names.")
@to_option
@click.option(
    "--jobs", type=click.IntRange(1), metavar="N", help="So many clones at once (default: one per processor)."
)
@click.option("--stop-after", type=click.IntRange(1), metavar="N",
              help="After N failures of the same kind begin no other clone (default: go on).")  # fmt: skip
@commands_option
@site_option
@plan_option
@json_option
def run(
    names: tuple[str, ...], image: str | None, every: bool, to: int | None, jobs: int | None, stop_after: int | None,
    site_dir: str | None, plan_only: bool, as_json: bool,
) -> int:  # fmt: skip
    """Move each CLONE to a gold version, or go on with the update that was begun.

    The merge goes to new disks; the live ones are only read, and become the fallback.  Where something must be decided,
    the update waits as needs-review (exit code 1) while the server lives on.

    Where the host starts machines, a server that runs is tried in isolation, stopped, switched and started, and asked how
    it does; one that does not do well is back on its old disks by itself (exit code 4).  One that is off stays off.
    Elsewhere a clone that may still be written is merged but not switched: shut it down and give the same command again.

    Several clones are worked on at once.  The failure of one does not stop the rest; the same command again finishes
    what is left, and has nothing to do where all was done.

    \b
    Examples:
      goldroot update run web1
      goldroot update run web1 web2 web3 --to 4
      goldroot update run --image debian --jobs 8 --stop-after 3
    """
    site = open_site(site_dir)
    wanted = _wanted(site, names, image, every)
    if plan_only:
        context = click.get_current_context()
        return int(context.invoke(plan, names=wanted, to=to, all_paths=False, site_dir=site_dir, as_json=as_json))
    tells_commands(plan_only=False)
    if len(wanted) == 1:
        from goldroot.fleet import engine_of, run_update

        with stages(as_json) as stage, engine_of(site) as engine:
            results: Results[Outcome] = Results({wanted[0]: run_update(site, engine, wanted[0], to, stage=stage)}, {})
    else:
        results = _run_many(site, wanted, to, jobs, stop_after, as_json)
    data = {
        "clones": [done.as_dict() for done in results.done.values()],
        "failed": failures_data(results.failed),
        "unfinished": results.unfinished,
        "not_begun": results.not_begun,
    }

    def say() -> None:
        for done in results.done.values():
            _say_outcome(site, done)
        tell_failures(results.failed)
        tell_left(results)
        if len(wanted) > 1:
            _summary(wanted, results)

    emit(as_json, data, say)
    if results.cause is not None:
        raise results.cause
    return results.exit_code(lambda done: EXIT_FINDINGS if done.outcome == "needs-review" else 0)


def _wanted(site: Site, names: Sequence[str], image: str | None, every: bool) -> tuple[str, ...]:
    """The clones of a command, each once, in the order given; by name where they are not named.

    :raises UsageError: none is asked for, or in two ways.
    """
    if sum([bool(names), image is not None, every]) != 1:
        raise UsageError("which clones?", todo="Name them, or give either --image IMAGE or --all.")
    if not names:
        from goldroot.fleet import chosen_clones

        names = chosen_clones(site, image)
    return tuple(dict.fromkeys(names))


def _run_many(
    site: Site, wanted: Sequence[str], to: int | None, jobs: int | None, stop_after: int | None, as_json: bool
) -> Results[Outcome]:
    from goldroot.cli.failure import from_os_error
    from goldroot.fleet import run_updates, usual_jobs

    site.close()  # what is open here must not be carried into other processes
    with counter(len(wanted), as_json) as tell:
        many = run_updates(
            site.root, wanted, to, jobs=jobs or usual_jobs(), stop_after=stop_after or 0, tell=tell
        )  # fmt: skip
    failed = many.failed | {
        name: from_os_error(error) for name, error in many.unfinished.items() if isinstance(error, OSError)
    }
    cut_off = [name for name in many.unfinished if name not in failed]
    cause = many.interrupt or next((many.unfinished[name] for name in cut_off), None)
    return Results(many.done, failed, cut_off, many.not_begun, many.stopped_by, cause)


def _say_outcome(site: Site, done: Outcome) -> None:
    if done.outcome == "nothing-to-do":
        put(f"{done.clone} is on gold {done.to_version} already.")
        if done.stays:
            put(f"  {done.stays}")
    elif done.outcome == "done":
        put(f"{done.clone}: switched from gold {done.from_version} to {done.to_version}. The old disks are kept for "
              f"{site.config.fallback_days} days; the way back: goldroot rollback {done.clone}")  # fmt: skip
    else:
        put(f"{done.clone}: {done.conflicts} to decide; nothing was switched, and the server lives on.")
        put(f"  Decide:  goldroot review next {done.clone}    (one key for each)")
        put(f"  Look:    goldroot review show {done.clone}    (and the commands that decide without a terminal)")
    for line in done.pruned:
        put(f"  {line}: goldroot.toml keeps {site.config.keep_sets} (keep_sets)")
    if done.merged_again:
        from goldroot.fleet import again_at_switch

        put(f"  {again_at_switch(done.merged_again)}")
    say_answers(done.answers, done.clone, named=verbose())
    say_how_it_does(done)
    say_failed_rebuilds(done)
    say_not_compared(done)
    say_shared(done)
    say_dangling(done)
    if done.record:
        with open(done.record, "rb") as file:
            _count_notes(json.load(file)["notes"], "the record has them")
        put(f"  Record:  {done.record}")


def _summary(wanted: Sequence[str], results: Results[Outcome]) -> None:
    words = {
        **dict.fromkeys(results.not_begun, "not begun"),
        **dict.fromkeys(results.unfinished, "interrupted"),
        **{name: error.kind for name, error in results.failed.items()},
        **{name: done.outcome for name, done in results.done.items()},
    }
    put()
    table(["clone", "outcome"], [[name, words[name]] for name in wanted])


@update.command("list")
@click.argument("name", metavar="[CLONE]", required=False, shell_complete=clone_names)
@click.option("--all", "every", is_flag=True, help="Those that have ended, too.")
@site_option
@json_option
def list_updates(name: str | None, every: bool, site_dir: str | None, as_json: bool) -> None:
    """The updates and rollbacks that are in flight (with --all: that ever were).

    \b
    Example:
      goldroot update list web1 --all
    """
    from goldroot.fleet import update_rows

    ended = ("done", "failed", "returned", "cancelled")
    data = shown(
        site_dir, "updates", lambda site: update_rows(site, name, every=every),
        lambda rows: [one for one in rows if name in (None, one["clone"]) and (every or one["state"] not in ended)],
    )  # fmt: skip

    def say() -> None:
        rows = [
            [str(d["id"]), str(d["clone"]), str(d["kind"]), f"{d['from']} -> {d['to']}", str(d["state"]),
             str(d["open_conflicts"] or ""), str(d["changed_at"])]
            for d in data
        ]  # fmt: skip
        table(["number", "clone", "kind", "gold", "state", "open", "since"], rows)
        for d in data:
            if d["reason"]:
                put(f"{d['id']}: {d['reason']}")

    emit(as_json, data, say)


@update.command()
@names_argument
@site_option
@plan_option
@json_option
def cancel(names: tuple[str, ...], site_dir: str | None, plan_only: bool, as_json: bool) -> int:
    """Give up the update or rollback of each CLONE that is in flight.  Its new disks go; the server stays as it is.

    One that has switched already is refused: it goes on, or goes back by itself, or `goldroot rollback` takes it back.

    \b
    Example:
      goldroot update cancel web1
    """
    from goldroot.fleet import cancel_update as give_up
    from goldroot.fleet import cancelled_update, close_ended_runs, many_names, plan_cancel

    site = open_site(site_dir)

    def one(name: str) -> dict[str, Any]:
        if again.is_done(name):
            found = cancelled_update(site, name)
        else:
            found = plan_cancel(site, name) if plan_only else give_up(site, name)
        stays[name] = found.from_version
        return {"clone": name, "id": found.id, "kind": found.kind, "state": found.state}

    stays: dict[str, int] = {}
    with room_for(site, plan_only), many_names(site, "update cancel", names, looking=plan_only) as again:
        results = each(names, one)
        if not plan_only:
            close_ended_runs(site)
            again.end(left=bool(results.failed))

    def say() -> None:
        for row in results.done.values():
            put(f"{'would cancel' if plan_only else 'cancelled'} {row['kind']} {row['id']} of {row['clone']}")
            put(f"  It stays on gold {stays[row['clone']]}, as it is. What was decided is remembered.")
        tell_failures(results.failed)

    data = {"updates": list(results.done.values()), "failed": failures_data(results.failed), "plan": plan_only}
    emit(as_json, data, say)
    return results.exit_code(lambda _: 0)
