"""Servers laid out as SLES 15 and as RHEL 9 are, with packages that rpm itself installed, updated and counted.

The packages are small and made here; the layout and the places of the database are those of the two systems.  The database
is SQLite's for both: SUSE's own kind (ndb) is not in Debian's rpm.
"""

from __future__ import annotations

import base64
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from goldroot.conflicts import Decision
from support.hosts import need_programs
from support.merging import Outcome, merge_directories
from support.rpms import RpmRoot, Rpms
from support.server import Server
from support.trees import Dir, File, Link, Node, make_tree

pytestmark = [pytest.mark.slow, pytest.mark.root]

Files = Mapping[str, Node]


def pem(name: str) -> str:
    data = base64.encodebytes(b"\x30" + name.encode() * 30).decode()
    return f"# {name}\n-----BEGIN CERTIFICATE-----\n{data}-----END CERTIFICATE-----\n"


def accounts(*services: tuple[str, int]) -> Files:
    users = "".join(f"{name}:x:{number}:{number}::/var/lib/{name}:/sbin/nologin\n" for name, number in services)
    groups = "".join(f"{name}:x:{number}:\n" for name, number in services)
    shadow = "".join(f"{name}:!:19000::::::\n" for name, _ in services)
    return {
        "etc/passwd": f"root:x:0:0:root:/root:/bin/bash\n{users}",
        "etc/group": f"root:x:0:\nwheel:x:10:\n{groups}",
        "etc/shadow": File(f"root:!:19000::::::\n{shadow}", mode=0o600),
        "etc/login.defs": "UID_MIN 1000\nSYS_UID_MIN 100\nSYS_UID_MAX 499\n",
        "bin": Link("usr/bin"), "usr/bin/bash": File("#!", mode=0o755), "sbin": Link("usr/sbin"),
        "usr/sbin/nologin": File("#!", mode=0o755), "root": Dir(), "var/log/lastlog": "",
    }  # fmt: skip


# -- SUSE Linux Enterprise

NETWORK = "".join(f'## Type: string\nNETCONFIG_{name}="{value}"\n\n' for name, value in (
    ("MODULES_ORDER", "dns-resolver dns-bind"), ("DNS_POLICY", "auto"), ("DNS_STATIC_SERVERS", ""), ("NTP_POLICY", "auto"),
))  # fmt: skip
APACHE = '## Modules\nAPACHE_MODULES="actions alias auth_basic"\n\n## Flags\nAPACHE_SERVER_FLAGS=""\n\n## Limit\nAPACHE_LIMIT="10"\n'


def sles(version: str, new: bool) -> dict[str, Files]:
    """Package -> its files, of one version of the system."""
    pam = "auth required pam_env.so\n" + "auth optional pam_gnome.so\n" * new + "auth required pam_unix.so\n"
    packages: dict[str, Files] = {
        "sles-release": {
            "usr/lib/os-release": f'NAME="SLES"\nVERSION="{version}"\nID="sles"\nID_LIKE="suse"\n',
            "etc/os-release": Link("../usr/lib/os-release"), "etc/products.d/SLES.prod": f"<version>{version}</version>\n",
        },
        "wicked": {
            "etc/wicked/common.xml": f"<config>{version}</config>\n", "etc/sysconfig/network/dhcp": 'DHCLIENT_SET_HOSTNAME="no"\n',
        },
        "sysconfig": {
            "etc/sysconfig/network/config": NETWORK.replace('NTP_POLICY="auto"', 'NTP_POLICY="none"') if new else NETWORK,
        },
        "pam-config": {
            "etc/pam.d/common-auth-pc": pam,
            "etc/pam.d/sshd": "auth include common-auth\n",
        },
        "apache2": {
            "etc/sysconfig/apache2": APACHE.replace('LIMIT="10"', 'LIMIT="50"') if new else APACHE,
            "etc/apache2/default-server.conf": "DocumentRoot /srv/www/htdocs\n",
            "usr/lib/systemd/system/apache2.service": "[Service]\nExecStart=/usr/sbin/httpd\n",
        },
        "permissions": {"etc/permissions.local": "# local\n", "etc/permissions": f"/usr/bin/su {4755 - 755 * new}\n"},
        "postfix": {"etc/postfix/main.cf": "relayhost =\nbiff = no\ninet_interfaces = " + ("localhost" if new else "all") + "\n"},
    }  # fmt: skip
    if new:  # 15.6 keeps sshd's file as its maker made it in /usr/etc, and what is in /etc stands before it
        packages["openssh"] = {"usr/etc/ssh/sshd_config": "Port 22\n", "etc/ssh/sshd_config.d/README": "own settings\n"}
    else:
        packages["openssh"] = {"etc/ssh/sshd_config": "Port 22\nX11Forwarding yes\n"}
        packages["ntp"] = {"etc/ntp.conf": "server pool\n", "usr/lib/systemd/system/ntpd.service": "[Service]\n"}
    return packages


