"""Containers: they run from the shared root, which they cannot write, outlive the command, and end with their supervisor."""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import shutil
import signal
import subprocess
import termios
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from goldroot.errors import BadInput, Damaged, HostError, LimitReached, ProgramFailed, Refused, StillRunning
from goldroot.hosts.machines.supervise import supervise
from goldroot.hosts.nspawn.container import BASE
from support.hosts import Lab, found
from support.killing import in_a_copy

pytestmark = [pytest.mark.root, pytest.mark.slow]


def until_said(lab: Lab, words: str, name: str = "WEB1") -> list[str]:
    """The console's lines, when it has said these words."""
    for _ in range(600):
        lines = lab.host.console(name, 100)
        if any(words in line for line in lines):
            return lines
        time.sleep(0.05)
    raise AssertionError(lines)


def supervisor_of(lab: Lab, name: str = "WEB1") -> int:
    said = re.search(r"process (\d+)", lab.host.power(name).why)
    assert said
    return int(said[1])


def test_a_server_runs_from_the_shared_root_and_cannot_write_it(lab: Lab) -> None:
    lab.host.start("WEB1")
    assert (lab.host.power("WEB1").state, lab.host.power("WEB1").runs) == ("on", "current")
    lines = until_said(lab, "ready")
    assert "up as 0" in lines
    assert "etc was written" in lines
    assert "the root was written" not in lines
    with lab.host.open_disks({"WEB1-1B5": "ro", "root": "ro"}, view="live") as opened:
        etc = Path(opened["WEB1-1B5"].path, "etc")
        assert (etc / "written").stat().st_uid == 0, "owners on disk are those inside"
        assert not opened["WEB1-1B5"].exact
        assert not Path(opened["root"].path, "usr/written").exists()
    assert lab.host.stop("WEB1", 30) == "asked"
    assert lab.host.console("WEB1", 5)[-1].endswith("ended with status 0")
    assert lab.host.power("WEB1").state == "off"


def test_a_command_inside_ends_as_in_a_shell(lab: Lab) -> None:
    lab.host.start("WEB1")
    until_said(lab, "ready")
    done = lab.host.command("WEB1", ["nosuch", "-v"], 10)
    assert (done.status, done.err) == (127, b"nosuch: not found in the server\n")
    done = lab.host.command("WEB1", ["/etc"], 10)
    assert (done.status, done.err) == (126, b"/etc: cannot be run in the server: Permission denied\n")
    done = lab.host.command("WEB1", ["sh", "-c", "echo nsenter: mine >&2; exit 3"], 10)
    assert (done.status, done.err) == (3, b"nsenter: mine\n")
    assert lab.host.command("WEB1", ["sh", "-c", "kill -9 $$"], 10).status == 137
    with pytest.raises(ProgramFailed, match=r"sleep did not end within 0\.2 s in WEB1"):
        lab.host.command("WEB1", ["sleep", "5"], 0.2)


