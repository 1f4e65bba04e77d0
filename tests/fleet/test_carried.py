"""Account numbers that gold's shared disks carry: they cannot be re-owned, so no other account may come to have them."""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping

import pytest

from goldroot.accounts import ACL_ACCESS, AccountTables
from goldroot.errors import ChecksFailed
from goldroot.fleet import clones, review
from goldroot.fleet.rollback.rollback import roll_back
from goldroot.fleet.update.checks import first_path, other_numbers
from goldroot.fleet.update.update import run_update
from goldroot.image import MAINTENANCE, System
from goldroot.site import Site
from goldroot.tree import FILE, Entry, Manifest
from goldroot.workflow import InProcess
from support.fleet import GROUP, IMAGE, PASSWD, next_gold, on_clone, text
from support.former import path_of
from support.marks import slow

NEW = {"etc/group": GROUP + "crontab:x:997:\n"}
LOCAL = {"etc/group": GROUP + "svc1:x:997:\n"}


def tool_of(site: Site, uid: int, gid: int) -> None:
    """A program on gold's shared disk gets another owner, from the next version on."""
    path = os.path.join(path_of(System(site, IMAGE, MAINTENANCE), "1B1"), "usr/bin/tool")
    os.chown(path, uid, gid)
    os.chmod(path, 0o2755)


def answer(site: Site, take: str, path: str = "/etc/group") -> None:
    found = review.find_case(site, "web1")
    review.resolve_conflicts(site, found, review.chosen_conflicts(found, [path]), take)


@pytest.mark.slow
@pytest.mark.root
def test_no_local_group_comes_to_own_golds_program(site: Site, engine: InProcess) -> None:
    clones.create_clone(site, "web1", IMAGE)
    on_clone(site, "web1", LOCAL)
    tool_of(site, 0, 997)
    next_gold(site, NEW)
    assert run_update(site, engine, "web1").outcome == "needs-review"
    answer(site, "clone")
    with pytest.raises(
        ChecksFailed, match=r"has 99\d here, where 997 is svc1's.* \(/usr/bin/tool\): the next run asks again"
    ):
        run_update(site, engine, "web1")
    assert text(site, "web1", "etc/group") == LOCAL["etc/group"]
    assert run_update(site, engine, "web1").outcome == "needs-review"
    answer(site, "proposal")
    assert run_update(site, engine, "web1").outcome == "done"
    assert "crontab:x:997:" in (text(site, "web1", "etc/group") or "")


@pytest.mark.slow
@pytest.mark.root
@pytest.mark.parametrize("read_write", [False, True])
def test_a_person_keeps_the_number_where_no_shared_file_has_golds(
    site: Site, engine: InProcess, *, read_write: bool
) -> None:
    clones.create_clone(site, "web1", IMAGE, form=clones.CloneForm(read_write=read_write))
    on_clone(site, "web1", {"etc/passwd": PASSWD + "anna:x:1001:100::/:/bin/sh\n"})
    if read_write:
        tool_of(site, 1000, 0)
    next_gold(site, {"etc/passwd": PASSWD + "anna:x:1000:100::/:/bin/sh\n"})
    assert run_update(site, engine, "web1").outcome == "needs-review"
    answer(site, "clone", "/etc/passwd")
    assert run_update(site, engine, "web1").outcome == "done"
    assert "anna:x:1001:" in (text(site, "web1", "etc/passwd") or "")


@pytest.mark.slow
@pytest.mark.root
def test_a_persons_other_number_is_refused_where_a_shared_file_has_golds(site: Site, engine: InProcess) -> None:
    clones.create_clone(site, "web1", IMAGE)
    on_clone(site, "web1", {"etc/passwd": PASSWD + "anna:x:1001:100::/:/bin/sh\n"})
    tool_of(site, 1000, 0)
    next_gold(site, {"etc/passwd": PASSWD + "anna:x:1000:100::/:/bin/sh\n"})
    assert run_update(site, engine, "web1").outcome == "needs-review"
    [asked] = [review.show_conflict(site, found, one) for found in review.all_cases(site) for one in found.open]
    assert asked["detail"].endswith("; the disks that it shares with gold carry gold's number and cannot be re-owned")
    answer(site, "clone", "/etc/passwd")
    with pytest.raises(ChecksFailed, match="the user anna has 1001 here, and the disks shared with gold carry 1000"):
        run_update(site, engine, "web1")


@pytest.mark.slow
@pytest.mark.root
@pytest.mark.parametrize(
    "own",
    [
        {"etc/group": GROUP},  # deleted: the number is nobody's
        slow({"etc/group": GROUP + "crontab:x:150:\n"}),
        {"etc/group": GROUP + "svc1:x:997:\n"},
    ],
)
def test_what_the_server_did_itself_before_stops_no_update_and_no_carry(
    site: Site, engine: InProcess, own: Mapping[str, str]
) -> None:
    tool_of(site, 0, 997)
    next_gold(site, NEW)
    clones.create_clone(site, "web1", IMAGE)
    on_clone(site, "web1", own)
    next_gold(site, {"etc/plain.conf": "gold 3\n"})
    assert run_update(site, engine, "web1").outcome == "done"
    assert text(site, "web1", "etc/group") == own["etc/group"]
    on_clone(site, "web1", {"etc/mine.conf": "mine\n"})
    assert roll_back(site, engine, "web1", carry=True).outcome == "done"


@pytest.mark.root
def test_a_file_that_comes_for_a_number_which_the_server_gave_away_is_refused(site: Site, engine: InProcess) -> None:
    next_gold(site, NEW)
    clones.create_clone(site, "web1", IMAGE)
    on_clone(site, "web1", LOCAL)
    tool_of(site, 0, 997)
    next_gold(site, {"etc/plain.conf": "gold 3\n"})
    with pytest.raises(
        ChecksFailed, match=r"crontab does not exist here, where 997 is svc1's.*: give it 997 on the server"
    ):
        run_update(site, engine, "web1")


def test_a_second_name_of_golds_is_no_stranger() -> None:
    both = "mail:x:8:\npost:x:8:\n"
    for own in (both, "post:x:8:\nmail:x:8:\n", "post:x:8:\n", "", "mine:x:8:\nmail:x:8:\n"):
        tables = (AccountTables.of({"group": text.encode()}) for text in (both, own))
        assert list(other_numbers(*tables)) == []


def test_an_acl_carries_a_number_too() -> None:
    acl = struct.pack("<I", 2) + struct.pack("<HHI", 0x02, 4, 101) + struct.pack("<HHI", 0x08, 4, 997)
    rows = [
        Entry(b"", "d", 0o755, 0, 0, 0, 0, b"", (), 0, 0, 0, 0, 0),
        Entry(b"a", FILE, 0o644, 0, 0, 0, 0, b"", ((ACL_ACCESS, acl),), 0, 0, 0, 0, 0),
        Entry(b"b", FILE, 0o644, 101, 997, 0, 0, b"", (), 0, 0, 0, 0, 0),
    ]
    manifest = Manifest.from_rows(rows)
    assert first_path(manifest, "group", 997) == first_path(manifest, "user", 101) == b"a"
    assert first_path(Manifest.from_rows([rows[0], rows[2]]), "user", 101) == b"b"
    assert first_path(manifest, "user", 997) is None
