"""The root of the command line; every command group is imported only when it is used."""

from __future__ import annotations

import gc
import os
import sys

import click

from goldroot.cli.command import LazyGroup
from goldroot.errors import EXIT_CODES
from goldroot.version import __version__

#: command -> (where it lives, the line that ``--help`` shows).  The line stands here so that ``goldroot --help``
#: imports nothing.
COMMANDS = {
    "merge": ("goldroot.cli.merge:merge", "Merge three directory trees: base, gold and clone."),
    "policy": ("goldroot.cli.policy:policy", "Show and explain the rules that a merge follows."),
    "init": ("goldroot.cli.site:init", "Make a site: configuration, catalog and disk store."),
    "image": ("goldroot.cli.image:image", "Import and list images."),
    "maintain": ("goldroot.cli.image:maintain", "Work on an image's maintenance system, and test it."),
    "gold": ("goldroot.cli.gold:gold", "Check, publish, list, compare and verify gold versions."),
    "clone": ("goldroot.cli.clone:clone", "Create, list and inspect the servers made from gold."),
    "machine": ("goldroot.cli.machine:machine", "Start, stop and look at the machines of clones."),
    "linked": ("goldroot.cli.clone:linked", "Who is on which gold version."),
    "update": ("goldroot.cli.update:update", "Move clones to another gold version."),
    "review": ("goldroot.cli.review:review", "Look at conflicts and decide them."),
    "rollback": ("goldroot.cli.rollback:rollback", "Take a clone back to its fallback."),
    "fallback": ("goldroot.cli.fallback:fallback", "What is kept for the way back: list, look at, take from, prune."),
    "status": ("goldroot.cli.status:status", "What is in flight, waits for you, or is about to expire."),
    "log": ("goldroot.cli.status:log", "What happened, newest last."),
    "backup": ("goldroot.cli.backup:backup", "Write catalog, keys, records and entries into a file."),
    "restore": ("goldroot.cli.backup:restore", "Put a backup back, and compare."),
    "doctor": ("goldroot.cli.doctor:doctor", "Compare the site with what stands on its hosts, and repair it."),
    "demo": ("goldroot.demo:demo", "The whole story in a temporary site, narrated."),
    "zvm": ("goldroot.cli.zvm:zvm", "Speak to z/VM: SMAPI calls, user directories, a simulator."),
    "completion": ("goldroot.cli.completion:completion", "Print the completion script of a shell."),
    "schema": ("goldroot.cli.schema:schema", "The JSON Schemas of what --json prints."),
    "help": ("goldroot.cli.helping:help_command", "Say how a command is used."),
}


class _Root(LazyGroup):
    """Tells what the exit codes mean, for all commands."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Exit codes"):
            formatter.write_dl(list(EXIT_CODES.items()))


@click.group(cls=_Root, commands_at=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="goldroot")
def cli() -> None:
    """Keep fleets of Linux servers on one shared, versioned, read-only gold image.

    Each server owns only its small read-write disks.  When gold moves to its next version, each server is moved by a
    three-way merge of its own changes, with a fallback for every step.

    \b
    Try:
      goldroot demo                                      the whole story, in a temporary site
      goldroot merge --base B --gold G --clone C --plan  three directories, nothing to set up
    """


def main(args: list[str] | None = None) -> None:
    """The entry point: runs a command and turns every error into words and an exit code."""
    _open_streams()
    from goldroot.cli.failure import guarded, heard

    # Trees are columns, and rows die young: looking for cycles among them again and again finds nothing.
    gc.set_threshold(100_000, 50, 100)
    status = guarded(cli, sys.argv[1:] if args is None else args, heard())
    gc.freeze()  # what is still there goes with the process
    sys.exit(status)


def _open_streams() -> None:
    """Standard streams that were closed (``>&-``) lead nowhere, instead of to whatever file is opened first."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115
