"""What the seccomp filters say, on every architecture: each program is run here, step by step, on made-up system calls."""

from __future__ import annotations

import importlib.util
import struct
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

SOURCE = Path(__file__).parents[2] / "src/goldroot"
FILTERS, OF_CONTAINERS = SOURCE / "system/filters", SOURCE / "hosts/nspawn/filters"
MAKER = Path(__file__).parents[2] / "tools/make-filters"

#: linux/audit.h
ARCHES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7, "s390x": 0x80000016}
I386 = 0x40000003

ALLOW, KILL = 0x7FFF0000, 0x80000000
EPERM, EAFNOSUPPORT, ENOSYS = (0x00050000 | number for number in (1, 97, 38))

#: The numbers of some calls: arch/x86/entry/syscalls/syscall_64.tbl, asm-generic/unistd.h, arch/s390/.../syscall.tbl.
NUMBERS = {
    "x86_64": {"read": 0, "ioctl": 16, "socket": 41, "clone": 56, "unshare": 272, "mount": 165, "setns": 308,
               "chroot": 161, "ptrace": 101, "keyctl": 250, "mknod": 133, "init_module": 175, "reboot": 169},
    "aarch64": {"read": 63, "ioctl": 29, "socket": 198, "clone": 220, "unshare": 97, "mount": 40, "setns": 268,
                "chroot": 51, "ptrace": 117, "keyctl": 219, "mknodat": 33, "init_module": 105, "reboot": 142},
    "s390x": {"read": 3, "ioctl": 54, "socket": 359, "clone": 120, "unshare": 303, "mount": 21, "setns": 339,
              "chroot": 61, "ptrace": 26, "keyctl": 280, "mknod": 14, "init_module": 128, "reboot": 88,
              "socketcall": 102, "s390_pci_mmio_write": 352},
}  # fmt: skip
#: These have one number everywhere.
COMMON = {
    "io_uring_setup": 425, "open_tree": 428, "move_mount": 429, "fsopen": 430, "clone3": 435, "pidfd_getfd": 438,
    "mount_setattr": 442,
}  # fmt: skip
REFUSED = ("mount", "setns", "ptrace", "keyctl", "init_module", "reboot", *sorted(set(COMMON) - {"clone3"}))


class Machine:
    """A filter as the kernel runs it (seccomp(2), struct seccomp_data), for the instructions that libseccomp uses."""

    def __init__(self, name: str, file: str = "", filters: Path = FILTERS) -> None:
        self.name = name
        self.order = ">" if name == "s390x" else "<"
        program = (filters / f"{file or name}.bpf").read_bytes()
        self.steps = list(struct.iter_unpack(f"{self.order}HBBI", program))

    def says(self, call: str | int, *args: int, arch: int | None = None) -> int:
        number = call if isinstance(call, int) else {**NUMBERS[self.name], **COMMON}[call]
        words = [*args, *[0] * (6 - len(args))]
        data = struct.pack(f"{self.order}IIQ6Q", number, ARCHES[self.name] if arch is None else arch, 0, *words)
        return self._run(data)

    def _run(self, data: bytes) -> int:
        at = value = 0
        while True:
            code, yes, no, k = self.steps[at]
            at += 1
            if code == 0x20:  # load a word of the data
                (value,) = struct.unpack_from(f"{self.order}I", data, k)
            elif code == 0x54:  # and
                value &= k
            elif code == 0x05:  # jump
                at += k
            elif code == 0x06:  # return
                return int(k)
            else:
                holds = {0x15: value == k, 0x25: value > k, 0x35: value >= k}[code]
                at += yes if holds else no


@pytest.fixture(params=sorted(ARCHES))
def machine(request: pytest.FixtureRequest) -> Machine:
    return Machine(request.param)


def test_ordinary_calls_pass(machine: Machine) -> None:
    assert {machine.says(call) for call in ("read", "chroot", "ioctl")} == {ALLOW}
    assert all(machine.says(family_call, family) == ALLOW for family_call in ("socket",) for family in (1, 2, 10, 16))


@pytest.mark.parametrize("call", REFUSED)
def test_what_reaches_beyond_the_system_is_refused(machine: Machine, call: str) -> None:
    assert machine.says(call) == EPERM


