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


@pytest.mark.parametrize("ignored", [False, True])
def test_what_came_before_waits_for_it_unless_it_is_ignored(ignored: bool) -> None:
    program = (
        "import os, signal\n"
        f"signal.signal(signal.SIGINT, signal.{'SIG_IGN' if ignored else 'default_int_handler'})\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
        "from goldroot.cli import begin, main\n"
        "main.main = lambda: print(signal.getsignal(signal.SIGINT), signal.pthread_sigmask(signal.SIG_BLOCK, []))\n"
        "begin.main()"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    if ignored:
        assert (ended.returncode, ended.stdout) == (0, f"{signal.SIG_IGN} set()\n")
    else:
        assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, "", "")


def test_its_name_is_what_was_typed() -> None:
    program = (
        "import sys; sys.argv = ['/a b/goldroot-python', 'log']\n"
        "from goldroot.cli import begin, main\n"
        "main.main = lambda: print(sys.argv)\n"
        "begin.main()"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "['/a b/goldroot', 'log']\n"


def test_it_is_heard_while_the_command_runs_and_only_then() -> None:
    program = (
        "import signal, click\n"
        "from goldroot.cli.failure import ENDING, guarded, heard\n"
        "signal.signal(signal.SIGINT, signal.SIG_DFL)\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "def show(): print(*[getattr(signal.getsignal(n), '__name__', signal.getsignal(n)) for n in (2, 1, 15)])\n"
        "show(); guarded(click.Command('x', callback=show), [], heard()); show()"
    )
    before, meanwhile, after = subprocess.check_output([sys.executable, "-c", program], text=True).splitlines()
    assert before == after == " ".join(str(what) for what in (signal.SIG_DFL, signal.SIG_IGN, signal.SIG_DFL))
    assert meanwhile == f"default_int_handler {signal.SIG_IGN} _end"
