"""The nspawn host: the directory host's disks and entries; machines are containers of systemd-nspawn."""

from goldroot.hosts.nspawn.host import NspawnConfig, NspawnHost, open_host, why_no_containers

__all__ = ["NspawnConfig", "NspawnHost", "open_host", "why_no_containers"]
