"""The root file systems of the demo: two small ones that it makes itself, on any machine, in a second."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass

from goldroot.errors import GoldrootError
from goldroot.run import run
from goldroot.system import Bound, run_in

#: What the demo's commands, tests and checks call inside a small root.
PROGRAMS = ("sh", "cat", "chmod", "chown", "grep", "mkdir", "rm", "sed", "sleep")

#: Process 1 of a small system that runs: it says who it is, and ends when it is asked to (SIGRTMIN+3, as systemd does).
INIT = """\
#!/bin/sh
trap 'echo shutting down; exit 0' 37
echo "$(cat /etc/hostname) runs $(sed -n 's/^PRETTY_NAME=//p' /etc/os-release)"
while :; do sleep 1 & wait $!; done
"""


@dataclass(frozen=True, slots=True)
class Roots:
    """Two releases of one system, and what can be done in them."""

    form: str  #: "real" or "small"
    image: str  #: the image's name
    first: str  #: directory of the first release
    second: str
    enterable: bool  #: commands can be run in them (namespaces)
    owners: bool  #: files can be given, by name, to others than the caller
    tests: tuple[str, ...]
    checks: tuple[str, ...]


#: path -> content; a directory ends in "/"; ("->", target) is a link.
Files = Mapping[str, str | tuple[str, str]]

_SSHD = """\
# What a fresh system has.
Include /etc/ssh/sshd_config.d/*.conf
Port 22
#PermitRootLogin prohibit-password
UsePAM yes
X11Forwarding yes
AcceptEnv LANG LC_*{more}
Subsystem sftp /usr/lib/openssh/sftp-server
"""

_NGINX = """\
user www-data;
worker_processes auto;
pid /run/nginx.pid;

events {{
\tworker_connections 768;
}}

http {{
\tsendfile on;
\ttypes_hash_max_size 2048;
\t{tokens}
\tssl_protocols {protocols};
}}
"""

_PASSWD = """\
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
_chrony:x:{chrony}:{chrony}:Chrony daemon:/var/lib/chrony:/usr/sbin/nologin
postfix:x:{postfix}:{postfix}:Postfix MTA:/var/spool/postfix:/usr/sbin/nologin
"""

_STATUS = "Package: {name}\nStatus: install ok installed\nArchitecture: all\nVersion: {version}\n"

#: What differs between the releases: two accounts exchange their numbers, as in a system that was built again.
RELEASES: tuple[dict[str, str], ...] = (
    {"number": "1", "more": "", "tokens": "# server_tokens off;", "protocols": "TLSv1.1 TLSv1.2 TLSv1.3",
     "chrony": "101", "postfix": "102", "ssh": "1:9.2p1-2", "nginx": "1.22.1-9"},
    {"number": "2", "more": " COLORTERM NO_COLOR", "tokens": "server_tokens off;", "protocols": "TLSv1.2 TLSv1.3",
     "chrony": "102", "postfix": "101", "ssh": "1:10.0p1-7", "nginx": "1.26.3-3"},
)  # fmt: skip


def small_files(release: Mapping[str, str]) -> Files:
    """The content of a small root."""
    passwd = _PASSWD.format_map(release)
    names = [line.split(":")[0] for line in passwd.splitlines()]
    numbers = [line.split(":")[3] for line in passwd.splitlines()]
    packages = {"openssh-server": release["ssh"], "nginx-light": release["nginx"], "sudo": "1.9"}
    return {
        "bin": ("->", "usr/bin"), "lib": ("->", "usr/lib"), "lib64": ("->", "usr/lib64"), "sbin": ("->", "usr/sbin"),
        "boot/vmlinuz": f"kernel {release['number']}\n", "opt/": "", "srv/": "",
        "dev/": "", "proc/": "", "sys/": "", "run/": "", "tmp/": "", "home/": "", "root/.profile": "umask 022\n",
        "usr/sbin/init": INIT, "usr/local/bin/": "",
        "usr/lib/os-release": f'ID=small\nVERSION_ID="{release["number"]}"\nPRETTY_NAME="Small Linux {release["number"]}"\n',
        "etc/os-release": ("->", "../usr/lib/os-release"),
        "etc/passwd": passwd,
        "etc/group": "".join(f"{name}:x:{number}:\n" for name, number in zip(names, numbers, strict=True)),
        "etc/shadow": "".join(f"{name}:*:19700:0:99999:7:::\n" for name in names),
        "etc/gshadow": "".join(f"{name}:*::\n" for name in names),
        "etc/hosts": "127.0.0.1\tlocalhost\n",
        "etc/hostname": "gold\n",
        "etc/machine-id": "",
        "etc/crontab": "17 * * * * root run-hourly\n25 6 * * * root run-daily\n",
        "etc/cron.d/": "",
        "etc/chrony/chrony.conf": "pool ntp.example.org iburst\n",
        "etc/nginx/nginx.conf": _NGINX.format_map(release),
        "etc/nginx/sites-available/default": "server { listen 80 default_server; }\n",
        "etc/nginx/sites-enabled/default": ("->", "/etc/nginx/sites-available/default"),
        "etc/ssh/sshd_config": _SSHD.format_map(release),
        "etc/ssh/sshd_config.d/": "",
        "etc/network/interfaces": "source /etc/network/interfaces.d/*\n",
        "var/lib/dpkg/status": "\n".join(_STATUS.format(name=n, version=v) for n, v in packages.items()),
        "var/log/": "", "var/www/html/index.html": "It works.\n", "var/spool/postfix/": "",
    }  # fmt: skip


def small_roots(room: str) -> Roots:
    """Make both releases below ``room``; with the host's own shell in them, where that can be run there."""
    first, second = (os.path.join(room, f"release-{release['number']}") for release in RELEASES)
    owners = os.geteuid() == 0
    for root, release in zip((first, second), RELEASES, strict=True):
        _write(root, small_files(release))
        if owners:
            os.chown(os.path.join(root, "var/spool/postfix"), int(release["postfix"]), int(release["postfix"]))
    enterable = all(_add_programs(root) and _can_enter(root) for root in (first, second))
    tests = ("test -s /etc/passwd", "grep -q PRETTY_NAME /etc/os-release") if enterable else ()
    checks = ("grep -q '^Port ' /etc/ssh/sshd_config", "grep -q '^root:' /etc/shadow") if enterable else ()
    return Roots("small", "small", first, second, enterable, owners and enterable, tests, checks)


def _write(root: str, files: Files) -> None:
    for path, content in files.items():
        place = os.path.join(root, path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        if isinstance(content, tuple):
            os.symlink(content[1], place)
        elif not path.endswith("/"):
            with open(place, "w", encoding="utf-8") as file:
                file.write(content)
    os.chmod(os.path.join(root, "usr/sbin/init"), 0o755)
    for path, mode in (("etc/shadow", 0o640), ("etc/gshadow", 0o640), ("root", 0o700), ("tmp", 0o1777)):
        os.chmod(os.path.join(root, path), mode)


def _add_programs(root: str) -> bool:
    """Copy programs of the host, and the libraries that ``ldd`` names, into a root; false where that is not possible."""
    wanted = [shutil.which(name) for name in PROGRAMS]
    if shutil.which("ldd") is None or None in wanted:
        return False
    for name, program in zip(PROGRAMS, wanted, strict=True):
        assert program is not None
        _copy(root, program, f"usr/bin/{name}")
        said = run(["ldd", program], ok=None).text()
        for library in re.findall(r"(/\S+) \(0x", said):
            _copy(root, library, re.sub(r"^/(usr/)?", "usr/", library))
    return True


def _copy(root: str, source: str, inside: str) -> None:
    target = os.path.join(root, inside)
    if not os.path.exists(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy2(os.path.realpath(source), target)


def _can_enter(root: str) -> bool:
    try:
        handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            run_in([Bound(handle, b"", False)], ["/bin/sh", "-c", "cat /etc/passwd | sed -n 1p"])
        finally:
            os.close(handle)
    except GoldrootError:
        return False
    return True
