"""The first rule in any order of events: what anybody holds stays in its slot."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from goldroot.catalog import Tx, clones, copies, gold, images, open_catalog, updates
from goldroot.errors import NoFreeSlot, NotFound, Refused

OPERATIONS = ("publish", "publish", "create", "create", "update", "update", "begin", "cancel", "delete", "prune")
OPERATIONS += ("retire", "remove", "remove")
#: What is done, to which clone, with which version (counted back from the newest one).
Operation = tuple[str, str, int]
MANY = st.lists(
    st.tuples(st.sampled_from(OPERATIONS), st.sampled_from(["web1", "web2"]), st.sampled_from([0, 0, 1, 2])),
    min_size=40,
    max_size=60,
)


class World:
    """The catalog, and beside it whose disks are in which slot."""

    def __init__(self, tx: Tx, slots: int) -> None:
        self.tx = tx
        self.written: dict[int, int] = {}
        images.create(tx, "s10", "readonly-root", {}, slot_count=slots)

    def do(self, what: str, name: str, back: int) -> None:
        """One operation, which may be refused."""
        number = max(1, len(gold.every(self.tx, "s10")) - back)
        with contextlib.suppress(Refused, NotFound):
            getattr(self, what)(name, number)

    def publish(self, name: str, number: int) -> None:
        held = self.held()
        try:
            version = gold.begin_publish(self.tx, "s10")
        except NoFreeSlot as error:
            assert all(slot.name in error.brief for slot in copies.all_slots(self.tx, "s10"))
            return
        assert version.slot is not None
        assert self.written.get(version.slot) not in held
        self.written[version.slot] = version.number
        gold.finish_publish(self.tx, "s10", version.number, digests={}, signature={})

    def create(self, name: str, number: int) -> None:
        clones.create(self.tx, name, "s10", number, "read-only")
        clones.activate(self.tx, name)

    def begin(self, name: str, number: int) -> None:
        updates.begin(self.tx, name, number, kind="update" if number % 2 else "rollback")

    def update(self, name: str, number: int) -> None:
        update = updates.in_flight(self.tx, name) or updates.begin(self.tx, name, number)
        for state in ("preparing", "merged", "checked", "switching"):
            updates.set_state(self.tx, update.id, state)  # type: ignore[arg-type]
        clones.move(self.tx, name, update.to_version)
        updates.keep(self.tx, update.id, {}, "2999-01-01T00:00:00Z")
        updates.set_state(self.tx, update.id, "done")

    def cancel(self, name: str, number: int) -> None:
        update = updates.in_flight(self.tx, name)
        if update is not None:
            updates.set_state(self.tx, update.id, "cancelled")

    def delete(self, name: str, number: int) -> None:
        clones.begin_delete(self.tx, name)
        clones.forget(self.tx, name)

    def prune(self, name: str, number: int) -> None:
        for kept in updates.fallbacks(self.tx, name)[:1]:
            updates.set_fallback(self.tx, kept.id, "pruned")

    def retire(self, name: str, number: int) -> None:
        gold.retire(self.tx, "s10", number)

    def remove(self, name: str, number: int) -> None:
        gold.remove(self.tx, "s10", number)

    def held(self) -> set[int]:
        """The versions that somebody holds, found in another way than the catalog does."""
        going = [update for update in updates.every(self.tx) if not update.ended]
        return (
            {clone.version for clone in clones.every(self.tx)}
            | {one.from_version for one in updates.fallbacks(self.tx) if one.state == "kept"}
            | {number for update in going for number in (update.from_version, update.to_version)}
        )

    def check(self) -> None:
        """What anybody holds is in its slot, with its own disks."""
        slots = {version.number: version.slot for version in gold.every(self.tx, "s10")}
        for number in self.held():
            slot = slots[number]
            assert slot is not None, f"version {number} is held, and its slot was given away"
            assert self.written[slot] == number


@contextlib.contextmanager
def world(slots: int) -> Iterator[World]:
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/catalog.sqlite"
        with open_catalog(path, create=True) as catalog, catalog.begin() as tx:
            yield World(tx, slots)


@pytest.mark.slow
# Making a failure smaller takes minutes here: add Phase.shrink when there is one.
@settings(max_examples=8, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(operations=MANY, slots=st.integers(2, 4))
def test_what_anybody_holds_stays_in_its_slot(operations: list[Operation], slots: int) -> None:
    with world(slots) as each:
        for operation in operations:
            each.do(*operation)
            each.check()
