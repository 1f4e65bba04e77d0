"""End to end with servers that run: containers with a whole systemd, from one root, moved from Debian 12 to 13 and back.

Everything is done by commands, and asked inside the servers.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from threading import Event, Thread

import pytest

from support.hosts import need_programs
from support.systemd_roots import systemd_root
from support.whole_site import WholeSite, in_memory, put

pytestmark = [pytest.mark.root, pytest.mark.integration, pytest.mark.timeout(900)]

CLONES = [f"web{number}" for number in range(1, 9)]

#: Writes without end, to where the server's own files are, and says which links it has.
COUNT = """[Service]
ExecStart=/bin/sh -c 'ls /sys/class/net > /srv/links; i=0; while :; do i=$((i+1)); echo $i >> /srv/count; sleep 0.02; done'
[Install]
WantedBy=multi-user.target
"""
#: Writes down what comes over the network, and says so to the sender only then.
HEAR_SOCKET = """[Socket]
ListenStream=127.0.0.1:7777
Accept=yes
[Install]
WantedBy=sockets.target
"""
HEAR = """[Service]
StandardInput=socket
ExecStart=/bin/sh -c 'while read -r line; do echo "$line" >> /srv/heard && echo "$line"; done'
"""
BAD = """[Service]
Type=oneshot
ExecStart=/bin/sh -c 'echo the shop is not there; exit 1'
"""


class Sender(Thread):
    """Sends numbers to a server without end; one that is not acknowledged is sent again."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.acknowledged = 0
        self.broken = 0
        self.ends = Event()

    def run(self) -> None:
        while not self.ends.is_set():
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=5) as ours:
                self._send(ours)
            self.broken += 1
            self.ends.wait(0.05)

    def _send(self, ours: socket.socket) -> None:
        with ours.makefile("rb") as answers:
            while not self.ends.is_set():
                ours.sendall(b"%d\n" % (self.acknowledged + 1))
                if answers.readline() != b"%d\n" % (self.acknowledged + 1):
                    return
                self.acknowledged += 1
                time.sleep(0.01)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as ours:
        return int(ours.getsockname()[1])


@pytest.fixture
def fleet() -> Iterator[WholeSite]:
    need_programs("systemd-nspawn", "setpriv", "nsenter", "mmdebstrap")
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with in_memory(CLONES, "", "--host", "nspawn") as fleet:
        yield fleet


