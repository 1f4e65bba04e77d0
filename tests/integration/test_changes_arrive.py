"""Each change of an administrator, after a merge with another release of Debian: what arrives, and who owns it by name."""

from __future__ import annotations

import os

import pytest

from support.administrator import CAPABILITY, CHANGES, HASH, ROOT_HASH, SPARSE_SIZE
from support.server import ACL_DEFAULT, Server
from support.servers import Merged

pytestmark = [pytest.mark.integration, pytest.mark.timeout(3600)]  # roots may have to be made first


def test_every_change_has_a_test() -> None:
    assert {f"test_{name}" for name in CHANGES} <= globals().keys()
    assert len(CHANGES) >= 24


def stood(merged: Merged, path: str) -> tuple[str, int]:
    """Owner and mode of a path, which must be what the clone had."""
    now = merged.result.owner(path), merged.result.mode(path)
    assert now == (merged.clone.owner(path), merged.clone.mode(path)), path
    return now


def lines_of(server: Server, path: str) -> list[str]:
    return server.text(path).splitlines()


# -- accounts


def test_local_users(merged: Merged) -> None:
    result = merged.result
    assert result.record("passwd", "alice") == ["alice", "x", "1000", "1000", "", "/home/alice", "/bin/bash"]
    assert result.record("shadow", "alice")[1] == HASH
    assert "alice" in result.record("group", "sudo")[3].split(",")
    assert "alice" in result.record("group", "adm")[3].split(",")
    assert "alice:100000:65536" in lines_of(result, "/etc/subuid")
    assert "alice:100000:65536" in lines_of(result, "/etc/subgid")
    assert stood(merged, "/home/alice") == ("alice:alice", 0o700)
    assert stood(merged, "/home/alice/notes") == ("alice:alice", 0o600)


def test_local_group(merged: Merged) -> None:
    assert merged.result.record("group", "shop") == ["shop", "x", "1500", "alice,www-data"]
    assert stood(merged, "/srv/share") == ("root:shop", 0o2775)


def test_local_system_account(merged: Merged) -> None:
    result = merged.result
    assert result.record("passwd", "backupd")[5:] == ["/var/lib/backupd", "/usr/sbin/nologin"]
    assert result.group_name(int(result.record("passwd", "backupd")[3])) == "backupd"
    assert stood(merged, "/var/lib/backupd") == ("backupd:backupd", 0o750)
    assert stood(merged, "/var/lib/backupd/state") == ("backupd:backupd", 0o640)


def test_local_system_account_by_useradd(merged: Merged) -> None:
    """Its number is taken in most new releases: the account moves, its files with it, and the move is a conflict."""
    result = merged.result
    moved = result.groups["metrics"] != merged.clone.groups["metrics"]
    taken = merged.clone.groups["metrics"] in merged.gold.groups.values()
    assert moved == taken == (("/etc/group", "accounts:metrics:gid") in merged.conflicts)
    assert 100 <= result.groups["metrics"] <= 999
    assert result.group_name(int(result.record("passwd", "metrics")[3])) == "metrics"
    assert stood(merged, "/srv/metrics/today") == ("metrics:metrics", 0o644)
    assert stood(merged, "/etc/default/metrics") == ("root:metrics", 0o640)


def test_root_password(merged: Merged) -> None:
    assert merged.result.record("shadow", "root")[1:3] == [ROOT_HASH, "19800"]
    assert merged.result.owner("/etc/shadow") == "root:shadow"
    assert merged.result.mode("/etc/shadow") == 0o640


def test_login_shell(merged: Merged) -> None:
    assert merged.result.record("passwd", "backup")[6] == "/bin/bash"


def test_sudoers(merged: Merged) -> None:
    assert stood(merged, "/etc/sudoers.d/operators") == ("root:root", 0o440)


def test_authorized_keys(merged: Merged) -> None:
    assert stood(merged, "/root/.ssh/authorized_keys") == ("root:root", 0o600)
    assert stood(merged, "/home/alice/.ssh/authorized_keys") == ("alice:alice", 0o600)
    assert lines_of(merged.result, "/root/.ssh/authorized_keys") == ["ssh-ed25519 AAAAroot root@desk"]


