"""The runner: what each form gives a command and takes from it, and what it leaves on the disks."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import goldroot
from goldroot.errors import Failed, NoPermission, ProgramFailed, Refused
from goldroot.system import Bound, How, Mode, power_of, run_in
from goldroot.system.inside.spaces import BASE
from system.conftest import Machine

pytestmark = pytest.mark.root

ROOTS: tuple[Mode, ...] = ("shift", "identity", "caps")
ALL: tuple[Mode, ...] = (*ROOTS, "user")

#: CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID NET_BIND_SERVICE NET_RAW SYS_CHROOT AUDIT_WRITE SETFCAP
CAPABILITIES = "00000000a00424fb"
WITHOUT_NET_RAW = "00000000a00404fb"


@pytest.fixture(params=ALL)
def mode(request: pytest.FixtureRequest) -> Mode:
    found: Mode = request.param
    return found


def status_of(said: str) -> dict[str, str]:
    return dict(line.split(":\t", 1) for line in said.splitlines() if ":\t" in line)


# -- what a command has


def test_a_command_has_few_rights_and_a_filter(machine: Machine, mode: Mode) -> None:
    status = status_of(machine.sh("cat /proc/self/status", mode=mode))
    assert {status[name] for name in ("CapPrm", "CapEff", "CapBnd")} == {CAPABILITIES}
    assert {status[name] for name in ("CapInh", "CapAmb")} == {"0" * 16}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert status["Uid"].split() == status["Gid"].split() == ["0"] * 4
    assert status["SigIgn"] == "0" * 16


class Action(ctypes.Structure):
    """struct sigaction of the kernel."""

    _fields_ = (
        ("handler", ctypes.c_void_p),
        ("flags", ctypes.c_ulong),
        ("restorer", ctypes.c_void_p),
        ("mask", ctypes.c_ulong),
    )


@pytest.fixture
def signals_ignored() -> Iterator[None]:
    """As under ``nohup``, and as below a program that ignores a signal which the C library keeps to itself (32)."""
    ours = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGHUP, signal.SIGINT, 35)}
    call = {"x86_64": 13, "s390x": 174, "aarch64": 134}[os.uname().machine]
    libc, before = ctypes.CDLL(None), Action()
    assert libc.syscall(call, 32, ctypes.byref(Action(handler=1)), ctypes.byref(before), 8) == 0
    yield
    libc.syscall(call, 32, ctypes.byref(before), None, 8)
    for number, handler in ours.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("signals_ignored")
def test_a_command_ignores_no_signal_that_its_caller_ignores(machine: Machine, mode: Mode) -> None:
    own = Path("/proc/self/status").read_text()
    assert status_of(own)["SigIgn"] != "0" * 16
    assert status_of(machine.sh("cat /proc/self/status", mode=mode))["SigIgn"] == "0" * 16


def test_the_caller_is_nowhere_in_it(
    machine: Machine, mode: Mode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No variable, no descriptor, no group, no limit of the file mode, no process and no key of the caller's."""
    monkeypatch.setenv("SECRET", "mine")
    before = os.umask(0o077)
    try:
        with open(tmp_path / "mine", "w") as file:
            os.set_inheritable(file.fileno(), True)
            said = machine.sh(
                "ls /proc/self/fd; set; cat /proc/[0-9]*/comm; echo > /root/new; mkdir /run/new", mode=mode
            )
    finally:
        os.umask(before)
    assert said.startswith("0\n1\n2\n3\n"), said  # the last one is ls' own
    assert "4\n" not in said.partition("\n3\n")[2][:2] and "mine" not in said and "SECRET" not in said
    assert (machine.root / "root/new").stat().st_mode & 0o777 == 0o644
    assert machine.sh("id -G", mode=mode).split() in (["0"], ["0", "0"])


def test_the_strongest_form_is_taken(machine: Machine) -> None:
    done = machine.run(["/bin/cat", "/proc/self/uid_map"])
    assert (done.mode, done.why, done.out.split()) == ("shift", "", [b"0", str(BASE).encode(), b"2147483647"])
    assert done.as_dict()["confined"] == "shift"


def test_a_form_is_told_before_the_command_starts(machine: Machine) -> None:
    heard: list[tuple[str, str, bool]] = []
    flag = machine.root / "root/flag"
    machine.sh("echo > /root/flag", told=lambda mode, why: heard.append((mode, why, flag.exists())))
    assert heard == [("shift", "", False)] and flag.exists()


def test_words_for_each_form() -> None:
    words = {power_of(mode, network=False) for mode in ALL} | {power_of(mode, network=True) for mode in ALL}
    assert len(words) == 2 * len(ALL) and all("\n" not in one for one in words)
    assert "because" in power_of("identity", network=False, why="because")


