"""What an entry says of a machine's network: read, checked, kept, and told where it is another one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from goldroot.errors import Damaged, UsageError
from goldroot.hosts import Entry, Network, Port, differences, exchange, published, reads_as
from goldroot.hosts.network import checked
from goldroot.hosts.port import Disk, Mark
from goldroot.hosts.sets import check_entry
from goldroot.hosts.storefiles import decode, encode

NETWORK = Network("br0", "eth0", "192.0.2.10/24", "192.0.2.1", (Port(8080, 80), Port(8443, 443, "127.0.0.1")))


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("8080:80", Port(8080, 80)),
        ("127.0.0.1:8080:80", Port(8080, 80, "127.0.0.1")),
        ("[::1]:1:65535", Port(1, 65535, "::1")),
    ],
)
def test_ports_are_read_and_written(text: str, port: Port) -> None:
    assert published(text) == port
    assert str(port) == text


@pytest.mark.parametrize(
    "text",
    ["", "80", "0:80", "80:0", "65536:80", "8080:80/udp", "web:8080:80", "1.2.3:1:2", "[::g]:1:2", ":1:2", "8080:80:", "-1:2"],
)  # fmt: skip
def test_what_publishes_no_port_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        published(text)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"bridge": "br 0"}, "network interface"),
        ({"bridge": "a/../b"}, "network interface"),
        ({"interface": ".."}, "network interface"),
        ({"interface": ""}, "has no name"),
        ({"address": "192.0.2.300/24"}, "not an address"),
        ({"gateway": "gw"}, "not an address"),
        ({"ports": (Port(8080, 80), Port(8080, 81))}, "two ports"),
    ],
)
def test_networks_that_cannot_be_are_refused(wrong: dict[str, object], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        checked(replace(NETWORK, **wrong))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=why):
        check_entry(Entry("WEB1", "machine", network=replace(NETWORK, **wrong)))  # type: ignore[arg-type]


def entry(network: Network | None) -> Entry:
    disks = {"1B5": Disk("a", "rw"), "5B5": Disk("b", "ro")}
    marks = {digit: Mark("live", f"work{digit}", "small", "web1", 1, "2026") for digit in "15"}
    return Entry("WEB1", "machine", disks, marks=marks, network=network)


@pytest.mark.parametrize("network", [None, NETWORK, Network(ports=(Port(8080, 80),))])
def test_an_entry_keeps_its_network_through_its_file_and_a_switch(network: Network | None) -> None:
    before = entry(network)
    content = encode(before)
    assert (b"network" in content) == (network is not None), "files of entries that have none are what they were"
    read = decode(content, "WEB1", "WEB1")
    assert reads_as(read, before)
    assert exchange(read, "5", "work", "kept", since="2026").network == network


def test_another_network_is_another_entry_and_is_told() -> None:
    before, after = entry(None), entry(Network("br0", "eth0", "192.0.2.10/24", ports=(Port(8080, 80),)))
    assert not reads_as(before, after)
    assert differences(before, after) == ["network: private -> eth0 192.0.2.10/24 on br0, port 8080:80"]


@pytest.mark.parametrize(
    "wrong",
    [b'{"bridge": "br0"}', b'"br0"', b'{"bridge": 1, "interface": "", "address": "", "gateway": "", "ports": []}',
     b'{"bridge": "", "interface": "", "address": "", "gateway": "", "ports": ["x"]}'],
)  # fmt: skip
def test_a_network_that_is_none_is_damage(wrong: bytes) -> None:
    content = encode(entry(None)).rstrip().removesuffix(b"}") + b', "network": ' + wrong + b"}"
    with pytest.raises(Damaged):
        decode(content, "WEB1", "WEB1")
