"""Libraries that are loaded when they are first used; and that DBOS does not notice."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest

from goldroot.workflow.port import NOT_ON_SQLITE, Later, import_lean, loaded_later

HEAVY = "class Broken(Exception): pass\ndef double(number): return 2 * number\nclass Session: pass\n"


@pytest.fixture
def heavy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module that was not loaded."""
    (tmp_path / "heavy_one.py").write_text(HEAVY)
    monkeypatch.syspath_prepend(tmp_path)
    yield "heavy_one"
    sys.modules.pop("heavy_one", None)


def test_the_block_gets_a_stand_in_and_nobody_else(heavy: str) -> None:
    with loaded_later(heavy):
        from heavy_one import double  # type: ignore[import-not-found]
    assert heavy not in sys.modules
    assert isinstance(double, Later)
    import heavy_one

    assert not isinstance(heavy_one, Later)


def test_it_is_loaded_by_the_first_call(heavy: str) -> None:
    with loaded_later(heavy):
        from heavy_one import double
    assert double(4) == 8
    assert heavy in sys.modules


def test_an_attribute_is_the_real_one_once_it_is_loaded(heavy: str) -> None:
    with loaded_later(heavy):
        import heavy_one as stand_in
    import heavy_one as real

    assert stand_in.Broken is real.Broken
    with pytest.raises(real.Broken):
        raise stand_in.Broken


def test_nothing_is_of_a_class_that_nobody_has_loaded(heavy: str) -> None:
    with loaded_later(heavy):
        import heavy_one as stand_in
        from heavy_one import Session
    assert not isinstance(object(), Session) and not isinstance(ValueError(), stand_in.Broken)
    assert heavy not in sys.modules, "that is known without it"
    import heavy_one as real

    assert isinstance(real.Session(), Session) and isinstance(real.Broken(), stand_in.Broken)
    assert not isinstance(object(), Session)


def test_it_is_loaded_where_a_class_is_derived_from_it(heavy: str) -> None:
    with loaded_later(heavy):
        import heavy_one as stand_in

        class Own(stand_in.Session):  # type: ignore[misc]
            pass

    assert Own.__mro__[1] is sys.modules[heavy].Session


def test_it_can_stand_in_an_annotation(heavy: str) -> None:
    with loaded_later(heavy):
        from heavy_one import Session
    assert typing.Optional[Session] is not None  # noqa: UP045  as DBOS writes it
    assert typing.Union[int, Session[int]] is not None  # noqa: UP007
    assert heavy not in sys.modules


def test_a_module_that_is_loaded_is_taken_as_it_is() -> None:
    with loaded_later("json"):
        import json
    assert not isinstance(json, Later) and sys.modules["json"] is json


def test_the_stand_ins_go_where_the_block_fails(heavy: str) -> None:
    with pytest.raises(ZeroDivisionError), loaded_later(heavy):
        raise ZeroDivisionError
    assert heavy not in sys.modules


@pytest.mark.parametrize(
    ("uses", "loaded"), [("x = heavy_one.Session", False), ("name = heavy_one.Session.__name__", True)]
)
def test_a_package_that_cannot_do_without_is_imported_plainly(
    heavy: str, tmp_path: Path, uses: str, loaded: bool
) -> None:
    (tmp_path / "user_one").mkdir()
    (tmp_path / "user_one" / "__init__.py").write_text("from user_one import inner")
    (tmp_path / "user_one" / "inner.py").write_text(f"import heavy_one\n{uses}\n")
    try:
        import_lean("user_one", [heavy])
        assert (heavy in sys.modules) is loaded
        inner = sys.modules["user_one.inner"]
        assert isinstance(inner.heavy_one, Later) is not loaded
    finally:
        for name in ("user_one", "user_one.inner"):
            sys.modules.pop(name, None)


def test_a_package_that_is_not_there_is_an_import_error() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        import_lean("no_such_package", ["heavy_one"])


#: What comes out of the engine for each thing that can go wrong with its database or in a step.
STORY = """
    import os, sqlite3, sys, tempfile
    if sys.argv[1] == "whole":
        for name in {names!r}: __import__(name)
    from goldroot.workflow import Step, Workflow, open_engine
    from goldroot.workflow import load_engine
    load_engine()
    from goldroot.workflow import durable
    durable.WAIT = 0.05

    def failing(state): raise OSError(5, "the disk")
    def fine(state): return {{"done": 1}}

    def told(name, path, step):
        try:
            with open_engine(path, room + "/locks") as engine:
                print(name, engine.run(Workflow("test", (Step("one", step),)), name, {{}}))
        except BaseException as error:
            cause = error.__cause__
            print(name, type(error).__name__, str(error).replace(room, ""), type(cause).__name__)

    with tempfile.TemporaryDirectory() as room:
        path = room + "/flow.sqlite"
        told("a step that fails", path, failing)
        told("fine", path, fine)
        with open_engine(path, room + "/locks") as engine:
            print("pending", [one.key for one in engine.pending()])
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        told("locked", path, fine)
        holder.rollback(); holder.close()
        broken = room + "/broken.sqlite"
        open(broken, "wb").write(b"not a database" * 999)
        told("damaged", broken, fine)
        told("no such directory", room + "/none/x.sqlite", fine)
        edited = sqlite3.connect(path)
        edited.execute("UPDATE workflow_status SET output = '{{', inputs = '{{'")
        edited.commit(); edited.close()
        told("fine", path, fine)
    loaded = [name for name in {names!r} if name in sys.modules]
    print("loaded", len(loaded), file=sys.stderr)
"""


@pytest.mark.slow
def test_what_goes_wrong_comes_out_of_dbos_as_it_does_without_stand_ins() -> None:
    story = textwrap.dedent(STORY.format(names=NOT_ON_SQLITE))
    told = {
        how: subprocess.run([sys.executable, "-c", story, how], capture_output=True, text=True, check=True)
        for how in ("lean", "whole")
    }
    assert told["lean"].stdout == told["whole"].stdout
    assert "a step that fails OSError [Errno 5] the disk" in told["lean"].stdout
    assert "locked Failed" in told["lean"].stdout and "damaged DatabaseDamaged" in told["lean"].stdout
    assert told["lean"].stderr.split() == ["loaded", "0"]
    assert told["whole"].stderr.split() == ["loaded", str(len(NOT_ON_SQLITE))]
