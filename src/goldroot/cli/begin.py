"""The installed command's first step: until there is code that hears Ctrl-C, it just ends the process."""

from __future__ import annotations

import signal


def main() -> None:
    """The entry point; :func:`goldroot.cli.main.main` is the command line itself.

    Nothing was begun while the command line is still being loaded: the signal's own effect is what a shell expects then, and
    Python's would be a list of the modules that it was loading.
    """
    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # it may be ignored, as below nohup(1)
    if ours:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from goldroot.cli import failure, main

    assert failure  # it is what turns Ctrl-C into words
    if ours:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    main.main()
