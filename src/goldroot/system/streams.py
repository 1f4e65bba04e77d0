"""What a confined command reads and says, between it and goldroot or the person at the terminal.

The command has pipes, or a terminal of its own, and never a descriptor of the caller's: it could change the mode of the
file behind it, or type into the terminal.
"""

from __future__ import annotations

import fcntl
import marshal
import os
import selectors
import signal
import socket
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from goldroot.system.limits import Watch

_CHUNK = 1 << 16

#: What a message of the other side does: given its words and the descriptor that came along.
Hear = Callable[[tuple[object, ...], int | None], None]


class Streams:
    """The ends that goldroot holds.  ``out`` and ``err`` are what was captured."""

    def __init__(self, watch: Watch, *, capture: bool, stdin: bytes | None) -> None:
        self.watch, self.capture = watch, capture
        self.out, self.err = bytearray(), bytearray()
        self._given = memoryview(stdin) if stdin else memoryview(b"")
        self._relays = not capture and stdin is None
        #: The descriptors that go onto a terminal of the system's own: all that are one.
        self.terminal = [handle for handle in (0, 1, 2) if self._relays and _is_terminal(handle)]
        if not {0, 1} <= set(self.terminal):
            self.terminal = []
        self._selector = selectors.PollSelector()
        self._open: list[int] = []
        (theirs_in, self._in), (out, theirs_out), (err, theirs_err) = (self._pipe() for _ in range(3))
        self.theirs = (theirs_in, theirs_out, theirs_err)
        self._watch(out, lambda: self._read(out, self.out, 1))
        self._watch(err, lambda: self._read(err, self.err, 2))

    @property
    def feeds(self) -> bool:
        """Whether anything comes to the command."""
        return bool(self._given) or self._relays

    def begin(self) -> None:
        """The command has its ends: let go of them, and feed it."""
        for handle in self.theirs:
            self._close(handle)
        if self._relays and not self.terminal:
            self._watch(0, self._pass_on)
        elif self._given:
            os.set_blocking(self._in, False)
            self._watch(self._in, self._feed, selectors.EVENT_WRITE)
        else:
            self._close(self._in)

    def run(self, control: socket.socket, hear: Hear) -> None:
        """Until the other side has hung up and everything is read.

        :raises LimitReached: see :class:`Watch`.
        """
        self._watch(control.fileno(), lambda: self._hear(control, hear))
        while self._selector.get_map():
            for key, _ in self._selector.select(self.watch.wait()):
                if key.fd in self._selector.get_map():
                    key.data()
            self.watch.look()
            if control.fileno() not in self._selector.get_map():
                self._stop(0)

    def close(self) -> None:
        self._selector.close()
        for handle in list(self._open):
            self._close(handle)

    @contextmanager
    def relaying(self) -> Iterator[Callable[[int], None]]:
        """The person's terminal is passed on to the one whose descriptor is then given, key by key."""
        if not self.terminal:
            yield os.close
            return
        before = termios.tcgetattr(0)

        def follow(master: int) -> None:
            self._open.append(master)
            _copy_size(master)
            if threading.current_thread() is threading.main_thread():
                resized.append(signal.signal(signal.SIGWINCH, lambda *_: _copy_size(master)))
            tty.setraw(0)
            self._watch(master, lambda: self._read(master, self.out, 1))
            self._watch(0, lambda: self._type(master))

        resized: list[object] = []
        try:
            yield follow
        finally:
            termios.tcsetattr(0, termios.TCSADRAIN, before)
            if resized:
                signal.signal(signal.SIGWINCH, resized[0] or signal.SIG_DFL)  # type: ignore[arg-type]

    # -- what becomes ready

    def _hear(self, control: socket.socket, hear: Hear) -> None:
        try:
            data, handles, _, _ = socket.recv_fds(control, _CHUNK, 1)
        except ConnectionError:
            data, handles = b"", []
        if data:
            hear(marshal.loads(data), handles[0] if handles else None)
        else:
            self._stop(control.fileno())

    def _read(self, handle: int, kept: bytearray, ours: int) -> None:
        try:
            data = os.read(handle, _CHUNK)
        except OSError:  # a terminal that nobody has open any more
            data = b""
        if not data:
            self._stop(handle)
        elif self.capture:
            kept += data
            self.watch.said(len(data))
        else:
            _write_all(ours, data)

    def _feed(self) -> None:
        try:
            self._given = self._given[os.write(self._in, self._given[:_CHUNK]) :]
        except BrokenPipeError:
            self._given = memoryview(b"")
        except BlockingIOError:
            return
        if not self._given:
            self._stop(self._in)
            self._close(self._in)

    def _pass_on(self) -> None:
        data = _read_ours()
        try:
            _write_all(self._in, data)
        except BrokenPipeError:
            data = b""
        if not data:
            self._stop(0)
            self._close(self._in)

    def _type(self, master: int) -> None:
        data = _read_ours()
        if data:
            with suppress(OSError):
                _write_all(master, data)
        else:
            self._stop(0)

    # -- descriptors

    def _pipe(self) -> tuple[int, int]:
        both = os.pipe()
        self._open += both
        return both

    def _watch(self, handle: int, ready: Callable[[], None], event: int = selectors.EVENT_READ) -> None:
        self._selector.register(handle, event, ready)

    def _stop(self, handle: int) -> None:
        with suppress(KeyError):
            self._selector.unregister(handle)

    def _close(self, handle: int) -> None:
        if handle in self._open:
            self._open.remove(handle)
            os.close(handle)


def _is_terminal(handle: int) -> bool:
    return os.isatty(handle)


def _read_ours() -> bytes:
    try:
        return os.read(0, _CHUNK)
    except OSError:
        return b""


def _write_all(handle: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _copy_size(master: int) -> None:
    with suppress(OSError):
        fcntl.ioctl(master, termios.TIOCSWINSZ, fcntl.ioctl(sys.stdin.fileno(), termios.TIOCGWINSZ, bytes(8)))
