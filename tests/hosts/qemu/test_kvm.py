"""Whether KVM runs a kernel is tried once for each, and again after this machine's next start."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from goldroot.errors import ProgramFailed
from goldroot.hosts.qemu import QemuConfig, QemuHost, kvm
from goldroot.hosts.qemu.arguments import board_of
from goldroot.run import Done

PANICS = Done(0, b"[    1.0] Kernel panic - not syncing: VFS: Unable to mount root fs\n", b"")
ABORTS = Done(-6, b"", b"qemu-system-x86_64: error: failed to set MSR 0x10a to 0x69\nassertion failed\n")


class Tries:
    """In the place of QEMU."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: Done | ProgramFailed) -> None:
        self.answers, self.words = list(answers), list[list[str]]()
        monkeypatch.setattr(kvm, "run", self.run)
        monkeypatch.setattr(kvm, "find", lambda program: f"/usr/bin/{program}")

    def run(self, words: list[str], **_: object) -> Done:
        self.words.append(words)
        answer = self.answers.pop(0)
        if isinstance(answer, ProgramFailed):
            raise answer
        return answer


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    (tmp_path / "kernel").write_bytes(b"a kernel")
    return tmp_path / "kernel"


def why(kernel: Path) -> str:
    return kvm.why_not(board_of("x86_64"), str(kernel), str(kernel.parent / "kvm"))


def test_a_kernel_that_comes_to_its_panic_runs_and_has_nothing_to_write_to(
    kernel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = Tries(monkeypatch, PANICS)
    assert [why(kernel), why(kernel)] == ["", ""]
    (words,) = tries.words
    assert words[words.index("-accel") + 1] == "kvm"
    assert "-no-reboot" in words
    assert not {"-initrd", "-blockdev", "-drive", "-netdev"} & set(words)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (ABORTS, "failed to set MSR 0x10a"),
        (Done(0, b"SeaBIOS\n", b""), "QEMU ended with status 0"),
        (ProgramFailed("it did not end"), "said nothing of itself in 30 s"),
    ],
)
def test_one_that_does_not_is_told_and_not_tried_again(
    kernel: Path, monkeypatch: pytest.MonkeyPatch, answer: Done, words: str
) -> None:
    tries = Tries(monkeypatch, answer)
    assert words in why(kernel)
    assert words in why(kernel)
    assert len(tries.words) == 1


def test_another_kernel_another_start_of_this_machine_and_a_spoilt_file_are_tried_again(
    kernel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = Tries(monkeypatch, ABORTS, PANICS, PANICS, ABORTS)
    assert why(kernel)
    other = kernel.with_name("other")
    other.write_bytes(b"another one")
    assert not why(other)
    memory = kernel.parent / "kvm"
    data = json.loads(memory.read_text())
    assert len(data["kernels"]) == 2
    memory.write_text(json.dumps({**data, "boot": "an earlier one"}))
    assert not why(kernel), "it may have been given KVM since"
    memory.write_text('{"boot": "')
    assert why(kernel)
    assert not tries.answers


def test_kvm_is_used_where_it_runs_the_kernel_and_a_persons_choice_is_not_tried(
    kernel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Tries(monkeypatch, ABORTS)
    monkeypatch.setattr(kvm, "is_offered", lambda architecture: architecture == "x86_64")
    (kernel.parent / "store").mkdir()

    def accelerator(table: QemuConfig) -> tuple[str, str]:
        return QemuHost("here", str(kernel.parent / "store"), table).accelerator(str(kernel))

    assert accelerator(QemuConfig(architecture="x86_64", accelerator="kvm")) == ("kvm", "")
    assert accelerator(QemuConfig(architecture="s390x")) == ("tcg", ""), "which this machine does not offer"
    named, said = accelerator(QemuConfig(architecture="x86_64"))
    assert named == "tcg"
    assert "failed to set MSR" in said
