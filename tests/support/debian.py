"""Real Debian root file systems, made once with mmdebstrap and kept outside the project.

They stand in ``$GOLDROOT_CACHE``, else ``$XDG_CACHE_HOME/goldroot``, else ``~/.cache/goldroot``, one directory for each
release and list of packages.  They are shared by all tests and only read; a test that changes one makes a copy.
No mirror is named here: mmdebstrap takes the machine's own, or Debian's.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

#: What a server of the issue's story runs.
PACKAGES = (
    "acl", "apache2", "chrony", "cron", "libcap2-bin", "mariadb-server", "nginx-light", "openssh-server", "postfix", "rsyslog",
    "snmpd", "sudo",
)  # fmt: skip
#: Some sixty services, as a test server of everything has them.
MANY_SERVICES = (
    "acl", "apache2", "apt-utils", "at", "auditd", "autofs", "avahi-daemon", "bind9", "chrony", "cron", "cups-daemon", "curl",
    "dnsmasq", "dovecot-imapd", "fail2ban", "freeradius", "haproxy", "icecast2", "irqbalance", "kea-dhcp4-server", "keepalived",
    "knot", "libapache2-mod-php", "libcap2-bin", "libpam-pwquality", "lighttpd", "lldpd", "logrotate", "mariadb-server",
    "memcached", "monit", "mosquitto", "munin-node", "nano", "nfs-kernel-server", "nftables", "nginx-light", "ngircd", "nsd",
    "opendkim", "openssh-server", "openvpn", "php-fpm", "postfix", "postgresql", "postgrey", "privoxy",
    "prometheus-node-exporter", "radicale", "redis-server", "rsync", "rsyslog", "samba", "sasl2-bin", "slapd", "smartmontools",
    "snmpd", "spamd", "squid", "stunnel4", "sudo", "sysstat", "tftpd-hpa", "tinyproxy", "tor", "ulogd2", "unattended-upgrades",
    "unbound", "uuid-runtime", "varnish", "vim-tiny", "vsftpd", "xinetd", "zabbix-agent",
)  # fmt: skip
#: Options of mmdebstrap for a root without what only people read.
WITHOUT_PAGES = tuple(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "locale"))
VARIANT = "important"
LONGEST = 1500  #: seconds
_ALONE = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
WITHOUT_SECURITY = """--setup-hook=sed -i /security/d "$1/etc/apt/sources.list" """.strip()


def cache() -> Path:
    """Where the roots are kept."""
    given = os.environ.get("GOLDROOT_CACHE")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "goldroot"


def debian_root(suite: str, packages: Sequence[str] = PACKAGES, *, options: Sequence[str] = ()) -> Path:
    """The root file system of a release, read-only by agreement; skips the test where it cannot be made."""
    if os.geteuid() != 0:
        pytest.skip(f"a Debian {suite} root needs root to be made and read")
    stamp = hashlib.sha256("\0".join((VARIANT, *packages, *options)).encode()).hexdigest()[:12]
    root = cache() / f"debian-{suite}-{stamp}"
    root.parent.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(root.with_suffix(".lock")):
        if not root.is_dir():
            _make(suite, root, (f"--include={','.join(packages)}", *options))
    return root


def _make(suite: str, root: Path, wanted: Sequence[str]) -> None:
    if shutil.which("mmdebstrap") is None:
        pytest.skip(f"no Debian {suite} root: mmdebstrap is not installed")
    unfinished = root.with_suffix(".new")
    said = ""
    # An archive of security fixes loses its files when a release is laid aside; the release itself stays.
    for extra in ((), (WITHOUT_SECURITY,)):
        _remove(unfinished)
        said = _bootstrap(suite, unfinished, (*wanted, *extra))
        if not said:
            unfinished.rename(root)
            return
    _remove(unfinished)
    pytest.skip(f"no Debian {suite} root: {said}")


def _bootstrap(suite: str, where: Path, wanted: Sequence[str]) -> str:
    """Run mmdebstrap; why it failed, or nothing.  What it mounts and starts ends with it, also where it is cut off."""
    try:
        done = subprocess.run(
            [*_ALONE, "mmdebstrap", "--mode=root", "--format=directory", f"--variant={VARIANT}", *wanted, suite, str(where)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LONGEST, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"mmdebstrap took longer than {LONGEST} s"
    if not done.returncode:
        return ""
    lines = [line for line in done.stderr.splitlines() if line.startswith("E:")]
    return f"mmdebstrap failed (is a mirror in reach?): {' '.join(lines)[:300]}"


def copy_of(root: Path, where: Path) -> Path:
    """A copy of a root that a test may change."""
    subprocess.run(["cp", "-a", "--reflink=auto", str(root), str(where)], check=True)
    return where


def _remove(path: Path) -> None:
    if path.exists():
        shutil.rmtree(path)


@contextmanager
def _one_at_a_time(file: Path) -> Iterator[None]:
    with open(file, "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
