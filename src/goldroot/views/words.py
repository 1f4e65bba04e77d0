"""One list of the names that fields have, and of the words that stand for values on a screen.

A field has one name wherever it is shown or exported; older names (``from_version``, ``number``) stand beside it where they
once were alone.  A value that is stored as a short word (``clone``, ``needs-review``) is told to a person in
the words of this page: the third side is *the server*, never "the clone", where it could be read as one of the sides.
"""

from __future__ import annotations

from types import MappingProxyType

#: Field -> (heading of its column, what it holds).  Times are UTC in ISO 8601, sizes are bytes.
FIELDS = MappingProxyType(
    {
        "clone": ("server", "the name of a clone"),
        "image": ("image", "the name of an image"),
        "version": ("gold", "the number of a gold version"),
        "from": ("from", "the gold version that an update begins at"),
        "to": ("to", "the gold version that an update goes to"),
        "id": ("number", "the number of an update, fallback or test"),
        "kind": ("kind", "which of its sort it is"),
        "state": ("state", "how far it is"),
        "outcome": ("outcome", "what became of it"),
        "conflicts": ("to decide", "questions that a person has to answer"),
        "open_conflicts": ("open", "how many questions nobody has answered yet"),
        "changed_at": ("since", "when the state was reached"),
        "created_at": ("made", "when it was made"),
        "kept_until": ("kept until", "when it may be pruned"),
        "answers": ("answers", "remembered answers that a merge uses"),
        "stays": ("stays", "why a server stays on a version that was retired"),
        "record": ("record", "the path of the record, or the record itself"),
        "error": ("why it stopped", "what the last attempt ran into, empty where nothing did"),
        "reason": ("why", "why it stands as it stands, in a short sentence"),
        "path": ("path", "a path in the system, absolute; bytes that are not printable are written \\xNN"),
        "host": ("host", "the name of a host"),
        "pruned": ("pruned", "fallbacks that went, as there were more than the site keeps"),
        "health": ("health", "how the server does after its switch"),
        "different": ("otherwise", "what the trial before the switch found otherwise than on the server"),
        "from_version": ("from", "the older name of from"),
        "to_version": ("to", "the older name of to"),
        "not_compared": ("not compared", "servers whose identity is not known: they may have this one's"),
        "shared": ("shared", "files that should be this server's alone, and another one has, too"),
        "dangling": ("dangling", "links beside what was made again that lead to nothing any more"),
        "merged_again": ("merged again", "paths that the running server wrote while they were merged"),
        "failed_rebuilds": ("not rebuilt", "rebuild commands that failed, and why"),
    }
)

#: Side of a merge, or answer to a conflict -> whose it is, for a sentence.
SIDES = MappingProxyType({"base": "the old gold", "gold": "the new gold", "clone": "the server"})

#: Outcome of a path in a record -> what it means for the server.
PATH_OUTCOMES = MappingProxyType(
    {
        "clone": "kept, as the server changed it",
        "gold": "taken from the new gold",
        "both": "changed alike on both sides",
        "merged": "merged from both sides",
        "conflict": "to be decided",
        "dropped": "dropped (sockets)",
        "same": "only what surrounds it changed",
    }
)

#: Outcome of a command that works on a clone -> what it means.
UPDATE_OUTCOMES = MappingProxyType(
    {
        "done": "the server was switched",
        "needs-review": "something is to be decided; nothing was switched, and the server lives on",
        "nothing-to-do": "the server is on that version already",
    }
)


def heading(field: str) -> str:
    """The heading of a field's column; ``KeyError`` for a field that is not in the list."""
    return FIELDS[field][0]


def side(word: str) -> str:
    """Whose a side or an answer is, for a sentence: ``clone`` -> ``the server``; any other word stays as it is."""
    return SIDES.get(word, word)
