"""CP commands: as text, through the program that stands where vmcp stands, and with faults."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from goldroot.zvm.simulator import Console, Options, Simulator, Storage, System
from goldroot.zvm.simulator.console import COMMANDS
from goldroot.zvm.simulator.dasd import Extent

SITE = """\
USER GOLD NOLOG
 MDISK 11B0 3390 1 100 V1 MR
 MDISK 11B5 3390 101 10 V1 MR
USER LNX PW 1G 1G G
 LINK GOLD 11B0 1B0 RR
 MDISK 1B5 3390 201 10 V1 MR READ WRITE MULTI
 MDISK 5B5 3390 301 10 V1 MR READ WRITE MULTI
USER MGMT PW 1G 1G BG
 OPTION LNKNOPAS
USER PLAIN PW 1G 1G G
"""


@pytest.fixture
def system(tmp_path):
    made = System(SITE, storage=Storage(files=str(tmp_path / "disks")), active=["MGMT", "PLAIN"])
    yield made
    made.close()


@pytest.fixture
def cp(system):
    """``cp("LINK ...")`` as MGMT; the answer must be good.  ``cp.refused`` gives the number of CP's message."""

    class Typist:
        console = Console(system)

        def __call__(self, text: str, user: str = "MGMT") -> str:
            said = self.console.command(user, text)
            assert said.rc == 0, said
            return said.text

        def refused(self, text: str, user: str = "MGMT") -> int:
            said = self.console.command(user, text)
            assert said.rc and said.text.startswith("HCP"), said
            assert f"{said.rc:03d}" in said.text.split()[0]
            return said.rc

    return Typist()


def test_a_link_that_nobody_disturbs_says_nothing(cp):
    """As in the captured console: link, ask, detach."""
    assert cp("link gold 11b0 f1b0 w") == ""
    assert cp("q v f1b0") == "DASD F1B0 3390 V1     R/W        100 CYL ON DASD V1 SUBCHANNEL = 0000"
    assert cp("det f1b0") == "DASD F1B0 DETACHED"
    assert cp.refused("q v f1b0") == 40
    assert cp.refused("det f1b0") == 40


def test_the_captured_question_about_a_user(cp):
    assert cp.console.command("MGMT", "Q LNX") == (45, "HCPCQU045E LNX not logged on")
    assert cp("XAUTOLOG LNX") == "Command accepted"
    assert cp("Q LNX").split() == ["LNX", "-", "DSC"]


def test_a_writer_is_refused_while_a_clone_reads_and_mr_degrades_in_silence(cp):
    cp("XAUTOLOG LNX")
    assert cp.refused("LINK GOLD 11B0 F1B0 W") == 104
    assert cp.refused("LINK GOLD 11B0 F1B0 EW") == 104
    assert cp("LINK GOLD 11B0 F1B0 MR") == "DASD F1B0 LINKED R/W; R/O BY LNX"
    assert cp("LINK GOLD 11B0 F2B0 MR") == "DASD F2B0 LINKED R/O; R/W BY MGMT; R/O BY LNX"
    assert " R/O " in cp("Q V F2B0")


def test_a_prepared_disk_of_a_running_guest(cp):
    """Its owner has it R/W at once; where the owner has it RR, M gets it and W does not."""
    cp("XAUTOLOG LNX")
    assert cp.refused("LINK LNX 5B5 F5B5 M") == 105
    assert cp("DETACH 5B5", user="LNX") == "DASD 05B5 DETACHED"
    cp("LINK * 5B5 5B5 RR", user="LNX")
    assert cp.refused("LINK LNX 5B5 F5B5 W") == 104
    assert cp("LINK LNX 5B5 F5B5 M") == "DASD F5B5 LINKED R/W; R/O BY LNX"
    assert cp("Q LINKS F5B5") == "LNX      05B5 R/O, MGMT     F5B5 R/W"


