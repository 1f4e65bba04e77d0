"""What is written down of one update or rollback besides the catalog's row.

::

    SITE/records/web1/7/       clone, number of the update
    ├── work.json              the disks of its three sides and of the result, and every disk ever made for it
    ├── record.json            the record of its last merge
    ├── decisions.json         the answers that its last merge was given (0600: they may hold contents)
    ├── policy.toml            the image's policy as it was, where it has one of its own
    └── 1B5.clone              what the merge saw of the clone's disk: what was written since is told from it
"""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from goldroot import private
from goldroot.catalog import decisions
from goldroot.conflicts import Decision
from goldroot.policy import Policy
from goldroot.site import Site
from goldroot.tree import Manifest


@dataclass
class WorkFile:
    """The state of one update.  Disks are ids by live address."""

    update: int
    clone: str
    base: dict[str, str] = field(default_factory=dict)
    gold: dict[str, str] = field(default_factory=dict)
    old: dict[str, str] = field(default_factory=dict)  #: the clone's live disks that were merged
    new: dict[str, str] = field(default_factory=dict)  #: the result, once it is attached
    made: list[str] = field(default_factory=list)  #: every disk that was made for it, noted before it is made
    counter: int = 0  #: how many sets of disks were begun
    fallback: int = 0  #: the number of the fallback that a rollback goes back to
    carry: bool = False
    digest: str = ""  #: of policy and decisions of the last merge
    failed: dict[str, str] = field(default_factory=dict)  #: rebuild commands that failed, and why
    not_compared: list[str] = field(default_factory=list)  #: clones that may share its identity: they cannot be read
    torn: int = 0  #: paths that a running server wrote while they were merged: the switch merges again
    migration: str = ""  #: of the state on the new disks: ``begun``, ``done``, or nothing was

    @property
    def half_migrated(self) -> bool:
        """Whether a migration of the new disks' state was cut off: nobody can tell what it has done."""
        return self.migration == "begun"

    def next_disks(self, addresses: Mapping[str, object], generation: int, use: str = "") -> dict[str, str]:
        """Ids of new disks, noted as made; save the work before making them."""
        from goldroot.fleet.clone_names import disk_name

        self.counter += 1
        disks = {address: disk_name(self.clone, address, generation, self.counter, use) for address in addresses}
        self.made += disks.values()
        return disks


def directory(site: Site, clone: str, update: int) -> str:
    """Where the files of an update are."""
    return site.path("records", clone, str(update))


def every(site: Site, clone: str) -> list[WorkFile]:
    """All that is written down of a clone's updates and rollbacks, oldest first."""
    try:
        names = os.listdir(site.path("records", clone))
    except FileNotFoundError:
        return []
    numbers = sorted(int(name) for name in names if name.isdecimal())
    return [load(site, clone, number) for number in numbers]


def load(site: Site, clone: str, update: int) -> WorkFile:
    """The work of an update; an empty one where nothing was begun."""
    try:
        with open(_file(site, clone, update, "work.json"), "rb") as file:
            return WorkFile(**json.load(file))
    except FileNotFoundError:
        return WorkFile(update, clone)


def save(site: Site, work: WorkFile) -> None:
    """Write it whole."""
    write(_file(site, work.clone, work.update, "work.json"), json.dumps(asdict(work), indent=1).encode())


def write(path: str, content: bytes) -> None:
    """A reader sees the old file or the new one."""
    private.make_directory(os.path.dirname(path))
    private.write(path, content)


def record_file(site: Site, clone: str, update: int) -> str:
    """The path of the record."""
    return _file(site, clone, update, "record.json")


def read_record(site: Site, clone: str, update: int) -> dict[str, Any]:
    """The record of the last merge; empty where there was none yet."""
    try:
        with open(record_file(site, clone, update), "rb") as file:
            data: dict[str, Any] = json.load(file)
            return data
    except FileNotFoundError:
        return {}


def save_seen(site: Site, work: WorkFile, address: str, manifest: Manifest) -> None:
    """Keep what a merge saw of a disk of the clone."""
    path = _file(site, work.clone, work.update, f"{address}.clone")
    private.make_directory(os.path.dirname(path))
    manifest.save(path)


def load_seen(site: Site, work: WorkFile, address: str) -> Manifest:
    """What the last merge saw of a disk of the clone."""
    return Manifest.load(_file(site, work.clone, work.update, f"{address}.clone"))


def save_decisions(site: Site, work: WorkFile, used: Mapping[str, Decision], policy_file: str | None) -> None:
    """Keep what a merge was given, so that it can be made again."""
    said = {
        key: {"take": one.take} | ({} if one.content is None else {"base64": base64.b64encode(one.content).decode()})
        for key, one in sorted(used.items())
    }
    data = json.dumps({"schema": 1, "decisions": said}, indent=1).encode()
    write(_file(site, work.clone, work.update, "decisions.json"), data)
    rules = _file(site, work.clone, work.update, "policy.toml")
    if policy_file:
        with open(policy_file, "rb") as file:
            write(rules, file.read())
    else:
        with suppress(FileNotFoundError):
            os.unlink(rules)  # of an earlier merge of this update


def load_given(site: Site, clone: str, update: int) -> tuple[dict[str, Decision], Policy]:
    """The decisions and the policy that a merge was given."""
    from goldroot.merge import load_decisions

    rules = _file(site, clone, update, "policy.toml")
    policy = Policy.load(rules) if os.path.exists(rules) else Policy.default()
    return load_decisions(_file(site, clone, update, "decisions.json")), policy


def remembered(site: Site, image: str) -> dict[str, Decision]:
    """The catalog's decisions of an image, as a merge takes them."""
    with site.catalog.read() as tx:
        known = decisions.remembered(tx, image)
    return {key: Decision(one.take, one.content) for key, one in known.items()}


def forget(site: Site, clone: str) -> None:
    """Remove what was written down of a clone that is gone."""
    shutil.rmtree(site.path("records", clone), ignore_errors=True)


def _file(site: Site, clone: str, update: int, name: str) -> str:
    return os.path.join(directory(site, clone, update), name)
