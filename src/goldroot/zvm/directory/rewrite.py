"""One statement rewritten in place: its records keep all that the change does not speak of."""

from __future__ import annotations

from goldroot.zvm.directory.records import replace_words
from goldroot.zvm.directory.statement import Statement, addresses_at


def rewritten(statement: Statement, new: dict[int, bytes]) -> Statement:
    """A statement with word ``index -> text`` replaced (0 is its name); :raises BadInput: column 72 is passed."""
    places = statement.places()
    records = list(statement.records)
    for at in {places[index][0] for index in new}:
        # A word with the comma that continues the statement counts as one word of the record.
        starts = [start for start, _ in records[at].words()]
        here = {starts.index(places[index][1]): index for index in new if places[index][0] == at}
        comma = {n: records[at].text[places[i][2] : places[i][2] + 1] == b"," for n, i in here.items()}
        records[at] = replace_words(records[at], {n: new[i] + b"," * comma[n] for n, i in here.items()})
    words = [new.get(index, word) for index, word in enumerate(statement.raw_words)]
    return Statement(statement.keyword, tuple(records), words, statement.line)


def readdressed(statement: Statement, where: str) -> Statement:
    """A device statement at another address; a LINK that left its own address out gets it."""
    at = addresses_at(statement)
    assert at is not None
    word = statement.raw_words[at]
    text = cased(_narrow(where, len(word)), word)
    if statement.keyword == "LINK" and at == 2:
        text = word + b" " + text
    changed = rewritten(statement, {at: text})
    return Statement(changed.keyword, changed.records, b" ".join(changed.raw_words).split(), changed.line)


def _narrow(where: str, width: int) -> str:
    """Four digits in the width that the old address had, where that many say it."""
    digits = where.lstrip("0")
    return digits.zfill(max(width, 1)) if len(digits) <= width else digits.zfill(3)


def cased(text: str, like: bytes) -> bytes:
    word = text.encode("ascii")
    return word.lower() if like.islower() else word
