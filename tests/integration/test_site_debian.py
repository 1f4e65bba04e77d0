"""The main job on real Debian releases, by its commands: gold 12, a server with its administrator's changes, gold 13,
the update with its review, what arrived and who owns it, and the two ways back.

All commands run once, in the fixture ``story``; the tests look at what was seen on the way.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from support.debian import debian_root
from support.trees import dump_tree

pytestmark = [pytest.mark.integration, pytest.mark.root, pytest.mark.sample, pytest.mark.timeout(3600)]

#: Not needed by any command of the story, and two thirds of the bytes.
LEFT_OUT = (
    *(f"usr/share/{name}/*" for name in ("doc", "man", "locale", "info", "mariadb")),
    *(f"usr/bin/{name}*" for name in ("aria", "inno", "mariadb", "my", "perror", "resolve", "replace")),
    *("usr/sbin/mariadbd", "usr/lib/udev/hwdb*", "var/lib/apt/lists/*", "var/cache/apt/*"),
)

ROOM = 8 << 30  #: bytes, more than all disks of the story

CONFIGURATION = """
[images.debian]
tests = ["sshd -t", "visudo -c", "nginx -t"]
checks = ["sshd -t", "visudo -c", "nginx -t"]

[clones.web1]
hostname = "web1.example.org"
interface = "eth0"
address = "192.0.2.10/24"
"""

#: What an administrator types on web1.
CHANGES = """
set -e
sed -i 's/^#PermitRootLogin.*/PermitRootLogin no/' /etc/ssh/sshd_config
echo 'PasswordAuthentication no' > /etc/ssh/sshd_config.d/10-shop.conf; chmod 600 /etc/ssh/sshd_config.d/10-shop.conf
groupadd -g 1500 shop
useradd -m -s /bin/bash -G sudo,adm,shop alice
echo 'alice:secret-of-alice' | chpasswd
echo 'root:first-secret' | chpasswd
useradd -r -d /var/lib/backupd -s /usr/sbin/nologin backupd
usermod -aG shop www-data
install -d -m 750 -o backupd -g backupd /var/lib/backupd
echo 'day 1' > /var/lib/backupd/state; chown backupd:backupd /var/lib/backupd/state
install -d -m 2775 -g shop /srv/share
setfacl -m u:mysql:rwx,g:_chrony:r /srv/share
echo '%shop ALL=(root) /usr/sbin/service nginx reload' > /etc/sudoers.d/operators; chmod 440 /etc/sudoers.d/operators
echo 'server { listen 8443; root /var/www/shop; }' > /etc/nginx/sites-available/shop
ln -s /etc/nginx/sites-available/shop /etc/nginx/sites-enabled/shop
rm /etc/nginx/sites-enabled/default
install -d -o www-data -g www-data /var/www/shop
echo '5 4 * * * www-data /usr/local/bin/shop' > /etc/cron.d/shop
printf '#!/bin/sh\\n' > /usr/local/bin/shop; chmod 755 /usr/local/bin/shop
echo '@daily true' > /var/spool/cron/crontabs/alice
chown alice:crontab /var/spool/cron/crontabs/alice; chmod 600 /var/spool/cron/crontabs/alice
getent group ssl-cert > /dev/null || groupadd -r ssl-cert
install -d -m 710 -g ssl-cert /etc/ssl/private
echo KEY > /etc/ssl/private/shop.key; chown root:ssl-cert /etc/ssl/private/shop.key; chmod 640 /etc/ssl/private/shop.key
setfacl -m u:Debian-snmp:r /etc/ssl/private/shop.key
install -d -m 700 -o mysql -g mysql /var/lib/mysql/shop
echo orders > /var/lib/mysql/shop/orders.ibd; chown mysql:mysql /var/lib/mysql/shop/orders.ibd
install -d -m 700 -o postfix -g postfix /var/spool/postfix/deferred/A
echo mail > /var/spool/postfix/deferred/A/A1; chown postfix:postfix /var/spool/postfix/deferred/A/A1
sed -i 's/^relayhost.*/relayhost = [relay.example.org]/' /etc/postfix/main.cf
echo 'root: alice' >> /etc/aliases; newaliases
install -d -m 750 -o _chrony -g adm /var/log/chrony
echo 'Nov 1 started' > /var/log/syslog; chown root:adm /var/log/syslog
sed -i 's/^pool .*/server ntp.example.org iburst/' /etc/chrony/chrony.conf
echo '1 SHA1 HEX:00' > /etc/chrony/chrony.keys; chown root:_chrony /etc/chrony/chrony.keys
echo 'vm.swappiness = 10' > /etc/sysctl.d/90-shop.conf
ln -sf /usr/share/zoneinfo/Europe/Berlin /etc/localtime
ln -s /dev/null /etc/systemd/system/apache2.service
sed -i 's/^Listen 80$/Listen 8080/' /etc/apache2/ports.conf
chgrp www-data /etc/apache2/apache2.conf; chmod 640 /etc/apache2/apache2.conf
"""

#: path -> owner, group, mode: by the names of the new system.
OWNED = {
    "/home/alice": "alice alice 755",
    "/etc/ssh/sshd_config.d/10-shop.conf": "root root 600",
    "/etc/sudoers.d/operators": "root root 440",
    "/var/lib/backupd": "backupd backupd 750",
    "/var/lib/backupd/state": "backupd backupd 644",
    "/srv/share": "root shop 2775",
    "/var/www/shop": "www-data www-data 755",
    "/var/spool/cron/crontabs": "root crontab 1730",
    "/var/spool/cron/crontabs/alice": "alice crontab 600",
    "/etc/ssl/private/shop.key": "root ssl-cert 640",
    "/var/lib/mysql": "mysql mysql 755",
    "/var/lib/mysql/shop": "mysql mysql 700",
    "/var/lib/mysql/shop/orders.ibd": "mysql mysql 644",
    "/var/spool/postfix/deferred/A": "postfix postfix 700",
    "/var/spool/postfix/deferred/A/A1": "postfix postfix 644",
    "/var/spool/postfix/maildrop": "postfix postdrop 1730",
    "/var/log/chrony": "_chrony adm 750",
    "/var/log/syslog": "root adm 644",
    "/etc/chrony/chrony.keys": "root _chrony 640",
    "/etc/apache2/apache2.conf": "root www-data 640",
    "/usr/local/bin/shop": "root root 755",
}

#: A command in the new system, and what it must say.
HOLDS = {
    "id -nG alice": "alice adm sudo shop",
    "id -nG www-data": "www-data shop",
    "grep ^PermitRootLogin /etc/ssh/sshd_config": "PermitRootLogin no",
    "cat /etc/cron.d/shop": "5 4 * * * www-data /usr/local/bin/shop",
    "ls /etc/nginx/sites-enabled": "shop",
    "readlink /etc/localtime": "/usr/share/zoneinfo/Europe/Berlin",
    "readlink /etc/systemd/system/apache2.service": "/dev/null",
    "grep ^Listen /etc/apache2/ports.conf | head -1": "Listen 8080",
    "cat /etc/sysctl.d/90-shop.conf": "vm.swappiness = 10",
    "grep ^server /etc/chrony/chrony.conf": "server ntp.example.org iburst",
    "postconf -h relayhost": "[relay.example.org]",
    "postmap -q root hash:/etc/aliases": "alice",
    "cat /etc/hostname": "web1",
    "grep -c 'address 192.0.2.10/24' /etc/network/interfaces.d/eth0": "1",
    "cut -d. -f1 /etc/debian_version": "13",
    "getfacl -cp /etc/ssl/private/shop.key | grep ^user:D": "user:Debian-snmp:r--",
    "getfacl -cp /srv/share | grep -E '^(user:m|group:_)'": "user:mysql:rwx\ngroup:_chrony:r--",
}

WHO = "cut -d: -f1,3 /etc/passwd /etc/group"


@dataclass
class Story:
    """What was seen, by a word for the moment."""

    site: Path
    seen: dict[str, Any] = field(default_factory=dict)

    def run(self, *args: str, code: int = 0) -> Any:
        """A command of goldroot, by ``--json``."""
        first = 2 if args[0] not in ("linked", "rollback") else 1
        words = [*args[:first], "--json", *args[first:]]
        program = "import sys; from goldroot.cli.main import main; sys.exit(main())"
        done = subprocess.run(
            [sys.executable, "-c", program, *words], cwd=self.site, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, (words, done.stdout[-3000:], done.stderr[-3000:])
        return json.loads(done.stdout)

    def on(self, name: str, script: str) -> str:
        """What a script says in the system of a clone."""
        done = self.run("clone", "enter", name, "/bin/sh", "-c", script)
        return str(done["out"]).strip()

    def each(self, name: str, scripts: Iterable[str]) -> dict[str, str]:
        """What each script says, all run by one command."""
        together = "\n".join(f"( {script}\n) 2>&1; printf '\\0'" for script in scripts)
        return dict(zip(scripts, (said.strip() for said in self.on(name, together).split("\0")), strict=False))

    def own_disks(self, name: str) -> dict[str, Any]:
        """The clone's machine, and everything on its own live disks."""
        shown = self.run("clone", "show", name)
        live = {address: disk for address, disk in shown["disks"].items() if address.startswith("1")}
        trees = {address: dump_tree(self.site / "store/disks" / disk) for address, disk in live.items()}
        links = {address: link for address, link in shown["links"].items() if address.startswith("1")}
        return {"disks": live, "links": links, "trees": trees}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    roots = [debian_root("bookworm"), debian_root("trixie")]
    room = in_memory() or tmp_path_factory.mktemp("site-debian")
    try:
        yield tell(room, roots)
    finally:
        shutil.rmtree(room, ignore_errors=True)


