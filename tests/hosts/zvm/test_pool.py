"""How large disks are in cylinders, and whether they fit into what is free."""

from __future__ import annotations

import pytest

from goldroot.hosts.zvm.pool import CYLINDER, ECKD, FBA, LABELS, fits


def test_a_disk_has_room_for_its_labels_and_what_was_asked_for() -> None:
    assert ECKD.units(CYLINDER - LABELS) == 1
    assert ECKD.units(CYLINDER) == 2
    assert FBA.units(1 << 20) == 2048 + 2
    assert FBA.units(1) == 3
    for geometry in (ECKD, FBA):
        for size in (1, 8 << 20, 10 << 30):
            assert size <= geometry.room(geometry.units(size)) < size + geometry.size


@pytest.mark.parametrize(
    ("sizes", "gaps", "left"),
    [
        ([], [], None),
        ([10], [10], None),
        ([11], [10, 10], 11),
        ([6, 6, 4, 4], [10, 10], None),
        ([4, 6, 4, 6], [10, 10], None),
        ([7, 7, 7], [10, 13], 7),
        ([3], [], 3),
    ],
)
def test_the_largest_goes_first_into_the_largest_gap(sizes: list[int], gaps: list[int], left: int | None) -> None:
    for geometry in (ECKD, FBA):
        wanted = [geometry.room(size) for size in sizes]
        assert fits(wanted, gaps, geometry) == (None if left is None else geometry.room(left))
