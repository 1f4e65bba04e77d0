"""What joins a clone to others: from its table in ``goldroot.toml``, its host's, and the options of the command that makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from goldroot.catalog import clones
from goldroot.errors import Refused, UsageError
from goldroot.fleet.update.open_update import active_clone
from goldroot.fleet.update.reconcile import clone_lock, reconcile
from goldroot.hosts import Host, Network, change, find_entry, published
from goldroot.hosts.network import checked
from goldroot.site import Site
from goldroot.system import NETWORK_VALUES, Identity

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
    _refuse_unable(site.host_named(host or site.config.default_host))
    if not bridge:
        return checked(Network(ports=ports))
    link = own.interface if own else str(options.get("interface") or site.config.clone(name).interface or LINK)
    return checked(Network(bridge, link, own.address if own else "", own.gateway if own else "", ports))


@dataclass(frozen=True, slots=True)
class Joined:
    """What joins a clone to others from its next start on, and what did before."""

    name: str
    before: Network
    network: Network
    runs: bool  #: and so it holds only from the next start on

    def as_dict(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "clone": self.name,
            "name": self.name,  # the older name
            "network": self.network.as_dict(),
            "before": self.before.as_dict(),
            "runs": self.runs,
        }


def plan_join(site: Site, name: str, options: Mapping[str, Any]) -> Joined:
    """What :func:`join_machine` would do; the same refusals.

    :param options: ``bridge``, ``interface``, ``address``, ``gateway``, ``ports``: what is to be another thing.
    :raises UsageError: a name, an address or a port is none, or is that of a link that there is not.
    """
    clone = active_clone(site, name)
    host = site.host_named(clone.host)
    now = find_entry(host, clone.machine).network or Network()
    said: dict[str, Any] = {
        key: "" if value == PRIVATE else str(value) for key, value in options.items() if value and key != "ports"
    }
    for key in said.keys() & NETWORK_VALUES.keys():
        if said[key]:
            NETWORK_VALUES[key](said[key])
    if options.get("ports"):
        listed = [text for text in options["ports"] if text != PRIVATE]
        now = replace(now, ports=tuple(published(text) for text in listed))
    wanted = replace(now, **said)
    if not wanted.bridge and any(said.values()):
        raise UsageError(
            f"{name} has no link that could have {' and '.join(sorted(key for key in said if said[key]))}",
            meaning="Nothing was changed.",
            todo="Say to which bridge its link leads, too: --bridge BRIDGE.",
        )
    if wanted.bridge:
        _refuse_unable(host)
        wanted = replace(wanted, interface=wanted.interface or LINK)
    elif wanted.ports:
        _refuse_unable(host)
    else:
        wanted = Network()
    refuse_ports(site, name, clone.host, checked(wanted))
    before = find_entry(host, clone.machine).network or Network()
    return Joined(name, before, wanted, host.power(clone.machine).state == "on")


def join_machine(site: Site, name: str, options: Mapping[str, Any]) -> Joined:
    """Change what joins a clone to others; it holds from the next start of its machine on.

    The server's own settings stay as they are: an address that it gives its link itself is changed there.

    :raises Refused: the host gives machines no network, or a port leads to another server.
    :raises UsageError: a name, an address or a port is none.
    """
    with clone_lock(site, name, f"network of {name}"):
        reconcile(site, name)
        plan = plan_join(site, name, options)
        clone = active_clone(site, name)
        network = None if plan.network == Network() else plan.network
        change(site.host_named(clone.host), clone.machine, lambda entry: replace(entry, network=network), ())
        return plan


def _refuse_unable(host: Host) -> None:
    if not host.abilities.networks:
        raise Refused(
            f"a {host.kind} host does not join servers to a bridge, and publishes no ports",
            meaning="Nothing was changed.",
            todo="Leave out --bridge and --port, or make the server on a host that does (nspawn, qemu, libvirt).",
        )


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
                meaning="Nothing was changed.",
                todo=f"Publish another port for {name}: --port PORT:PORT-OF-THE-SERVER.",
            )
