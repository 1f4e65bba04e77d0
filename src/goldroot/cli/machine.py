"""``goldroot machine``: how a person reaches running servers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from goldroot.cli.command import (
    Group,
    commands_option,
    emit,
    json_option,
    open_site,
    plan_option,
    site_option,
    table,
    tells_commands,
)
from goldroot.cli.inner_command import AS_COMMAND, command_argument
from goldroot.cli.known_names import clone_names
from goldroot.cli.progress import each, failures_data, stages, tell_failures
from goldroot.cli.terminal import put, put_lines, put_output
from goldroot.cli.zvm_commands import commands_of
from goldroot.errors import EXIT_FINDINGS

if TYPE_CHECKING:
    from goldroot.fleet import MachineState

#: The largest time that a person may give, in seconds.
A_DAY = 86400

names_argument = click.argument("names", metavar="CLONE...", nargs=-1, required=True, shell_complete=clone_names)

#: How a machine ended -> the same for a person.
ENDS = {
    "off": "was off already",
    "asked": "has shut down",
    "pressed": "has shut down, after its power button was pressed",
    "killed": "was killed: it did not shut down in time",
}
#: What a machine runs from -> the same for a person.
RUNS = {"current": "", "older": "from older disks", "unknown": "", "nothing": ""}


@click.group(cls=Group)
def machine() -> None:
    """Start, stop and look at the machines of clones, where the host starts machines.

    \b
    Examples:
      goldroot machine start web1 web2
      goldroot machine list
    """


@machine.command()
@names_argument
@commands_option
@site_option
@plan_option
@json_option
def start(names: tuple[str, ...], site_dir: str | None, plan_only: bool, as_json: bool) -> int:
    """Start the machine of each CLONE; one that runs is left alone.

    A server that was updated while it was off is asked now how it does, as the image's `health` says; where that is bad,
    it goes back to the disks that it had by itself (exit code 4).

    \b
    Examples:
      goldroot machine start web1
      goldroot machine start web1 web2 --plan
    """
    from goldroot.fleet import plan_start, start_machine, told_power

    tells_commands(plan_only=plan_only)
    site = open_site(site_dir)
    with stages(as_json) as stage:
        results = each(
            names, lambda name: plan_start(site, name) if plan_only else start_machine(site, name, stage=stage)
        )

    def say() -> None:
        for name, found in results.done.items():
            if plan_only:
                put(f"{name} {'runs already' if found.power.state == 'on' else 'would be started'}")
            else:
                put(f"{name} {'was started' if found.started else 'runs already'}")
        commands.say()
        tell_failures(results.failed)

    commands = commands_of(lambda: [told_power(site, n, on=True) for n in results.done if plan_only])
    data = {**_states(results.done, results.failed, plan_only), **commands.data()}
    if not plan_only:
        data["machines"] = [{**found.as_dict(), "started": found.started} for found in results.done.values()]
    emit(as_json, data, say)
    return results.exit_code(lambda _: 0)


@machine.command()
@names_argument
@click.option(
    "--patience", type=click.IntRange(0, A_DAY), metavar="SECONDS",
    help="How long it may take to shut down before it is killed (default: the image's stop_time).",
)  # fmt: skip
@commands_option
@site_option
@plan_option
@json_option
def stop(names: tuple[str, ...], patience: int | None, site_dir: str | None, plan_only: bool, as_json: bool) -> int:
    """Stop the machine of each CLONE: it is asked to shut down, and killed where it does not; how it ended is told.

    \b
    Examples:
      goldroot machine stop web1
      goldroot machine stop web1 --patience 0
    """
    from goldroot.fleet import plan_start, stop_machine, told_power

    tells_commands(plan_only=plan_only)
    site = open_site(site_dir)
    if plan_only:
        planned = each(names, lambda name: plan_start(site, name))
        commands = commands_of(lambda: [told_power(site, n, on=False, patience=patience) for n in planned.done])

        def say_plan() -> None:
            for name, found in planned.done.items():
                put(f"{name} {'is off already' if found.power.state == 'off' else 'would be stopped'}")
            commands.say()
            tell_failures(planned.failed)

        emit(as_json, {**_states(planned.done, planned.failed, plan_only), **commands.data()}, say_plan)
        return planned.exit_code(lambda _: 0)
    results = each(names, lambda name: stop_machine(site, name, patience=patience))

    def say() -> None:
        for name, how in results.done.items():
            put(f"{name} {ENDS.get(how, how)}")
        tell_failures(results.failed)

    ended = [{"clone": name, "name": name, "ended": how} for name, how in results.done.items()]
    emit(as_json, {"machines": ended, "failed": failures_data(results.failed), "plan": False}, say)
    return results.exit_code(lambda _: 0)


@machine.command("list")
@click.argument("names", metavar="[CLONE]...", nargs=-1, shell_complete=clone_names)
@site_option
@json_option
def list_machines(names: tuple[str, ...], site_dir: str | None, as_json: bool) -> None:
    """Which machines run, since when, and whether from the disks that they would start from now.

    \b
    Example:
      goldroot machine list web1
    """
    from goldroot.fleet import machine_states

    site = open_site(site_dir)
    found = machine_states(site, names)

    def say() -> None:
        # Where there is one host, there is no column for it, as in `clone list`.
        hosts = len(site.config.hosts) > 1
        reached = any(one.addresses or one.ports for one in found)
        rows = [
            [one.clone.name, one.clone.machine, *([one.clone.host] if hosts else []),
             f"{one.clone.image} {one.clone.version}", _power(one), one.power.since.partition(".")[0],
             *([" ".join([*one.addresses, *(f"port {port}" for port in one.ports)])] if reached else []),
             one.error or one.power.why]
            for one in found
        ]  # fmt: skip
        table(["clone", "machine", *(["host"] if hosts else []), "gold", "power", "since",
               *(["addresses"] if reached else []), "known from"], rows)  # fmt: skip

    emit(as_json, {"machines": [one.as_dict() for one in found]}, say)


@machine.command()
@click.argument("name", metavar="CLONE", shell_complete=clone_names)
@click.option("--bridge", metavar="BRIDGE", help="Of its host, to which its link leads; `none`: private.")
@click.option("--interface", help="What that link is called in the server.")
@click.option(
    "--address", metavar="ADDRESS/PREFIX", help="That the link has from the start; `none`: the server's own matter."
)
@click.option("--gateway", help="Its way to all others, or `none`.")
@click.option("--port", "ports", multiple=True, metavar="[ADDRESS:]PORT:SERVER-PORT",
              help="A TCP port of its host that leads into it, in the place of those before; may be repeated; `none`.")  # fmt: skip
@site_option
@plan_option
@json_option
def network(name: str, site_dir: str | None, plan_only: bool, as_json: bool, **options: Any) -> None:
    """Say what joins the server of CLONE to others, or change it: from its next start on.

    What no option says stays as it is.  The server's own settings stay as they are, too: an address that it gives
    itself is changed inside.

    \b
    Examples:
      goldroot machine network web1
      goldroot machine network web1 --port 8080:80 --port 8443:443
      goldroot machine network web1 --bridge none --port none
    """
    from goldroot.fleet import join_machine, plan_join

    site = open_site(site_dir)
    only_said = not any(options.values())
    done = plan_join(site, name, options) if plan_only or only_said else join_machine(site, name, options)

    def say() -> None:
        if only_said:
            put(f"{name}: {done.network}")
            return
        put(f"{name}: {done.before} -> {done.network}")
        if done.runs:
            put(f"  It runs: that holds from its next start on (goldroot machine stop {name}, then start).")

    emit(as_json, {**done.as_dict(), "plan": plan_only}, say)


@machine.command()
@click.argument("name", metavar="CLONE", shell_complete=clone_names)
@click.option(
    "--lines", type=click.IntRange(1, 100_000), default=40, show_default=True, help="How many of the last ones."
)
@site_option
@json_option
def console(name: str, lines: int, site_dir: str | None, as_json: bool) -> None:
    """The last lines of a machine's console, also of one that has ended.

    \b
    Example:
      goldroot machine console web1 --lines 100
    """
    from goldroot.fleet import console_lines

    said = console_lines(open_site(site_dir), name, lines)
    emit(as_json, {"clone": name, "name": name, "lines": said}, lambda: put_lines(said))


@machine.command(context_settings=AS_COMMAND)
@click.argument("name", metavar="CLONE", shell_complete=clone_names)
@command_argument()
@click.option("--time", "limit", type=click.IntRange(1, A_DAY), default=600, show_default=True, metavar="SECONDS",
              help="How long it may take.")  # fmt: skip
@site_option
@plan_option
@json_option
def run(name: str, command: tuple[str, ...], limit: int, site_dir: str | None, plan_only: bool, as_json: bool) -> int:
    """Run COMMAND inside the running machine of a CLONE, as its root; its output and its exit code are the command's.

    Options of goldroot stand before CLONE.  The command reads nothing.  For a system that does not run there is
    `goldroot clone enter`.

    \b
    Examples:
      goldroot machine run web1 systemctl --failed
      goldroot machine run --time 5 web1 hostname
    """
    from goldroot.fleet import machine_states, run_in_machine

    site = open_site(site_dir)
    if plan_only:
        (found,) = machine_states(site, [name])
        words = " ".join(command)
        data = {
            "clone": name, "machine": found.clone.machine, "power": found.power.state, "command": list(command),
            "plan": True,
        }  # fmt: skip
        emit(as_json, data, lambda: put(f"would run {words} in {found.clone.machine}, which is {found.power.state}"))
        return EXIT_FINDINGS if found.power.state != "on" else 0
    done = run_in_machine(site, name, command, float(limit))
    if as_json:
        emit(True, done.as_dict(), lambda: None)
        return done.status
    put_output(done.out)
    put_output(done.err, err=True)
    return done.status


def _power(one: MachineState) -> str:
    return " ".join(filter(None, [one.power.state, RUNS[one.power.runs]]))


def _states(done: dict[str, MachineState], failed: dict[str, Any], plan_only: bool) -> dict[str, Any]:
    return {
        "machines": [found.as_dict() for found in done.values()], "failed": failures_data(failed), "plan": plan_only,
    }  # fmt: skip
