"""Access that gold withdrew, in whole trees: what of the result needs an account is found there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from support.merging import Outcome, merge_tables
from support.trees import Dir, File, Link, Node

HASH = "$y$j9T$salt$hash"
PEOPLE = {
    "etc/passwd": "root:x:0:0::/root:/bin/bash\nanna:x:1000:1000::/home/anna:/bin/bash\n",
    "etc/group": "root:x:0:\nsudo:x:27:anna\nanna:x:1000:\n",
    "etc/shadow": f"root:*:20000::::::\nanna:{HASH}:20000::::::\n",
    "etc/nsswitch.conf": "passwd: files\n",
}
NOBODY = {
    "etc/passwd": "root:x:0:0::/root:/bin/bash\n",
    "etc/group": "root:x:0:\nsudo:x:27:\n",
    "etc/shadow": "root:*:20000::::::\n",
    "etc/nsswitch.conf": "passwd: files\n",
}
SERVICE = {
    "etc/passwd": "root:x:0:0::/root:/bin/bash\ntomcat:x:110:110::/:/usr/sbin/nologin\n",
    "etc/group": "root:x:0:\nssl-cert:x:107:tomcat\ntomcat:x:110:\n",
    "etc/shadow": "root:*:20000::::::\ntomcat:!:20000::::::\n",
}
NO_SERVICE = {
    "etc/passwd": "root:x:0:0::/root:/bin/bash\n",
    "etc/group": "root:x:0:\nssl-cert:x:107:\n",
    "etc/shadow": "root:*:20000::::::\n",
}


def note(done: Outcome, kind: str) -> Mapping[str, object]:
    found = [one for one in done.record["notes"] if one["kind"] == kind and one["path"] == "/etc/passwd"]
    assert len(found) == 1, done.record["notes"]
    data: Mapping[str, object] = found[0]["data"]
    return data


@pytest.mark.root
def test_one_stray_file_and_the_note_says_what_names_him(tmp_path: Path) -> None:
    his: dict[str, Node] = {
        "home/anna": Dir(uid=1000),
        "home/anna/.ssh/authorized_keys": File("ssh-ed25519 AAAA anna\n", uid=1000),
        "var/spool/cron/crontabs/anna": File("* * * * * true\n", uid=1000, mode=0o600),
        "var/spool/cron/atjobs/a0001": File("#!/bin/sh\n", uid=1000),
        "var/lib/systemd/linger/anna": "",
        "etc/sudoers.d/anna": "# anna\nanna ALL=(ALL) NOPASSWD: ALL\n",
        "etc/systemd/system/web@.service": "[Service]\nUser=%i\n",
        "etc/systemd/system/multi-user.target.wants/web@anna.service": Link("../web@.service"),
    }
    done = merge_tables(tmp_path, PEOPLE, NOBODY, {**PEOPLE, **his})
    assert "anna:!*:20000:::::1:\n" in done.text("etc/shadow")
    assert "anna:x:1000:1000::/home/anna:/usr/sbin/nologin\n" in done.text("etc/passwd")
    assert "sudo:x:27:\n" in done.text("etc/group")
    assert done.tree["home/anna"].uid == 1000
    assert done.conflicts == []
    said = note(done, "account-withdrawn")
    assert said["count"] == 4
    assert said["files"] == [
        "/home/anna", "/home/anna/.ssh/authorized_keys", "/var/spool/cron/atjobs/a0001", "/var/spool/cron/crontabs/anna",
    ]  # fmt: skip
    assert said["crontab"] == ["/var/spool/cron/crontabs/anna"]
    assert said["at jobs"] == ["/var/spool/cron/atjobs/a0001"]
    assert said["authorized_keys"] == ["/home/anna/.ssh/authorized_keys"]
    assert said["sudoers"] == ["/etc/sudoers.d/anna"]
    assert said["units"] == ["/etc/systemd/system/web@.service"]
    assert said["linger"] == ["/var/lib/systemd/linger/anna"]


@pytest.mark.root
def test_gold_keeps_his_files_as_a_number(tmp_path: Path) -> None:
    """What gold says belongs to the bare number is not his any more: nothing of the result needs the account."""
    theirs = {"srv/data/x": File("1", uid=1000, gid=1000)}
    done = merge_tables(tmp_path, {**PEOPLE, **theirs}, {**NOBODY, **theirs}, {**PEOPLE, **theirs})
    assert "anna" not in done.text("etc/passwd") + done.text("etc/shadow")
    assert done.tree["srv/data/x"].uid == 1000


@pytest.mark.parametrize(
    "needs",
    [
        {"etc/systemd/system/shop.service": "[Service]\nUser=tomcat\nExecStart=/opt/shop\n"},
        {"etc/systemd/system/shop.service.d/user.conf": "[Service]\n  User = tomcat \n"},
        {"etc/systemd/system/shop.service": "[Service]\nUser=110\n"},
        {"etc/crontab": "SHELL=/bin/sh\n17 * * * * tomcat /opt/shop/tidy\n"},
        {"etc/cron.d/shop": "# tomcat\n@daily tomcat /opt/shop/tidy\n"},
        {"etc/sudoers.d/shop": "%admins ALL=(root,tomcat) NOPASSWD: /opt/shop/ctl\n"},
        {"etc/sudoers.d/shop": "#110 ALL=(root) /opt/shop/ctl\n"},
        {"var/lib/dpkg/statoverride": "tomcat root 640 /opt/shop/conf\n"},
    ],
)
def test_a_service_from_opt_whose_package_gold_dropped_goes_on(tmp_path: Path, needs: Mapping[str, str]) -> None:
    gold = {**NO_SERVICE, **{path: text for path, text in needs.items() if path.startswith("var/lib/dpkg")}}
    done = merge_tables(tmp_path, SERVICE, gold, {**SERVICE, **needs})
    for file in ("etc/passwd", "etc/group", "etc/shadow"):
        assert done.text(file) == SERVICE[file]
    assert done.conflicts == []
    assert note(done, "account-kept")["name"] == "tomcat"


@pytest.mark.parametrize(
    "other",
    [
        {"etc/systemd/system/shop.service": "[Service]\n#User=tomcat\nUser=tomcat9\n"},
        {"etc/cron.d/shop": "17 * * * * root /usr/bin/su tomcat\n"},
        {"etc/sudoers.d/shop": "# tomcat may not\n"},
        {"etc/motd": "User=tomcat\n"},
    ],
)
def test_a_service_that_nothing_names_goes(tmp_path: Path, other: Mapping[str, str]) -> None:
    done = merge_tables(tmp_path, SERVICE, NO_SERVICE, {**SERVICE, **other})
    assert "tomcat" not in done.text("etc/passwd") + done.text("etc/group") + done.text("etc/shadow")


@pytest.mark.root
def test_a_person_who_moved_to_ldap_is_asked_about(tmp_path: Path) -> None:
    clone = {**PEOPLE, "home/anna": Dir(uid=1000)}
    done = merge_tables(tmp_path, PEOPLE, {**NOBODY, "etc/nsswitch.conf": "passwd: files sss\n"}, clone)
    assert done.conflicts == [("/etc/passwd", "accounts:anna:record")]
    assert done.text("etc/shadow") == PEOPLE["etc/shadow"]
    assert done.text("etc/nsswitch.conf") == "passwd: files sss\n"


@pytest.mark.root
@pytest.mark.parametrize(
    ("files", "asked"),
    [
        ({"usr/etc/nsswitch.conf": "passwd: files sss\n"}, True),
        ({"usr/etc/nsswitch.conf": "passwd: files\n"}, False),
        ({"usr/etc/nsswitch.conf": "passwd: files sss\n", "etc/nsswitch.conf": "passwd: files\n"}, False),
        ({"usr/etc/nsswitch.conf": Link("../../etc/passwd")}, False),  # no link is followed
    ],
)
def test_where_users_are_looked_for_stands_in_usr_etc_where_etc_says_nothing(
    tmp_path: Path, files: Mapping[str, Node], asked: bool
) -> None:
    base, gold = ({path: text for path, text in side.items() if "nsswitch" not in path} for side in (PEOPLE, NOBODY))
    done = merge_tables(tmp_path, base, {**gold, **files}, {**base, "home/anna": Dir(uid=1000)})
    assert done.conflicts == ([("/etc/passwd", "accounts:anna:record")] if asked else [])


def test_a_service_that_is_named_only_in_what_gold_withdrew_goes(tmp_path: Path) -> None:
    """The result counts, not the server as it was: the unit went with the package."""
    unit = {"etc/systemd/system/shop.service": "[Service]\nUser=tomcat\n"}
    done = merge_tables(tmp_path, {**SERVICE, **unit}, NO_SERVICE, {**SERVICE, **unit})
    assert "tomcat" not in done.text("etc/passwd")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("etc/php/8.2/fpm/pool.d/shop.conf", "[shop]\nuser = tomcat\ngroup = tomcat\n"),
        ("etc/php-fpm.d/shop.conf", "[shop]\nlisten.owner = tomcat\n"),
        ("etc/tmpfiles.d/shop.conf", "d /run/shop 0755 tomcat root -\n"),
        ("etc/inetd.conf", "shop stream tcp nowait tomcat:www /bin/shop shop\n"),
        ("etc/xinetd.d/shop", "service shop\n{\n  user = tomcat\n}\n"),
        ("etc/logrotate.d/shop", "/var/log/shop.log {\n  su tomcat adm\n}\n"),
        ("etc/supervisor/conf.d/shop.conf", "[program:shop]\nuser=tomcat\n"),
        ("etc/nginx/nginx.conf", "user tomcat;\n"),
        ("etc/apache2/sites-available/shop.conf", "<VirtualHost *>\n  SuexecUserGroup tomcat tomcat\n</VirtualHost>\n"),
        ("etc/default/shop", 'SHOP_USER="tomcat"\n'),
        ("etc/dbus-1/system.d/shop.conf", '<policy user="tomcat"><allow own="shop"/></policy>\n'),
        ("etc/init.d/shop", "#!/bin/sh\nstart-stop-daemon --start --chuid tomcat --exec /bin/shop\n"),
    ],
)
def test_what_the_server_runs_as_a_service_of_gold_keeps_its_account(tmp_path: Path, path: str, text: str) -> None:
    done = merge_tables(tmp_path, SERVICE, NO_SERVICE, {**SERVICE, path: text})
    assert done.text("etc/passwd") == SERVICE["etc/passwd"]
    assert done.text("etc/group") == SERVICE["etc/group"]
    assert (note(done, "account-kept")["settings"], done.conflicts) == ([f"/{path}"], [])


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("etc/php-fpm.d/shop.conf", "; user = tomcat\n# group = tomcat\n"),
        ("etc/shop.conf", "mail_from = tomcat\nuser = tomcat2\n"),
        ("etc/ssh/sshd_config", "AllowUsers tomcat\n"),
    ],
)
def test_what_only_has_the_word_keeps_no_account(tmp_path: Path, path: str, text: str) -> None:
    done = merge_tables(tmp_path, SERVICE, NO_SERVICE, {**SERVICE, path: text})
    assert done.text("etc/passwd") == NO_SERVICE["etc/passwd"]


@pytest.mark.parametrize("setting", ["Group=tomcat", "SupplementaryGroups=ssl-cert tomcat", "SocketGroup=tomcat"])
def test_a_group_that_a_unit_of_the_server_needs_stays(tmp_path: Path, setting: str) -> None:
    unit = {"etc/systemd/system/shop.service": f"[Service]\n{setting}\n"}
    done = merge_tables(tmp_path, SERVICE, NO_SERVICE, {**SERVICE, **unit})
    assert "tomcat:x:110:\n" in done.text("etc/group")
    assert "tomcat" not in done.text("etc/passwd")
    said = [one["text"] for one in done.record["notes"] if one["kind"] == "account-kept"]
    assert said == ["tomcat: gold removed it, and /etc/systemd/system/shop.service of the result needs it"]
