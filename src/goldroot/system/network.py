"""Address settings of a clone, in the form that its system uses.  Pure: files as bytes; :mod:`identity` writes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from goldroot.errors import UsageError
from goldroot.hosts import published

_HOST_NAME = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,62})?(\.[A-Za-z0-9][A-Za-z0-9-]{0,62})*")
#: As long as the kernel lets a name of an interface be (IFNAMSIZ, netdevice(7)).
_LONGEST = 15
#: What is a link already in every system, and what the kernel's settings of links (/proc/sys/net/ipv4/conf) know besides.
_TAKEN = ("lo", "all", "default")


def host_name(text: str) -> str:
    """A host name, with or without its domain."""
    if not _HOST_NAME.fullmatch(text):
        raise UsageError(f"{text!r} is not a host name", todo="Use letters, digits, '-' and dots.")
    return text


def interface(text: str) -> str:
    """The name of a network interface."""
    if not 0 < len(text) <= _LONGEST or not all(char.isalnum() or char in "._-" for char in text):
        raise UsageError(f"{text!r} is not a network interface", todo="Name the one that the address is for: eth0.")
    if text in _TAKEN:
        raise UsageError(f"{text!r} is not an interface that can be given an address", todo="Name another one: eth0.")
    return text


def address_with_prefix(text: str) -> str:
    """``192.0.2.10/24``, or the same of IPv6."""
    import ipaddress

    _parsed(ipaddress.ip_interface, text)
    if "/" not in text:
        raise UsageError(f"{text} has no prefix length", todo="Write it as 192.0.2.10/24.")
    given = ipaddress.ip_interface(text).ip
    if given.is_multicast or given.is_unspecified or given.is_loopback:
        raise UsageError(f"{text} is not an address that a server can have", todo="Name one of its network.")
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


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """``address`` has its prefix length (192.0.2.10/24); gateway may be empty."""

    interface: str
    address: str
    gateway: str = ""
    nameservers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class File:
    """One file to write: path without a leading slash."""

    path: bytes
    content: str
    mode: int = 0o644


def checked_settings(settings: NetworkSettings) -> NetworkSettings:
    """The settings, if they can be written into a file.

    :raises UsageError: an address that is none, or no interface.
    """
    address_with_prefix(settings.address)
    for other in (*settings.nameservers, *filter(None, [settings.gateway])):
        address(other)
    if not settings.interface:
        raise UsageError(
            f"no interface is named for the address {settings.address}",
            todo='Name it: --interface eth0, or interface = "eth0" in goldroot.toml.',
        )
    interface(settings.interface)
    return settings


def network_files(settings: NetworkSettings, has: Callable[[bytes], bool]) -> list[File]:
    """The files, in the first of the known forms that the system has a place for.

    :param has: whether a path exists in the clone's tree.
    """
    for place, form in _FORMS:
        if has(place):
            return [form(settings), *_resolver(settings, has)]
    return [_networkd(settings), *_resolver(settings, has)]


def _resolver(settings: NetworkSettings, has: Callable[[bytes], bool]) -> list[File]:
    if not settings.nameservers or has(b"link:etc/resolv.conf"):
        return []
    return [File(b"etc/resolv.conf", "".join(f"nameserver {server}\n" for server in settings.nameservers))]


def _netplan(s: NetworkSettings) -> File:
    lines = ["network:", "  version: 2", "  ethernets:", f"    {s.interface}:", f"      addresses: [{s.address!r}]"]
    if s.gateway:
        lines += ["      routes:", "        - to: default", f"          via: {s.gateway!r}"]
    if s.nameservers:
        lines += ["      nameservers:", f"        addresses: {list(s.nameservers)!r}"]
    return File(b"etc/netplan/60-goldroot.yaml", _text(lines), 0o600)


def _ifupdown(s: NetworkSettings) -> File:
    family = "inet6" if ":" in s.address else "inet"
    lines = [f"auto {s.interface}", f"iface {s.interface} {family} static", f"    address {s.address}"]
    lines += [f"    gateway {s.gateway}"] if s.gateway else []
    lines += [f"    dns-nameservers {' '.join(s.nameservers)}"] if s.nameservers else []
    return File(b"etc/network/interfaces.d/" + s.interface.encode(), _text(lines))


def _network_manager(s: NetworkSettings) -> File:
    family, other = ("ipv6", "ipv4") if ":" in s.address else ("ipv4", "ipv6")
    lines = ["[connection]", f"id={s.interface}", "type=ethernet", f"interface-name={s.interface}", "", f"[{family}]"]
    lines += ["method=manual", f"address1={s.address}" + (f",{s.gateway}" if s.gateway else "")]
    lines += [f"dns={';'.join(s.nameservers)};"] if s.nameservers else []
    lines += ["", f"[{other}]", "method=disabled" if other == "ipv4" else "method=auto"]
    path = b"etc/NetworkManager/system-connections/" + s.interface.encode() + b".nmconnection"
    return File(path, _text(lines), 0o600)


def _sysconfig(s: NetworkSettings) -> File:
    lines = ["BOOTPROTO='static'", "STARTMODE='auto'", f"IPADDR='{s.address}'"]
    lines += [f"GATEWAY='{s.gateway}'"] if s.gateway else []
    return File(b"etc/sysconfig/network/ifcfg-" + s.interface.encode(), _text(lines))


def _networkd(s: NetworkSettings) -> File:
    lines = ["[Match]", f"Name={s.interface}", "", "[Network]", f"Address={s.address}"]
    lines += [f"Gateway={s.gateway}"] if s.gateway else []
    lines += [f"DNS={server}" for server in s.nameservers]
    return File(b"etc/systemd/network/10-goldroot.network", _text(lines))


#: A path that tells the form, most specific first.
_FORMS: tuple[tuple[bytes, Callable[[NetworkSettings], File]], ...] = (
    (b"etc/netplan", _netplan),
    (b"etc/network/interfaces", _ifupdown),
    (b"etc/NetworkManager", _network_manager),
    (b"etc/sysconfig/network", _sysconfig),
)


def _text(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"
