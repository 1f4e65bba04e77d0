"""What a command that was given ``--plan`` and ``--commands`` would send to z/VM, where the host is one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from goldroot.cli.command import by_hand, tells_commands
from goldroot.cli.terminal import put

if TYPE_CHECKING:
    from goldroot.hosts.zvm import Plan


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
    return Commands(list(plans()), by_hand()) if tells_commands(plan_only=plan_only) else Commands()