def test_a_w_link_does_not_keep_a_guest_off_and_an_exclusive_one_keeps_its_disk(cp, system):
    cp("LINK LNX 1B5 F1B5 W")
    cp("XAUTOLOG LNX")
    assert " R/O " in cp("Q V 1B5", user="LNX")
    cp("FORCE LNX")
    cp("DETACH F1B5")
    cp("LINK LNX 1B5 F1B5 EW")
    cp("XAUTOLOG LNX")
    assert cp.refused("Q V 1B5", user="LNX") == 40
    assert any("1B5" in message for message in system.cp.guest("LNX").messages)


def test_passwords_are_asked_of_those_without_lnknopas(cp):
    assert cp.refused("LINK LNX 1B5 F1B5 RR", user="PLAIN") == 114
    assert cp.refused("LINK LNX 1B5 F1B5 RR WRONG", user="PLAIN") == 114
    assert cp("LINK TO LNX 1B5 AS F1B5 RR PASS= READ", user="PLAIN") == ""
    assert cp.refused("LINK GOLD 11B0 F1B0 RR X", user="PLAIN") == 111


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("", 1),
        ("NOSUCH 1", 1),
        ("LINK", 26),
        ("LINK GOLD", 26),
        ("LINK GOLD XYZ F1 RR", 22),
        ("LINK NOBODY 11B0 F1 RR", 53),
        ("LINK GOLD 999 F1 RR", 107),
        ("LINK GOLD 11B0 ../../x RR", 22),
        ("QUERY", 26),
        ("QUERY LNX X", 3),
        ("DETACH", 22),
        ("FORCE LNX", 45),
        ("XAUTOLOG GOLD", 53),
        ("XAUTOLOG MGMT", 54),
        ("SIGNAL SHUTDOWN LNX", 45),
        ("FLASHCOPY 1 0 END TO 2 0 END", 40),
        ("DEFINE T3390 AS F00 CYL 0", 3),
        ("X" * 300, 1),
        ("\0", 1),
    ],
)
def test_what_cp_refuses(cp, text, number):
    assert cp.refused(text) == number


def test_who_is_not_logged_on_types_nothing(cp):
    assert cp.refused("Q NAMES", user="LNX") == 45
    assert cp.refused("Q NAMES", user="") == 45


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_command_is_known_by_its_shortest_form_and_no_shorter(cp, command):
    assert cp.console.command("MGMT", command.name[: command.least]).rc != 1
    assert cp.console.command("MGMT", command.name[: command.least - 1]).rc == 1


def test_flashcopy_copies_all_of_a_disk_at_once(cp, system):
    with open(system.disk_file("LNX", "1B5"), "r+b") as file:
        file.write(b"gold root")
    cp("LINK LNX 1B5 F1B5 RR")
    cp("LINK LNX 5B5 F5B5 W")
    assert (
        cp("FLASHCOPY F1B5 0 END TO F5B5 0 END SYNCHRONOUS") == "Command complete: FLASHCOPY F1B5 0 END TO F5B5 0 END"
    )
    with open(system.disk_file("LNX", "5B5"), "rb") as file:
        assert file.read(9) == b"gold root"


def test_flashcopy_leaves_nothing_of_what_was_there(cp, system):
    """The source has holes where the target had data."""
    with open(system.disk_file("LNX", "5B5"), "r+b") as file:
        file.seek(1 << 20)
        file.write(b"old data")
    cp("LINK LNX 1B5 F1B5 RR")
    cp("LINK LNX 5B5 F5B5 W")
    cp("FLASHCOPY F1B5 0 END TO F5B5 0 END")
    with open(system.disk_file("LNX", "5B5"), "rb") as file:
        assert file.read().strip(b"\0") == b""


def test_flashcopy_wants_a_disk_that_is_writable_and_large_enough(cp):
    cp("LINK LNX 1B5 F1B5 RR")
    cp("LINK LNX 5B5 F5B5 RR")
    cp("LINK GOLD 11B0 F1B0 RR")
    assert cp.refused("FLASHCOPY F1B5 0 END TO F5B5 0 END") == 6
    cp("DETACH F5B5")
    cp("LINK LNX 5B5 F5B5 W")
    assert cp.refused("FLASHCOPY F1B0 0 END TO F5B5 0 END") == 332


