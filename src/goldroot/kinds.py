"""Every kind of conflict and of note that there is: what a program can rely on.

These are the types that :class:`goldroot.conflicts.Conflict` and :class:`goldroot.tree.Note` take, so that a type checker refuses
a kind that is not among them.  A sentence for each stands in :mod:`goldroot.views.kinds`.
"""

from __future__ import annotations

from typing import Literal

ConflictKind = Literal[
    "bare-number", "below-deleted", "below-non-directory", "both-added", "both-changed", "clone-deleted",
    "clone-deleted-gold-changed", "clone-deleted-gold-renamed", "clone-moved-gold-changed", "device-unknown",
    "family-changed", "foreign-root", "gold-deleted", "gold-deleted-clone-changed", "gold-moved-clone-changed",
    "left-behind", "number-differs", "number-taken", "own-packages", "owner-renamed", "range-overlap",
    "reference-broken", "rights-mixed", "runlevel-changed", "state-changed-since", "type-changed", "unit-gone",
    "withdrawn-ca",
]  # fmt: skip

NoteKind = Literal[
    "account-back", "account-file-not-regular", "account-kept", "account-orphans", "account-returned",
    "account-withdrawn", "accounts-unread", "acl-not-kept", "at-job-stale", "base-not-seen", "changed-while-read",
    "decided", "device-not-made", "duplicate-name", "flags-not-kept", "foreign-root", "fstab-moved",
    "hard-link-separated", "identity-made", "identity-removed", "jail-tables-stale", "kind-unknown", "labels-due",
    "memory-not-given", "migrate-due", "mode-not-kept", "mount-left-out", "newer-packages", "no-account",
    "no-host-name", "not-bootable", "not-gold-number", "numbers-as-numbers", "other-file-system", "other-release",
    "override-unknown", "override-without-effect", "own-of-one-host", "own-packages", "owner-not-kept",
    "packages-unknown", "path", "ranges-moved", "read-through-itself", "rebuild-due", "references-not-checked", "removed-before",
    "renumbered", "said-by-tar", "services-not-started", "shell-not-listed", "socket-dropped",
    "spool-without-account", "stale-map", "state-unit", "time-not-kept", "time-out-of-range", "unchanged",
    "vanished", "withdrawn-key-elsewhere", "xattr-not-kept",
]  # fmt: skip
