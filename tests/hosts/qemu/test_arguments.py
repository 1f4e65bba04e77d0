"""QEMU's command line: what each disk is, for each architecture, whatever its path."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from goldroot.errors import BadInput
from goldroot.hosts.qemu.arguments import Drive, Machine, Sockets, command, device_number

SOCKETS = Sockets(7, 8, 9)
DRIVES = [Drive("1B1", "/store/a,b 'c'\n.erofs", "ro"), Drive("1B5", "/store/w.ext4", "rw")]


def machine(architecture: str = "x86_64", accelerator: str = "tcg", **values: object) -> Machine:
    rest = {"user": "", "more": (), "parameters": "ro", **values}
    return Machine("WEB1", architecture, accelerator, 512, 2, "/k", "/i", drives=DRIVES, **rest)  # type: ignore[arg-type]


def values(words: list[str], option: str) -> list[str]:
    return [words[number + 1] for number, word in enumerate(words) if word == option]


@pytest.mark.parametrize("architecture", ["x86_64", "s390x"])
def test_a_guest_finds_its_disks_by_serial_and_shared_ones_are_read_only(architecture: str) -> None:
    words = command(machine(architecture), SOCKETS)
    nodes = [json.loads(one) for one in values(words, "-blockdev")]
    files = {one["node-name"]: one for one in nodes if one["driver"] == "file"}
    devices = [json.loads(one) for one in values(words, "-device") if one.startswith("{")]
    assert [device["serial"] for device in devices] == ["1B1", "1B5"]
    for drive, device in zip(DRIVES, devices, strict=True):
        (disk,) = (one for one in nodes if one["node-name"] == device["drive"])
        file = files[disk["file"]]
        assert file["filename"] == drive.image
        assert file["read-only"] == disk["read-only"] == (drive.access == "ro")
        assert file["locking"] == "on"
        assert disk["driver"] == "raw", "what a guest writes is never taken for another format"


def test_what_a_trial_writes_goes_to_another_file_and_its_disk_is_only_read() -> None:
    drive = Drive("1B5", "/store/a,b.ext4", "rw", aside="/aside/1B5.qcow2", locked=False)
    words = command(replace(machine(), drives=[drive]), SOCKETS)
    nodes = {one["node-name"]: one for one in map(json.loads, values(words, "-blockdev"))}
    (device,) = (json.loads(one) for one in values(words, "-device") if one.startswith("{"))
    top = nodes[device["drive"]]
    assert (top["driver"], nodes[top["file"]]["filename"]) == ("qcow2", "/aside/1B5.qcow2")
    assert not top["read-only"] and not nodes[top["file"]]["read-only"]
    under = nodes[top["backing"]]
    assert (under["driver"], nodes[under["file"]]["filename"]) == ("raw", "/store/a,b.ext4")
    assert under["read-only"] and nodes[under["file"]]["read-only"]
    assert nodes[under["file"]]["locking"] == "off"
    assert (device["serial"], device["werror"]) == ("1B5", "report")
    assert [one for one in nodes.values() if not one["read-only"]] == [nodes["aside-1B5"], top]


def test_a_guest_of_s390x_has_the_papers_device_numbers() -> None:
    words = command(machine("s390x"), SOCKETS)
    devices = [json.loads(one) for one in values(words, "-device") if one.startswith("{")]
    assert [(one["driver"], one["devno"]) for one in devices] == [
        ("virtio-blk-ccw", "fe.0.01b1"),
        ("virtio-blk-ccw", "fe.0.01b5"),
    ]
    assert device_number("FB6") == "fe.0.0fb6"
    assert values(words, "-machine") == ["s390-ccw-virtio"]
    assert not [word for word in words if "pci" in word]


def test_the_kernel_gets_its_console_and_what_the_site_says() -> None:
    assert values(command(machine(parameters="quiet ro"), SOCKETS), "-append") == ["console=ttyS0 quiet ro"]
    assert values(command(machine("s390x", parameters=""), SOCKETS), "-append") == ["console=ttysclp0"]


def test_qemu_is_given_nothing_that_it_was_not_told_of() -> None:
    words = command(machine(user="nobody", more=["-nic", "user"]), SOCKETS)
    assert {"-nodefaults", "-no-user-config"} <= set(words)
    assert values(words, "-runas") == ["nobody"]
    assert words[-2:] == ["-nic", "user"]
    assert values(command(machine(), SOCKETS), "-runas") == []
    assert values(command(machine(accelerator="kvm"), SOCKETS), "-cpu") == ["host"]


def test_other_architectures_are_refused() -> None:
    with pytest.raises(BadInput, match="'vax'"):
        command(machine("vax"), SOCKETS)
