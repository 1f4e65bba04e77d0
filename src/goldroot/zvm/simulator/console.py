"""CP commands as text: what a guest types, or Linux in it through ``vmcp``.

LINK, DETACH, QUERY (VIRTUAL, LINKS, NAMES, USERID, a user), FLASHCOPY, DEFINE of a temporary disk, XAUTOLOG, FORCE and
SIGNAL SHUTDOWN.  Words may be abbreviated as CP takes them.  Answers of LINK, QUERY of a user and the message of an
unknown option are as captured; the others follow IBM's *CP Commands and Utilities Reference*, and no system was asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from .cp import CpError, Device
from .dasd import Extent, is_fba
from .links import MODES, RW, Link
from .statements import vdev
from .system import System

#: CP's message for a command that is none.
UNKNOWN_COMMAND = 1
#: The longest command that CP takes (bytes).
LONGEST = 240
_ADDRESS = re.compile(r"[0-9A-F]{1,4}\Z")


class Said(NamedTuple):
    """What CP answers: 0 or the number of its message, and its lines."""

    rc: int
    text: str = ""


class Console:
    """The commands of guests that are logged on.  Safe to call from any thread."""

    def __init__(self, system: System) -> None:
        self.system = system

    def command(self, user: str, text: str) -> Said:
        """Do what ``user`` types.  Never raises: what CP refuses is an answer."""
        said = self._command(user, text)
        words = text.upper().split()
        # Behind the mode of a LINK may stand a password.
        told = words[:5] if words[:1] and short(words[0], "LINK", 4) else words
        self.system.heard("CP", " ".join(told) + (f" -> {said.rc}" if said.rc else ""))
        return said

    def _command(self, user: str, text: str) -> Said:
        words = text.replace("\0", " ").split()
        if not words or len(text) > LONGEST:
            return Said(UNKNOWN_COMMAND, f"HCPCMD001E Unknown CP command: {words[0][:8] if words else ''}")
        found = next((one for one in COMMANDS if short(words[0], one.name, one.least)), None)
        if found is None:
            return Said(UNKNOWN_COMMAND, f"HCPCMD001E Unknown CP command: {words[0].upper()[:8]}")
        with self.system.lock:
            try:
                self.system.settle()
                self.system.cp.guest(user)
                self._faults(f"CP_{found.name}", found.name, user)
                return Said(0, found.work(self, user.upper(), [word.upper() for word in words[1:]]))
            except CpError as error:
                return Said(error.number, error.text)

    def _faults(self, api: str, name: str, user: str) -> None:
        """:raises CpError: a fault says that CP refuses."""
        self.system.before(api, user)
        if fault := self.system.faults.strike(api, "cp-refused"):
            number = int(fault.value or 6)
            raise CpError(number, f"HCP{name[:3]}{number:03d}E {name} is refused (a fault that was asked for)")

    # --- disks ---

    def link(self, user: str, words: list[str]) -> str:
        """LINK [TO] owner vdev [AS] vdev [mode] [[PASS=] password]"""
        words = words[1:] if words[:1] == ["TO"] else words
        owner, theirs, rest = one_of(words, 0), address(one_of(words, 1)), words[2:]
        rest = rest[1:] if rest[:1] == ["AS"] else rest
        mine, rest = address(one_of(rest, 0)), rest[1:]
        mode = rest.pop(0) if rest and rest[0] in MODES else ""
        password = "".join(rest).removeprefix("PASS=") if rest else ""
        known = any(
            "LNKNOPAS" in one.operands for part in self.system.directory.parts(user) for one in part.find("OPTION")
        )
        if not mode:
            mode = "W" if owner in ("*", user) else "R"
        made = self.system.cp.link(user, owner, theirs, mine, mode, None if known else password)
        return told(made, [one for one in self.system.cp.links.of(made.disk) if one != made])

    def detach(self, user: str, words: list[str]) -> str:
        """DETACH vdev ..."""
        lines = []
        for word in words or [""]:
            where = address(word)
            if self.system.faults.strike("CP_DETACH", "link-stays"):
                device = self.system.cp.device(user, where)
            else:
                device = self.system.cp.detach(user, where)
            if device is None:
                raise CpError(40, f"HCPDTV040E Device {where} does not exist")
            lines.append(f"{device.kind.upper()} {device.address} DETACHED")
        return "\n".join(lines)

    def define(self, user: str, words: list[str]) -> str:
        """DEFINE T3390 [AS] vdev [CYL] n, or TFB-512 [AS] vdev [BLK] n: a temporary disk, empty, gone with its guest."""
        kind, rest = one_of(words, 0), [word for word in words[1:] if word not in ("AS", "CYL", "BLK")]
        if kind not in ("T3390", "TFB-512") or len(rest) != 2 or not rest[1].isdigit() or not int(rest[1]):
            raise CpError(3, f"HCPDEF003E Invalid option - {kind}")
        where = address(rest[0])
        if where in self.system.cp.guest(user).devices:
            raise CpError(91, f"HCPDEF091E DASD {where} not defined; device already exists")
        if self.system.manager.no_space() or self.system.faults.strike("CP_DEFINE", "no-space"):
            raise CpError(91, f"HCPDEF091E DASD {where} not defined; temp space not available")
        self.system.new_temporary(user, where, int(rest[1]), "3390" if kind == "T3390" else "9336")
        return f"DASD {where} DEFINED"

    def flashcopy(self, user: str, words: list[str]) -> str:
        """FLASHCOPY vdev start end [TO] vdev [start end] [SYNCHRONOUS]: all of a disk, at once."""
        plain = [word for word in words if word not in ("TO", "SYNC", "SYNCHRONOUS")]
        source, target = self._disk(user, one_of(plain, 0)), self._disk(user, one_of(plain, 3))
        if self.system.faults.strike("CP_FLASHCOPY", "no-flashcopy"):
            raise CpError(332, "HCPNFC332E FLASHCOPY request failed (a fault that was asked for)")
        if target.detail[0] != RW:
            raise CpError(6, f"HCPNFC006E Invalid device type - {target.address} is read-only")
        if source.extent is None or target.extent is None or target.extent.size < source.extent.size:
            raise CpError(332, "HCPNFC332E FLASHCOPY request failed: the target is smaller than the source")
        if self.system.files:
            self.system.files.copy(source.extent, target.extent)
        return f"Command complete: FLASHCOPY {' '.join(plain[:3])} TO {' '.join(plain[3:] or [target.address])}"

    def _disk(self, user: str, word: str) -> Device:
        device = self.system.cp.device(user, address(word))
        if device is None or device.kind != "dasd":
            raise CpError(40, f"HCPNFC040E Device {vdev(word)} does not exist")
        return device

    # --- questions ---

    def query(self, user: str, words: list[str]) -> str:
        """QUERY VIRTUAL vdev | DASD | ALL, LINKS vdev, DASD, NAMES, USERID, PRIVCLASS, CPLEVEL, or a user."""
        what, rest = one_of(words, 0), words[1:]
        if short(what, "VIRTUAL", 1):
            return self._virtual(user, one_of(rest, 0) if rest else "ALL")
        if what == "DASD":
            return self._virtual(user, "DASD")
        if short(what, "LINKS", 3):
            links = self.system.cp.linked_to(user, address(one_of(rest, 0)))
            return ", ".join(self._has(link) for link in links)
        if short(what, "NAMES", 1):
            here = self.system.cp.guests
            there = {name for one in self.system.cp.members for name in one.guests} - set(here)
            names = [*here, *(name for name in there if self._is_single(name))]
            return ", ".join(f"{name:<8} - {'DSC' if name in here else 'SSI'} " for name in sorted(names))
        if short(what, "USERID", 5):
            return f"{user:<8} AT {self.system.directory.member}"
        if short(what, "PRIVCLASS", 4):
            return self._classes(user)
        if short(what, "CPLEVEL", 3):
            return "z/VM Version 7 Release 1.0, service level 0000 (64-bit)\n(a simulator: it is not a z/VM)"
        if rest:
            raise CpError(3, f"HCPCQV003E Invalid option - {what}")
        if what in self.system.cp.guests:
            return f"{what:<8} - DSC "
        if self._is_single(what) and any(self.system.cp.others(what)):
            return f"{what:<8} - SSI "
        raise CpError(45, f"HCPCQU045E {what} not logged on")

    def _has(self, link: Link) -> str:
        """A link as QUERY LINKS tells it; of another member's guest, with the member."""
        there = "" if link.member == self.system.directory.member else f" AT {link.member}"
        return f"{link.user:<8} {link.address} {link.access}{there}"

    def _is_single(self, name: str) -> bool:
        """Whether a guest is at one member at most, so that the others tell of it."""
        entry = self.system.directory.user(name)
        return entry is not None and entry.kind == "USER"

    def _classes(self, user: str) -> str:
        entry = self.system.directory.user(user)
        words = entry.statements[0].operands if entry else ()
        classes = words[4] if len(words) > 4 else "G"
        return f"Privilege classes for user {user}\n        Currently: {classes}\n        Directory: {classes}"

    def _virtual(self, user: str, which: str) -> str:
        devices = sorted(self.system.cp.guest(user).devices.values(), key=lambda one: one.address)
        if which not in ("ALL", "DASD"):
            devices = [one for one in devices if one.address == address(which)]
            if not devices:
                raise CpError(40, f"HCPQVD040E Device {vdev(which)} does not exist")
        shown = [one for one in devices if which != "DASD" or one.kind == "dasd"]
        return "\n".join(described(one, number) for number, one in enumerate(shown))

    # --- guests ---

    def xautolog(self, user: str, words: list[str]) -> str:
        """XAUTOLOG user"""
        self.system.cp.logon(one_of(words, 0))
        return "Command accepted"

    def force(self, user: str, words: list[str]) -> str:
        """FORCE user: off at once."""
        self.system.cp.logoff(one_of(words, 0))
        return ""

    def signal(self, user: str, words: list[str]) -> str:
        """SIGNAL SHUTDOWN user [WITHIN seconds]: the guest goes when it is ready, at the latest then."""
        if not short(one_of(words, 0), "SHUTDOWN", 5):
            raise CpError(3, f"HCPSIG003E Invalid option - {one_of(words, 0)}")
        guest = self.system.cp.guest(one_of(words, 1))
        seconds = int(words[3]) if len(words) > 3 and words[3].isdigit() else 30
        guest.leaving_at = self.system.clock() + min(self.system.options.shutdown, seconds)
        self.system.settle()
        return ""


