"""The disks of a running domain as they are at one moment: libvirt lets QEMU copy them out.

It is what ``virsh backup-begin`` does (https://libvirt.org/formatbackup.html, mode "push"): one job for all disks, from the
same point in time.  A domain has one job at a time: where another one runs, this is refused.
"""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from goldroot.errors import HostError
from goldroot.hosts.qemu.monitor import Asked

_LOOK_AGAIN = 0.05


def backup_text(wanted: Mapping[str, str], rest: Sequence[str]) -> str:
    """What is asked of libvirt.

    :param wanted: libvirt's name of a disk -> path of its copy.
    :param rest: disks that are not copied.
    """
    root = ET.Element("domainbackup", mode="push")
    disks = ET.SubElement(root, "disks")
    for name, path in sorted(wanted.items()):
        disk = ET.SubElement(disks, "disk", name=name, backup="yes", type="file")
        ET.SubElement(disk, "driver", type="raw")
        ET.SubElement(disk, "target", file=path)
    for name in sorted(rest):
        ET.SubElement(disks, "disk", name=name, backup="no")
    return ET.tostring(root, encoding="unicode")


def back_up(libvirt: Any, domain: Any, agent: Asked, wanted: Mapping[str, str], rest: Sequence[str]) -> None:
    """Copy disks of a domain that runs into files of their sizes, and return when they are copied.

    :param agent: of its guest.
    :raises HostError: a copy failed; what is there is a part.
    """
    with _frozen(agent):
        domain.backupBegin(backup_text(wanted, rest), None, libvirt.VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL)
    try:
        while domain.jobInfo()[0] != libvirt.VIR_DOMAIN_JOB_NONE:
            time.sleep(_LOOK_AGAIN)
    except BaseException:
        with suppress(libvirt.libvirtError):
            domain.abortJob()
        raise
    done = domain.jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
    if done.get("type") != libvirt.VIR_DOMAIN_JOB_COMPLETED:
        raise HostError(f"libvirt could not copy a live disk: {done.get('errmsg', 'the job was cancelled')}")


@contextmanager
def _frozen(agent: Asked) -> Iterator[None]:
    """The guest's file systems are at rest in the block, where its agent can do that."""
    try:
        agent.ask("guest-ping")
    except HostError:  # there is none
        yield
        return
    with suppress(HostError):
        agent.ask("guest-fsfreeze-freeze")
    try:
        yield
    finally:
        with suppress(HostError):  # also where it did not answer in time: it may have frozen them since
            agent.ask("guest-fsfreeze-thaw")
