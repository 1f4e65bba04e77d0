"""Host names and addresses that people write, in ``goldroot.toml`` and in options.

Each check returns the value, if it is one, and raises ``UsageError`` otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from goldroot.errors import UsageError
from goldroot.hosts import published

_HOST_NAME = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,62})?(\.[A-Za-z0-9][A-Za-z0-9-]{0,62})*")
#: As long as the kernel lets a name of an interface be (IFNAMSIZ, netdevice(7)).
_LONGEST = 15


def host_name(text: str) -> str:
    """A host name, with or without its domain."""
    if not _HOST_NAME.fullmatch(text):
        raise UsageError(f"{text!r} is not a host name", todo="Use letters, digits, '-' and dots.")
    return text


def interface(text: str) -> str:
    """The name of a network interface."""
    if not 0 < len(text) <= _LONGEST or not all(char.isalnum() or char in "._-" for char in text):
        raise UsageError(f"{text!r} is not a network interface", todo="Name the one that the address is for: eth0.")
    return text


def address_with_prefix(text: str) -> str:
    """``192.0.2.10/24``, or the same of IPv6."""
    import ipaddress

    _parsed(ipaddress.ip_interface, text)
    if "/" not in text:
        raise UsageError(f"{text} has no prefix length", todo="Write it as 192.0.2.10/24.")
    return text


def address(text: str) -> str:
    """``192.0.2.1``, or one of IPv6."""
    import ipaddress

    return _parsed(ipaddress.ip_address, text)


def _parsed(parse: Callable[[str], Any], text: str) -> str:
    try:
        parse(text)
    except ValueError:
        raise UsageError(f"{text!r} is not an address", todo="Write 192.0.2.10/24, 192.0.2.1.") from None
    return text


#: The keys of a clone's table, and what their values, or each of them, must be.
NETWORK_VALUES: Mapping[str, Callable[[str], str]] = {
    "hostname": host_name,
    "interface": interface,
    "address": address_with_prefix,
    "gateway": address,
    "nameservers": address,
    "bridge": interface,
    "ports": lambda text: str(published(text)),
}
