"""A libvirt daemon for tests, which nobody else's machines are on: it has directories and processes of its own.

It is the system's daemon (root has no other), in namespaces: its files stand in a directory of the tests, and all that it
runs ends with it.  Debian's libvirt-daemon and libvirt-daemon-driver-qemu are enough, which start nothing by themselves; the
account that the daemon looks for comes with another package.
"""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path

import pytest

from support.hosts import need_programs

#: Where libvirt keeps what, as Debian builds it.
_PLACES = ("/etc/libvirt", "/var/lib/libvirt", "/var/cache/libvirt", "/var/log/libvirt", "/run/libvirt")

#: QEMU runs as root without capabilities; what else confines it needs more of the machine than a container has.
_QEMU = """\
user = "root"
group = "root"
security_driver = "none"
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
"""
_DAEMON = """\
unix_sock_group = "root"
auth_unix_rw = "none"
auth_unix_ro = "none"
"""

#: With mounts and processes of its own, which end with the tests.
_APART = (
    *("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private"),
    *("--pid", "--fork", "--mount-proc", "--kill-child"),
)

#: The first process waits, so that what has ended is reaped; in PATH is the one QEMU that is to be probed.
_SCRIPT = """\
base=$1; shift
for place; do mkdir -p "$base$place" "$place"; mount --bind "$base$place" "$place"; done
for list in passwd group; do
    cp /etc/$list "$base/$list"
    grep -q ^libvirt-qemu: /etc/$list || cat "$base/$list.more" >> "$base/$list"
    mount --bind "$base/$list" /etc/$list
done
PATH=$base/bin /usr/sbin/libvirtd --pid-file "$base/pid" &
wait
"""


#: Of the daemon of a session: an ordinary user's, who is nobody.
_SESSION = """\
base=$1
export HOME=$base XDG_RUNTIME_DIR=$base/run XDG_CONFIG_HOME=$base/c XDG_CACHE_HOME=$base/cache XDG_DATA_HOME=$base/data
setpriv --reuid=nobody --regid="$2" --clear-groups env PATH=$base/bin /usr/sbin/libvirtd --pid-file "$base/pid" &
wait
"""


def need_libvirt(*, session: bool = False) -> str:
    """The URI of the daemon, or of one of a session of the user ``nobody``; skips a test where it cannot be had."""
    if os.geteuid() != 0:
        pytest.skip("needs root: file systems are mounted")
    if not Path("/usr/sbin/libvirtd").exists():
        pytest.skip("libvirt-daemon is not installed")
    need_programs("qemu-system-x86_64", "setpriv")
    pytest.importorskip("libvirt", reason="libvirt-python is not installed")
    return _of_session() if session else _of_system()


def open_directory() -> Path:
    """A directory that another account can pass; who makes it removes it."""
    memory = "/dev/shm"
    place = Path(tempfile.mkdtemp(prefix="gr-", dir=memory if os.access(memory, os.W_OK) else "/tmp"))
    place.chmod(0o711)
    return place


def _remove(base: Path) -> None:
    """What ends with a daemon may write into its directory for a moment still."""
    for _ in range(50):
        shutil.rmtree(base, ignore_errors=True)
        if not base.exists():
            return
        time.sleep(0.1)


@cache
def _of_session() -> str:
    base = open_directory()
    atexit.register(_remove, base)
    (base / "bin").mkdir()
    (base / "bin/qemu-system-x86_64").symlink_to("/usr/bin/qemu-system-x86_64")
    (base / "c/libvirt").mkdir(parents=True)
    (base / "c/libvirt/qemu.conf").write_text('stdio_handler = "file"\n')
    (base / "run").mkdir(mode=0o700)
    nobody = pwd.getpwnam("nobody")
    for path in (base, *base.rglob("*")):
        os.chown(path, nobody.pw_uid, nobody.pw_gid, follow_symlinks=False)
    # The first process stays root: who becomes another account does not end with its parent any more.
    words = [*_APART, "sh", "-ec", _SESSION, "sh", str(base), str(nobody.pw_gid)]
    return _answering(words, base, f"qemu:///session?socket={base}/run/libvirt/libvirt-sock")


@cache
def _of_system() -> str:
    base = open_directory()
    atexit.register(_remove, base)
    for place in (*_PLACES, "/bin"):
        Path(f"{base}{place}").mkdir(parents=True)
    (base / "etc/libvirt/qemu.conf").write_text(_QEMU)
    (base / "etc/libvirt/libvirtd.conf").write_text(_DAEMON)
    (base / "passwd.more").write_text("libvirt-qemu:x:64055:64055::/:/usr/sbin/nologin\n")
    (base / "group.more").write_text("libvirt-qemu:x:64055:\n")
    (base / "bin/qemu-system-x86_64").symlink_to("/usr/bin/qemu-system-x86_64")
    words = [*_APART, "sh", "-ec", _SCRIPT, "sh", str(base), *_PLACES]
    return _answering(words, base, f"qemu:///system?socket={base}/run/libvirt/libvirt-sock")


def _answering(words: list[str], base: Path, uri: str) -> str:
    """Start a daemon, and wait until it answers."""
    import libvirt

    with (base / "log").open("wb") as log:
        daemon = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    atexit.register(daemon.wait)
    atexit.register(daemon.kill)
    libvirt.registerErrorHandler(lambda *_: None, None)
    for _ in range(600):
        try:
            libvirt.open(uri).close()
            return uri
        except libvirt.libvirtError:
            if daemon.poll() is not None:
                break
            time.sleep(0.1)
    pytest.skip(f"libvirtd does not run here: {(base / 'log').read_text()[-300:]}")
