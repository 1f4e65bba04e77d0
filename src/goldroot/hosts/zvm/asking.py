"""What only a z/VM host can be asked: plans, the points of doctor, and who has gold's disks at this moment."""

from __future__ import annotations

from collections.abc import Iterator

from goldroot.hosts.zvm.doctor import Asked, Point, examined
from goldroot.hosts.zvm.doctor_guest import QUESTIONS
from goldroot.hosts.zvm.entries import DirectoryEntries
from goldroot.hosts.zvm.manager import Manager
from goldroot.hosts.zvm.minidisks import Minidisks
from goldroot.hosts.zvm.parts import Parts
from goldroot.hosts.zvm.plan_moves import Around
from goldroot.hosts.zvm.simulated import Socket


class Asking:
    """Part of :class:`goldroot.hosts.zvm.ZvmHost`."""

    _parts: Parts
    _manager: Manager
    _directory: DirectoryEntries
    _disks: Minidisks

    def around(self) -> Around:
        """What plans are made with."""
        parts = self._parts
        return Around(self._directory.standing, parts.style, parts.pool, parts.addresses, parts.snapshots)

    def examine(self) -> Iterator[Point]:
        """What the z/VM system is like, asked without changing anything: the points of ``goldroot zvm doctor``."""
        parts = self._parts
        asked = Asked(
            parts.client,
            self._manager,
            self._directory,
            parts.cp,
            parts.pool,
            parts.me,
            parts.addresses,
            link_mode=parts.style.words.link,
            snapshots=parts.snapshots,
            simulated=isinstance(parts.cp, Socket),
        )
        return examined(asked, QUESTIONS)

    def linked_now(self, owner: str) -> list[tuple[str, str, str]]:
        """Who has a disk of an owner at this moment, by CP, as :meth:`linked` says who has it by its entry.

        The owner is never logged on, so SMAPI does not tell (8/12); each disk is linked for the question.
        """
        names = self._disks.names
        found = []
        for address, disk in self._directory.get(owner).disks.items():
            for user in self._disks.having(disk.id):
                name = names.shown(user.name)
                found.append((name, names.address(name, "machine", user.address), address))
        return sorted(found)

    def running(self) -> set[str]:
        """The names of all guests that are logged on, in one call."""
        return {self._disks.names.shown(user) for user in self._parts.client.image_status_query("*")}
