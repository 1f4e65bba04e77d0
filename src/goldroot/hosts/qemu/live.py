"""The disks of a running machine as they are at one moment: QEMU copies them out, all of them from the same point in time.

QEMU does it between two writes of the guest (blockdev-backup in one transaction, docs/interop/live-block-operations of
QEMU): the machine runs on.  Where the guest's agent answers, its file systems are frozen for that moment; else a copy is
what a power cut would have left, and its journal is replayed in the copy when that is mounted.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from goldroot.errors import GoldrootError, HostError
from goldroot.hosts.qemu.monitor import COPIES, Talk, agent, has_agent, qmp

_PREFIX = "copy-"
_LOOK_AGAIN = 0.05


def copy_out(directory: str, wanted: Mapping[str, str]) -> None:
    """Copy live disks of a machine that runs.

    :param directory: of the machine.
    :param wanted: address -> path of a file that is not there yet.
    :raises Unreachable: QEMU does not answer.
    :raises HostError: it could not copy; what is there is a part.
    """
    with qmp(directory, COPIES) as talk:
        _forget(talk)  # what a killed command left
        sizes = _sizes(talk)
        try:
            for number, (address, path) in enumerate(sorted(wanted.items())):
                if f"disk-{address}" not in sizes:
                    raise HostError(f"the machine was not given a disk at {address} when it started")
                _target(talk, number, address, path, sizes[f"disk-{address}"])
            with _frozen(directory):
                talk.ask("transaction", actions=[_action(address) for address in sorted(wanted)])
            _wait(talk)
        finally:
            with suppress(GoldrootError, OSError):
                _forget(talk)


def _sizes(talk: Talk) -> dict[str, int]:
    nodes = talk.ask("query-named-block-nodes", flat=True)
    return {str(node["node-name"]): int(node["image"]["virtual-size"]) for node in nodes}


def _target(talk: Talk, number: int, address: str, path: str, size: int) -> None:
    """QEMU gets a descriptor: it may be nobody who could open the path."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.truncate(handle, size)
        talk.ask_with(handle, "add-fd", **{"fdset-id": number})
    finally:
        os.close(handle)
    file = {"driver": "file", "filename": f"/dev/fdset/{number}", "discard": "unmap"}
    talk.ask("blockdev-add", **{"driver": "raw", "node-name": _PREFIX + address, "discard": "unmap", "file": file})


def _action(address: str) -> dict[str, object]:
    names = {"job-id": _PREFIX + address, "device": f"disk-{address}", "target": _PREFIX + address}
    return {"type": "blockdev-backup", "data": {**names, "sync": "full", "auto-dismiss": False}}


def _wait(talk: Talk) -> None:
    """:raises HostError: one of the copies failed."""
    while True:
        jobs = [job for job in talk.ask("query-jobs") if str(job["id"]).startswith(_PREFIX)]
        if all(job["status"] == "concluded" for job in jobs):
            break
        time.sleep(_LOOK_AGAIN)
    if failed := [str(job["error"]) for job in jobs if "error" in job]:
        raise HostError(f"QEMU could not copy a live disk: {failed[0]}")


def _forget(talk: Talk) -> None:
    """Jobs end and copies are closed."""
    while jobs := [job for job in talk.ask("query-jobs") if str(job["id"]).startswith(_PREFIX)]:
        for job in jobs:
            with suppress(HostError):  # it may have gone on to another state just now
                if job["status"] == "concluded":
                    talk.ask("job-dismiss", id=job["id"])
                elif job["status"] != "aborting":
                    talk.ask("job-cancel", id=job["id"])
        time.sleep(_LOOK_AGAIN if any(job["status"] != "concluded" for job in jobs) else 0)
    for name in _sizes(talk):
        if name.startswith(_PREFIX):
            talk.ask("blockdev-del", **{"node-name": name})
    for one in talk.ask("query-fdsets"):
        with suppress(HostError):  # it goes when it is used by nobody
            talk.ask("remove-fd", **{"fdset-id": one["fdset-id"]})


@contextmanager
def _frozen(directory: str) -> Iterator[None]:
    """The guest's file systems are at rest in the block, where its agent can do that."""
    try:
        if not has_agent(directory):
            raise HostError("no agent listens in the guest")
        with agent(directory) as talk:
            talk.ask("guest-fsfreeze-freeze")
    except HostError:
        yield
        return
    try:
        yield
    finally:
        with agent(directory) as talk:
            talk.ask("guest-fsfreeze-thaw")
