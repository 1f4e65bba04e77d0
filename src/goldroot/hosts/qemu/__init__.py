"""The QEMU host: disks are images, machines are QEMU's, with the kernel of their own root."""

from goldroot.hosts.qemu.host import QemuConfig, QemuHost, open_host

__all__ = ["QemuConfig", "QemuHost", "open_host"]
