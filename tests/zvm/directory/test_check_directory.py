"""What ``check`` finds, with the right line, and what it keeps quiet about."""

from __future__ import annotations

from collections import Counter

import pytest

from goldroot.zvm.directory import Directory, check


def found(text: str) -> list[tuple[int, str, str]]:
    return [(one.line, one.severity, one.code) for one in check(Directory.parse(text.encode("latin-1")))]


TWO_MEMBERS = "IDENTITY A PW 1G 2G G\n BUILD ON M1 USING SUBCONFIG A-1\n BUILD ON M2 USING SUBCONFIG A-2\n"
BUILT = "IDENTITY A PW\n BUILD ON V USING SUBCONFIG A-1"
OWNER = "USER OWN NOLOG\n MDISK 190 3390 1 10 V1 RR\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (OWNER + " MDISK 191 3390 5 10 V1 MR", [(3, "error", "overlap")]),
        (OWNER + " MDISK 191 3390 10 1 V1 MR", [(3, "error", "overlap")]),
        (OWNER + " MDISK 191 3390 11 1 V1 MR", []),
        (OWNER + " MDISK 191 3390 5 10 V2 MR", []),
        (OWNER + " MDISK 191 3390 1 10 V1 MR", [(3, "warning", "same-extent")]),
        (OWNER + " MDISK 123 3390 0 END V1 MW", [(3, "note", "full-volume")]),
        (OWNER + " MDISK 123 3390 0000 3339 V1 MW", [(3, "note", "full-volume")]),
        (OWNER + " MDISK 191 3390 5 END V1 MR", [(3, "error", "overlap")]),
        (OWNER + " MDISK 191 3390 0 5 V1 MR", [(2, "error", "overlap"), (3, "warning", "volume-label")]),
        (OWNER + " MDISK 191 3390 0000 100 V9 MR", [(3, "warning", "volume-label")]),
        (OWNER + " MDISK 191 3390 0 3339 V9 MR", []),
        (OWNER + " MDISK 191 3390 0 END V9 MR", []),
        (OWNER + " MDISK 191 FB-512 0 1000 V9 MR", [(3, "warning", "volume-label")]),
        ("USER $HOLD$ NOLOG\n MDISK 191 3390 0 1 V9 R", []),
        (OWNER + " MDISK 191 3390 T-DISK 5 MR", []),
        (OWNER + " MDISK 191 FB-512 V-DISK 64000 MR", []),
        (OWNER + " MDISK 191 3390 DEVNO 0190 MR", []),
        (OWNER + " MDISK 191 3390 AUTOG 5 V1 MR", []),
        (
            OWNER + " MDISK 191 3390 5 1 V1 MR\n MDISK 192 3390 7 1 V1 MR",
            [(3, "error", "overlap"), (4, "error", "overlap")],
        ),
        (OWNER + " MDISK 191 3390 501 1 $$$$$$ MR\n MDISK 192 3390 501 1 $$$$$$ MR", []),
        (OWNER + " LINK X 0190 190 RR\nUSER X NOLOG\n MDISK 190 3390 1 1 V2 MR", [(3, "error", "duplicate-address")]),
        (OWNER + " NICDEF 600 TYPE QDIO\n NICDEF 0600 LAN SYSTEM V", []),
        (OWNER + "USER L PW\n LINK OWN 190", []),
        (OWNER + "USER L PW\n LINK OWN 191", [(4, "error", "link-disk-missing")]),
        (OWNER + "USER L PW\n LINK NOBODY 190", [(4, "error", "link-owner-missing")]),
        (OWNER + "USER L PW\n LINK OWN 190 290\nUSER M PW\n LINK L 290", []),
        (
            OWNER + "USER L PW\n LINK M 190\nUSER M PW\n LINK L 190",
            [(4, "error", "link-disk-missing"), (6, "error", "link-disk-missing")],
        ),
        ("USER L PW\n INCLUDE P", [(2, "error", "profile-missing")]),
        ("PROFILE P\nUSER L PW\n* remark\n INCLUDE P", []),
        ("PROFILE P\nUSER L PW\n IPL CMS\n INCLUDE P", [(4, "error", "include-late")]),
        ("PROFILE P\nUSER L PW\n INCLUDE P\n INCLUDE P", [(4, "error", "include-twice")]),
        ("PROFILE P\n INCLUDE Q\nPROFILE Q\nUSER U PW\n INCLUDE P", [(2, "error", "include-in-profile")]),
        ("PROFILE P", [(1, "note", "profile-unused")]),
        ("USER A PW\nUSER A PW", [(2, "error", "duplicate-entry")]),
        ("PROFILE A\nUSER A PW\nUSER B PW\n INCLUDE A", []),
        ("USER A PW\nPROFILE A\nUSER B PW\n INCLUDE A", [(2, "error", "entry-order")]),
        ("PROFILE A\nGLOBALDEFS\nUSER B PW\n INCLUDE A", [(2, "error", "entry-order")]),
        ("USER B PW\nDIRECTORY 123 3390 VOL\nUSER C PW", [(2, "error", "entry-order")]),
        ("DIRECTORY 123 3390 VOL\nGLOBALDEFS\nPROFILE P\nUSER C PW\n INCLUDE P\nUSER D PW", []),
        ("USER A PW 2G 1G G", [(1, "error", "storage-over-maximum")]),
        ("USER A PW 1025M 1G G", [(1, "error", "storage-over-maximum")]),
        ("USER A PW 1024M 1G G", []),
        ("USER A PW 1G", []),
        ("USER A PW * 1G G", []),
        ("USER A PW 1G 2G G\n STORAGE 4G", [(2, "error", "storage-over-maximum")]),
        ("USER A PW 1G 2G G\n STORAGE 4G\n MAXSTORAGE 8G", []),
        ("USER A PW 1G 2G G\n MAXSTOR 512M", [(2, "error", "storage-over-maximum")]),
        ("IDENTITY A PW 2G 1G G", [(1, "error", "storage-over-maximum"), (1, "warning", "identity-not-built")]),
        ("PROFILE P\n MAXSTORAGE 1G\nUSER A PW 2G\n INCLUDE P", [(3, "error", "storage-over-maximum")]),
        ("PROFILE P\n STORAGE 4G\nUSER A PW * 2G\n INCLUDE P", [(3, "error", "storage-over-maximum")]),
        ("PROFILE P\n STORAGE 4G\nUSER A PW 1G 2G\n INCLUDE P", []),
        (
            TWO_MEMBERS + "SUBCONFIG A-1\n STORAGE 4G\nSUBCONFIG A-2\n STORAGE 2G",
            [(5, "error", "storage-over-maximum")],
        ),
        (
            TWO_MEMBERS + "SUBCONFIG A-1\n MAXSTORAGE 4G\n STORAGE 4G\nSUBCONFIG A-2\n MAXSTORAGE 512M",
            [(8, "error", "storage-over-maximum")],
        ),
        (OWNER + " MDISK 191 3390 T-DISK 0 MR\n MDISK 192 9336 0 16 V9 MR", [(4, "warning", "volume-label")]),
        ("SUBCONFIG A-1\n MDISK 191 3390 0 10 V MR\n" + BUILT, [(2, "warning", "volume-label")]),
        ("USER A PW 1024 1G G", [(1, "error", "storage-size")]),
        ("USER A PW 1G 2G G\n STORAGE big", [(2, "error", "storage-size")]),
        ("IDENTITY A PW\n BUILD ON V USING SUBCONFIG A-1", [(2, "error", "subconfig-missing")]),
        ("IDENTITY A PW", [(1, "warning", "identity-not-built")]),
        ("SUBCONFIG A-1", [(1, "warning", "subconfig-unused")]),
        (
            "IDENTITY A PW\n BUILD ON V USING SUBCONFIG A-1\n CONSOLE 9 3215\nSUBCONFIG A-1\n SPOOL 009 1403 A",
            [(5, "error", "duplicate-address")],
        ),
        ("USER A NOPASS", [(1, "warning", "no-password")]),
        ("USER A", [(1, "error", "password-missing")]),
        ("USER", [(1, "error", "name-missing"), (1, "error", "password-missing")]),
        ("USER TOOLONGNAME PW", [(1, "error", "name-long")]),
        ("USER A PW\n IPL 190", [(2, "warning", "ipl-device-missing")]),
        (OWNER + " IPL 191\n", [(3, "error", "general-after-device"), (3, "warning", "ipl-device-missing")]),
        ("USER A PW\n CONSOLE 009 3215\n OPTION ACCT", [(3, "error", "general-after-device")]),
        ("USER A PW\n CONSOLE 009 3215\n NAMESAVE GCS", []),
        ("USER A PW\n CONSOLE 009 3215\n NAMES GCS\n MDISK 191 3390 AUTOG 5 G MR", []),
        ("USER A PW\n LOAD A DIRECT", [(2, "error", "outside")]),
        ("LOAD A DIRECT\nUSER A PW", []),
        ("USER A PW\n MINIOPT NOMDC", [(2, "error", "option-alone")]),
        (OWNER + " MINIOPT NOMDC\n DASDOPT X\n* remark\n", []),
        (OWNER + " NOSUCH x", [(3, "warning", "unknown")]),
        (OWNER + " CONSOLE XYZ 3215", [(3, "error", "address")]),
        (OWNER + " MDISK 191 3390", [(3, "error", "mdisk-incomplete")]),
        (OWNER + " MDISK 191 3390 X 5 V9 MR", [(3, "error", "mdisk-extent")]),
        (OWNER + " MDISK 191 3390 50 0 V9 MR", [(3, "error", "mdisk-extent")]),
        (OWNER + " MDISK 191 3390 50 1 V9 QQ", [(3, "error", "mode")]),
        (OWNER + "USER L PW\n LINK OWN 190 190 QQ", [(4, "error", "mode")]),
        (OWNER + "USER L PW\n LINK OWN 190 190 RR X", [(4, "warning", "link-words")]),
        (OWNER + "USER L PW\n LINK OWN XXX", [(4, "error", "address"), (4, "error", "address")]),
        ("USER A PW\n COMMAND SET X,", [(2, "warning", "continuation-open")]),
        ("USER A PW\n COMMAND SET X,\n* remark\n Y", [(2, "warning", "continuation-gap")]),
        ("USER A PW\n COMMAND SET X,\n SPOOL 00C 2540 READER", [(2, "warning", "continuation-swallows")]),
        ("USER A PW\n COMMAND " + "X" * 70, [(2, "warning", "beyond-column-72")]),
        ("USER A PW\n COMMAND " + "X" * 63 + "00010000", []),
        ("USER A PW\n ACCOUNT \x01", [(2, "warning", "no-text")]),
        ("LINK A 190\nUSER A PW", [(1, "error", "outside")]),
    ],
)
def test_findings(text: str, expected: list[tuple[int, str, str]]) -> None:
    assert sorted(set(found(text))) == sorted(set(expected))


