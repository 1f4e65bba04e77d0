"""Passwords never leave: what a person or a log may see of a directory.

Every form is covered: operand 2 of USER and IDENTITY, what follows the mode of MDISK and LINK, APPCPASS, the
directory manager's ``*PW=`` and ``*PW00=`` (the logon password in EBCDIC hex), CP commands that carry one, ``PASS=``
and the other keyword forms, and all of these where they are commented out.  Where it is not certain that a word is
harmless it is masked.  Columns 73-80 are never shown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from goldroot.zvm.directory.keywords import BLANK, COMMENT, keyword_of
from goldroot.zvm.directory.model import Directory, Entry
from goldroot.zvm.directory.secret import MASK, Secret
from goldroot.zvm.directory.shapes import is_mode, link_shape, mdisk_shape
from goldroot.zvm.directory.statement import Statement, is_address, is_text

#: Words in the place of a logon password that are no secrets but say how to log on.
LOGON_WORDS = frozenset({"NOLOG", "AUTOONLY", "LBYONLY", "NOPASS"})
#: First words of CP commands that take no password.
HARMLESS_COMMANDS = ("SET", "DEF", "COUPLE", "UNCOUPLE", "SPOOL", "SP", "TERM", "Q", "DET", "ATT", "GIVE", "LOCK")
#: Comments that begin with one of these are treated as the statement itself.
_IN_COMMENTS = frozenset({"USER", "IDENTITY", "MDISK", "LINK", "APPCPASS", "COMMAND"})
_CONTROL = re.compile(r"(\s*\*+\s*PW\w*\s*=)(.*)", re.I | re.S)
_KEYWORD_ITEM = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_NAME = r"(?:pass(?:word|wd|phrase)?|passw|pwd?)"
_VALUE = r"('[^']*'?|(?![\w-]+=)[^\s']+)"
_ASSIGNED = re.compile(rf"([\w-]*(?:{_NAME}|secret|pw\d+)\s*=\s*){_VALUE}", re.I)
_SAID = re.compile(rf"(\b{_NAME}\b(?:\s+is\b)?[\s:]+){_VALUE}", re.I)


def lines(statement: Statement) -> list[str]:
    """The records of a statement as they may be shown: columns 1-72, passwords masked."""
    texts = [record.text.decode("latin-1").rstrip() for record in statement.records]
    if statement.keyword == COMMENT:
        return [_comment(texts[0])]
    hidden: dict[int, set[tuple[int, int]]] = {}
    places = statement.places()
    for word in secret_words(statement.keyword, statement.raw_words):
        at, start, end = places[word]
        hidden.setdefault(at, set()).add((start, end))
    for at, record in enumerate(statement.records):
        spans = hidden.get(at, set())
        # A record behind a stray comma may be a statement of its own: it is read as one too.
        if at and is_text(record):
            words = record.text.split()
            spans |= {record.words()[word] for word in secret_words(keyword_of(words[0]), words)}
        masked = _masked(record.text.decode("latin-1"), list(spans))
        texts[at] = _generic(masked) if is_text(record) else _comment(masked)
    return [text.rstrip() for text in texts]


def entry_lines(entry: Entry) -> list[str]:
    """A whole entry as it may be shown."""
    return [line for statement in entry.statements for line in lines(statement)]


def text(data: bytes) -> str:
    """Directory text as it may be shown, one line for each record."""
    return "\n".join(line for statement in Directory.parse(data).statements() for line in lines(statement))


def is_keyword_form(items: Sequence[str]) -> bool:
    """Whether these are ``KEYWORD=...`` items, as most of a keyword form are, and not records."""
    said = [bool(_KEYWORD_ITEM.match(item)) for item in items if item.strip()]
    return sum(said) * 2 >= len(said) > 0


def keyword_item(item: str) -> str:
    """An item of the keyword form as it may be shown.

    The directory manager gives the logon password without a keyword (captured), so that a bare word is masked.
    """
    if item.strip() and not _KEYWORD_ITEM.match(item) and item.strip().upper() not in LOGON_WORDS:
        return MASK
    return text(item.encode("latin-1", "replace"))


def operands(statement: Statement) -> list[str]:
    """The words of a statement behind its first, passwords masked."""
    return " ".join(line for line in lines(statement) if line.lstrip()[:1] != COMMENT).split()[1:]


def secret_words(keyword: str, words: Sequence[bytes]) -> list[int]:
    """Which words (0 is the statement's name) are, or may be, passwords."""
    text = [word.decode("latin-1") for word in words]
    if keyword in ("USER", "IDENTITY"):
        return [2] if len(text) > 2 and text[2].upper() not in LOGON_WORDS else []
    if keyword == "MDISK":
        return _behind_mode(text, mdisk_shape(text).mode)
    if keyword == "LINK":
        end = next((at for at, word in enumerate(text) if at > 2 and word[:1] == COMMENT), len(text))
        return _behind_mode(text[:end], link_shape(text).mode or 4)
    if keyword == "APPCPASS":
        return list(range(4, len(text)))
    if keyword == "COMMAND":
        return _in_command(text)
    if keyword == "LOADDEV" and [word.upper() for word in text[1:3]] == ["SCPDATA", "HEX"]:
        return list(range(3, len(text)))
    return []


def _behind_mode(words: list[str], mode: int) -> list[int]:
    first = mode if mode < len(words) and not is_mode(words[mode]) else mode + 1
    return list(range(first, len(words)))


def _in_command(words: list[str]) -> list[int]:
    """A CP command: known harmless ones are shown, LINK up to its mode, the log-on commands up to the user."""
    at = 2 if len(words) > 1 and words[1].upper() == "CP" else 1
    verb = words[at].upper() if len(words) > at else ""
    if any("#" in word or "\x15" in word for word in words):
        return list(range(at, len(words)))
    if verb.startswith(("LINK", "LIN")) or verb == "L":
        modes = [place for place in range(at + 3, len(words)) if is_mode(words[place])]
        return list(range((modes[0] if modes else at + 3) + 1, len(words)))
    if verb.startswith(("XAUTO", "AUTO", "LOG")):
        return list(range(at + 2, len(words)))
    return [] if verb.startswith(HARMLESS_COMMANDS) else list(range(at + 1, len(words)))


def _masked(line: str, spans: list[tuple[int, int]]) -> str:
    for start, end in sorted(spans, reverse=True):
        line = line[:start] + MASK + line[end:]
    return line


def _comment(line: str) -> str:
    """A comment: control comments lose all that follows the equals sign, commented statements their passwords."""
    control = _CONTROL.match(line)
    if control:
        return f"{control[1]} {MASK}" if control[2].strip() else control[1]
    body = line.lstrip(" *\t")
    words = [word.encode("latin-1") for word in body.split()]
    keyword = keyword_of(words[0]) if words and (len(words[0]) >= 4 or words[0].upper() == b"CMD") else BLANK
    if keyword in _IN_COMMENTS and _looks_meant(keyword, words):
        begin = len(line) - len(body)
        spans = [found.span() for found in re.finditer(r"\S+", body)]
        places = [spans[word] for word in secret_words(keyword, words)]
        line = _masked(line, [(start + begin, end + begin) for start, end in places])
    return _generic(line)


def _looks_meant(keyword: str, words: list[bytes]) -> bool:
    """Whether a comment that begins like a statement is one: LINK and MDISK show it by an address."""
    at = {"LINK": 2, "MDISK": 1}.get(keyword)
    return at is None or (len(words) > at and is_address(words[at].decode("latin-1")))


def field(value: object) -> str:
    """One field of a typed view as it may be shown."""
    if isinstance(value, Secret):
        return MASK
    return _generic(str(value))


def _generic(line: str) -> str:
    """Keyword forms in any text: ``PASS=x``, ``READPASSWORD=x``, ``PASSWORD x``, ``password is x``."""
    return _SAID.sub(rf"\g<1>{MASK}", _ASSIGNED.sub(rf"\g<1>{MASK}", line))
