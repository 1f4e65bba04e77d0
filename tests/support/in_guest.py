"""Run in a guest that has systemd, by its Python: starts a container as goldroot does, and prints what systemd says of it."""

from __future__ import annotations

import json
import subprocess
import time
import traceback
from dataclasses import replace
from pathlib import Path

from goldroot.hosts import Entry, Link, Mark, NewDisk
from goldroot.hosts.nspawn import NspawnConfig, NspawnHost


def said(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def scopes() -> str:
    return said("systemctl", "list-units", "--no-legend", "--plain", "goldroot-*.scope")


def mark(state: str) -> Mark:
    return Mark(state, "work", "debian", "web1", 1, "2026-11-26T09:30:00Z")  # type: ignore[arg-type]


def made() -> NspawnHost:
    host = NspawnHost("here", "/var/lib/site/store", NspawnConfig(paths={"B1": ["/"], "B5": ["/etc"]}))
    host.create()
    host.define(Entry("GOLD", "owner", marks={"1": mark("gold")}))
    host.create_disk(NewDisk("root", "GOLD", "1B1", 0, "directory"))
    with host.hold("GOLD"), host.open_disks({"root": "rw"}) as opened:
        handle = opened["root"].handle
        subprocess.run(["cp", "-a", "/goldroot/root/.", opened["root"].path], check=True, pass_fds=[handle])
    host.define(Entry("WEB1", "machine", links={"1B1": Link("GOLD", "1B1")}, marks={"1": mark("live")}))
    host.create_disk(NewDisk("own", "WEB1", "1B5", 0, "directory"))
    with host.hold("WEB1"), host.open_disks({"own": "rw"}) as opened:
        Path(opened["own"].path, "etc").mkdir()
    entry = host.find("WEB1")
    assert entry is not None
    host.apply(replace(entry, startable=True))
    return host


def main() -> dict[str, object]:
    host = made()
    host.start("WEB1")
    for _ in range(3000):
        if any("ready" in line for line in host.console("WEB1", 50)):
            break
        time.sleep(0.1)
    else:
        raise AssertionError(host.console("WEB1", 50))
    found: dict[str, object] = {
        "console": host.console("WEB1", 50),
        "machines": said("machinectl", "list", "--no-legend"),
        "unit": said("machinectl", "show", "web1", "--property=Unit"),
        "scopes": scopes(),
        "supervisor": Path(f"/proc/{host.power('WEB1').why.split('process ')[1].split(')')[0]}/cgroup").read_text(),
        "inside": host.command("WEB1", ["id", "-u"], 60).as_dict(),
        "stopped": host.stop("WEB1", 60),
        "machines after": said("machinectl", "list", "--no-legend"),
    }
    for _ in range(100):
        if not (after := scopes()):
            break
        time.sleep(0.1)
    return {**found, "scopes after": after}


if __name__ == "__main__":
    try:
        result: dict[str, object] = main()
    except BaseException:  # noqa: BLE001  the test is told
        result = {"error": traceback.format_exc()}
    print("RESULT", json.dumps(result), flush=True)
