"""A Debian server that was never made from gold, with a year of administration and dozens of packages beside gold's: read by
a real sshd of its own, adopted, looked at again, and moved to the next gold.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from goldroot.fleet import AdoptForm, adopt_server, find_drift, plan_adoption, show_clone
from goldroot.fleet.review import find_case, resolve_conflicts
from goldroot.fleet.update.update import run_update
from goldroot.image import import_image, publish_gold, replace_system
from goldroot.policy import Policy
from goldroot.site import Site, init_site
from goldroot.workflow import InProcess
from support.administrator import administer
from support.debian import PACKAGES, copy_of, debian_root
from support.server import Facts, Server

pytestmark = [pytest.mark.integration, pytest.mark.root, pytest.mark.timeout(3600)]

GOLD = ("chrony", "cron", "nginx-light", "openssh-server", "postfix", "rsyslog", "sudo")
IMAGE = "debian"
#: Classes of which the result need not be the server's.
NOT_ITS_OWN = ("gold", "cache", "generated", "accounts")
WANTS = "/etc/systemd/system/multi-user.target.wants"
OWN = ("/etc", "/root", "/srv", "/home", "/usr/local", "/var")

SSHD = """
mount -t proc proc {root}/proc && mount --rbind /dev {root}/dev && mkdir -p {root}/run/sshd &&
exec chroot {root} /usr/sbin/sshd -D -e -f /run/sshd_config
"""
SSHD_CONFIG = """
ListenAddress 127.0.0.1:{port}
HostKey /run/host_key
AuthorizedKeysFile /run/authorized_keys
PidFile none
UsePAM no
StrictModes no
PermitRootLogin yes
"""
SSH_CONFIG = """
Host shop
    HostName 127.0.0.1
    Port {port}
    User root
    IdentityFile {room}/key
    UserKnownHostsFile {room}/known
    StrictHostKeyChecking accept-new
    LogLevel ERROR
"""


class Disks(Server):
    """A clone's own disks as one system."""

    def __init__(self, site: Site, name: str) -> None:
        live = {a: disk for a, disk in show_clone(site, name)["disks"].items() if a.startswith("1")}
        self._disks = {address: Path(site.path("store/disks", id)) for address, id in live.items()}
        super().__init__(self._disks["1B5"])

    def at(self, path: str) -> Path:
        disk = self._disks["1B6" if path == "/var" or path.startswith("/var/") else "1B5"]
        return disk / path.lstrip("/")


@dataclass
class Story:
    """What was seen on the way, by a word for the moment."""

    site: Site
    server: Server
    seen: dict[str, Any] = field(default_factory=dict)


@contextmanager
def sshd(root: Path, room: Path) -> Iterator[None]:
    """The server's own sshd, in its own root; ``ssh shop`` leads there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for key in (root / "run/host_key", room / "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    shutil.copy(room / "key.pub", root / "run/authorized_keys")
    (root / "run/sshd_config").write_text(SSHD_CONFIG.format(port=port))
    (room / "ssh_config").write_text(SSH_CONFIG.format(port=port, room=room))
    programs = room / "programs"
    programs.mkdir()
    wrapper = programs / "ssh"
    wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {room}/ssh_config "$@"\n')
    wrapper.chmod(0o755)
    before = os.environ["PATH"]
    command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", SSHD.format(root=root)]
    with open(room / "sshd.log", "wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as daemon:
        try:
            os.environ["PATH"] = f"{programs}:{before}"
            _wait_for(port, daemon)
            yield
        finally:
            os.environ["PATH"] = before
            daemon.kill()


def _wait_for(port: int, daemon: subprocess.Popen[bytes]) -> None:
    while daemon.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    pytest.skip("no sshd can be run here")


def own_life(server: Server) -> None:
    """What its administrator did beside the packages' own places, or on what all servers will share."""
    server.write("/etc/hostname", "shop\n")
    server.write("/opt/shop/bin/shop", "#!/bin/sh\n", mode=0o755)
    server.write("/opt/shop/lib/a", "a\n")
    server.write("/etc/systemd/system/orders.service", "[Service]\nExecStart=/opt/shop/bin/shop --orders\n")
    server.append("/usr/sbin/service", "# local\n")
    server.write("/usr/bin/by-hand", "#!/bin/sh\n", mode=0o755)


def later_life(server: Server) -> None:
    """What is done on it while its clone is being looked at."""
    server.append("/etc/cron.d/shop", "1 1 * * * root true\n")
    server.write("/var/lib/mysql/shop/new.ibd", "new\n", "mysql:mysql", 0o660)
    server.write("/home/alice/later", "later\n", "alice:alice")


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    roots = debian_root("bookworm", GOLD), debian_root("bookworm", PACKAGES)
    shm = Path("/dev/shm")
    room = Path(tempfile.mkdtemp(prefix="goldroot-adopted-", dir=shm if os.access(shm, os.W_OK) else None))
    try:
        yield tell(room, *roots)
    finally:
        shutil.rmtree(room, ignore_errors=True)