def test_a_command_inside_says_no_more_than_this_machine_has_memory_for(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("goldroot.hosts.nspawn.host.MOST_SAID", 1 << 20)
    lab.host.start("WEB1")
    until_said(lab, "ready")
    with pytest.raises(LimitReached, match="sh said more than 1 MiB in WEB1"):
        lab.host.command("WEB1", ["sh", "-c", "while :; do cat /bin/busybox; done"], 60)


#: Joins keys with its caller's: says what it finds of a key, and how io_uring_setup(2) went.
KEYS = r"""
#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(void) {
    long session = syscall(SYS_keyctl, 0L, -3L, 0L);
    long key = session < 0 ? -1 : syscall(SYS_keyctl, 10L, session, "user", "goldroot-test", 0L);
    errno = 0;
    syscall(SYS_io_uring_setup, 1, (void *) 0);
    printf("%s %s\n", key > 0 ? "has the key" : "no key", errno == EPERM ? "refused" : "not refused");
    return 0;
}
"""


def test_a_command_inside_has_neither_the_keys_of_its_caller_nor_the_calls_that_a_container_is_refused(
    lab: Lab, tmp_path: Path
) -> None:
    """The container's root may look into it, and change what it does."""
    (tmp_path / "keys.c").write_text(KEYS)
    if (compiler := shutil.which("gcc") or shutil.which("cc")) is None:
        pytest.skip("needs a C compiler (gcc, libc6-dev)")
    there = lab.place_of("WEB1-1B5") / "etc/keys"
    subprocess.run([compiler, "-static", "-o", there, tmp_path / "keys.c"], check=True)
    lab.host.start("WEB1")

    def with_a_key() -> None:
        join, add = {"x86_64": (250, 248), "s390x": (280, 278), "aarch64": (219, 217)}[os.uname().machine]
        libc = ctypes.CDLL(None, use_errno=True)
        libc.syscall(ctypes.c_long(join), ctypes.c_long(1), None)
        if (
            libc.syscall(ctypes.c_long(add), b"user", b"goldroot-test", b"secret", ctypes.c_long(6), ctypes.c_long(-3))
            < 0
        ):
            os._exit(77)
        here = subprocess.run([there], capture_output=True, check=True).stdout
        assert here.startswith(b"has the key"), "outside it is found"
        assert lab.again().command("WEB1", ["/etc/keys"], 20).out == b"no key refused\n"

    if (status := in_a_copy(with_a_key)) == 77:
        pytest.skip("this kernel keeps no keys")
    assert status == 0


def test_a_server_that_restarts_runs_again_from_the_same_disks(lab: Lab) -> None:
    """Under the same supervisor, which has no more mounts and open files than before."""
    with lab.host.open_disks({"root": "ro"}, view="live") as opened:
        os.symlink("busybox", Path(opened["root"].path, "bin/reboot"))
    lab.host.start("WEB1")
    until_said(lab, "ready")
    supervisor = supervisor_of(lab)
    had: list[tuple[int, ...]] = []
    for restarts in (1, 2, 3):
        lab.host.command("WEB1", ["reboot", "-f"], 10)
        for _ in range(600):
            lines = lab.host.console("WEB1", 100)
            if lines.count("ready") > restarts:
                break
            time.sleep(0.05)
        assert [line.rpartition(": ")[2] for line in lines if line.startswith("-- ")][1:] == ["restarts"] * restarts
        (guard, *_) = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
        files = (len(os.listdir(f"/proc/{pid}/fd")) for pid in (supervisor, guard))
        had.append((len(Path(f"/proc/{supervisor}/mounts").read_text().splitlines()), *files))
    assert (lab.host.power("WEB1").runs, supervisor_of(lab)) == ("current", supervisor)
    assert lab.host.command("WEB1", ["cat", "/etc/hostname"], 10).out == b"web1\n"
    assert len(set(had)) == 1, had
    assert lab.host.stop("WEB1", 30) == "asked"


def test_a_server_that_restarts_where_it_is_to_stop_is_off(lab: Lab) -> None:
    with lab.host.open_disks({"root": "ro"}, view="live") as opened:
        init = Path(opened["root"].path, "sbin/init")
        init.write_text(init.read_text().replace("exit 0", "exec busybox reboot -f"))
    lab.host.start("WEB1")
    until_said(lab, "ready")
    assert lab.host.stop("WEB1", 30) == "asked"
    assert lab.host.power("WEB1").state == "off"
    assert lab.host.console("WEB1", 1)[-1].endswith("ended with status 133")


def test_a_command_inside_has_not_the_terminal_of_who_asked(lab: Lab) -> None:
    """The server's system chooses what it does there: it would write to that, and type."""
    lab.host.start("WEB1")
    until_said(lab, "ready")
    lead, follow = os.openpty()

    def with_a_terminal() -> None:
        os.setsid()
        fcntl.ioctl(follow, termios.TIOCSCTTY, 0)
        Path("/dev/tty").write_text("ours\n")
        done = lab.again().command("WEB1", ["sh", "-c", "echo theirs > /dev/tty"], 20)
        assert done.status, done

    assert in_a_copy(with_a_terminal) == 0
    os.set_blocking(lead, False)
    assert os.read(lead, 1000) == b"ours\r\n"
    os.close(lead)
    os.close(follow)


def test_a_command_that_takes_too_long_is_ended_inside(lab: Lab) -> None:
    lab.host.start("WEB1")
    until_said(lab, "ready")
    with pytest.raises(ProgramFailed, match=r"did not end within 0\.5 s"):
        lab.host.command("WEB1", ["sleep", "97531"], 0.5)
    for _ in range(100):
        found = lab.host.command("WEB1", ["sh", "-c", "cat /proc/[0-9]*/cmdline 2>/dev/null | grep -c 97[5]31"], 10)
        if found.out == b"0\n":
            return
        time.sleep(0.05)
    raise AssertionError("it goes on")


def test_again_is_nothing(lab: Lab) -> None:
    lab.host.start("WEB1")
    first = supervisor_of(lab)
    lab.again().start("WEB1")
    assert supervisor_of(lab) == first
    lab.host.stop("WEB1", 30)
    assert lab.again().stop("WEB1", 30) == "off"


def test_a_server_outlives_the_command_that_started_it(lab: Lab) -> None:
    assert in_a_copy(lambda: lab.again().start("WEB1")) == 0
    until_said(lab, "ready")
    assert lab.host.power("WEB1").state == "on"
    assert os.getsid(supervisor_of(lab)) != os.getsid(0)


def test_a_running_server_is_not_held_and_a_held_one_not_started(lab: Lab) -> None:
    with lab.host.hold("WEB1"), pytest.raises(Refused, match="WEB1 is in use by"):
        lab.again().start("WEB1")
    lab.host.start("WEB1")
    with pytest.raises(StillRunning, match="WEB1"), lab.host.hold("WEB1"):
        pass
    with pytest.raises(StillRunning), lab.host.open_disks({"WEB1-1B5": "ro"}):
        pass
    with pytest.raises(Refused):
        lab.host.delete_disk("WEB1-1B5")


def test_a_system_in_which_a_command_is_at_work_is_neither_started_nor_stopped(lab: Lab) -> None:
    with lab.host.hold("WEB1", runs=True):
        for attempt in (lambda: lab.again().start("WEB1"), lambda: lab.again().stop("WEB1", 30)):
            with pytest.raises(StillRunning, match="WEB1"):
                attempt()
    lab.host.start("WEB1")


def test_nobody_starts_what_is_not_startable_or_a_slot(lab: Lab) -> None:
    lab.host.apply(replace(found(lab.host, "WEB1"), startable=False))
    with pytest.raises(Refused, match="being made or removed"):
        lab.host.start("WEB1")
    with pytest.raises(Refused, match="never runs"):
        lab.host.start("GOLD")


def test_gold_that_somebody_fills_is_not_started_from(lab: Lab) -> None:
    lab.host.apply(replace(found(lab.host, "WEB1"), links={}))
    lab.host.empty_disk("root")
    with lab.host.hold("GOLD"), lab.host.open_disks({"root": "rw"}):
        from goldroot.hosts import Link

        lab.host.apply(replace(found(lab.host, "WEB1"), links={"1B1": Link("GOLD", "1B1")}))
        with pytest.raises(Refused, match="links GOLD 1B1: disk root is in use"):
            lab.again().start("WEB1")


def test_the_machine_ends_with_its_supervisor(lab: Lab) -> None:
    lab.host.start("WEB1")
    until_said(lab, "ready")
    os.kill(supervisor_of(lab), signal.SIGKILL)
    for _ in range(200):
        if lab.host.power("WEB1").state == "off":
            break
        time.sleep(0.05)
    assert lab.host.power("WEB1").state == "off"
    with lab.host.hold("WEB1"):
        pass
    lab.host.start("WEB1")


@pytest.mark.parametrize(
    "point", ["goldroot.hosts.nspawn.links.make_dummies", "goldroot.hosts.machines.supervise.Loop.until_up"]
)
def test_nothing_is_left_of_a_supervisor_that_is_killed_while_its_machine_begins(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    """Process 1 may stand still then, and does not see that systemd-nspawn has ended."""
    monkeypatch.setattr(point, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    (lab.root / "store/running/WEB1").mkdir()
    reading, writing = os.pipe()
    assert in_a_copy(lambda: supervise(lab.again(), "WEB1", writing)) == -signal.SIGKILL
    os.close(writing)
    os.close(reading)
    for _ in range(200):
        if lab.host.power("WEB1").state == "off":
            break
        time.sleep(0.05)
    assert lab.host.power("WEB1").state == "off"
    assert not those_of(lab)
    monkeypatch.undo()
    lab.host.start("WEB1")
    until_said(lab, "ready")


def those_of(lab: Lab) -> list[str]:
    """The processes that see the mounts of a machine of this lab."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            if str(lab.root) in Path("/proc", name, "mountinfo").read_text():
                found.append(name)
    return found


def test_who_ends_the_supervisor_asks_the_machine_to_end(lab: Lab) -> None:
    lab.host.start("WEB1")
    until_said(lab, "ready")
    os.kill(supervisor_of(lab), signal.SIGTERM)
    lines = until_said(lab, "ended with status 0")
    assert "shutting down" in lines


def test_who_does_not_listen_is_killed_and_that_is_told(lab: Lab) -> None:
    lab.host.start("WEB1")
    until_said(lab, "ready")
    assert lab.host.command("WEB1", ["sh", "-c", "kill -STOP $(cat /proc/1/stat | { read n rest; echo $n; })"], 10)
    assert lab.host.stop("WEB1", 0) == "killed"
    assert lab.host.power("WEB1").state == "off"


def test_a_command_runs_inside_as_its_root_and_nobody_of_this_machine(lab: Lab) -> None:
    with pytest.raises(Refused, match="does not run"):
        lab.host.command("WEB1", ["true"], 10)
    lab.host.start("WEB1")
    done = lab.host.command("WEB1", ["sh", "-c", "id -u; cat /etc/hostname /proc/self/uid_map; ls /sys/class/net"], 10)
    lines = done.out.decode().split("\n")
    assert lines[:2] == ["0", "web1"]
    assert lines[2].split()[1] == str(BASE)
    assert [line for line in lines[3:] if line] == ["lo"], "it has no network but its own loopback"
    assert lab.host.command("WEB1", ["sh", "-c", "exit 7"], 10).status == 7


def test_a_command_inside_begins_in_the_root_of_the_system_and_not_of_this_machine(lab: Lab, tmp_path: Path) -> None:
    lab.host.start("WEB1")
    done = lab.host.command("WEB1", ["sh", "-c", "cat ./etc/hostname; ls -d ./proc/1/root/../sbin/init"], 10)
    assert done.out.decode().split("\n")[0] == "web1"
    top = {name for name in os.listdir("/") if not (lab.place_of("root") / name).exists()}
    seen = lab.host.command("WEB1", ["ls", "."], 10).out.decode().split()
    assert not top & set(seen), "the directory in which it begins is this machine's root"


def test_a_server_that_ends_at_once_is_told_with_what_it_said(lab: Lab) -> None:
    with lab.host.hold("WEB1"), lab.host.open_disks({"WEB1-1B5": "rw"}) as opened:
        Path(opened["WEB1-1B5"].path, "etc").rename(Path(opened["WEB1-1B5"].path, "other"))
    with pytest.raises(BadInput, match="/etc cannot be mounted"):
        lab.host.start("WEB1")
    assert lab.host.power("WEB1").state == "off"


def test_a_link_in_a_disk_leads_nowhere(lab: Lab, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    with lab.host.hold("WEB1"), lab.host.open_disks({"WEB1-1B5": "rw"}) as opened:
        etc = Path(opened["WEB1-1B5"].path, "etc")
        (etc / "hostname").unlink()
        etc.rmdir()
        etc.symlink_to(outside)
    with pytest.raises(BadInput, match="/etc cannot be mounted"):
        lab.host.start("WEB1")
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("to", ["outside", "pipe", "/etc/hostname"])
def test_systemd_nspawn_is_led_out_of_the_server_by_nothing(lab: Lab, tmp_path: Path, to: str) -> None:
    """It reads this one file by its path, as this machine's root: what is a device there might act when it is opened."""
    place = lab.place_of("WEB1-1B5") / "etc/machine-id"
    os.mkfifo(tmp_path / "pipe")
    if to == "pipe":
        os.mkfifo(place)
    else:
        place.symlink_to(tmp_path / "pipe" if to == "outside" else to)
    with pytest.raises(Damaged, match="/etc/machine-id of WEB1 is not a file, or a link that leads out"):
        lab.host.start("WEB1")
    assert lab.host.power("WEB1").state == "off"
    place.unlink()
    place.symlink_to("hostname")
    (lab.place_of("WEB1-1B5") / "etc/hostname").write_text(f"{'0123456789abcdef' * 2}\n")
    lab.host.start("WEB1")
    until_said(lab, "ready")


def test_a_place_that_the_host_does_not_know_is_refused(lab: Lab) -> None:
    lab.host.config = replace(lab.host.config, paths={"B1": ["/"]})
    with pytest.raises(BadInput, match="does not know where its files belong"):
        lab.host.start("WEB1")
    lab.host.config = replace(lab.host.config, paths={"B1": ["/usr"], "B5": ["/etc"]})
    with pytest.raises(BadInput, match="has the root"):
        lab.host.start("WEB1")


def test_owners_above_65535_are_themselves(lab: Lab) -> None:
    with lab.host.hold("WEB1"), lab.host.open_disks({"WEB1-1B5": "rw"}) as opened:
        file = Path(opened["WEB1-1B5"].path, "etc", "large")
        file.touch()
        os.chown(file, 2_000_000_000, 70_000)
    lab.host.start("WEB1")
    assert lab.host.command("WEB1", ["stat", "-c", "%u %g", "/etc/large"], 10).out == b"2000000000 70000\n"


def test_a_device_node_on_a_disk_is_not_one(lab: Lab) -> None:
    with lab.host.hold("WEB1"), lab.host.open_disks({"WEB1-1B5": "rw"}) as opened:
        os.mknod(Path(opened["WEB1-1B5"].path, "etc", "zero"), 0o020666, os.makedev(1, 5))
    lab.host.start("WEB1")
    done = lab.host.command("WEB1", ["sh", "-c", "read -n 1 x < /etc/zero"], 10)
    assert done.status != 0
    assert b"ermission denied" in done.err


def test_nothing_is_left_on_this_machine(lab: Lab) -> None:
    mounts = Path("/proc/self/mountinfo").read_text()
    lab.host.start("WEB1")
    assert Path("/proc/self/mountinfo").read_text() == mounts
    pid = supervisor_of(lab)
    lab.host.stop("WEB1", 0)
    assert not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text()
    assert not Path("/run/systemd/nspawn/propagate/web1").exists()
    lab.host.apply(replace(found(lab.host, "WEB1"), startable=False))
    lab.host.delete_disk("WEB1-1B5")
    lab.host.undefine("WEB1")
    assert list((lab.root / "store" / "running").iterdir()) == []


def test_a_supervisor_that_does_not_know_the_question_says_so(lab: Lab) -> None:
    from goldroot.hosts.machines import control

    lab.host.start("WEB1")
    with pytest.raises(HostError, match="not a question"):
        control.ask(lab.root / "store" / "running" / "WEB1", do="dance")
