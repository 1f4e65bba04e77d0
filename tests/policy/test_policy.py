"""Which rule wins: order, classes of the default policy, secrets that stay secret, units of state."""

from __future__ import annotations

import re

import pytest

from goldroot.errors import BadPolicy
from goldroot.policy import Policy, family_of
from goldroot.policy.policy import NO_RULE


def policy_of(text: str, extends: str = "none") -> Policy:
    return Policy.parse(f'extends = "{extends}"\n{text}'.encode(), "test.toml")


def rule_text(path: str, keys: str) -> str:
    return f"[[rule]]\npath = '{path}'\n{keys}\n"


# The table of path classes, row by row.
DEFAULTS = {
    "config": "/etc/aliases.db /etc/ssl/certs/own.0a1b /etc/selinux/targeted/contexts/files/file_contexts.local"
    " /var/lib/selinux/targeted/active/booleans.local"
    " /var/lib/dpkg/alternatives/editor /var/lib/dpkg/statoverride /var/lib/dpkg/diversions /etc/sysconfig/network/config"
    " /etc/sysconfig/network/dhcp /etc/sysconfig/network/scripts/functions /etc/udev/rules.d/70-own.rules"
    " /etc/fstab /etc/ssh/sshd_config /var/lib/pam/seen /var/lib/alternatives/editor /etc /usr/bin/x / /opt/a /opt/app/bin/x"
    " /var/kerberos/krb5kdc/kdc.conf /var/lib/kerberos/krb5kdc/kadm5.acl /var/yp/securenets",
    "opaque": "/etc/ssl/certs/own.pem /var/lib/selinux/targeted/active/modules/100/base/hll"
    " /etc/apache2/a.key /etc/x/a.pem /etc/a.crt /opt/a.p12 /etc/ssl/private/a.jks"
    " /usr/local/bin /usr/local/sbin/x /usr/local/etc/x /usr/local/share/ca-certificates/x",
    "state": "/var /var/local/x /var/kerberos/krb5kdc/principal /var/yp/site/hosts.byname /var/db/x /opt/app/data /opt/a/b/var/x"
    " /etc/ldap/slapd.d /etc/openldap/slapd.d/x /etc/pki/nssdb/key4.db"
    " /var/lib /var/lib/mysql /var/lib/mysql/a/b.pem /var/lib/systemd/timers /var/lib/private/a /var/spool/cron/x"
    " /var/log/syslog /var/mail/a /var/www/html /var/tmp/a /var/cache/bind/zone /root/.bashrc /srv/a /home/a/b"
    " /usr/local/lib/x /usr/local/share/x /var/backups/x /var/opt/a /var/named/x",
    "gold": "/var/lib/dpkg/status /var/lib/dpkg /var/lib/rpm/a /usr/lib/sysimage/rpm/x /var/lib/apt/lists/a /var/lib/ucf/a"
    " /var/lib/shells.state /var/lib/systemd/deb-systemd-helper-enabled/a /etc/os-release /etc/debian_version /etc/passwd-"
    " /var/lib/dpkg/statoverride-old /var/lib/dnf/history.sqlite /var/lib/zypp/AutoInstalled /etc/products.d/SLES.prod"
    " /etc/redhat-release /etc/system-release-cpe /etc/lsb-release /etc/SuSE-release /var/adm/fillup-templates/sysconfig.x"
    " /etc/group- /etc/shadow- /etc/gshadow- /etc/subuid- /etc/subgid-",
    "clone": "/etc/network/interfaces /etc/network/interfaces.d/eth0 /etc/netplan/a.yaml"
    " /etc/NetworkManager/system-connections/wifi /etc/sysconfig/network/ifcfg-eth0 /etc/sysconfig/hardware/x"
    " /etc/sysconfig/network /etc/sysconfig/network/ifroute-eth0 /etc/sysconfig/network/routes /etc/systemd/network/10.network"
    " /etc/sysconfig/network-scripts/ifcfg-eth0 /etc/wicked/common.xml /etc/udev/rules.d/41-dasd-eckd-0.0.0200.rules"
    " /etc/dasd.conf /etc/zfcp.conf /etc/.updated /var/.updated /etc/.git/config"
    " /etc/resolv.conf /etc/adjtime /etc/lvm/lvm.conf",
    "identity": "/etc/machine-id /etc/hostname /etc/HOSTNAME /etc/ssh/ssh_host_rsa_key /etc/ssh/ssh_host_rsa_key.pub"
    " /etc/krb5.keytab /etc/iscsi/initiatorname.iscsi /etc/nvme/hostid /etc/nvme/hostnqn"
    " /etc/ssl/certs/ssl-cert-snakeoil.pem /etc/ssl/private/ssl-cert-snakeoil.key /var/lib/dbus/machine-id"
    " /var/lib/systemd/random-seed /var/lib/zypp/AnonymousUniqueId",
    "cache": "/var/cache /var/db/nscd/hosts /var/cache/apt/x.deb /run/lock",
    "generated": "/etc/ld.so.cache /etc/ssl/certs/ca-certificates.crt /var/lib/systemd/catalog/database /etc/ssl/certs/0a1b2c3d.0"
    " /etc/ssl/certs/java/cacerts /var/lib/ca-certificates/pem/a.pem /etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"
    " /etc/udev/hwdb.bin /etc/selinux/targeted/policy/policy.33 /etc/selinux/targeted/contexts/files/file_contexts"
    " /var/lib/selinux/targeted/active/policy.kern /var/lib/selinux/targeted/active/file_contexts /etc/.etckeeper",
    "lines": "/root/.ssh/authorized_keys /home/a/.ssh/authorized_keys /home/a/.ssh/authorized_keys2"
    " /var/lib/git/.ssh/authorized_keys /etc/shells",
    "accounts": "/etc/passwd /etc/group /etc/shadow /etc/gshadow /etc/subuid /etc/subgid",
}


