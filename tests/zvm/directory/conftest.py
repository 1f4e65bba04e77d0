"""Directories to test with: the captured one where it is there, and small ones that are always there."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def captured() -> Path:
    """The folder with what was captured from a z/VM 7.1."""
    given = os.environ.get("GOLDROOT_SHARED") or Path(__file__).resolve().parents[4] / "shared"
    folder = Path(given) / "zvm"
    if not (folder / "zvm71-user-direct.txt").is_file():
        pytest.skip(f"the captured z/VM 7.1 directory is not in {folder} (GOLDROOT_SHARED says where)")
    return folder


@pytest.fixture(scope="session")
def captured_bytes(captured: Path) -> bytes:
    return (captured / "zvm71-user-direct.txt").read_bytes()


@pytest.fixture(scope="session")
def captured_entries(captured: Path) -> list[dict[str, Any]]:
    """The 277 entries as ``Query_All_DM format=no`` gave them."""
    found: list[dict[str, Any]] = json.loads((captured / "zvm71-query-all-dm-format-no.json").read_text())
    return found


@pytest.fixture(scope="session")
def captured_forms(captured: Path) -> list[dict[str, Any]]:
    """The 134 machines and profiles as ``Query_All_DM format=yes`` gave them."""
    found: list[dict[str, Any]] = json.loads((captured / "zvm71-query-all-dm-format-yes.json").read_text())
    return found


def numbered(text: str, *, eol: str = "\n", width: int = 80) -> bytes:
    """Text as 80-column records with sequence numbers in 73-80 (in some of them, as real files have it)."""
    lines = text.strip("\n").split("\n")
    rows = [
        line.ljust(72) + (f"{number * 10000:08d}" if number % 3 else " " * 8) for number, line in enumerate(lines, 1)
    ]
    return "".join(row[:width] + eol for row in rows).encode("latin-1")


OLD = """
***********************************************************************
* A system of the seventies
***********************************************************************
DIRECTORY 6A1 3350 VM50-1

USER $ALLOC$ NOLOG
*        cuu type adr num volser mode readpw   writepw  multpw
 MDISK   101 3350 000 001 VM50-1 R

USER DOSSTART SEVENTIES 2M 16M G
 ACCOUNT DOSSTART DOSSTART
 OPTION ECMODE REALTIMER CPUID 000611
 CONSOLE 01F 3215
 SPOOL 00C 2540 READER A
 SPECIAL 0FF TIMER
 DEDICATE 360 361
 MDISK   148 3350 000 555 SYSRES MW   OLDREAD  OLDWRITE ALL
 MDISK 191 3330 101 010 CPVOL1 WR RPASS WPASS

user maint cpcms 15m 16m abcdefgh 64 ! ON # "
 ipl cms parm autocr
 c 009 3215
 s 00C 2540 read *
 s 00D 2540 pun a
 l dosstart 191 192 rr
 l dosstart 148
 m 190 3350 103 061 vm50-1 mr   all      write    mult
"""


@pytest.fixture(params=["lf", "crlf", "fixed", "bare"])
def old_bytes(request: pytest.FixtureRequest) -> bytes:
    """A directory of VM/370's time in each layout: numbered lines, CRLF, 80-byte records, and bare lines."""
    if request.param == "bare":
        return OLD.lstrip("\n").encode()
    return numbered(OLD, eol={"lf": "\n", "crlf": "\r\n", "fixed": ""}[request.param])


MODERN = """
DIRECTORY SSI 123 3390 M01RES M02RES
GLOBALDEF
GLOBALOPTS CHPIDV ONE
PROFILE LINDFLT
 MACHINE ESA 8
 IPL CMS PARM AUTOCR
 CONSOLE 0009 3215 T
 SPOOL 00C 2540 READER *
 LINK MAINT 0190 0190 RR
 LINK MAINT 019E 019E RR
IDENTITY MAINT GEHEIM0 256M 1000M ABCDEFG
*PW= 19/02/21
 BUILD ON VM1 USING SUBCONFIG MAINT-1
 BUILD ON VM2 USING SUBCONFIG MAINT-2
 OPTION MAINTCCW LNKS LNKE LNKNOPAS
SUBCONFIG MAINT-1
 MDISK 190 3390 280 214 M01RES MR ALL      GEHEIM1  GEHEIM2
 MDISK 19E 3390 01461 500 M01RES MR ALL    GEHEIM3  GEHEIM4
SUBCONFIG MAINT-2
 MDISK 190 3390 280 214 M02RES MR ALL      GEHEIM1  GEHEIM2
 MDISK 19E 3390 01461 500 M02RES MR ALL    GEHEIM3  GEHEIM4
USER S10GOLD NOLOG
 MDISK 11B0 3390 0001 3338 GOLD01 RR
USER S10GOLD2 NOLOG
 MDISK 11B0 3390 0001 3338 GOLD02 RR
USER C1 GEHEIM5 2G 4G G
*PW00= C7C5C8C5C9D4F6
 INCLUDE LINDFLT
*DVHOPT LNK0 LOG1 RCM1 SMS0 NPW1 LNGAMENG PWC20190412 CRC\xf3:
 COMMAND SET VSWITCH EXTERN GRANT &USERID
 COMMAND COUPLE 0600 TO SYSTEM EXTERN
 OPTION MAXCONN 10 LNKNOPAS
 IPL 1B0
 NICDEF 0600 TYPE QDIO DEVICES 3
 NICDEF 0600 LAN SYSTEM VSW1
 LINK S10GOLD 11B0 01B0 RR
 MDISK 01B5 3390 0001 0100 LX0001 MR GEHEIM7  GEHEIM8  GEHEIM9
 MINIOPT NOMDC
* between the disks
 MDISK 05B5 3390 0101 0100 LX0001 MR
"""


@pytest.fixture
def modern_bytes() -> bytes:
    """A directory of today: profile, SSI identity, gold and a clone."""
    return MODERN.lstrip("\n").encode("latin-1")
