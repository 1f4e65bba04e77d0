"""The table of a libvirt host."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from goldroot.hosts.libvirt.account import Account
from goldroot.hosts.network import Network, checked
from goldroot.hosts.qemu.base import ImageConfig

#: The daemon of the machine as a whole, which runs QEMU as root where a domain says so.
SYSTEM = "qemu:///system"
_ROOT = "+0:+0"


@dataclass(frozen=True)
class LibvirtConfig(ImageConfig):
    """``[hosts.NAME]`` with ``kind = "libvirt"``; besides what :class:`ImageConfig` has:

    :param uri: of the daemon, which is on this machine: "qemu:///system" or "qemu:///session", with ``?socket=`` perhaps.
    :param prefix: stands before an entry's name in its domain's, where a daemon serves several stores.
    :param network: a network of libvirt's that new domains are joined to; "": none.
    :param bridge: of this machine, or a network of libvirt's, to which links of servers lead of which nobody says otherwise; "":
        they have none.
    :param user: the account that runs QEMU; "": root, of the system's daemon.
    """

    uri: str = SYSTEM
    prefix: str = ""
    network: str = ""
    bridge: str = ""
    user: str = ""

    def __post_init__(self) -> None:
        ImageConfig.__post_init__(self)
        checked(Network(self.bridge, "eth0"))
        parts = urlsplit(self.uri)
        if parts.scheme != "qemu" or parts.netloc or parts.path not in ("/system", "/session"):
            raise ValueError(f"{self.uri!r} is not a daemon of QEMU's machines here: qemu:///system or qemu:///session")
        if parts.path == "/session" and not self.user:
            raise ValueError("the daemon of a session runs QEMU as the session's user: name it as `user`")
        if set(self.prefix) & set("/\n"):
            raise ValueError("the name of a domain has no '/'")

    def label(self, account: Account | None) -> str:
        """What a domain says of who runs its QEMU; an unprivileged daemon has no choice."""
        if urlsplit(self.uri).path == "/session":
            return ""
        return account.label if account else _ROOT
