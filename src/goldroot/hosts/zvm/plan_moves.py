"""Steps on one directory entry that follow one another: each is planned on what the step before it leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from goldroot.errors import NotFound
from goldroot.hosts.differences import address_taken
from goldroot.hosts.entries import check_change
from goldroot.hosts.port import Entry, Mark, Role, State
from goldroot.hosts.sets import LIVE, is_live, set_of, with_mark
from goldroot.hosts.zvm.entries import Style
from goldroot.hosts.zvm.plan_steps import (
    PLANNED,
    Copied,
    Disk,
    Line,
    Step,
    disk_deleted,
    disk_made,
    disks_held,
    disks_used,
    entry_changed,
)
from goldroot.hosts.zvm.pool import Pool
from goldroot.hosts.zvm.reading import Extent, Standing, extent_of, is_managed, standing, with_known_disks
from goldroot.hosts.zvm.records import is_ours
from goldroot.hosts.zvm.writing import ASIDE, changed, uncached
from goldroot.zvm import directory as source
from goldroot.zvm.directory import edit, redact

#: Stands in a plan for the id of the work and the time, which are not known before.
WORK, SINCE = "plan", "2000-01-01T00:00:00Z"


@dataclass(frozen=True)
class Around:
    """What a plan is made with.

    :param find: an entry as it stands, by its name; ``None``: there is none.
    :param addresses: of the management guest, for links.
    :param snapshots: disks of a running server can be seen as FLASHCOPY puts them on a temporary disk.
    :param records: disks with a kernel get a boot record.
    :param linked: who links an entry's disks, as :meth:`goldroot.hosts.Host.linked` says it.
    :param others_disks: disks in an entry that goldroot did not make, in words.
    :param member_of: entry's name -> the member of a cluster at which it is logged on, where that is another one.
    """

    find: Callable[[str], Standing | None]
    style: Style
    pool: Pool
    addresses: Sequence[str]
    snapshots: bool = False
    records: bool = True
    linked: Callable[[str], Sequence[tuple[str, str, str]]] = lambda name: ()
    others_disks: Callable[[str], Sequence[str]] = lambda name: ()
    member_of: Mapping[str, str] = field(default_factory=dict)

    def get(self, name: str) -> Standing:
        """:raises NotFound: there is no such entry."""
        if (found := self.find(name)) is None:
            raise NotFound(f"there is no entry {name}")
        return found

    def entry(self, name: str) -> Entry | None:
        """As :meth:`goldroot.hosts.Host.find`."""
        return None if (found := self.find(name)) is None else found.entry

    def user(self, name: str) -> str:
        return self.style.words.names.user(name)

    def role(self, name: str) -> Role:
        return self.get(name).entry.role


class Moves:
    """Steps that follow one another on one entry; each is planned on what the one before leaves.

    :param managed: whether goldroot's comment records stand in the entry, or come with the next change; ``None``: as the
        entry says itself, or as it was adopted.
    """

    def __init__(self, around: Around, now: Standing, *, managed: bool | None = None) -> None:
        self.around = around
        self.user = around.user(now.entry.name)
        self.member = around.member_of.get(now.entry.name, "")
        self.managed = bool(is_managed(now.text) or now.entry.marks) if managed is None else managed
        self.now = _marked(now if self.managed else replace(now, text=_without_records(now.text)))
        self.steps: list[Step] = []
        self._known = {extent_of(disk): now.entry.disks[a].id for disk, a in self._placed(now)}
        self._made = 0

    # -- steps

    def change(self, wanted: Entry, what: str, *, held: bool = False) -> None:
        """The entry becomes another; nothing where it is so already."""
        style = self.around.style
        check_change(self.now.entry, wanted, self.around.entry)
        new = changed(self.now, wanted, style.words, self.around.role)
        if not self.managed:
            new = _without_records(new)
        step = entry_changed(self.user, self.now.text, new, what)
        if held:
            own = [self.device(address) for address in sorted(self.now.entry.disks) if is_live(address)]
            step = disks_held(self.user, own, self.around.addresses, step)
        if step.diff:
            self.steps.append(step)
        self._stands(new, wanted)

    def fence(self) -> None:
        """A new serial says whose work it is: what a stalled command still sends does not count any more."""
        if self.managed:
            step = entry_changed(self.user, self.now.text, self.now.text, f"{self.user} gets a new serial.")
            self.steps.append(replace(step, by_hand=(), back=""))

    def mark(self, state: State) -> None:
        """The live set gets another state; nothing in an entry that goldroot does not manage."""
        entry = self.now.entry
        if self.managed:
            what = f"{self.user} says what it is: {state}."
            self.change(with_mark(entry, LIVE, replace(entry.marks[LIVE], state=state)), what)

    def make(self, address: str, size: int) -> None:
        """A minidisk of so many cylinders or blocks.

        :raises Refused: something stands there.
        """
        if address in self.now.entry.others:
            raise address_taken(self.now.entry, address)
        mode = self.around.pool.mode if is_live(address) else ASIDE
        device = self.device(address)
        step = disk_made(self.user, device, size, self.around.pool.at(address), mode, self.around.addresses[0])
        self._made += 1
        extent = Extent(PLANNED, self._made, size)
        self._known[extent] = f"new-{address}"
        text = edit.add_mdisk(
            self.now.text,
            f"{device} {self.around.pool.at(address).geometry.device} {self._made} {size} {PLANNED} {mode}",
        )
        whole = text if self.around.style.words.cached else uncached(text, device)
        noted = entry_changed(self.user, text, whole, "")
        if self.managed:
            # A new serial says that it is whole.
            step = replace(step, calls=(*step.calls, *noted.calls))
        if noted.diff:
            step = replace(step, by_hand=(*step.by_hand, *noted.by_hand), entry=self.user, diff=noted.diff)
        self.steps.append(step)
        self._stands(whole, self.now.entry)

    def delete(self, address: str) -> None:
        device = self.device(address)
        shown = [line.strip() for one in edit.at_address(self.now.text, device) for line in redact.lines(one)]
        self.steps.append(disk_deleted(self.user, device, shown))
        self._stands(edit.remove(self.now.text, device), self.now.entry)

    def use(self, what: str, disks: Iterable[Disk], *inside: Line, copies: Sequence[str] = ()) -> None:
        """Disks are worked on, and own ones at addresses of ``copies`` as FLASHCOPY shows them while the server runs."""
        copied = [self._copied(address) for address in copies]
        self.steps.append(disks_used(what, list(disks), self.around.addresses, inside, copied))

    def ask(self, what: str, addresses: Iterable[str]) -> None:
        """Who has disks now: RR is never refused but beside an exclusive link, and QUERY LINKS tells."""
        for address in addresses:
            line = Line("CP", f"QUERY LINKS {self.around.addresses[0]}")
            self.use(what, [Disk(self.user, self.device(address), "RR")], line)

    def device(self, address: str) -> str:
        return self.around.style.words.names.device(self.now.entry.name, self.now.entry.role, address)

    def size_at(self, address: str) -> int:
        """Of the minidisk at an address; 0 where none is."""
        found = [disk for disk, a in self._placed(self.now) if a == address]
        return next((extent.size for disk in found if (extent := extent_of(disk)) is not None), 0)

    # -- inside

    def _copied(self, address: str) -> Copied:
        kind, unit = self.around.pool.at(address).geometry.temporary
        return Copied(self.user, self.device(address), kind, unit, self.size_at(address))

    def _placed(self, now: Standing) -> list[tuple[source.Mdisk, str]]:
        names, entry = self.around.style.words.names, now.entry
        every = [(disk, names.address(entry.name, entry.role, disk.address)) for disk, _ in source.disks(now.text)]
        return [(disk, address) for disk, address in every if address in entry.disks]

    def _stands(self, text: source.Entry, wanted: Entry) -> None:
        entry = self.now.entry
        registry = partial(_known, self._known)
        names = self.around.style.words.names
        read = with_known_disks(standing(text, self.now.beside, name=entry.name, names=names, registry=registry))
        # Without records nothing in the text says what the sets are.
        marks = read.entry.marks if self.managed else wanted.marks
        self.now = replace(read, entry=replace(read.entry, role=entry.role, marks=marks))


# -- inside


def sets_of(entry: Entry) -> set[str]:
    """The sets in which an entry has something."""
    return {set_of(address) for address in (*entry.disks, *entry.links)}


def _marked(now: Standing) -> Standing:
    """With a mark for each set: without goldroot's records a set is known by its addresses alone."""
    missing = sets_of(now.entry) - now.entry.marks.keys()
    marks = {digit: Mark("live" if digit == LIVE else "kept", WORK, "", "", 0, SINCE) for digit in missing}
    return replace(now, entry=replace(now.entry, marks={**now.entry.marks, **marks}))


def _known(known: dict[Extent | None, str], name: str, address: str, extent: Extent) -> str | None:
    return known.get(extent)


def _without_records(entry: source.Entry) -> source.Entry:
    return source.Entry(
        [one for one in entry.statements if one.is_code or not is_ours(one.records[0].text.decode("latin-1"))]
    )