# -- the server itself


def test_identity(merged: Merged) -> None:
    for name in (
        "hostname",
        "machine-id",
        "ssh/ssh_host_ed25519_key",
        "ssh/ssh_host_rsa_key",
        "ssh/ssh_host_rsa_key.pub",
    ):
        assert merged.result.facts(f"/etc/{name}") == merged.clone.facts(f"/etc/{name}")


def test_hosts(merged: Merged) -> None:
    assert "192.0.2.10 shop1.example.org shop1" in lines_of(merged.result, "/etc/hosts")


def test_network(merged: Merged) -> None:
    assert merged.result.text("/etc/resolv.conf") == "nameserver 192.0.2.53\n"
    assert merged.result.exists("/etc/network/interfaces.d/eth0")


def test_fstab(merged: Merged) -> None:
    assert "LABEL=data /srv/data ext4 defaults,nofail 0 2" in lines_of(merged.result, "/etc/fstab")


def test_time_zone(merged: Merged) -> None:
    assert merged.result.target("/etc/localtime") == "/usr/share/zoneinfo/Europe/Berlin"


def test_kernel_settings(merged: Merged) -> None:
    assert merged.result.text("/etc/sysctl.d/90-shop.conf") == "vm.swappiness = 10\n"


def test_old_kernel_settings(merged: Merged) -> None:
    """The clone's stands; a conflict where gold deleted the file, or brought one of its own."""
    path = "/etc/sysctl.conf"
    assert merged.result.text(path) == "net.ipv4.ip_forward=1\n"
    conflicts = {axis for where, axis in merged.conflicts if where == path}
    gold_changed = merged.gold.facts(path) != merged.base.facts(path)
    assert bool(conflicts) == gold_changed


def test_alternatives(merged: Merged) -> None:
    assert merged.result.target("/etc/alternatives/editor") == "/usr/bin/vim.tiny"
    assert merged.result.target("/etc/alternatives/pager") == merged.gold.target("/etc/alternatives/pager")


def test_units(merged: Merged) -> None:
    result = merged.result
    assert result.target("/etc/systemd/system/apache2.service") == "/dev/null"
    assert result.target("/etc/systemd/system/multi-user.target.wants/shop.service").endswith("/shop.service")
    assert result.exists("/etc/systemd/system/shop.service")
    assert "LimitNOFILE=65536" in result.text("/etc/systemd/system/nginx.service.d/override.conf")


def test_disabled_unit(merged: Merged) -> None:
    """It stays disabled, also where gold has its unit in /usr/lib now: /lib is a link to that, so nothing is asked."""
    path = "/etc/systemd/system/multi-user.target.wants/snmpd.service"
    assert not merged.result.exists(path)
    assert os.path.basename(merged.gold.target(path)) == os.path.basename(merged.base.target(path))
    assert (path, "presence") not in merged.conflicts


def test_deleted_conffile(merged: Merged) -> None:
    path = "/etc/cron.daily/apt-compat"
    assert not merged.result.exists(path)
    assert ((path, "presence") in merged.conflicts) == (merged.gold.facts(path) != merged.base.facts(path))


# -- services


def test_sshd_options(merged: Merged) -> None:
    """Both sides' changes are in the one file."""
    lines = lines_of(merged.result, "/etc/ssh/sshd_config")
    assert "PermitRootLogin no" in lines
    ours = set(lines_of(merged.clone, "/etc/ssh/sshd_config")) | {""}
    assert set(lines_of(merged.gold, "/etc/ssh/sshd_config")) - set(lines) == {"#PermitRootLogin prohibit-password"}
    assert set(lines) - set(lines_of(merged.gold, "/etc/ssh/sshd_config")) <= ours
    assert stood(merged, "/etc/ssh/sshd_config.d/10-shop.conf") == ("root:root", 0o600)


