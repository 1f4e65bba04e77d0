"""The crash points of hosts that keep files, in one list, and what a kill there leaves.

What every kind passes stands here; a kind may add its own.  The contract tests kill at each, and repeat.
"""

from __future__ import annotations

from collections.abc import Mapping

POINTS: Mapping[str, str] = {
    "host.file-beside": "an entry or label as it was, and the new one beside it",
    "host.entry-indexed": "an entry as it was; the index has links that it does not have yet",
    "host.entry-written": "the new entry; the index has links that it does not have any more",
    "host.entry-removed": "no entry; the index has its links",
    "host.disk-labelled": "a label, without a disk",
    "host.disk-halfway": "a disk under another name",
    "host.disk-made": "a disk that stands in no entry",
    "host.disk-named": "a disk that is complete",
    "host.disk-unsealed": "a disk that is not sealed any more, with its content",
    "host.disk-aside": "a disk without its content, which goes",
    "host.disk-emptied": "an empty disk",
    "host.disk-sealing": "a disk that is not sealed yet, perhaps with its sealed form beside it",
    "host.disk-sealed": "a sealed disk, perhaps with what it was beside it",
    "host.disk-unnamed": "a disk that stands in no entry any more",
    "host.disk-going": "a label, and a disk under another name",
    "host.disk-removed": "a label, without a disk",
}