@pytest.mark.parametrize(("cls", "path"), [(cls, path) for cls, paths in DEFAULTS.items() for path in paths.split()])
def test_default_classes(cls: str, path: str) -> None:
    assert Policy.default().match(path.encode()).cls == cls


SECRETS = (
    "/etc/shadow /etc/gshadow /etc/shadow- /etc/shadow.rpmnew /etc/passwd- /etc/group- /etc/passwd.bak /etc/group.old"
    " /etc/passwd~ /etc/group_20240101 /etc/passwd+ /etc/passwd1 /etc/.shadow.swp /etc/.passwd.swp /var/backups/passwd.bak"
    " /var/backups/group.bak.1.gz /etc/a/b.key /etc/krb5.keytab /etc/ssh/ssh_host_rsa_key"
    " /etc/ssl/private/x"
    " /etc/ssl/private/ssl-cert-snakeoil.key /etc/mysql/debian.cnf /root/.pgpass /home/a/.pgpass /etc/netplan/a.yaml"
    " /etc/NetworkManager/system-connections/w /etc/ppp/chap-secrets /etc/postfix/sasl_passwd /etc/postfix/sasl_passwd.db"
    " /root/.ssh/id_ed25519 /var/lib/mysql/server-key.pem"
    " /etc/zypp/credentials.d/SCCcredentials /etc/sysconfig/network/providers/x /etc/sysconfig/network-scripts/keys-wlan0"
)
PUBLIC = (
    "/etc/sudoers /etc/passwd /etc/group /etc/passwdqc.conf /etc/security/group.conf"
    " /etc/ssh/ssh_host_rsa_key.pub /root/.ssh/id_ed25519.pub /etc/ssl/certs/a.pem"
    " /etc/ssl/certs/ca-certificates.crt /var/lib/ca-certificates/pem/a.pem /etc/ssh/sshd_config /root/.ssh/authorized_keys"
)


@pytest.mark.parametrize("path", SECRETS.split())
def test_secrets_by_default(path: str) -> None:
    assert Policy.default().match(path.encode()).secret