def test_nginx_site(merged: Merged) -> None:
    assert merged.result.names("/etc/nginx/sites-enabled") == ["shop"]
    assert merged.result.exists("/etc/nginx/sites-available/shop")
    assert merged.result.facts("/etc/nginx/nginx.conf") == merged.gold.facts("/etc/nginx/nginx.conf")
    assert stood(merged, "/var/www/shop/index.html") == ("www-data:www-data", 0o644)


def test_apache_ports(merged: Merged) -> None:
    result = merged.result
    assert "Listen 8080" in lines_of(result, "/etc/apache2/ports.conf")
    assert result.target("/etc/apache2/mods-enabled/rewrite.load") == "../mods-available/rewrite.load"
    assert stood(merged, "/etc/apache2/apache2.conf") == ("root:www-data", 0o640)
    assert result.text("/etc/apache2/apache2.conf") == merged.gold.text("/etc/apache2/apache2.conf")


def test_certificate_key(merged: Merged) -> None:
    owner = merged.result.owner("/etc/ssl/private/shop.key")
    assert owner == "root:ssl-cert"
    assert merged.result.owner("/etc/ssl/private") == "root:ssl-cert"
    assert merged.result.mode("/etc/ssl/private") == 0o710
    assert merged.result.text("/etc/ssl/private/shop.key") == "KEY\n"


def test_local_authority(merged: Merged) -> None:
    assert merged.result.target("/etc/ssl/certs/1a2b3c4d.0") == "own.pem"
    assert stood(merged, "/usr/local/share/ca-certificates/own.crt") == ("root:staff", 0o644)


def test_database(merged: Merged) -> None:
    """As a whole the clone's: its files and no other, byte by byte, owned by mysql whatever its number is now."""
    unit = "/var/lib/mysql"
    inside = {
        side: {path for path in getattr(merged, side).every() if path.startswith(unit)} for side in ("clone", "result")
    }
    assert inside["clone"] == inside["result"]
    assert all(merged.result.facts(path) == merged.clone.facts(path) for path in inside["clone"])
    assert merged.result.owner(f"{unit}/shop/orders.ibd") == "mysql:mysql"
    assert merged.result.owner(f"{unit}/ibdata1") == "mysql:mysql"
    assert merged.entries[unit]["changed"] == {"gold": True, "clone": True}
    assert not any(path.startswith(f"{unit}/") for path in merged.entries)


def test_database_settings(merged: Merged) -> None:
    text = merged.result.text("/etc/mysql/mariadb.conf.d/50-server.cnf")
    assert "= 192.0.2.10\n" in text
    assert text == merged.gold.text("/etc/mysql/mariadb.conf.d/50-server.cnf").replace(
        "= 127.0.0.1\n", "= 192.0.2.10\n"
    )
    assert merged.result.exists("/etc/mysql/mariadb.conf.d/99-shop.cnf")


def test_mail(merged: Merged) -> None:
    assert "relayhost = [relay.example.org]" in lines_of(merged.result, "/etc/postfix/main.cf")
    assert "root: alice" in lines_of(merged.result, "/etc/aliases")
    assert stood(merged, "/var/mail/alice") == ("alice:mail", 0o660)
    assert stood(merged, "/var/spool/postfix/deferred/A/A1B2C3") == ("postfix:postfix", 0o700)
    assert stood(merged, "/var/spool/postfix/maildrop/D4E5F6") == ("alice:postdrop", 0o744)
    assert stood(merged, "/var/spool/postfix/maildrop") == ("postfix:postdrop", 0o1730)


def test_time_service(merged: Merged) -> None:
    text = merged.result.text("/etc/chrony/chrony.conf")
    assert "server ntp.example.org iburst\n" in text
    assert "pool 2.debian.pool.ntp.org" not in text
    assert stood(merged, "/etc/chrony/chrony.keys") == ("root:_chrony", 0o640)
    assert stood(merged, "/var/lib/chrony/chrony.drift") == ("_chrony:_chrony", 0o644)