def test_a_temporary_disk_is_gone_with_its_guest(cp, system):
    assert cp("DEFINE T3390 AS F00 CYL 10") == "DASD 0F00 DEFINED"
    assert cp.refused("DEFINE T3390 F00 10") == 91
    path = system.disk_file("MGMT", "F00")
    assert os.path.exists(path)
    cp("LINK LNX 1B5 F1B5 RR")
    cp("FLASHCOPY F1B5 0 END TO F00 0 END SYNC")
    assert " 10 CYL " in cp("Q V F00")
    cp("DETACH F00")
    assert not os.path.exists(path)
    cp("DEFINE T3390 F01 10")
    path = system.disk_file("MGMT", "F01")
    system.logoff("MGMT")
    assert not os.path.exists(path)


def test_a_guest_is_asked_to_go(cp):
    cp("XAUTOLOG LNX")
    cp("SIGNAL SHUTDOWN LNX WITHIN 60")
    assert cp.refused("Q LNX") == 45
    assert cp("Q USERID") == "MGMT     AT ZVM"
    assert cp("Q NAMES").replace(" ", "") == "MGMT-DSC,PLAIN-DSC"


# --- disks as directories ---


@pytest.fixture
def trees(tmp_path):
    made = System(SITE, storage=Storage(files=str(tmp_path / "disks"), form="tree"), active=["MGMT"])
    yield made
    made.close()


def test_minidisks_as_directories(trees):
    console = Console(trees)
    old, new = Path(trees.disk_file("LNX", "1B5")), Path(trees.disk_file("LNX", "5B5"))
    assert old.is_dir() and new.is_dir() and old != new
    (old / "etc").mkdir()
    (old / "etc" / "fstab").write_text("x")
    (old / "etc" / "link").symlink_to("/etc/passwd")
    (new / "stale").write_text("old data")
    for command in ("LINK LNX 1B5 F1B5 RR", "LINK LNX 5B5 F5B5 W", "FLASHCOPY F1B5 0 END TO F5B5 0 END"):
        assert console.command("MGMT", command).rc == 0
    assert sorted(path.name for path in new.rglob("*")) == ["etc", "fstab", "link"]
    assert os.readlink(new / "etc" / "link") == "/etc/passwd"
    assert (old / "etc" / "fstab").read_text() == "x"


