"""Every kind of conflict and of note, with a sentence for each; ``docs/reference/kinds.md`` is made from them.

The types that the code itself goes by are in :mod:`goldroot.kinds`; this room imports no other one, and a test holds that the
two agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

#: Kind of a conflict -> what is asked.
CONFLICT_KINDS: Mapping[str, str] = MappingProxyType(
    {
        "bare-number": "files or accounts carry a number without a name, and the result gives the number to an account",
        "below-deleted": "gold has something new below a directory that the server deleted",
        "below-non-directory": "something should stay below a path that is not a directory in the result",
        "both-added": "gold and the server each added the path, differently",
        "both-changed": "gold and the server both changed the same value, differently",
        "clone-deleted": "the server deleted an account or a record of one, and gold changed it",
        "clone-deleted-gold-changed": "the server deleted the path, and gold changed it",
        "clone-deleted-gold-renamed": "the server removed the path, and gold has it again under another name",
        "clone-moved-gold-changed": "the server moved the file, and gold changed it at its old place",
        "device-unknown": "a line of gold's /etc/fstab names a device that the server may not have, and its boot would wait for it",
        "family-changed": "gold's system is of another family than it was, so other rules of the policy hold",
        "foreign-root": "below the path stands another system, whose owners are its own numbers or accounts of the server",
        "gold-deleted": "gold removed an account or a record of one, and the server changed or uses it",
        "gold-deleted-clone-changed": "gold deleted the path, and the server changed it",
        "gold-moved-clone-changed": "gold moved the file, and the server changed it at its old place",
        "left-behind": "files of the server's own stand in a directory of a version that gold has replaced by another",
        "number-differs": "an account has one number in gold and another one on the server",
        "number-taken": "gold gives the number of one of the server's accounts to another account",
        "own-packages": "the server has packages of its own in a database that is gold's",
        "owner-renamed": "gold renamed the owner of something in a state unit of the server",
        "range-overlap": "two accounts would share a range of subordinate numbers",
        "reference-broken": "something that the server keeps points at what is gone in the new system",
        "rights-mixed": "a content would be run with rights (set-uid, capabilities) that its own side did not give it",
        "runlevel-changed": "gold and the server both changed when a service is started or stopped",
        "state-changed-since": "on the way back: the server wrote to a state unit after its switch",
        "type-changed": "one side changed what the path is, and the other changed it or what is below it",
        "unit-gone": "gold deleted a state unit that the server wrote to",
        "withdrawn-ca": "gold withdrew a certificate authority that the server has among its own",
    }
)

#: Kind of a note -> what it says.  On the way back a question is a note under its own kind: the server's side stands.
NOTE_KINDS: Mapping[str, str] = MappingProxyType(
    {
        "account-back": "an account that the server deleted is there again, since an account of gold needs it",
        "account-file-not-regular": "an account file is a link or the like, and was taken as missing",
        "account-kept": "an account that gold removed stays, as it is used or was changed",
        "account-orphans": "records of accounts that the result does not have stay in an account file",
        "account-returned": "gold has an account again that was withdrawn",
        "account-withdrawn": "an account that gold removed stays without a way to log in, for what belongs to it",
        "accounts-unread": "the accounts of a server could not be read for a check of numbers",
        "acl-not-kept": "an access control list of an archive could not be set",
        "at-job-stale": "at jobs hold the old number of an account that was renumbered",
        "base-not-seen": "something is mounted over a directory, so what the old gold has there is not seen on the server",
        "changed-while-read": "a file was written all the time while it was read",
        "decided": "a person's remembered answer was used",
        "device-not-made": "a device was not made, since that needs root",
        "duplicate-name": "an archive has a name twice, and the later one was taken",
        "flags-not-kept": "inode flags or a project number could not be set",
        "foreign-root": "below the path stands another system, whose owners were kept as numbers",
        "fstab-moved": "lines of /etc/fstab of a server that is taken over became comments, as its disks are others now",
        "hard-link-separated": "names that shared one file are files of their own now",
        "identity-made": "the server got its own of something that gold has for the first time",
        "identity-removed": "gold's own of something that must be each server's was left out",
        "jail-tables-stale": "the account tables of another system below a path hold old numbers",
        "kind-unknown": "something in an archive is of a kind that goldroot does not know, and was left out",
        "labels-due": "security labels have to be set once more in the merged system",
        "memory-not-given": "it is not known what the server had removed before, and that could have mattered",
        "migrate-due": "a command has to migrate a state unit in the merged system",
        "mode-not-kept": "a mode could not be set",
        "mount-left-out": "another file system is mounted on the path of a server that is taken over, and was left out",
        "newer-packages": "the server has newer packages than gold in a database that is gold's",
        "no-account": "a name that owns something has no account in the result",
        "no-host-name": "a server that is taken over says no host name; it has the clone's",
        "not-bootable": "a disk has no kernel that a boot record could be made of, so no machine can boot from it",
        "not-gold-number": "an account has another number than in gold, as the server's files carry it",
        "numbers-as-numbers": "there were no account tables, so owners were merged as numbers",
        "other-file-system": "something else is mounted on the path, and was not read",
        "other-release": "a server that is taken over runs another release than the gold that it is taken over to",
        "override-unknown": "an override of dpkg names an account that the result does not have",
        "override-without-effect": "an override of dpkg has no effect on what gold has",
        "own-of-one-host": "what will be gold has something that belongs to one machine",
        "own-packages": "the server has packages of its own in a database that is gold's",
        "owner-not-kept": "owners could not be set, since that needs root; they are recorded",
        "packages-unknown": "a database of packages could not be read",
        "path": "something about one path, in its own words",
        "ranges-moved": "ranges of subordinate numbers were moved, and files with them",
        "read-through-itself": "a running server was read by ssh: files may have changed meanwhile",
        "rebuild-due": "a file that is made from others has to be made again by a command",
        "references-not-checked": "what the server points at was not looked up, as the whole system was not given",
        "removed-before": "the server had removed it earlier, and it stays removed",
        "renumbered": "accounts got other numbers, and their files with them",
        "said-by-tar": "what tar said while it packed a server that is taken over",
        "services-not-started": "services of gold are new, and the server does not start them",
        "shell-not-listed": "the login shell of an account is not in /etc/shells of the new system",
        "socket-dropped": "a socket was left out: its program makes it again",
        "spool-without-account": "crontabs or mail have a name without an account",
        "stale-map": "a file was made from another one that has changed, and no command is known that makes it",
        "state-unit": "something about one state unit, in its own words",
        "time-not-kept": "a time could not be set",
        "time-out-of-range": "a time lies beyond what can be stored, and was cut",
        "unchanged": "a publish found nothing that changed since the last gold version",
        "vanished": "a path was deleted while the tree was read",
        "withdrawn-key-elsewhere": "a list of ssh keys has a key that gold withdrew from another list",
        "xattr-not-kept": "an extended attribute could not be set",
    }
)
