"""A simulated cluster of two members: goldroot runs at ZVM1, and has servers at ZVM2, too."""

from __future__ import annotations

import weakref
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from goldroot.hosts.zvm.entries import TEMPLATES
from goldroot.hosts.zvm.parts import Parts
from goldroot.zvm.simulator import Simulator, System
from support.zvmfleet import ZvmFleet, password
from support.zvmlab import ZvmLab
from support.zvmsite import DIRECTORY, client

MEMBER = "ZVM2"
#: What makes the first member known by a name: the site's own identity, with a part for each.
IDENTITY = """\
IDENTITY OPERATOR OPERATOR 32M 32M ABCDEFG
 BUILD ON ZVM1 USING SUBCONFIG OPER-1
 BUILD ON ZVM2 USING SUBCONFIG OPER-2
SUBCONFIG OPER-1
 NICDEF 0600 TYPE QDIO LAN SYSTEM VSWITCH1
SUBCONFIG OPER-2
 NICDEF 0600 TYPE QDIO LAN SYSTEM VSWITCH2
"""

#: The parts that an IDENTITY of :class:`ClusterLab` is built with.
BUILT = (" BUILD ON ZVM1 USING SUBCONFIG OPER-1", " BUILD ON ZVM2 USING SUBCONFIG OPER-2")


class ZvmCluster:
    """:param at: entries that are logged on at the second member.

    :param lacks: volumes that the first member has not.
    """

    def __init__(self, fleet: ZvmFleet, at: Collection[str], *, lacks: Collection[str] = ()) -> None:
        self.fleet = fleet
        fleet.sim.system.cp.lacks = lacks
        self.there = Simulator(system=fleet.sim.system.second(MEMBER)).start()
        homes = ", ".join(f'{name} = "{MEMBER}"' for name in at)
        fleet.write_table(
            f'members = {{ {MEMBER} = "127.0.0.1:{self.there.port}" }}\nmember_of = {{ {homes} }}\n{fleet.table}'
        )

    def stop(self) -> None:
        self.there.stop()
        self.fleet.sim.stop()

    def machine(self, name: str) -> dict[str, Any]:
        """What ``machine list`` says of one."""
        (found,) = self.fleet.data("machine", "list", name)["machines"]
        return dict(found)

    def on(self) -> dict[str, list[str]]:
        """Who is logged on where, of the servers."""
        systems = {"ZVM1": self.fleet.sim.system, MEMBER: self.there.system}
        return {
            member: [one for one in system.active() if one not in ("MAINT", "GOLDMGMT", "OPERATOR")]
            for member, system in systems.items()
        }


def made_with(monkeypatch: pytest.MonkeyPatch, fleet: ZvmFleet, at: Collection[str], **settings: Any) -> ZvmCluster:
    """A cluster, and commands find its site."""
    cluster = ZvmCluster(fleet, at, **settings)
    password(monkeypatch, fleet)
    return cluster


class ClusterLab(ZvmLab):
    """A host whose machine WEB1 is logged on at the second member: a USER, or an IDENTITY with a part for each member."""

    def __init__(self, root: Path, text: str = DIRECTORY + IDENTITY, *, identity: bool = False) -> None:
        self._identity = identity
        super().__init__(root, text)

    @property
    def there(self) -> System:
        """The second member."""
        return self._there.system

    def parts_here(self, parts: Parts) -> Parts:
        if not hasattr(self, "_there"):
            self._there = Simulator(system=self.sim.system.second(MEMBER)).start()
            weakref.finalize(self, self._there.stop)
        words = replace(parts.style.words, cached=False)
        machine = ("IDENTITY {user} NOLOG 512M 1G G", *BUILT, " IPL 1B1") if self._identity else TEMPLATES["machine"]
        style = replace(parts.style, words=words, templates={**TEMPLATES, "machine": machine})
        members = {MEMBER: client(self._there)}
        return replace(parts, style=style, members=members, member_of={"WEB1": MEMBER})
