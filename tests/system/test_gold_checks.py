"""What must not be published: accounts that nobody can use or that two have, and what maintenance leaves behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from goldroot.accounts import AccountTables
from goldroot.system.gold_checks import examine_accounts, is_leftover
from goldroot.system.own_disks import OwnDisks
from support.trees import Dir, Node, make_tree

PASSWD, GROUP, SHADOW = (
    "root:x:0:0::/:/bin/sh\nme:x:1000:1000::/:/bin/sh\n",
    "root:x:0:\nme:x:1000:\n",
    "root:*:1::::::\nme:!:1::::::\n",
)
WHOLE: Mapping[str, Node] = {"etc/passwd": PASSWD, "etc/group": GROUP, "etc/shadow": SHADOW}


@dataclass(frozen=True)
class _Disk:
    address: str = "1B1"


class _OneDisk:
    """A placement of everything on one disk."""

    def disk_of(self, path: bytes) -> _Disk:
        return _Disk()


def found(room: Path, files: Mapping[str, Node | None]) -> list[str]:
    root = make_tree(room / "root", {path: node for path, node in {**WHOLE, **files}.items() if node is not None})
    tables = AccountTables.read(root, b"etc")
    return [one.key for one in examine_accounts(tables, OwnDisks(_OneDisk(), {"1B1": str(root)}))]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("files", "keys"),
    [
        ({}, []),
        ({"etc/shadow": None}, ["no-hashes"]),
        ({"etc/shadow": ""}, ["no-hashes"]),
        ({"etc/shadow": None, "etc/nsswitch.conf": "shadow: files\n"}, ["no-hashes"]),
        ({"etc/shadow": None, "etc/nsswitch.conf": "shadow: files [NOTFOUND=return] sss # x\n"}, []),
        ({"etc/shadow": None, "etc/nsswitch.conf": "passwd: files sss\n#shadow: sss\n"}, ["no-hashes"]),
        ({"etc/shadow": None, "usr/etc/nsswitch.conf": "shadow: files sss\n"}, []),
        (
            {"etc/shadow": None, "usr/etc/nsswitch.conf": "shadow: sss\n", "etc/nsswitch.conf": "shadow: files\n"},
            ["no-hashes"],
        ),
        ({"etc/shadow": None, "etc/tcb/root/shadow": "root:*:1::::::\n"}, []),
        ({"etc/shadow": None, "etc/passwd": "root:*:0:0::/:/bin/sh\nme:$6$x:1000:1000::/:/bin/sh\n"}, []),
        # doubled
        ({"etc/passwd": PASSWD + "me:x:1001:1000::/:/bin/sh\n"}, ["doubled:passwd:me"]),
        ({"etc/passwd": PASSWD + "you:x:1000:1000::/:/bin/sh\n"}, ["doubled:uid:1000"]),
        ({"etc/passwd": PASSWD + "toor:x:0:0::/:/bin/sh\n"}, []),
        ({"etc/group": GROUP + "you:x:1000:\n"}, ["doubled:gid:1000"]),
        ({"etc/group": GROUP + "me:x:1001:\n"}, ["doubled:group:me"]),
        # orphans
        ({"etc/shadow": SHADOW + "gone:!:1::::::\n"}, ["orphans:shadow:gone"]),
        ({"etc/gshadow": "root:*::\nme:!::\ngone:!::\n"}, ["orphans:gshadow:gone"]),
        ({"etc/gshadow": "root:*::\n"}, []),
        ({"etc/shadow": SHADOW + "+::::::::\n", "etc/passwd": PASSWD + "+::::::\n"}, []),
        ({"etc/shadow": SHADOW + "bin:*:1::::::\n", "usr/lib/passwd": "bin:x:1:1::/:/bin/sh\n"}, []),
        ({"etc/gshadow": "bin:*::\n", "usr/lib/group": "bin:x:1:\n"}, []),
        ({"etc/shadow": SHADOW + "home:!:1::::::\n", "var/lib/systemd/home/home.identity": "{}"}, []),
        # a system that makes its accounts at boot
        ({"etc/passwd": None, "etc/group": None, "etc/shadow": None, "etc": Dir()}, []),
    ],
)
def test_accounts_of_a_gold(tmp_path: Path, files: Mapping[str, Node | None], keys: list[str]) -> None:
    assert found(tmp_path, files) == keys


LEFT = (
    "root/.bash_history root/.lesshst home/me/.zsh_history home/me/.python_history root/.viminfo root/.wget-hsts"
    " root/.local/share/fish/fish_history var/log/nginx/access.log var/log/journal/0/system.journal tmp/x var/tmp/a/b"
    " var/cache/apt/archives/x.deb var/cache/apt/pkgcache.bin var/cache/dnf/a/b.rpm var/lib/systemd/coredump/core.x"
)
NOT_LEFT = (
    "root/.bashrc root/.profile etc/history root/notes/.bash_history root/history.txt var/cache/debconf/config.dat"
    " var/lib/apt/extended_states var/logs/x home/me/.local/share/app/data home/.bash_history usr/tmp/x"
)


@pytest.mark.parametrize("path", LEFT.split())
def test_what_maintenance_leaves(path: str) -> None:
    assert is_leftover(path.encode())


@pytest.mark.parametrize("path", NOT_LEFT.split())
def test_what_it_does_not_leave(path: str) -> None:
    assert not is_leftover(path.encode())
