"""What joins a clone to others: from its table in ``goldroot.toml``, its host's, and the options of the command that makes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from goldroot.catalog import clones
from goldroot.errors import Refused
from goldroot.hosts import Network, published
from goldroot.hosts.network import checked
from goldroot.site import Site
from goldroot.system import Identity

#: In the place of a bridge: none, whatever the host's table says.
PRIVATE = "none"
#: What a link is called of which nobody says another name.
LINK = "eth0"


def bridge_of(site: Site, name: str, options: Mapping[str, Any], host: str = "") -> str:
    """The bridge to which a clone's link leads; "": it is private."""
    said = str(options.get("bridge") or site.config.clone(name).bridge)
    usual = site.host_named(site.check_host(host or site.config.default_host)).usual_bridge
    return "" if said == PRIVATE else said or usual


def network_from(
    site: Site, name: str, options: Mapping[str, Any] | None = None, *, identity: Identity, host: str = ""
) -> Network | None:
    """The network of a clone that is to be made; ``None``: a private one, without published ports.

    :param identity: what it is made with: its address, and the name of the link that has it.
    :raises Refused: the host gives machines no network.
    :raises UsageError: a name, an address or a port is none.
    """
    options = options or {}
    bridge, own = bridge_of(site, name, options, host), identity.network
    ports = tuple(published(text) for text in options.get("ports") or site.config.clone(name).ports)
    if not bridge and not ports:
        return None
    on = site.host_named(host or site.config.default_host)
    if not on.abilities.networks:
        raise Refused(
            f"a {on.kind} host does not join servers to a bridge, and publishes no ports",
            meaning="Nothing was made.",
            todo="Leave out --bridge and --port, or make the server on a host that runs containers (nspawn).",
        )
    if not bridge:
        return checked(Network(ports=ports))
    link = own.interface if own else str(options.get("interface") or site.config.clone(name).interface or LINK)
    return checked(Network(bridge, link, own.address if own else "", own.gateway if own else "", ports))


def refuse_ports(site: Site, name: str, host: str, network: Network | None) -> None:
    """:raises Refused: another server of the host has one of the ports."""
    if network is None or not network.ports:
        return
    with site.catalog.read() as tx:
        others = [one for one in clones.every(tx) if one.host == host and one.name != name]
    for other in others:
        entry = site.host_named(host).find(other.machine)
        has = entry.network.ports if entry and entry.network else ()
        if both := [one for one in network.ports if any(one.clashes(other) for other in has)]:
            raise Refused(
                f"port {both[0].port} of host {host} leads to {other.name} already",
                meaning="Nothing was made.",
                todo=f"Publish another port for {name}: --port PORT:PORT-OF-THE-SERVER.",
            )
