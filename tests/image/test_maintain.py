"""Work on maintenance and test systems, in real namespaces."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from goldroot import system as system_room
from goldroot.errors import Busy, Failed, NotFound, ProgramFailed, Refused, StillRunning
from goldroot.image.changes import changes_between
from goldroot.image.maintain import enter_system, system_changes
from goldroot.image.maintain import test_system as run_tests
from goldroot.image.publish import publish_gold
from goldroot.image.systems import MAINTENANCE, TEST, System
from goldroot.image.takeback import take_back
from goldroot.site import Site
from goldroot.system import Bound, Confined
from support.former import former, path_of, scan_of
from support.marks import slow
from support.roots import make_root
from support.trees import dump_tree

pytestmark = pytest.mark.root

SPIN = ["/bin/sh", "-c", "echo begun; while :; do :; done"]


def sh(site: Site, script: str, role: str = MAINTENANCE) -> str:
    done = enter_system(site, "small", ["/bin/sh", "-c", script], role=role, capture=True)  # type: ignore[arg-type]
    assert done.status == 0, done.err
    return done.out.decode()


class Placed(NamedTuple):
    disk: str
    path: bytes
    read_only: bool


def put_together(system: System, *, read_only_root: bool = False) -> list[Placed]:
    return [
        Placed(path_of(system, bind.address), bind.path, read_only_root and bind.shared)
        for bind in system.layout.binds()
    ]


def run_in(places: list[Placed], command: list[str], **options: Any) -> Confined:
    with ExitStack() as stack:
        binds = []
        for place in places:
            handle = os.open(place.disk, os.O_RDONLY | os.O_DIRECTORY)
            stack.callback(os.close, handle)
            binds.append(Bound(handle, place.path, place.read_only))
        return system_room.run_in(binds, command, system_room.How(**options))


def configure(site: Site, *tests: str) -> Site:
    Path(site.path("goldroot.toml")).write_text(f"[images.small]\ntests = {list(tests)!r}\n")
    return Site.open(site.root)


def mounts_of(site: Site) -> list[str]:
    """What is mounted of a site or in it; what else is, is the machine's."""
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if site.root in line]


def test_the_system_is_put_together_and_nothing_is_left_behind(small: Site) -> None:
    before = {
        address: dump_tree(path_of(System(small, "small", MAINTENANCE), address)) for address in ("1B1", "1B5", "1B6")
    }
    mounts = mounts_of(small)
    script = (
        'read l < /etc/app.conf; echo "$l $$"; test -c /dev/null && test -d /proc/1 && test -w /tmp && echo > /tmp/x'
    )
    assert sh(small, script) == "level = 1 2\n"  # the first process is goldroot's
    assert mounts_of(small) == mounts
    after = {
        address: dump_tree(path_of(System(small, "small", MAINTENANCE), address)) for address in ("1B1", "1B5", "1B6")
    }
    assert after == before


def test_what_is_done_there_lands_on_the_right_disk(small: Site) -> None:
    sh(small, "echo new > /etc/new; echo log > /var/log/new; echo root > /usr/new; echo mine > /usr/local/new")
    system = System(small, "small", MAINTENANCE)
    for address, path in (("1B5", "etc/new"), ("1B6", "var/log/new"), ("1B1", "usr/new"), ("1B5", "usr/local/new")):
        assert os.path.isfile(os.path.join(path_of(system, address), path))


def test_a_read_only_root_is_read_only_and_the_rest_is_not(small: Site) -> None:
    system = System(small, "small", MAINTENANCE)
    binds = put_together(system, read_only_root=True)
    for path, written in (("/x", False), ("/usr/x", False), ("/boot/x", False), ("/etc/x", True), ("/var/x", True)):
        done = run_in(binds, ["/bin/sh", "-c", f"echo > {path}"], ok=None)
        assert (done.status == 0) == written, path


