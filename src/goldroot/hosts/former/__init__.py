"""The port and directory host of the first edition, until images and clones have moved to the new one."""

from goldroot.hosts.former.port import (
    Attached,
    Host,
    Linked,
    LinkTo,
    Machine,
    Standing,
    check_address,
    check_machine_name,
    partner,
    prepared,
    switched,
)

__all__ = [
    "Attached",
    "Host",
    "LinkTo",
    "Linked",
    "Machine",
    "Standing",
    "check_address",
    "check_machine_name",
    "partner",
    "prepared",
    "switched",
]
