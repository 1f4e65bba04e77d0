"""How a machine reaches others, and they it: what an entry says of it, and checks.  Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from goldroot.errors import UsageError

#: The name of a network interface as the kernel takes it (netdevice(7)), without what would need quoting.
_INTERFACE = re.compile(r"[A-Za-z0-9._-]{1,15}")
_PORT = re.compile(r"(?:(?P<address>\[[0-9a-fA-F:.]+\]|[0-9.]+):)?(?P<port>\d{1,5}):(?P<server>\d{1,5})")


@dataclass(frozen=True, slots=True)
class Port:
    """A TCP port of the host that leads to one of the machine's own loopback.

    :param address: of the host, at which it listens; "": all of them.
    """

    port: int
    server: int
    address: str = ""

    def clashes(self, other: Port) -> bool:
        """Whether a host cannot listen for both."""
        return self.port == other.port and (self.address == other.address or not self.address or not other.address)

    def __str__(self) -> str:
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"{address}:{self.port}:{self.server}".lstrip(":")


@dataclass(frozen=True, slots=True)
class Network:
    """What joins a machine to others.  A machine without it has a network of its own, and nothing in it but its loopback.

    :param bridge: of the host, to which its link leads; "": it has no link.
    :param interface: what that link is called in the machine.
    :param address: that the link has from the start, with its prefix length; "": the machine sees to that itself.
    :param gateway: its way to all others; "" where there is none, or the machine sees to that itself.
    :param ports: of the host that lead into it.
    """

    bridge: str = ""
    interface: str = ""
    address: str = ""
    gateway: str = ""
    ports: tuple[Port, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "bridge": self.bridge, "interface": self.interface, "address": self.address, "gateway": self.gateway,
            "ports": [str(port) for port in self.ports],
        }  # fmt: skip

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Network:
        """From JSON data.

        :raises ValueError: it is none.
        """
        if data.keys() != cls().as_dict().keys() or not all(
            isinstance(data[key], str) for key in data if key != "ports"
        ):
            raise ValueError(f"network {data!r}")
        texts = {key: value for key, value in data.items() if key != "ports"}
        return checked(cls(**texts, ports=tuple(published(text) for text in data["ports"])))

    def __str__(self) -> str:
        link = f"{self.interface} {self.address}".rstrip() + f" on {self.bridge}" if self.bridge else ""
        return ", ".join(filter(None, [link, *(f"port {port}" for port in self.ports)])) or "private"


def checked(network: Network) -> Network:
    """The network, if one may be so.

    :raises UsageError: a name or an address is none; or two ports of the host are one.
    """
    for name in filter(None, (network.bridge, network.interface)):
        if not _INTERFACE.fullmatch(name) or name in (".", ".."):
            raise UsageError(f"{name!r} is not the name of a network interface", todo="Name one, as eth0 or br0.")
    if network.bridge and not network.interface:
        raise UsageError("a link to a bridge has no name", todo="Name it: --interface eth0.")
    if network.address:
        _parsed(ipaddress.ip_interface, network.address)
    if network.gateway:
        _parsed(ipaddress.ip_address, network.gateway)
    for at, one in enumerate(network.ports):
        if any(one.clashes(other) for other in network.ports[:at]):
            raise UsageError(f"port {one.port} cannot lead to two ports", todo="Publish each port of the host once.")
    return network


def published(text: str) -> Port:
    """A port from its words: ``8080:80``, ``127.0.0.1:8080:80``, ``[::1]:8080:80``.

    :raises UsageError: it is none.
    """
    found = _PORT.fullmatch(text)
    if found is None or not all(0 < int(found[which]) < 65536 for which in ("port", "server")):
        raise UsageError(
            f"{text!r} does not publish a port",
            todo="Write [ADDRESS:]PORT:PORT-OF-THE-SERVER, as 8080:80 or 127.0.0.1:8080:80 (TCP).",
        )
    address = (found["address"] or "").strip("[]")
    if address:
        _parsed(ipaddress.ip_address, address)
    return Port(int(found["port"]), int(found["server"]), address)


def _parsed(parse: Any, text: str) -> None:
    try:
        parse(text)
    except ValueError:
        raise UsageError(f"{text!r} is not an address", todo="Write 192.0.2.10/24 or 192.0.2.1.") from None
