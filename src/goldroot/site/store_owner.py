"""Whose a store is.  A catalog that does not know what is in its store takes disks for leftovers, and removes them.

So a store carries a label, which its site's catalog has too, and no empty catalog is made over a store, or a site, that
has had a life::

    STORE/label        some letters and digits

A store without a label, of an older goldroot, gets one where the catalog knows what is in it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from goldroot.errors import HostError, NoPermission, NoSpace, Refused
from goldroot.hosts.former import Machine

if TYPE_CHECKING:
    from goldroot.hosts.former.directory import DirectoryHost
    from goldroot.site.site import Site

#: Disks of a maintenance or test system, and of gold versions; any other is a clone's.
_SYSTEM = re.compile(r"(?P<image>.+)\.(?P<role>mnt|tst)\.")
_GOLD = re.compile(r"(?P<image>.+)\.gold\.(?P<number>[0-9]+)\.")

#: Directories of a site in which something stands once it was used, and a file that is there then.
USED = ("images", "records", "manifests")
STEPS = "workflow.sqlite"


def check_own(site: Site, host: DirectoryHost) -> None:
    """See that the store is this site's own; one that nobody has labelled yet is labelled.

    :raises Refused: it is another site's, or the catalog is not the one that goes with it.
    """
    from goldroot.catalog import label_of_store, make_store_label

    with site.catalog.read() as tx:
        its = label_of_store(tx)
    label = host.label()
    if its and its == label:
        return
    if its and label:
        raise _not_its_own(host, "it carries the label of another catalog")
    if strange := _strangers(site, host):
        raise _not_its_own(host, f"the catalog does not know what stands there: {'; '.join(strange[:5])}")
    if site.looking:
        return
    # Who may only look at a site, or looks at one without room, leaves it as it is.
    with suppress(NoSpace, NoPermission):
        with site.catalog.begin() as tx:
            its = make_store_label(tx, label)
        host.set_label(its)


def refuse_lost_catalog(site: Site) -> None:
    """For those who would make an empty catalog.

    :raises Refused: there is none, and disks or records speak of one that was; the error names them.
    """
    from goldroot.catalog import is_there
    from goldroot.hosts.former.directory import DirectoryHost

    where = site.config.catalog or site.path("catalog.sqlite")
    host = DirectoryHost(site.config.host.store)
    found = [*_in_store(host), *_in_site(site)]
    if not found or is_there(where):
        return
    name = os.path.relpath(where, site.root) if os.path.isabs(where) else "the one that goldroot.toml names"
    raise Refused(
        f"the catalog of this site ({name}) is missing or empty, and what it spoke of is there",
        meaning=f"{'; '.join(found)}. With an empty catalog goldroot would take these disks for leftovers. "
        "Nothing was changed.",
        todo="Put the catalog back from a backup; goldroot cannot make it from the store yet. To begin from nothing, "
        f"name another directory, or move away first: the store {host.store}, and of {site.root} {', '.join(USED)}, {STEPS}.",
    )


def _not_its_own(host: DirectoryHost, why: str) -> Refused:
    return Refused(
        f"the store {host.store!r} is not that of this site: {why}",
        meaning="Disks there are another site's, or of a time that the catalog does not know. Nothing was changed.",
        todo="Name this site's own store in the table [host] of goldroot.toml, or put back the catalog that goes with it.",
    )


def _strangers(site: Site, host: DirectoryHost) -> list[str]:
    """Machines that are nobody's by the catalog; what an import left that was killed is no sign of another site."""
    from goldroot.catalog import entries

    with site.catalog.read() as tx:
        known = {entry.name for entry in entries.every(tx)}
    return [_said(one) for one in host.machines() if one.name not in known and not _is_unfinished(one)]


def _is_unfinished(machine: Machine) -> bool:
    """Whether all its disks are of a maintenance system, as those of an import that has not come to its end."""
    found = [_SYSTEM.match(disk.disk) for disk in machine.disks.values()]
    return all(one is not None and one["role"] == "mnt" for one in found) and not machine.links


def _in_store(host: DirectoryHost) -> Iterator[str]:
    """What is in a store, by its definitions alone."""
    if not os.path.isdir(host.store):
        return
    try:
        machines = host.machines() if host.is_made() else []
        said = [_said(one) for one in machines] or [f"the disk {disk}" for disk in host.disks() if host.is_made()]
    except HostError as error:
        yield f"The store {host.store} cannot be looked at ({error.brief})"
        return
    if said:
        more = f" and {len(said) - 12} more" if len(said) > 12 else ""
        yield f"The store {host.store} holds {', '.join(said[:12])}{more}"
    elif host.label():
        yield f"The store {host.store} is that of a catalog which is not here (its file `label` says so)"


def _said(machine: Machine) -> str:
    """What a machine is, by its disks: ``gold DEBIANGOLD (debian 1)``."""
    disks = [disk.disk for _, disk in sorted(machine.disks.items())]
    if gold := next(filter(None, map(_GOLD.match, disks)), None):
        return f"gold {machine.name} ({gold['image']} {gold['number']})"
    if system := next(filter(None, map(_SYSTEM.match, disks)), None):
        role = "maintenance" if system["role"] == "mnt" else "test"
        return f"the {role} system {machine.name} (image {system['image']})"
    return f"the clone {machine.name}" if disks else f"the slot {machine.name}"


def _in_site(site: Site) -> Iterator[str]:
    for name in USED:
        with suppress(FileNotFoundError, NotADirectoryError):
            if found := sorted(os.listdir(site.path(name))):
                more = f" and {len(found) - 5} more" if len(found) > 5 else ""
                yield f"{site.path(name)} holds {', '.join(found[:5])}{more}"
    if os.path.exists(site.path(STEPS)):
        yield f"{site.path(STEPS)} holds the steps of updates, which have the numbers that new ones would get"
