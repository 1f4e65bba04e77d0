"""``--commands`` of the commands that have ``--plan``: what they would send to z/VM, where the host is one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import click

from goldroot.cli.terminal import put
from goldroot.errors import UsageError

if TYPE_CHECKING:
    from goldroot.hosts.zvm import Plan

F = TypeVar("F", bound=Callable[..., Any])

_ASKED, _BY_HAND = "goldroot.commands", "goldroot.by-hand"


def commands_option(command: F) -> F:
    """Adds ``--commands`` and ``--by-hand``, of which :func:`commands_of` knows."""

    def noted(context: click.Context, option: click.Parameter, value: bool) -> None:
        if value:
            context.meta[_ASKED] = True
            context.meta[_BY_HAND] = option.name == "by_hand" or context.meta.get(_BY_HAND, False)

    command = click.option("--by-hand", is_flag=True, expose_value=False, callback=noted,
                           help="As --commands, as DIRMAINT and CP commands for sites without SMAPI.")(command)  # fmt: skip
    return click.option("--commands", is_flag=True, expose_value=False, callback=noted,
                        help="With the plan: every SMAPI call and CP command, and how entries change (z/VM).")(command)  # fmt: skip


@dataclass
class Commands:
    """The plans that were asked for; none where they were not."""

    plans: list[Plan] = field(default_factory=list)
    by_hand: bool = False

    def data(self) -> dict[str, Any]:
        """For JSON; nothing where they were not asked for."""
        from goldroot.hosts.zvm import plan_as_file

        return {"commands": [plan_as_file(one) for one in self.plans]} if self.plans else {}

    def say(self) -> None:
        from goldroot.cli.zvm_plan import show_plan

        for one in self.plans:
            put()
            show_plan(one, by_hand=self.by_hand)


def commands_of(plans: Callable[[], Iterable[Plan]], *, plan_only: bool = True) -> Commands:
    """What was asked for with ``--commands``.

    :raises UsageError: it was asked for without a plan.
    """
    meta = click.get_current_context().meta
    if not meta.get(_ASKED):
        return Commands()
    if not plan_only:
        raise UsageError("--commands belongs to --plan", todo="Give both.")
    return Commands(list(plans()), meta[_BY_HAND])
