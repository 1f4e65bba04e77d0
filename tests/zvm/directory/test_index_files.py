"""A directory in several files: an index of LOAD statements, and what they name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from goldroot.cli.failure import guarded
from goldroot.cli.zvm_directory import directory
from goldroot.zvm.directory import check, files

FILES = {
    "USER.DIRECT": "* the index\nLOAD DIRHEAD DIRECT\n LOAD PROFS DIRECT A1\nLOAD LINUX DIRECT\n",
    "DIRHEAD.DIRECT": "DIRECTORY 123 3390 VOL\nGLOBALDEFS\n",
    "PROFS DIRECT": "PROFILE LINDFLT\n CONSOLE 9 3215\n",
    "linux.direct": "USER G NOLOG\n MDISK 11B0 3390 1 10 V RR\n"
    "USER C PW 1G 2G G\n INCLUDE LINDFLT\n LINK G 11B0 1B0 RR\n MDISK 1B5 3390 11 10 V MR\n",
}


@pytest.fixture
def index(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path / "USER.DIRECT"


def run(capsys: pytest.CaptureFixture[str], *args: str | Path) -> tuple[int, str, str]:
    code = guarded(directory, [str(arg) for arg in args])
    out, err = capsys.readouterr()
    return code, out, err


def test_all_files_are_read_as_one_directory(index: Path) -> None:
    read = files.load_source(str(index))
    assert [entry.name for entry in read.directory.entries] == ["123", "GLOBALDEFS", "LINDFLT", "G", "C"]
    assert [Path(part.path).name for part in read.parts] == list(FILES)
    assert check(read.directory, missing=read.missing) == []
    assert read.where(read.directory.entry("C").header.line) == (str(index.parent / "linux.direct"), 3)
    assert read.where(1) == (str(index), 1)


def test_show_says_where_an_entry_stands(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "show", index)
    assert code == 0 and out.splitlines()[-1].split() == [
        "USER",
        "C",
        "3",
        "LINDFLT",
        "1",
        "1",
        str(index.parent / "linux.direct"),
    ]
    rows = json.loads(run(capsys, "show", index, "--json")[1])["entries"]
    assert (rows[-1]["line"], rows[-1]["file"]) == (3, str(index.parent / "linux.direct"))


def test_findings_have_the_file_and_the_line_in_it(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    linux = index.parent / "linux.direct"
    linux.write_text(linux.read_text().replace("LINK G 11B0", "LINK G 11B1"))
    code, out, _ = run(capsys, "check", index)
    assert code == 1
    assert out.splitlines()[0] == f"{linux}:5: error: C links G 11B1, which does not exist [link-disk-missing]"
    (row,) = json.loads(run(capsys, "check", index, "--json")[1])["findings"]
    assert (row["file"], row["line"]) == (str(linux), 5)


def test_a_file_that_is_not_there(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (index.parent / "PROFS DIRECT").unlink()
    code, out, _ = run(capsys, "check", index)
    assert code == 1
    assert f"{index}:3: error: there is no file of that name beside this one [load-missing]" in out
    assert "note: there is no PROFILE LINDFLT [profile-missing]" in out
    code, _, err = run(capsys, "show", index)
    assert code == 0 and "there is no file PROFS DIRECT beside it" in err


def test_an_index_alone_is_a_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "USER.DIRECT"
    path.write_text(" LOAD A DIRECT\n LOAD B DIRECT\n")
    assert run(capsys, "show", path)[0] == 0
    code, out, _ = run(capsys, "check", path)
    assert code == 1 and out.endswith("2 errors, 0 warnings, 0 notes\n")


def test_a_directory_statement_may_stand_before_the_loads(tmp_path: Path) -> None:
    (tmp_path / "USER.DIRECT").write_text("DIRECTORY 123 3390 VOL\nLOAD A DIRECT\n")
    (tmp_path / "A.DIRECT").write_text("USER A NOLOG\n")
    read = files.load_source(str(tmp_path / "USER.DIRECT"))
    assert [entry.name for entry in read.directory.entries] == ["123", "A"]
    assert check(read.directory, missing=read.missing) == []


def test_an_edit_writes_the_file_that_has_the_entry_and_no_other(
    index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "edit", index, "--entry", "C", "--remove", "1B5", "-w")
    linux = index.parent / "linux.direct"
    assert code == 0 and out.endswith(f"Written to {linux}.\n")
    assert linux.read_text() == FILES["linux.direct"].replace(" MDISK 1B5 3390 11 10 V MR\n", "")
    assert {name: (index.parent / name).read_text() for name in list(FILES)[:3]} == dict(list(FILES.items())[:3])


def test_an_index_is_not_written_elsewhere(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "edit", index, "--entry", "C", "--remove", "1B5", "-o", index.parent / "NEW")
    assert code == 2 and "index file" in err
    assert not (index.parent / "NEW").exists()


@pytest.mark.parametrize("name", ["../x", "A/B", "TOOLONGNAME", "A\\B"])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "x.DIRECT").write_text("USER EVIL NOLOG\n")
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "USER.DIRECT").write_text(f"LOAD {name} DIRECT\nLOAD USER DIRECT\n")
    read = files.load_source(str(folder / "USER.DIRECT"))
    assert read.directory.entries == () and len(read.missing) == 2