def test_what_is_said_names_both_sides() -> None:
    (one,) = check(Directory.parse((OWNER + "USER B NOLOG\n MDISK 191 3390 5 10 V1 MR").encode()))
    assert one.text == "B 0191 (V1 5-14) overlaps OWN 0190 (1-10) of line 2"
    assert (one.line, one.entry) == (4, "B")


def test_modern_directory_is_clean(modern_bytes: bytes) -> None:
    assert check(Directory.parse(modern_bytes)) == []


def test_old_directory(old_bytes: bytes) -> None:
    """Links to disks that the old system has are fine in every layout."""
    assert [one.code for one in check(Directory.parse(old_bytes))] == []


def test_the_captured_directory_is_consistent(captured_bytes: bytes) -> None:
    """A running system's directory: nothing wrong in 823 links and 512 minidisks; full volumes are notes."""
    directory = Directory.parse(captured_bytes)
    assert Counter(one.severity for one in check(directory)) == {"note": 11}


def test_a_fault_in_the_captured_directory_is_found(captured_bytes: bytes) -> None:
    """One link, one disk and one address broken: three findings more, at their lines."""
    lines = captured_bytes.split(b"\n")
    where = {line: at for at, line in enumerate(lines)}
    link = where[b" LINK 7VMTCP10 491 491 RR"]
    lines[link] = b" LINK 7VMTCP10 4F1 491 RR"
    broken = check(Directory.parse(b"\n".join(lines)))
    errors = [one for one in broken if one.severity == "error"]
    assert any(one.line == link + 1 and one.code == "link-disk-missing" for one in errors)
