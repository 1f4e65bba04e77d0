"""Servers that were not made from gold: what becomes of each of their files, and what is said of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from goldroot.fleet.adopt.adopt import adopt_server, plan_adoption
from goldroot.fleet.adopt.form import AdoptForm
from goldroot.site import Site
from support.fleet import IMAGE, ROOT, dump, small_site, text
from support.trees import Dir, File, Link, Node, make_tree

Files = Mapping[str, Node]


def md5(content: str) -> str:
    return hashlib.md5(content.encode(), usedforsecurity=False).hexdigest()


def packaged(*packages: tuple[str, str, Mapping[str, str]]) -> dict[str, Node]:
    """What dpkg knows of packages: name, version, and the content that each brought by path."""
    status, info = [], {}
    for name, version, files in packages:
        conf = [f" /{path} {md5(content)}" for path, content in files.items() if path.startswith("etc/")]
        fields = [f"Package: {name}", "Status: install ok installed", f"Version: {version}", "Architecture: amd64"]
        status.append("\n".join([*fields, *(["Conffiles:", *conf] if conf else [])]))
        others = {path: content for path, content in files.items() if not path.startswith("etc/")}
        above = sorted({"/" + str(parent) for path in files for parent in Path(path).parents if str(parent) != "."})
        info[f"var/lib/dpkg/info/{name}.list"] = "".join(
            f"{path}\n" for path in ["/.", *above, *("/" + p for p in files)]
        )
        info[f"var/lib/dpkg/info/{name}.md5sums"] = "".join(f"{md5(c)}  {p}\n" for p, c in others.items())
    return {"var/lib/dpkg/status": "\n\n".join(status) + "\n", **info}


TOOL = "#!/bin/sh\necho 1\n"
APP = str(ROOT["etc/app.conf"])
GOLDS = packaged(
    ("base", "1", {"usr/bin/tool": TOOL, "etc/app.conf": APP, "etc/plain.conf": "plain\n", "etc/gone.conf": "gone\n"}),
    ("new", "1", {"etc/new.conf": "new\n", "usr/bin/new": "new\n"}),
)
GOLD: Files = {
    **ROOT, **GOLDS, "etc/gone.conf": "gone\n", "etc/new.conf": "new\n", "usr/bin/new": File("new\n", mode=0o755),
    "etc/site.conf": "of the site\n", "var/lib/new/data": "new",
}  # fmt: skip
#: The server has `base`, which it changed; not `new`; and `own`, which gold does not have.
SERVER: dict[str, Node] = {
    **ROOT,
    **packaged(
        ("base", "1", {"usr/bin/tool": TOOL, "etc/app.conf": APP, "etc/plain.conf": "plain\n", "etc/gone.conf": "gone\n"}),
        ("own", "3", {"usr/bin/own": "own\n", "etc/own.conf": "own\n"}),
    ),
    "etc/hostname": "shop\n", "etc/machine-id": "00000000000000000000000000000042\n",
    "etc/app.conf": APP.replace("three = 3", "three = 33"), "etc/own.conf": "own = 1\n",
    "usr/bin/own": File("own\n", mode=0o755), "var/lib/mysql/ibdata": "full", "srv/www/index": "hello\n",
    "usr/local/bin/script": File("mine\n", mode=0o755),
}  # fmt: skip


@pytest.fixture
def gold_site(room: Path) -> Iterator[Site]:
    made = small_site(room, GOLD)
    yield made
    made.close()


def form(room: Path, files: Files, **more: Any) -> AdoptForm:
    return AdoptForm(str(make_tree(room / "server", files)), IMAGE, **more)


def adopt(site: Site, room: Path, files: Files, **more: Any) -> dict[str, Any]:
    return adopt_server(site, "shop", form(room, files, **more)).report


def test_a_server_keeps_what_it_changed_and_gets_the_rest_from_gold(gold_site: Site, room: Path) -> None:
    report = adopt(gold_site, room, SERVER)
    assert (report["version"], report["hostname"]) == (1, "shop")
    for path, content in {
        "etc/app.conf": APP.replace("three = 3", "three = 33"),  # changed
        "etc/plain.conf": "plain\n",
        "etc/gone.conf": None,  # removed, and its package is there
        "etc/new.conf": "new\n",  # of a package that it never had
        "etc/site.conf": "of the site\n",  # nobody's
        "etc/own.conf": "own = 1\n",
        "var/lib/new/data": "new",
        "var/lib/mysql/ibdata": "full",
        "srv/www/index": "hello\n",
        "usr/local/bin/script": "mine\n",
        "etc/machine-id": "00000000000000000000000000000042\n",
        "etc/hostname": "shop\n",
    }.items():
        assert text(gold_site, "shop", path) == content, path
    assert report["removed"] == ["/etc/gone.conf"]
    assert report["extra"] == [{"name": "own", "server": "3", "gold": ""}]
    assert report["missing"] == [{"name": "new", "server": "", "gold": "1"}]
    assert report["lost"] == []


def test_what_it_says_is_what_the_next_command_finds(gold_site: Site, room: Path) -> None:
    from goldroot.fleet.drift import find_drift

    report = adopt(gold_site, room, SERVER)
    found = {entry["path"] for entry in find_drift(gold_site, "shop").entries}
    assert {one["path"] for one in report["own"]} == found


@pytest.mark.root
def test_a_plan_says_the_same_and_changes_nothing(gold_site: Site, room: Path) -> None:
    asked = form(room, SERVER)
    planned = plan_adoption(gold_site, "shop", asked)
    with gold_site.catalog.read() as tx:
        from goldroot.catalog import clones

        assert clones.find(tx, "shop") is None
    done = adopt_server(gold_site, "shop", asked)
    assert {**planned.report, "plan": False} == done.report and planned.waits is done.waits is True


def test_the_clone_is_updated_as_any_other(gold_site: Site, room: Path) -> None:
    from goldroot.fleet.update.update import run_update
    from goldroot.workflow import InProcess
    from support.fleet import next_gold

    adopt(gold_site, room, SERVER)
    next_gold(gold_site, {
        "etc/app.conf": APP.replace("seven = 7", "seven = 77"), "etc/new.conf": "newer\n", "etc/gone.conf": "gone\n",
        "etc/plain.conf": "plain 2\n",
    })  # fmt: skip
    run_update(gold_site, InProcess(), "shop")
    assert text(gold_site, "shop", "etc/app.conf") == APP.replace("three = 3", "three = 33").replace(
        "seven = 7", "seven = 77"
    )
    assert text(gold_site, "shop", "etc/new.conf") == "newer\n"
    assert text(gold_site, "shop", "etc/plain.conf") == "plain 2\n"
    assert text(gold_site, "shop", "etc/gone.conf") is None
    assert text(gold_site, "shop", "var/lib/mysql/ibdata") == "full"


def test_a_configuration_file_is_golds_where_only_the_version_differs(room: Path) -> None:
    """The server has an older version of the package, and did not touch its file: that is not a change of the server's."""
    old = packaged(
        ("base", "0.9", {"etc/plain.conf": "older\n", "etc/app.conf": "an older one\n", "etc/left.conf": "left\n"})
    )
    files = {**SERVER, **old, "etc/plain.conf": "older\n", "etc/app.conf": "mine\n", "etc/left.conf": "left\n"}
    site = small_site(room, GOLD)
    report = adopt(site, room, files)
    assert text(site, "shop", "etc/plain.conf") == "plain\n"
    assert text(site, "shop", "etc/app.conf") == "mine\n"
    assert text(site, "shop", "etc/left.conf") is None
    assert text(site, "shop", "etc/gone.conf") == "gone\n"  # its version of the package never brought it
    assert (report["updated"], report["both"], report["dropped"]) == (
        ["/etc/plain.conf"], ["/etc/app.conf"], ["/etc/left.conf"],
    )  # fmt: skip
    site.close()


