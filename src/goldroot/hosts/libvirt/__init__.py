"""The libvirt host: disks are images, machines are domains of libvirt's, with the kernel of their own root."""

from goldroot.hosts.libvirt.config import LibvirtConfig
from goldroot.hosts.libvirt.host import LibvirtHost, open_host

__all__ = ["LibvirtConfig", "LibvirtHost", "open_host"]