def test_monitoring(merged: Merged) -> None:
    assert "sysContact alice@example.org" in lines_of(merged.result, "/etc/snmp/snmpd.conf")
    assert merged.result.owner("/etc/snmp/snmpd.conf") == merged.gold.owner("/etc/snmp/snmpd.conf")
    assert stood(merged, "/var/lib/snmp/snmpd.conf") == ("Debian-snmp:Debian-snmp", 0o600)


def test_cron_jobs(merged: Merged) -> None:
    assert "0 3 * * * root /usr/local/bin/backup" in lines_of(merged.result, "/etc/crontab")
    assert stood(merged, "/etc/cron.d/shop") == ("root:root", 0o644)
    assert stood(merged, "/var/spool/cron/crontabs/alice") == ("alice:crontab", 0o600)
    assert stood(merged, "/var/spool/cron/crontabs") == ("root:crontab", 0o1730)


def test_logging(merged: Merged) -> None:
    assert stood(merged, "/etc/rsyslog.d/10-remote.conf") == ("root:root", 0o644)
    assert stood(merged, "/var/log/syslog") == ("root:adm", 0o640)
    assert stood(merged, "/var/log/nginx/access.log") == ("www-data:adm", 0o640)


def test_log_directory_of_another_owner(merged: Merged) -> None:
    assert stood(merged, "/var/log/chrony") == ("_chrony:adm", 0o750)
    assert stood(merged, "/var/log/apache2")[0] == "root:Debian-snmp"


# -- what file systems can do


def test_acls(merged: Merged) -> None:
    result = merged.result
    assert result.acl("/etc/ssl/private/shop.key") == {
        "user::6", "user:Debian-snmp:4", "user:alice:4", "group::4", "group:_chrony:4", "mask::6", "other::0",
    }  # fmt: skip
    assert "user:mysql:7" in result.acl("/srv/share", ACL_DEFAULT)
    assert {"user:postfix:6", "group:adm:4"} <= result.acl("/etc/snmp/snmpd.conf")
    assert result.acl("/var/log/journal") == merged.clone.acl("/var/log/journal")


def test_hard_links(merged: Merged) -> None:
    for one, other in (("/etc/cron.d/shop", "/etc/shop-cron"), ("/srv/metrics/a", "/srv/metrics/b")):
        assert os.path.samefile(merged.result.at(one), merged.result.at(other))
        assert os.lstat(merged.result.at(one)).st_nlink == 2


def test_fifo_and_sparse_file(merged: Merged) -> None:
    assert merged.result.facts("/etc/shop.pipe") == merged.clone.facts("/etc/shop.pipe")
    assert stood(merged, "/var/lib/backupd/pipe") == ("backupd:backupd", 0o600)
    held = os.lstat(merged.result.at("/srv/disk.img"))
    assert held.st_size == SPARSE_SIZE
    assert held.st_blocks * 512 < 1 << 20, "holes stay holes"
    assert merged.result.facts("/srv/disk.img") == merged.clone.facts("/srv/disk.img")


def test_capability_and_attribute(merged: Merged) -> None:
    probe = merged.result.at("/usr/local/bin/probe")
    assert os.getxattr(probe, "security.capability") == CAPABILITY
    assert stood(merged, "/usr/local/bin/raise") == ("root:metrics", 0o4750)
    assert os.getxattr(merged.result.at("/etc/motd"), "user.origin") == b"configuration management"


def test_odd_names(merged: Merged) -> None:
    assert merged.result.text("/etc/odd name\n\udcff") == "odd\n"
    assert "/etc/odd name\n\udcff" in merged.entries


def test_cache_and_packages(merged: Merged) -> None:
    """A cache is not carried, its directory is; the package database is gold's, which the record says."""
    assert merged.result.names("/var/cache/shop") == []
    assert merged.entries["/var/cache"]["dropped"]["bytes"] >= 5000
    assert merged.result.facts("/var/lib/dpkg/status") == merged.gold.facts("/var/lib/dpkg/status")
    assert "dropped" in merged.entries["/var/lib/dpkg/status"]["notes"][0]
    assert ("/var/lib/dpkg/status", "packages") in merged.conflicts
