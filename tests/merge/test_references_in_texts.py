"""What the server's own texts need, and gold took away: modules, includes, keys, interpreters, other units (letter A)."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.merging import Outcome, Table, merge_tables
from support.trees import File, Link, Node

PROGRAM = File("#!/bin/sh\n", mode=0o755)
UNITS = "usr/lib/systemd/system"
GONE: dict[str, Node] = {
    "usr/bin/python3.11": PROGRAM,
    "usr/lib/x86_64-linux-gnu/security/pam_otp.so": "so",
    "usr/lib64/security/pam_old.so": "so",
    "usr/lib/apache2/modules/mod_x.so": "so",
    "usr/share/nginx/x.conf": "x",
    "etc/nginx/snippets/php.conf": "x",
    "etc/pam.d/common-otp": "x",
    "etc/keys/data.key": "x",
    "etc/ssl/own/x.crt": "x",
    "usr/lib/x86_64-linux-gnu/libnss_ldap.so.2": "so",
    f"{UNITS}/old.service": "[Unit]\n",
}
KEPT: dict[str, Node] = {
    "usr/bin/sh": PROGRAM,
    "usr/lib/x86_64-linux-gnu/security/pam_unix.so": "so",
    "usr/lib64/security/pam_unix.so": "so",
    "usr/lib/apache2/modules/mod_y.so": "so",
    "usr/share/nginx/y.conf": "y",
    "etc/nginx/snippets/ssl.conf": "y",
    "etc/pam.d/common-auth": "y",
    "etc/keys/other.key": "y",
    "etc/ssl/own/y.crt": "y",
    f"{UNITS}/new.service": "[Unit]\n",
}


def merged(room: Path, own: Table) -> Outcome:
    return merge_tables(room, {**KEPT, **GONE}, KEPT, {**KEPT, **GONE, **own})


@pytest.mark.parametrize(
    ("path", "text", "name"),
    [
        ("etc/pam.d/sshd", "auth required pam_otp.so\n", "pam_otp.so"),
        ("etc/pam.d/login", "account [default=bad success=ok] pam_old.so\n", "pam_old.so"),
        ("etc/pam.d/su", "auth include common-otp\n", "common-otp"),
        ("etc/pam.d/sudo", "@include common-otp\n", "common-otp"),
        ("etc/crypttab", "data UUID=1 /etc/keys/data.key luks\n", "data UUID=1"),
        ("etc/cron.daily/own", "#!/usr/bin/python3.11\nprint()\n", "#!/usr/bin/python3.11"),
        ("etc/network/if-up.d/own", "#!/usr/bin/env python3.11\n", "#!/usr/bin/env python3.11"),
        ("usr/local/bin/own", "#! /usr/bin/python3.11 -u\n", "#!/usr/bin/python3.11"),
        ("usr/local/sbin/own", "#!/usr/bin/env -S python3.11 -u\n", "python3.11"),
        ("etc/nginx/sites-enabled/own", "server { include snippets/php.conf; }\n", "snippets/php.conf"),
        ("etc/nginx/conf.d/own.conf", "include /usr/share/nginx/x.conf;\n", "/usr/share/nginx/x.conf"),
        ("etc/nginx/conf.d/own.conf", "  ssl_certificate /etc/ssl/own/x.crt;\n", "/etc/ssl/own/x.crt"),
        ("etc/apache2/mods-enabled/x.load", "LoadModule x_module /usr/lib/apache2/modules/mod_x.so\n", "mod_x.so"),
        ("etc/dovecot/local.conf", "ssl_cert = </etc/ssl/own/x.crt\n", "/etc/ssl/own/x.crt"),
        ("etc/postfix/main.cf", "smtpd_tls_cert_file=/etc/ssl/own/x.crt\n", "/etc/ssl/own/x.crt"),
        ("etc/ssh/sshd_config", "TrustedUserCAKeys /etc/ssl/own/x.crt\n", "/etc/ssl/own/x.crt"),
        ("etc/nsswitch.conf", "passwd: files [NOTFOUND=return] ldap\n", "libnss_ldap.so.2 (ldap)"),
        ("etc/systemd/system/own.service", "[Service]\nEnvironment=A=1 PYTHON=/usr/bin/python3.11\n", "python3.11"),
        ("etc/systemd/system/own.service", "[Service]\nBindPaths=/usr/share/nginx/x.conf:/srv/x\n", "x.conf"),
        ("etc/systemd/system/own.service", "[Service]\nLoadCredential=key:/etc/keys/data.key\n", "/etc/keys/data.key"),
        ("etc/systemd/system/own.service", "[Unit]\nAssertPathExists=/usr/share/nginx/x.conf\n", "x.conf"),
        ("etc/systemd/system/own.service", "[Unit]\nRequires=old.service new.service\n", "old.service"),
        ("etc/systemd/system/own.timer", "[Timer]\nUnit=old.service\n", "old.service"),
        ("etc/systemd/system/own.service", "[Unit]\nBindsTo=old.service\n", "old.service"),
        ("etc/systemd/system/old.service.d/own.conf", "[Service]\nProtectSystem=strict\n", "old.service"),
    ],
)
def test_what_a_text_needs_is_asked_about(tmp_path: Path, path: str, text: str, name: str) -> None:
    done = merged(tmp_path, {path: File(text, mode=0o755)})
    assert done.conflicts == [(f"/{path}", "reference")]
    assert name in done.record["conflicts"][0]["detail"]
    assert done.text(path) == text
    again = merge_tables(tmp_path, {}, {}, {}, out="kept", decisions=done.decide("clone"))
    assert again.conflicts == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("etc/pam.d/sshd", "auth required pam_unix.so\nauth include common-auth\n"),
        ("etc/pam.d/sshd", "-auth required pam_otp.so\nsession optional pam_otp.so\n# auth required pam_otp.so\n"),
        (
            "etc/crypttab",
            "data UUID=1 /etc/keys/other.key luks\n# data UUID=1 /etc/keys/data.key\nx UUID=2 none luks\n",
        ),
        ("usr/local/bin/own", "#!/bin/sh\nexec /usr/bin/python3.11\n"),
        (
            "etc/nginx/conf.d/own.conf",
            "include snippets/ssl.conf;\n# include snippets/php.conf;\ninclude snippets/*.conf;\n",
        ),
        ("etc/apache2/own.conf", "IncludeOptional /usr/share/nginx/x.conf\n"),
        ("etc/dovecot/local.conf", "!include_try /usr/share/nginx/x.conf\n"),
        ("etc/cron.daily/own", "#!/bin/sh\ntest -x /usr/bin/python3.11 || exit 0\n/usr/bin/python3.11 x\n"),
        ("etc/systemd/system/own.service", "[Unit]\nWants=old.service\nAfter=old.service\nRequires=dev-sda.device\n"),
        ("etc/systemd/system/service.d/own.conf", "[Service]\nNice=1\n"),
        (
            "etc/systemd/system/own.service",
            "[Service]\nBindPaths=-/usr/share/nginx/x.conf\nEnvironment=A=/usr/share/nginx\n",
        ),
        ("etc/systemd/system/own.service", "[Unit]\nConditionPathExists=/usr/share/nginx/x.conf\n"),
        ("etc/nsswitch.conf", "passwd: files\nhosts: files dns\n# passwd: ldap\n"),
        ("etc/systemd/system/old-.service.d/own.conf", "[Service]\nNice=1\n"),
        ("etc/systemd/system/new.service.d/own.conf", "[Service]\nNice=1\n"),
    ],
)
def test_what_may_be_missing_and_what_is_there_is_silent(tmp_path: Path, path: str, text: str) -> None:
    done = merged(tmp_path, {path: File(text, mode=0o755)})
    assert (done.conflicts, done.notes("reference-broken")) == ([], [])


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("etc/init.d/own", "#!/bin/sh\nDAEMON=/usr/bin/python3.11\n"),
        ("etc/own.conf", "interval 5\nreads = /etc/ssl/own/x.crt\n"),
        ("etc/sudoers.d/own", "ann ALL = /usr/bin/python3.11\n"),
        ("etc/apparmor.d/own", "include /usr/share/nginx/x.conf\n"),
        ("etc/crypttab", "data UUID=1 /etc/keys/data.key luks,nofail\n"),
    ],
)
def test_what_nobody_knows_to_be_needed_is_noted(tmp_path: Path, path: str, text: str) -> None:
    done = merged(tmp_path, {path: text})
    assert (done.conflicts, done.notes("reference-broken")) == ([], [f"/{path}"])


def test_a_module_is_there_in_whatever_directory_of_libraries(tmp_path: Path) -> None:
    own: Table = {"etc/pam.d/x": "auth required pam_u.so\n", "etc/nsswitch.conf": "passwd: files u\n"}
    old: Table = {"usr/lib/security/pam_u.so": "1", "usr/lib/libnss_u.so.2": "1"}
    new: Table = {"usr/lib64/security/pam_u.so": "2", "usr/lib/s390x-linux-gnu/libnss_u.so.2": "2"}
    done = merge_tables(tmp_path, {**KEPT, **old}, {**KEPT, **new}, {**KEPT, **old, **own})
    assert done.conflicts == []


def test_a_unit_that_is_enabled_and_changed_is_one_question(tmp_path: Path) -> None:
    link = "etc/systemd/system/multi-user.target.wants/old.service"
    own: Table = {
        link: Link("/usr/lib/systemd/system/old.service"),
        "etc/systemd/system/old.service.d/own.conf": "[Service]\nNice=1\n",
    }
    assert merged(tmp_path, own).conflicts == [(f"/{link}", "reference")]


def test_what_gold_names_too_and_what_a_secret_names_is_not_asked(tmp_path: Path) -> None:
    text = "include snippets/php.conf;\n"
    base = {**KEPT, **GONE, "etc/nginx/conf.d/a.conf": text}
    gold, clone = {**KEPT, "etc/nginx/conf.d/a.conf": text}, {**base, "etc/nginx/conf.d/a.conf": text + "x 1;\n"}
    own = {"etc/wireguard/x.conf": "PostUp = /usr/bin/python3.11\n"}
    done = merge_tables(tmp_path, base, gold, {**clone, **own})
    assert (done.conflicts, done.notes("reference-broken")) == ([], [])


def test_what_a_text_needs_is_not_asked_where_the_text_itself_is_asked_about(tmp_path: Path) -> None:
    """PostgreSQL's settings of a version that gold took away: they name the other files of that version."""
    old, text = "etc/postgresql/15/main", "hba_file = '/etc/postgresql/15/main/pg_hba.conf'\n"
    base = {**KEPT, f"{old}/pg_hba.conf": "x", f"{old}/postgresql.conf": text}
    done = merge_tables(tmp_path, base, KEPT, {**base, f"{old}/postgresql.conf": text + "port = 1\n"})
    assert done.conflicts == [(f"/{old}/postgresql.conf", "presence")]
    kept = merge_tables(tmp_path, {}, {}, {}, out="kept", decisions=done.decide("clone"))
    assert kept.conflicts == []
