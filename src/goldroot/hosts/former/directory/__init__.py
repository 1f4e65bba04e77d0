"""The directory host: each disk is a directory, each machine's definition one file.

On disk::

    STORE/
    ├── disks/
    │   ├── debian-1-1B1/          a disk; its files stand directly in it, with their path from the system's root
    │   ├── debian-1-1B5/          (``etc/``, ``root/``, ``usr/local/``)
    │   ├── .debian-1-1B6.going/   a disk on its way out: renamed first, so that a killed removal leaves no half disk
    │   └── web1-1B5-1/
    ├── machines/
    │   ├── WEB1.json              the definition; replaced as a whole: written beside it, synced, renamed
    │   ├── .WEB1.json.4711        a replacement whose writer was killed; swept by the next change
    │   ├── WEB1.running           empty; a shared lock on it says "I run this machine", an exclusive one "nobody may"
    │   └── DEBIANGOLD.json        a gold slot: an owner of disks that never runs
    ├── label                      says whose store it is: the site's catalog has the same
    └── lock                       empty; locked exclusively while a definition changes (compare and swap)

A definition::

    {"name": "WEB1", "kind": "machine", "generation": 7,
     "disks": {"1B5": {"disk": "web1-1B5-2", "mode": "rw"}, "5B5": {"disk": "web1-1B5-1", "mode": "rw"}},
     "links": {"1B1": {"owner": "DEBIANGOLD2", "address": "1B1"}, "5B1": {"owner": "DEBIANGOLD", "address": "1B1"}}}

The switch is one rename of that file: disks and links of a machine move together, or not at all.
"""

from goldroot.hosts.former.directory.host import DirectoryHost

__all__ = ["DirectoryHost"]
