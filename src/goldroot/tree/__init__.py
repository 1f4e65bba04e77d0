"""A file tree as data: entries and manifests; scanning, building and removing trees.

``scan/`` turns a directory into a manifest, ``build/`` turns rows into a directory; neither follows a link.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from goldroot.faces import names_of

__all__ = [
    "BLOCK",
    "CHAR",
    "DIRECTORY",
    "EARLIER",
    "FIFO",
    "FILE",
    "FULL",
    "HELD",
    "INLINE",
    "LINK",
    "OTHER_FILE_SYSTEM",
    "SOCKET",
    "WITHOUT_SET_ID",
    "BuildOptions",
    "BuildRow",
    "Built",
    "Columns",
    "Entry",
    "Manifest",
    "Note",
    "Progress",
    "Scan",
    "Squashed",
    "Writers",
    "Xattrs",
    "build_tree",
    "copy_tree",
    "hash_files",
    "in_tree_order",
    "is_below",
    "kernel_flags",
    "mounts_below",
    "open_tree",
    "owners_not_kept",
    "parent",
    "path_bytes",
    "path_text",
    "read_flags",
    "remove_tree",
    "rows_of",
    "scan_tree",
    "scan_trees",
    "some_names",
    "some_paths",
    "sync_file_system",
    "tree_key",
    "upwards",
    "write_flags",
    "write_problem",
]

if TYPE_CHECKING:
    from goldroot.tree.build.build import EARLIER, BuildOptions, Built, build_tree, sync_file_system
    from goldroot.tree.build.copy import copy_tree, rows_of
    from goldroot.tree.columns import Columns
    from goldroot.tree.entry import (
        BLOCK,
        CHAR,
        DIRECTORY,
        FIFO,
        FILE,
        INLINE,
        LINK,
        OTHER_FILE_SYSTEM,
        SOCKET,
        BuildRow,
        Entry,
        Note,
        Progress,
        Xattrs,
        owners_not_kept,
    )
    from goldroot.tree.kernel import FULL, kernel_flags, mounts_below, open_tree, read_flags, write_flags, write_problem
    from goldroot.tree.manifest import Manifest, Squashed
    from goldroot.tree.paths import (
        in_tree_order,
        is_below,
        parent,
        path_bytes,
        path_text,
        some_names,
        some_paths,
        tree_key,
        upwards,
    )
    from goldroot.tree.remove import HELD, remove_tree
    from goldroot.tree.scan.scan import WITHOUT_SET_ID, Scan, Writers, hash_files, scan_tree, scan_trees
else:
    __getattr__, __dir__ = names_of(
        __name__,
        {
            "build.build": "BuildOptions Built EARLIER build_tree sync_file_system",
            "build.copy": "copy_tree rows_of",
            "columns": "Columns",
            "entry": "BLOCK BuildRow CHAR DIRECTORY Entry FIFO FILE INLINE LINK SOCKET Xattrs Note OTHER_FILE_SYSTEM Progress "
            "owners_not_kept",
            "kernel": "FULL kernel_flags mounts_below open_tree read_flags write_flags write_problem",
            "manifest": "Manifest Squashed",
            "paths": "in_tree_order is_below parent path_bytes path_text some_names some_paths tree_key upwards",
            "remove": "HELD remove_tree",
            "scan.scan": "Scan WITHOUT_SET_ID Writers hash_files scan_tree scan_trees",
        },
    )