def test_programs_of_the_shared_root_come_first(machine: Machine) -> None:
    """A server's own /usr/local must not be what `ldconfig`, as root, means."""
    for path in ("usr/local/sbin/ldconfig", "usr/local/bin/cat", "usr/local/bin/own"):
        file = machine.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("#!/bin/sh\necho server\n")
        file.chmod(0o755)
    (machine.root / "usr/sbin").mkdir(exist_ok=True)
    (machine.root / "usr/sbin/ldconfig").write_text("#!/bin/sh\necho gold\n")
    (machine.root / "usr/sbin/ldconfig").chmod(0o755)
    assert machine.sh("ldconfig; cat /etc/app.conf; own") == "gold\nlevel = 1\nserver\n"
    assert machine.run(["ldconfig"]).out == b"gold\n"


def test_no_server_can_stand_before_our_quiet_programs(machine: Machine) -> None:
    """/run/goldroot is ours and read-only; where there is no /run to mount on, it is not on the PATH."""
    assert (
        machine.sh("command -v invoke-rc.d; echo x 2>&1 > /run/goldroot/bin/id || echo closed").splitlines()[-1]
        == "closed"
    )
    (machine.root / "run").rmdir()
    (machine.root / "etc/goldroot/bin").mkdir(parents=True)
    (machine.root / "run").symlink_to("etc")
    assert "/run/goldroot" not in machine.sh("echo $PATH")


def test_a_command_hears_what_it_is_given_and_nothing_else(machine: Machine) -> None:
    assert machine.sh("cat; echo end", stdin=b"x" * 300_000) == "x" * 300_000 + "end\n"
    assert machine.sh("cat; echo end") == "end\n"
    assert machine.run(["/bin/sh", "-c", "exit 0"], stdin=b"x" * 300_000).status == 0


def test_how_a_command_ends(machine: Machine) -> None:
    with pytest.raises(ProgramFailed, match="sh ended with status 9: why") as caught:
        machine.sh("echo why >&2; exit 9")
    assert caught.value.status == 9
    assert machine.run(["/bin/sh", "-c", "kill -9 $$"], ok=None).status == 128 + 9
    assert machine.run(["/bin/sh", "-c", "kill -TERM $$"], ok=None).status == 128 + 15
    assert machine.run(["/nosuch"], ok=None).status == 127
    assert machine.run(["/etc/passwd"], ok=None).status == 126
    assert machine.run([]).status == 0
    orphan = machine.run(["/bin/sh", "-c", "(sleep 100 &) ; exit 3"], ok=None)
    assert (orphan.status, orphan.out) == (3, b"")


def test_a_program_for_another_architecture_is_told_what_would_run_it(machine: Machine) -> None:
    program = machine.root / "usr/bin/strange"
    program.write_bytes(b"\x7fELF\2\2\1" + bytes(11) + b"\xff\xfe" + bytes(44))  # no machine has that number
    program.chmod(0o755)
    done = machine.run(["strange"], ok=None)
    assert done.status == 126
    assert done.err.startswith(b"strange: Exec format error (one for another architecture runs by qemu-user")


def test_what_a_command_leaves_running_ends_with_it(machine: Machine) -> None:
    mark = f"1{time.monotonic_ns()}"
    machine.sh(f"sleep {mark} > /dev/null 2>&1 & sleep {mark} & echo")
    assert mark.encode() not in b"".join(
        path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()
    )


def test_crashes_are_not_handed_to_the_host(machine: Machine) -> None:
    """A core pattern that begins with | starts a program of the host, as its root; a limit of one byte keeps it from that."""
    assert "1" in machine.sh("grep 'Max core' /proc/self/limits").split()


def test_set_uid_programs_give_nothing(machine: Machine, mode: Mode) -> None:
    assert machine.sh("chmod 4755 /usr/bin/id; stat -c %a /usr/bin/id", mode=mode) == "4755\n"
    assert "nosuid" in machine.sh("head -1 /proc/mounts", mode=mode)


# -- disks


@pytest.mark.parametrize("mode", ROOTS)
def test_owners_are_right_as_seen_from_outside(machine: Machine, mode: Mode) -> None:
    owners = (0, 33, 70000, 2000000000)
    for owner in owners:
        machine.sh(f"echo x > /srv/{owner}; chown {owner}:{owner} /srv/{owner}", mode=mode)
        status = (machine.root / f"srv/{owner}").stat()
        assert (status.st_uid, status.st_gid) == (owner, owner)
    (machine.root / "srv/given").write_text("x")
    os.chown(machine.root / "srv/given", 44, 45)
    assert machine.sh("stat -c %u:%g /srv/given", mode=mode) == "44:45\n"


