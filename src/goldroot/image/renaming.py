"""An image gets another name.

Everything that names it follows: the marks of all entries on its hosts, its directory, its table in goldroot.toml, and the
rows of the catalog, in this order.  What is under way is written down first, and commands on the image and its servers are
refused from there to the end: so the same command finishes what was cut off at any point, and the reverse one takes it back.

Two things keep the old name.  A signed record says under which name a version was published, and nobody signs history again;
and machines and slots keep theirs, which nothing derives from what an image is called (:mod:`goldroot.catalog.entries`).
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from goldroot import crash, files
from goldroot.catalog import clones, copies, decisions, entries, gold, images, rename_image, updates
from goldroot.errors import GoldrootError, NotFound, Refused, UsageError
from goldroot.hosts import Entry, Host
from goldroot.image.adopting import recorded_numbers
from goldroot.image.gold_version import read_gold_record
from goldroot.site import (
    Site,
    begin_renaming,
    begun_renaming,
    check_image_name,
    end_renaming,
    former_names,
    note_former_name,
    table_renamed,
)

#: Files that a process has open besides the locks of servers.
_FILES = 256


@dataclass(frozen=True, slots=True)
class Renaming:
    """What a renaming is about, or was; ``done``: it had been done before."""

    old: str
    new: str
    machines: tuple[str, ...]  #: its systems and slots, which keep their names
    clones: tuple[str, ...]
    versions: tuple[int, ...]  #: whose signed records have a name that it had before, and keep it
    answers: int
    done: bool = False

    def as_dict(self, *, plan: bool) -> dict[str, Any]:
        """As JSON data."""
        return {
            "image": self.new, "before": self.old, "machines": list(self.machines), "clones": list(self.clones),
            "versions": list(self.versions), "decisions": self.answers, "done": self.done, "plan": plan,
        }  # fmt: skip


def plan_renaming(site: Site, old: str, new: str) -> Renaming:
    """What :func:`rename` would do; the same refusals, but for a command that works on a server at this moment.

    :raises NotFound: there is no such image. :raises Refused: the new name is taken, or something of it is under way.
    """
    _check_names(old, new)
    begun = begun_renaming(site)
    if begun is not None and {old, new} != set(begun):
        raise Refused(
            f"image {begun[0]} is being renamed to {begun[1]}, and that is not done",
            meaning="Nothing was changed.",
            todo=f"Finish it first: goldroot image rename {begun[0]} {begun[1]}",
        )
    known = _now(site, old, new)
    if begun is None and known == new and old in former_names(site, new):
        return replace(_about(site, known, old, new), done=True)
    if begun is None:
        with site.catalog.read() as tx:
            images.get(tx, old)
            images.refuse_existing(tx, new)
        _refuse_under_way(site, old, new)
    with open(site.config.file, encoding="utf-8") as file:
        table_renamed(file.read(), old, new)
    return _about(site, known, old, new)


def rename(site: Site, old: str, new: str) -> Renaming:
    """Give an image another name, or finish what an earlier command of the same names began.

    :raises NotFound, Refused: as of :func:`plan_renaming`. :raises Busy: a command works on it or on one of its servers.
    """
    _check_names(old, new)
    with _alone(site, old, new):
        planned = plan_renaming(site, old, new)
        if planned.done:
            return planned
        begin_renaming(site, old, new)
        crash.point("image-renaming-begun")
        _marks(site, old, new)
        crash.point("image-renaming-marks")
        _directory(site, old, new)
        crash.point("image-renaming-directory")
        _settings(site, old, new)
        crash.point("image-renaming-settings")
        with site.catalog.begin() as tx:
            if any(one.name == old for one in images.every(tx)):
                rename_image(tx, old, new)
        crash.point("image-renaming-catalog")
        end_renaming(site)
        return planned


def _check_names(old: str, new: str) -> None:
    for name in (old, new):
        check_image_name(name)
    if old == new:
        raise UsageError(f"the image is called {old} already", todo="Give another name.")


def _now(site: Site, old: str, new: str) -> str:
    """Which of the two names the catalog has; the old one where it has none."""
    with site.catalog.read() as tx:
        names = {one.name for one in images.every(tx)}
    return new if new in names and old not in names else old


def _about(site: Site, known: str, old: str, new: str) -> Renaming:
    with site.catalog.read() as tx:
        machines = sorted(one.name for one in entries.every(tx, known))
        on_it = sorted(one.name for one in clones.every(tx, known))
        answers = len(decisions.remembered(tx, known))
    place = known if os.path.isdir(site.image_path(known)) else {old: new, new: old}[known]
    older = tuple(number for number in recorded_numbers(site, place) if _signed_as(site, place, number) != new)
    return Renaming(old, new, tuple(machines), tuple(on_it), older, answers)


def _signed_as(site: Site, image: str, number: int) -> str:
    """The name that a version's record says; a record that cannot be read is told by who needs it."""
    try:
        return str(read_gold_record(site, image, number)["image"])
    except GoldrootError:
        return ""


