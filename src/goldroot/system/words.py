"""How strong the walls around a command are, in words for people."""

from __future__ import annotations

from typing import Literal, get_args

#: See docs/explanation/isolation.md, from the strongest to the weakest that real root can have; "user" is for all others.
Mode = Literal["shift", "identity", "caps", "user"]
MODES: tuple[Mode, ...] = get_args(Mode)

_POWER = {
    "shift": "no power over this machine: its root is nobody here",
    "identity": "no rights over this machine, but the number of its root",
    "caps": "no rights over this machine, but no namespace of users guards it",
    "user": "no more power over this machine than to change the disks of the system",
}


def power_of(mode: Mode, *, network: bool, why: str = "") -> str:
    """One line: what a command that runs so can do here.

    :param why: the reason for which it is not "shift".
    """
    net = "this machine's network" if network else "no network"
    return f"{_POWER[mode]}{f' ({why})' if why else ''}; {net} [{mode}]"
