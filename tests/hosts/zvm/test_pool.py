"""How large disks are in cylinders, and whether they fit into what is free."""

from __future__ import annotations

import pytest

from goldroot.hosts.zvm.pool import CYLINDER, LABELS, cylinders, fits


def test_a_disk_has_room_for_its_labels_and_what_was_asked_for() -> None:
    assert cylinders(CYLINDER - LABELS) == 1
    assert cylinders(CYLINDER) == 2
    for size in (1, 8 << 20, 10 << 30):
        assert size <= cylinders(size) * CYLINDER - LABELS < size + CYLINDER


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
    wanted = [size * CYLINDER - LABELS for size in sizes]
    assert fits(wanted, gaps) == (None if left is None else left * CYLINDER - LABELS)
