"""What gold and a server are taken to have come from, and what a later look takes: no disk is needed for these."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import pytest

from goldroot.accounts import AccountTables, OwnerNames
from goldroot.fleet.adopt.again import Taken, take_new
from goldroot.fleet.adopt.base import Base, Brought, Known, Owners, alternatives_of, make_base
from goldroot.fleet.adopt.base_accounts import Used, base_accounts
from goldroot.fleet.adopt.lost import LostPath, SharedSide, find_lost
from goldroot.policy import Policy
from goldroot.tree import DIRECTORY, FILE, LINK, Entry, Manifest, rows_of, tree_key, upwards

NAMES = OwnerNames({}, {})
POLICY = Policy.default().for_family("debian")


def tree(files: Mapping[str, str], *, mtime: int = 1, inode: int = 0, uid: int = 0) -> Manifest:
    """Paths and contents; ``-> x`` is a link, and a path that ends with / an empty directory."""
    rows: dict[bytes, Entry] = {}
    for path, content in files.items():
        place = path.rstrip("/").encode()
        for above in upwards(place):
            if above != place:
                rows.setdefault(above, Entry(above, DIRECTORY, 0o755, 0, 0, 0, 0, b"", (), 0, 0, 0, 0, 0))
        if path.endswith("/"):
            rows[place] = Entry(place, DIRECTORY, 0o755, uid, 0, 0, 0, b"", (), 0, 0, 0, 0, 0)
        elif content.startswith("-> "):
            rows[place] = Entry(place, LINK, 0o777, 0, 0, 0, mtime, content[3:].encode(), (), 0, 0, 0, inode, inode)
        else:
            digest = hashlib.sha256(content.encode()).digest()
            rows[place] = Entry(place, FILE, 0o644, uid, 0, len(content), mtime, digest, (), 0, 0, 0, inode, inode)
    return Manifest.from_rows(sorted(rows.values(), key=lambda row: tree_key(row.path)))


def brought(files: Mapping[str, tuple[str, str]], golds: Iterable[str] = ("p",)) -> Brought:
    """What packages brought: path -> package and content."""
    known = {
        path.encode(): (package, hashlib.sha256(text.encode()).digest()) for path, (package, text) in files.items()
    }

    def is_as_brought(row: Entry) -> bool | None:
        return known[row.path][1] == row.content if row.path in known else None

    owners = {path: package for path, (package, _) in known.items()}
    return Brought(
        lambda path: path, owners, is_as_brought, set(golds), is_as_brought, lambda path: path.startswith(b"usr/bin")
    )


def base_of(gold: Mapping[str, str], server: Mapping[str, str], known: Brought) -> Base:
    theirs = tree(server)
    owners = Owners((NAMES, NAMES), {}, {})
    return make_base(tree(gold), theirs, Known(known, owners, POLICY, alternatives_of(theirs)))


def paths(manifest: Manifest) -> set[str]:
    return {row[0].decode() for row in manifest.rows() if row[1] != DIRECTORY}


def test_each_case_of_the_table() -> None:
    packages = brought({
        "etc/old": ("p", "old"), "etc/changed": ("p", "old"), "etc/gone": ("p", "x"), "etc/dropped": ("p", "d"),
        "etc/own": ("q", "d"), "usr/bin/vi": ("q", "vi"),
    })  # fmt: skip
    gold = {
        "etc/old": "new", "etc/changed": "new", "etc/nobodys": "g", "etc/gone": "x", "etc/arrives": "a",
        "etc/alternatives/editor": "-> /usr/bin/nano",
    }  # fmt: skip
    server = {
        "etc/old": "old", "etc/changed": "mine", "etc/nobodys": "s", "etc/dropped": "d", "etc/own": "d",
        "etc/alternatives/editor": "-> /usr/bin/vi", "etc/alternatives/vi": "-> /usr/bin/vi", "var/lib/dpkg/alternatives/vi": "auto",
    }  # fmt: skip
    base = base_of(gold, server, packages)
    found = {row.path.decode(): row.content for row in map(Entry._make, base.manifest.rows()) if row.kind != DIRECTORY}
    golds, servers = tree(gold), tree(server)

    def content(manifest: Manifest, path: str) -> bytes:
        row = manifest.get(path.encode())
        assert row is not None
        return row.content

    assert found == {
        **{path: content(servers, path) for path in (
            "etc/old", "etc/dropped", "etc/alternatives/editor", "etc/alternatives/vi", "var/lib/dpkg/alternatives/vi",
        )},
        **{path: content(golds, path) for path in ("etc/changed", "etc/nobodys", "etc/gone")},
    }  # fmt: skip
    assert (base.updated, base.both) == ([b"etc/old"], [b"etc/changed"])
    assert (base.removed, base.arrived, base.dropped) == ([b"etc/gone"], [b"etc/arrives"], [b"etc/dropped"])
    assert base.behind == [b"etc/alternatives/editor", b"etc/alternatives/vi", b"var/lib/dpkg/alternatives/vi"]


def test_a_directory_of_which_a_part_was_removed() -> None:
    """What arrives needs it, and it is nobody's change that it is there."""
    wants = "etc/systemd/system/x.target.wants"
    gold = {f"{wants}/a.service": "-> /usr/lib/a.service", f"{wants}/b.service": "-> /usr/lib/b.service"}
    base = base_of(gold, {"etc/systemd/system/": ""}, brought({"usr/lib/a.service": ("p", "")}))
    assert paths(base.manifest) == {f"{wants}/a.service"}
    assert base.manifest.get(wants.encode()) == base.clone.get(wants.encode()) is not None
    all_gone = base_of(gold, {"etc/systemd/system/": ""}, brought({f"usr/lib/{n}.service": ("p", "") for n in "ab"}))
    assert all_gone.manifest.get(wants.encode()) is not None and all_gone.clone.get(wants.encode()) is None
    none_gone = base_of(gold, {"etc/systemd/system/": ""}, brought({}))
    assert none_gone.manifest.get(wants.encode()) is none_gone.clone.get(wants.encode()) is None


