"""Files that a person names: a FIFO that nobody writes to is an error, and no command waits for it for ever."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from goldroot import sshkeys, sshsig
from goldroot.files import read_given
from goldroot.site import Site, commands
from goldroot.system import Confined, How
from support.commands import said
from support.fleet import IMAGE, next_gold, on_clone, text
from support.marks import slow


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "fifo")
    return tmp_path / "fifo"


@pytest.mark.slow
def test_an_answer_from_a_fifo_is_an_error(fleet: Site, fifo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    on_clone(fleet, "web1", {"etc/plain.conf": "mine\n"})
    next_gold(fleet, {"etc/plain.conf": "gold\n"})
    assert said(capsys, "update", "run", "web1")[0] == 1
    answer = ("review", "resolve", "web1", "/etc/plain.conf", "--take")
    for place in (str(fifo), "/dev/zero", str(fifo.parent)):
        code, out = said(capsys, *answer, place)
        assert code == 2 and "neither an answer nor a file that can be read" in out
    read, write = os.pipe()
    os.write(write, b"piped\n")
    os.close(write)
    assert said(capsys, *answer, f"/dev/fd/{read}")[0] == 0, "what the shell opened for the command is read"
    os.close(read)
    assert said(capsys, "update", "run", "web1")[0] == 0
    assert text(fleet, "web1", "etc/plain.conf") == "piped\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("policy", "check", "FIFO"),
        ("zvm", "plan", "check", "FIFO"),
        ("zvm", "simulate", "--directory", "FIFO"),
        ("policy", "explain", "/etc/motd", "--policy", "FIFO"),
        ("merge", "--base", "DIR", "--gold", "DIR", "--clone", "DIR", "--decisions", "FIFO", "--plan"),
        ("image", "import", "other", "--from", "FIFO"),
        ("image", "import", "other", "--from", "DIR", "--layout", "FIFO"),
    ],
)
def test_no_command_waits_for_a_fifo(
    words: tuple[str, ...], fleet: Site, fifo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(fifo) if word == "FIFO" else str(fifo.parent / "root") if word == "DIR" else word for word in words]
    code, out = said(capsys, *given)
    assert code == 2 and str(fifo) in out, out


def test_a_link_and_a_limit(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    (tmp_path / "link").symlink_to("file")
    assert read_given(tmp_path / "link") == b"content"
    assert read_given(tmp_path / "link", 3) == b"con"
    with pytest.raises(IsADirectoryError):
        read_given(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_given(tmp_path / "none")


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="ssh-keygen is not installed")
def test_a_signature_is_verified_without_a_file_in_tmpdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that a killed command left there would stay for ever."""
    for module in (sshkeys, sshsig):
        monkeypatch.setattr(module, "has_library", lambda: False)
    pair = sshkeys.make_key("ed25519", "me", str(tmp_path))
    private, allowed = tmp_path / "private", tmp_path / "allowed"
    private.write_bytes(pair.private)
    private.chmod(0o600)
    allowed.write_bytes(b'me namespaces="test" ' + pair.public)
    signature = sshsig.sign(str(private), "test", b"said")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "none"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    sshsig.verify(str(allowed), "me", "test", b"said", signature)
    with pytest.raises(sshsig.Invalid):
        sshsig.verify(str(allowed), "me", "test", b"other", signature)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("said_of_times", "tests", "checks"),
    [
        slow("", (0, 1800), (0, 600)),
        slow("test_time = 7200", (7200, None), (0, 600)),
        ("check_time = 900\nlimits = { time = 60 }", (60, 1800), (900, None)),
        ("test_time = 0\ncheck_time = 0\nlimits = { time = 60 }", (0, None), (0, None)),
    ],
)
def test_the_times_of_tests_and_checks_are_set_apart(
    said_of_times: str, tests: tuple[int, int | None], checks: tuple[int, int | None], fleet: Site,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Each as the seconds of the limits and those of the caller, which count where the limits have none."""
    with open(fleet.path("goldroot.toml"), "a") as file:
        file.write(f'[images.{IMAGE}]\ntests = ["true"]\nchecks = ["true"]\n{said_of_times}\n')
    seen: dict[str, set[tuple[float, float | None]]] = {"tests": set(), "checks": set()}

    def run_in(_binds: object, command: object, how: How) -> Confined:
        if command == ["/bin/sh", "-c", "true"]:
            seen[what].add((how.limits.time, how.timeout))
        return Confined(0, b"", b"")

    monkeypatch.setattr(commands, "run_in", run_in)
    what = "tests"
    said(capsys, "maintain", "test", IMAGE)
    next_gold(fleet, {"etc/plain.conf": "gold\n"})
    what = "checks"
    said(capsys, "update", "run", "web1")
    assert seen == {"tests": {tests}, "checks": {checks}}
