"""The only place that starts a process."""

from __future__ import annotations

import os
import selectors
import shlex
import shutil
import signal
import subprocess
import tempfile
import termios
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO

from goldroot.errors import LimitReached, MissingProgram, ProgramFailed, UsageError

#: Where a missing program is found, for the error message.
PACKAGES = {
    "git": "git",
    "rsync": "rsync",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "mmdebstrap": "mmdebstrap",
    "unshare": "util-linux",
    "mount": "mount",
    "chroot": "coreutils",
    "mkfs.ext4": "e2fsprogs",
    "tune2fs": "e2fsprogs",
    "e2fsck": "e2fsprogs",
    "resize2fs": "e2fsprogs",
    "mkfs.erofs": "erofs-utils",
    "mksquashfs": "squashfs-tools",
    "mkfs.xfs": "xfsprogs",
    "xfs_admin": "xfsprogs",
    "xfs_logprint": "xfsprogs",
    "veritysetup": "cryptsetup-bin",
    "zipl": "s390-tools",
    "vmur": "s390-tools",
    "chccwdev": "s390-tools",
    "dasdfmt": "s390-tools",
    "fdasd": "s390-tools",
    "systemd-nspawn": "systemd-container",
    "qemu-img": "qemu-utils",
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-system-s390x": "qemu-system-misc",
}

#: What a child sees by default: nothing of the caller's settings but these.
KEPT_ENVIRONMENT = ("PATH", "TERM", "TMPDIR", "SSH_AUTH_SOCK")

#: Signals that ask a command to end: their handlers raise.
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

#: So many bytes more than were wanted are read of a program that comes to its end, as archives are padded.
_PADDING = 1 << 20
#: Seconds that a program has to end whose output is not read any more.
_LAST_WORDS = 5.0

#: Bytes that are read at once.
_AT_ONCE = 1 << 16

Mask = Set[int]  #: of signals that wait


@dataclass(frozen=True, slots=True)
class Done:
    """A finished process: exit status and what it wrote (bytes)."""

    status: int
    out: bytes
    err: bytes

    def as_dict(self) -> dict[str, object]:
        """As JSON data; what is not UTF-8 is replaced."""
        return {
            "status": self.status,
            "out": self.out.decode("utf-8", "replace"),
            "err": self.err.decode("utf-8", "replace"),
        }

    def text(self) -> str:
        """Standard output as text, for programs that speak text."""
        return self.out.decode("utf-8", "replace")


