"""What a server had removed of packages that gold does not have: a later gold that has them must not bring it back unasked."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from goldroot.merge import Removed
from goldroot.policy import CONFIG, LINES, OPAQUE, Policy
from goldroot.system import PackageFiles, names_in

#: Where Debian's tools note which links enabled a unit when its package was installed (deb-systemd-helper(1p)).
_ENABLED = b"var/lib/systemd/deb-systemd-helper-enabled"
_UNITS = b"etc/systemd/system"


def removed_before(
    root: str, files: PackageFiles, there: Collection[bytes], gold: Collection[bytes], policy: Policy
) -> Iterator[Removed]:
    """Configuration that a package brought and links that enabled its units, where neither the server nor gold has them.

    What exactly they were is not known, so that any of gold's is asked about.

    :param root: of the server; ``there``: its paths on its own disks; ``gold``: those that gold has there.
    """
    for path in sorted({*files.brought, *_enabled(root)} - set(there) - set(gold)):
        if policy.match(b"/" + path).cls in (CONFIG, OPAQUE, LINES) and path.startswith(b"etc/"):
            yield Removed(b"/" + path)


def _enabled(root: str) -> Iterator[bytes]:
    for directory in names_in(root, _ENABLED):
        if directory.endswith((b".wants", b".requires")):
            for name in names_in(root, _ENABLED + b"/" + directory):
                yield b"/".join((_UNITS, directory, name))