class Command(NamedTuple):
    """A command: its name, the fewest letters by which it is known, and what does it."""

    name: str
    least: int
    work: Callable[[Console, str, list[str]], str]


COMMANDS = (
    Command("LINK", 4, Console.link),
    Command("DETACH", 3, Console.detach),
    Command("DEFINE", 3, Console.define),
    Command("FLASHCOPY", 6, Console.flashcopy),
    Command("QUERY", 1, Console.query),
    Command("XAUTOLOG", 5, Console.xautolog),
    Command("FORCE", 5, Console.force),
    Command("SIGNAL", 3, Console.signal),
)


def short(word: str, name: str, least: int) -> bool:
    """Whether a word is a name or an abbreviation of it."""
    return len(word) >= least and name.startswith(word.upper())


def one_of(words: list[str], at: int) -> str:
    """A word; CP's message for an operand that is missing."""
    if at < len(words):
        return words[at]
    raise CpError(26, "HCPCMD026E Operand missing or invalid")


def address(word: str) -> str:
    """An address as four digits.  :raises CpError: 22, it is none."""
    if not _ADDRESS.match(word):
        raise CpError(22, f"HCPCMD022E A virtual device number was not supplied or it was invalid: {word[:8]}")
    return vdev(word)


def told(made: Link, others: list[Link]) -> str:
    """What LINK says where somebody else has the disk; nothing where nobody has.

    A mode that may fall back to reading does so with these words and no error: whoever wants to write must ask.
    """
    parts = []
    for access in (RW, "R/O"):
        users = [link.user for link in others if link.access == access]
        if users:
            parts.append(f"{access} BY {users[0] if len(users) == 1 else f'{len(users)} USERS'}")
    return "; ".join([f"DASD {made.address} LINKED {made.access}", *parts]) if parts else ""


def described(device: Device, number: int) -> str:
    """A line of QUERY VIRTUAL."""
    if device.kind != "dasd":
        return f"{device.kind.upper():<4} {device.address} {' '.join(device.detail)}".rstrip()
    extent = device.extent or Extent("(VDSK)", 0, 0)
    access, devtype = device.detail[:2]
    place = f"{extent.volser:<6} {access} {extent.size:>10} {'BLK' if is_fba(extent.devtype) else 'CYL'} ON DASD"
    return f"DASD {device.address} {devtype} {place} {extent.volser} SUBCHANNEL = {number:04X}"
