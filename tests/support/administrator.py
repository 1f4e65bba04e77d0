"""What administrators do to a Debian server between two golds, one function a change.

A change is made on a copy of the old gold, before any merge, and looked at in the result by a test of
``tests/integration/test_changes_arrive.py`` with the same name.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable

from support.server import ACL_DEFAULT, Server

CHANGES: dict[str, Callable[[Server], None]] = {}

HASH = "$y$j9T$local$OneThatIsNotShownAnywhere"
ROOT_HASH = "$y$j9T$root$AnotherThatIsNotShown"
SPARSE_SIZE = 1 << 30
#: cap_net_raw=ep: VFS_CAP_REVISION_2 with the effective bit, capability 13 permitted (linux/capability.h).
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)


def change(function: Callable[[Server], None]) -> Callable[[Server], None]:
    CHANGES[function.__name__] = function
    return function


def administer(server: Server) -> None:
    """All changes, in the order in which they stand here."""
    for function in CHANGES.values():
        function(server)


# -- accounts


@change
def local_users(server: Server) -> None:
    server.add_user("alice", 1000, 1000, "/home/alice", password=HASH)
    server.join("alice", "sudo")
    server.join("alice", "adm")
    server.append("/etc/subuid", "alice:100000:65536\n")
    server.append("/etc/subgid", "alice:100000:65536\n")
    server.mkdir("/home/alice", "alice:alice", 0o700)
    server.write("/home/alice/notes", "mine\n", "alice:alice", 0o600)


@change
def local_group(server: Server) -> None:
    server.add_group("shop", 1500)
    server.join("alice", "shop")
    server.join("www-data", "shop")
    server.mkdir("/srv/share", "root:shop", 0o2775)


@change
def local_system_account(server: Server) -> None:
    """As ``adduser --system --group`` numbers it: the first free ones from 100."""
    uid = next(n for n in range(100, 999) if n not in server.users.values())
    gid = next(n for n in range(100, 999) if n not in server.groups.values())
    server.add_user("backupd", uid, gid, "/var/lib/backupd", "/usr/sbin/nologin", "!")
    server.mkdir("/var/lib/backupd", "backupd:backupd", 0o750)
    server.write("/var/lib/backupd/state", "day 1\n", "backupd:backupd", 0o640)


@change
def local_system_account_by_useradd(server: Server) -> None:
    """As ``useradd -r`` numbers it: the highest free ones below 1000, where Debian 13 puts groups of its own."""
    number = next(n for n in range(999, 100, -1) if n not in {*server.users.values(), *server.groups.values()})
    server.add_user("metrics", number, number, "/srv/metrics", "/usr/sbin/nologin", "!")
    server.mkdir("/srv/metrics", "metrics:metrics", 0o755)
    server.write("/srv/metrics/today", "42\n", "metrics:metrics", 0o644)
    server.write("/etc/default/metrics", "INTERVAL=60\n", "root:metrics", 0o640)


@change
def root_password(server: Server) -> None:
    fields = server.record("shadow", "root")
    server.edit("/etc/shadow", ":".join(fields), ":".join(["root", ROOT_HASH, "19800", *fields[3:]]))


@change
def login_shell(server: Server) -> None:
    fields = server.record("passwd", "backup")
    server.edit("/etc/passwd", ":".join(fields), ":".join([*fields[:6], "/bin/bash"]))


@change
def sudoers(server: Server) -> None:
    server.write("/etc/sudoers.d/operators", "%shop ALL=(root) /usr/sbin/service nginx reload\n", mode=0o440)


@change
def authorized_keys(server: Server) -> None:
    server.write("/root/.ssh/authorized_keys", "ssh-ed25519 AAAAroot root@desk\n", mode=0o600)
    server.mkdir("/home/alice/.ssh", "alice:alice", 0o700)
    server.write("/home/alice/.ssh/authorized_keys", "ssh-ed25519 AAAAalice alice@desk\n", "alice:alice", 0o600)


# -- the server itself


@change
def identity(server: Server) -> None:
    server.write("/etc/hostname", "shop1\n")
    server.write("/etc/machine-id", "0123456789abcdef0123456789abcdef\n", mode=0o444)
    server.write("/etc/ssh/ssh_host_ed25519_key", "PRIVATE shop1\n", mode=0o600)
    server.write("/etc/ssh/ssh_host_ed25519_key.pub", "ssh-ed25519 AAAAhost root@shop1\n")


@change
def hosts(server: Server) -> None:
    server.append("/etc/hosts", "192.0.2.10 shop1.example.org shop1\n")


@change
def network(server: Server) -> None:
    server.write("/etc/network/interfaces.d/eth0", "auto eth0\niface eth0 inet dhcp\n")
    server.write("/etc/resolv.conf", "nameserver 192.0.2.53\n")


@change
def fstab(server: Server) -> None:
    server.append("/etc/fstab", "LABEL=data /srv/data ext4 defaults,nofail 0 2\n")


@change
def time_zone(server: Server) -> None:
    server.link("/etc/localtime", "/usr/share/zoneinfo/Europe/Berlin")


@change
def kernel_settings(server: Server) -> None:
    server.write("/etc/sysctl.d/90-shop.conf", "vm.swappiness = 10\n")


@change
def old_kernel_settings(server: Server) -> None:
    """A file that Debian 13 has no more."""
    server.write("/etc/sysctl.conf", "net.ipv4.ip_forward=1\n")


@change
def alternatives(server: Server) -> None:
    server.link("/etc/alternatives/editor", "/usr/bin/vim.tiny")


@change
def units(server: Server) -> None:
    server.write("/etc/systemd/system/shop.service", "[Service]\nExecStart=/usr/local/bin/shop\n")
    server.link("/etc/systemd/system/multi-user.target.wants/shop.service", "/etc/systemd/system/shop.service")
    server.link("/etc/systemd/system/apache2.service", "/dev/null")
    server.write("/etc/systemd/system/nginx.service.d/override.conf", "[Service]\nLimitNOFILE=65536\n")


@change
def disabled_unit(server: Server) -> None:
    server.at("/etc/systemd/system/multi-user.target.wants/snmpd.service").unlink()


@change
def deleted_conffile(server: Server) -> None:
    server.at("/etc/cron.daily/apt-compat").unlink()


# -- services


@change
def sshd_options(server: Server) -> None:
    server.edit("/etc/ssh/sshd_config", "#PermitRootLogin prohibit-password\n", "PermitRootLogin no\n")
    server.write("/etc/ssh/sshd_config.d/10-shop.conf", "PasswordAuthentication no\n", mode=0o600)


@change
def nginx_site(server: Server) -> None:
    server.write("/etc/nginx/sites-available/shop", "server { listen 443 ssl; root /var/www/shop; }\n")
    server.link("/etc/nginx/sites-enabled/shop", "/etc/nginx/sites-available/shop")
    server.at("/etc/nginx/sites-enabled/default").unlink()
    server.write("/var/www/shop/index.html", "<h1>Shop</h1>\n", "www-data:www-data")


@change
def apache_ports(server: Server) -> None:
    server.edit("/etc/apache2/ports.conf", "Listen 80\n", "Listen 8080\n")
    server.link("/etc/apache2/mods-enabled/rewrite.load", "../mods-available/rewrite.load")
    server.at("/etc/apache2/apache2.conf").chmod(0o640)
    server.chown("/etc/apache2/apache2.conf", "root:www-data")


@change
def certificate_key(server: Server) -> None:
    if "ssl-cert" not in server.groups:  # Debian 13 has it only where something wants it
        server.add_group("ssl-cert", next(n for n in range(999, 100, -1) if n not in server.groups.values()))
        server.mkdir("/etc/ssl/private", "root:ssl-cert", 0o710)
    server.write("/etc/ssl/private/shop.key", "KEY\n", "root:ssl-cert", 0o640)
    server.write("/etc/ssl/certs/shop.crt", "CERTIFICATE\n")


@change
def local_authority(server: Server) -> None:
    server.write("/usr/local/share/ca-certificates/own.crt", "AUTHORITY\n", "root:staff")
    server.link("/etc/ssl/certs/own.pem", "/usr/local/share/ca-certificates/own.crt")
    server.link("/etc/ssl/certs/1a2b3c4d.0", "own.pem")


@change
def database(server: Server) -> None:
    """One database more, and pages changed in a file that keeps its size."""
    server.mkdir("/var/lib/mysql/shop", "mysql:mysql", 0o700)
    server.write("/var/lib/mysql/shop/orders.ibd", b"\0orders" * 1000, "mysql:mysql", 0o660)
    with open(server.at("/var/lib/mysql/ibdata1"), "r+b") as file:
        file.seek(16384)
        file.write(b"the server's own pages")


@change
def database_settings(server: Server) -> None:
    server.edit("/etc/mysql/mariadb.conf.d/50-server.cnf", "= 127.0.0.1\n", "= 192.0.2.10\n")
    server.write("/etc/mysql/mariadb.conf.d/99-shop.cnf", "[mysqld]\nmax_connections = 500\n")


@change
def mail(server: Server) -> None:
    server.edit("/etc/postfix/main.cf", "relayhost = \n", "relayhost = [relay.example.org]\n")
    server.append("/etc/aliases", "root: alice\n")
    server.write("/var/mail/alice", "From bob\n", "alice:mail", 0o660)
    for queue in ("deferred", "defer"):
        server.mkdir(f"/var/spool/postfix/{queue}", "postfix:root", 0o700)
        server.mkdir(f"/var/spool/postfix/{queue}/A", "postfix:postfix", 0o700)
        server.write(f"/var/spool/postfix/{queue}/A/A1B2C3", f"{queue}\n", "postfix:postfix", 0o700)
    server.mkdir("/var/spool/postfix/maildrop", "postfix:postdrop", 0o1730)
    server.write("/var/spool/postfix/maildrop/D4E5F6", "posted\n", "alice:postdrop", 0o744)


@change
def time_service(server: Server) -> None:
    server.edit("/etc/chrony/chrony.conf", "pool 2.debian.pool.ntp.org iburst\n", "server ntp.example.org iburst\n")
    server.write("/etc/chrony/chrony.keys", "1 SHA1 HEX:00\n", "root:_chrony", 0o640)
    server.write("/var/lib/chrony/chrony.drift", "1.0 0.1\n", "_chrony:_chrony")


@change
def monitoring(server: Server) -> None:
    server.append("/etc/snmp/snmpd.conf", "sysContact alice@example.org\n")
    server.write("/var/lib/snmp/snmpd.conf", "engineBoots 7\n", "Debian-snmp:Debian-snmp", 0o600)


@change
def cron_jobs(server: Server) -> None:
    server.write("/etc/cron.d/shop", "5 4 * * * www-data /usr/local/bin/shop --nightly\n")
    server.append("/etc/crontab", "0 3 * * * root /usr/local/bin/backup\n")
    server.write("/var/spool/cron/crontabs/alice", "@daily true\n", "alice:crontab", 0o600)


@change
def logging(server: Server) -> None:
    server.write("/etc/rsyslog.d/10-remote.conf", "*.* @@log.example.org\n")
    server.write("/var/log/syslog", "Nov  1 shop1 started\n", "root:adm", 0o640)
    server.write("/var/log/nginx/access.log", "GET /\n", "www-data:adm", 0o640)


@change
def log_directory_of_another_owner(server: Server) -> None:
    server.mkdir("/var/log/chrony", "_chrony:adm", 0o750)
    server.chown("/var/log/apache2", "root:Debian-snmp")


# -- what file systems can do


@change
def acls(server: Server) -> None:
    """(tag, permissions, name): 1 owner, 2 user, 4 owning group, 8 group, 16 mask, 32 others."""
    common = ((1, 6, ""), (4, 4, ""), (16, 6, ""), (32, 0, ""))
    server.set_acl("/etc/ssl/private/shop.key", *common, (2, 4, "Debian-snmp"), (2, 4, "alice"), (8, 4, "_chrony"))
    server.set_acl("/srv/share", (1, 7, ""), (2, 7, "mysql"), (4, 7, ""), (16, 7, ""), (32, 5, ""), name=ACL_DEFAULT)
    server.set_acl("/etc/snmp/snmpd.conf", *common, (2, 6, "postfix"), (8, 4, "adm"))


@change
def hard_links(server: Server) -> None:
    os.link(server.at("/etc/cron.d/shop"), server.at("/etc/shop-cron"))
    server.write("/srv/metrics/a", "one file\n", "metrics:metrics")
    os.link(server.at("/srv/metrics/a"), server.at("/srv/metrics/b"))


@change
def fifo_and_sparse_file(server: Server) -> None:
    os.mkfifo(server.at("/etc/shop.pipe"), 0o600)
    os.mkfifo(server.at("/var/lib/backupd/pipe"), 0o600)
    server.chown("/var/lib/backupd/pipe", "backupd:backupd")
    with open(server.at("/srv/disk.img"), "wb") as file:
        file.truncate(SPARSE_SIZE)
        file.seek(SPARSE_SIZE // 2)
        file.write(b"data in the middle")


@change
def capability_and_attribute(server: Server) -> None:
    server.write("/usr/local/bin/probe", "#!/bin/sh\n", mode=0o755)
    os.setxattr(server.at("/usr/local/bin/probe"), "security.capability", CAPABILITY)
    server.write("/usr/local/bin/raise", "#!/bin/sh\n", "root:metrics", mode=0o4750)
    server.write("/etc/motd", "Welcome to shop1\n")
    os.setxattr(server.at("/etc/motd"), "user.origin", b"configuration management")


@change
def odd_names(server: Server) -> None:
    server.write("/etc/odd name\n\udcff", "odd\n")


@change
def cache_and_packages(server: Server) -> None:
    server.write("/var/cache/shop/page", b"x" * 5000)
    server.append("/var/lib/dpkg/status", "\nPackage: local-tool\nStatus: install ok installed\nVersion: 1\n")