def test_state_units_are_whole() -> None:
    gold = {"var/lib/a/one": "1", "var/lib/a/two": "2", "var/lib/b/one": "1", "var/lib/c/one": "1"}
    base = base_of(gold, {"var/lib/a/one": "mine", "var/lib/x": ""}, brought({"var/lib/b": ("p", "")}))
    # a: the server's, so gold's two is not new; b: removed with its top; c: comes with gold.
    assert paths(base.manifest) == {"var/lib/a/one", "var/lib/a/two", "var/lib/b/one"}


def test_what_the_server_made_a_link_of_hides_what_gold_has_below() -> None:
    base = base_of({"etc/x/a": "1", "etc/x/b": "2"}, {"etc/x": "-> /srv/x"}, brought({}))
    assert paths(base.manifest) == {"etc/x/a", "etc/x/b"} and base.arrived == []


def test_what_goes_takes_its_directories_along() -> None:
    base = base_of({"etc/y": ""}, {"etc/d/e/old": "o", "etc/y": ""}, brought({"etc/d/e/old": ("p", "o")}))
    assert all(base.manifest.get(path) is not None for path in (b"etc/d", b"etc/d/e", b"etc/d/e/old"))


def tables(passwd: str, group: str) -> AccountTables:
    return AccountTables.of({"passwd": passwd.encode(), "group": group.encode()})


def test_accounts_of_the_base() -> None:
    gold = tables(
        "root:x:0:0::/root:/bin/sh\ndb:x:101:101::/:/x\nann:x:1000:1000::/:/x\nbob:x:1001:1001::/:/x\nnew:x:102:102::/:/x\n",
        "root:x:0:\ndb:x:101:ann,new\nann:x:1000:\nbob:x:1001:\nnew:x:102:\n",
    )
    server = tables(
        "root:x:0:0::/root:/bin/zsh\ndb:x:105:105::/:/x\nann:x:1005:1005::/:/x\nbob:x:1006:1006::/:/x\nown:x:101:101::/:/x\n",
        "root:x:0:\ndb:x:105:\nann:x:1005:\nbob:x:1006:\nown:x:101:\n",
    )
    base = base_accounts(gold, server, Used({1001}, {1001}))
    # System accounts, and who owns something on the shared disks: the server's number, so that gold's is the only change.
    assert dict(base.users) == {b"root": 0, b"db": 105, b"ann": 1000, b"bob": 1006}
    assert dict(base.groups) == {b"root": 0, b"db": 105, b"ann": 1000, b"bob": 1006}
    assert b"db:x:105:ann\n" in base.files["group"]
    assert b"root:x:0:0::/root:/bin/sh\n" in base.files["passwd"]
    assert base_accounts(gold, AccountTables.of({}), Used()).empty


