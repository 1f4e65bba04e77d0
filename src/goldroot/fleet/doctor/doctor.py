"""Looking at a whole site, and repairing it as far as somebody agrees."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from goldroot.errors import GoldrootError
from goldroot.fleet.doctor.compare import compare_clones
from goldroot.fleet.doctor.disks import compare_disks
from goldroot.fleet.doctor.findings import Finding
from goldroot.fleet.doctor.images import compare_images
from goldroot.fleet.doctor.papers import look_at_databases, look_at_keys, look_at_papers
from goldroot.fleet.doctor.rebuild import rebuild_catalog
from goldroot.fleet.doctor.repair import ORDER, repair
from goldroot.fleet.doctor.seen import Known, Seen, see
from goldroot.site import Site

#: What is told of a finding, before and after its repair.
Outcome = Literal["found", "repaired", "failed"]

#: Whether somebody agrees to the repair of a finding.
Agree = Callable[[Finding], bool]

#: What is repaired behind these stands on what they adopt: it is looked at again before that.
LOOK_AGAIN = ("clone-other", "image-unknown", "gold-unknown", "clone-behind", "clone-unknown")

#: One repair may show what another one hides: so often is looked again at most.
ROUNDS = 20


@dataclass(frozen=True, slots=True)
class Told:
    """A finding, and what became of it."""

    finding: Finding
    outcome: Outcome = "found"
    error: GoldrootError | None = None

    def as_dict(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            **self.finding.as_dict(), "outcome": self.outcome, "error": "" if self.error is None else self.error.brief,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Report:
    """What is wrong with a site, and what was done about it."""

    told: tuple[Told, ...] = ()
    kept: tuple[str, ...] = ()  #: files that were kept under other names
    busy: tuple[str, ...] = ()  #: what commands work on, and was left out

    @property
    def left(self) -> int:
        """How many findings are still there."""
        return sum(one.outcome != "repaired" for one in self.told)

    def as_dict(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "sound": not self.left, "findings": [one.as_dict() for one in self.told], "kept": list(self.kept),
            "busy": list(self.busy),
        }  # fmt: skip


@dataclass
class _Repairs:
    """What was tried, and what came of it."""

    site: Site
    agree: Agree
    done: list[Told] = field(default_factory=list)
    failed: dict[Finding, GoldrootError | None] = field(default_factory=dict)
    refused: dict[Finding, None] = field(default_factory=dict)

    def round(self, seen: Seen, found: Collection[Finding]) -> bool:
        """Repair what may be, in order, up to what changes what the rest is; whether anything was."""
        repaired = ""
        wanted = [one for one in found if one.repair and one.kind in ORDER and one not in self.failed | self.refused]
        for one in sorted(wanted, key=lambda one: ORDER.index(one.kind)):
            if repaired in LOOK_AGAIN and one.kind != repaired:
                break
            if not self.agree(one):
                self.refused[one] = None
                continue
            try:
                repair(seen, one)
            except GoldrootError as error:
                self.failed[one] = error
                continue
            repaired = one.kind
            self.done.append(Told(one, "repaired"))
            with self.site.catalog.begin() as tx:
                tx.event("repaired", "site", kind=one.kind, name=one.name, text=one.text)
        return bool(repaired)


def examine(site: Site) -> Report:
    """Compare everything; nothing is changed."""
    first = [*look_at_databases(site), *look_at_keys(site)]
    if any(one.kind.startswith("catalog-") for one in first):
        return Report(tuple(map(Told, first)))
    seen, found = _look(site)
    return Report((*map(Told, first), *map(Told, found)), busy=tuple(sorted(seen.busy)))


def repair_site(site: Site, agree: Agree) -> Report:
    """Compare everything, and repair what may be repaired, as far as ``agree`` says yes."""
    first = list(look_at_databases(site))
    kept: list[str] = []
    repairs = _Repairs(site, agree)
    for one in first:
        if one.kind.startswith("catalog-"):
            if not one.repair or not agree(one):
                return Report(tuple(map(Told, [*first, *look_at_keys(site)])))
            adopting = _Repairs(site, lambda finding: finding.kind in _ADOPTING)
            kept += rebuild_catalog(site, partial(_rounds, site, adopting))
            repairs.done += [Told(one, "repaired"), *adopting.done]
        elif agree(one):
            repair(Seen(site, {}, Known()), one)
            repairs.done.append(Told(one, "repaired"))
    _rounds(site, repairs)
    seen, found = _look(site)
    left = [
        Told(one, "failed", repairs.failed[one]) if one in repairs.failed else Told(one)
        for one in (*look_at_keys(site), *found)
    ]
    return Report((*repairs.done, *left), tuple(kept), tuple(sorted(seen.busy)))


#: What goes into a new catalog, besides what a person is asked about.
_ADOPTING = ("image-unknown", "gold-unknown", "clone-unknown", "clone-behind", "register-behind")


def _rounds(site: Site, repairs: _Repairs) -> None:
    for _ in range(ROUNDS):
        seen, found = _look(site)
        if not repairs.round(seen, found):
            return


def _look(site: Site) -> tuple[Seen, list[Finding]]:
    seen = see(site)
    return seen, list(_compare(seen))


def _compare(seen: Seen) -> Iterator[Finding]:
    for host in seen.hosts.values():
        if host.trouble is not None:
            yield Finding(
                "host-silent",
                host.name,
                f"host {host.name}: {host.trouble.brief}",
                host.name,
                command=host.trouble.todo,
            )
    yield from compare_images(seen)
    yield from compare_clones(seen)
    yield from compare_disks(seen)
    yield from look_at_papers(seen)
