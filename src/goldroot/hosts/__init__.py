"""Hosts: where disks and machines live."""

from goldroot.hosts.port import (
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
