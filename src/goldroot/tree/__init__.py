"""A file tree as data: entries, manifests, scanning, copying; account tables."""

from goldroot.tree.entry import Entry, Xattrs, is_below, parent, tree_key
from goldroot.tree.manifest import Manifest, Squashed
from goldroot.tree.names import path_bytes, path_text
from goldroot.tree.notes import Note, Progress
from goldroot.tree.scan import Scan, hash_files, scan

__all__ = [
    "Entry",
    "Manifest",
    "Note",
    "Progress",
    "Scan",
    "Squashed",
    "Xattrs",
    "hash_files",
    "is_below",
    "parent",
    "path_bytes",
    "path_text",
    "scan",
    "tree_key",
]