def suse_root(rpms: Rpms, root: Path, version: str, *, new: bool) -> RpmRoot:
    numbers = (
        (("wwwrun", 498), ("chrony", 497), ("postfix", 51)) if new else (("wwwrun", 498), ("ntp", 74), ("postfix", 51))
    )
    store = pem("good") + pem("new") if new else pem("good") + pem("bad")
    make_tree(root, {
        **accounts(*numbers), "etc/pam.d/common-auth": Link("common-auth-pc"),
        "var/lib/ca-certificates/ca-bundle.pem": store, "etc/ssl/certs": Link("../../var/lib/ca-certificates/pem"),
        "var/lib/zypp/AnonymousUniqueId": "gold\n", "var/lib/wicked/duid.xml": "<duid>gold</duid>\n",
        "usr/lib/sysimage/rpm": Dir(), "var/lib/rpm": Link("../../usr/lib/sysimage/rpm"), "srv/www/htdocs": Dir(),
    })  # fmt: skip
    made = RpmRoot(root, "/usr/lib/sysimage/rpm")
    made.install([rpms.build(name, version, files) for name, files in sles(version, new).items()])
    return made


def administer_sles(server: Server, rpm: RpmRoot, rpms: Rpms) -> None:
    server.write("/etc/sysconfig/network/ifcfg-eth0", "BOOTPROTO='static'\nIPADDR='192.0.2.10/24'\n")
    server.write("/etc/sysconfig/network/ifroute-eth0", "default 192.0.2.1 - -\n")
    server.edit("/etc/sysconfig/network/config", 'STATIC_SERVERS=""', 'STATIC_SERVERS="192.0.2.53"')
    server.edit("/etc/sysconfig/apache2", "alias auth_basic", "alias auth_basic rewrite")
    server.edit("/etc/ssh/sshd_config", "Port 22", "Port 2222")
    server.edit("/etc/postfix/main.cf", "relayhost =", "relayhost = relay.example.org")
    server.append("/etc/permissions.local", "/srv/share root:wheel 2775\n")
    server.edit(
        "/etc/pam.d/common-auth-pc", "pam_unix.so", "pam_unix.so\nauth sufficient pam_sss.so"
    )  # pam-config --add
    server.write("/etc/wicked/ifconfig/eth1.xml", "<interface/>\n")
    server.write("/var/lib/wicked/duid.xml", "<duid>server</duid>\n")
    server.write("/var/lib/zypp/AnonymousUniqueId", "server\n")
    server.write("/etc/zypp/repos.d/local.repo", "[local]\nbaseurl=dir:/srv/repo\n")
    server.append("/etc/passwd", "alice:x:1000:100::/home/alice:/bin/bash\n")
    server.append("/etc/shadow", "alice:!:19000::::::\n")
    server.write("/etc/pki/trust/anchors/own.pem", pem("own"))
    server.write("/var/lib/ca-certificates/ca-bundle.pem", pem("good") + pem("bad") + pem("own"))
    server.write("/etc/ntp.conf", "server ntp.example.org\n")
    server.link("/etc/systemd/system/multi-user.target.wants/ntpd.service", "/usr/lib/systemd/system/ntpd.service")
    server.link(
        "/etc/systemd/system/multi-user.target.wants/apache2.service", "/usr/lib/systemd/system/apache2.service"
    )
    rpm.install(
        [rpms.build("shop-agent", "1.0", {"etc/shop.conf": "interval = 5\n", "opt/shop/agent": File("#!", mode=0o755)})]
    )