def tell(room: Path, gold: Path, full: Path) -> Story:
    site = init_site(str(room / "site"))
    import_image(site, IMAGE, str(gold))
    publish_gold(site, IMAGE, untested=True)
    server = Server(copy_of(full, room / "server"))
    administer(server)
    own_life(server)
    story = Story(site, server)
    told, form = story.seen, AdoptForm("ssh:shop", IMAGE)
    with sshd(server.root, room):
        told["plan"] = plan_adoption(site, "shop", form)
        told["adopted"] = adopt_server(site, "shop", form)
        told["drift"] = {entry["path"] for entry in find_drift(site, "shop").entries}
        told["as adopted"] = facts(server, Disks(site, "shop"))
        told["postfix"] = Disks(site, "shop").users["postfix"]
        told["nothing new"] = adopt_server(site, "shop", form)
        later_life(server)
        server.forget()
        told["later"] = adopt_server(site, "shop", form)
    told["as it is later"] = facts(server, Disks(site, "shop"))
    replace_system(site, IMAGE, str(full))
    publish_gold(site, IMAGE, untested=True, renumber_ok=True)
    told["update"] = run_update(site, InProcess(), "shop")
    if told["update"].outcome == "needs-review":
        found = find_case(site, "shop")
        told["asked"] = {(os.fsdecode(one.found.path), one.found.kind) for one in found.open}
        resolve_conflicts(site, found, found.open, "proposal")
        told["update"] = run_update(site, InProcess(), "shop")
    told["as updated"] = facts(server, Disks(site, "shop"))
    return story


def facts(server: Server, clone: Disks) -> dict[str, tuple[Facts | None, Facts | None]]:
    """What the server and the clone have otherwise of what should be the server's."""
    rules = Policy.default().for_family("debian")
    found = {}
    for top in OWN:
        for place, directories, files in os.walk(os.fsencode(server.at(top))):
            for name in (*directories, *files):
                path = "/" + os.path.relpath(os.fsdecode(place + b"/" + name), server.root)
                if rules.match(os.fsencode(path)).cls in NOT_ITS_OWN:
                    continue
                pair = server.facts(path), clone.facts(path)
                if pair[0] != pair[1]:
                    found[path] = pair
    return found


#: Alternatives of programs that gold 1 does not have.
BEHIND = {"/etc/alternatives/awk", "/etc/alternatives/awk.1.gz", "/etc/alternatives/nawk", "/etc/alternatives/nawk.1.gz",
          "/var/lib/dpkg/alternatives/awk"}  # fmt: skip


def test_what_is_named_is_right(story: Story) -> None:
    report = story.seen["adopted"].report
    assert story.seen["adopted"].waits and {**story.seen["plan"].report, "plan": False} == report
    assert (report["version"], report["hostname"]) == (1, "shop")
    extra = {one["name"] for one in report["extra"]}
    assert len(extra) >= 30 and {"apache2", "mariadb-server", "snmpd", "local-tool"} <= extra
    assert not extra & {"nginx", "cron", "sudo"} and report["missing"] == []
    assert {(one["what"], one["path"], one["package"]) for one in report["lost"]} == {
        ("added", "/opt/shop", ""), ("added", "/usr/bin/by-hand", ""), ("changed", "/usr/sbin/service", "init-system-helpers"),
    }  # fmt: skip
    assert report["removed"] == ["/etc/cron.daily/apt-compat", "/etc/nginx/sites-enabled/default"]
    assert set(report["behind"]) == BEHIND
    # What points at a program of its own below /opt, and at modules of Apache, which gold 1 does not have.
    assert [one["path"] for one in report["questions"]] == [
        "/etc/apache2/conf-available/serve-cgi-bin.conf", "/etc/apache2/mods-available/access_compat.load",
        "/etc/systemd/system/orders.service",
    ]  # fmt: skip
    assert report["renumbered"]["user postfix"].endswith(f" -> {story.seen['postfix']}")


def test_all_that_was_its_own_came_along(story: Story) -> None:
    """Byte for byte, with owners and ACLs by name: a second opinion that knows nothing of how it was done."""
    assert story.seen["as adopted"].keys() == BEHIND
    assert story.seen["drift"] == {one["path"] for one in story.seen["adopted"].report["own"]}


def test_a_second_look_took_what_was_new_and_nothing_else(story: Story) -> None:
    assert story.seen["nothing new"].report["new"] == [] and not story.seen["nothing new"].waits
    assert story.seen["later"].report["new"] == [
        {"path": "/etc/cron.d/shop", "what": "changed"}, {"path": "/etc/shop-cron", "what": "changed"},
        {"path": "/home/alice/later", "what": "added"}, {"path": "/var/lib/mysql/shop/new.ibd", "what": "added"},
    ]  # fmt: skip
    assert story.seen["later"].report["kept"] == []
    assert story.seen["as it is later"].keys() == BEHIND


def test_the_next_gold_has_its_packages_and_all_is_as_on_the_server(story: Story) -> None:
    """Asked was only what it had changed of packages that its gold did not know, and what it had disabled of them."""
    assert story.seen["update"].outcome == "done"
    assert story.seen["asked"] == {
        ("/etc/apache2/apache2.conf", "both-changed"), ("/etc/apache2/ports.conf", "both-added"),
        ("/etc/mysql/mariadb.conf.d/50-server.cnf", "both-added"), ("/etc/snmp/snmpd.conf", "both-added"),
        ("/etc/snmp/snmpd.conf", "both-changed"), (f"{WANTS}/snmpd.service", "clone-deleted-gold-changed"),
    }  # fmt: skip
    assert story.seen["as updated"] == {}
    assert not Disks(story.site, "shop").exists(f"{WANTS}/snmpd.service")
