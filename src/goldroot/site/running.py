"""What ``[images.NAME]`` says of running servers: their health, the trial before a switch, and how long each may take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, cast

from goldroot import toml
from goldroot.errors import UsageError
from goldroot.system import USUAL_HEALTH, HealthCheck, health_check

#: How far a merged system is tried before the switch.
Trial = Literal["boot", "commands", "none"]
_TRIALS = ("boot", "commands", "none")
_A_DAY = 86400


@dataclass(frozen=True, slots=True)
class RunConfig:
    """Times are in seconds.

    :param health: what a server must answer after a switch.
    :param health_time: for its boot and these answers.
    :param trial: "boot" counts as "commands" where the host starts no trials.
    :param trial_time: for the boot of the trial, and as much for what is asked of it.
    :param stop_time: that a server gets to shut down before it is killed.
    """

    health: tuple[HealthCheck, ...] = USUAL_HEALTH
    health_time: int = 120
    trial: Trial = "boot"
    trial_time: int = 120
    stop_time: int = 90


def read_running(table: toml.Table) -> RunConfig:
    """What an image's table says of it.

    :raises BadPolicy: a mistake, with its line.
    """
    usual = RunConfig()
    trial = table.text("trial", usual.trial)
    if trial not in _TRIALS:
        raise table.error(f"there is no trial {trial!r}", "trial", todo=f"Use {', '.join(map(repr, _TRIALS))}.")
    return RunConfig(
        health=tuple(_checks(table)) if "health" in table else usual.health,
        health_time=table.number("health_time", usual.health_time, least=1, most=_A_DAY),
        trial=cast("Trial", trial),
        trial_time=table.number("trial_time", usual.trial_time, least=1, most=_A_DAY),
        stop_time=table.number("stop_time", usual.stop_time, least=1, most=_A_DAY),
    )


def _checks(table: toml.Table) -> Iterator[HealthCheck]:
    for text in table.texts("health"):
        try:
            yield health_check(text)
        except UsageError as error:
            raise table.error(error.brief, "health", todo=error.todo) from None