# -- Red Hat Enterprise Linux


def rhel(version: str, new: bool) -> dict[str, Files]:
    return {
        "redhat-release": {
            "usr/lib/os-release": f'NAME="Red Hat"\nVERSION_ID="{version}"\nID="rhel"\nID_LIKE="fedora"\n',
            "etc/os-release": Link("../usr/lib/os-release"), "etc/redhat-release": f"release {version}\n",
        },
        "NetworkManager": {"etc/NetworkManager/NetworkManager.conf": "[main]\n" + "plugins=keyfile\n" * new},
        "authselect": {"usr/share/authselect/default/sssd/system-auth": f"auth required pam_env.so # {version}\n"},
        "httpd": {
            "etc/httpd/conf/httpd.conf": "Listen 80\n\nUser apache\n\nServerTokens " + ("Prod" if new else "OS") + "\n",
            "etc/sysconfig/httpd": "LANG=C\n", "usr/lib/systemd/system/httpd.service": "[Service]\n",
        },
        "dnf": {"etc/dnf/dnf.conf": "[main]\ngpgcheck=1\n\n\ninstallonly_limit=" + ("5" if new else "3") + "\n"},
        "selinux-policy-targeted": {
            "etc/selinux/config": "SELINUX=enforcing\n\nSELINUXTYPE=targeted\n",
            "usr/share/selinux/targeted/default/active/modules/100/base/cil": f"({version})\n",
        },
        "crypto-policies": {"usr/share/crypto-policies/DEFAULT/openssl.txt": f"{version}\n", "etc/crypto-policies/config": "DEFAULT\n"},
        "chkconfig": {"usr/sbin/alternatives": File("#!", mode=0o755)},
    }  # fmt: skip


#: chkconfig's record of an alternative: mode, link, and each choice with its weight.
JAVA = "auto\n/usr/bin/java\n\n/usr/lib/jvm/java-17/bin/java\n170000\n"


def rhel_root(rpms: Rpms, root: Path, version: str, *, new: bool) -> RpmRoot:
    java = "21" if new else "17"
    store = pem("good") + pem("new") if new else pem("good") + pem("bad")
    make_tree(root, {
        **accounts(("apache", 48), ("chrony", 981 if new else 987), ("sssd", 996)),
        "etc/authselect/system-auth": f"auth required pam_env.so # {version}\n",
        "etc/pam.d/system-auth": Link("/etc/authselect/system-auth"),
        "etc/crypto-policies/back-ends/opensslcnf.config": Link("/usr/share/crypto-policies/DEFAULT/openssl.txt"),
        "etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem": store,
        "etc/selinux/targeted/policy/policy.33": f"compiled {version}\n",
        "var/lib/selinux/targeted/active/policy.kern": f"compiled {version}\n",
        "var/lib/selinux/targeted/active/modules/100/base/cil": f"({version})\n", "etc/resolv.conf": "nameserver 192.0.2.53\n",
        "usr/lib/jvm/java-17/bin/java": File("#!", mode=0o755), f"usr/lib/jvm/java-{java}/bin/java": File("#!", mode=0o755),
        "etc/alternatives/java": Link(f"/usr/lib/jvm/java-{java}/bin/java"), "usr/bin/java": Link("/etc/alternatives/java"),
        "var/lib/alternatives/java": JAVA + "/usr/lib/jvm/java-21/bin/java\n210000\n" * new,
        "var/lib/rpm": Dir(), "var/www/html/index.html": "gold\n",
    })  # fmt: skip
    made = RpmRoot(root, "/var/lib/rpm")
    made.install([rpms.build(name, version, files) for name, files in rhel(version, new).items()])
    return made


