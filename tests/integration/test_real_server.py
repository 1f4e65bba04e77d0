"""A Debian 12 server of some sixty services after a year of administration, merged with gold 12 maintained and with gold 13.

Which conflicts there are, and what each is needed for, stands in :data:`ASKED`.  What came out passes each service's own
check, boots with the units that ran before, and its web servers answer as before.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.debian import MANY_SERVICES, WITHOUT_PAGES, copy_of, debian_root
from support.hosts import need_programs
from support.machine import Booted, in_root
from support.servers import Merged, merge

pytestmark = [pytest.mark.integration, pytest.mark.root, pytest.mark.timeout(7200)]

SCRIPTS = Path(__file__).parent.parent / "data/real-server"

#: gold -> (path, axis) -> the answer that its administrator gives, and why it has to be asked.
ASKED: dict[str, dict[tuple[str, str], str]] = {
    "maintained": {
        # Gold's new service took the numbers that the server had given to one of its own.
        ("/etc/group", "accounts:shop:gid"): "proposal",
        ("/etc/passwd", "accounts:shop:uid"): "proposal",
        # A package that was installed on the server alone: the database is gold's.
        ("/var/lib/dpkg/status", "packages"): "gold",
    },
    "rebuilt": {
        ("/etc/group", "accounts:metrics:gid"): "proposal",
        ("/etc/passwd", "accounts:metrics:uid"): "proposal",
        ("/var/lib/dpkg/status", "packages"): "gold",
        # PHP 8.4 in the place of 8.2: the link would dangle, and Apache show the source; the module was taken out on the
        # server, and one of PHP's own; two files were changed at their old place.
        ("/etc/apache2/conf-enabled/php8.2-fpm.conf", "reference"): "gold",
        ("/etc/apache2/mods-enabled/php8.4.load", "presence"): "clone",
        ("/etc/php/8.4/fpm/conf.d/20-ftp.ini", "presence"): "clone",
        ("/etc/php/8.2/fpm/php.ini", "presence"): "moved",
        ("/etc/php/8.2/fpm/pool.d/www.conf", "presence"): "moved",
        # PostgreSQL 15 is gone, and its databases are not: they are for pg_upgradecluster.
        ("/etc/postgresql/15/main/postgresql.conf", "presence"): "clone",
        ("/var/lib/postgresql/15", "unit"): "clone",
        # Both changed the same lines: Dovecot 2.4 has other options, Debian 13 wrote Postfix's file again; in BIND's gold removed
        # the lines before which the server added its own.
        ("/etc/dovecot/conf.d/10-mail.conf", "content"): "gold",
        ("/etc/postfix/main.cf", "content"): "clone",
        ("/etc/bind/named.conf.local", "content"): "clone",
        # It was disabled as a script of runlevels, and Debian 13 has it as a unit.
        ("/etc/systemd/system/multi-user.target.wants/slapd.service", "presence"): "clone",
    },
}

#: gold -> units that ran before and do not after, and why.
GONE = {
    "maintained": {"ngircd.service", "tor.service", "tor@default.service"},  # gold took these away
    # Other versions; Postfix is one unit now.
    "rebuilt": {
        "php8.2-fpm.service", "postgresql@15-main.service", "postfix@-.service",
    },
}  # fmt: skip
#: Units that do not run before, and do after.
NEW = {
    "maintained": {"inventory.service"},
    "rebuilt": {
        "php8.4-fpm.service", "postgresql@17-main.service", "fsidd.service", "ldconfig.service", "lighttpd-maint.timer",
        "run-lock.mount",
        "sshd-unix-local.socket", "sysstat-rotate.timer",
    },
}  # fmt: skip
OF_SYSTEMD = ("systemd-", "run-credentials-")
#: Units that fail in a container, before and after.
FAILING = {"proc-fs-nfsd.mount", "run-rpc_pipefs.mount"}
#: And of gold 13's: a container has no audit.
FAILING_NEW = {"maintained": set[str](), "rebuilt": {"audit-rules.service"}}

PAGES = {
    "http://127.0.0.1:8080/": "<h1>Shop</h1> 200 apache",
    "http://127.0.0.1:8080/old": "<h1>Shop</h1> 200 apache",
    "http://127.0.0.1:8080/answer.php": "42 200 apache",
    "http://127.0.0.1/": "<h1>Shop</h1> 200 nginx",
    "http://127.0.0.1/answer.php": "42 200 nginx",
    "http://127.0.0.1:8081/who.txt": "lighttpd 200",
    "http://127.0.0.1:8090/": "<h1>Shop</h1> 200 apache",
    "http://127.0.0.1:6081/who.txt": "lighttpd 200",
}
CURL = "curl -s -m 20 -w ' %{http_code} %header{x-shop}'"


@dataclass
class Server:
    """A root, and what was seen of it."""

    root: Path
    checks: list[str]
    active: set[str]
    failed: set[str]
    pages: dict[str, str]
    rows: str


@dataclass
class Story:
    """One merge, first as it was asked about, then with its answers."""

    gold: str
    asked: Merged
    merged: Merged
    after: Server


def look_at(root: Path, *, before_pages: str = "") -> Server:
    """Check it, boot it, and ask its web servers and its databases."""
    checks = in_root(root, (SCRIPTS / "checks.sh").read_text(), kept=False).splitlines()
    with Booted(root) as booted:
        active, failed = booted.units("active"), booted.units("failed")
        booted.shell(before_pages)
        pages = {url: " ".join(booted.shell(f"{CURL} {url}").split()) for url in PAGES}
        rows = booted.shell("mariadb -N -e 'select i from shop.t'; redis-cli config get maxmemory | tail -1")
    return Server(root, checks, active, failed, pages, rows)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    need_programs("systemd-nspawn", "setpriv", "unshare", "nsenter")
    made = tmp_path_factory.mktemp("real-server")
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def base() -> Path:
    return debian_root("bookworm", MANY_SERVICES, options=WITHOUT_PAGES)


@pytest.fixture(scope="module")
def before(base: Path, room: Path) -> Server:
    """The server after its year."""
    root = copy_of(base, room / "server")
    in_root(root, (SCRIPTS / "year.sh").read_text())
    return look_at(root)


@pytest.fixture(scope="module", params=ASKED)
def story(request: pytest.FixtureRequest, base: Path, before: Server, room: Path) -> Iterator[Story]:
    word = request.param
    if word == "maintained":
        gold = copy_of(base, room / "gold")
        in_root(gold, (SCRIPTS / "maintained.sh").read_text())
    else:
        gold = debian_root("trixie", MANY_SERVICES, options=WITHOUT_PAGES)
    asked = merge(base, gold, before.root, room / "asked", "--plan")
    answers = {
        one["key"]: ASKED[word].get((one["path"], one["axis"]), one["stands"]) for one in asked.record["conflicts"]
    }
    (room / "answers.json").write_text(json.dumps({"schema": 1, "decisions": answers}))
    merged = merge(base, gold, before.root, room / "merged", "--decisions", room / "answers.json")
    for note in merged.record["notes"]:
        if note["kind"] == "rebuild-due":
            in_root(merged.result.root, note["data"]["command"])
    # What the answer about the link says: PHP's setting for Apache is the new version's from now on.
    after = look_at(
        merged.result.root, before_pages="a2enconf php8.4-fpm && systemctl reload apache2" * (word == "rebuilt")
    )
    yield Story(word, asked, merged, after)
    shutil.rmtree(merged.result.root)
    if word == "maintained":
        shutil.rmtree(gold)


def test_the_server_works_before(before: Server) -> None:
    assert [line for line in before.checks if not line.startswith("OK ")] == []
    assert len(before.checks) > 40
    assert before.failed == FAILING
    assert len([unit for unit in before.active if unit.endswith(".service")]) > 60
    assert before.pages == PAGES
    assert before.rows.split() == ["42", "67108864"]


def test_exactly_what_has_to_be_asked_is_asked(story: Story) -> None:
    assert story.asked.conflicts == ASKED[story.gold].keys()
    assert story.merged.conflicts == set()


def test_every_services_own_check_passes(story: Story) -> None:
    assert [line for line in story.after.checks if not line.startswith("OK ")] == []


def test_the_same_units_run_as_before(story: Story, before: Server) -> None:
    gone, new = before.active - story.after.active, story.after.active - before.active
    # What systemd does for itself is another matter with each version of it.
    assert {unit for unit in gone if not unit.startswith(OF_SYSTEMD)} == GONE[story.gold]
    assert {unit for unit in new if not unit.startswith(OF_SYSTEMD)} == NEW[story.gold]
    assert story.after.failed - before.failed == FAILING_NEW[story.gold]


def test_web_servers_and_databases_answer_as_before(story: Story, before: Server) -> None:
    assert story.after.pages == before.pages
    assert story.after.rows == before.rows


def test_what_gold_changed_arrived(story: Story) -> None:
    result, gold = story.merged.result, story.merged.gold
    assert "PermitRootLogin no" in result.text("/etc/ssh/sshd_config").splitlines()
    assert "myhostname = web1.example.org" in result.text("/etc/postfix/main.cf").splitlines()
    if story.gold == "maintained":
        assert "X11Forwarding no" in result.text("/etc/ssh/sshd_config").splitlines()
        assert "smtp_tls_security_level = encrypt" in result.text("/etc/postfix/main.cf").splitlines()
        assert "upload_max_filesize = 16M" in result.text("/etc/php/8.2/fpm/php.ini").splitlines()
        assert result.mode("/etc/snmp/snmpd.conf") == 0o600
        assert "sysLocation Berlin" in " ".join(result.text("/etc/snmp/snmpd.conf").split())
        assert result.target("/etc/alternatives/pager") == "/bin/more"
    else:
        assert "memory_limit = 256M" in result.text("/etc/php/8.4/fpm/php.ini").splitlines()
        assert result.text("/usr/lib/os-release") == gold.text("/usr/lib/os-release")
        assert result.exists("/var/lib/php/modules/8.4/fpm/enabled_by_maint/opcache")
    assert result.target("/etc/alternatives/editor") == "/usr/bin/vim.tiny"
    assert result.owner("/usr/bin/at") == "root:web"
