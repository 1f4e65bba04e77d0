"""Passwords never leave: what a person or a log may see of a directory.

Every form is covered: operand 2 of USER and IDENTITY, what follows the mode of MDISK and LINK, APPCPASS, the
directory manager's ``*PW=`` and ``*PW00=`` (the logon password in EBCDIC hex), CP commands that carry one, ``PASS=``
and the other keyword forms, and all of these where they are commented out.  Where it is not certain that a word is
harmless it is masked.  Columns 73-80 are never shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from goldroot.zvm.directory.keywords import COMMENT, is_known, keyword_of
from goldroot.zvm.directory.model import Directory, Entry
from goldroot.zvm.directory.secret import MASK, Secret
from goldroot.zvm.directory.shapes import is_mode, kib, link_shape, mdisk_shape
from goldroot.zvm.directory.statement import Statement, is_address, is_text

#: Words in the place of a logon password that are not secrets but say how to log on.
LOGON_WORDS = frozenset({"NOLOG", "AUTOONLY", "LBYONLY", "NOPASS"})
#: First words of CP commands that take no password.
HARMLESS_COMMANDS = ("SET", "DEF", "COUPLE", "UNCOUPLE", "SPOOL", "SP", "TERM", "Q", "DET", "ATT", "GIVE", "LOCK")
#: Comments that hold one of these are treated as the statement itself.
_IN_COMMENTS = frozenset({"USER", "IDENTITY", "MDISK", "LINK", "APPCPASS", "COMMAND"})
#: CP and DirMaint commands in comments: what stands behind the user that they name may be a password.
_LOGONS = frozenset({b"XAUTOLOG", b"AUTOLOG", b"LOGON", b"LOGIN", b"SETPW"})
#: What may stand around a word of a comment, as in ``*-USER`` or ``(was USER``.
_LAST_WORD = re.compile(rb"[A-Za-z]+(?=[^A-Za-z0-9]*\Z)")
_AROUND = b"*-=>+|!/\\#.,:;()[]{}<'\"`~"
_SIGNS = _AROUND.decode("ascii")
_CONTROL = re.compile(r"(.*?\*+\s*PW\w*\s*=)(.*)", re.I | re.S)
_KEYWORD_ITEM = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_NAME = r"(?:pass(?:word|wd|phrase)?|passw|(?:set)?pwd?)"
_PASSWORD = re.compile(_NAME.encode("ascii"), re.I)
#: How a person names a password in a comment.
_SPEAKS = re.compile(
    rf"(?<![^\W_])(?:{_NAME}s?|passw(?:o|oe|ö)rt(?:er)?|pass\W+phrases?|kennw(?:o|oe|ö)rt(?:er)?)(?![^\W_])", re.I
)
_VALUE = r"('[^']*'?|(?![\w-]+=)[^\s']+)"
_ASSIGNED = re.compile(rf"([\w-]*(?:{_NAME}|secret|pw\d+)\s*=\s*){_VALUE}", re.I)
_SAID = re.compile(rf"(\b{_NAME}\b(?:\s+is\b)?[\s:]+){_VALUE}", re.I)


def lines(statement: Statement, *, rest: bool = False) -> list[str]:
    """The records of a statement as they may be shown: columns 1-72, passwords masked.

    :param rest: as :func:`is_rest` says; every word is masked then.
    """
    texts = [record.text.decode("latin-1").rstrip() for record in statement.records]
    if statement.keyword == COMMENT:
        return [_hidden(texts[0]) if rest else _comment(texts[0])]
    hidden: dict[int, set[tuple[int, int]]] = {}
    places = statement.places()
    every = list(range(len(statement.raw_words)))
    for word in every if rest else secret_words(statement.keyword, statement.raw_words):
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


def is_rest(before: Statement | None, statement: Statement) -> bool:
    """Whether a statement may be what was cut off the one before it, which carries passwords.

    No directory statement begins so, and the record before it names passwords at its end.
    """
    unknown = statement.is_code and not is_known(statement.keyword)
    return unknown and before is not None and before.keyword in _IN_COMMENTS


def entry_lines(entry: Entry) -> list[str]:
    """A whole entry as it may be shown."""
    return _all_lines(entry.statements)


def _all_lines(statements: Iterable[Statement]) -> list[str]:
    found: list[str] = []
    before: Statement | None = None
    goes_on = False
    for statement in statements:
        rest = is_rest(before, statement)
        found += lines(statement, rest=rest or goes_on)
        before = statement if statement.is_code and not rest else before
        goes_on = statement.keyword == COMMENT and _goes_on(statement, goes_on)
    return found


def _goes_on(comment: Statement, already: bool) -> bool:
    """Whether a statement that is commented out goes on in the next record, with its passwords perhaps."""
    words = comment.records[0].text.split()
    name = next((found[0] for word in words if (found := _LAST_WORD.search(word))), b"")
    return words[-1].endswith(b",") and (already or keyword_of(name) in _IN_COMMENTS)


def text(data: bytes) -> str:
    """Directory text as it may be shown, one line for each record."""
    return "\n".join(_all_lines(Directory.parse(data).statements()))


def line(said: str) -> str:
    """One line of a program's message as it may be shown: what it quotes of a directory has its passwords masked."""
    return _comment_words(said)


def record_lines(records: Sequence[bytes]) -> list[str]:
    """The records of an entry as they may be shown; a statement that goes on in the next record is seen whole."""
    return _all_lines(Directory.of_lines(records).statements())