def find(program: str) -> str:
    """The full path of an external program, or :class:`MissingProgram` that names the package to install."""
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/bin:/bin")
    if path is None:
        raise MissingProgram(
            f"the program {program!r} is not installed",
            meaning="goldroot needs it for this step; nothing was changed.",
            todo=f"Install it (on Debian: apt-get install {PACKAGES.get(program, program)}) and run the command again.",
        )
    return path


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """A small, predictable environment for a child: C.UTF-8, the kept variables, and ``extra``."""
    env = {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}
    env.setdefault("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
    env["LC_ALL"] = "C.UTF-8"
    env.update(extra or {})
    return env


def dying_with(parent: int) -> Callable[[], None]:
    """What a child does so that the kernel kills it when its parent ends (prctl(2), PR_SET_PDEATHSIG).

    The library is loaded here: before the fork, where the child should load nothing.
    """
    import ctypes

    prctl = ctypes.CDLL(None).prctl

    def die_with() -> None:
        prctl(1, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return die_with


@contextmanager
def signals_wait() -> Iterator[Mask]:
    """For a fork: no handler of this process runs in the first moments of its copy; gives the mask of before."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
        yield before
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def start(
    args: Sequence[str],
    *,
    program: str,
    streams: tuple[int, int, int],
    pass_fds: Sequence[int],
    env: Mapping[str, str],
) -> subprocess.Popen[bytes]:
    """Begin a program of goldroot's own, in a session of its own; whoever calls waits for it.

    :param program: what is executed; ``args[0]`` is only what it is called.
    :param streams: descriptors: its input, output and error output.
    :param env: all of its environment.
    :raises ProgramFailed: it could not be started.
    """
    stdin, stdout, stderr = streams
    try:
        return subprocess.Popen(
            args,
            executable=program,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=pass_fds,
            env=env,
            start_new_session=True,
        )
    except OSError as error:
        raise _not_started(args[0], error) from error


def run(
    args: Sequence[str | bytes],
    *,
    stdin: bytes | None = None,
    ok: Sequence[int] | None = (0,),
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
    timeout: float | None = None,
) -> Done:
    """Run a program to its end and return what it said.

    :param stdin: what it reads; ``None``: nothing.
    :param ok: exit statuses that count as success; ``None`` takes any.
    :param env: added to the small environment that :func:`environment` makes.
    :param timeout: in seconds; ``ProgramFailed`` when it runs out.
    :raises MissingProgram: the program is not installed.
    :raises ProgramFailed: it ended with a status that is not in ``ok``.
    """
    name, argv = _found(args)
    try:
        done = subprocess.run(
            argv,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            env=environment(env),
            pass_fds=pass_fds,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _out_of_time(name, error.timeout) from error
    except OSError as error:
        raise _not_started(name, error) from error
    result = Done(done.returncode, done.stdout, done.stderr)
    if ok is not None and result.status not in ok:
        said = result.err.decode("utf-8", "replace").strip()
        raise ProgramFailed(
            f"{name} ended with status {result.status}" + (f": {said.splitlines()[-1]}" if said else ""),
            status=result.status,
            stderr=said,
        )
    return result


def run_stranger(
    args: Sequence[str | bytes], *, timeout: float, most: int, env: Mapping[str, str] | None = None
) -> Done:
    """Run a program that says whatever somebody else likes, who may never come to an end of it; any status will do.

    It has ended when its own process has, whatever it left in the background.  It has no terminal: what a server runs would be
    shown, and could type, at the one of the person who asked.  Where it is killed, what it started goes too, but for what has
    left its session.

    :param timeout: in seconds.
    :param most: bytes that it may say, on both streams together: they are kept in memory.
    :param env: as of :func:`run`.
    :raises MissingProgram: the program is not installed.
    :raises LimitReached: it has said more, and was killed.
    :raises ProgramFailed: it did not end in that time, and was killed.
    """
    name, argv = _found(args)
    try:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(env),
            start_new_session=True,
        )
    except OSError as error:
        raise _not_started(name, error) from error
    assert child.stdout is not None and child.stderr is not None
    end, heard = time.monotonic() + timeout, {child.stdout.fileno(): bytearray(), child.stderr.fileno(): bytearray()}
    with child:
        try:
            for pipe, more in _said_until(child, list(heard), end):
                heard[pipe] += more
                if sum(map(len, heard.values())) > most:
                    raise LimitReached(f"{name} said more than {most >> 20} MiB", limit="output")
            child.wait(max(end - time.monotonic(), 0.0))
        except subprocess.TimeoutExpired as error:
            _kill_session(child)
            raise _out_of_time(name, timeout) from error
        except BaseException:
            _kill_session(child)
            raise
    out, err = map(bytes, heard.values())
    return Done(child.returncode, out, err)


def _said_until(child: subprocess.Popen[bytes], pipes: Sequence[int], end: float) -> Iterator[tuple[int, bytes]]:
    """What comes from pipes until a child has ended, or has closed them.

    :raises subprocess.TimeoutExpired: it goes on at ``end``, by the monotonic clock.
    """
    with selectors.DefaultSelector() as selector, _process_handle(child.pid) as handle:
        for one in (handle, *pipes):
            selector.register(one, selectors.EVENT_READ)
        ended = False
        while not ended or len(selector.get_map()):
            ready = {key.fd for key, _ in selector.select(0.0 if ended else max(end - time.monotonic(), 0.0))}
            if ended and not ready:  # others hold the pipes still: what it left in the background
                return
            if handle in ready:
                selector.unregister(handle)
                ended = True
            for pipe in ready - {handle}:
                if more := os.read(pipe, _AT_ONCE):
                    yield pipe, more
                else:
                    selector.unregister(pipe)
            if not ended and time.monotonic() >= end:
                raise subprocess.TimeoutExpired(child.args, end)


@contextmanager
def _process_handle(pid: int) -> Iterator[int]:
    handle = os.pidfd_open(pid)
    try:
        yield handle
    finally:
        os.close(handle)


def _kill_session(child: subprocess.Popen[bytes]) -> None:
    """A child that has a session of its own, and what is in that still; nobody has waited for the child."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)


@contextmanager
def stream(
    args: Sequence[str | bytes], *, stdin: bytes = b"", ok: Sequence[int] = (0,)
) -> Iterator[tuple[IO[bytes], list[bytes]]]:
    """Run a program whose output is read as it comes, in the block; it is killed where the block ends before it does.

    :param stdin: what it reads.
    :returns: its output, and a list that has the lines of its error output when the block has ended.
    :raises MissingProgram: the program is not installed.
    :raises ProgramFailed: it ended with a status that is not in ``ok``; also where the block failed, as what came was cut off.
    """
    name, argv = _found(args)
    said: list[bytes] = []
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as errors:
        given.write(stdin)
        given.seek(0)
        try:
            child = subprocess.Popen(argv, stdin=given, stdout=subprocess.PIPE, stderr=errors, env=environment())
        except OSError as error:
            raise _not_started(name, error) from error
        assert child.stdout is not None
        failed: BaseException | None = None
        try:
            yield child.stdout, said
        except Exception as error:
            failed = error
            raise
        finally:
            whole = failed is None and len(child.stdout.read(_PADDING)) < _PADDING
            status = _ended(child, kill=not whole)
            errors.seek(0)
            said += errors.read().splitlines()
            if status > 0 and status not in ok:
                words = said[-1].decode("utf-8", "replace") if said else ""
                raise ProgramFailed(
                    f"{name} ended with status {status}" + (f": {words}" if words else ""), status=status,
                    stderr=b"\n".join(said).decode("utf-8", "replace"),
                ) from failed  # fmt: skip


def _ended(child: subprocess.Popen[bytes], *, kill: bool) -> int:
    """The status of a program whose output nobody reads any more; one that goes on all the same is killed."""
    assert child.stdout is not None
    child.stdout.close()
    return _waited_for(child) if kill else child.wait()


def _waited_for(child: subprocess.Popen[bytes]) -> int:
    """The status of a program that should end now; it is killed where it does not."""
    try:
        return child.wait(timeout=_LAST_WORDS)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


def lend_terminal(
    args: Sequence[str],
    *,
    env: Mapping[str, str],
    stdin: bytes | None = None,
    pass_fds: Sequence[int] = (),
    ok: Sequence[int] | None = (0,),
) -> int:
    """Run a program that a person uses, an editor for instance, with our terminal as its own, to its end.

    :param env: added to the small environment that :func:`environment` makes.
    :param stdin: what it reads in place of the terminal (a pager, which has its keys from ``/dev/tty``).
    :param ok: exit statuses that count as success; ``None`` takes any.
    :returns: its exit status.
    :raises MissingProgram: the program is not installed.
    :raises ProgramFailed: it ended with a status that is not in ``ok``.
    :raises KeyboardInterrupt: Ctrl-C ended it.
    """
    name, argv = _found(args)
    with _lent_terminal() as put_back:
        try:
            child = subprocess.Popen(
                argv, stdin=None if stdin is None else subprocess.PIPE, env=environment(env), pass_fds=pass_fds
            )
        except OSError as error:
            raise _not_started(name, error) from error
        try:
            child.communicate(stdin)
        except BaseException:
            child.terminate()  # an editor saves what it can, and leaves the screen as it was
            _waited_for(child)
            raise
        if child.returncode < 0:
            put_back()
    if child.returncode == -signal.SIGINT:
        raise KeyboardInterrupt
    if ok is not None and child.returncode not in ok:
        raise ProgramFailed(f"{name} ended with status {child.returncode}", status=child.returncode)
    return child.returncode


def persons_program(variables: Sequence[str], usual: str) -> list[str]:
    """The words of a program that a person has chosen: of the first variable of the environment that says one.

    :param usual: the program where none does.
    :raises UsageError: a variable cannot be read as the words of a command.
    """
    for name in variables:
        try:
            words = shlex.split(os.environ.get(name, ""))
        except ValueError as error:
            raise UsageError(
                f"${name} is not a command: {str(error).lower()}",
                todo=f"Write it as in a shell, for instance: export {name}={usual}",
            ) from None
        if words:
            return words
    return [usual]


@contextmanager
def _lent_terminal() -> Iterator[Callable[[], None]]:
    """While another program has the terminal, Ctrl-C is for that one, which may have a use of its own for it (less, ed).

    It reaches all of the terminal's processes, and whoever ended for it would pull the terminal away below the other.

    :returns: what puts the terminal's settings back, after a program that was killed; done too where the block fails.
    """

    def put_back() -> None:
        with suppress(OSError, termios.error):  # the terminal was closed
            if before is not None and os.tcgetpgrp(0) == os.getpgrp():
                termios.tcsetattr(0, termios.TCSADRAIN, before)

    before = termios.tcgetattr(0) if os.isatty(0) else None
    heard = signal.getsignal(signal.SIGINT)
    is_ours = threading.current_thread() is threading.main_thread() and heard not in (signal.SIG_IGN, None)
    if is_ours:
        signal.signal(signal.SIGINT, lambda *_: None)  # what is ignored, a child would ignore as well
    try:
        yield put_back
    except BaseException:
        put_back()
        raise
    finally:
        if is_ours:
            signal.signal(signal.SIGINT, heard)


def _found(args: Sequence[str | bytes]) -> tuple[str, list[str | bytes]]:
    """The program's name, and the command with its full path."""
    name = os.fsdecode(args[0])
    return name, [name if "/" in name else find(name), *args[1:]]


def _out_of_time(name: str, seconds: float) -> ProgramFailed:
    return ProgramFailed(f"{name} did not end within {seconds:g} s", todo="Look at why it hangs.")


def _not_started(name: str, error: OSError) -> ProgramFailed:
    return ProgramFailed(f"{name} could not be started: {error.strerror}")
