"""What a server removed from a file, and what gold moved meanwhile, stays removed over three versions (letter B)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from goldroot.merge.memory import Memory
from support.merging import Outcome, Table, merge_directories, merge_tables
from support.trees import Dir, File, Link, make_tree

KEEP: Table = {"etc/keep": "x", "etc/keep.d": Dir(), "etc/systemd/system/graphical.target.wants/a": Link("b")}


def three(room: Path, one: Table, two: Table, third: Table, server: Table) -> tuple[Outcome, Outcome]:
    """A server of version 1 goes to 2 and then to 3; and, beside it, from 1 to 3 at once."""
    tables = {"one": one, "two": two, "three": third, "server": server}
    roots = {word: make_tree(room / word, {**KEEP, **table}) for word, table in tables.items()}
    first = merge_directories(room, {"base": roots["one"], "gold": roots["two"], "clone": roots["server"]}, out="first")
    assert first.conflicts == []
    second = merge_directories(
        room, {"base": roots["two"], "gold": roots["three"], "clone": first.out}, out="second", after=first
    )
    direct = merge_directories(
        room, {"base": roots["one"], "gold": roots["three"], "clone": roots["server"]}, out="direct"
    )
    return second, direct


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI%s %s\n"
OLD, NEW = KEY % ("old", "anna"), KEY % ("new", "ben")
VIM = "auto\n/usr/bin/editor\n\n/usr/bin/vim\n30\n%s\n"
NANO, JOE = "/usr/bin/nano\n40\n", "/usr/bin/joe\n10\n"

FILES = {
    "hosts": ("etc/hosts", "127.0.0.1 localhost\n", "10.0.0.1 mirror\n"),
    "hosts in the middle": ("etc/hosts", "127.0.0.1 localhost\n# end\n", "10.0.0.1 mirror # ours\n"),
    "aliases": ("etc/aliases", "root: admin\n", "news: root,\n  other\n"),
    "fstab": ("etc/fstab", "LABEL=a / ext4 defaults 0 1\n", "LABEL=b /data ext4 nofail 0 2\n"),
    "shells": ("etc/shells", "/bin/sh\n", "/bin/zsh\n"),
    "keys": ("root/.ssh/authorized_keys", NEW, OLD),
    "overrides": ("var/lib/dpkg/statoverride", "root root 755 /a\n", "root mail 2755 /b\n"),
    "diversions": ("var/lib/dpkg/diversions", "/a\n/a.distrib\n:\n", "/b\n/b.distrib\n:\n"),
}


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("own", ["", "# of this server\n"], ids=["as gold", "changed"])
def test_an_entry_that_the_server_removed_stays_removed(tmp_path: Path, kind: str, own: str) -> None:
    path, rest, removed = FILES[kind]
    if kind == "diversions" and own:
        own = "/own\n/own.distrib\n:\n"
    elif kind == "overrides" and own:
        own = "root root 700 /own\n"
    whole, less = {path: rest + removed}, {path: rest}
    second, direct = three(tmp_path, whole, less, whole, {path: rest + own})
    assert second.text(path) == direct.text(path) == rest + own
    assert second.conflicts == direct.conflicts == []
    assert second.notes("removed-before") == ["/" + path]
    assert direct.notes("removed-before") == []


def test_what_gold_changed_beside_it_arrives(tmp_path: Path) -> None:
    one, new = "127.0.0.1 localhost\n", "10.0.0.2 apt\n"
    gone = "10.0.0.1 mirror\n"
    second, direct = three(
        tmp_path, {"etc/hosts": one + gone}, {"etc/hosts": one}, {"etc/hosts": one + gone + new}, {"etc/hosts": one}
    )
    assert second.text("etc/hosts") == direct.text("etc/hosts") == one + new
    assert second.conflicts == []


def test_a_choice_of_an_alternative_that_the_server_removed(tmp_path: Path) -> None:
    path = "var/lib/dpkg/alternatives/editor"
    second, direct = three(tmp_path, {path: VIM % NANO}, {path: VIM % ""}, {path: VIM % (NANO + JOE)}, {path: VIM % ""})
    assert second.text(path) == direct.text(path) == VIM % JOE
    assert second.conflicts == [] and second.notes("removed-before") == ["/" + path]


def test_an_entry_that_comes_back_changed_is_a_question(tmp_path: Path) -> None:
    one = "127.0.0.1 localhost\n"
    second, direct = three(
        tmp_path, {"etc/hosts": one + "10.0.0.1 mirror\n"}, {"etc/hosts": one}, {"etc/hosts": one + "10.0.0.1 apt\n"},
        {"etc/hosts": one},
    )  # fmt: skip
    assert second.conflicts == direct.conflicts == [("/etc/hosts", "content")]
    assert second.text("etc/hosts") == direct.text("etc/hosts") == one
    assert "had removed" in second.record["conflicts"][0]["detail"]


def test_a_key_that_comes_back_with_another_comment_stays_removed(tmp_path: Path) -> None:
    path = "root/.ssh/authorized_keys"
    second, direct = three(
        tmp_path, {path: NEW + OLD}, {path: NEW}, {path: NEW + KEY % ("old", "anna at home")}, {path: NEW}
    )
    assert second.text(path) == direct.text(path) == NEW
    assert second.conflicts == direct.conflicts == []


def test_the_answer_gold_takes_the_entry_and_forgets_it(tmp_path: Path) -> None:
    one = "127.0.0.1 localhost\n"
    first = merge_tables(
        tmp_path / "1", {"etc/hosts": one + "10.0.0.1 mirror\n"}, {"etc/hosts": one}, {"etc/hosts": one}
    )
    assert first.record["memory"]["after"] == [{"path": "/etc/hosts", "lines": ["10.0.0.1 mirror"]}]
    third = {"etc/hosts": one + "10.0.0.1 apt\n"}
    asked = merge_tables(tmp_path / "2", {"etc/hosts": one}, third, {"etc/hosts": one}, after=first)
    taken = merge_tables(tmp_path / "2", {}, {}, {}, out="taken", after=first, decisions=asked.decide("gold"))
    assert taken.text("etc/hosts") == third["etc/hosts"]
    assert taken.record["memory"]["after"] == [] and taken.conflicts == []


def test_it_is_remembered_while_nobody_has_it_and_forgotten_when_the_server_has(tmp_path: Path) -> None:
    one, gone = "/bin/sh\n", "/bin/zsh\n"
    first = merge_tables(tmp_path / "1", {"etc/shells": one + gone}, {"etc/shells": one}, {"etc/shells": one})
    unchanged = merge_tables(tmp_path / "2", *({"etc/shells": one},) * 3, after=first)
    changed = merge_tables(
        tmp_path / "3", {"etc/shells": one}, {"etc/shells": one + "/bin/dash\n"}, {"etc/shells": one}, after=unchanged
    )
    assert changed.text("etc/shells") == one + "/bin/dash\n"
    for done in (first, unchanged, changed):
        assert done.record["memory"]["after"] == [{"path": "/etc/shells", "lines": ["/bin/zsh"]}]
    own = merge_tables(
        tmp_path / "4", {"etc/shells": one}, {"etc/shells": one}, {"etc/shells": one + gone}, after=changed
    )
    assert own.record["memory"]["after"] == []


def test_what_only_gold_removed_comes_back(tmp_path: Path) -> None:
    one, gone = "/bin/sh\n", "/bin/zsh\n"
    second, _ = three(
        tmp_path, {"etc/shells": one + gone}, {"etc/shells": one}, {"etc/shells": one + gone},
        {"etc/shells": one + gone + "/bin/own\n"},
    )  # fmt: skip
    assert second.text("etc/shells") == one + gone + "/bin/own\n"


def test_of_a_secret_file_no_line_is_kept_so_it_is_asked_about(tmp_path: Path) -> None:
    rule = '[[rule]]\npath = "/etc/pins"\nclass = "lines"\nsecret = true\n'
    whole, less = {"etc/pins": "1234\n5678\n"}, {"etc/pins": "1234\n"}
    first = merge_tables(tmp_path / "1", whole, less, less, policy=rule)
    assert first.record["memory"]["after"] == [{"path": "/etc/pins", "lines": []}]
    second = merge_tables(tmp_path / "2", less, whole, less, policy=rule, after=first)
    assert second.conflicts == [("/etc/pins", "content")]
    assert second.text("etc/pins") == "1234\n"


@pytest.mark.parametrize("below", ["", "d/"], ids=["file", "with its directory"])
def test_a_file_that_the_server_removed_and_gold_has_elsewhere_two_versions_later(tmp_path: Path, below: str) -> None:
    old, new = {f"etc/keep.d/{below}job": "1 2 3\n"}, {"etc/other.d/job": "1 2 3\n"}
    second, direct = three(tmp_path, old, {}, new, {})
    assert second.conflicts == direct.conflicts == [("/etc/other.d/job", "presence")]
    assert "etc/other.d/job" not in second.tree
    assert f"/etc/keep.d/{below}job" in second.record["conflicts"][0]["detail"]


def test_a_content_that_base_had_twice_names_nothing(tmp_path: Path) -> None:
    twice = {"etc/keep.d/a": "same", "etc/keep.d/b": "same"}
    second, direct = three(tmp_path, twice, {}, {"etc/other": "same"}, {})
    assert second.conflicts == direct.conflicts == []
    assert second.text("etc/other") == "same"


POOL, TWIN = "[www]\nlisten = a\n", {"etc/twin/www.conf": "[www]\nlisten = a\n"}
OF_8_2, OF_8_4 = "etc/php/8.2/pool.d/www.conf", "etc/php/8.4/pool.d/www.conf"
OF_APP, OF_NEW = "etc/keep.d/app/www.conf", "etc/keep.d/new/www.conf"
CHANGED = POOL + "pm = static\n"


@pytest.mark.parametrize("moved", [False, True], ids=["deleted", "moved by the server"])
@pytest.mark.parametrize("below", [False, True], ids=["file", "with its directory"])
@pytest.mark.parametrize(
    ("old", "new", "asked"),
    [
        ({OF_8_2: POOL}, {OF_8_2: POOL}, ""),
        ({OF_8_2: POOL}, {OF_8_2: CHANGED}, OF_8_2),
        ({OF_8_2: POOL}, {OF_8_4: POOL}, OF_8_4),
        ({OF_8_2: POOL}, {OF_8_4: CHANGED}, OF_8_4),
        ({OF_APP: POOL}, {OF_NEW: POOL}, None),
    ],
)
def test_a_file_of_which_the_old_gold_had_copies_is_remembered_by_its_place(
    tmp_path: Path, old: Table, new: Table, asked: str | None, below: bool, moved: bool
) -> None:
    """The server removed or moved it on 1, gold 2 lacks it, and 3 has it again: changed, or elsewhere."""
    directory: Table = {} if below else {str(Path(path).parent): Dir() for path in old}
    server: Table = {**TWIN, **directory, **({"etc/keep.d/mine": POOL} if moved else {})}
    second, direct = three(tmp_path, {**TWIN, **old}, {**TWIN, **directory}, {**TWIN, **directory, **new}, server)
    where = [("/etc/php" if below else f"/{asked}", "presence")] if asked else []
    assert second.conflicts == where
    # Going directly, what is changed in a removed directory, and in it already, is asked about itself.
    assert direct.conflicts == ([(f"/{asked}", "presence")] if asked == OF_8_2 else where)
    assert bool(new.keys() & second.tree.keys()) is (asked is None)  # elsewhere it could be any of the copies
    assert second.tree.keys() - {"etc/php", "etc/php/8.4"} == direct.tree.keys() - {"etc/php", "etc/php/8.4"}
    assert second.text("etc/twin/www.conf") == POOL


def test_a_content_that_the_middle_version_has_elsewhere_is_not_a_moved_file(tmp_path: Path) -> None:
    second, _ = three(
        tmp_path, {"etc/a": "same"}, {"etc/b": "same"}, {"etc/b": "same", "etc/c": "same"}, {"etc/b": "same"}
    )
    assert second.conflicts == [] and second.text("etc/c") == "same"


def test_an_enabled_link_whose_directory_went_with_it_is_remembered(tmp_path: Path) -> None:
    """``systemctl disable`` removes the directory of the last link."""

    def wanted(target: str, name: str) -> Table:
        return {f"etc/systemd/system/{target}/{name}": Link(f"/usr/lib/systemd/system/{name}")}

    old = wanted("multi-user.target.wants", "php8.2-fpm.service")
    moved = wanted("graphical.target.wants", "php8.2-fpm.service")
    second, direct = three(tmp_path / "1", old, {}, moved, {})
    assert second.conflicts == direct.conflicts == [(f"/{path}", "presence") for path in moved]
    renumbered = wanted("multi-user.target.wants", "php8.4-fpm.service")
    second, direct = three(tmp_path / "2", old, {}, renumbered, {})
    # The directory came back with another link than was removed with it: that is asked about the directory.
    assert second.conflicts == direct.conflicts == [("/etc/systemd/system/multi-user.target.wants", "presence")]
    assert not set(renumbered) & set(second.tree)


def test_a_secret_file_in_a_removed_directory_leaves_no_trace_of_its_content(tmp_path: Path) -> None:
    one: Table = {**KEEP, "etc/munge/munge.key": File("s", mode=0o400), "etc/munge/readme": "r"}
    done = merge_tables(tmp_path, one, KEEP, KEEP)
    assert [set(entry) for entry in done.record["memory"]["after"]] == [{"path"}]


def test_a_list_reads_back_as_it_was_written() -> None:
    data: list[dict[str, Any]] = [
        {"path": "/a", "digest": "00ff", "target": "x", "below": [{"path": "/a/b", "content": "01"}]},
        {"path": "/etc/hosts", "lines": ["1\\x0a2", ""]},
        {"path": "/etc/pins", "lines": []},
    ]
    memory = Memory.from_data(data)
    assert memory.data() == data
    assert memory.path(b"/etc/hosts") is None and memory.lines(b"/etc/hosts") == (b"1\n2", b"")
    assert memory.without([b"/etc/hosts"]).lines(b"/etc/hosts") is None


def test_a_link_to_a_unit_that_comes_back_in_another_spelling_stays_removed(tmp_path: Path) -> None:
    path = "etc/systemd/system/graphical.target.wants/x.service"
    second, direct = three(
        tmp_path,
        {path: Link("/lib/systemd/system/x.service")},
        {},
        {path: Link("/usr/lib/systemd/system/x.service")},
        {},
    )
    assert second.conflicts == direct.conflicts == [] and path not in second.tree


# -- accounts


def accounts(*names: str, number: int = 101, wheel: str = "") -> Table:
    users = "".join(f"{name}:x:{number}:{number}::/:/usr/sbin/nologin\n" for name in names)
    return {
        "etc/passwd": f"root:x:0:0::/root:/bin/sh\n{users}",
        "etc/shadow": "root:*:1::::::\n" + "".join(f"{name}:$6$hash:1::::::\n" for name in names),
        "etc/group": f"root:x:0:\nwheel:x:10:{wheel}\n" + "".join(f"{name}:x:{number}:\n" for name in names),
        "etc/subuid": "".join(f"{name}:100000:65536\n" for name in names),
    }


@pytest.mark.parametrize("number", [101, 107], ids=["same number", "another number"])
def test_an_account_that_the_server_removed_stays_removed(tmp_path: Path, number: int) -> None:
    again = accounts("games", number=number, wheel="games")
    second, direct = three(tmp_path, accounts("games", wheel="games"), accounts(), again, accounts())
    for file in ("passwd", "shadow", "group", "subuid"):
        assert "games" not in second.text(f"etc/{file}")
        assert second.text(f"etc/{file}") == direct.text(f"etc/{file}")
    # Going directly, another number is asked about; of what is remembered the name is all that is known.
    assert second.conflicts == [] and bool(direct.conflicts) is (number != 101)
    assert second.notes("removed-before") == ["/etc/group", "/etc/passwd"]
    third = merge_tables(
        tmp_path / "3", {**KEEP, **again}, {**KEEP, **again, "etc/new": "n"}, {**KEEP, **accounts()}, after=second
    )
    assert third.notes("removed-before") == [] and "games" not in third.text("etc/passwd")


def test_an_account_that_only_gold_removed_comes_back(tmp_path: Path) -> None:
    second, _ = three(tmp_path, accounts("games"), accounts(), accounts("games"), accounts("games"))
    assert "games:x:101" in second.text("etc/passwd") and second.notes("removed-before") == []


def test_names_of_accounts_are_remembered_and_forgotten(tmp_path: Path) -> None:
    first = merge_tables(tmp_path / "1", accounts("games"), accounts(), accounts())
    assert first.record["memory"]["after"] == [
        {"path": "/etc/group", "lines": ["games"]}, {"path": "/etc/passwd", "lines": ["games"]},
    ]  # fmt: skip
    same = merge_tables(tmp_path / "2", accounts(), {**accounts(), "etc/x": "x"}, accounts(), after=first)
    assert same.record["memory"]["after"] == first.record["memory"]["after"]
    own = merge_tables(tmp_path / "3", accounts(), {**accounts(), "etc/x": "x"}, accounts("games"), after=same)
    assert own.record["memory"]["after"] == []


def groups(adm: str | None, admins: str = "", *users: str) -> Table:
    """Users, and a group with such members and, in gshadow, such administrators; ``None``: without the group."""
    adm_line = "" if adm is None else f"adm:x:4:{adm}\n"
    return {
        "etc/passwd": "root:x:0:0::/root:/bin/sh\n"
        + "".join(f"{u}:x:{n}:100::/:/bin/sh\n" for n, u in enumerate(users, 101)),
        "etc/group": f"root:x:0:\n{adm_line}users:x:100:\n",
        "etc/gshadow": "root:*::\n" + ("" if adm is None else f"adm:!:{admins}:{adm}\n") + "users:*::\n",
    }


BOTH = ("anna", "ben")


@pytest.mark.parametrize("own", ["", "ben"], ids=["as gold", "changed"])
def test_who_was_taken_out_of_a_group_stays_out(tmp_path: Path, own: str) -> None:
    whole, less, server = groups("anna", "anna", *BOTH), groups("", "", *BOTH), groups(own, own, *BOTH)
    second, direct = three(tmp_path, whole, less, whole, server)
    for file in ("group", "gshadow"):
        assert second.text(f"etc/{file}") == direct.text(f"etc/{file}") == server[f"etc/{file}"]
    assert second.conflicts == direct.conflicts == []
    assert second.notes("removed-before") == ["/etc/group"]
    said = {note["text"].partition(": ")[2] for note in second.record["notes"] if note["kind"] == "removed-before"}
    assert said == {"anna of adm"}
    third = merge_tables(
        tmp_path / "3", {**KEEP, **whole}, {**KEEP, **whole, "etc/new": "n"}, {**KEEP, **server}, after=second
    )
    assert third.notes("removed-before") == [] and third.text("etc/group") == server["etc/group"]
    assert third.record["memory"]["after"] == []


def test_what_gold_does_to_the_group_besides_arrives(tmp_path: Path) -> None:
    second, direct = three(
        tmp_path, groups("anna", "", *BOTH), groups("", "", *BOTH), groups("ben,anna", "", *BOTH), groups("", "", *BOTH)
    )
    assert second.text("etc/group") == direct.text("etc/group") == "root:x:0:\nadm:x:4:ben\nusers:x:100:\n"


@pytest.mark.parametrize("without", ["user", "group", "both"])
@pytest.mark.parametrize("answer", ["clone", "gold"])
def test_a_user_or_group_that_is_absent_from_2_does_not_bring_the_membership_back(
    tmp_path: Path, without: str, answer: str
) -> None:
    """The server took anna out of adm on 1: that is asked where gold 2 drops her, or the group; 3 has all again."""
    whole, server = groups("anna", "", *BOTH), groups("", "", *BOTH)
    middle = groups("" if without == "user" else None, "", *(("anna", "ben") if without == "group" else ("ben",)))
    room = {word: make_tree(tmp_path / word, {**KEEP, **table}) for word, table in
            {"1": whole, "2": middle, "3": whole, "server": server}.items()}  # fmt: skip
    roots = {"base": room["1"], "gold": room["2"], "clone": room["server"]}
    asked = merge_directories(tmp_path, roots, out="asked")
    assert asked.conflicts
    first = merge_directories(tmp_path, roots, out="first", decisions=asked.decide(answer))
    second = merge_directories(
        tmp_path, {"base": room["2"], "gold": room["3"], "clone": first.out}, out="second", after=first
    )
    assert "anna:x:101" in second.text("etc/passwd")
    assert "adm:x:4:\n" in second.text("etc/group") and "adm:!::\n" in second.text("etc/gshadow")
    assert second.conflicts == [] and second.notes("removed-before") == ["/etc/group"]


def test_a_membership_that_gold_took_away_comes_back_with_gold(tmp_path: Path) -> None:
    whole, less = groups("anna", "anna", *BOTH), groups("", "", *BOTH)
    second, _ = three(tmp_path, whole, less, whole, whole)
    assert second.text("etc/group") == whole["etc/group"] and second.text("etc/gshadow") == whole["etc/gshadow"]
    assert second.notes("removed-before") == [] and second.record["memory"]["after"] == []


def test_a_membership_of_the_servers_own_is_nobodys_to_take(tmp_path: Path) -> None:
    less, own = groups("", "", *BOTH), groups("anna", "", *BOTH)
    second, _ = three(tmp_path, less, less, groups("ben", "", *BOTH), own)
    assert second.text("etc/group") == "root:x:0:\nadm:x:4:anna,ben\nusers:x:100:\n"


def test_memberships_are_remembered_as_lines_and_forgotten(tmp_path: Path) -> None:
    whole, less = groups("anna,ben", "ben", *BOTH), groups("", "", *BOTH)
    first = merge_tables(tmp_path / "1", whole, less, less)
    assert first.record["memory"]["after"] == [
        {"path": "/etc/group", "lines": ["adm:::anna", "adm:::ben"]},
        {"path": "/etc/gshadow", "lines": ["adm:::anna", "adm:::ben", "adm::ben"]},
    ]
    same = merge_tables(tmp_path / "2", less, {**less, "etc/x": "x"}, less, after=first)
    assert same.record["memory"]["after"] == first.record["memory"]["after"]
    own = merge_tables(tmp_path / "3", less, {**less, "etc/x": "x"}, whole, after=same)
    assert own.record["memory"]["after"] == []


def test_who_was_in_a_group_that_the_server_removed_goes_by_the_group(tmp_path: Path) -> None:
    first = merge_tables(tmp_path, groups("anna", "", *BOTH), groups(None, "", *BOTH), groups(None, "", *BOTH))
    assert first.record["memory"]["after"] == [{"path": "/etc/group", "lines": ["adm"]}]


@pytest.mark.root
def test_a_service_whose_files_gold_brings_again_has_a_name_or_a_note(tmp_path: Path) -> None:
    """What gold has with the account is as going from 1 to 3 has it."""

    def game(*names: str) -> Table:
        return {**accounts(*names), **({"usr/games/x": File("x", uid=101, gid=101)} if names else {})}

    second, direct = three(tmp_path, game("games"), game(), game("games"), game())
    assert second.text("etc/passwd") == direct.text("etc/passwd")
    assert second.conflicts == direct.conflicts