@pytest.mark.parametrize("path", PUBLIC.split())
def test_public_by_default(path: str) -> None:
    assert not Policy.default().match(path.encode()).secret


def test_generated_defaults() -> None:
    default = Policy.default()
    assert (default.match(b"/etc/ld.so.cache").rebuild, default.match(b"/etc/ld.so.cache").always) == (
        "/sbin/ldconfig",
        "gold",
    )
    bundle = default.match(b"/etc/ssl/certs/ca-certificates.crt")
    assert (bundle.rebuild, bundle.always) == ("/usr/sbin/update-ca-certificates", "")


def test_every_default_rule_with_a_class_has_a_reason_and_a_line() -> None:
    for rule in Policy.default().rules:
        assert rule.keys.get("reason"), rule.where
        assert re.fullmatch(r"default policy, line \d+", rule.where)


def test_last_match_wins_and_a_directory_covers_what_is_below() -> None:
    policy = policy_of(
        rule_text("/a", 'class = "gold"') + rule_text("/a/b", 'class = "clone"') + rule_text("/a/b/c", 'class = "gold"')
    )
    assert [policy.match(path).cls for path in (b"/a", b"/a/x/y", b"/a/b", b"/a/b/x", b"/a/b/c/d", b"/ab")] == [
        "gold", "gold", "clone", "clone", "gold", "config",
    ]  # fmt: skip


def test_a_later_broader_rule_wins_over_an_earlier_exact_one() -> None:
    policy = policy_of(rule_text("/a/b", 'class = "clone"') + rule_text("/a", 'class = "gold"'))
    assert policy.match(b"/a/b").cls == "gold"


def test_own_rules_come_after_the_default() -> None:
    policy = policy_of(rule_text("/etc/ld.so.cache", 'class = "clone"'), "default")
    assert policy.match(b"/etc/ld.so.cache").cls == "clone"
    assert policy.match(b"/etc/ld.so.cache").where == "test.toml, line 3"
    assert policy.match(b"/etc/passwd").cls == "accounts"


def test_a_secret_stays_one_until_a_rule_says_otherwise() -> None:
    broad = policy_of(rule_text("/etc", 'class = "clone"'), "default")
    assert (broad.match(b"/etc/shadow").cls, broad.match(b"/etc/shadow").secret) == ("clone", True)
    open_ = policy_of(rule_text("/etc/shadow", 'class = "clone"\nsecret = false'), "default")
    assert not open_.match(b"/etc/shadow").secret


def test_a_rule_without_class_only_adds() -> None:
    policy = policy_of(rule_text("/etc/shadow", "pin = true"), "default")
    rule = policy.match(b"/etc/shadow")
    assert (rule.cls, rule.pin, rule.secret) == ("accounts", True, True)
    assert rule == Policy.default().match(b"/etc/shadow")  # decided by the same rule
    alone = policy_of(rule_text("/x", "pin = true")).match(b"/x/y")
    assert (alone.index, alone.cls, alone.pin) == (-1, "config", True)


def test_pin_does_not_outlive_the_rule_that_is_replaced() -> None:
    policy = policy_of(rule_text("/a", 'class = "config"\npin = true') + rule_text("/a/b", 'class = "config"'))
    assert policy.match(b"/a/c").pin and not policy.match(b"/a/b").pin


UNITS = {
    "/var/lib": None, "/var/lib/mysql": "/var/lib/mysql", "/var/lib/mysql/a/b": "/var/lib/mysql",
    "/var/lib/systemd": None, "/var/lib/systemd/timers/x": "/var/lib/systemd/timers",
    "/var/lib/postgresql": None, "/var/lib/postgresql/15/main/base": "/var/lib/postgresql/15",
    "/var/lib/private": None, "/var/lib/private/a/b": "/var/lib/private/a", "/home/a/b/c": "/home/a",
    "/var/lib/dpkg/status": None, "/etc/passwd": None, "/home/a/.ssh/authorized_keys": None, "/home/a/.ssh/x": "/home/a",
    "/var/lib/mysql/server-key.pem": "/var/lib/mysql", "/var/cache/bind/z": "/var/cache/bind", "/var": None,
    "/var/named/dyn/z": "/var/named", "/var/opt/vendor/x": "/var/opt/vendor", "/usr/local/bin/x": None,
    "/usr/local/lib/python3.11/x": "/usr/local/lib/python3.11", "/usr/local/share/ca-certificates/x.crt": None,
    "/usr/local/games/x": "/usr/local/games",
}  # fmt: skip


