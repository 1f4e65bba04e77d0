"""Versions of packages in the order in which their own systems have them."""

from __future__ import annotations

import shutil
import subprocess
from itertools import pairwise

import pytest

from goldroot.packagedb import dpkg_order, rpm_order

#: Each older than the next.
DPKG = (
    "0~~", "0~", "0", "1.0~beta1~svn1245", "1.0~beta1", "1.0", "1.0-1", "1.0-1+b1", "1.0-1+deb12u1", "1.0-1.1", "1.0-2", "1.0-10",
    "1.0a-1", "1.0+dfsg-1", "1.0.1-1", "1.2.0", "1.10", "2:0.9-1", "10:0.1",
)  # fmt: skip
RPM = (
    "1.0~rc1-1", "1.0-1", "1.0^git1-1", "1.0a-1", "1.0.1-1", "1.0.1-1.el9", "1.0.1-2.el9", "1.0.1-10", "1.2-1", "1.10-1", "2:0.1-1",
)  # fmt: skip


@pytest.mark.parametrize(("order", "versions"), [(dpkg_order, DPKG), (rpm_order, RPM)], ids=["dpkg", "rpm"])
def test_each_is_older_than_the_next(order: object, versions: tuple[str, ...]) -> None:
    assert callable(order)
    for old, new in pairwise(versions):
        assert order(old) < order(new), (old, new)
    assert sorted((*versions[5:], *versions[:5]), key=order) == list(versions)


def test_what_means_the_same_is_equal() -> None:
    assert dpkg_order("0:1.0-0") == dpkg_order("1.0")
    assert dpkg_order("1.01-1") == dpkg_order("1.1-1")
    assert rpm_order("1.0_5-1") == rpm_order("1.0.5-1")


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="dpkg is not here")
def test_dpkg_says_so_too() -> None:
    for old, new in pairwise(DPKG):
        assert subprocess.run(["dpkg", "--compare-versions", old, "lt", new], check=False).returncode == 0, (old, new)
