"""Real releases for the demo: Debian 12 and 13, made by mmdebstrap, kept in the user's cache for the next time.

::

    $XDG_CACHE_HOME/goldroot/              (else ~/.cache/goldroot)
    ├── debian-bookworm-0123456789ab/      a release with these packages: the hash is of how it was made
    ├── debian-bookworm-0123456789ab.lock  held while one makes it
    └── debian-bookworm-0123456789ab.new/  being made; anything here when nobody holds the lock may go

No mirror is named here: it is the machine's own, out of its apt, or mmdebstrap's default.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shlex
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager

from goldroot.cli.output import stages
from goldroot.demo.narrator import Narrator
from goldroot.demo.roots import Roots
from goldroot.errors import Failed, GoldrootError, ProgramFailed
from goldroot.run import run

RELEASES = ("bookworm", "trixie")
#: The last one is process 1, for servers that run.
PACKAGES = ("chrony", "cron", "dbus", "nginx-light", "openssh-server", "passwd", "postfix", "sudo", "systemd-sysv")
#: dpkg brings each file to the disk before the next, which may take ten times as long as all the rest; a release that is
#: cut off is thrown away anyhow.  The option would stay in the release's own configuration.
UNSAFE_IO = ("--dpkgopt=force-unsafe-io", '--customize-hook=rm -f "$1"/etc/dpkg/dpkg.cfg.d/99mmdebstrap')
OPTIONS = ("--mode=root", "--format=directory", "--variant=minbase", f"--include={','.join(PACKAGES)}", *UNSAFE_IO)

#: How long the releases may take to make where the user did not ask for them, in seconds.
PATIENCE = 75.0
#: Room that real systems take, in bytes: the cache (two roots), and the site (a dozen copies of one of 250 MB at most).
ROOM = 4 << 30

CHECKS = ("sshd -t", "nginx -t", "visudo -c")
TESTS = ("dpkg --audit", *CHECKS)

#: All of mmdebstrap's processes end with the first of them, whoever kills it, and its mounts with them.
CONTAINED = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--")


def real_roots(room: str, stage: Narrator, *, must: bool) -> Roots | None:
    """The two releases, from the cache or made now.

    :param must: wait as long as it takes, and fail where they cannot be had; else give ``None``, having said why.
    :raises Failed: with ``must``, where they cannot be had.
    """
    why = _obstacle(room)
    if not why:
        try:
            return _made(stage, patience=None if must else PATIENCE)
        except Failed as error:
            why = error.brief
    if must:
        raise Failed(
            f"real releases cannot be had here: {why}",
            todo="Fix that, or see it with small ones: goldroot demo --small",
        )
    stage.say(f"Two small systems that the demo makes itself play the releases, not real Debian ones: {why}.")
    return None


def _obstacle(room: str) -> str:
    """Why no real releases can be made here; empty where nothing is known to stand in the way."""
    if os.geteuid() != 0:
        return "only root can make and change a whole system"
    if shutil.disk_usage(room).free < ROOM:
        return f"there is no room of {ROOM >> 30} GB in {room}"
    if all(os.path.isdir(_place(release)) for release in RELEASES):
        return ""
    if shutil.which("mmdebstrap") is None:
        return "mmdebstrap is not installed"
    return _unreachable(_mirror() or "")


def _unreachable(mirror: str) -> str:
    if not mirror:
        return "apt knows no Debian mirror"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(_proxies()))
    try:
        for release in RELEASES:
            with opener.open(f"{mirror.rstrip('/')}/dists/{release}/Release", timeout=5) as answer:
                answer.read(64)
    except (urllib.error.URLError, OSError, ValueError):
        return "the machine's Debian mirror does not answer, or has not both releases"
    return ""


def _mirror() -> str | None:
    """The mirror of Debian's own archive that the machine's apt uses."""
    try:
        said = run(["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"], timeout=20).text()
    except GoldrootError:
        return None
    found = (line.strip() for line in said.splitlines())
    return next((line for line in found if line.startswith("http") and line.rstrip("/").endswith("/debian")), None)


def _proxies() -> dict[str, str]:
    """The proxies of the environment, and over them that of apt: scheme -> URL."""
    found = urllib.request.getproxies()
    try:
        said = run(["apt-config", "shell", "http", "Acquire::http::Proxy", "https", "Acquire::https::Proxy"]).text()
    except GoldrootError:
        return found
    assigned = (word.partition("=") for word in shlex.split(said))
    return found | {scheme: url for scheme, _, url in assigned if url and url != "DIRECT"}


def _cache() -> str:
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "goldroot")


def _place(release: str) -> str:
    stamp = hashlib.sha256("\0".join(OPTIONS).encode()).hexdigest()[:12]
    return os.path.join(_cache(), f"debian-{release}-{stamp}")


def _made(stage: Narrator, *, patience: float | None) -> Roots:
    """Both releases, those that are missing made now, side by side."""
    os.makedirs(_cache(), mode=0o700, exist_ok=True)
    with _alone():
        missing = [release for release in RELEASES if not os.path.isdir(_place(release))]
        if missing:
            stage.say(
                f"First mmdebstrap makes real Debian releases ({', '.join(missing)}) with {', '.join(PACKAGES)}: about a "
                f"minute, only this time. They are kept in {_cache()}."
            )
            _make(missing, stage, patience)
        else:
            stage.say("Debian 12 and 13, real ones, play the two releases; they were made by mmdebstrap before.")
    first, second = map(_place, RELEASES)
    return Roots("real", "debian", first, second, True, True, TESTS, CHECKS)


@contextmanager
def _alone() -> Iterator[None]:
    with open(_place(RELEASES[0]) + ".lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make(releases: Sequence[str], stage: Narrator, patience: float | None) -> None:
    started = time.monotonic()
    with ThreadPoolExecutor(len(releases)) as pool, stages(stage.quiet) as progress:
        tick = progress(f"mmdebstrap {' '.join(releases)}, seconds")
        waiting: set[Future[str]] = {pool.submit(_bootstrap, release, patience) for release in releases}
        while waiting:
            done, waiting = wait(waiting, timeout=1)
            if tick:
                tick(1)
            for one in done:
                stage.line(f"    {one.result()} made, {time.monotonic() - started:.0f} s")


def _bootstrap(release: str, patience: float | None) -> str:
    """Make one release, whole or not at all; its name."""
    unfinished = _place(release) + ".new"
    shutil.rmtree(unfinished, ignore_errors=True)
    words = [*CONTAINED, "mmdebstrap", *OPTIONS, release, unfinished, *filter(None, [_mirror()])]
    proxies = {f"{scheme}_proxy": url for scheme, url in _proxies().items()}
    try:
        run(words, timeout=patience, env={"DEBIAN_FRONTEND": "noninteractive", **proxies})
        os.rename(unfinished, _place(release))
    except ProgramFailed as error:
        if patience and error.status < 0:
            raise Failed(f"mmdebstrap needs more than {patience:.0f} s for Debian {release} (--real waits)") from error
        said = next((line for line in error.stderr.splitlines() if line.startswith("E: ")), error.brief)
        raise Failed(f"mmdebstrap could not make Debian {release} ({said.removeprefix('E: ')})") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return release