def test_a_service_that_it_had_disabled_stays_disabled(room: Path) -> None:
    units = {"usr/lib/systemd/system/a.service": "a\n", "etc/default/a": "\n"}
    wants = "etc/systemd/system/multi-user.target.wants"
    gold = {
        **ROOT, **packaged(("a", "1", units), ("b", "1", {"usr/lib/systemd/system/b.service": "b\n"})), **units,
        "usr/lib/systemd/system/b.service": "b\n", f"{wants}/a.service": Link(target="/usr/lib/systemd/system/a.service"),
        f"{wants}/b.service": Link(target="/lib/systemd/system/b.service"), "lib": Link(target="usr/lib"),
    }  # fmt: skip
    site = small_site(room, gold)
    report = adopt(site, room, {**ROOT, **packaged(("a", "1", units)), **units})
    assert text(site, "shop", f"{wants}/a.service") is None
    assert text(site, "shop", f"{wants}/b.service") == "-> /lib/systemd/system/b.service"
    assert report["removed"] == [f"/{wants}/a.service"]
    site.close()


@pytest.mark.root
def test_numbers_of_accounts(room: Path) -> None:
    """Gold's numbers where the shared disks are concerned, the server's own else; files go with their accounts."""
    import os

    from support.fleet import GROUP, PASSWD, SHADOW, live

    passwd = (
        "root:x:0:0:root:/root:/bin/zsh\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
        "mysql:x:105:105::/var/lib/mysql:/bin/false\nalice:x:1001:1001::/home/alice:/bin/sh\nown:x:101:101::/:/bin/false\n"
    )
    group = "root:x:0:\ndaemon:x:1:\nmysql:x:105:own\nalice:x:1001:\nown:x:101:\n"
    files = {
        **SERVER, "etc/passwd": passwd, "etc/group": group,
        "etc/shadow": File(SHADOW.replace("root:*", "root:$6$secret") + "alice:$6$s:19000:0:99999:7:::\n", mode=0o640),
        "var/lib/mysql": Dir(uid=105, gid=105), "var/lib/mysql/ibdata": File("full", uid=105, gid=105),
        "home/alice": Dir(uid=1001, gid=1001), "home/alice/x": File("x", uid=1001, gid=1001),
        "var/lib/own": Dir(uid=101, gid=101), "var/lib/own/x": File("x", uid=101, gid=101),
    }  # fmt: skip
    gold = {
        **GOLD, "etc/passwd": PASSWD + "new:x:102:102::/:/bin/false\n", "etc/group": GROUP + "new:x:102:\n",
        "etc/shadow": File(SHADOW + "new:!:19000::::::\n", mode=0o640), "var/lib/new/data": File("new", uid=102, gid=102),
    }  # fmt: skip
    site = small_site(room, gold)
    report = adopt(site, room, files)
    users = {line.split(":")[0]: line.split(":") for line in (text(site, "shop", "etc/passwd") or "").splitlines()}
    assert {name: int(users[name][2]) for name in ("root", "mysql", "alice", "new")} == {
        "root": 0, "mysql": 101, "alice": 1001, "new": 102,
    }  # fmt: skip
    assert users["root"][6] == "/bin/zsh"
    assert "mysql:x:101:own" in (text(site, "shop", "etc/group") or "")
    assert "root:$6$secret" in (text(site, "shop", "etc/shadow") or "")
    tree = live(site, "shop")
    for path, name in {
        "var/lib/mysql/ibdata": "mysql", "home/alice/x": "alice", "var/lib/own/x": "own", "var/lib/new/data": "new",
    }.items():  # fmt: skip
        root = tree.root(path.encode())
        assert root is not None and os.stat(f"{root}/{path}").st_uid == int(users[name][2]), path
    assert report["renumbered"]["user mysql"] == "105 -> 101"
    site.close()