def test_no_new_namespace(machine: Machine) -> None:
    flags = [1 << bit for bit in range(32) if 1 << bit & 0x7E020000]
    assert len(flags) == 7
    sigchld, at = 17, (1 if machine.name == "s390x" else 0)
    for flag in flags:
        for upper in (0, 1 << 32, 0xFFFFFFFF << 32):
            assert machine.says("unshare", upper | flag) == EPERM
            assert machine.says("clone", *[0] * at, upper | flag | sigchld) == EPERM
    assert machine.says("unshare", 0x80) == EPERM  # CLONE_NEWTIME
    assert machine.says("unshare", 0x200) == ALLOW  # CLONE_FS
    assert machine.says("clone", *[0] * at, 0x01200011) == ALLOW  # what fork(3) asks for
    assert machine.says("clone3") == ENOSYS  # whose flags no filter sees: libraries then use clone


def test_families_of_sockets(machine: Machine) -> None:
    for family in (0, 17, 31, 38, 40, 44, 45, 46, 63, 64, 1000, 1 << 32 | 40, 0xFFFFFFFF, -1 & (1 << 64) - 1):
        assert machine.says("socket", family) == EAFNOSUPPORT, family


def test_nothing_is_typed_into_a_terminal(machine: Machine) -> None:
    for request in (0x5412, 0x541C):
        for upper in (0, 1 << 32, 0xFFFFFFFF << 32):
            assert machine.says("ioctl", 0, upper | request) == EPERM
    assert machine.says("ioctl", 0, 0x5413) == ALLOW


def test_another_architecture(machine: Machine) -> None:
    """On x86-64 a second program kills it, so that the first one can answer the numbers of x32 with EPERM."""
    if machine.name != "x86_64":
        assert machine.says("read", arch=I386) == KILL
        return
    second = Machine("x86_64", "x86_64-only")
    assert (machine.says("read", arch=I386), second.says("read", arch=I386)) == (EPERM, KILL)
    assert (machine.says(0x40000000), second.says(0x40000000)) == (EPERM, ALLOW)
    assert second.says("mount") == ALLOW


@pytest.mark.parametrize("name", sorted(ARCHES))
def test_a_command_in_a_container_is_refused_what_nspawn_refuses(name: str) -> None:
    """And nothing else: it is the command of a whole system."""
    machine = Machine(name, filters=OF_CONTAINERS)
    assert {machine.says(call) for call in ("keyctl", "io_uring_setup")} == {EPERM}
    assert {machine.says(call) for call in ("read", "mount", "unshare", "setns", "ptrace", "clone3")} == {ALLOW}
    if name == "x86_64":
        assert (machine.says(3, arch=I386), machine.says(288, arch=I386)) == (ALLOW, EPERM), "read and keyctl of i386"
        assert (machine.says(0x40000000), machine.says(0x40000000 | 250)) == (ALLOW, EPERM), "and of x32"


def test_only_on_s390x() -> None:
    """The old door to all socket calls, whose arguments a filter does not see; and the devices of its PCI bus."""
    s390x = Machine("s390x")
    assert s390x.says("socketcall", 1) & 0xFFFF0000 == s390x.says("socketcall", 2) & 0xFFFF0000 == 0x00050000
    assert s390x.says("s390_pci_mmio_write") == EPERM


def _maker() -> ModuleType:
    spec = importlib.util.spec_from_loader("make_filters", SourceFileLoader("make_filters", str(MAKER)))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (ImportError, RuntimeError, OSError) as error:
        pytest.skip(f"libseccomp, or its Python binding, is not here ({error})")
    return module


def test_the_files_are_what_the_tool_makes() -> None:
    maker = _maker()
    if maker.library() != maker.MADE_WITH:
        pytest.skip(
            f"libseccomp is {maker.library()} here; {maker.MADE_WITH} made the files, and others may differ in bytes"
        )
    made = maker.made()
    there = [path for place in (FILTERS, OF_CONTAINERS) for path in place.iterdir()]
    assert {SOURCE / name: program for name, program in made.items()} == {path: path.read_bytes() for path in there}