def test_no_link_in_the_place_of_a_directory_is_followed(trees, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("x")
    place = Path(trees.disk_file("LNX", "5B5"))
    place.rmdir()
    place.symlink_to(outside)
    with pytest.raises(OSError):
        trees.disk_file("LNX", "5B5")
    with pytest.raises(OSError):
        trees.files.remove(Extent("V1", 301, 10))
    assert (outside / "kept").read_text() == "x"


# --- faults ---


def test_cp_refuses_when_it_is_told_to(cp, system):
    system.faults.add("cp-refused=105@CP_LINK#1")
    assert cp.refused("LINK GOLD 11B0 F1B0 RR") == 105
    assert cp("LINK GOLD 11B0 F1B0 RR") == ""


def test_a_link_that_stays_behind(cp, system):
    cp("LINK GOLD 11B0 F1B0 W")
    system.faults.add("link-stays@CP_DETACH#1")
    assert cp("DETACH F1B0") == "DASD F1B0 DETACHED"
    assert " R/W " in cp("Q V F1B0")
    cp("DETACH F1B0")
    assert cp.refused("Q V F1B0") == 40


def test_flashcopy_that_the_storage_cannot_do(cp, system):
    cp("LINK LNX 1B5 F1B5 RR")
    cp("LINK LNX 5B5 F5B5 W")
    system.faults.add("no-flashcopy")
    assert cp.refused("FLASHCOPY F1B5 0 END TO F5B5 0 END") == 332


def test_a_guest_logs_on_in_the_middle(cp, system):
    """Before the link is made: it gets the disk second."""
    system.faults.add("logon=LNX@CP_LINK#1")
    assert cp.refused("LINK LNX 1B5 F1B5 W") == 105
    assert system.active() == ["MGMT", "PLAIN", "LNX"]


def test_no_room_for_a_temporary_disk(cp, system):
    system.faults.add("no-space@CP_DEFINE#1")
    assert cp.refused("DEFINE T3390 F00 10") == 91
    assert cp("DEFINE T3390 F00 10") == "DASD 0F00 DEFINED"


def test_another_administrator_comes_between_query_and_lock(zvm):
    before = zvm.records("S10RO3")
    zvm.simulator.faults.add("changed=ACCOUNT 99@Image_Lock_DM#1")
    assert zvm("Image_Lock_DM", "S10RO3", "").code == (0, 0)
    new = [line.rstrip() for line in zvm.records("S10RO3") if line not in before]
    assert [line for line in new if line.split()[0] not in ("*PW00=", "USER")] == ["ACCOUNT 99"]


def test_a_guest_logs_on_while_its_entry_is_replaced(zvm):
    zvm.simulator.faults.add("logon@Image_Lock_DM#1")
    zvm("Image_Lock_DM", "S10RO3", "")
    assert "S10RO3" in zvm.simulator.system.active()


def test_datamove_hangs(part, asking):
    with Simulator(options=Options(delay=0)) as simulator:
        zvm = asking(simulator)
        simulator.faults.add("stuck-operation@Image_Disk_Create_DM#1")
        disk = ["F00", "3390", "AUTOG", "LINUX", part.byte(1), 10, "MR", part.byte(5), "", "", "", ""]
        got = zvm("Image_Disk_Create_DM", "S10RO3", *disk)
        assert got.code[0] == 592
        number = got.code[1] or int.from_bytes(got.data[:4], "big")
        for _ in range(20):
            assert zvm("Query_Asynchronous_Operation_DM", "MAINT", number).code == (0, 104)
        assert zvm("Directory_Manager_Task_Cancel_DM", "MAINT", number).code == (0, 0)
        assert zvm.wait(zvm("Image_Disk_Create_DM", "S10RO3", *disk)) == 100
        assert simulator.bugs == []


# --- the program ---


def vmcp(program: str, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, *words], capture_output=True, text=True, env={**os.environ, **more}, timeout=60)


def test_the_program_says_what_vmcp_says(tmp_path):
    with Simulator(cp=str(tmp_path / "cp")) as simulator:
        program = simulator.endpoint.program
        done = vmcp(program, "q", "linux2")
        assert (done.returncode, done.stdout) == (1, "HCPCQU045E LINUX2 not logged on\n")
        assert done.stderr == "Error: non-zero CP response for command 'Q LINUX2': #45\n"
        done = vmcp(program, "link", "s10gold2", "11b0", "f1b0", "w")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert vmcp(program, "query virtual f1b0").stdout.split()[:5] == ["DASD", "F1B0", "3390", "LX3001", "R/W"]
        assert vmcp(program, "q userid", GOLDROOT_VMCP_USER="MAINT").stdout.split()[0] == "MAINT"
        done = vmcp(program, "-b", "10", "q", "names")
        assert done.returncode == 2 and "truncated" in done.stderr and len(done.stdout) == 10
        assert vmcp(program).returncode == vmcp(program, "--nosuch", "q").returncode == 4
        assert vmcp(program, "-k", "q userid").returncode == 0
        assert os.stat(tmp_path / "cp").st_mode & 0o077 == os.stat(simulator.endpoint.socket).st_mode & 0o077 == 0
    assert vmcp(program, "q userid").returncode == 3
    assert not os.path.exists(tmp_path / "cp" / "cp.sock")


def test_the_socket_survives_nonsense(tmp_path):
    with Simulator(cp=str(tmp_path / "cp")) as simulator:
        for data in (b"", b"\n", b"[]\n", b'{"user": 1}\n', b"x" * 10_000, b"\xff\n"):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(20)
                connection.connect(simulator.endpoint.socket)
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                connection.recv(1000)
        assert vmcp(simulator.endpoint.program, "q userid").returncode == 0


def test_the_program_imports_neither_client_nor_parser():
    code = "import goldroot.zvm.simulator.vmcp, sys; print([m for m in sys.modules if 'zvm.smapi' in m or 'zvm.directory' in m])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found == "[]\n"
