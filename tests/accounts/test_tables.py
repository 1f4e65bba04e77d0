"""Account tables as data: what is a record, what is odd, and that no other system's files are read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goldroot.accounts import ACCOUNT_FILES, AccountTables
from goldroot.accounts.tables import Key, LoginDefs, NumberRanges, number_of, parse_login_defs, parse_table
from goldroot.errors import BadInput, NoPermission

PASSWD_TEXT = (
    b"root:x:0:0:root:/root:/bin/bash\n"
    b"# a remark\n"
    b"\n"
    b"toor:x:0:0::/root:/bin/sh\n"
    b"anna:x:1000:1000::/home/anna:/bin/bash\n"
    b"anna:x:1007:1000::/home/other:/bin/bash\n"
    b"caf\xe9:x:1001:1001::/:/bin/sh\n"
    b"bad:x:abc:5::/:/bin/sh\n"
    b"huge:x:4294967295:5::/:/bin/sh\n"
    b"-user\n"
    b"+nis::::::\n"
)


@settings(deadline=None)
@given(st.sampled_from(ACCOUNT_FILES), st.binary(max_size=80) | st.from_regex(rb"([a-z+#]{0,3}:[x0-9:]{0,9}\n?){0,5}"))
def test_a_table_gives_its_file_back(file: str, data: bytes) -> None:
    assert parse_table(file, data).render() == data


def test_a_missing_file_is_an_empty_table_and_stays_missing() -> None:
    table = parse_table("passwd", None)
    assert not table.lines
    assert table.render() is None
    assert parse_table("passwd", b"").render() == b""


def test_first_records_count_for_names_and_numbers() -> None:
    tables = AccountTables.of({"passwd": PASSWD_TEXT})
    assert tables.users == {b"root": 0, b"toor": 0, b"anna": 1000, b"caf\xe9": 1001}
    assert tables.user_names == {0: b"root", 1000: b"anna", 1001: b"caf\xe9"}
    assert tables.groups == {}


def test_odd_lines_are_told_from_records() -> None:
    table = parse_table("passwd", PASSWD_TEXT)
    odd = [key.text for key in table.lines if key.odd]
    assert odd[:2] == [b"# a remark", b""]
    assert [text.split(b":")[0] for text in odd[2:]] == [b"bad", b"huge", b"-user", b"+nis"]
    assert Key(b"anna", 1) in table.lines


@pytest.mark.parametrize(
    ("text", "number"),
    [(b"0", 0), (b"007", 7), (b"4294967294", 2**32 - 2), (b"4294967295", None), (b"", None), (b"-1", None),
     (b" 5", None), (b"9" * 5000, None), ("²".encode(), None)],
)  # fmt: skip
def test_numbers(text: bytes, number: int | None) -> None:
    assert number_of(text) == number


def test_login_defs() -> None:
    assert parse_login_defs(None) == LoginDefs()
    text = (
        b"# UID_MIN 5\nUID_MIN\t 500\nSYS_UID_MIN 201\nGID_MAX 70000\nUID_MAX many\nSUB_UID_MIN 200000\nUID_MIN 600\n"
    )
    defs = parse_login_defs(text)
    assert defs.users == NumberRanges(600, 60000, 201, 599)
    assert defs.groups == NumberRanges(1000, 70000, 101, 999)
    assert defs.sub_users == (200000, 600100000)


def test_people_start_behind_the_system_where_only_that_is_set() -> None:
    assert parse_login_defs(b"SYS_UID_MAX 499\n").users == NumberRanges(500, 60000, 101, 499)


def test_nobody_is_a_system_account() -> None:
    assert NumberRanges().is_system(65534)
    assert NumberRanges().is_system(999)
    assert not NumberRanges().is_system(1000)


def test_read_below_a_root(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_bytes(PASSWD_TEXT)
    (tmp_path / "etc/login.defs").write_bytes(b"UID_MIN 500\n")
    tables = AccountTables.read(tmp_path, b"etc")
    assert tables.files["passwd"] == PASSWD_TEXT
    assert "group" not in tables.files
    assert tables.login_defs.users.person_min == 500
    assert AccountTables.read(tmp_path / "etc").files == tables.files


def test_a_root_without_etc_has_no_accounts(tmp_path: Path) -> None:
    assert AccountTables.read(tmp_path, b"etc").empty
    (tmp_path / "etc").write_bytes(b"")
    assert AccountTables.read(tmp_path, b"etc").empty


def test_links_are_never_followed(tmp_path: Path) -> None:
    """Rule 5: a link to the running host's files must not bring them in."""
    (tmp_path / "etc").symlink_to("/etc")
    assert AccountTables.read(tmp_path, b"etc").empty
    (tmp_path / "own").mkdir()
    (tmp_path / "own/passwd").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "own/group")
    (tmp_path / "own/shadow").mkdir()
    tables = AccountTables.read(tmp_path / "own")
    assert tables.files == {}
    assert tables.irregular == ("passwd", "group", "shadow")


def test_no_directory_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not a directory"):
        AccountTables.read(tmp_path / "absent")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_forbidden_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "shadow").write_bytes(b"")
    (tmp_path / "shadow").chmod(0)
    with pytest.raises(NoPermission, match="shadow"):
        AccountTables.read(tmp_path)