def test_what_the_shared_disks_have_otherwise_is_named(gold_site: Site, room: Path) -> None:
    files = {
        **SERVER, "usr/bin/tool": File("#!/bin/sh\necho mine\n", mode=0o755), "opt/app/bin/run": "app\n", "opt/app/lib/a": "a\n",
        "usr/bin/hand": "by hand\n", "usr/lib/__pycache__/x.pyc": "made\n", "usr/share/doc/x/y": "page\n",
    }  # fmt: skip
    lost = adopt(gold_site, room, files)["lost"]
    assert [(one["what"], one["path"], one["package"]) for one in lost] == [
        ("added", "/opt", ""), ("added", "/usr/bin/hand", ""), ("changed", "/usr/bin/tool", "base"), ("added", "/usr/share", ""),
    ]  # fmt: skip


def test_what_it_points_at_and_does_not_have_any_more_is_asked(gold_site: Site, room: Path) -> None:
    unit = "[Service]\nExecStart=/opt/app/run\n"
    files = {**SERVER, "opt/app/run": File("app\n", mode=0o755), "etc/systemd/system/app.service": unit}
    report = adopt(gold_site, room, files)
    assert ["/opt/app/run" in one["detail"] for one in report["questions"]] == [True]


def test_the_nearest_version_is_taken(room: Path) -> None:
    from support.fleet import next_gold

    site = small_site(room, GOLD)
    status = str(GOLDS["var/lib/dpkg/status"])
    next_gold(site, {"var/lib/dpkg/status": status.replace("Version: 1", "Version: 2")})
    next_gold(site, {"var/lib/dpkg/status": status.replace("Version: 1", "Version: 3")})
    server = {**SERVER, **packaged(("base", "2", {"etc/app.conf": APP}), ("new", "2", {}))}
    report = adopt(site, room, server)
    assert report["version"] == 2
    assert [(one["version"], one["differ"]) for one in report["versions"]] == [(3, 2), (2, 0), (1, 2)]
    site.close()


