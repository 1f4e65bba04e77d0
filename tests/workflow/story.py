"""A workflow of three steps as a process of its own: ``story.py DIRECTORY KEY [STEP-THAT-FAILS]``.

Each step writes a line to ``DIRECTORY/did``; the result goes to standard output.
``STORY_DATABASE`` in the environment is the database, instead of a file in the directory.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path

from goldroot.errors import GoldrootError, NoSpace
from goldroot.workflow import State, Step, Workflow, open_engine


def story(directory: Path, failing: str = "") -> Workflow:
    def step(name: str) -> Step:
        def do(state: State) -> State:
            with (directory / "did").open("a") as file:
                file.write(f"{name} {json.dumps(state, sort_keys=True)}\n")
            if name == failing:
                raise NoSpace("the disk is full")
            return {name: len(state)}

        return Step(name, do)

    return Workflow("story", (step("one"), step("two"), step("three")))


def main(directory: Path, key: str, failing: str = "") -> int:
    try:
        database = os.environ.get("STORY_DATABASE", str(directory / "workflow.sqlite"))
        with open_engine(database, directory / "locks") as engine:
            print(json.dumps(engine.run(story(directory, failing), key, {"clone": "web1"}), sort_keys=True))
    except GoldrootError as error:
        print(error.brief)
        return error.exit_code
    assert threading.active_count() == 1, threading.enumerate()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), *sys.argv[2:]))
