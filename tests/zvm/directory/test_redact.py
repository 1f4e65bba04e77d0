"""No password in anything that is shown."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldroot.zvm.directory import Directory, Secret, check, differences, keyword_form, redact, views
from goldroot.zvm.directory.asdata import entry_data

#: Statements with passwords, each of which holds the letters SENT.
SECRET_LINES = [
    "USER LNX1 SENTPW 512M 1G G",
    "user lnx1 SENTpw",
    "u lnx1 SENTPW",
    "IDENTITY LNX2 SENTPW 512M 1G G",
    "IDENT LNX2 SENTPW",
    "MDISK 0100 3390 0001 10016 EMC2C4 MR SENTR SENTW SENTM",
    "MDISK 191 3330 101 010 CPVOL1 WR SENTR SENTW",
    "m 191 3330 101 010 cpvol1 wr SENTR",
    "MDISK 0199 3390 DEVNO 0201 MR SENTR SENTW",
    "MDISK 0401 FB-512 V-DISK 8000 MW SENTR SENTW SENTM",
    "MDISK 0401 3390 T-DISK 80 MW SENTR",
    "MDISK 0100 3390 AUTOG 100 POOL1 MR SENTR",
    "MDISK 0100 3390 1 2 VOL SENTR",
    "MDISK=VDEV=0100 DEVTYPE=3390 MODE=MR READPW=SENTKW",
    "READPASSWORD=SENTRP WRITEPASSWORD=SENTWP MULTIPASSWORD=SENTMP",
    "READPASSWORD= WRITEPASSWORD=SENTWP",
    "LINK MAINT 190 190 RR SENTL",
    "LINK MAINT 190 190 SENTL",
    "APPCPASS LUA LUB USERX SENTAPPC",
    "COMMAND XAUTOLOG VSEVM SENTAUTO",
    "COMMAND XAUTOLOG VSEVM PW SENTAUTO",
    "COMMAND AUTOLOG VSEVM SENTAUTO",
    "CMD LOGON VSEVM SENTAUTO",
    "COMMAND LINK MAINT 190 190 RR SENTL",
    "COMMAND CP LINK TO MAINT 190 AS 190 RR PASS=SENTL",
    "COMMAND LINK MAINT 190 190 PASS= SENTL",
    "COMMAND SEND OPERATOR LOGON X SENTL",
    "COMMAND SET RUN ON#LINK MAINT 190 190 RR SENTL",
    "LOADDEV SCPDATA HEX 'E2C5SENT'",
    "LOADDEV SCPDATA 'root=/dev/dasda1 rd.passwd=SENTX ro'",
    "NICDEF 600 TYPE QDIO PASSWORD SENTX",
    "SPECIAL 600 QDIO 3 PASS=SENTX",
    "IPL CMS PARM PASSWORD=SENTX",
    "*PW00= 00SENT11",
    "*PW01= 00SENT11",
    "*PW= SENT",
    "  *PW= SENT",
    "* USER LNX1 SENTC 512M 1G G",
    "*IDENT LNX2 SENTC",
    "** USER LNX1 SENTC",
    "* MDISK 0100 3390 0001 10016 EMC2C4 MR SENTR SENTW",
    "* MDISK 0401 FB-512 V-DISK 8000 MW SENTR",
    "*APPCPASS LUA LUB USERX SENTA",
    "* COMMAND XAUTOLOG VSEVM SENTA",
    "* old: USER LNX1 SENTC 512M 1G G",
    "* 2019-04-11 was IDENTITY LNX1 SENTC 512M",
    "*-USER LNX1 SENTC 1G",
    "*was:user lnx1 sentc 1g 2g g".replace("sentc", "SENTC"),
    "* changed: USER LNX1 SENTC",
    "* (USER LNX1 SENTC 1G G)",
    "* IDENT LNX2 SENTC 1G; USER LNX3 SENTD 1G",
    "* u lnx1 SENTC 512m",
    "* from 2019: user lnx1 SENTC 16 32 G",
    "* USER LNX1 PW SENTC",
    "* userid LNX1 SENTC 512M 1G G",
    "* LNX1 SENTC 512M 1G G",
    "* LNX1 had MDISK 191 3390 1 10 VOL MR SENTR SENTW SENTM",
    "* before: m 191 3390 1 10 vol mr SENTR",
    "* then LINK MAINT 190 190 RR SENTL",
    "* by hand: l maint 190 190 rr SENTL",
    "* log it on with XAUTOLOG LNX1 SENTA",
    "* LOGON LNX1 SENTA",
    "* DIRM FOR LNX1 SETPW SENTA",
    "* from LNX2: *PW= SENT",
    "* from LNX2: *PW00= 00SENT11",
    "MDISK 100 3390 1 2 VOL MR\n SENTR SENTW SENTM",
    "* MDISK 100 3390 1 2 VOL MR,\n* SENTR SENTW SENTM",
    "* the password is SENTX",
    "* Passwort: pw=SENTX",
    "* Kennwort SENTX",
    "* old password was SENTX",
    "* password for MAINT is SENTX",
    "* the passwords of LNX1: SENTR / SENTW",
    "* PASSWORD CHANGED TO SENTX since May",
    "* password/SENTX",
    "* SENTX is the password",
    "* read, write and multi pw are SENTR SENTW SENTM",
    "* pass phrase: SENTX",
    "USER LNX1 ,\n SENTPW 1G",
    "MDISK 100 3390 1 2 VOL MR,\n* remark\n SENTR,\n SENTW",
    "COMMAND MSG OP X,\nMDISK 100 3390 1 2 VOL MR SENTR",
    "USER A B" + " " * 64 + "SENTSEQ",
]


@pytest.mark.parametrize("text", SECRET_LINES)
def test_no_form_of_password_is_shown(text: str) -> None:
    data = ("USER HOLDER NOLOG\n" + text + "\n").encode()
    assert "SENT" not in redact.text(data)
    directory = Directory.parse(data)
    assert "SENT" not in json.dumps([entry_data(entry) for entry in directory.entries])
    if not text.startswith(("NICDEF", "SPECIAL", "IPL")):
        assert "SENT" not in repr([list(views(entry)) for entry in directory.entries])
    assert "SENT" not in repr([keyword_form(directory, entry) for entry in directory.entries])
    assert "SENT" not in repr(check(directory))
    empty = Directory.parse(b"USER HOLDER NOLOG\n").entries[0]
    for entry in directory.entries:
        for one, other in ((entry, empty), (empty, entry)):
            assert "SENT" not in repr(differences(one, other))


@pytest.mark.parametrize(
    "text",
    [
        "USER LNX1 NOLOG 512M 1G G",
        "USER LNX1 LBYONLY",
        "MDISK 0100 3390 0001 10016 EMC2C4 MR",
        "MDISK 0199 3390 DEVNO 0201 MR",
        "LINK MAINT 190 190 RR * CMS SYSTEM DISK",
        "LINK MAINT 190",
        "LINK MAINT 190 RR",
        "AUTOLOG OPERATOR MAINT",
        "XAUTOLOG AUTOLOG1",
        "LOGONBY IBMVM1 MAINT",
        "COMMAND SET VSWITCH EXTERN GRANT &USERID",
        "COMMAND COUPLE 0600 TO SYSTEM EXTERN",
        "COMMAND DEFINE STORAGE 1G STANDBY 2G",
        "NICDEF 0600 TYPE QDIO LAN SYSTEM VSW1",
        "IPL 1B0 LOADPARM 2",
        "* LINK to the disks of the others",
        "* use it for nothing else",
        "* a compass, and what bypasses it",
        "* a user id of eight characters",
        "* the user of this guest is not known",
        "* the link to the disk 190 of MAINT",
        "* LINK MAINT 19E 19E RR * Product code disk",
        "*USER DATAMOV3 AUTOONLY   32M  128M BG",
        "*DVHOPT LNK0 LOG1 RCM1 SMS0 NPW1 LNGAMENG PWC20190412 CRC\xf3:",
        "*ED= 19/04/13 21:23:45 MAINT    ENTRY    19/04/13",
        "READPASSWORD= WRITEPASSWORD= MULTIPASSWORD=",
    ],
)
def test_what_is_no_secret_is_shown_as_it_is(text: str) -> None:
    assert redact.text(text.encode("latin-1")) == text


def test_only_the_password_is_masked() -> None:
    assert redact.text(b" MDISK 191 3390 1 5 V MR A B\nUSER X Y 1G") == (
        " MDISK 191 3390 1 5 V MR ******** ********\nUSER X ******** 1G"
    )


@pytest.mark.parametrize(
    ("item", "shown"),
    [
        ("COMMENT=USER LNX1 SENT 512M 1G G", "COMMENT=USER LNX1 ******** 512M 1G G"),
        ("COMMENT=* was IDENTITY LNX1 SENT 1G", "COMMENT=* was IDENTITY LNX1 ******** 1G"),
        ("COMMENT=MDISK 191 3390 1 5 VOL MR SENT", "COMMENT=MDISK 191 3390 1 5 VOL MR ********"),
        ("USER=LNX1 SENT 512M", "USER=LNX1 ******** 512M"),
        ("USER=USERID=LNX1 PASSWORD=SENT", "USER=USERID=LNX1 PASSWORD=********"),
        ("SENT", "********"),
        ("AUTOLOG=OP1 OP2", "AUTOLOG=OP1 OP2"),
        ("LINK=USERID=MAINT VDEV1=0190 VDEV2=0190 MODE=RR", "LINK=USERID=MAINT VDEV1=0190 VDEV2=0190 MODE=RR"),
        ("NOLOG", "NOLOG"),
    ],
)
def test_an_item_of_the_keyword_form(item: str, shown: str) -> None:
    """As a directory manager answers it: a comment in it may hold a whole statement."""
    assert redact.keyword_item(item) == shown


def test_a_secret_never_prints_itself() -> None:
    secret = Secret("SENT")
    assert "SENT" not in f"{secret} {secret!r} {[secret]} {secret:}"
    assert secret == Secret("SENT") != Secret("OTHER")
    assert secret.reveal() == "SENT"


PASSWORD = st.text("BCDFGHJKLNPQSTVXYZ", min_size=6, max_size=8).map(lambda word: "QZ" + word[:6])


@given(PASSWORD, st.sampled_from(SECRET_LINES), st.sampled_from(["", "*", "* "]), st.integers(0, 3))
def test_secrets_in_any_dress(word: str, line: str, comment: str, blanks: int) -> None:
    """Any password, in each statement, indented or commented out."""
    text = (" " * blanks + comment + line).replace("SENT", word)
    if comment and (line.startswith(("u ", "m ", "LOADDEV SCPDATA HEX")) or "\n" in line):
        return  # a comment that begins with one letter is prose
    assert word not in redact.text(f"USER H NOLOG\n{text}\n".encode())


def test_captured_passwords_are_not_shown(captured_bytes: bytes) -> None:
    directory = Directory.parse(captured_bytes)
    shown = redact.text(captured_bytes).split("\n")
    checked = 0
    for statement, line in zip(directory.statements(), shown, strict=True):
        if statement.keyword == "MDISK" and len(statement.raw_words) > 7:
            assert line.split()[7:10] == ["********"] * len(statement.raw_words[7:10])
            checked += 1
        if statement.keyword in ("USER", "IDENTITY"):
            assert line.split()[2] in ("********", "NOLOG", "AUTOONLY", "LBYONLY")
            checked += 1
    assert checked > 400
    assert not any("PW" in line and "=" in line and not line.endswith("********") for line in shown if "*PW" in line)
