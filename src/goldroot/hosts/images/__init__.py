"""Disks as images: file systems in files, for every kind of host whose machines take disks and not directories."""

from goldroot.hosts.images.disks import Images

__all__ = ["Images"]