def test_read_only_disks_are_read_only(machine: Machine, tmp_path: Path, mode: Mode) -> None:
    other = tmp_path / "other"
    (other / "srv").mkdir(parents=True)
    machine.add(other, b"srv", read_only=True)
    assert machine.run(["/bin/sh", "-c", "echo > /srv/x"], ok=None, mode=mode).status != 0
    assert machine.sh("echo > /etc/x; mount -o remount,rw /srv 2> /dev/null || echo kept", mode=mode) == "kept\n"
    assert list(other.rglob("*")) == [other / "srv"] and (machine.root / "etc/x").exists()


@contextmanager
def overlay(tmp_path: Path) -> Iterator[Path]:
    for name in ("lower", "upper", "work", "merged"):
        (tmp_path / name).mkdir()
    options = f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    said = subprocess.run(["mount", "-t", "overlay", "-o", options, "none", tmp_path / "merged"], capture_output=True)
    if said.returncode:
        pytest.skip(f"no overlay can be mounted here: {said.stderr.decode().strip()}")
    try:
        yield tmp_path / "merged"
    finally:
        subprocess.run(["umount", tmp_path / "merged"], check=True)


def test_a_disk_whose_owners_cannot_be_mapped_gets_the_next_form(machine: Machine, tmp_path: Path) -> None:
    with overlay(tmp_path) as disk:
        (disk / "srv").mkdir()
        machine.add(disk, b"srv")
        done = machine.run(["/bin/sh", "-ec", "echo x > /srv/x; chown 33 /srv/x"])
        os.close(machine.binds[-1].handle)  # else the overlay would be busy
        machine.binds[-1] = Bound(os.open("/", os.O_PATH), b"", True)
        assert (done.mode, "owners on the disk of /srv cannot be mapped" in done.why) == ("identity", True)
        assert (disk / "srv/x").stat().st_uid == 33


def test_a_demand_for_shift_is_not_met_by_less(machine: Machine, tmp_path: Path) -> None:
    with overlay(tmp_path) as disk:
        (disk / "srv").mkdir()
        handle = os.open(disk, os.O_RDONLY)
        try:
            with pytest.raises(NoPermission, match="on the disk of /srv cannot be mapped"):
                run_in(
                    [*machine.binds, Bound(handle, b"srv", False)],
                    ["/bin/sh", "-c", "echo > /etc/run"],
                    How(mode="shift"),
                )
        finally:
            os.close(handle)
    assert not (machine.root / "etc/run").exists()


@pytest.mark.parametrize("mode", ["shift", "identity", "user"])
def test_mounts_are_locked_whatever_a_process_can_do(machine: Machine, tmp_path: Path, mode: Mode) -> None:
    """Tried by a process with every capability in the command's user namespace, and without the filter."""
    if subprocess.run(["nsenter", "--version"], capture_output=True).returncode:
        pytest.skip("nsenter is not installed")
    other, mark = tmp_path / "other", f"1{time.monotonic_ns()}"
    (other / "srv").mkdir(parents=True)
    machine.add(other, b"srv", read_only=True)
    with running(machine, ["/bin/sleep", mark], mode) as pid:
        enter = ["nsenter", "-t", str(pid), "--user", "--mount", "--preserve-credentials"]
        root = f"/proc/{pid}/root"
        for words in (
            ["umount", "/proc/kallsyms"],
            ["umount", "/srv"],
            ["mount", "-o", "remount,bind,rw", "/srv"],
            ["mount", "-o", "remount,bind,rw", "/proc"],
            ["mount", "-o", "remount,bind,dev", "/"],
        ):
            said = subprocess.run([*enter, "/bin/sh", "-c", " ".join(words)], capture_output=True, text=True)
            assert said.returncode != 0, words
        assert os.statvfs(f"{root}/srv").f_flag & os.ST_RDONLY


@contextmanager
def running(machine: Machine, command: list[str], mode: Mode) -> Iterator[int]:
    """The number of a command that runs; it is ended with the block."""
    failed: list[Exception] = []

    def run() -> None:
        try:
            machine.run(command, mode=mode, ok=None)
        except Failed as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    wanted = b"\0".join(word.encode() for word in command)
    pid = None
    while pid is None and thread.is_alive():
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
        pid = next((one for one in pids if _is(Path(f"/proc/{one}/cmdline"), wanted)), None)
    assert pid is not None, failed
    try:
        yield pid
    finally:
        os.kill(pid, 9)
        thread.join()