def test_without_packages_the_files_of_the_shared_disks_decide(room: Path) -> None:
    from goldroot.image import MAINTENANCE, System, publish_gold
    from support.fleet import path_of, write

    site = small_site(room)
    write(path_of(System(site, IMAGE, MAINTENANCE), "1B1"), "usr/bin/tool", "another\n")
    publish_gold(site, IMAGE, untested=True)
    report = adopt(site, room, {path: node for path, node in ROOT.items() if "dpkg" not in path})
    assert report["version"] == 1
    assert [(one["version"], one["by"], one["differ"]) for one in report["versions"]] == [
        (2, "content", 1),
        (1, "content", 0),
    ]
    site.close()


def test_a_second_look_takes_only_what_is_new(gold_site: Site, room: Path) -> None:
    asked = form(room, SERVER)
    adopt_server(gold_site, "shop", asked)
    before = dump(gold_site, "shop")
    nothing = adopt_server(gold_site, "shop", asked)
    assert (nothing.report["new"], nothing.waits, dump(gold_site, "shop")) == ([], False, before)
    place = room / "server"
    (place / "etc/app.conf").write_text(APP.replace("two = 2", "two = 22"))
    (place / "srv/www/index").write_text("hello again\n")
    (place / "etc/own.conf").unlink()
    (place / "home/bob").mkdir()
    (place / "home/bob/mail").write_text("mail\n")
    planned = plan_adoption(gold_site, "shop", asked)
    assert dump(gold_site, "shop") == before
    done = adopt_server(gold_site, "shop", asked)
    assert done.report["new"] == planned.report["new"] == [
        {"path": "/etc/app.conf", "what": "changed"}, {"path": "/etc/own.conf", "what": "removed"},
        {"path": "/home/bob", "what": "added"}, {"path": "/home/bob/mail", "what": "added"},
        {"path": "/srv/www/index", "what": "changed"},
    ]  # fmt: skip
    assert text(gold_site, "shop", "etc/app.conf") == APP.replace("two = 2", "two = 22")
    assert text(gold_site, "shop", "srv/www/index") == "hello again\n"
    assert text(gold_site, "shop", "etc/own.conf") is None
    assert text(gold_site, "shop", "home/bob/mail") == "mail\n"
    assert adopt_server(gold_site, "shop", asked).report["new"] == []
    from goldroot.fleet.clones import show_clone

    assert {address[0] for address in show_clone(gold_site, "shop")["disks"]} == {"1"}


def test_what_the_clone_changed_since_stays(gold_site: Site, room: Path) -> None:
    from support.fleet import on_clone

    asked = form(room, SERVER)
    adopt_server(gold_site, "shop", asked)
    on_clone(
        gold_site, "shop", {"etc/app.conf": "the clone's\n", "etc/only.conf": "the clone's\n", "var/lib/mysql/log": "1"}
    )
    place = room / "server"
    (place / "etc/app.conf").write_text("the server's\n")
    (place / "var/lib/mysql/ibdata").write_text("fuller")
    (place / "etc/own.conf").write_text("own = 2\n")
    for _ in range(2):  # what was not taken is new the next time, too
        report = adopt_server(gold_site, "shop", asked).report
        assert report["kept"] == ["/etc/app.conf", "/var/lib/mysql"]
        assert text(gold_site, "shop", "etc/app.conf") == "the clone's\n"
        assert text(gold_site, "shop", "etc/only.conf") == "the clone's\n"
        assert text(gold_site, "shop", "var/lib/mysql/ibdata") == "full"
        assert text(gold_site, "shop", "etc/own.conf") == "own = 2\n"


