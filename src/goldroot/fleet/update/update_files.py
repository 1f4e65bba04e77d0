"""What is kept of one update or rollback besides the catalog's row.

::

    SITE/records/web1/u7k2m9q4xa/    clone, id of the work
    ├── record.json            the record of its last merge
    ├── decisions.json         the answers that its last merge was given (0600: they may hold contents)
    ├── policy.toml            the image's policy as it was, where it has one of its own
    ├── 1B5.clone              what the merge saw of the clone's disk: what was written since is told from it
    ├── 1B5.rows               what was written on the disk, and for what: the next merge takes it over
    └── base/KEY               of a carry: the base's content for each question
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from goldroot import private
from goldroot.catalog import decisions
from goldroot.conflicts import Decision, Remembered
from goldroot.errors import Damaged
from goldroot.policy import Policy
from goldroot.site import Site
from goldroot.tree import Manifest

T = TypeVar("T")


def directory(site: Site, clone: str, work: str) -> str:
    """Where the files of an update are."""
    return site.path("records", clone, work)


def write(path: str, content: bytes) -> None:
    """A reader sees the old file or the new one."""
    private.make_directory(os.path.dirname(path))
    private.write(path, content)


def record_file(site: Site, clone: str, work: str) -> str:
    """The path of the record."""
    return _file(site, clone, work, "record.json")


def rows_file(site: Site, clone: str, work: str, address: str) -> str:
    """The path of the list of what was written on a prepared disk (:mod:`goldroot.fleet.update.earlier`)."""
    return _file(site, clone, work, f"{address}.rows")


def forget_rows(site: Site, clone: str, work: str) -> None:
    """Remove the lists of what was written: nothing is merged again onto these disks.  Again: nothing."""
    with suppress(FileNotFoundError):
        for name in os.listdir(directory(site, clone, work)):
            if name.endswith(".rows"):
                os.unlink(_file(site, clone, work, name))


def read_kept(file: str, take: Callable[[Any], T]) -> T | None:
    """What stands in a JSON file that goldroot wrote; ``None`` where there is no file.

    :param take: makes of its data what is wanted.
    :raises Damaged: it cannot be read, or its data are not what was written.
    """
    try:
        with open(file, "rb") as stream:
            return take(json.load(stream))
    except FileNotFoundError:
        return None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise Damaged(
            f"{file} cannot be read: {error}",
            meaning="It was damaged or changed by hand; what it says of the server, as what was removed there, is not known.",
            todo="Put it back from a backup (goldroot restore). Without one, move it away and give the command again: "
            "then nothing of it is known any more.",
        ) from None


def read_record(site: Site, clone: str, work: str) -> dict[str, Any]:
    """The record of the last merge; empty where there was none yet.

    :raises Damaged: it cannot be read, or is not a record.
    """
    from goldroot.views import Record

    def record(data: dict[str, Any]) -> dict[str, Any]:
        Record.model_validate(data)
        return data

    return read_kept(record_file(site, clone, work), record) or {}


def save_seen(site: Site, clone: str, work: str, address: str, manifest: Manifest) -> None:
    """Keep what a merge saw of a disk of the clone."""
    path = _file(site, clone, work, f"{address}.clone")
    private.make_directory(os.path.dirname(path))
    manifest.save(path)


def load_seen(site: Site, clone: str, work: str, address: str) -> Manifest:
    """What the last merge saw of a disk of the clone."""
    return Manifest.load(_file(site, clone, work, f"{address}.clone"))


def save_decisions(site: Site, clone: str, work: str, used: Mapping[str, Decision], policy_file: str | None) -> None:
    """Keep what a merge was given, so that it can be made again."""
    from goldroot.merge import decisions_text

    write(_file(site, clone, work, "decisions.json"), decisions_text(used))
    rules = _file(site, clone, work, "policy.toml")
    if policy_file:
        with open(policy_file, "rb") as file:
            write(rules, file.read())
    else:
        with suppress(FileNotFoundError):
            os.unlink(rules)  # of an earlier merge of this update


def load_given(site: Site, clone: str, work: str) -> tuple[dict[str, Decision], Policy]:
    """The decisions and the policy that a merge was given."""
    from goldroot.merge import load_decisions

    rules = _file(site, clone, work, "policy.toml")
    policy = Policy.load(rules) if os.path.exists(rules) else Policy.default()
    return load_decisions(_file(site, clone, work, "decisions.json")), policy


def save_base(site: Site, clone: str, work: str, contents: Mapping[str, bytes | None]) -> None:
    """Keep the base's contents for the questions of a carry, by their keys: the base itself is not kept."""
    shutil.rmtree(_file(site, clone, work, "base"), ignore_errors=True)
    for key, content in contents.items():
        if content is not None:
            write(_file(site, clone, work, f"base/{key}"), content)


def load_base(site: Site, clone: str, work: str, key: str) -> bytes | None:
    """What :func:`save_base` kept for a question."""
    try:
        with open(_file(site, clone, work, f"base/{key}"), "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def remembered(site: Site, image: str) -> Remembered:
    """The catalog's decisions of an image, as a merge takes them."""
    with site.catalog.read() as tx:
        known = decisions.remembered(tx, image)
    return Remembered({key: Decision(one.take, one.content) for key, one in known.items()})


def forget(site: Site, clone: str) -> None:
    """Remove what was written down of a clone that is gone."""
    shutil.rmtree(site.path("records", clone), ignore_errors=True)


def _file(site: Site, clone: str, work: str, name: str) -> str:
    return os.path.join(directory(site, clone, work), name)
