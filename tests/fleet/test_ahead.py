"""Scans that another process makes ahead."""

from __future__ import annotations

import os
import signal

import pytest

from goldroot.fleet import clones
from goldroot.fleet.manifests import scan_disk
from goldroot.fleet.prefetch import Prefetch
from goldroot.fleet.update.plan import plan_update
from goldroot.policy import Policy
from goldroot.site import Site
from support.fleet import IMAGE, on_clone
from support.former import former


def disks_of(site: Site, name: str) -> list[str]:
    return [attached.disk for attached in former(site).get(name.upper()).disks.values()]


def test_what_was_scanned_ahead_is_what_a_scan_says(site: Site) -> None:
    clones.create_clone(site, "web1", IMAGE)
    on_clone(site, "web1", {"etc/own.conf": "mine\n"})
    with Prefetch(site, ["web1"]) as ahead:
        taken = {disk: ahead.take(disk, Policy.default()) for disk in disks_of(site, "web1")}
    for disk, scanned in taken.items():
        path = former(site).disk_path(disk)
        again = scan_disk(site, disk, path, Policy.default())
        assert scanned is None or scanned.manifest.digest() == again.manifest.digest()
    assert len(os.sched_getaffinity(0)) == 1 or None not in taken.values()


def test_a_killed_process_costs_time_and_nothing_else(site: Site) -> None:
    clones.create_clone(site, "web1", IMAGE)
    with Prefetch(site, ["web1"]) as ahead:
        if ahead._pid:
            os.kill(ahead._pid, signal.SIGKILL)
        assert plan_update(site, "web1", ahead=ahead).record["conflicts"] == []


def test_a_signal_to_all_processes_runs_nothing_of_the_callers_in_the_other_one(site: Site) -> None:
    """Its first moments among them: it starts with these signals waiting, and who began it ends it."""
    clones.create_clone(site, "web1", IMAGE)
    with Prefetch(site, ["web1"]) as ahead:
        if not ahead._pid:
            pytest.skip("there is one processor")
        with open(f"/proc/{ahead._pid}/status") as file:
            waiting = int(next(line for line in file if line.startswith("SigBlk:")).split()[1], 16)
        assert all(waiting >> (number - 1) & 1 for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))


def test_another_policy_or_an_unknown_clone_is_left_to_the_caller(site: Site) -> None:
    clones.create_clone(site, "web1", IMAGE)
    other = Policy.parse(b'conflict = "gold"\n', "policy.toml")
    with Prefetch(site, ["nobody", "web1"]) as ahead:
        assert all(ahead.take(disk, other) is None for disk in disks_of(site, "web1"))
        assert all(ahead.take(disk, Policy.default()) is None for disk in disks_of(site, "web1"))
