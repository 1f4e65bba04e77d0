"""``goldroot zvm``: z/VM's management interface, its user directory, and a simulator."""

from __future__ import annotations

import click

from goldroot.cli.command import LazyGroup

COMMANDS = {
    "adopt": ("goldroot.cli.zvm_adopt:adopt", "Take over a site that follows the paper, without changing anything."),
    "call": ("goldroot.cli.zvm_call:call", "Call a SMAPI function, or list them."),
    "directory": ("goldroot.cli.zvm_directory:directory", "Show, check, compare and edit a user directory."),
    "doctor": ("goldroot.cli.zvm_doctor:doctor", "What the z/VM system is like, and what follows; changes nothing."),
    "plan": ("goldroot.cli.zvm_plan:plan", "What an operation sends to z/VM, as calls and commands, or by hand."),
    "simulate": ("goldroot.cli.zvm_simulate:simulate", "Run a z/VM simulator that speaks SMAPI."),
}


@click.group(cls=LazyGroup, commands_at=COMMANDS)
def zvm() -> None:
    """Speak to z/VM: SMAPI calls, user directories, a simulator.

    What is here was checked against frames captured from z/VM 7.1 and against other clients, never against a live
    system.

    \b
    Try:
      goldroot zvm call --list                   the SMAPI functions
      goldroot zvm directory check USER.DIRECT   overlaps, missing disks, duplicate addresses
      goldroot zvm simulate                      a system to try things on
    """
