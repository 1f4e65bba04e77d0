"""A bridge of this machine, and what answers behind it."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from support.hosts import need_programs


@contextmanager
def new_bridge(*, taps: bool = True) -> Iterator[str]:
    """A bridge of this machine with an address, 198.51.100.1/24, which goes at the end.

    :param taps: machines are joined to it by tap devices.
    """
    if os.geteuid() != 0 or (taps and not os.path.exists("/dev/net/tun")):
        pytest.skip("needs root and /dev/net/tun" if taps else "needs root")
    need_programs("ip")
    name = f"grq{os.getpid()}"
    done = subprocess.run(["ip", "link", "add", "name", name, "type", "bridge"], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("this kernel makes no bridges here")
    try:
        subprocess.run(["ip", "address", "add", "198.51.100.1/24", "dev", name], check=True)
        subprocess.run(["ip", "link", "set", name, "up"], check=True)
        yield name
    finally:
        subprocess.run(["ip", "link", "delete", name], check=True)


def answer(address: str, port: int) -> str:
    for _ in range(200):
        try:
            with urllib.request.urlopen(f"http://{address}:{port}/hostname", timeout=5) as file:
                return str(file.read().decode())
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"nothing answers at {address}:{port}")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