def test_links_in_the_tree_do_not_lead_mounts_out(small: Site, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    root = make_root(tmp_path / "other")
    (root / "srv").symlink_to(outside)
    with pytest.raises(Failed, match="could not be put together"):
        run_in([Placed(str(root), b"", False), Placed(str(root), b"srv", False)], ["/bin/sh", "-c", "echo > /srv/x"])
    (root / "proc").rmdir()
    (root / "proc").symlink_to(outside)
    (root / "etc/resolv.conf").unlink()
    (root / "etc/resolv.conf").symlink_to("../../../../outside/resolv.conf")
    run_in([Placed(str(root), b"", False)], ["/bin/sh", "-c", "test ! -e /proc/1"])
    assert os.listdir(outside) == []


def test_services_find_their_runtime_directories(small: Site) -> None:
    """`sshd -t` is a check that everybody has, and refuses to work without /run/sshd."""
    unit = "[Service]\nRuntimeDirectory=sshd app/deep\nRuntimeDirectory=../out %i /abs\nRuntimeDirectoryMode=0700\n"
    sh(small, "echo small1 > /etc/hostname")
    root = Path(path_of(System(small, "small", MAINTENANCE), "1B1"), "usr/lib/systemd/system")
    root.mkdir(parents=True)
    (root / "app.service").write_text(unit)
    (root / "link.service").symlink_to("/etc/passwd")
    os.mkfifo(root / "fifo.service")
    said = sh(small, "test -d /run/sshd && test -d /run/app/deep && test -d /run/lock && cd /run && echo *; echo ../o*")
    assert said == "app goldroot lock sshd\n../o*\n"
    assert sh(small, "read name < /proc/sys/kernel/hostname; echo $name") == "small1\n"


def test_a_command_without_a_network_has_its_own_loopback(small: Site) -> None:
    system = System(small, "small", MAINTENANCE)
    binds = put_together(system)
    flags = run_in(binds, ["/bin/sh", "-c", "read flags < /sys/class/net/lo/flags; echo $flags"])
    assert int(flags.out, 16) & 1, "lo is down"


def test_what_a_command_says_and_how_it_ends(small: Site) -> None:
    system = System(small, "small", MAINTENANCE)
    binds = put_together(system)
    with pytest.raises(ProgramFailed, match="status 9: why") as caught:
        run_in(binds, ["/bin/sh", "-c", "echo why >&2; exit 9"])
    assert caught.value.status == 9
    assert run_in(binds, ["/nosuch"], ok=None).status == 127
    with pytest.raises(ProgramFailed, match="did not end"):
        run_in(binds, ["/bin/sh", "-c", "while :; do :; done"], timeout=0.5)


def test_packages_start_no_daemons_and_leave_no_trace_of_that(small: Site) -> None:
    script = "command -v invoke-rc.d; command -v deb-systemd-invoke; invoke-rc.d app start && test -r $APT_CONFIG && echo quiet"
    said = sh(small, script).splitlines()
    assert said == ["/run/goldroot/bin/invoke-rc.d", "/run/goldroot/bin/deb-systemd-invoke", "quiet"]
    assert os.listdir(os.path.join(path_of(System(small, "small", MAINTENANCE), "1B1"), "run")) == []


def test_changes_are_against_the_current_gold(small: Site) -> None:
    assert system_changes(small, "small") == []
    publish_gold(small, "small", untested=True)
    sh(small, "echo 'level = 2' > /etc/app.conf; echo > /usr/new")
    assert [(change.path, change.what) for change in system_changes(small, "small")] == [
        (b"etc/app.conf", "changed"),
        (b"usr/new", "added"),
    ]


def test_tests_run_in_both_forms_on_a_copy(small: Site) -> None:
    site = configure(small, "echo seen >> /var/log/tests", "test -e /etc/app.conf")
    before = {
        address: dump_tree(path_of(System(site, "small", MAINTENANCE), address)) for address in ("1B1", "1B5", "1B6")
    }
    done = run_tests(site, "small")
    assert done.passed
    assert [form.form for form in done.forms] == ["read-only", "read-write"]
    copy = System(site, "small", TEST)
    assert Path(path_of(copy, "1B6"), "var/log/tests").read_text() == "seen\nseen\n"
    after = {
        address: dump_tree(path_of(System(site, "small", MAINTENANCE), address)) for address in ("1B1", "1B5", "1B6")
    }
    assert after == before


def test_a_test_that_fails_in_one_form_fails(small: Site) -> None:
    site = configure(small, "echo > /usr/needs-a-writable-root")
    done = run_tests(site, "small")
    assert [(form.form, form.passed) for form in done.forms] == [("read-only", False), ("read-write", True)]
    assert "[status 2]" in done.forms[0].log
    assert not done.passed


@pytest.mark.slow
def test_a_fix_is_taken_back_and_what_tests_left_is_not(small: Site) -> None:
    site = configure(small, "echo left > /var/log/tests")
    run_tests(site, "small")
    sh(site, "echo 'level = 9' > /etc/app.conf; echo > /usr/fix; : > /etc/group; echo > /var/other", TEST)
    planned = take_back(site, "small", plan_only=True)
    assert [change.path for change in planned.changes] == [b"etc/app.conf", b"etc/group", b"usr/fix", b"var/other"]
    system = System(site, "small", MAINTENANCE)
    assert Path(path_of(system, "1B5"), "etc/app.conf").read_text() == "level = 1\n"
    done = take_back(site, "small", [b"etc", b"usr/fix"])
    assert [change.path for change in done.changes] == [b"etc/app.conf", b"etc/group", b"usr/fix"]
    assert Path(path_of(system, "1B5"), "etc/app.conf").read_text() == "level = 9\n"
    assert os.path.exists(os.path.join(path_of(system, "1B1"), "usr/fix"))
    assert not os.path.exists(os.path.join(path_of(system, "1B6"), "var/log/tests"))
    assert not os.path.exists(os.path.join(path_of(system, "1B6"), "var/other"))
    attached = {disk.disk for disk in former(site).get(system.machine).disks.values()}
    assert {disk for disk in former(site).disks() if disk.startswith("smallrwmnt-")} == attached
    assert take_back(site, "small", [b"etc", b"usr/fix"]).changes == (), "a second time there is nothing to take"


def test_removals_and_directories_are_taken_back(small: Site) -> None:
    run_tests(small, "small")
    copy, system = System(small, "small", TEST), System(small, "small", MAINTENANCE)
    etc = Path(path_of(copy, "1B5"), "etc")
    (etc / "app.conf").unlink()
    (etc / "app.conf").mkdir()
    (etc / "app.conf" / "part").write_text("x")
    (etc / "shadow").unlink()
    take_back(small, "small")
    assert list(changes_between(scan_of(copy)["1B5"], scan_of(system)["1B5"])) == []
    assert not Path(path_of(system, "1B5"), "etc/shadow").exists()


def test_what_both_changed_is_not_taken_back(small: Site) -> None:
    run_tests(small, "small")
    sh(small, "echo theirs > /etc/app.conf", TEST)
    sh(small, "echo ours > /etc/app.conf")
    with pytest.raises(Refused, match=r"changed the same .* /etc/app\.conf"):
        take_back(small, "small")
    assert Path(path_of(System(small, "small", MAINTENANCE), "1B5"), "etc/app.conf").read_text() == "ours\n"


def test_nobody_works_on_a_system_twice(small: Site) -> None:
    inside, leave = threading.Event(), threading.Event()

    def work() -> None:
        with System(small, "small", MAINTENANCE).working("a long work"):
            inside.set()
            leave.wait(20)

    thread = threading.Thread(target=work)
    thread.start()
    assert inside.wait(10)
    try:
        with pytest.raises(Busy, match="a long work"):
            sh(small, ":")
        with pytest.raises(Busy, match="a long work"):
            run_tests(small, "small")
    finally:
        leave.set()
        thread.join()


@pytest.mark.slow
def test_a_system_that_is_written_is_not_copied(small: Site) -> None:
    with former(small).running("SMALLRWMNT"), pytest.raises(StillRunning, match="SMALLRWMNT"):
        run_tests(small, "small")


def test_what_does_not_exist(small: Site) -> None:
    with pytest.raises(NotFound, match=r"no image .other."):
        enter_system(small, "other")
    with pytest.raises(NotFound, match="no test system yet"):
        enter_system(small, "small", role=TEST)
    with pytest.raises(NotFound, match="no test system yet"):
        take_back(small, "small")


def test_what_was_changed_on_the_test_system_is_not_guessed(small: Site) -> None:
    """Tests that were cut off leave nothing to compare with, and that is not the same as no difference."""
    run_tests(small, "small")
    assert system_changes(small, "small", role=TEST) == []
    System(small, "small", TEST).forget(of="tested")
    with pytest.raises(NotFound, match="cut off"):
        system_changes(small, "small", role=TEST)


def test_a_look_writes_nothing_that_is_known(small: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    # All looks are long after the making: what is young at one and not at the next is known better then.
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 60 * 10**9)
    system = System(small, "small", MAINTENANCE)
    system_changes(small, "small")
    before = {address: os.stat(system.manifest_file(address)).st_ino for address in ("1B1", "1B5", "1B6")}
    system_changes(small, "small")
    assert {address: os.stat(system.manifest_file(address)).st_ino for address in before} == before
    sh(small, "echo 2 > /etc/app.conf")
    system_changes(small, "small")
    assert os.stat(system.manifest_file("1B5")).st_ino != before["1B5"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"),
    [slow(signal.SIGINT, 130), (signal.SIGTERM, 143), slow(signal.SIGHUP, 129), (signal.SIGKILL, -9)],
)
def test_what_was_started_in_a_system_ends_with_the_command(small: Site, number: int, code: int) -> None:
    """Left behind, it would hold the disks, and be in the way of the next command."""
    script = (
        f"from goldroot.cli.main import main; main(['maintain', 'run', '--site', {small.root!r}, 'small', *{SPIN!r}])"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None and running.stderr is not None
        assert running.stdout.readline() == "begun\n"
        running.send_signal(number)
        assert running.stdout.read() == ""  # nobody has it open any more
        said = running.stderr.read().strip()
        assert running.wait() == code
    assert said == ("" if number == signal.SIGKILL else "Interrupted. Nothing is lost: run the command again.")
    assert sh(small, "echo free") == "free\n"


def test_a_command_that_ends_with_1_is_no_missing_permission(small: Site) -> None:
    assert enter_system(small, "small", ["/bin/sh", "-c", "exit 1"], capture=False).status == 1
