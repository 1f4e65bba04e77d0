"""A machine's network: joined to a bridge of this machine, and with ports of this machine that lead into it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from goldroot.errors import Refused
from goldroot.hosts import Network, Port
from goldroot.hosts.qemu.cards import cards_of
from support.bridges import answer, free_port, new_bridge
from support.guest import extract_kernel
from support.hosts import Lab, applied, found
from support.qemu_guests import booting, put, until_said


def test_a_private_machine_has_no_card() -> None:
    with ExitStack() as stack:
        assert cards_of(stack, "WEB1", "/store", None) == []
        assert cards_of(stack, "WEB1", "/store", Network()) == []


def test_published_ports_lead_to_a_card_without_a_way_out() -> None:
    one, two = free_port(), free_port()
    with ExitStack() as stack:
        (card,) = cards_of(stack, "WEB1", "/store", Network(ports=(Port(one, 80), Port(two, 443, "127.0.0.1"))))
        (other,) = cards_of(stack, "WEB1", "/other", Network(ports=(Port(one, 80),)))
    leads = f"hostfwd=tcp::{one}-10.0.2.15:80,hostfwd=tcp:127.0.0.1:{two}-10.0.2.15:443"
    assert card.behind == f"user,id=ports,restrict=on,{leads}"
    assert (card.link.name, card.link.addresses) == ("ports0", ("10.0.2.15/24",))
    assert card.words("pci")[-1] == f"virtio-net-pci,netdev=ports,mac={card.link.card},romfile="
    assert card.words("ccw")[-1] == f"virtio-net-ccw,netdev=ports,mac={card.link.card}"
    assert card.link.card.startswith("52:54:00:") and card.link.card != other.link.card


def test_a_port_that_cannot_be_had_is_told_before_anything_runs() -> None:
    with ExitStack() as stack, socket.create_server(("127.0.0.1", 0)) as taken:
        port = Port(int(taken.getsockname()[1]), 80, "127.0.0.1")
        with pytest.raises(Refused, match="in use"):
            cards_of(stack, "WEB1", "/store", Network(ports=(port,)))
        with pytest.raises(Refused, match="IPv4 alone"):
            cards_of(stack, "WEB1", "/store", Network(ports=(Port(1, 80, "::1"),)))
        with pytest.raises(Refused, match="no bridge 'nosuch'"):
            cards_of(stack, "WEB1", "/store", Network("nosuch", "eth0"))


@pytest.fixture
def bridge() -> Iterator[str]:
    with new_bridge() as name:
        yield name


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_it_is_reached_at_its_bridge_and_its_ports_and_reaches_nobody_by_these(tmp_path: Path, bridge: str) -> None:
    unpacked, port = extract_kernel(tmp_path / "unpacked"), free_port()
    (tmp_path / "site").mkdir()
    outside = socket.create_server(("127.0.0.1", 0))
    outside.setblocking(False)
    with outside, booting(tmp_path / "site", unpacked, "x86_64") as lab:
        network = Network(bridge, "lan0", "198.51.100.7/24", ports=(Port(port, 80, "127.0.0.1"),))
        applied(lab.host.apply(replace(found(lab.host, "WEB1"), network=network)))
        run = "ip address add 198.51.100.7/24 dev lan0; ip link set lan0 up; httpd -p 80 -h /system/etc\n"
        send = f"echo letter | nc -w 2 10.0.2.2 {outside.getsockname()[1]}; echo sent\n"
        put(lab, "WEB1", "run", run + send)
        lab.host.start("WEB1")
        assert "links: lan0 lo ports0" in until_said(lab, "ready")
        assert answer("127.0.0.1", port) == "web1\n"
        assert answer("198.51.100.7", 80) == "web1\n"
        with pytest.raises(BlockingIOError):
            outside.accept()
        refused_while_it_runs(lab, port)
        assert lab.host.stop("WEB1", 120) == "asked"
    assert os.listdir(f"/sys/class/net/{bridge}/brif") == [], "its link has gone with it"


def refused_while_it_runs(lab: Lab, port: int) -> None:
    """WEB2 cannot have the same port, and is not started."""
    applied(lab.host.apply(replace(found(lab.host, "WEB2"), network=Network(ports=(Port(port, 80, "127.0.0.1"),)))))
    with pytest.raises(Refused, match="cannot be published"):
        lab.host.start("WEB2")
    assert lab.host.power("WEB2").state == "off"
    assert lab.host.links("WEB2") == ()