def is_keyword_form(items: Sequence[str]) -> bool:
    """Whether these are ``KEYWORD=...`` items, as most of a keyword form are, and not records."""
    said = [bool(_KEYWORD_ITEM.match(item)) for item in items if item.strip()]
    return sum(said) * 2 >= len(said) > 0


def keyword_item(item: str) -> str:
    """An item of the keyword form as it may be shown.

    The directory manager gives the logon password without a keyword (captured), so that a bare word is masked.
    """
    keyword = _KEYWORD_ITEM.match(item)
    if item.strip() and not keyword and item.strip().upper() not in LOGON_WORDS:
        return MASK
    said = text(item.encode("latin-1", "replace"))
    if not keyword:
        return said
    # The value may be a comment, or be spelled as in a record.
    name, _, value = said.partition("=")
    if name.upper() in ("USER", "IDENTITY") and "=" not in value:
        return f"{name}={_comment_words(f'{name} {value}')[len(name) + 1 :]}"
    return f"{name}={_comment_words(value)}"


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


def _hidden(line: str) -> str:
    """A comment of which every word may be a password."""
    body = line.lstrip(" *")
    return line[: len(line) - len(body)] + re.sub(r"\S+", MASK, body)


def _comment(line: str) -> str:
    """A comment: control comments lose all that follows the equals sign, commented statements their passwords.

    A statement may stand anywhere in a comment, behind a date or a name, and be one of several.
    """
    control = _CONTROL.match(line)
    if control:
        return _comment_words(control[1]) + (f" {MASK}" if control[2].strip() else "")
    shown = _comment_words(line)
    # Where a person speaks of a password, which of the words is it cannot be known.
    return re.sub(r"\S+", _unless_it_names, shown) if _SPEAKS.search(line) else shown


def _unless_it_names(word: re.Match[str]) -> str:
    bare = word[0].strip(_SIGNS)
    return word[0] if not bare or _SPEAKS.fullmatch(bare) else MASK


def _comment_words(line: str) -> str:
    spans = [found.span() for found in re.finditer(r"\S+", line)]
    words = [line[start:end].encode("latin-1", "replace") for start, end in spans]
    hidden: set[int] = set()
    first = next((at for at, word in enumerate(words) if word.strip(_AROUND)), 0)
    for at in range(first, len(words)):
        hidden |= {at + word for word in _statement_in(words[at:], begins=at == first)}
        hidden |= _before_sizes(words, at)
    return _generic(_masked(line, [spans[word] for word in hidden]))


def _before_sizes(words: Sequence[bytes], at: int) -> set[int]:
    """The word before two storage sizes is a logon password, whatever stands before it (``LNX1 SECRET 512M 1G``).

    Sizes in exabytes are not seen: ``19E`` is an address.
    """
    said = [word.strip(_AROUND).decode("latin-1").upper() for word in words[at : at + 3]]
    sizes = [kib(word) is not None and word[-1:] in "KMG" for word in said]
    return {at} if sizes == [False, True, True] and said[0] not in LOGON_WORDS else set()


def _statement_in(words: Sequence[bytes], *, begins: bool) -> list[int]:
    """Which words of a comment, from one on that may be a statement's name, are passwords.

    :param begins: nothing but signs stands before them, so that prose is less likely than a statement.
    """
    found = _LAST_WORD.search(words[0])
    if found is None:
        return []
    name = found[0]
    said = [name, *words[1:]]
    if name.upper() in _LOGONS:
        return list(range(2, len(said))) if begins or name.isupper() else []
    keyword = keyword_of(name)
    if keyword not in _IN_COMMENTS or not _looks_meant(keyword, said, begins=begins):
        return []
    hidden = secret_words(keyword, said)
    # ``USER LNX1 PW SECRET``: as a person says it.
    named = hidden == [2] and len(said) > 3 and _PASSWORD.fullmatch(said[2].strip(_AROUND))
    return [2, 3] if named else hidden


def _looks_meant(keyword: str, words: Sequence[bytes], *, begins: bool) -> bool:
    """Whether words that begin like a statement are one, and no prose.

    LINK and MDISK show it by an address.  USER and IDENTITY at the beginning of a comment are believed; elsewhere
    they show it by a storage size, by being the end of the comment, or by capitals.  A name of one to three letters
    needs more: a device type, a mode, a storage size.
    """
    text = [word.strip(_AROUND).decode("latin-1") for word in words] + [""] * 4
    short = len(text[0]) < 4 and text[0].upper() != "CMD"
    if keyword == "LINK":
        return is_address(text[2]) and (not short or any(is_mode(word) for word in text[3:5]))
    if keyword == "MDISK":
        return is_address(text[1]) and (not short or text[2].isdigit() or text[2].upper().startswith("FB"))
    if keyword in ("USER", "IDENTITY"):
        sized = kib(text[3]) is not None or (text[3].isdigit() and text[4].isdigit())
        whole = bool(text[1]) and len(text[1]) <= 8 and sized
        if short or whole:
            return whole
        return begins or (0 < len(text[1]) <= 8 and (not text[3] or text[1].upper() == text[1]))
    return not short


def field(value: object) -> str:
    """One field of a typed view as it may be shown."""
    if isinstance(value, Secret):
        return MASK
    return _generic(str(value))


def _generic(line: str) -> str:
    """Keyword forms in any text: ``PASS=x``, ``READPASSWORD=x``, ``PASSWORD x``, ``password is x``."""
    return _SAID.sub(rf"\g<1>{MASK}", _ASSIGNED.sub(rf"\g<1>{MASK}", line))
