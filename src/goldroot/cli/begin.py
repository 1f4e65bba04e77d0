"""The installed command's first step: until there is code that hears Ctrl-C, it just ends the process."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """The entry point of ``goldroot-python``; :func:`goldroot.cli.main.main` is the command line itself.

    Nothing was begun while the command line is still being loaded: the signal's own effect is what a shell expects then, and
    Python's would be a list of the modules that it was loading.  A signal that came before waits until now: ``bin/goldroot``
    blocked it.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # it may be ignored, as below nohup(1)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    sys.argv[0] = sys.argv[0].removesuffix("-python")  # what is typed, and what others are shown
    from goldroot.cli import main

    main.main()
