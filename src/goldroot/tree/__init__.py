"""A file tree as data: entries, manifests, scanning, copying; account tables."""

from goldroot.tree.build import Built, build, copy_tree, rows_of, sync_file_system
from goldroot.tree.entry import Entry, Xattrs, is_below, parent, tree_key
from goldroot.tree.manifest import Manifest, Squashed
from goldroot.tree.names import path_bytes, path_text
from goldroot.tree.notes import Note, Progress, owners_not_kept
from goldroot.tree.plan_build import INLINE, BuildRow
from goldroot.tree.remove import remove_tree
from goldroot.tree.reuse import WITHOUT_SET_ID
from goldroot.tree.scan import Scan, hash_files, scan, scan_together

__all__ = [
    "INLINE",
    "WITHOUT_SET_ID",
    "BuildRow",
    "Built",
    "Entry",
    "Manifest",
    "Note",
    "Progress",
    "Scan",
    "Squashed",
    "Xattrs",
    "build",
    "copy_tree",
    "hash_files",
    "is_below",
    "owners_not_kept",
    "parent",
    "path_bytes",
    "path_text",
    "remove_tree",
    "rows_of",
    "scan",
    "scan_together",
    "sync_file_system",
    "tree_key",
]
