"""Content of a person's own, as an answer."""

from __future__ import annotations

from goldroot.errors import BadInput, UsageError
from goldroot.files import read_given
from goldroot.fleet.update.checks import MARKERS

#: In bytes: anything larger is not a text that a person edits.
LARGEST = 16 << 20


def own_content(file: str) -> bytes:
    """What a person's file holds, as the answer to a question.

    :raises UsageError: there is no such file, so the word was meant as another answer. :raises BadInput: it is too large, or
        holds markers of a merge.
    """
    try:
        content = read_given(file, LARGEST + 1)
    except OSError as error:
        raise UsageError(
            f"{file!r} is neither an answer nor a file that can be read ({error.strerror})",
            todo="Give clone, gold, proposal, another answer that `goldroot review show` names, or a file.",
        ) from error
    if len(content) > LARGEST:
        raise BadInput(f"{file!r} is larger than {LARGEST >> 20} MiB", todo="Take it to the server afterwards.")
    check_markers(content, file)
    return content


def check_markers(content: bytes, what: str) -> None:
    """:raises BadInput: markers of a merge are left in it."""
    if MARKERS.search(content):
        raise BadInput(
            f"{what} still holds conflict markers", meaning="Nothing was decided.", todo="Remove them and try again."
        )
