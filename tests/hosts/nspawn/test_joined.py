"""A container's network: private, joined to a bridge, and with ports of this machine that lead into it."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from goldroot.errors import Refused
from goldroot.hosts import Network, Port
from support.bridges import new_bridge
from support.busybox import INIT
from support.hosts import Lab, applied, found, need_programs, nspawn_host, prepare
from support.nspawn_server import add_server

pytestmark = [pytest.mark.root, pytest.mark.slow]

#: Answers at port 80 of its loopback, and of all its links.
SERVING = INIT.replace("echo ready\n", "echo hello > /etc/hello; busybox httpd -p 80 -h /etc\necho ready\n")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Lab]:
    """WEB1, which answers at port 80."""
    need_programs("systemd-nspawn", "setpriv", "nsenter", "ip")
    if os.geteuid() != 0:
        pytest.skip("needs root")
    lab = Lab(tmp_path, "directory", "directory", lambda at: nspawn_host(at, B1=["/"], B5=["/etc"]))
    add_server(lab, init=SERVING)
    yield lab
    lab.host.stop("WEB1", 0)


@pytest.fixture
def bridge() -> Iterator[str]:
    with new_bridge(taps=False) as name:
        yield name


def with_network(lab: Lab, network: Network) -> None:
    applied(lab.host.apply(replace(found(lab.host, "WEB1"), network=network)))


def until_ready(console: Callable[[int], list[str]]) -> None:
    for _ in range(400):
        if "ready" in console(50):
            return
        time.sleep(0.05)
    raise AssertionError(console(50))


def start(lab: Lab) -> None:
    lab.host.start("WEB1")
    until_ready(lambda lines: lab.host.console("WEB1", lines))


def answer(address: str, port: int) -> bytes:
    """What the server says to a web browser."""
    with socket.create_connection((address, port), timeout=20) as ours:
        ours.sendall(b"GET /hello HTTP/1.0\r\n\r\n")
        with ours.makefile("rb") as file:
            return file.read().rpartition(b"\r\n\r\n")[2]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as ours:
        return int(ours.getsockname()[1])


def links(lab: Lab) -> set[bytes]:
    """Those that process 1 saw at its first look."""
    return set(lab.host.command("WEB1", ["cat", "/etc/links"], 10).out.split())


def test_without_a_word_it_is_private(served: Lab) -> None:
    start(served)
    assert links(served) == {b"lo"}
    assert list(served.host.links("WEB1")) == []


def test_a_port_of_this_machine_leads_to_its_loopback(served: Lab) -> None:
    port = free_port()
    with_network(served, Network(ports=(Port(port, 80, "127.0.0.1"),)))
    start(served)
    assert [answer("127.0.0.1", port) for _ in range(3)] == [b"hello\n"] * 3
    assert links(served) == {b"lo"}, "it is as private as before"
    served.host.stop("WEB1", 30)
    with pytest.raises(ConnectionRefusedError):
        answer("127.0.0.1", port)


def test_a_port_that_is_taken_is_told_before_anything_runs(served: Lab) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with_network(served, Network(ports=(Port(port, 80, "127.0.0.1"),)))
        with pytest.raises(Refused, match=rf"port 127\.0\.0\.1:{port}:80 of WEB1 cannot be published: Address already"):
            served.host.start("WEB1")
    assert served.host.power("WEB1").state == "off"
    start(served)


def test_a_link_to_a_bridge_has_its_name_and_address_before_its_system_looks(served: Lab, bridge: str) -> None:
    with_network(served, Network(bridge, "lan0", "198.51.100.9/24", "198.51.100.1"))
    start(served)
    assert links(served) == {b"lan0", b"lo"}
    (link,) = served.host.links("WEB1")
    assert (link.name, link.addresses) == ("lan0", ("198.51.100.9/24",))
    assert answer("198.51.100.9", 80) == b"hello\n"
    served.host.stop("WEB1", 30)
    assert os.listdir(f"/sys/class/net/{bridge}/brif") == [], "the other end went with it"
    assert list(served.host.links("WEB1")) == []


@pytest.mark.parametrize(
    ("address", "gateway", "table"),
    [("192.0.2.9/32", "198.51.100.1", "/proc/net/route"), ("2001:db8::9/64", "fe80::1", "/proc/net/ipv6_route")],
)
def test_a_gateway_need_not_be_of_the_network_of_the_address(
    served: Lab, bridge: str, address: str, gateway: str, table: str
) -> None:
    with_network(served, Network(bridge, "eth0", address, gateway))
    start(served)
    routes = served.host.command("WEB1", ["cat", table], 10).out.decode().split("\n")
    wanted = "016433C6" if "." in gateway else "fe800000000000000000000000000001"
    assert [line for line in routes if "eth0" in line and wanted in line], routes


def test_a_bridge_that_is_not_there_is_told(served: Lab) -> None:
    with_network(served, Network("nosuchbr", "eth0"))
    with pytest.raises(Refused, match="this machine has no bridge 'nosuchbr'"):
        served.host.start("WEB1")
    assert served.host.power("WEB1").state == "off"


def test_a_trial_has_none_of_its_ports_and_no_way_to_its_bridge(served: Lab, bridge: str) -> None:
    port = free_port()
    with_network(served, Network(bridge, "lan0", "198.51.100.9/24", ports=(Port(port, 80, "127.0.0.1"),)))
    start(served)
    prepare(served, slot="GOLD")
    with served.host.open_disks({"WEB1-5B5": "rw"}) as opened:
        Path(opened["WEB1-5B5"].path, "etc").mkdir()
    with served.host.trial("WEB1", "5") as trial:
        until_ready(trial.console)
        assert trial.command(["cat", "/etc/links"], 10).out == b"lo\n"
        assert answer("198.51.100.9", 80) == b"hello\n", "the server goes on"