def in_memory() -> Path | None:
    """A room that no busy disk slows down: gigabytes are written here."""
    shm = Path("/dev/shm")
    if not shm.is_dir() or shutil.disk_usage(shm).free < ROOM:
        return None
    return Path(tempfile.mkdtemp(prefix="goldroot-site-debian-", dir=shm))


def tell(room: Path, roots: list[Path]) -> Story:
    story = Story(room)
    told = story.seen
    subprocess.run([sys.executable, "-c", "from goldroot.site import init_site; init_site('.')"], cwd=room, check=True)
    with open(room / "goldroot.toml", "a") as file:
        file.write(CONFIGURATION)
    story.run("image", "import", "debian", "--from", archive(roots[0], room / "gold1.tar"))
    told["refused"] = story.run("gold", "publish", "debian", code=3)
    told["tests"] = story.run("maintain", "test", "debian")
    told["gold 1"] = story.run("gold", "publish", "debian")
    story.run("clone", "create", "web1", "web2", "--image", "debian")
    story.on("web1", CHANGES)
    story.on("web2", "sed -i 's/^relayhost.*/relayhost = [relay.example.org]/' /etc/postfix/main.cf")
    told["drift"] = story.run("clone", "diff", "web1", code=1)
    told["who before"] = story.on("web1", WHO)
    story.run("image", "import", "debian", "--replace", "--from", archive(roots[1], room / "gold2.tar"))
    told["collision"] = story.run("gold", "publish", "debian", "--untested", code=3)
    told["gold 2"] = story.run("gold", "publish", "debian", "--untested", "--renumber-ok")
    update(story)
    go_back(story)
    return story


