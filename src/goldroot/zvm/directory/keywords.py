"""The directory statements: their names, how far each may be abbreviated, and where each may stand.

Source: IBM, CP Planning and Administration (z/VM 7), whose syntax diagrams write the shortest form in capitals, as
``Mdisk``; the captured 7.1 directory (MACH, MAXSTOR, GLOBALDEF) and VM/370 directories.
"""

from __future__ import annotations

#: Statements that begin an entry, with the length of the shortest form.
HEADERS = {"DIRECTORY": 3, "GLOBALDEFS": 9, "PROFILE": 4, "USER": 1, "IDENTITY": 5, "SUBCONFIG": 4}

#: Statements of an index file: each names a file with entries (IBM, "Source Directory File Formats").
INDEX = {"LOAD": 4}

#: Statements about the machine as a whole: they stand before the devices.
GENERAL = {
    "ACCOUNT": 1,
    "ACIGROUP": 8,
    "APPCPASS": 5,
    "AUTOLOG": 5,
    "BUILD": 5,
    "CLASS": 2,
    "COMMAND": 3,
    "CPU": 3,
    "CRYPTO": 3,
    "D8ONECMD": 8,
    "DATEFORMAT": 8,
    "GLOBALOPTS": 9,
    "INCLUDE": 3,
    "IOPRIORITY": 6,
    "IPL": 1,
    "IUCV": 2,
    "LOADDEV": 5,
    "LOGONBY": 6,
    "MACHINE": 3,
    "MAXSTORAGE": 4,
    "NAMESAVE": 4,
    "NOPDATA": 4,
    "OPTION": 1,
    "POOL": 4,
    "POSIXGLIST": 10,
    "POSIXGROUP": 10,
    "POSIXINFO": 9,
    "POSIXOPT": 8,
    "SCREEN": 3,
    "SHARE": 2,
    "SPOOLFILE": 6,
    "STDEVOPT": 8,
    "STORAGE": 2,
    "SYSAFFIN": 8,
    "VMRELOCATE": 5,
    "XAUTOLOG": 5,
    "XCONFIG": 7,
    "XSTORE": 6,
}

#: Statements that give the machine a device at an address, or say more about the one before them.
DEVICE = {
    "CONSOLE": 1,
    "DASDOPT": 7,
    "DEDICATE": 1,
    "LINK": 1,
    "MDISK": 1,
    "MINIOPT": 7,
    "NICDEF": 4,
    "SPECIAL": 3,
    "SPOOL": 1,
}

#: Device statements whose address is their own; DASDOPT and MINIOPT belong to the MDISK before them.
ADDRESSED = frozenset(DEVICE) - {"DASDOPT", "MINIOPT"}
DISK_OPTIONS = frozenset({"DASDOPT", "MINIOPT"})
#: Other spellings that are not beginnings of the name.
ALIASES = {"CMD": "COMMAND"}

COMMENT = "*"
BLANK = ""


def _spellings() -> dict[bytes, str]:
    """Every accepted spelling, in capitals; where two statements share a beginning the shorter demand wins."""
    table: dict[bytes, tuple[int, str]] = {}
    for name, shortest in {**GENERAL, **DEVICE, **HEADERS, **INDEX}.items():
        for length in range(shortest, len(name) + 1):
            spelling = name[:length].encode("ascii")
            found = table.get(spelling)
            if found is None or length == len(name) or (shortest < found[0] and spelling != found[1].encode()):
                table[spelling] = (shortest, name)
    return {spelling: name for spelling, (_, name) in table.items()} | {
        spelling.encode("ascii"): name for spelling, name in ALIASES.items()
    }


SPELLINGS = _spellings()
#: The same with the usual spellings in small letters, so that the common case is one look-up.
LOOKUP = SPELLINGS | {spelling.lower(): name for spelling, name in SPELLINGS.items()}


def keyword_of(word: bytes) -> str:
    """The full name of the statement that ``word`` begins; the word itself in capitals where it is unknown."""
    found = LOOKUP.get(word)
    if found is None:
        upper = word.upper()
        found = SPELLINGS.get(upper) or upper.decode("latin-1")
    return found


def is_known(keyword: str) -> bool:
    """Whether ``keyword`` is the full name of a statement of the tables above."""
    return keyword in GENERAL or keyword in DEVICE or keyword in HEADERS or keyword in INDEX
