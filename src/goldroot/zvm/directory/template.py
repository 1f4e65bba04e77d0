"""New entries from a template: the text of an entry with ``{names}`` where values go.

A template is directory text::

    USER {userid} {password} 2G 4G G
    INCLUDE LINDFLT
    LINK {gold} 11B0 01B0 RR
    MDISK 01B5 3390 AUTOG 100 {group} MR

Comments before the first statement speak of the template and are left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from goldroot.errors import BadInput, Refused
from goldroot.zvm.directory.edit import user_id
from goldroot.zvm.directory.model import Directory, Entry
from goldroot.zvm.directory.records import RecordLayout, join, printable, split

_NAME = re.compile(rb"\{([A-Za-z_][A-Za-z0-9_]*)\}")


def names_in(template: bytes) -> list[str]:
    """The names that a template needs values for, in order."""
    return list(dict.fromkeys(found.decode("ascii") for found in _NAME.findall(template)))


def filled(template: bytes, values: Mapping[str, str], layout: RecordLayout) -> Entry:
    """The entry that a template makes, in the layout of the directory that it goes to.

    :raises BadInput: a value is missing, not asked for, or no single word; a statement passes column 72; the template
        is not exactly one entry, or its name is not a user ID.
    """
    wanted = names_in(template)
    missing, unknown = [n for n in wanted if n not in values], [n for n in values if n not in wanted]
    if missing or unknown:
        what = f"has no value for {', '.join(missing)}" if missing else f"does not use {', '.join(unknown)}"
        raise BadInput(f"the template {what}", todo=f"It asks for: {', '.join(wanted) or 'nothing'}.")
    words = {name: _word(name, value) for name, value in values.items()}
    lines = [_NAME.sub(lambda found: words[found[1].decode("ascii")], record.text) for record in split(template)]
    return _single(Directory.parse(join(layout.record(line) for line in lines)))


def with_entry(directory: Directory, entry: Entry) -> Directory:
    """The directory with an entry more, at its end.  :raises Refused: the name is taken."""
    taken = [found for found in directory.named(entry.name) if (found.kind == "PROFILE") == (entry.kind == "PROFILE")]
    if taken:
        raise Refused(f"the directory has a {taken[0].kind} {entry.name} already", meaning="Nothing was changed.")
    data, layout = directory.to_bytes(), directory.layout()
    if layout.eol and data and not data.endswith((b"\n", b"\r")):
        data += layout.eol
    elif not layout.eol and layout.width:
        data = data.ljust(-(-len(data) // layout.width) * layout.width)
    return Directory.parse(data + entry.to_bytes())


def _word(name: str, value: str) -> bytes:
    """A value as bytes: one word, so that it cannot bring operands or records of its own."""
    try:
        word = value.encode("latin-1")
    except UnicodeEncodeError as error:
        raise BadInput(f"the value of {name} holds a character that a directory cannot hold") from error
    if not word or word.split() != [word] or word.endswith(b",") or printable(word) != word:
        raise BadInput(f"the value of {name} is not a single word", todo="Give a word without blanks and commas.")
    return word


def _single(made: Directory) -> Entry:
    if len(made.entries) != 1 or any(statement.is_code for statement in made.preamble):
        raise BadInput(f"the template makes {len(made.entries)} entries", todo="Write exactly one entry into it.")
    entry = made.entries[0]
    if entry.kind in ("USER", "IDENTITY", "SUBCONFIG", "PROFILE"):
        user_id(entry.name)
    return entry
