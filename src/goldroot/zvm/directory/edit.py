"""Edits of an entry: each changes only what it says and gives a new entry; the old one stays as it was.

A rewritten record keeps columns 73-80, its line end, its indentation and the case and width of its addresses where
they fit; column 72 is never passed.  New records are laid out as the file's others are.  A plan is the difference
between the entry before and after (``differences``): nothing here touches a file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from goldroot.errors import BadInput, NotFound, Refused
from goldroot.zvm.directory.keywords import ADDRESSED, DEVICE, DISK_OPTIONS, keyword_of
from goldroot.zvm.directory.model import Directory, Entry
from goldroot.zvm.directory.records import Record, RecordLayout, layout_of
from goldroot.zvm.directory.rewrite import cased, readdressed, rewritten
from goldroot.zvm.directory.shapes import is_mode, link_shape, mdisk_shape
from goldroot.zvm.directory.statement import Statement, address_of, is_address, own_address

#: Statements that ``remove`` takes away.
REMOVABLE = frozenset({"LINK", "MDISK"})


def relink(entry: Entry, old_owner: str, new_owner: str) -> Entry:
    """Every LINK to ``old_owner`` points to ``new_owner``.

    :raises NotFound: no LINK to ``old_owner``.  :raises BadInput: a name that is not a user ID, or a line too long.
    """
    old, new = user_id(old_owner), user_id(new_owner)
    owned = [s for s in entry.code("LINK") if "".join(s.operands[:1]).upper() == old]
    if not owned:
        raise NotFound(f"{entry.name} has no LINK to {old}", meaning="Nothing was changed.")
    chosen = {id(statement) for statement in owned}
    return _mapped(entry, lambda s: rewritten(s, {1: cased(new, s.raw_words[1])}) if id(s) in chosen else s)


def exchange(entry: Entry, one: str, other: str) -> Entry:
    """The devices at two addresses change places: each device statement at ``one`` says ``other`` and the reverse.

    MINIOPT and DASDOPT stay with their MDISK.  References by address (IPL, COMMAND) are left as they are: they mean
    the address, whatever stands there.
    :raises NotFound: no device at one of them.  :raises BadInput: no addresses, or the same one twice.
    """
    first, second = address(one), address(other)
    if first == second:
        raise BadInput(f"cannot exchange {first} with itself")
    for wanted in (first, second):
        if not at_address(entry, wanted):
            raise NotFound(f"{entry.name} has no device at {wanted}", meaning="Nothing was changed.")
    return moved(entry, {first: second, second: first})


def moved(entry: Entry, new: Mapping[str, str]) -> Entry:
    """The device statements at the addresses in ``new`` (four digits) say the address that is given for theirs."""
    return _mapped(entry, lambda s: readdressed(s, new[own_address(s)]) if own_address(s) in new else s)


def add_link(
    entry: Entry, owner: str, vdev1: str, vdev2: str = "", mode: str = "RR", *, layout: RecordLayout | None = None
) -> Entry:
    """A LINK more, behind the last one.  :raises Refused: the address is taken.  :raises BadInput: bad operands."""
    return add(entry, link_text(owner, vdev1, vdev2, mode), layout=layout)


def link_text(owner: str, vdev1: str, vdev2: str = "", mode: str = "RR") -> str:
    """A LINK statement.  :raises BadInput: an operand is none."""
    if not is_mode(mode):
        # The word is not told: it may be a password in the wrong place.
        raise BadInput(
            "the mode is not a link mode", todo="Use R, RR, W, WR, M, MR, MW, or a stable or exclusive mode."
        )
    return f"LINK {user_id(owner)} {address(vdev1)} {address(vdev2 or vdev1)} {mode.upper()}"


def add_mdisk(entry: Entry, operands: str, options: Iterable[str] = (), *, layout: RecordLayout | None = None) -> Entry:
    """A minidisk more, behind the last one.

    :param operands: ``vdev devtype start count volume [mode [read [write [multiple]]]]`` or another form of MDISK.
    :param options: MINIOPT and DASDOPT statements that belong to it, e.g. ``MINIOPT NOMDC``.
    :raises Refused: the address is taken.  :raises BadInput: bad operands, or too long for a record.
    """
    return add(entry, f"MDISK {operands}", *options, layout=layout)


def add(entry: Entry, text: str, *options: str, layout: RecordLayout | None = None) -> Entry:
    """A device statement more (and the options of an MDISK), behind the last of its kind, else behind all devices."""
    statement = checked_statement(text)
    taken = at_address(entry, own_address(statement))
    if taken:
        raise Refused(
            f"{entry.name} has a {taken[0].keyword} at {own_address(statement)} already",
            meaning="Two devices cannot have one address. Nothing was changed.",
            todo="Remove the other first, or take another address.",
        )
    texts = [text, *options]
    for option in options:
        if keyword_of((option.split() or [""])[0].encode("latin-1", "replace")) not in DISK_OPTIONS:
            raise BadInput("only MINIOPT and DASDOPT belong to an MDISK", meaning="Nothing was changed.")
    at = _place(entry, statement.keyword)
    return _inserted(entry, at, texts, layout or layout_of([r for s in entry.statements for r in s.records]))


def remove(entry: Entry, where: str) -> Entry:
    """The minidisk, with its options, or the link at an address goes.

    :raises NotFound: no device there.  :raises Refused: a device that is neither, or several.
    """
    wanted = address(where)
    found = at_address(entry, wanted)
    if not found:
        raise NotFound(f"{entry.name} has no device at {wanted}", meaning="Nothing was changed.")
    if len(found) > 1 or found[0].keyword not in REMOVABLE:
        names = ", ".join(statement.keyword for statement in found)
        raise Refused(f"at {wanted} {entry.name} has {names}", meaning="Only a single MDISK or LINK is removed.")
    gone = {id(found[0])}
    for statement, options in entry.with_options():
        if statement is found[0]:
            gone |= {id(option) for option in options}
    return Entry(_with_ends(entry.statements, [s for s in entry.statements if id(s) not in gone]))


def at_address(entry: Entry, where: str) -> list[Statement]:
    """The device statements at an address (four digits)."""
    return [s for s in entry.statements if s.keyword in ADDRESSED and own_address(s) == where] if where else []


def address(word: str) -> str:
    """An address as four digits.  :raises BadInput: when it is none."""
    if not is_address(word):
        raise BadInput(f"{word!r} is not a device address", todo="Give one to four hexadecimal digits, e.g. 1B5.")
    return address_of(word)


def user_id(word: str) -> str:
    """A user ID in capitals.  :raises BadInput: when it is none (1-8 of A-Z, 0-9, @ # $ _ - + :)."""
    good = 0 < len(word) <= 8 and all(letter.isascii() and (letter.isalnum() or letter in "@#$_-+:") for letter in word)
    if not good:
        raise BadInput(f"{word!r} is not a user ID", todo="Give 1 to 8 letters, digits, @ # $ _ - + or :")
    return word.upper()


def checked_statement(text: str) -> Statement:
    """A new device statement from its text, with operands that make sense.  :raises BadInput: when they do not."""
    try:
        words = text.encode("latin-1").split()
    except UnicodeEncodeError as error:
        raise BadInput("a statement holds a character that a directory cannot hold") from error
    keyword = keyword_of(words[0]) if words else ""
    statement = Statement(keyword, (Record(b" ".join(words), b""),), words)
    if keyword not in ADDRESSED:
        raise BadInput(f"{keyword or 'nothing'} is not a device statement", meaning="Nothing was changed.")
    if not is_address(own_address(statement)):
        raise BadInput(f"the {keyword} statement has no device address", todo=_FORMS.get(keyword, ""))
    if keyword in _FORMS and not _complete(keyword, [word.decode("latin-1") for word in words]):
        raise BadInput(f"the {keyword} statement is not complete or has a bad mode", todo=_FORMS[keyword])
    return statement


_FORMS = {
    "MDISK": "Write: vdev devtype start count volume [mode [readpw [writepw [multpw]]]], or T-DISK, V-DISK, DEVNO.",
    "LINK": "Write: owner vdev1 [vdev2 [mode]].",
}


def _complete(keyword: str, words: list[str]) -> bool:
    """Whether an MDISK has its extent and, as a LINK, a good mode where it has one; no words behind the last."""
    if keyword == "LINK":
        shape = link_shape(words)
        last = max(shape.vdev2 or 2, shape.mode or 0)
        return is_address(words[2]) and (shape.mode is None or is_mode(words[shape.mode])) and len(words) == last + 1
    mode = mdisk_shape(words).mode
    return mode <= len(words) <= mode + 4 and (len(words) == mode or is_mode(words[mode]))


def _mapped(entry: Entry, change: Callable[[Statement], Statement]) -> Entry:
    return Entry([change(statement) for statement in entry.statements])


def _place(entry: Entry, keyword: str) -> int:
    """Where a new device statement goes: index into ``entry.statements``."""
    statements = entry.statements
    same = [at for at, s in enumerate(statements) if s.keyword == keyword]
    devices = [at for at, s in enumerate(statements) if s.keyword in DEVICE]
    first_disk = next((at for at, s in enumerate(statements) if s.keyword == "MDISK"), None)
    if same or (devices and (keyword == "MDISK" or first_disk is None)):
        at = same[-1] if same else devices[-1]
    elif first_disk is not None:
        return first_disk
    else:
        at = max(at for at, s in enumerate(statements) if s.is_code)
    return _behind_options(statements, at)


def _behind_options(statements: tuple[Statement, ...], at: int) -> int:
    """The index behind a statement and the options that belong to it (comments may stand between)."""
    end = at + 1
    for ahead in range(at + 1, len(statements)):
        if statements[ahead].keyword in DISK_OPTIONS:
            end = ahead + 1
        elif statements[ahead].is_code:
            break
    return end


def _inserted(entry: Entry, at: int, texts: list[str], layout: RecordLayout) -> Entry:
    """New records before ``entry.statements[at]``, indented as the device statement before them is."""
    before = entry.statements[at - 1].records[0].text
    indent = before[: len(before) - len(before.lstrip())] if entry.statements[at - 1].keyword in DEVICE else b" "
    new = []
    for text in texts:
        words = text.encode("latin-1", "replace").split()
        new.append(Statement(keyword_of(words[0]), (layout.record(indent + b" ".join(words)),), words))
    return Entry(_with_ends(entry.statements, [*entry.statements[:at], *new, *entry.statements[at:]]))


def _with_ends(old: tuple[Statement, ...], new: list[Statement]) -> list[Statement]:
    """Line ends fixed where the entry is the last of a file that ends without one, or a fixed file ends short."""
    last = old[-1].records[-1]
    eols = [record.eol for statement in new for record in statement.records if record.eol]
    if last.eol or last is new[-1].records[-1]:
        return new
    if not eols:
        width = max(len(record.raw) for statement in new for record in statement.records)
        return [*(_padded(statement, width) for statement in new[:-1]), new[-1]]
    fixed = [statement if statement.records[-1].eol else _ended(statement, eols[0]) for statement in new[:-1]]
    return [*fixed, _ended(new[-1], b"")]


def _padded(statement: Statement, width: int) -> Statement:
    records = tuple(record._replace(raw=record.raw.ljust(width)) for record in statement.records)
    return Statement(statement.keyword, records, statement.raw_words, statement.line)


def _ended(statement: Statement, eol: bytes) -> Statement:
    records = (*statement.records[:-1], statement.records[-1]._replace(eol=eol))
    return Statement(statement.keyword, records, statement.raw_words, statement.line)


def edited(directory: Directory, name: str, change: Callable[[Entry], Entry]) -> Directory:
    """The directory with one entry changed.  :raises NotFound: no such entry."""
    entry = directory.entry(name)
    return directory.replaced(entry, change(entry))