def archive(root: Path, tar: Path) -> str:
    without = [f"--exclude=./{pattern}" for pattern in LEFT_OUT]
    subprocess.run(
        ["tar", "--xattrs", "--numeric-owner", "--sparse", *without, "-C", root, "-cf", tar, "."], check=True
    )
    return str(tar)


def update(story: Story) -> None:
    told = story.seen
    told["plan"] = story.run("update", "plan", "web1", code=1)["plans"][0]
    told["reviewed"] = story.run("update", "run", "web1", code=1)["clones"][0]
    story.run("review", "resolve", "web1", "/etc/postfix/main.cf", "--take", "clone")
    story.run("review", "resolve", "web1", "/etc/group", "--take", "proposal")
    # The server lives on while the review lasts.
    late = "echo 'root:second-secret' | chpasswd; echo late > /etc/late.conf"
    said = story.each("web1", ["cat /etc/debian_version", late, "getent shadow root"])
    told["gold 1 while it waits"], told["root's password"] = said["cat /etc/debian_version"], said["getent shadow root"]
    told["before"] = story.own_disks("web1")
    told["updated"] = story.run("update", "run", "web1")["clones"][0]
    told["after"] = story.own_disks("web1")
    owned, late = f"stat -c '%n %U %G %a' {' '.join(OWNED)}", "getent shadow root; cat /etc/late.conf"
    told["holds"] = said = story.each("web1", [owned, WHO, late, *HOLDS])
    told["owned"], told["who after"], told["late"] = said[owned], said[WHO], said[late]
    told["linked"] = story.run("linked", "debian")
    told["the other clone"] = story.run("update", "run", "web2")["clones"][0]