def test_its_own_disks_are_not_mounted_any_more(gold_site: Site, room: Path) -> None:
    """What stood on them stands on the clone's; what other machines have, and a disk of which nothing came, stays."""
    fstab = (
        "# the server's\nUUID=1 / ext4 defaults 0 1\n/dev/sda2 /var xfs defaults 0 2\n/dev/sda3 none swap sw 0 0\n"
        "/dev/mapper/data /srv/data ext4 defaults 0 2\nLABEL=x /mnt/x ext4 nofail 0 2\nnas:/x /srv/nas nfs defaults 0 0\n"
        "tmpfs /tmp tmpfs defaults 0 0"
    )
    server = {**SERVER, "etc/fstab": fstab, "srv/data/file": "data\n", "mnt/x": Dir(), "srv/nas": Dir()}
    asked = form(room, server)
    report = adopt_server(gold_site, "shop", asked).report
    lines = (text(gold_site, "shop", "etc/fstab") or "").splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        "LABEL=x /mnt/x ext4 nofail 0 2", "nas:/x /srv/nas nfs defaults 0 0", "tmpfs /tmp tmpfs defaults 0 0",
    ]  # fmt: skip
    assert "# adopted: /dev/sda2 /var xfs defaults 0 2" in lines
    said = next(one["text"] for one in report["notes"] if one["kind"] == "fstab-moved")
    assert said.endswith("made comments: /, /var, swap, /srv/data")
    assert adopt_server(gold_site, "shop", asked).report["new"] == []
    (room / "server/etc/fstab").write_text(fstab + "\ntmpfs /x tmpfs defaults 0 0\n")
    assert adopt_server(gold_site, "shop", asked).report["new"] == [{"path": "/etc/fstab", "what": "changed"}]
    assert "tmpfs /x tmpfs" in (text(gold_site, "shop", "etc/fstab") or "")


def test_golds_lines_come_in_the_place_of_the_servers() -> None:
    from goldroot.system import moved_here

    gold = b"LABEL=root / ext4 ro 0 1\nproc /proc proc defaults 0 0\n"
    text, out = moved_here(b"UUID=1 / ext4 rw 0 1\n", gold, lambda place: place == "/")
    assert (text, out) == (b"# adopted: UUID=1 / ext4 rw 0 1\nLABEL=root / ext4 ro 0 1\n", ["/"])
    again, out = moved_here(text, gold, lambda place: False)
    assert (again, out) == (text, [])


def test_what_it_had_removed_of_a_package_that_gold_gets_later_is_asked(gold_site: Site, room: Path) -> None:
    """Neither a file nor a service comes back because gold did not know the package when the server was adopted."""
    from goldroot.fleet.clones import show_clone
    from goldroot.fleet.review import find_case
    from goldroot.fleet.update.update import run_update
    from goldroot.workflow import InProcess
    from support.fleet import next_gold

    wants = "multi-user.target.wants/own.service"
    server = {
        **SERVER, **packaged(("base", "1", {"etc/app.conf": APP}), ("own", "3", {"etc/own.conf": "own\n", "etc/own.d/x": "x\n"})),
        f"var/lib/systemd/deb-systemd-helper-enabled/{wants}": "",
    }  # fmt: skip
    adopt(gold_site, room, server)
    assert show_clone(gold_site, "shop")["removed"] == ["/etc/own.d/x", f"/etc/systemd/system/{wants}"]
    next_gold(gold_site, {"etc/own.conf": "own = 1\n", "etc/own.d/x": "x\n", f"etc/systemd/system/{wants}": "[Unit]\n"})
    assert run_update(gold_site, InProcess(), "shop").outcome == "needs-review"
    asked = {(one.found.path, one.found.stands) for one in find_case(gold_site, "shop").open}
    assert asked == {(b"/etc/own.d/x", "clone"), (f"/etc/systemd/system/{wants}".encode(), "clone")}
