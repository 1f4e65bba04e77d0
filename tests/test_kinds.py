"""Every kind of conflict and note that the code can make is one of the enumeration, and in its page."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import get_args

import goldroot
from goldroot.kinds import ConflictKind, NoteKind
from goldroot.views.kinds import CONFLICT_KINDS, NOTE_KINDS
from goldroot.views.publish import kinds_text
from goldroot.views.record import RecordConflict, RecordNote

SOURCE = Path(goldroot.__file__).parent
PAGE = SOURCE.parents[1] / "docs/reference/kinds.md"

#: What makes a note or a conflict, and where its kind stands among the arguments.
MAKERS = {"Note": 0, "Conflict": 2, "conflict_at": 3}


def written() -> str:
    """All of the code, but for the enumeration itself."""
    return "".join(path.read_text() for path in SOURCE.rglob("*.py") if path.name != "kinds.py")


def made() -> set[str]:
    """Kinds that stand as a word where a note or a conflict is made."""
    found = set()
    for room in ("accounts", "fleet", "image", "merge", "site", "system", "tree"):
        for path in (SOURCE / room).rglob("*.py"):
            text = path.read_text()
            for node in ast.walk(ast.parse(text)) if any(f"{name}(" in text for name in MAKERS) else ():
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MAKERS:
                    at = MAKERS[node.func.id]
                    kind = node.args[at] if len(node.args) > at else None
                    if isinstance(kind, ast.Constant):
                        found.add(kind.value)
    return found


def test_every_kind_has_a_sentence_and_is_made_somewhere() -> None:
    """That none is missing is what mypy holds: the types of Conflict and Note take no other words."""
    assert set(get_args(ConflictKind)) == set(CONFLICT_KINDS)
    assert set(get_args(NoteKind)) == set(NOTE_KINDS)
    every = {*CONFLICT_KINDS, *NOTE_KINDS}
    text, found = written(), made()
    assert [kind for kind in every if f'"{kind}"' not in text] == []
    assert len(found) >= 20 and found <= every


def test_the_types_of_conflicts_and_notes_are_the_enumeration() -> None:
    for file in ("conflicts.py", "tree/entry.py"):
        text = (SOURCE / file).read_text()
        assert "    kind: ConflictKind  #:" in text or "    kind: NoteKind | ConflictKind  #:" in text


def test_the_page_and_the_schemas_have_every_kind() -> None:
    """The page is written again by: python -m goldroot.views.publish docs/reference/schemas."""
    assert PAGE.read_text() == kinds_text()
    assert RecordConflict.model_json_schema()["properties"]["kind"]["enum"] == sorted(CONFLICT_KINDS)
    assert set(RecordNote.model_json_schema()["properties"]["kind"]["enum"]) == {*CONFLICT_KINDS, *NOTE_KINDS}


def test_a_sentence_is_one() -> None:
    for sentence in (*CONFLICT_KINDS.values(), *NOTE_KINDS.values()):
        assert sentence[0].islower() and not sentence.endswith("."), sentence