def go_back(story: Story) -> None:
    told = story.seen
    story.on("web1", "echo 'written since' > /etc/new.conf")
    told["rolled back"] = story.run("rollback", "web1")["clones"][0]
    told["as before"] = story.own_disks("web1")
    told["updated again"] = story.run("update", "run", "web1")["clones"][0]
    told["yesterday"] = story.on(
        "web1", "echo 'root:yesterday' | chpasswd; echo page > /var/lib/mysql/page; getent shadow root"
    )
    told["asked"] = story.run("rollback", "web1", "--carry", code=1)["clones"][0]
    told["carried"] = story.run("rollback", "web1", "--carry", "--take-proposals")["clones"][0]
    told["after the carry"] = story.on("web1", "getent shadow root; cat /etc/debian_version; ls /var/lib/mysql")
    told["gold"] = [story.run("gold", "verify", "debian", number)["whole"] for number in ("1", "2")]


def test_gold_is_published_when_it_was_tested(story: Story) -> None:
    assert story.seen["refused"]["error"]
    assert [form["form"] for form in story.seen["tests"]["forms"]] == ["read-only", "read-write"]
    assert (story.seen["gold 1"]["number"], story.seen["gold 1"]["untested"]) == (1, False)


def test_publishing_tells_which_accounts_move(story: Story) -> None:
    moved = story.seen["gold 2"]["renumbered"]
    assert any(line.startswith("user postfix moves") for line in moved), moved
    assert story.seen["gold 2"]["untested"] is True


def test_a_local_account_in_the_way_of_gold_stops_the_publish(story: Story) -> None:
    """``useradd -r`` gave backupd the group number 997, which is crontab's in Debian 13."""
    assert "web1: its own group backupd has 997, which gold gives to crontab" in story.seen["collision"]["what"]


def test_the_drift_report_names_what_was_changed(story: Story) -> None:
    found = {entry["path"]: entry["rule"]["class"] for entry in story.seen["drift"]["entries"]}
    wanted = {
        "/etc/shadow": "accounts", "/etc/ssh/sshd_config": "config", "/etc/ssl/private/shop.key": "opaque",
        "/var/lib/mysql": "state", "/var/spool/postfix": "state", "/etc/machine-id": "identity",
        "/etc/nginx/sites-enabled/default": "config",
    }  # fmt: skip
    assert {path: found.get(path) for path in wanted} == wanted


def test_questions_are_asked_and_the_server_lives_on(story: Story) -> None:
    assert story.seen["reviewed"]["outcome"] == "needs-review"
    asked = [one["path"] for one in story.seen["plan"]["record"]["conflicts"]]
    assert asked == ["/etc/group", "/etc/postfix/main.cf"]
    assert story.seen["gold 1 while it waits"].startswith("12")


