"""What is asked here of a layout: which disk a path of the system stands on.  The layouts themselves are the site's."""

from __future__ import annotations

from typing import Protocol


class WithAddress(Protocol):
    """A disk of a layout."""

    @property
    def address(self) -> str:
        """Its live address."""


class Placement(Protocol):
    """Which paths stand on which disk."""

    def disk_of(self, path: bytes) -> WithAddress:
        """The disk of a path of the system (no leading slash)."""
