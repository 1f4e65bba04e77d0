"""Decisions as a file.

::

    {"schema": 1,
     "decisions": {"KEY": "clone",                                  a bare answer
                   "KEY": {"take": "gold", "note": "..."},          the same with words
                   "KEY": {"take": "content", "text": "..."},       content of one's own, as text
                   "KEY": {"take": "content", "base64": "..."},     or as any bytes
                   "KEY": {"take": "content", "file": "..."}}}      or in a file beside this one

KEY is a conflict's ``key`` in the record.
"""

from __future__ import annotations

import base64
import json
import os
import re
from typing import Any

from goldroot.conflicts import CONTENT, Decision, Decisions, answer_given
from goldroot.errors import BadInput
from goldroot.files import digest_of, read_given

SCHEMA = 1
_KEY = re.compile("[0-9a-f]{64}")


def load_decisions(file: str) -> dict[str, Decision]:
    """Read a decisions file.

    :raises BadInput: it cannot be read or is not of the form above.
    """
    try:
        data = json.loads(read_given(file))
    except OSError as error:
        raise BadInput(f"{file}: the decisions cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{file}: this is not JSON: {error}") from error
    if not isinstance(data, dict) or not isinstance(data.get("decisions"), dict):
        raise BadInput(f'{file}: a decisions file is an object with "decisions": {{KEY: ANSWER}}')
    if data.get("schema", SCHEMA) != SCHEMA:
        raise BadInput(f"{file}: schema {data['schema']!r} is not known here", todo="A newer goldroot may read it.")
    where = os.path.dirname(os.path.abspath(file))
    decisions = {str(key): _decision(file, where, key, answer) for key, answer in data["decisions"].items()}
    for key in decisions:
        if not _KEY.fullmatch(key):
            raise BadInput(
                f"{file}: {key!r} is not a key of a conflict",
                meaning="An answer under it would answer nothing.",
                todo="Write the whole key, 64 hex digits, as the record has it.",
            )
    return decisions


def _decision(file: str, where: str, key: str, answer: Any) -> Decision:
    if isinstance(answer, str):
        return Decision(answer_given(answer))
    if not isinstance(answer, dict) or not isinstance(answer.get("take"), str):
        raise BadInput(
            f'{file}: the answer to {key[:12]}... needs a "take"', todo='Write {"take": "server"} or "gold".'
        )
    if answer["take"] != CONTENT:
        return Decision(answer_given(answer["take"]))
    return Decision(CONTENT, _content(file, where, key, answer))


def _content(file: str, where: str, key: str, answer: dict[str, Any]) -> bytes:
    try:
        if "text" in answer:
            return str(answer["text"]).encode("utf-8", "surrogateescape")
        if "base64" in answer:
            return base64.b64decode(answer["base64"], validate=True)
        return read_given(os.path.join(where, str(answer["file"])))
    except KeyError:
        raise BadInput(f'{file}: the answer to {key[:12]}... needs "text", "base64" or "file"') from None
    except (ValueError, TypeError) as error:
        raise BadInput(f"{file}: the base64 of {key[:12]}... is damaged") from error
    except OSError as error:
        raise BadInput(f"{file}: the content for {key[:12]}... cannot be read: {error.strerror}") from error


def decisions_text(decisions: Decisions) -> bytes:
    """A decisions file with these answers; contents may be any bytes."""
    said = {
        key: {"take": one.take} | ({} if one.content is None else {"base64": base64.b64encode(one.content).decode()})
        for key, one in sorted(decisions.items())
    }
    return json.dumps({"schema": SCHEMA, "decisions": said}, indent=1).encode() + b"\n"


def decisions_digest(decisions: Decisions) -> bytes:
    """A hash over a set of decisions."""
    given = sorted(decisions.items(), key=lambda item: item[0])
    return digest_of(part for key, one in given for part in (key.encode(), one.take.encode(), one.content or b""))
