"""Checks of single statements and of their order within an entry."""

from __future__ import annotations

from collections.abc import Iterator

from goldroot.zvm.directory.findings import ERROR, WARNING, Finding, finding
from goldroot.zvm.directory.keywords import ADDRESSED, DEVICE, DISK_OPTIONS, GENERAL, is_known, keyword_of
from goldroot.zvm.directory.model import Entry
from goldroot.zvm.directory.records import CARD
from goldroot.zvm.directory.shapes import link_shape, mdisk_shape
from goldroot.zvm.directory.statement import Statement, address_of, is_address, is_text, own_address
from goldroot.zvm.directory.views import Link, Mdisk, view

#: General statements that DIRECTXA takes anywhere, or that belong to the device before them.
_ANYWHERE = frozenset({"STDEVOPT", "ACCOUNT", "NAMESAVE"})
#: Entries that an index file may have before its LOAD statements.
_INDEX = ("DIRECTORY", "GLOBALDEFS")
#: Device types of V-DISKs and other disks that are counted in 512-byte blocks.
_NAMED = ("USER", "IDENTITY", "SUBCONFIG", "PROFILE")


def faults(entry: Entry) -> Iterator[Finding]:
    """Findings about the statements of one entry."""
    yield from _names(entry)
    yield from _order(entry)
    for statement in entry.statements:
        if statement.is_code:
            yield from _records(entry, statement)
            yield from _operands(entry, statement)


def _names(entry: Entry) -> Iterator[Finding]:
    if entry.kind not in _NAMED:
        return
    if not entry.header.operands:
        yield finding(ERROR, "name-missing", entry.header, entry, f"{entry.kind} without a name")
    elif len(entry.name) > 8:
        yield finding(ERROR, "name-long", entry.header, entry, f"{entry.name} is longer than 8 characters")


def _order(entry: Entry) -> Iterator[Finding]:
    """General statements come before devices; MINIOPT and DASDOPT right behind their MDISK."""
    device: Statement | None = None
    disk_before = False
    for statement in entry.code():
        if statement.keyword in DISK_OPTIONS and not disk_before:
            text = f"{statement.keyword} does not follow an MDISK"
            yield finding(ERROR, "option-alone", statement, entry, text)
        if statement.keyword in GENERAL and statement.keyword not in _ANYWHERE and device:
            text = f"{statement.keyword} must stand before all devices ({device.keyword} in line {device.line})"
            yield finding(ERROR, "general-after-device", statement, entry, text)
        disk_before = statement.keyword == "MDISK" or (disk_before and statement.keyword in DISK_OPTIONS)
        device = device or (statement if statement.keyword in DEVICE else None)


def _records(entry: Entry, statement: Statement) -> Iterator[Finding]:
    """Continuation, columns, characters."""
    texts = [record for record in statement.records if is_text(record)]
    if texts[-1].text.rstrip().endswith(b","):
        text = f"{_name(statement)} ends in a comma, and nothing follows that could continue it"
        yield finding(WARNING, "continuation-open", statement, entry, text)
    if any(is_known(keyword_of(record.text.split()[0])) and len(record.text.split()[0]) > 3 for record in texts[1:]):
        text = f"{_name(statement)} ends in a comma and swallows the statement behind it"
        yield finding(WARNING, "continuation-swallows", statement, entry, text)
    if len(texts) < len(statement.records):
        text = f"{_name(statement)} is continued across comments or blank records"
        yield finding(WARNING, "continuation-gap", statement, entry, text)
    for record in texts:
        if record.raw[CARD:].strip() or _runs_over(record.raw):
            text = f"{_name(statement)} goes beyond column 72; what stands there is ignored"
            yield finding(WARNING, "beyond-column-72", statement, entry, text)
        if any(byte < 0x20 and byte != 0x09 for byte in record.raw):
            yield finding(WARNING, "no-text", statement, entry, "the statement holds bytes that are not text")


def _name(statement: Statement) -> str:
    return statement.keyword if is_known(statement.keyword) else "the statement"


def _runs_over(raw: bytes) -> bool:
    """Whether a word goes across column 72 and is not a sequence number that happens to touch it."""
    touches = raw[71:72].strip() and raw[72:73].strip()
    return bool(touches) and not raw[72:CARD].strip().isdigit()


def _operands(entry: Entry, statement: Statement) -> Iterator[Finding]:
    keyword = statement.keyword
    if not is_known(keyword):
        # The word is not told: behind a lost continuation comma it may be a password.
        yield finding(WARNING, "unknown", statement, entry, "the line begins with no known directory statement")
    elif keyword == "LOAD" and entry.kind not in _INDEX:
        yield finding(ERROR, "outside", statement, entry, "LOAD stands in an index file, and in no entry")
    elif keyword in ADDRESSED and not is_address(own_address(statement)):
        yield finding(ERROR, "address", statement, entry, f"{keyword} has no valid device address")
    elif keyword == "MDISK":
        yield from _mdisk(entry, statement)
    elif keyword == "LINK":
        yield from _link(entry, statement)


def _mdisk(entry: Entry, statement: Statement) -> Iterator[Finding]:
    disk = view(statement)
    assert isinstance(disk, Mdisk)
    name = f"MDISK {disk.address}"
    fixed = disk.disktype == "PERM"
    if not disk.devtype or (fixed and not disk.volume) or (disk.disktype in ("T-DISK", "V-DISK") and not disk.size):
        yield finding(ERROR, "mdisk-incomplete", statement, entry, f"{name} is not complete")
    elif fixed and not (disk.start.isdigit() or disk.start.startswith("AUTO")):
        yield finding(ERROR, "mdisk-extent", statement, entry, f"{name} does not start at a number")
    elif fixed and not (disk.size == "END" or (disk.size.isdigit() and disk.size.strip("0"))):
        yield finding(ERROR, "mdisk-extent", statement, entry, f"{name} has no valid size")
    words = [word.decode("latin-1") for word in statement.raw_words]
    if len(words) > mdisk_shape(words).mode and not disk.mode:
        yield finding(ERROR, "mode", statement, entry, f"{name} has no valid mode")


def _link(entry: Entry, statement: Statement) -> Iterator[Finding]:
    link = view(statement)
    assert isinstance(link, Link)
    words = [word.decode("latin-1") for word in statement.raw_words]
    name = f"LINK {link.owner} {address_of(link.vdev1)}"
    if not is_address(link.vdev1):
        yield finding(ERROR, "address", statement, entry, f"LINK {link.owner} has no valid device address")
    if link_shape(words).mode and not link.mode:
        yield finding(ERROR, "mode", statement, entry, f"{name} has no valid mode")
    last = max(link_shape(words).mode or 0, link_shape(words).vdev2 or 2)
    if len(words) > last + 1 and words[last + 1][:1] != "*":
        yield finding(WARNING, "link-words", statement, entry, f"{name} has words behind its mode")
