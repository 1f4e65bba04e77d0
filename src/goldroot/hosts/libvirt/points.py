"""The crash points of libvirt hosts, besides those of all hosts that keep files."""

from __future__ import annotations

from collections.abc import Mapping

POINTS: Mapping[str, str] = {
    "host.libvirt.defined": "the new entry, in its domain; its file is older, with the new one beside it",
    "host.libvirt.put-away": "an entry as it was, in its domain; its file is newer and does not count yet",
}
