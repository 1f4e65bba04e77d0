"""QEMU's command line, from an entry; nothing here starts or reads anything."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from goldroot.errors import BadInput
from goldroot.hosts.port import Access


@dataclass(frozen=True, slots=True)
class Drive:
    """An image, at an address; or one that belongs to that of an address, and has a longer name.

    :param aside: a file (qcow2) that what is written goes to, in the place of the image; "": there is none.
    :param locked: whether QEMU takes its locks on the image; where it is only read, and its host keeps others off, it need not.
    """

    address: str
    image: str
    access: Access
    aside: str = ""
    locked: bool = True


@dataclass(frozen=True, slots=True)
class Board:
    """What one architecture has its own words for."""

    program: str
    machine: str
    console: str  #: the kernel's name of the first serial line
    bus: str  #: of virtio devices: "pci" or "ccw"


#: What is longer is not an address, and has no device number of its own.
ADDRESS_LENGTH = 3

#: As ``uname -m`` has them.
BOARDS = {
    "x86_64": Board("qemu-system-x86_64", "q35", "ttyS0", "pci"),
    "s390x": Board("qemu-system-s390x", "s390-ccw-virtio", "ttysclp0", "ccw"),
}


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine that is to run."""

    name: str
    architecture: str
    accelerator: str  #: "kvm" or "tcg"
    memory: int  #: MiB
    processors: int
    kernel: str
    initrd: str
    parameters: str  #: of the kernel, after those for its console
    drives: Sequence[Drive]
    user: str = ""  #: what QEMU becomes once it has all files open
    more: Sequence[str] = ()  #: what the site's table adds: network cards


def board_of(architecture: str) -> Board:
    """:raises BadInput: goldroot does not know how to run that."""
    if architecture not in BOARDS:
        raise BadInput(f"QEMU hosts run no machines of {architecture!r}", todo=f"Use {' or '.join(BOARDS)}.")
    return BOARDS[architecture]


@dataclass(frozen=True, slots=True)
class Sockets:
    """Descriptors of listening sockets: two of QEMU's monitor, and one of the guest's agent."""

    qmp: int
    copies: int
    agent: int


def command(machine: Machine, sockets: Sockets) -> list[str]:
    """The words, from the program's name on; the console is standard input and output."""
    board = board_of(machine.architecture)
    words = [
        board.program,
        *("-nodefaults", "-no-user-config", "-display", "none", "-name", machine.name),
        *("-machine", board.machine, "-accel", machine.accelerator),
        *("-cpu", "host" if machine.accelerator == "kvm" else "max"),
        *("-m", str(machine.memory), "-smp", str(machine.processors)),
        *("-kernel", machine.kernel, "-initrd", machine.initrd),
        *("-append", f"console={board.console} {machine.parameters}".strip()),
        *("-chardev", "stdio,id=console,signal=off", *_console(board)),
        *("-chardev", f"socket,id=qmp,fd={sockets.qmp},server=on,wait=off", "-mon", "chardev=qmp,mode=control"),
        *("-chardev", f"socket,id=copies,fd={sockets.copies},server=on,wait=off"),
        *("-mon", "chardev=copies,mode=control"),
        *("-device", f"virtio-serial-{board.bus}"),
        *("-chardev", f"socket,id=agent,fd={sockets.agent},server=on,wait=off"),
        *("-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"),
        *("-device", f"virtio-rng-{board.bus}"),
        # after all files are open it can start nothing and gain nothing
        *("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"),
    ]
    for drive in machine.drives:
        words += _drive(board, drive)
    if machine.user:
        words += ["-runas", machine.user]
    return [*words, *machine.more]


def bare_command(board: Board, kernel: str, memory: int) -> list[str]:
    """The words for a machine of KVM's with nothing but a kernel, which ends where that panics; its console is standard output.

    :param memory: MiB.
    """
    return [
        board.program,
        *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-machine", board.machine, "-accel", "kvm", "-cpu", "host", "-m", str(memory)),
        *("-kernel", kernel, "-append", f"console={board.console} panic=-1"),
        *("-chardev", "stdio,id=console,signal=off", *_console(board)),
        *("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"),
    ]


def device_number(address: str) -> str:
    """What a guest of s390x sees as ``0.0.01b1``, as under z/VM: "fe.0.01b1" for QEMU."""
    return f"fe.0.{int(address, 16):04x}"


def _console(board: Board) -> list[str]:
    return ["-device", "sclpconsole,chardev=console"] if board.bus == "ccw" else ["-serial", "chardev:console"]


def _drive(board: Board, drive: Drive) -> list[str]:
    """JSON, so that a path may hold any character; the guest finds its disks by serial, never by their order."""
    at, read_only = drive.address, drive.access == "ro" or bool(drive.aside)
    nodes = [_file(f"file-{at}", drive.image, read_only=read_only, locked=drive.locked)]
    nodes += [_format("raw", f"under-{at}" if drive.aside else f"disk-{at}", f"file-{at}", read_only=read_only)]
    device: dict[str, object] = {
        "driver": f"virtio-blk-{board.bus}",
        "id": f"device-{at}",
        "drive": f"disk-{at}",
        "serial": at,
    }
    if drive.aside:
        nodes += [_file(f"aside-{at}", drive.aside), _format("qcow2", f"disk-{at}", f"aside-{at}")]
        nodes[-1]["backing"] = f"under-{at}"
        device["werror"] = "report"  # where there is no room for it the guest is told: to pause it would tell nobody
    if board.bus == "ccw" and len(drive.address) == ADDRESS_LENGTH:
        device["devno"] = device_number(drive.address)
    given = [word for node in nodes for word in ("-blockdev", json.dumps(node))]
    return [*given, "-device", json.dumps(device)]


def _file(name: str, path: str, *, read_only: bool = False, locked: bool = True) -> dict[str, object]:
    locking = "on" if locked else "off"
    shape = {"driver": "file", "node-name": name, "filename": path, "locking": locking}
    return {**shape, "read-only": read_only, "discard": "unmap"}


def _format(driver: str, name: str, file: str, *, read_only: bool = False) -> dict[str, object]:
    return {"driver": driver, "node-name": name, "file": file, "read-only": read_only, "discard": "unmap"}