@pytest.mark.parametrize(("path", "unit"), UNITS.items())
def test_units(path: str, unit: str | None) -> None:
    default = Policy.default()
    expected = unit.encode() if unit else None
    assert default.unit(path.encode(), default.match(path.encode())) == expected
    assert default.unit(path.encode()) == expected


def test_the_rule_inside_a_unit_differs_only_where_a_later_rule_decides() -> None:
    default = Policy.default()
    unit = default.match(b"/var/lib/mysql")
    assert default.match(b"/var/lib/mysql/x") == unit
    assert default.match(b"/var/lib/mysql/server-key.pem") == unit  # secret, but the same rule
    assert hash(default.match(b"/var/lib/mysql/server-key.pem")) == hash(unit)
    assert default.match(b"/var/lib/mysql/.ssh/authorized_keys") != unit


def test_units_of_wildcard_rules() -> None:
    policy = policy_of(
        rule_text("/data/*/db", 'class = "state"')
        + rule_text("**/state", 'class = "state"')
        + rule_text("/w/{a,b/c}", 'class = "state"')
        + rule_text("/opt/app", 'class = "state"\nwhole = true')
        + rule_text("/all/**", 'class = "state"')
    )
    units = {
        b"/data/x/db": None, b"/data/x/db/u/f": b"/data/x/db/u", b"/a/state/u/f": b"/a/state/u",
        b"/a/b/c/state/u": b"/a/b/c/state/u", b"/state/u/state/v": b"/state/u", b"/w/a/u/f": b"/w/a/u",
        b"/w/b/c/u/f": b"/w/b/c/u", b"/opt/app": b"/opt/app", b"/opt/app/x/y": b"/opt/app", b"/all": None,
        b"/all/a": None, b"/all/a/b/c": b"/all/a/b",
    }  # fmt: skip
    assert {path: policy.unit(path) for path in units} == units


def test_later_rules_inside() -> None:
    default = Policy.default()
    inside = [rule.pattern for rule in default.later_rules_inside(b"/var/lib/systemd")]
    assert "/var/lib/systemd/random-seed" in inside and "authorized_keys" in inside
    assert not {"*.key", "/var/lib/systemd", "/etc/passwd"} & set(inside)


def test_explain_names_what_wins_adds_and_loses() -> None:
    explanation = Policy.default().explain(b"/var/lib/mysql/server-key.pem")
    assert explanation.rule.pattern == "/var/lib" and explanation.unit == b"/var/lib/mysql"
    assert [rule.pattern for rule in explanation.overridden] == ["*.pem", "/var"]
    assert [rule.pattern for rule in explanation.adds] == [
        "*.pem",
        "/var/lib/{mysql,mysql-files,mongodb,mongo,ldap,pgsql}",
    ]
    assert not explanation.rule.mkdir
    shadow = Policy.default().explain(b"/etc/shadow")
    assert shadow.rule.cls == "accounts" and "record" in shadow.rule.reason
    assert [rule.pattern for rule in shadow.adds] == ["/etc/{shadow,gshadow}*"]
    assert Policy.default().explain(b"/etc/nothing").rule == NO_RULE


def test_conflict_is_the_clones_unless_said() -> None:
    assert Policy.default().conflict == "clone"
    assert policy_of('conflict = "gold"', "default").conflict == "gold"
    assert policy_of("").conflict == "clone"