def administer_rhel(server: Server, rpm: RpmRoot, rpms: Rpms) -> None:
    server.write(
        "/etc/NetworkManager/system-connections/eth0.nmconnection", "[ipv4]\naddress1=192.0.2.10/24\n", mode=0o600
    )
    server.write("/etc/sysconfig/network-scripts/ifcfg-eth1", "DEVICE=eth1\n")
    server.write("/etc/sysconfig/network", "HOSTNAME=web1\n")
    server.edit("/etc/httpd/conf/httpd.conf", "Listen 80", "Listen 8080")
    server.write("/etc/httpd/conf.d/shop.conf", "DocumentRoot /srv/shop\n")
    server.edit("/etc/dnf/dnf.conf", "gpgcheck=1", "gpgcheck=1\nproxy=http://proxy.example.org:3128")
    server.write("/etc/yum.repos.d/local.repo", "[local]\n")
    server.edit("/etc/selinux/config", "enforcing", "permissive")
    server.write("/var/lib/selinux/targeted/active/booleans.local", "httpd_can_network_connect=1\n")
    server.write("/etc/selinux/targeted/policy/policy.33", "compiled on the server\n")
    server.write("/var/lib/selinux/targeted/active/policy.kern", "compiled on the server\n")
    server.write("/etc/pki/ca-trust/source/anchors/own.pem", pem("own"))
    server.write("/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", pem("good") + pem("bad") + pem("own"))
    server.append("/etc/passwd", "alice:x:1000:1000::/home/alice:/bin/bash\n")
    server.append("/etc/group", "alice:x:1000:\n")
    server.append("/etc/shadow", "alice:!:19000::::::\n")
    server.write("/var/lib/chrony/drift", "1.0\n")
    shutil.chown(server.at("/var/lib/chrony/drift"), 987, 987)
    server.write("/var/www/html/index.html", "shop\n")
    server.link("/etc/systemd/system/multi-user.target.wants/httpd.service", "/usr/lib/systemd/system/httpd.service")
    # alternatives --set java: the choice is made by hand
    server.edit("/var/lib/alternatives/java", "auto\n", "manual\n")
    rpm.install([rpms.build("shop-agent", "2.0", {"etc/shop.conf": "interval = 5\n"})])


class Story:
    """The three roots of a system, and their merge."""

    def __init__(self, room: Path, system: str) -> None:
        need_programs("rpm", "rpmbuild")
        self.room, rpms = room, Rpms(room / "rpms")
        make, versions = (suse_root, ("15.5", "15.6")) if system == "sles" else (rhel_root, ("9.4", "9.6"))
        make(rpms, room / "base", versions[0], new=False)
        self.gold = make(rpms, room / "gold", versions[1], new=True)
        shutil.copytree(room / "base", room / "clone", symlinks=True)
        self.own = RpmRoot(room / "clone", self.place(system))
        (administer_sles if system == "sles" else administer_rhel)(Server(room / "clone"), self.own, rpms)
        self.done = self.merge("out")
        self.result = Server(room / "out")
        self.rpm = RpmRoot(room / "out", self.place(system))

    def merge(self, out: str, decisions: Mapping[str, Decision] | None = None) -> Outcome:
        roots = {word: self.room / word for word in ("base", "gold", "clone")}
        return merge_directories(self.room, roots, out=out, decisions=decisions)

    @staticmethod
    def place(system: str) -> str:
        return "/usr/lib/sysimage/rpm" if system == "sles" else "/var/lib/rpm"

    def asked(self) -> set[tuple[str, str]]:
        return set(self.done.conflicts)

    def due(self) -> set[str]:
        return {note["data"]["command"] for note in self.done.record["notes"] if note["kind"] == "rebuild-due"}


