"""Network cards of a QEMU: a link to a bridge of this machine, and one through which published ports come in.

A bridged card is a tap of this machine, handed to QEMU as a descriptor: it goes with QEMU.  Published ports need no bridge:
QEMU itself listens at them (its user network), and the card behind has no way out, to this machine or any other.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import socket
import struct
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from goldroot.errors import HostError, ProgramFailed, Refused
from goldroot.guest.initramfs import GuestLink
from goldroot.hosts.machines.bridges import other_end, refuse_bridge
from goldroot.hosts.network import Network, Port
from goldroot.run import find, run

#: What the card of published ports is called in a machine, and its address there (QEMU's user network is 10.0.2.0/24).
PORTS, _ADDRESS, _LENGTH = "ports0", "10.0.2.15", 24
# linux/if_tun.h
_TUNSETIFF, _TAP, _NO_INFO, _VNET_HEADER = 0x400454CA, 0x0002, 0x1000, 0x4000


@dataclass(frozen=True, slots=True)
class Card:
    """A card: its link in the machine, what QEMU is told of what is behind it, and a descriptor that goes with that."""

    id: str  #: in QEMU's words
    link: GuestLink
    behind: str
    handle: int = -1

    def words(self, bus: str) -> list[str]:
        """QEMU's words.

        :param bus: of virtio devices: "pci" or "ccw".
        """
        no_rom = ",romfile=" if bus == "pci" else ""
        device = f"virtio-net-{bus},netdev={self.id},mac={self.link.card}{no_rom}"
        return ["-netdev", self.behind, "-device", device]

    def words_of_a_domain(self, bus: str) -> list[str]:
        """The same for a domain of libvirt's: in JSON, as its own devices, since QEMU gives all others a place on the bus first.

        :param bus: as of :meth:`words`.
        """
        device = {"driver": f"virtio-net-{bus}", "netdev": self.id, "mac": self.link.card}
        if bus == "pci":
            device["romfile"] = ""
        return ["-netdev", self.behind, "-device", json.dumps(device)]


def cards_of(stack: ExitStack, name: str, store: str, network: Network | None) -> Sequence[Card]:
    """The cards of a machine; what they need of this machine is there until the stack ends, or QEMU does.

    :param name: of the machine.
    :param store: of its host: machines of two stores may have one name.
    :raises Refused: this machine has no such bridge; a port is in use, or its address is not this machine's.
    """
    found = []
    if network is not None and (link := bridged(name, store, network)) is not None:
        refuse_bridge(name, network.bridge)
        handle = _tap(stack, other_end(f"{store}/{name}"), network.bridge)
        found.append(Card("link", link, f"tap,id=link,fd={handle}", handle))
    if network is not None and (card := card_of_ports(name, store, network)) is not None:
        refuse_taken(name, network)
        found.append(card)
    return found


def bridged(name: str, store: str, network: Network) -> GuestLink | None:
    """The link of a machine that leads to a bridge; arguments as of :func:`cards_of`."""
    if not network.bridge:
        return None
    return GuestLink(network.interface, (), _hardware(store, name, network.interface))


def card_of_ports(name: str, store: str, network: Network, id: str = "ports") -> Card | None:
    """The card through which published ports come in; arguments as of :func:`cards_of`."""
    if not network.ports:
        return None
    leads = ",".join(f"hostfwd=tcp:{port.address}:{port.port}-{_ADDRESS}:{port.server}" for port in network.ports)
    link = GuestLink(PORTS, (f"{_ADDRESS}/{_LENGTH}",), _hardware(store, name, PORTS))
    return Card(id, link, f"user,id={id},restrict=on,{leads}")


def _hardware(store: str, name: str, link: str) -> str:
    """The same at each start, and another one for each machine: of the range that QEMU's machines have."""
    digest = hashlib.sha256(f"{store}/{name}/{link}".encode()).digest()
    return "52:54:00:" + ":".join(f"{byte:02x}" for byte in digest[:3])


def _tap(stack: ExitStack, ours: str, bridge: str) -> int:
    """A descriptor of a tap that leads to a bridge; the link is gone with its last descriptor.

    :raises HostError: it cannot be made or joined.
    """
    try:
        handle = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
        stack.callback(os.close, handle)
        fcntl.ioctl(handle, _TUNSETIFF, struct.pack("16sH22x", ours.encode(), _TAP | _NO_INFO | _VNET_HEADER))
        run([find("ip"), "link", "set", "dev", ours, "master", bridge, "up"], timeout=10)
    except (OSError, ProgramFailed) as error:
        why = error.stderr if isinstance(error, ProgramFailed) else error.strerror
        raise HostError(f"its link cannot be joined to {bridge}: {why}") from error
    return handle


def refuse_taken(name: str, network: Network) -> None:
    """Told before anything runs; QEMU takes the ports only then.

    :raises Refused: nobody could listen there.
    """
    for port in network.ports:
        _refuse_taken(name, port)


def _refuse_taken(name: str, port: Port) -> None:
    if ":" in port.address:
        raise Refused(
            f"port {port} of {name} cannot be published: QEMU listens at addresses of IPv4 alone",
            meaning="It was not started.",
            todo="Publish it at another address, or at all of them.",
        )
    try:
        socket.create_server((port.address, port.port)).close()
    except OSError as error:
        raise Refused(
            f"port {port} of {name} cannot be published: {error.strerror or error}",
            meaning="It was not started.",
            todo=f"End what uses that port of this machine, or change it: goldroot machine network {name.lower()} --port ...",
        ) from error
