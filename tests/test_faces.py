"""The face of a room: what it lists, what a type checker sees and what a program gets are the same names."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import goldroot

SOURCE = Path(goldroot.__file__).parent
FACES = sorted(path for path in SOURCE.rglob("__init__.py") if "names_of(" in path.read_text())


def name_of(face: Path) -> str:
    return ".".join(face.parent.relative_to(SOURCE.parent).parts)


@cache
def all_trees() -> dict[str, ast.Module]:
    """Every module, by its name."""
    files = {".".join(path.relative_to(SOURCE.parent).with_suffix("").parts): path for path in SOURCE.rglob("*.py")}
    return {name.removesuffix(".__init__"): ast.parse(path.read_text()) for name, path in files.items()}


def seen_by_a_checker(tree: ast.Module) -> dict[str, str]:
    """Name -> module, of the imports below ``if TYPE_CHECKING``."""
    blocks = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    imports = [node for block in blocks for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: node.module or "" for node in imports for alias in node.names}


def given_to_a_program(tree: ast.Module, package: str) -> dict[str, str]:
    """Name -> module, of the table that ``names_of`` is called with."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "names_of"]
    (table,) = (ast.literal_eval(call.args[1]) for call in calls)
    return {name: f"{package}.{module}".rstrip(".") for module, names in table.items() for name in names.split()}


def test_these_rooms_have_faces() -> None:
    rooms = {"accounts", "catalog", "demo", "fleet", "image", "merge", "site", "system", "tree"}
    assert {f"goldroot.{room}" for room in rooms} <= {name_of(face) for face in FACES}


def test_the_catalog_is_entered_by_its_face_for_the_names_in_its_subjects_too() -> None:
    """import-linter cannot tell ``from goldroot.catalog import clones`` from ``from goldroot.catalog import Clone``."""
    into = [
        (name, node.module)
        for name, tree in all_trees().items()
        if not name.startswith("goldroot.catalog")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("goldroot.catalog.")
    ]
    assert into == []


@pytest.mark.parametrize("face", FACES, ids=name_of)
def test_the_three_lists_of_a_face_agree(face: Path) -> None:
    package = name_of(face)
    tree = ast.parse(face.read_text())
    given = given_to_a_program(tree, package)
    assert given == seen_by_a_checker(tree)
    assert sorted(given) == sorted(set(importlib.import_module(package).__all__) - {"__version__"})


@pytest.mark.parametrize("face", FACES, ids=name_of)
def test_every_name_of_a_face_is_there(face: Path) -> None:
    package = importlib.import_module(name_of(face))
    for name in package.__all__:
        assert getattr(package, name) is not None, name
    with pytest.raises(AttributeError, match="has no attribute 'nothing_of_this_name'"):
        _ = package.nothing_of_this_name


def test_a_face_loads_only_what_is_asked_for() -> None:
    program = (
        "import sys; from goldroot.tree import path_text; print(*(m for m in sys.modules if 'goldroot.tree' in m))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"goldroot.tree", "goldroot.tree.paths"}


@pytest.mark.parametrize("face", FACES, ids=name_of)
def test_completion_shows_every_name(face: Path) -> None:
    package = importlib.import_module(name_of(face))
    assert set(package.__all__) <= set(dir(package))


def loads(module: str, tree: ast.Module, faces: dict[str, dict[str, str]], known: set[str]) -> set[str]:
    """The modules that a module loads before its own names are there: what a face gives counts as where it stands."""
    found = set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("goldroot"):
            for alias in node.names:
                one = f"{node.module}.{alias.name}"
                found.add(one if one in known else faces.get(node.module or "", {}).get(alias.name, node.module or ""))
    return found & known - {module}


def test_no_module_waits_for_one_that_waits_for_it() -> None:
    """A ring of imports works until somebody enters it at another place; faces hide it from import-linter."""
    trees = all_trees()
    faces = {name_of(face): given_to_a_program(trees[name_of(face)], name_of(face)) for face in FACES}
    graph = {name: loads(name, tree, faces, set(trees)) for name, tree in trees.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))
