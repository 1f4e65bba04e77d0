"""The first rule in any order of events: what anybody holds stays in its slot."""

from __future__ import annotations

import contextlib
import tempfile

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from goldroot.catalog import clones, fallbacks, gold, holders, images, open_catalog, updates
from goldroot.errors import NoFreeSlot, Refused

NAMES = st.sampled_from(["web1", "web2", "web3"])
NUMBERS = st.integers(1, 6)


class AnyOrder(RuleBasedStateMachine):
    """Every operation, refused or not; the invariants speak of what is left."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.catalog = open_catalog(f"{self.directory.name}/catalog.sqlite", create=True)
        self.resources = contextlib.ExitStack()
        self.tx = self.resources.enter_context(self.catalog.begin())
        self.written: dict[int, int] = {}  # slot -> the version whose disks are in it

    @initialize(slots=st.integers(2, 3))
    def image(self, slots: int) -> None:
        images.create(self.tx, "s10", "readonly-root", {}, slot_count=slots)

    @rule()
    def publish(self) -> None:
        try:
            version = gold.begin_publish(self.tx, "s10")
        except NoFreeSlot as error:
            assert all(slot.name in error.brief for slot in gold.all_slots(self.tx, "s10"))
            return
        assert version.slot is not None
        assert self.written.get(version.slot) not in self.held()
        self.written[version.slot] = version.number
        gold.finish_publish(self.tx, "s10", version.number, digests={}, signature={})

    @rule(number=NUMBERS, how=st.sampled_from([gold.retire, gold.remove]))
    def retire_or_remove(self, number: int, how: object) -> None:
        with contextlib.suppress(Refused):
            how(self.tx, "s10", number)  # type: ignore[operator]

    @rule(name=NAMES, number=NUMBERS)
    def clone(self, name: str, number: int) -> None:
        with contextlib.suppress(Refused):
            clones.create(self.tx, name, "s10", number, "read-only")
            clones.activate(self.tx, name)

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        with contextlib.suppress(Refused):
            clones.begin_delete(self.tx, name)
            clones.forget(self.tx, name)

    @rule(name=NAMES, number=NUMBERS, kind=st.sampled_from(["update", "rollback"]))
    def begin_update(self, name: str, number: int, kind: updates.Kind) -> None:
        with contextlib.suppress(Refused):
            updates.begin(self.tx, name, number, kind=kind)

    @rule(name=NAMES, done=st.booleans())
    def end_update(self, name: str, done: bool) -> None:
        update = updates.in_flight(self.tx, name)
        if update is None:
            return
        if not done:
            updates.set_state(self.tx, update.id, "cancelled")
            return
        for state in ("preparing", "merged", "checked", "switching"):
            updates.set_state(self.tx, update.id, state)  # type: ignore[arg-type]
        clones.move(self.tx, name, update.to_version)
        fallbacks.keep(self.tx, update.id, {}, "2999-01-01T00:00:00Z")
        updates.set_state(self.tx, update.id, "done")

    @precondition(lambda self: fallbacks.every(self.tx))
    @rule()
    def prune(self) -> None:
        fallbacks.set_state(self.tx, fallbacks.every(self.tx)[0].id, "pruned")

    @invariant()
    def what_anybody_holds_is_in_its_slot(self) -> None:
        versions = {version.number: version for version in gold.every(self.tx, "s10")} if self.written else {}
        for number in self.held():
            slot = versions[number].slot
            assert slot is not None
            assert self.written[slot] == number
            assert holders(self.tx, "s10", number)

    def held(self) -> set[int]:
        """The versions that somebody holds, found without :func:`holders`."""
        going = [update for update in updates.every(self.tx) if not update.ended]
        return (
            {clone.version for clone in clones.every(self.tx)}
            | {one.from_version for one in fallbacks.every(self.tx) if one.state == "kept"}
            | {number for update in going for number in (update.from_version, update.to_version)}
        )

    def teardown(self) -> None:
        self.resources.close()
        self.catalog.close()
        self.directory.cleanup()


AnyOrder.TestCase.settings = settings(
    max_examples=15, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAnyOrder = AnyOrder.TestCase