@pytest.fixture(scope="module")
def suse(tmp_path_factory: pytest.TempPathFactory) -> Story:
    return Story(tmp_path_factory.mktemp("sles"), "sles")


@pytest.fixture(scope="module")
def redhat(tmp_path_factory: pytest.TempPathFactory) -> Story:
    return Story(tmp_path_factory.mktemp("rhel"), "rhel")


# -- what there is to ask


def test_sles_asks_about_what_gold_took_away_and_the_servers_own_package(suse: Story) -> None:
    assert suse.asked() == {
        ("/etc/ntp.conf", "presence"),  # the package went, and the server had set it up
        ("/etc/systemd/system/multi-user.target.wants/ntpd.service", "reference"),
        ("/etc/ssh/sshd_config", "presence"),  # gold's is in /usr/etc now, and the server's stands before it
        ("/usr/lib/sysimage/rpm", "packages"),
    }


def test_rhel_asks_about_the_servers_own_package_alone(redhat: Story) -> None:
    assert redhat.asked() == {("/var/lib/rpm", "packages")}


def test_answers_settle_everything(suse: Story, redhat: Story) -> None:
    for story in (suse, redhat):
        answers = {one["key"]: Decision(one["stands"]) for one in story.done.record["conflicts"]}
        assert story.merge("answered", answers).conflicts == []


# -- the database of packages


def test_the_database_is_golds_and_whole(suse: Story, redhat: Story) -> None:
    for story in (suse, redhat):
        assert story.rpm.installed() == story.gold.installed()
        assert "shop-agent" in story.done.record["conflicts"][-1]["detail"]
        assert story.result.text("/etc/shop.conf") == "interval = 5\n"


def test_what_differs_from_the_packages_is_what_the_server_changed(suse: Story, redhat: Story) -> None:
    assert suse.rpm.changed() == {
        "/etc/pam.d/common-auth-pc", "/etc/permissions.local", "/etc/postfix/main.cf", "/etc/sysconfig/apache2",
        "/etc/sysconfig/network/config",
        "/etc/wicked/common.xml",  # all of wicked's is the server's
    }  # fmt: skip
    assert redhat.rpm.changed() == {"/etc/dnf/dnf.conf", "/etc/httpd/conf/httpd.conf", "/etc/selinux/config"}
    assert suse.gold.changed() == redhat.gold.changed() == set()


# -- SUSE


def test_sles_network_is_the_servers_and_its_settings_are_merged(suse: Story) -> None:
    result = suse.result
    assert "192.0.2.10/24" in result.text("/etc/sysconfig/network/ifcfg-eth0")
    assert "192.0.2.1" in result.text("/etc/sysconfig/network/ifroute-eth0")
    assert result.exists("/etc/wicked/ifconfig/eth1.xml")
    text = result.text("/etc/sysconfig/network/config")
    assert 'STATIC_SERVERS="192.0.2.53"' in text and 'NTP_POLICY="none"' in text


def test_sles_settings_of_both_sides_are_there(suse: Story) -> None:
    result = suse.result
    assert {'APACHE_MODULES="actions alias auth_basic rewrite"', 'APACHE_LIMIT="50"'} <= set(
        result.text("/etc/sysconfig/apache2").splitlines()
    )
    assert result.text("/etc/postfix/main.cf").splitlines() == [
        "relayhost = relay.example.org", "biff = no", "inet_interfaces = localhost",
    ]  # fmt: skip
    assert [line.split()[-1] for line in result.text("/etc/pam.d/common-auth-pc").splitlines()] == [
        "pam_env.so", "pam_gnome.so", "pam_unix.so", "pam_sss.so",
    ]  # fmt: skip
    assert result.target("/etc/pam.d/common-auth") == "common-auth-pc"
    assert result.text("/etc/permissions") == "/usr/bin/su 4000\n"
    assert "/srv/share root:wheel 2775" in result.text("/etc/permissions.local")
    assert result.text("/etc/zypp/repos.d/local.repo").startswith("[local]")


