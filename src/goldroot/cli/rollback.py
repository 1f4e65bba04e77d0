"""``goldroot rollback``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from goldroot.cli.command import (
    Command,
    commands_option,
    emit,
    json_option,
    open_site,
    plan_option,
    site_option,
    tells_commands,
    verbose,
)
from goldroot.cli.progress import (
    each,
    failures_data,
    names_argument,
    say_answers,
    say_failed_rebuilds,
    say_how_it_does,
    stages,
    tell_failures,
)
from goldroot.cli.terminal import put
from goldroot.cli.zvm_commands import commands_of
from goldroot.counted import counted
from goldroot.errors import EXIT_FINDINGS, UsageError

if TYPE_CHECKING:
    from goldroot.fleet import Outcome, RollbackPlan
    from goldroot.site import Site


@click.command(cls=Command)
@names_argument
@click.option("--carry", is_flag=True, help="Merge what was changed since the switch onto the fallback.")
@click.option("--take-proposals", is_flag=True, help="With --carry: answer what is to be decided with what stands.")
@commands_option
@site_option
@plan_option
@json_option
def rollback(
    names: tuple[str, ...], carry: bool, take_proposals: bool, site_dir: str | None, plan_only: bool, as_json: bool
) -> int:
    """Take each CLONE back to its fallback: disks and links to gold, in one step.

    What was written since the switch is listed; the disks that hold it are set aside and kept.  With --carry, changes
    of configuration and accounts since the switch are merged onto the fallback, so that a password changed yesterday
    is not undone; a state unit (a database) changed since is asked about, and the fallback's is proposed.

    \b
    Examples:
      goldroot rollback web1 --plan
      goldroot rollback web1 --plan --commands
      goldroot rollback web1 --carry
    """
    from goldroot.fleet import engine_of, finish_rollback, many_names
    from goldroot.fleet import roll_back as go_back

    if take_proposals and not carry:
        raise UsageError("--take-proposals is for --carry: without it nothing is to be decided")
    site = open_site(site_dir)
    if plan_only:
        return _plan_rollback(site, names, carry, as_json)
    tells_commands(plan_only=False)
    asked = {"carry": carry, "take_proposals": take_proposals}
    with (
        stages(as_json, len(names)) as stage,
        engine_of(site) as engine,
        many_names(site, "rollback", names, asked) as again,
    ):

        def one(name: str) -> Outcome:
            if again.is_done(name):
                return finish_rollback(site, engine, name, stage=stage)
            return go_back(site, engine, name, carry=carry, take_proposals=take_proposals, stage=stage)

        results = each(names, one, stage.done)
        again.end(left=bool(results.failed))
    written = {done.clone: _written(site, done) for done in results.done.values()}
    data = {
        "clones": [{**done.as_dict(), "written_since": written[done.clone]} for done in results.done.values()],
        "failed": failures_data(results.failed),
    }

    def say() -> None:
        for done in results.done.values():
            _say_rollback(done, written[done.clone], carry)
        tell_failures(results.failed)

    emit(as_json, data, say)
    return results.exit_code(lambda done: EXIT_FINDINGS if done.outcome == "needs-review" else 0)


def _written(site: Site, done: Outcome) -> list[str]:
    from goldroot.fleet import read_written

    return read_written(site, done.clone, done.update)


def _say_rollback(done: Outcome, written: list[str], carry: bool) -> None:
    if done.outcome == "needs-review":
        put(f"{done.clone}: {done.conflicts} to decide; nothing was switched.")
        put(f"  Decide:  goldroot review next {done.clone}    (one key for each; gold: the fallback's)")
        put(f"  Look:    goldroot review show {done.clone}    (and the commands that decide without a terminal)")
        put(f"  Or take what is proposed: goldroot rollback {done.clone} --carry --take-proposals")
        return
    put(f"{done.clone}: back on gold {done.to_version}. The newer disks are set aside: goldroot fallback list")
    say_answers(done.answers, done.clone, named=verbose())
    say_how_it_does(done)
    say_failed_rebuilds(done)
    say_written(written, "configuration and accounts carried, state as decided" if carry else "set aside with them")


def say_written(written: list[str], words: str) -> None:
    """The paths that were written since a switch, the first of them by name."""
    if written:
        put(f"  Written since the switch, {words}: {counted(len(written), 'path')}")
    for path in written[:20]:
        put(f"    {path}")
    if len(written) > 20:
        put(f"    ... and {len(written) - 20} more")


def _plan_rollback(site: Site, names: tuple[str, ...], carry: bool, as_json: bool) -> int:
    from goldroot.fleet import plan_rollback, told_rollback

    results = each(names, lambda name: plan_rollback(site, name))
    commands = commands_of(lambda: [told_rollback(site, found.fallback) for found in results.done.values()])

    def say() -> None:
        for found in results.done.values():
            _say_rollback_plan(found, carry)
        commands.say()
        tell_failures(results.failed)

    plans = [found.as_dict() for found in results.done.values()]
    data = {"plans": plans, "failed": failures_data(results.failed), **commands.data()}
    emit(as_json, data, say)
    return results.exit_code(lambda _: 0)


def _say_rollback_plan(found: RollbackPlan, carry: bool) -> None:
    clone, fallback = found.clone, found.fallback
    put(f"{clone.name}: would go back from gold {clone.version} to {fallback.from_version}, in one step:")
    for address, disk in fallback.disks.items():
        put(f"  {address}  {disk}")
    aside = "would be set aside (or carried, with --carry)"
    say_written(
        list(found.written), "configuration and accounts would be carried, state asked about" if carry else aside
    )