def _is(path: Path, words: bytes) -> bool:
    try:
        return path.read_bytes().rstrip(b"\0") == words
    except OSError:
        return False


def test_a_store_that_others_can_reach_is_refused(make_machine: Callable[[Path], Machine], tmp_path: Path) -> None:
    """A set-uid program that a system makes would be one here."""
    open_ = tmp_path / "open"
    open_.mkdir(mode=0o711)
    os.chmod(tmp_path, 0o755)
    machine = make_machine(open_ / "disk")
    closed_above = [tmp_path.parent, *tmp_path.parent.parents]
    if any(path.stat().st_mode & 0o077 == 0 for path in closed_above):
        with _elsewhere() as place:
            machine = make_machine(place / "disk")
            _refused_until_closed(machine, place)
    else:
        _refused_until_closed(machine, open_)


@contextmanager
def _elsewhere() -> Iterator[Path]:
    """A directory that everybody can reach."""
    import shutil
    import tempfile

    place = Path(tempfile.mkdtemp(dir="/var/tmp"))
    try:
        yield place
    finally:
        shutil.rmtree(place)


def _refused_until_closed(machine: Machine, above: Path) -> None:
    for mode in (0o711, 0o750, 0o755):
        above.chmod(mode)
        with pytest.raises(Refused, match="other users of this machine can reach the disk") as caught:
            machine.sh("echo > /etc/run")
        assert f"chmod 0700 {above}" in caught.value.todo
    assert not (machine.root / "etc/run").exists()
    above.chmod(0o700)
    machine.sh("echo > /etc/run")


# -- where the machine gives less


PROBE = """
import os, sys
sys.path.insert(0, {source!r})
from goldroot.errors import GoldrootError
from goldroot.system import Bound, How, run_in
handle = os.open({root!r}, os.O_RDONLY)
try:
    done = run_in([Bound(handle, b"", False)], ["/bin/sh", "-c", "echo > /etc/run; exit 1"], How(ok=None, capture={capture}))
    print(done.mode, "|", done.why, "|", done.status)
except GoldrootError as error:
    print(type(error).__name__, "|", error.brief)
"""


def elsewhere(machine: Machine, *before: str, capture: bool = True) -> list[str]:
    """What :func:`run_in` does in a process that ``before`` makes."""
    source = os.path.dirname(os.path.dirname(goldroot.__file__))
    script = PROBE.format(source=source, root=str(machine.root), capture=capture)
    words = [*before, sys.executable, "-c", script]
    said = subprocess.run(words, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL).stdout
    return [word.strip() for word in said.split("|")]


NO_MORE = ["unshare", "--user", "--map-root-user", "--", "/bin/sh", "-c",
           'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"', "sh"]  # fmt: skip
NO_ADMIN = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", "--"]


def test_without_user_namespaces_capabilities_go(machine: Machine) -> None:
    mode, why, status = elsewhere(machine, *NO_MORE, "unshare", "--mount", "--")
    assert (mode, status) == ("caps", "1") and why.startswith("there are no user namespaces (")


def test_root_without_the_right_to_mount_is_as_any_user(machine: Machine) -> None:
    assert elsewhere(machine, *NO_ADMIN) == ["user", "", "1"]


@pytest.mark.parametrize("capture", [True, False])
def test_where_nothing_is_left_nothing_is_run(machine: Machine, capture: bool) -> None:
    name, brief = elsewhere(machine, *NO_MORE, *NO_ADMIN, capture=capture)
    assert name == "NoPermission" and brief.startswith("commands cannot be confined here (user namespace: ")
    assert not (machine.root / "etc/run").exists()


def test_an_architecture_without_a_filter_is_refused(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "vax")
    with pytest.raises(NoPermission, match="cannot be confined on vax"):
        machine.sh("echo > /etc/run")
    assert not (machine.root / "etc/run").exists()


def test_with_the_hosts_network(machine: Machine) -> None:
    """No more rights than without; where no user namespace stands between, raw packets are not among them."""
    for mode in ALL:
        bounds = status_of(machine.sh("cat /proc/self/status", mode=mode, network=True))["CapBnd"]
        assert bounds == (WITHOUT_NET_RAW if mode == "caps" else CAPABILITIES)
        theirs = machine.run(["/bin/sh", "-c", "ls /sys/class/net"], mode=mode, network=True).out.decode().split()
        assert set(theirs) == set(os.listdir("/sys/class/net"))
        assert machine.sh("ls /sys/class/net", mode=mode).split() in (["lo"], sorted(theirs))