def test_servers_that_run_move_to_another_release_and_back(fleet: WholeSite) -> None:
    fleet.configure('health = ["units", "run systemctl is-active systemd-journald"]')
    fleet("image", "import", "debian", "--from", str(systemd_root("bookworm")))
    fleet("gold", "publish", "debian", "--untested")
    port = free_port()
    fleet("clone", "create", "web1", "--image", "debian", "--port", f"127.0.0.1:{port}:7777")
    fleet("clone", "create", *CLONES[1:], "--image", "debian")
    fleet("machine", "start", *CLONES)
    assert fleet.runs() == dict.fromkeys(CLONES, "current")

    # The servers become themselves, by what is done inside.
    for name in ("web1", "web2", "web3"):
        script = (
            f"{put('/etc/systemd/system/count.service', COUNT)}; echo {name} > /etc/mine; rm -f /etc/host.conf; "
            f"{put('/etc/systemd/system/hear.socket', HEAR_SOCKET)}; {put('/etc/systemd/system/hear@.service', HEAR)}; "
            "systemctl daemon-reload; systemctl enable --now count hear.socket"
        )
        fleet.inside(name, script)
    for path in ("/usr/x", "/x", "/opt/x"):
        assert "Read-only file system" in fleet.inside("web1", f"touch {path}", ok=1)
    assert fleet.inside("web1", "findmnt -no OPTIONS /").startswith("ro,nodev")
    assert "rw" not in fleet.inside("web1", "findmnt -no OPTIONS /").split(",")
    assert fleet.inside("web1", "hostname; . /etc/os-release; echo $VERSION_ID") == "web1\n12"

    # Debian 13: tried, switched, started, asked.
    fleet("image", "import", "debian", "--replace", "--from", str(systemd_root("trixie")))
    fleet("gold", "publish", "debian", "--untested", "--renumber-ok")
    before = fleet.disk("web1", "1B5")
    sender = Sender(port)
    sender.start()
    said = fleet("update", "run", "web1", "web2", "--jobs", "1")
    assert "It was started again, and is well." in said
    for name in ("web1", "web2"):
        assert fleet.inside(name, ". /etc/os-release; echo $VERSION_ID; cat /etc/mine") == f"13\n{name}"
        assert fleet.inside(name, "test ! -e /etc/host.conf; systemctl is-system-running") == "running"
        assert fleet.inside(name, "touch /usr/x 2>&1", ok=1).endswith("Read-only file system")
    assert fleet.inside("web3", ". /etc/os-release; echo $VERSION_ID") == "12"

    # Nothing that the network brought on the way is lost: it was acknowledged when it was written.
    until = sender.acknowledged + 20
    while sender.acknowledged < until:
        assert sender.is_alive()
        time.sleep(0.05)
    sender.ends.set()
    sender.join(60)
    heard = list(dict.fromkeys(int(line) for line in fleet.inside("web1", "cat /srv/heard").split()))
    assert heard[: sender.acknowledged] == list(range(1, sender.acknowledged + 1)), "each, in its order"
    assert sender.broken > 1, "the server was away for a while"
    was_heard = (before / "srv/heard").read_text().split()
    assert 0 < int(was_heard[-1]) < sender.acknowledged, "some before the switch, some behind it"

    # Nothing that was written on the way is lost, and nothing that a trial wrote is there.
    old = (before / "srv/count").read_text().split()
    assert old == [str(number + 1) for number in range(len(old))] and len(old) > 20
    now = fleet.inside("web1", "cat /srv/count").split()
    assert now[: len(old)] == old
    assert now[len(old)] == "1", "the first that is written behind the switch"
    assert fleet.inside("web1", "cat /srv/links") == "lo"

    # A server that was off stays off.
    assert "web4 has shut down" in fleet("machine", "stop", "web4")
    assert "stays off" in fleet("update", "run", "web4")
    assert fleet.runs()["web4"] == "nothing"

    # A gold in which a unit fails: the trial finds it; without a trial the server is back by itself.
    unit = "/usr/lib/systemd/system/shop.service"
    wants = "/usr/lib/systemd/system/multi-user.target.wants"
    script = f"{put(unit, BAD)}; mkdir -p {wants}; ln -s ../shop.service {wants}/"
    fleet("maintain", "run", "debian", "sh", "-ec", script)
    fleet("gold", "publish", "debian", "--untested")
    refused = fleet("update", "run", "web1", ok=4)
    assert "trial: the unit shop.service has failed\n" in refused
    assert "\n    shop.service: the shop is not there\n" in refused
    assert fleet.inside("web1", ". /etc/os-release; echo $VERSION_ID") == "13"
    fleet.configure('trial = "none"')
    back = fleet("update", "run", "web2", ok=4)
    assert "web2 did not come up well after the update to gold 3: the unit shop.service has failed" in back
    assert "It is back on gold 2" in back and "\n    shop.service: the shop is not there\n" in back
    assert "\n    console: " in back
    assert fleet.runs()["web2"] == "current"
    assert (
        fleet.inside("web2", f"cat /etc/mine; systemctl is-system-running; test -e {unit} || echo none")
        == "web2\nrunning\nnone"
    )
    states = [one["state"] for one in json.loads(fleet("update", "list", "web2", "--all", "--json"))]
    assert states == ["done", "returned", "done"]

    # And the way back to Debian 12.
    fleet("update", "cancel", "web1")
    fleet("rollback", "web1")
    assert (
        fleet.inside("web1", ". /etc/os-release; echo $VERSION_ID; systemctl is-active count; cat /etc/mine")
        == "12\nactive\nweb1"
    )
    assert fleet.runs()["web1"] == "current"