def test_hash_is_of_what_is_said() -> None:
    plain = policy_of("[[rule]]\npath = '/a'\nclass = 'gold'\n[[rule]]\npath = '/b'\nclass = 'gold'\n")
    commented = policy_of("# hello\n\nrule = [{class = 'gold', paths = ['/a', '/b']}] # here\n")
    assert plain.hash == commented.hash
    assert re.fullmatch("[0-9a-f]{64}", plain.hash)
    others = [
        policy_of("[[rule]]\npath = '/b'\nclass = 'gold'\n[[rule]]\npath = '/a'\nclass = 'gold'\n"),
        policy_of("conflict = 'gold'\n[[rule]]\npaths = ['/a', '/b']\nclass = 'gold'\n"),
        policy_of("[[rule]]\npaths = ['/a', '/b']\nclass = 'gold'\nsecret = true\n"),
        Policy.default(),
    ]
    assert len({plain.hash, *(other.hash for other in others)}) == 5


def test_the_number_of_states_does_not_grow_with_the_tree() -> None:
    policy = Policy.parse(b"", "test.toml")  # a fresh copy of the default
    for number in range(300):
        policy.match(b"/usr/share/doc/%d/copyright" % number)
    few = len(policy._matcher._states)
    for number in range(3000):
        policy.match(b"/usr/share/man/%d/x.key" % number)
        policy.match(b"/var/lib/s%d/y" % number)
    assert len(policy._matcher._states) <= few + 20


def test_answers_do_not_depend_on_the_order_of_questions() -> None:
    paths = [path.encode() for paths in DEFAULTS.values() for path in paths.split()]
    forward, backward = Policy.parse(b"", "a"), Policy.parse(b"", "a")
    there = {path: forward.match(path) for path in paths}
    assert {path: backward.match(path) for path in reversed(paths)} == there


@pytest.mark.parametrize(
    ("text", "family"),
    [
        ("ID=debian\n", "debian"),
        ('ID=ubuntu\nID_LIKE="debian"\n', "ubuntu"),
        ("ID=raspbian\nID_LIKE=debian\n", "debian"),
        ('ID=linuxmint\nID_LIKE="ubuntu debian"\n', "ubuntu"),
        ('ID="sles"\nID_LIKE="suse"\n', "suse"),
        ('ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', "suse"),
        ("ID=opensuse-tumbleweed\n", "suse"),
        ('ID="rhel"\nID_LIKE="fedora"\n', "redhat"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "redhat"),
        ("ID='fedora'\n", "redhat"),
        ("ID=arch\n", ""),
        ('ID="unended\nID_LIKE=debian\n', "debian"),
        ("", ""),
    ],
)
def test_the_family_of_a_system(text: str, family: str) -> None:
    assert family_of(text) == family == family_of(text.encode())


def test_rules_of_a_family_hold_for_it_alone() -> None:
    policy = policy_of(
        rule_text("/a", 'class = "gold"\nfamily = "debian"') + rule_text("/a", 'class = "clone"\nfamily = "suse"')
    )
    words = {
        family: policy.for_family(family).match(b"/a").cls for family in ("", "debian", "ubuntu", "suse", "redhat")
    }
    assert words == {"": "clone", "debian": "gold", "ubuntu": "gold", "suse": "clone", "redhat": "config"}


def test_suses_directory_of_the_network_is_red_hats_file() -> None:
    default, path = Policy.default(), b"/etc/sysconfig/network"
    assert default.for_family("redhat").match(path).cls == "clone"
    assert default.for_family("suse").match(path).cls == "config"
    for family in ("suse", ""):
        classes = [
            default.for_family(family).match(path + name).cls for name in (b"/config", b"/ifcfg-eth0", b"/scripts/x")
        ]
        assert classes == ["config", "clone", "config"]


def test_a_family_that_is_none_is_told() -> None:
    with pytest.raises(BadPolicy, match="'family' cannot be 'suze'"):
        policy_of(rule_text("/a", 'class = "gold"\nfamily = "suze"'))
