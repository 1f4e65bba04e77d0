"""The published shapes: what they accept and refuse, and that their files are those of the models."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from goldroot import views
from goldroot.cli.update import WORDS
from goldroot.views import VIEWS, Record, UnreadableRecord, UpdateOutcome, read_record, schema_of, schema_text
from goldroot.views.publish import commands_text

SCHEMAS = Path(__file__).parents[2] / "docs" / "reference" / "schemas"
EMPTY = {
    "schema": 1, "versions": {"goldroot": "0", "record": 1}, "policy": "p", "counts": {"unchanged": 0, "conflicts": 0},
    "conflicts": [], "entries": [], "notes": [],
}  # fmt: skip


def test_the_published_schemas_are_those_of_the_models() -> None:
    """A schema is written again by: python -m goldroot.views.publish docs/reference/schemas."""
    assert {path.stem for path in SCHEMAS.glob("*.json")} == set(VIEWS)
    for name in VIEWS:
        assert (SCHEMAS / f"{name}.json").read_text() == schema_text(name), name


def test_a_record_is_read_as_it_was_written() -> None:
    record = read_record(json.dumps(EMPTY).encode())
    assert isinstance(record, Record)
    assert record.as_json() == EMPTY


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": 2}, "schema 2"),
        ({"entries": [{"path": "/a"}]}, "entries.0.outcome"),
        ({"more": 1}, "more"),
        ({"counts": {"unchanged": "many"}}, "counts.unchanged"),
    ],
)
def test_what_is_not_a_record_says_where(change: dict[str, object], words: str) -> None:
    with pytest.raises(UnreadableRecord, match=words):
        read_record(json.dumps({**EMPTY, **change}).encode())


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b"{", b"null"])
def test_bytes_that_are_not_a_record(content: bytes) -> None:
    with pytest.raises(UnreadableRecord):
        read_record(content)


def test_fields_are_printed_by_their_exported_names() -> None:
    done = UpdateOutcome.model_validate({"clone": "web1", "outcome": "done", "update": 3, "from": 1, "to": 2})
    assert done.as_json() == {"clone": "web1", "outcome": "done", "update": 3, "from": 1, "to": 2}


def test_every_field_of_an_update_has_a_heading_or_is_the_updates_own() -> None:
    """One list of names: a field that the list does not have is one of a view alone, and there are few of these."""
    shown = {
        field.alias or name
        for view in ("update-plan", "update-row", "update-outcome")
        for name, field in VIEWS[view].model_fields.items()
    }
    assert shown - set(views.FIELDS) == {"update"}


def test_the_screen_has_the_words_of_the_list() -> None:
    assert WORDS.items() <= views.PATH_OUTCOMES.items()
    assert views.side("clone") == "the server"
    assert views.side("moved") == "moved"


def test_the_room_imports_no_other_room_and_loads_pydantic_only_where_it_is_used() -> None:
    loaded = "sorted(m for m in sys.modules if m.startswith(('pydantic', 'goldroot.')))"
    code = f"import sys; from goldroot.views import side; print({loaded})"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "['goldroot.faces', 'goldroot.version', 'goldroot.views', 'goldroot.views.words']"
    code = "import sys, goldroot.views.schemas; print(sorted(m for m in sys.modules if m.startswith('goldroot.')))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert all(
        any(room in word for room in (".views", ".faces", ".version")) for word in said.strip("[]\n").split(", ")
    )


def test_the_page_of_the_commands_is_that_of_the_models() -> None:
    page = (SCHEMAS.parent / "json.md").read_text()
    assert page == commands_text(), "run: python -m goldroot.views.publish docs/reference/schemas"
    assert set(re.findall(r"\]\(schemas/([a-z-]+)\.json\)", page)) == set(VIEWS)


def test_a_field_has_one_name() -> None:
    """What was once said in another way is said to be older, and stands beside the field that it is the older name of."""
    for name in VIEWS:
        schema = schema_of(name)
        for title, one in {VIEWS[name].__name__: schema, **schema.get("$defs", {})}.items():
            fields = one.get("properties", {})
            said = {field: str(what.get("description", "")) for field, what in fields.items()}
            for field, words in said.items():
                if words.startswith("the older name of "):
                    assert words.removeprefix("the older name of ") in fields, (name, title, field)
            for old in {"number", "from_version", "to_version", "clone_name", "image_name"} & set(fields):
                assert said[old].startswith("the older name of "), (name, title, old)
            if "clone" in fields and "name" in fields:
                assert said["name"] == "the older name of clone", (name, title)