def lost(server: Mapping[str, str], gold: Mapping[str, str], known: Brought, other: bool = False) -> list[LostPath]:
    sides = [SharedSide(NAMES, {row.path: row for row in map(Entry._make, tree(one).rows())}) for one in (server, gold)]
    return list(find_lost(sides[0], sides[1], known, ({"p": "1", "q": "1"}, {"p": "2" if other else "1"})).named)


def test_what_is_lost() -> None:
    packages = brought({"usr/bin/p": ("p", "p"), "usr/bin/q": ("q", "q"), "usr/bin/gone": ("p", "g")})
    gold = {"usr/bin/p": "p", "usr/bin/gone": "g", "usr/lib/x/": ""}
    same = {"usr/bin/p": "p", "usr/bin/gone": "g", "usr/bin/q": "q"}
    assert lost(same, gold, packages) == []
    assert lost({**same, "usr/bin/p": "patched"}, gold, packages) == [LostPath(b"usr/bin/p", "changed", "p")]
    assert lost({**same, "usr/bin/q": "patched"}, gold, packages) == [LostPath(b"usr/bin/q", "changed", "q")]
    assert lost({**same, "opt/a/b": "1", "opt/c": "2"}, gold, packages) == [LostPath(b"opt", "added", "", 3)]
    # Another version of the package has another content: that is not the server's doing.
    assert lost(same, {**gold, "usr/bin/p": "p 2"}, packages, other=True) == []
    without = {path: text for path, text in same.items() if path != "usr/bin/gone"}
    assert lost(without, gold, packages) == [LostPath(b"usr/bin/gone", "removed", "p")]
    made = {"usr/lib/x/__pycache__/m.pyc": "", "usr/bin/editor": "-> /etc/alternatives/editor"}
    assert lost({**same, **made}, gold, packages) == []


def look(before: Mapping[str, str], now: Mapping[str, str], clone: Mapping[str, str]) -> Taken:
    """What came, what would come, and what the clone is; what is alike in all stands at one inode."""
    changed = tree(clone, inode=5)
    old = {row[0]: row for row in tree(before, inode=5).rows()}
    rows = (
        Entry._make(row)._replace(ctime=6) if old.get(row[0]) != row else Entry._make(row) for row in changed.rows()
    )
    return take_new(tree(before, inode=5), list(rows_of(tree(now), 2)), Manifest.from_rows(rows), POLICY)


@pytest.mark.parametrize(
    ("now", "clone", "new", "kept"),
    [
        ({"etc/a": "1", "etc/b": "2"}, {"etc/a": "1"}, [("etc/b", "added")], []),
        ({"etc/a": "2"}, {"etc/a": "1"}, [("etc/a", "changed")], []),
        ({"etc/": ""}, {"etc/a": "1"}, [("etc/a", "removed")], []),
        ({"etc/a": "2"}, {"etc/a": "3"}, [], ["/etc/a"]),
        ({"etc/a": "1"}, {"etc/a": "3"}, [], []),
        ({"etc/": ""}, {"etc/a": "3"}, [], ["/etc/a"]),
        ({"etc/a": "2"}, {"etc/a": "1", "etc/own": "x"}, [("etc/a", "changed")], []),
        ({"etc/a": "1", "etc/d/x": "1"}, {"etc/a": "1", "etc/d": "-> /srv"}, [], ["/etc/d", "/etc/d/x"]),
        ({"etc/a/x": "1"}, {"etc/a": "1"}, [("etc/a", "changed"), ("etc/a/x", "added")], []),
        ({"etc/a": "1", "var/lib/u/f": "2"}, {"etc/a": "1", "var/lib/u/g": "3"}, [], ["/var/lib/u"]),
    ],
)  # fmt: skip
def test_a_later_look(
    now: Mapping[str, str], clone: Mapping[str, str], new: list[tuple[str, str]], kept: list[str]
) -> None:
    given = {"var/lib/": "", **now}, {"var/lib/": "", **clone}
    taken = look({"etc/a": "1", "var/lib/": ""}, *given)
    assert [(path.decode(), what) for path, what in taken.new if path != b"var/lib"] == new
    assert [path.decode() for path in taken.kept] == kept
    stands = {row.path: row.kind for row in taken.rows}
    assert all(stands[above] == DIRECTORY for path in stands for above in upwards(path) if above != path)


def test_the_account_files_are_one_thing() -> None:
    before = {"etc/passwd": "1", "etc/shadow": "1"}
    assert look(before, {"etc/passwd": "2", "etc/shadow": "1"}, {"etc/passwd": "1", "etc/shadow": "3"}).kept == (
        b"/etc/passwd",
    )
