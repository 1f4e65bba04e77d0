"""What can be wrong with a site, and what each kind of it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

#: Kind of finding -> what it means, for people.
MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        "catalog-missing": "What exists and what happened stands in it. The servers and their disks are as they were.",
        "catalog-damaged": "What exists and what happened stands in it. The servers and their disks are as they were.",
        "journal-damaged": "It knows which steps of a run are done; without it a run begins again. Nothing else is in it.",
        "key-missing": "Without it no gold version can be published; those that are published stay what they are.",
        "signers-missing": "Without it nobody can say whether a gold version is what was published.",
        "host-unknown": "The catalog has something on a host that goldroot.toml does not name.",
        "host-silent": "What stands there could not be compared.",
        "entry-damaged": "Which disks the machine has is not known until it is right again. Its disks are as they were.",
        "entry-missing": "Its disks are there, and nothing says which of them is which.",
        "machine-unknown": "It carries no mark that says whose it is. goldroot leaves it alone.",
        "clone-unknown": "It was made after this catalog was saved, or the catalog is new. Its gold could be given away.",
        "clone-other": "The server of that name was removed, and another one was made, since this catalog was saved.",
        "clone-gone": "It was removed after this catalog was saved.",
        "clone-behind": "The host went on (or the server was made again) after this catalog was saved, or a command was killed before "
        "it could say so.",
        "host-older": "The host was put back to an older state, and the catalog was not.",
        "image-unknown": "It was imported after this catalog was saved, or the catalog is new. Its disks could be taken "
        "for leftovers.",
        "image-gone": "It was deleted after this catalog was saved.",
        "system-missing": "No version of the image can be made without it; servers and gold stay as they are.",
        "gold-unknown": "It was published after this catalog was saved, or the catalog is new. Its number must not be used "
        "again.",
        "gold-gone": "The version was removed, or its slot taken, after this catalog was saved.",
        "gold-unsigned": "Nobody can say whether its disks are what was published, so nothing is made from it.",
        "gold-papers": "The next publish compares the numbers of accounts with it, and gold diff the packages. Servers and "
        "updates do not need it.",
        "gold-copied": "The files have other inodes or times than those that are known. Whether they have what was "
        "published is told by reading them.",
        "gold-changed": "Somebody wrote to them, or they were damaged. Nothing is made from them.",
        "cut-off": "A command was begun, was ended before its time, and nobody works on it now.",
        "disk-missing": "An entry names the disk, and it is not there: what it held is lost, or stands elsewhere.",
        "disk-damaged": "It is there, and its machine does not start from it: a part of it is lost, or it is not a file.",
        "disk-unnamed": "No entry names it. It may be the only copy of what is on it.",
        "disk-foreign": "Its label says that it is another machine's. It is neither written nor removed.",
        "register-behind": "The register of disks in the catalog does not say what the entries say.",
        "leftover": "A killed command left it. Nothing stands on it.",
        "record-damaged": "What the last merge of the server decided, and what the server had removed, is not known.",
    }
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    kind: str  #: one of :data:`MEANINGS`
    name: str  #: of what it is about: a clone, an image, an entry, a disk, a file
    text: str  #: one sentence
    host: str = ""
    repair: str = ""  #: what a repair does about it; "": nothing
    command: str = ""  #: what a person can do instead, or has to
    removes: str = ""  #: the disk that goes with the repair, which has to be named for it
    image: str = ""  #: of what is about an image; "" else
    version: int = 0  #: of what is about a gold version; 0 else

    @property
    def meaning(self) -> str:
        """What it means, for people."""
        return MEANINGS[self.kind]

    def as_dict(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "kind": self.kind, "name": self.name, "host": self.host, "text": self.text, "meaning": self.meaning,
            "repair": self.repair, "command": self.command, "removes": self.removes,
        }  # fmt: skip
