"""``goldroot zvm directory`` as a user runs it."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from goldroot.cli.failure import guarded
from goldroot.cli.zvm_directory import directory
from goldroot.errors import TreeChanged
from goldroot.zvm.directory import files

GEHEIM = "GEHEIM"


class Ran:
    """What a command said."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *args: str | Path) -> None:
        self.code = guarded(directory, [str(arg) for arg in args])
        self.out, self.err = capsys.readouterr()
        assert GEHEIM not in self.out + self.err
        assert "Traceback" not in self.err


@pytest.fixture
def file(tmp_path: Path, modern_bytes: bytes) -> Path:
    path = tmp_path / "USER.DIRECT"
    path.write_bytes(modern_bytes)
    path.chmod(0o640)
    return path


def test_show_lists_entries(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran = Ran(capsys, "show", file)
    assert ran.code == 0
    assert [line.split()[:2] for line in ran.out.splitlines()][-1] == ["USER", "C1"]
    rows = json.loads(Ran(capsys, "show", file, "--json").out)["entries"]
    assert rows[-1] == {
        "kind": "USER",
        "name": "C1",
        "line": 26,
        "records": 15,
        "profile": "LINDFLT",
        "mdisks": 2,
        "links": 1,
    }


def test_show_an_entry(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran = Ran(capsys, "show", file, "--entry", "c1")
    assert Ran(capsys, "show", file, "C1").out == ran.out
    assert ran.out.startswith("USER C1 ******** 2G 4G G\n*PW00= ********\n INCLUDE LINDFLT\n*DVHOPT ")
    (entry,) = json.loads(Ran(capsys, "show", file, "--entry", "c1", "--json").out)["entries"]
    (disk, _) = [one for one in entry["statements"] if one["keyword"] == "MDISK"]
    assert disk["options"] == [{"keyword": "MINIOPT", "options": ["NOMDC"]}]
    assert disk["read"] == "********"


def test_show_the_keyword_form(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    form = json.loads(Ran(capsys, "show", file, "--entry", "c1", "--keyword-form", "--json").out)["C1"]
    assert "LINK_PROFILE=USERID=MAINT VDEV1=0190 VDEV2=0190 MODE=RR" in form
    ran = Ran(capsys, "show", file, "--entry", "maint", "--keyword-form", "--member", "VM2")
    assert "VOLID=M02RES" in ran.out and "M01RES" not in ran.out


def test_check(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran = Ran(capsys, "check", file)
    assert (ran.code, ran.out) == (0, "0 errors, 0 warnings, 0 notes\n")
    file.write_bytes(file.read_bytes() + b" MDISK 05B6 3390 0150 10 LX0001 MR\n MDISK 123 3390 0 END LX0001 MW\n")
    ran = Ran(capsys, "check", file)
    assert ran.code == 1
    assert f"{file}:41: error: C1 05B6 (LX0001 150-159) overlaps C1 05B5 (101-200) of line 40 [overlap]" in ran.out
    data = json.loads(Ran(capsys, "check", file, "--json").out)
    assert data["counts"] == {"error": 1, "warning": 0, "note": 1}
    assert data["findings"][0]["line"] == 41
    file.write_bytes(b"USER C1 GEHEIM\n INCLUDE P\n LINK A 190\n")
    assert (Ran(capsys, "check", file).code, Ran(capsys, "check", file, "--part").code) == (1, 0)
    file.write_bytes(b"PROFILE P\n")
    assert "profile-unused" in Ran(capsys, "check", file).out
    assert "profile-unused" not in Ran(capsys, "check", file, "--no-notes").out


def test_diff_of_two_entries(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran = Ran(capsys, "diff", file, "S10GOLD", "S10GOLD2")
    assert ran.code == 1
    assert ran.out == (
        "S10GOLD -> S10GOLD2\n  ~ USER: userid S10GOLD -> S10GOLD2\n  ~ MDISK GOLD02 1 3338: volume GOLD01 -> GOLD02\n"
    )


def test_diff_of_two_files(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other"
    other.write_bytes(file.read_bytes().replace(b"0001 0100 LX0001", b"1 100 LX0001").lower())
    assert Ran(capsys, "diff", file, other).code == 0
    other.write_bytes(other.read_bytes() + b"user new pw\n")
    rows = json.loads(Ran(capsys, "diff", file, other, "--json").out)["differences"]
    assert [(row["entry"], row["kind"]) for row in rows] == [("USER NEW", "added")]
    assert Ran(capsys, "diff", file, other, "--entry", "c1").code == 0
    assert Ran(capsys, "diff", file).code == 2
    assert Ran(capsys, "diff", file, "a", "b", "c").code == 2
    assert Ran(capsys, "diff", file, tmp_path / "none").code == 2


SWITCH = ("--entry", "C1", "--relink", "S10GOLD", "S10GOLD2", "--exchange", "1B5", "5B5")


def test_edit_plan_and_print_write_nothing(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = file.read_bytes()
    ran = Ran(capsys, "edit", file, *SWITCH, "--plan", "-w")
    assert ran.out.splitlines() == [
        "C1:",
        "  ~ LINK 01B0: owner S10GOLD -> S10GOLD2",
        "  ~ MDISK LX0001 1 100: vdev 01B5 -> 05B5",
        "  ~ MDISK LX0001 101 100: vdev 05B5 -> 01B5",
        "Nothing was written.",
    ]
    assert " LINK S10GOLD2 11B0 01B0 RR\n" in Ran(capsys, "edit", file, *SWITCH).out
    assert file.read_bytes() == before


def test_edit_writes_in_place_as_a_whole(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = file.read_bytes()
    number = file.stat().st_ino
    ran = Ran(capsys, "edit", file, *SWITCH, "-w", "--json")
    assert ran.code == 0 and json.loads(ran.out)["written"] == str(file)
    lines = list(zip(before.split(b"\n"), file.read_bytes().split(b"\n"), strict=True))
    assert [new for old, new in lines if old != new] == [
        b" LINK S10GOLD2 11B0 01B0 RR",
        b" MDISK 05B5 3390 0001 0100 LX0001 MR GEHEIM7  GEHEIM8  GEHEIM9",
        b" MDISK 01B5 3390 0101 0100 LX0001 MR",
    ]
    assert file.stat().st_ino != number
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert os.listdir(file.parent) == [file.name]


def test_edit_writes_a_new_file_for_its_owner_only(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = tmp_path / "new"
    ran = Ran(capsys, "edit", file, "--entry", "c1", "--remove", "5b5", "--add-link", "MAINT 19E 29E", "-o", new)
    assert ran.code == 0 and "Written to" in ran.out
    assert stat.S_IMODE(new.stat().st_mode) == 0o600
    assert b" LINK MAINT 019E 029E RR\n" in new.read_bytes() and b"MDISK 05B5" not in new.read_bytes()


def test_edit_to_standard_output_is_the_directory_itself(
    file: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert guarded(directory, ["edit", str(file), "--entry", "C1", "--remove", "5B5", "-o", "-"]) == 0
    wanted = file.read_bytes().replace(b" MDISK 05B5 3390 0101 0100 LX0001 MR\n", b"")
    assert capsysbinary.readouterr().out == wanted


def test_passwords_do_not_go_to_a_terminal(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert guarded(directory, ["edit", str(file), "--entry", "C1", "--remove", "5B5", "-o", "-"]) == 2


def test_edit_from_a_template(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    template, secret = tmp_path / "template", tmp_path / "secret"
    template.write_text("USER {userid} {password} 2G 4G G\n INCLUDE LINDFLT\n LINK {gold} 11B0 1B0 RR\n")
    secret.write_text("GEHEIMX\n")
    values = ["--set", "userid=C2", "--set-file", f"password={secret}", "--set", "gold=S10GOLD"]
    before = file.read_bytes()
    ran = Ran(
        capsys, "edit", file, "--from-template", template, *values, "--add-mdisk", "1B5 3390 AUTOG 9 P MR GEHEIM", "-w"
    )
    assert ran.code == 0, ran.err
    assert file.read_bytes() == before + (
        b"USER C2 GEHEIMX 2G 4G G\n INCLUDE LINDFLT\n LINK S10GOLD 11B0 1B0 RR\n MDISK 1B5 3390 AUTOG 9 P MR GEHEIM\n"
    )
    assert Ran(capsys, "edit", file, "--from-template", template, *values, "-w").code == 3


def test_edit_reaches_the_subconfig_of_a_member(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (
        "IDENTITY LNX GEHEIM 1G 2G G\n BUILD ON M1 USING SUBCONFIG LNX-1\n BUILD ON M2 USING SUBCONFIG LNX-2\n"
        "SUBCONFIG LNX-1\n MDISK 1B5 3390 1 10 V1 MR\n MDISK 5B5 3390 11 10 V1 MR\n"
        "SUBCONFIG LNX-2\n MDISK 1B5 3390 1 10 V2 MR\n MDISK 5B5 3390 11 10 V2 MR\n"
    )
    path = tmp_path / "USER.DIRECT"
    path.write_text(text)
    exchange = ("edit", path, "--entry", "LNX", "--exchange", "1B5", "5B5", "-w")
    ran = Ran(capsys, *exchange)
    assert ran.code == 2 and "LNX-1, LNX-2 have a device at 01B5 each" in ran.err and path.read_text() == text
    assert Ran(capsys, *exchange, "--member", "M2").code == 0
    first, _, last = text.rpartition(" MDISK 1B5")
    assert path.read_text() == first + " MDISK 5B5" + last.replace("5B5", "1B5")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ((), 2),
        (("--entry", "NOBODY", "--remove", "1B5"), 3),
        (("--entry", "C1", "--remove", "777"), 3),
        (("--entry", "C1", "--exchange", "1B5", "1B5"), 2),
        (("--entry", "C1", "--add-link", "ONE"), 2),
        (("--entry", "C1", "--add-link", "A 190 1B5"), 3),
        (("--entry", "C1", "--add-mdisk", "191 3390 1 5 V MR GEHEIM GEHEIM GEHEIM GEHEIM"), 2),
        (("--entry", "C1", "--remove", "1B5", "-w", "-o", "x"), 2),
        (("--from-template", "/nonexistent"), 2),
        (("--entry", "C1", "--set", "x=y"), 2),
    ],
)
def test_edits_that_fail_change_nothing(
    file: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], code: int
) -> None:
    before = file.read_bytes()
    ran = Ran(capsys, "edit", file, *options, *([] if "-w" in options else ["-w"]))
    assert ran.code == code, ran.err
    assert file.read_bytes() == before
    if code and ran.err:
        assert ran.err.startswith("goldroot: ")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (bytes(range(256)) * 40, "binary"),
        (b"\x7fELF\x00\x00\x00" * 50, "binary"),
        ("USER LINUX1 GEHEIM 1G 2G G".ljust(80).encode("cp037") * 20, "EBCDIC"),
        (b"dear reader,\nthis is a letter\n", "no USER"),
    ],
)
@pytest.mark.parametrize("command", ["show", "check", "diff", "edit"])
def test_files_that_are_no_directory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, data: bytes, said: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    extra = {"diff": [path], "edit": ["--entry", "X"]}.get(command, [])
    ran = Ran(capsys, command, path, *extra)
    assert ran.code == 2
    assert said in ran.err


def test_files_that_are_no_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path, tmp_path / "none", Path("/dev/zero")):
        ran = Ran(capsys, "check", path)
        assert ran.code == 2
        assert "switched" not in ran.err


def test_a_file_that_changed_meanwhile_is_not_replaced(file: Path) -> None:
    with pytest.raises(TreeChanged):
        files.write(str(file), b"new", instead_of=b"something else")
    assert file.read_bytes() != b"new" and os.listdir(file.parent) == [file.name]


def test_captured_directory(captured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = captured / "zvm71-user-direct.txt"
    assert Ran(capsys, "check", path).out.endswith("0 errors, 0 warnings, 11 notes\n")
    assert len(Ran(capsys, "show", path).out.splitlines()) == 278
    ran = Ran(capsys, "edit", path, "--entry", "gt@pong", "--exchange", "777", "888", "--plan")
    assert "~ MDISK LX3000 29129 1000: vdev 0777 -> 0888" in ran.out
