"""Looking at a site's store, and changing it by hand, in the words that the tests have for it."""

from __future__ import annotations

from goldroot.hosts.former.directory import DirectoryHost
from goldroot.site import Site


def former(site: Site) -> DirectoryHost:
    """The store of a site."""
    return site.former  # type: ignore[return-value]