def test_sles_release_is_golds_and_the_server_is_itself(suse: Story) -> None:
    result = suse.result
    assert 'VERSION="15.6"' in result.text("/usr/lib/os-release")
    assert "15.6" in result.text("/etc/products.d/SLES.prod")
    assert result.text("/var/lib/zypp/AnonymousUniqueId") == "server\n"
    assert result.text("/var/lib/wicked/duid.xml") == "<duid>server</duid>\n"
    assert result.users == {"root": 0, "wwwrun": 498, "chrony": 497, "postfix": 51, "alice": 1000}
    assert result.text("/usr/etc/ssh/sshd_config") == "Port 22\n"
    assert "Port 2222" in result.text("/etc/ssh/sshd_config")


def test_the_store_of_authorities_is_made_again_before_the_switch(suse: Story, redhat: Story) -> None:
    """Gold withdrew one, and the server has one of its own."""
    for story, command in ((suse, "/usr/sbin/update-ca-certificates"), (redhat, "/usr/bin/update-ca-trust extract")):
        required = {
            note["data"]["command"] for note in story.done.record["notes"] if (note.get("data") or {}).get("required")
        }
        assert command in required
    assert suse.result.text("/etc/pki/trust/anchors/own.pem") == pem("own")
    assert redhat.result.text("/etc/pki/ca-trust/source/anchors/own.pem") == pem("own")


# -- Red Hat


def test_rhel_network_is_the_servers(redhat: Story) -> None:
    result = redhat.result
    assert "192.0.2.10/24" in result.text("/etc/NetworkManager/system-connections/eth0.nmconnection")
    assert result.mode("/etc/NetworkManager/system-connections/eth0.nmconnection") == 0o600
    assert result.text("/etc/sysconfig/network-scripts/ifcfg-eth1") == "DEVICE=eth1\n"
    assert result.text("/etc/sysconfig/network") == "HOSTNAME=web1\n"
    assert "plugins=keyfile" in result.text("/etc/NetworkManager/NetworkManager.conf")


def test_rhel_settings_of_both_sides_are_there(redhat: Story) -> None:
    result = redhat.result
    assert {"Listen 8080", "ServerTokens Prod"} <= set(result.text("/etc/httpd/conf/httpd.conf").splitlines())
    assert {"proxy=http://proxy.example.org:3128", "installonly_limit=5"} <= set(
        result.text("/etc/dnf/dnf.conf").splitlines()
    )
    assert "9.6" in result.text("/etc/authselect/system-auth")
    assert result.text("/etc/redhat-release") == "release 9.6\n"
    assert result.text("/etc/yum.repos.d/local.repo") == "[local]\n"
    assert result.text("/var/www/html/index.html") == "shop\n"
    assert result.owner("/var/lib/chrony/drift") == "chrony:chrony"
    assert result.users["chrony"] == 981


def test_rhel_policy_of_selinux_is_made_again_with_the_servers_booleans(redhat: Story) -> None:
    result = redhat.result
    assert "SELINUX=permissive" in result.text("/etc/selinux/config")
    assert "/usr/sbin/semodule -N -B" in redhat.due()
    assert result.text("/var/lib/selinux/targeted/active/booleans.local") == "httpd_can_network_connect=1\n"
    assert result.text("/var/lib/selinux/targeted/active/modules/100/base/cil") == "(9.6)\n"


def test_rhel_what_was_chosen_by_hand_stays_though_gold_has_a_better_choice(redhat: Story) -> None:
    assert redhat.result.target("/etc/alternatives/java") == "/usr/lib/jvm/java-17/bin/java"
    text = redhat.result.text("/var/lib/alternatives/java")
    assert text.startswith("manual\n") and "java-21" in text