def _refuse_under_way(site: Site, old: str, new: str) -> None:
    with site.catalog.read() as tx:
        made = clones.every(tx, old)
        begun = [one.number for one in gold.every(tx, old) if one.state == "publishing"]
        filling = [one for one in copies.every(tx, old) if one.state == "filling"]
        going = [one.name for one in made if updates.in_flight(tx, one.name) is not None]
        taken = entries.every(tx, new)
    todo = ""
    if going:
        what = f"updates of {', '.join(going[:5])} are in flight"
        todo = f"Finish them, or give them up: goldroot update cancel {' '.join(going[:5])}"
    elif half := [one.name for one in made if one.state != "active"]:
        what, todo = f"{', '.join(half[:5])} is being made or removed", "Finish that with the command that began it."
    elif begun or filling:
        what, todo = "a publish or a copy of gold was begun, and is not done", f"Finish it: goldroot gold publish {old}"
    elif taken:
        what, todo = f"an import of {new} was begun, and is not done", "Finish it, or take another name."
    elif os.path.lexists(site.image_path(new)) and not is_halfway(site, old, new):
        what, todo = (
            f"{site.image_path(new)} is there",
            f"It was left by an image of that name: goldroot image delete {new}",
        )
    if todo:
        raise Refused(f"image {old} cannot be renamed to {new}: {what}", meaning="Nothing was changed.", todo=todo)


def is_halfway(site: Site, old: str, new: str) -> bool:
    """Whether the site has an image under its new name already, and the catalog, which is older or was not come to, has not."""
    return old in former_names(site, new) and not os.path.lexists(site.image_path(old))


@contextmanager
def _alone(site: Site, old: str, new: str) -> Iterator[None]:
    """Nobody works on the image or on one of its servers: all of them are held until the end.

    :raises Busy: somebody does; the error says who.
    """
    doing = f"renaming of image {old}"
    with ExitStack() as stack:
        for name in sorted({old, new}):
            stack.enter_context(site.lock_anyway(f"image-{name}", doing=doing))
        with site.catalog.read() as tx:
            servers = sorted(one.name for name in (old, new) for one in clones.every(tx, name))
        _allow_files(len(servers))
        for server in servers:
            stack.enter_context(site.lock_anyway(f"clone-{server}", doing=doing))
        yield


def _allow_files(count: int) -> None:
    """As many open files as there are locks; how many a process may have is far more than what it begins with."""
    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count + _FILES:
        wanted = count + _FILES if most == resource.RLIM_INFINITY else min(most, count + _FILES)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def _marks(site: Site, old: str, new: str) -> None:
    """What every entry of every host says of itself.  All are read first: a host that does not answer changes nothing."""
    found = [(site.host_named(name), list(site.host_named(name).entries())) for name in site.config.hosts]
    for host, there in found:
        for entry in there:
            if any(mark.image == old for mark in entry.marks.values()):
                _mark(host, entry, old, new)
                crash.point("image-renaming-mark")


def _mark(host: Host, entry: Entry, old: str, new: str) -> None:
    marks = {digit: replace(mark, image=new) if mark.image == old else mark for digit, mark in entry.marks.items()}
    done = host.apply(replace(entry, marks=marks))
    if done.outcome == "unknown":
        raise NotFound(
            f"whether the entry {entry.name} was changed is not known",
            meaning="The host did not say.",
            todo=f"Give the command again: goldroot image rename {old} {new}",
        )


def _directory(site: Site, old: str, new: str) -> None:
    place = site.image_path(new)
    if os.path.isdir(site.image_path(old)) and not os.path.lexists(place):
        os.rename(site.image_path(old), place)
        crash.point("image-renaming-moved")
    if os.path.isdir(place):
        note_former_name(site, new, old)


def _settings(site: Site, old: str, new: str) -> None:
    with open(site.config.file, encoding="utf-8") as file:
        text = file.read()
    made = table_renamed(text, old, new)
    if made != text:
        files.write(os.path.realpath(site.config.file), made.encode())
