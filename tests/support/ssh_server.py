"""A real sshd on this machine, of a Debian root, in namespaces that end with it; ``ssh NAME`` leads there by a program of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.debian import debian_root
from support.hosts import need_programs

_SERVER = """
mount -t tmpfs tmpfs /run && mkdir /run/sshd && mount --bind {room}/passwd /etc/passwd &&
LD_LIBRARY_PATH={root}/usr/lib/x86_64-linux-gnu exec {root}/usr/sbin/sshd -D -e -f {room}/sshd_config
"""
_SERVER_CONFIG = """
ListenAddress 127.0.0.1:{port}
HostKey {room}/host_key
AuthorizedKeysFile {room}/key.pub
PidFile none
UsePAM no
StrictModes no
PermitRootLogin yes
SetEnv PATH={path}
"""
_CONFIG = """
Host {names}
    HostName 127.0.0.1
    Port {port}
    User root
    IdentityFile {room}/key
    UserKnownHostsFile {room}/known
    StrictHostKeyChecking accept-new
    LogLevel ERROR
"""


@contextmanager
def ssh_server(room: Path, monkeypatch: pytest.MonkeyPatch, names: str, path: str) -> Iterator[None]:
    """:param names: whom ssh leads there.  :param path: of the programs that are found there."""
    need_programs("ssh", "ssh-keygen", "unshare")
    root = debian_root("bookworm")
    room.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for key in ("host_key", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", room / key], check=True)
    users = [line for line in Path("/etc/passwd").read_text().splitlines() if not line.startswith("sshd:")]
    (room / "passwd").write_text("\n".join([*users, "sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin", ""]))
    (room / "sshd_config").write_text(_SERVER_CONFIG.format(port=port, room=room, path=path))
    (room / "ssh_config").write_text(_CONFIG.format(port=port, room=room, names=names))
    programs = room / "programs"
    programs.mkdir()
    (programs / "ssh").write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {room}/ssh_config "$@"\n')
    (programs / "ssh").chmod(0o755)
    words = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", _SERVER.format(room=room, root=root)]
    with open(room / "log", "wb") as log, subprocess.Popen(words, stdout=log, stderr=log) as daemon:
        try:
            monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
            _wait_for(port, daemon)
            yield
        finally:
            daemon.kill()


def _wait_for(port: int, daemon: subprocess.Popen[bytes]) -> None:
    while daemon.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    pytest.fail("sshd does not run here")
