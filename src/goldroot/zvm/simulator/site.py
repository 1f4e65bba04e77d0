"""The small site that the simulator shows when it is given no directory.

It is the paper's: a maintenance system, gold in two slots that nobody logs on to, a test system and read-only
clones, and beside them the users that every z/VM has, and the two guests of the captured calls (``GT@PING``,
``GT@PONG``), so that those can be repeated here.  All passwords are the words that the paper and the captures use;
none of them guards anything.
"""

from __future__ import annotations

_HEAD = """\
DIRECTORY SSI 123 3390 ZVMRES
GLOBALDEFS
 GLOBALOPTS CHPIDV ONE
PROFILE LINDFLT
 CLASS G
 MACHINE ESA 4
 IPL CMS PARM AUTOCR
 IUCV ALLOW
 SPOOL 000C 2540 READER *
 SPOOL 000D 2540 PUNCH A
 SPOOL 000E 1403 A
 CONSOLE 0009 3215 T
 LINK MAINT 0190 0190 RR
 LINK MAINT 019E 019E RR
USER $DIRECT$ NOLOG
 MDISK A01 3390 001 020 ZVMRES R
USER SYSADMIN NOLOG 16M 16M G
USER SYSMAINT NOLOG 32M 32M ABCDEFG
USER MAINT MAINT 128M 1000M ABCDEFG
 MACHINE ESA
 IPL 190
 OPTION LNKNOPAS
 CONSOLE 0009 3215 T
 SPOOL 000C 2540 READER *
 SPOOL 000D 2540 PUNCH A
 SPOOL 000E 1403 A
 MDISK 0190 3390 00021 00107 ZVMRES MR ALL     WRITE   MULTIPLE
 MDISK 019E 3390 00128 00250 ZVMRES MR ALL     WRITE   MULTIPLE
 MDISK 0191 3390 00378 00010 ZVMRES MR READ    WRITE   MULTIPLE
USER TCPIP TCPIP 128M 256M ABG
 INCLUDE LINDFLT
 MDISK 0592 3390 00388 00070 ZVMRES MR ALL     WRITE   MULTIPLE
 MDISK 0191 3390 00458 00005 ZVMRES MR READ    WRITE   MULTIPLE
USER VSMGUARD VSMGUARD 128M 128M BG
 INCLUDE LINDFLT
 LINK TCPIP 0592 0592 RR
USER LNXMAINT LNXMAINT 64M 128M BEG
 INCLUDE LINDFLT
 LINK TCPIP 0592 0592 RR
 MDISK 0191 3390 00463 00020 ZVMRES MR READ    WRITE   MULTIPLE
USER GOLDMGMT GOLDMGMT 2G 4G BG
 INCLUDE LINDFLT
 OPTION LNKNOPAS
 NICDEF 0600 TYPE QDIO LAN SYSTEM VSWITCH1
 MDISK 0100 3390 00001 03338 LX3001 MR READ    WRITE   MULTIPLE
"""

#: Address -> cylinders of the disks of a Linux system, as the paper lays them out.
_DISKS = {"1B0": 60, "1B1": 450, "1B5": 100, "1B6": 600, "1B7": 200, "1B8": 200, "1BE": 2400, "1BF": 1000}

#: Those that a read-only clone owns itself.
_OWN = ("1B5", "1B6", "1B7")

_GUESTS = """\
USER GT@PING @SM8PI@  1G 2G ABCDEFG
 CPU 00 BASE
 MACHINE ESA 1
 IPL CMS
 CONSOLE 0009 3215 T
 SPOOL 000C 2540 READER *
 SPOOL 000D 2540 PUNCH A
 SPOOL 000E 1403 A
 LINK MAINT 190 0190 RR
 LINK MAINT 19E 019E RR
MDISK 777 3390 2467 1000 LX3004 W READ WRITE MULTIPLE
USER GT@PONG @SM8PI@  1G 1G ABCDEFG
 IPL CMS
 MACHINE ESA 4
  CONSOLE   0009 3215
  SPOOL 00C 2540 READER *
  SPOOL 00D 2540 PUNCH A
  SPOOL 00E 1403 A
  LINK MAINT 190 190 RR
  LINK MAINT 19E 19E RR
MDISK 0888 3390 1457 10 LX3002 W READ WRITE MULTIPLE
MDISK 0777 3390 29129 1000 LX3000 W READ WRITE MULTIPLE
"""

#: Volumes and their cylinders.
VOLUMES = {"ZVMRES": 10017, "LX3000": 32760, "LX3001": 32760, "LX3002": 32760, "LX3003": 32760, "LX3004": 32760}

#: Groups for AUTOG.
GROUPS: dict[str, list[str]] = {"LINUX": ["LX3000", "LX3001", "LX3002", "LX3003", "LX3004"]}

#: Who is logged on at the beginning.
ACTIVE = ("MAINT", "TCPIP", "VSMGUARD", "GOLDMGMT", "S10RO1", "S10RO2", "GT@PONG")


def whole(name: str, password: str, volser: str, start: int) -> tuple[str, int]:
    """A guest that owns all disks, from a cylinder on; and the first cylinder behind them."""
    lines = [f"USER {name} {password} 512M 1G G", " INCLUDE LINDFLT", " OPTION APPLMON", " IPL 1B0"]
    lines.append(" NICDEF 0600 TYPE QDIO LAN SYSTEM VSWITCH1")
    for address, size in _DISKS.items():
        lines.append(f" MDISK 0{address} 3390 {start:05d} {size:05d} {volser} MR READ WRITE MULTIPLE")
        lines.append("  MINIOPT NOMDC")
        start += size
    return "".join(line + "\n" for line in lines), start


def gold(name: str, volser: str, start: int) -> tuple[str, int]:
    """A slot: disks that nobody logs on to, at the addresses 11Bx."""
    text, end = whole(name, "NOLOG", volser, start)
    lines = text.replace(" MDISK 01B", " MDISK 11B").splitlines()
    kept = [line for line in lines if line.split()[0] in ("USER", "MDISK", "MINIOPT")]
    return "".join(line + "\n" for line in kept), end


def clone(name: str, slot: str, volser: str, start: int) -> tuple[str, int]:
    """A read-only clone: the shared disks are links into a slot, ``/etc``, ``/root`` and ``/srv`` are its own."""
    lines = [f"USER {name} {name} 512M 1G G", " INCLUDE LINDFLT", " IPL 1B0"]
    lines.append(" NICDEF 0600 TYPE QDIO LAN SYSTEM VSWITCH1")
    lines += [f" LINK {slot} 1{address} 0{address} RR" for address in _DISKS if address not in _OWN]
    for address in _OWN:
        lines.append(f" MDISK 0{address} 3390 {start:05d} {_DISKS[address]:05d} {volser} MR READ WRITE MULTIPLE")
        lines.append("  MINIOPT NOMDC")
        start += _DISKS[address]
    return "".join(line + "\n" for line in lines), start


def _built() -> str:
    systems = [whole("S10RWMNT", "S10RWMNT", "LX3003", 1), whole("S10RWTST", "S10RWTST", "LX3003", 6001)]
    slots = [gold("S10GOLD", "LX3001", 4001), gold("S10GOLD2", "LX3001", 10001), gold("S10GOLD3", "LX3001", 16001)]
    clones = [clone(f"S10RO{number}", "S10GOLD", "LX3002", 2001 + 1000 * number) for number in range(1, 4)]
    return _HEAD + "".join(text for text, _ in (*systems, *slots, *clones)) + _GUESTS


DIRECTORY = _built()
