"""Ctrl-C before the command line is loaded: nothing was begun, and nobody wants to read which module it was at."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

SLOW_TO_LOAD = """
import sys, time
class Slow:
    def find_spec(self, name, path, target=None):
        if name == "goldroot.cli.main":
            print("loading", flush=True)
            time.sleep(60)
sys.meta_path.insert(0, Slow())
from goldroot.cli.begin import main
main()
"""


def test_before_there_is_anything_to_interrupt() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SLOW_TO_LOAD], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as begun:
        assert begun.stdout is not None
        assert begun.stdout.readline() == b"loading\n"
        begun.send_signal(signal.SIGINT)
        assert (begun.wait(), begun.communicate()) == (-signal.SIGINT, (b"", b""))


@pytest.mark.parametrize(("handler", "heard"), [("default_int_handler", True), ("SIG_IGN", False)])
def test_afterwards_it_is_heard_unless_it_was_ignored(handler: str, heard: bool) -> None:
    program = (
        f"import signal; signal.signal(signal.SIGINT, signal.{handler})\n"
        "from goldroot.cli import begin, main\n"
        "main.main = lambda: print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)\n"
        "begin.main()"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == str(heard)
