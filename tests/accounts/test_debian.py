"""Real tables: excerpts of what Debian 12 and 13 install, with a clone's changes on top.

The two releases number the same accounts differently, and some exchange their numbers.
"""

from __future__ import annotations

from goldroot.accounts import ACCOUNT_FILES, AccountTables
from support.accounts import merge_accounts


def system(users: str, groups: str, day: int) -> AccountTables:
    """Whole tables from ``name:uid:gid:gecos`` and ``name:gid`` words."""
    rows = [word.split(":") for word in users.replace("\n", "").split(";")]
    named = [word.split(":") for word in groups.split()]
    files = {
        "passwd": "".join(f"{n}:x:{u}:{g}:{text}:/:/usr/sbin/nologin\n" for n, u, g, text in rows),
        "group": "".join(f"{name}:x:{gid}:\n" for name, gid in named),
        "shadow": "".join(f"{row[0]}:!:{day}::::::\n" for row in rows),
        "gshadow": "".join(f"{name}:!::\n" for name, _ in named),
        "subuid": "",
        "subgid": "",
        "login.defs": "UID_MIN 1000\nUID_MAX 60000\n#SYS_UID_MIN 101\n",
    }
    return AccountTables.of({name: text.encode() for name, text in files.items()})


BOOKWORM = system(
    "root:0:0:root;nobody:65534:65534:nobody;systemd-network:998:998:systemd Network Management;"
    "mysql:100:102:MySQL Server,,,;_chrony:101:109:Chrony daemon,,,;postfix:102:111:;sshd:103:65534:;"
    "Debian-snmp:104:113:",
    "root:0 shadow:42 nogroup:65534 crontab:101 systemd-journal:999 systemd-network:998 mysql:102 input:103 sgx:104 "
    "kvm:105 render:106 ssl-cert:107 _ssh:108 _chrony:109 netdev:110 postfix:111 postdrop:112 Debian-snmp:113",
    20779,
)
TRIXIE = system(
    "root:0:0:root;nobody:65534:65534:nobody;systemd-network:998:998:systemd Network Management;"
    "mysql:100:101:MariaDB Server;dhcpcd:101:65534:DHCP Client Daemon;_chrony:102:103:Chrony daemon;"
    "Debian-snmp:103:104:;sshd:991:65534:sshd user;postfix:104:106:Postfix MTA",
    "root:0 shadow:42 nogroup:65534 systemd-journal:999 systemd-network:998 crontab:997 input:996 sgx:995 clock:994 "
    "kvm:993 render:992 mysql:101 _ssh:102 _chrony:103 Debian-snmp:104 netdev:105 postfix:106 postdrop:107",
    20800,
)


def changed() -> AccountTables:
    """Bookworm after a year: root's password, a person, a local service, members, a package's account."""
    files = dict(BOOKWORM.files)
    files["shadow"] = files["shadow"].replace(b"root:!:20779:", b"root:$y$j9T$salt$hash:20790:")
    files["passwd"] += (
        b"anna:x:1000:1000::/home/anna:/bin/bash\nbackupd:x:991:991::/srv:/bin/sh\nredis:x:105:114::/:/bin/sh\n"
    )
    files["group"] += b"anna:x:1000:\nbackupd:x:991:\nredis:x:114:\n"
    files["group"] = files["group"].replace(b"ssl-cert:x:107:", b"ssl-cert:x:107:postfix")
    files["gshadow"] += b"anna:!::\nbackupd:!::\nredis:!::\n"
    files["shadow"] += b"anna:$y$x:20790:0:99999:7:::\nbackupd:!:20790::::::\nredis:!:20790::::::\n"
    files["subuid"] = files["subgid"] = b"anna:100000:65536\n"
    return AccountTables.of(files)


def test_an_unchanged_clone_becomes_gold() -> None:
    merged = merge_accounts(BOOKWORM, TRIXIE, BOOKWORM)
    assert merged.files == {file: TRIXIE.files[file] for file in ACCOUNT_FILES}
    assert merged.conflicts == []


def test_a_year_of_changes_arrives_in_the_next_release() -> None:
    clone = changed()
    merged = merge_accounts(BOOKWORM, TRIXIE, clone, users_in_use=set(clone.users), groups_in_use=set(clone.groups))
    result = AccountTables.of({file: data for file, data in merged.files.items() if data is not None})
    for name, number in TRIXIE.users.items():
        assert result.users[name] == number
    for name, number in TRIXIE.groups.items():
        assert result.groups[name] == number
    # sshd took 991 from the local service's user; its group 991 is nobody else's.
    assert (result.users[b"backupd"], result.groups[b"backupd"]) == (999, 991)
    assert (result.users[b"redis"], result.groups[b"redis"]) == (105, 114)
    # Gold dropped ssl-cert and gave its number away; the clone's key file is still that group's.
    assert result.groups[b"ssl-cert"] == 990
    assert b"ssl-cert:x:990:postfix\n" in result.files["group"]
    assert b"backupd:x:999:991::/srv:/bin/sh\n" in result.files["passwd"]
    assert b"root:$y$j9T$salt$hash:20790:" in result.files["shadow"]
    assert b"postfix:!:20800:" in result.files["shadow"]
    assert result.files["subuid"] == b"anna:100000:65536\n"
    assert sorted((conflict.axis, conflict.kind) for conflict in merged.conflicts) == [
        ("accounts:backupd:uid", "number-taken"),
        ("accounts:ssl-cert:record", "gold-deleted"),
    ]


def test_every_renumbered_account_of_the_release_is_noted() -> None:
    merged = merge_accounts(BOOKWORM, TRIXIE, BOOKWORM)
    [note] = [note for note in merged.notes if note.kind == "renumbered"]
    listed = note.data["accounts"]
    assert {one["name"] for one in listed if one["table"] == "user"} == {  # type: ignore[attr-defined]
        "_chrony", "postfix", "sshd", "Debian-snmp"}  # fmt: skip
    assert len(listed) == len(merged.renumbered)  # type: ignore[arg-type]
    assert {one.name.decode() for one in merged.renumbered if one.table == "user"} == {
        "_chrony",
        "postfix",
        "sshd",
        "Debian-snmp",
    }
    assert {one.name for one in merged.renumbered if one.table == "group"} == {
        name for name, gid in TRIXIE.groups.items() if BOOKWORM.groups.get(name, gid) != gid
    }