def test_the_update_runs_its_checks_and_rebuilds(story: Story) -> None:
    assert (story.seen["updated"]["outcome"], story.seen["updated"]["failed_rebuilds"]) == ("done", {})


def test_everything_arrives_with_its_owner_by_name(story: Story) -> None:
    found = dict(line.split(" ", 1) for line in story.seen["owned"].splitlines())
    assert found == OWNED


@pytest.mark.parametrize("script", HOLDS)
def test_what_was_changed_is_there(story: Story, script: str) -> None:
    assert story.seen["holds"][script] == HOLDS[script]


def test_accounts_are_numbered_by_the_new_gold_and_none_twice(story: Story) -> None:
    before, after = (set(story.seen[f"who {word}"].splitlines()) for word in ("before", "after"))
    assert len({line for line in before if line.startswith("postfix:")} & after) == 0
    names = [line.split(":")[0] for line in story.seen["who after"].splitlines()]
    assert {"alice", "backupd", "shop", "ssl-cert", "postfix", "_chrony"} <= set(names)
    lines = story.seen["who after"].splitlines()
    users = lines[: lines.index("root:0", 1)]  # passwd, then group
    for table in (users, lines[len(users) :]):
        numbers = [line.split(":")[1] for line in table]
        assert len(numbers) == len(set(numbers))


def test_what_was_changed_during_the_review_is_merged_too(story: Story) -> None:
    assert story.seen["late"] == story.seen["root's password"] + "\nlate"


def test_no_path_of_the_server_is_lost_without_a_word(story: Story) -> None:
    updated = json.loads(Path(story.seen["updated"]["record"]).read_text())
    named = {entry["path"] for entry in updated["entries"]} | {note["path"] for note in updated["notes"]}
    lost = []
    for address, tree in story.seen["before"]["trees"].items():
        for path in tree:
            if path in story.seen["after"]["trees"][address]:
                continue
            full = "/" + (path.decode("utf-8", "surrogateescape") if isinstance(path, bytes) else str(path))
            above = [full, *(str(parent) for parent in Path(full).parents)]
            if not any(one in named for one in above):
                lost.append(full)
    assert lost == []


def test_links_go_with_the_disks_and_linked_says_so(story: Story) -> None:
    assert story.seen["before"]["links"] == {"1B1": "DEBIANGOLD 1B1"}
    assert story.seen["after"]["links"] == {"1B1": "DEBIANGOLD2 1B1"}
    rows = {row["slot"]: (row["current"], row["clones"], row["fallbacks"]) for row in story.seen["linked"]}
    assert rows["DEBIANGOLD"] == (False, ["web2"], ["web1"])
    assert rows["DEBIANGOLD2"] == (True, ["web1"], [])


def test_a_decision_answers_the_other_clone(story: Story) -> None:
    assert (story.seen["the other clone"]["outcome"], story.seen["updated again"]["outcome"]) == ("done", "done")


def test_rollback_is_the_old_system_exactly(story: Story) -> None:
    """The same disks, the same links, every path with every attribute of it, times too."""
    assert story.seen["rolled back"]["to_version"] == 1
    assert story.seen["rolled back"]["written_since"] == ["/etc/new.conf"]
    assert story.seen["as before"] == story.seen["before"]


def test_a_carry_keeps_the_password_and_asks_about_the_database(story: Story) -> None:
    assert (story.seen["asked"]["outcome"], story.seen["asked"]["conflicts"]) == ("needs-review", 1)
    assert story.seen["carried"]["to_version"] == 1
    shadow, version, *database = story.seen["after the carry"].splitlines()
    assert shadow == story.seen["yesterday"]
    assert version.startswith("12")
    assert "shop" in database and "page" not in database


def test_gold_was_never_written(story: Story) -> None:
    assert story.seen["gold"] == [True, True]
