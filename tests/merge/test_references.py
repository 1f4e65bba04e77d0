"""What the server keeps must not point at what gold took away (letter A of the second edition)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from goldroot.conflicts import Decision
from goldroot.merge import Options, Trees, plan_trees
from goldroot.merge.refer.view import View
from goldroot.policy import Policy
from support.merging import Outcome, Table, merge_tables
from support.trees import Dir, File, Link, Node, make_tree

PROGRAM = File("#!/bin/sh\n", mode=0o755)
WANTS = "etc/systemd/system/multi-user.target.wants"


def tables(
    gone: dict[str, Node], own: dict[str, Node], new: dict[str, Node] | None = None
) -> tuple[Table, Table, Table]:
    """Gold has ``gone`` and drops it, ``new`` comes with the next one; the server has ``own`` besides."""
    keep: dict[str, Node] = {
        "etc/keep": "x",
        "usr/bin/sh": PROGRAM,
        "usr/lib/systemd/system": Dir(),
        "usr/share": Dir(),
    }
    return {**keep, **gone}, {**keep, **(new or {})}, {**keep, **gone, **own}


def asked(done: Outcome) -> list[tuple[str, str]]:
    return [(path, axis) for path, axis in done.conflicts if axis == "reference"]


@pytest.mark.parametrize(
    ("gone", "own", "where"),
    [
        ({"usr/lib/systemd/system/dhcpd.service": "[Unit]"},
         {f"{WANTS}/dhcpd.service": Link("/usr/lib/systemd/system/dhcpd.service")}, f"/{WANTS}/dhcpd.service"),
        ({"usr/lib/systemd/system/web@.service": "[Unit]"},
         {f"{WANTS}/web@shop.service": Link("/lib/systemd/system/web@.service")}, f"/{WANTS}/web@shop.service"),
        ({"etc/init.d/old": PROGRAM}, {f"{WANTS}/old.service": Link("/run/whatever")}, f"/{WANTS}/old.service"),
        ({"usr/lib/systemd/system/ssh.service": "[Unit]"},
         {"etc/systemd/system/sshd.service": Link("/usr/lib/systemd/system/ssh.service")},
         "/etc/systemd/system/sshd.service"),
        ({"usr/bin/vim.basic": PROGRAM}, {"etc/alternatives/editor": Link("/usr/bin/vim.basic")},
         "/etc/alternatives/editor"),
        ({"etc/apache2/conf-available/php8.2-fpm.conf": "1"},
         {"etc/apache2/conf-enabled/php8.2-fpm.conf": Link("../conf-available/php8.2-fpm.conf")},
         "/etc/apache2/conf-enabled/php8.2-fpm.conf"),
        ({"usr/share/zoneinfo/US/Pacific": "tz"}, {"etc/localtime": Link("/usr/share/zoneinfo/US/Pacific")},
         "/etc/localtime"),
        ({"usr/lib/systemd/systemd-resolved": PROGRAM},
         {"etc/resolv.conf": Link("../run/systemd/resolve/stub-resolv.conf")}, "/etc/resolv.conf"),
        ({"usr/sbin/NetworkManager": PROGRAM}, {"etc/resolv.conf": Link("/run/NetworkManager/resolv.conf")},
         "/etc/resolv.conf"),
        ({"usr/sbin/resolvconf": PROGRAM}, {"etc/resolv.conf": Link("/etc/resolvconf/run/resolv.conf"),
          "etc/resolvconf/run": Link("/run/resolvconf")}, "/etc/resolv.conf"),
        ({"usr/bin/python3.11": PROGRAM}, {"srv/shop/venv/bin/python3": Link("/usr/bin/python3.11")}, "/srv/shop"),
        ({"usr/share/app/x": "1"}, {"var/lib/app/link": Link("../../../usr/share/app/x")}, "/var/lib/app"),
        ({"usr/share/theme/a": "1"}, {"etc/app/theme": Link("/usr/share/theme")}, "/etc/app/theme"),
    ],
)  # fmt: skip
def test_a_link_to_what_gold_took_away_is_asked_about(
    tmp_path: Path, gone: dict[str, Node], own: dict[str, Node], where: str
) -> None:
    done = merge_tables(tmp_path, *tables(gone, own))
    assert done.conflicts == [(where, "reference")]
    for path, node in own.items():
        assert isinstance(node, Link) and done.tree[path].content.decode() == node.target  # it stays
    kept = merge_tables(tmp_path, {}, {}, {}, out="kept", decisions=done.decide("clone"))
    assert kept.conflicts == [] and kept.tree == done.tree
    taken = merge_tables(tmp_path, {}, {}, {}, out="taken", decisions=done.decide("gold"))
    assert taken.conflicts == []
    head = next(path for path in own if f"/{path}" == where or f"/{path}".startswith(f"{where}/"))
    assert head not in taken.tree


def test_the_answer_gold_takes_what_gold_has_there(tmp_path: Path) -> None:
    base, gold, clone = tables({"usr/bin/vim": PROGRAM}, {"etc/alternatives/editor": Link("/usr/bin/vim")})
    nano: dict[str, Node] = {"usr/bin/nano": PROGRAM, "etc/alternatives/editor": Link("/usr/bin/nano")}
    base, gold = {**base, **nano}, {**gold, **nano}
    done = merge_tables(tmp_path, base, gold, clone)
    assert done.conflicts == [("/etc/alternatives/editor", "reference")]
    taken = merge_tables(tmp_path, {}, {}, {}, out="taken", decisions=done.decide("gold"))
    assert taken.tree["etc/alternatives/editor"].content == b"/usr/bin/nano" and taken.conflicts == []


@pytest.mark.parametrize(
    ("gone", "own", "new"),
    [
        # by name: the unit is elsewhere now, or an alias of that name is there
        ({"lib/systemd/system/x.service": "[Unit]"}, {f"{WANTS}/x.service": Link("/lib/systemd/system/x.service")},
         {"usr/lib/systemd/system/x.service": "[Unit]"}),
        ({"usr/lib/systemd/system/x.service": "[Unit]"}, {f"{WANTS}/x.service": Link("/usr/lib/systemd/system/x.service")},
         {"usr/lib/systemd/system/y.service": "[Unit]", "usr/lib/systemd/system/x.service": Link("y.service")}),
        # masks
        ({"usr/lib/systemd/system/x.service": "[Unit]"}, {"etc/systemd/system/x.service": Link("/dev/null")}, {}),
        ({"usr/lib/systemd/system/x.service": "[Unit]"},
         {"etc/systemd/system/x.service": Link("/dev/null"), f"{WANTS}/x.service": Link("/lib/systemd/system/x.service")}, {}),
        ({"usr/lib/systemd/system/x.service": "[Unit]"},
         {"etc/systemd/system/x.service": "", f"{WANTS}/x.service": Link("/lib/systemd/system/x.service")}, {}),
        # what never was there
        ({}, {"etc/a": Link("/usr/share/nothing"), "srv/s/l": Link("/nowhere")}, {}),
        # what no disk can tell
        ({}, {"etc/a": Link("/run/x"), "etc/b": Link("/proc/mounts"), "etc/c": Link("/dev/shm/x"), "etc/d": Link("/tmp/x")}, {}),
        # a loop is as gone before as it is after
        ({"usr/share/a": "1"}, {"etc/l1": Link("l2"), "etc/l2": Link("l1")}, {}),
        # links that a program makes
        ({"usr/share/ca-certificates/x.crt": "1"}, {"etc/ssl/certs/x.pem": Link("/usr/share/ca-certificates/x.crt")}, {}),
        # inside of its unit, and another system's root
        ({"usr/bin/python3.11": PROGRAM},
         {"var/lib/machines/deb12/usr/bin/python3": Link("/usr/bin/python3.11"), "var/lib/machines/deb12/etc/passwd": ""}, {}),
        ({"usr/bin/python3.11": PROGRAM},
         {"srv/jail/bin/python3": Link("/usr/bin/python3.11"), "srv/jail/etc/passwd": "root:x:0:0::/:/bin/sh\n"}, {}),
        ({"usr/bin/python3.11": PROGRAM}, {"srv/s/a/l": Link("../b/f"), "srv/s/b/x": "1"}, {}),
        # on a mount
        ({"mnt/data/x": "1"}, {"etc/l": Link("/mnt/data/x"), "etc/fstab": "/dev/sdb1 /mnt/data ext4 defaults 0 0\n"},
         {"mnt/data": Dir()}),
        ({"mnt/data/x": "1"}, {"etc/l": Link("/mnt/data/x"), "etc/systemd/system/mnt-data.mount": "[Mount]\n"},
         {"mnt/data": Dir()}),
    ],
)  # fmt: skip
def test_silent(tmp_path: Path, gone: dict[str, Node], own: dict[str, Node], new: dict[str, Node]) -> None:
    done = merge_tables(tmp_path, *tables(gone, own, new))
    assert done.conflicts == []
    assert done.notes("reference-broken") == []


def test_a_link_that_gold_has_too_is_golds_fault(tmp_path: Path) -> None:
    link: dict[str, Node] = {"etc/l": Link("/usr/share/x"), "srv/s/l": Link("/usr/share/x")}
    base, gold, clone = tables({"usr/share/x": "1", **link}, {"srv/s/own": "1", "etc/own": "1"}, link)
    assert merge_tables(tmp_path, base, gold, clone).conflicts == []


def test_homes_are_noted_once_and_sites_asked_about_each(tmp_path: Path) -> None:
    python = Link("/usr/bin/python3.11")
    own: dict[str, Node] = {
        f"{top}/{name}/venv/bin/{link}": python
        for top in ("srv", "home") for name in ("one", "two") for link in ("python3", "python")
    }  # fmt: skip
    done = merge_tables(tmp_path, *tables({"usr/bin/python3.11": PROGRAM}, own))
    assert done.conflicts == [("/srv/one", "reference"), ("/srv/two", "reference")]
    assert done.notes("reference-broken") == ["/home"]
    assert "/srv/one/venv/bin/python3" in done.record["conflicts"][0]["detail"]


def test_one_missing_directory_is_one_question_and_ten_examples_are_named(tmp_path: Path) -> None:
    own: dict[str, Node] = {f"etc/app/l{number:02}": Link("/usr/share/old/x") for number in range(15)}
    done = merge_tables(tmp_path, *tables({"usr/share/old/x": "1"}, own))
    assert done.conflicts == [("/etc/app/l00", "reference")]
    assert "/etc/app/l09 and 5 more" in done.record["conflicts"][0]["detail"]


def test_one_unit_is_one_question(tmp_path: Path) -> None:
    unit = Link("/usr/lib/systemd/system/dhcpd.service")
    other = "etc/systemd/system/network-online.target.requires/dhcpd.service"
    own: dict[str, Node] = {f"{WANTS}/dhcpd.service": unit, other: unit}
    done = merge_tables(tmp_path, *tables({"usr/lib/systemd/system/dhcpd.service": "[Unit]"}, own))
    assert done.conflicts == [(f"/{WANTS}/dhcpd.service", "reference")]


def test_slaves_of_an_alternative_belong_to_it(tmp_path: Path) -> None:
    man = "/usr/share/man/man1"
    record = f"manual\n/usr/bin/editor\neditor.1.gz\n{man}/editor.1.gz\n\n/usr/bin/vim\n30\n{man}/vim.1.gz\n\n"
    gone: dict[str, Node] = {"usr/bin/vim": PROGRAM, "usr/share/man/man1/vim.1.gz": "m", "usr/share/vim/x": "x"}
    own: dict[str, Node] = {
        "etc/alternatives/editor": Link("/usr/bin/vim"),
        "etc/alternatives/editor.1.gz": Link("/usr/share/man/man1/vim.1.gz"),
        "var/lib/dpkg/alternatives/editor": record,
    }
    done = merge_tables(tmp_path, *tables(gone, own))
    assert asked(done) == [("/etc/alternatives/editor", "reference")]


@pytest.mark.parametrize("with_record", [True, False])
@pytest.mark.parametrize("page_is_gone", [True, False])
def test_slaves_follow_the_answer_about_their_master(tmp_path: Path, with_record: bool, page_is_gone: bool) -> None:
    man = "/usr/share/man/man1"

    def links(name: str) -> dict[str, Node]:
        record = (
            f"manual\n/usr/bin/editor\neditor.1.gz\n{man}/editor.1.gz\n\n/usr/bin/{name}\n30\n{man}/{name}.1.gz\n\n"
        )
        return {
            "etc/alternatives/editor": Link(f"/usr/bin/{name}"),
            "etc/alternatives/editor.1.gz": Link(f"{man}/{name}.1.gz"),
            "etc/alternatives/other.1.gz": Link(f"{man}/{name}.1.gz"),
            **({"var/lib/dpkg/alternatives/editor": record} if with_record else {}),
        }

    page: dict[str, Node] = {"usr/share/man/man1/vim.1.gz": "m"}
    shared: dict[str, Node] = {"usr/bin/nano": PROGRAM, "usr/share/man/man1/nano.1.gz": "m"}
    base, gold, clone = tables({"usr/bin/vim": PROGRAM, **page}, {})
    nano = {**shared, **links("nano"), **({} if page_is_gone else page)}
    done = merge_tables(tmp_path, {**base, **nano}, {**gold, **nano}, {**clone, **nano, **links("vim")})
    assert ("/etc/alternatives/editor", "reference") in done.conflicts
    assert not [path for path, _ in done.conflicts if "editor.1" in path]
    taken = merge_tables(tmp_path, {}, {}, {}, out="taken", decisions=done.decide("gold"))
    assert taken.tree["etc/alternatives/editor"].content == b"/usr/bin/nano"
    assert taken.tree["etc/alternatives/editor.1.gz"].content == f"{man}/nano.1.gz".encode()
    assert taken.tree["etc/alternatives/other.1.gz"].content == f"{man}/vim.1.gz".encode() or page_is_gone
    kept = merge_tables(tmp_path, {}, {}, {}, out="kept", decisions=done.decide("clone"))
    assert kept.tree["etc/alternatives/editor.1.gz"].content == f"{man}/vim.1.gz".encode()
    assert kept.conflicts == taken.conflicts == []


PASSWD = "root:x:0:0::/root:/bin/sh\nanna:x:4321:4321::/home/anna:{}\n"


def shells(shell: str, hashed: str, **own: Node) -> tuple[Table, Table, Table]:
    etc: dict[str, Node] = {"etc/group": "root:x:0:\nanna:x:4321:\n", "bin": Link("usr/bin")}
    gone: dict[str, Node] = {"usr/bin/zsh": PROGRAM, "etc/shells": "/bin/sh\n/usr/bin/zsh\n"}
    base, gold, clone = tables({**etc, **gone, "etc/passwd": "root:x:0:0::/root:/bin/sh\n"}, {
        "etc/passwd": PASSWD.format(shell), "etc/shadow": File(f"anna:{hashed}:19000::::::\n", mode=0o600), **own,
    }, {**etc, "etc/passwd": "root:x:0:0::/root:/bin/sh\n", "etc/shells": "/bin/sh\n"})  # fmt: skip
    return base, gold, clone


@pytest.mark.parametrize(("hashed", "own", "question"), [
    ("$y$abc", {}, True), ("!", {}, False), ("*", {}, False), ("!$y$abc", {}, False),
    ("!", {"home/anna/.ssh/authorized_keys": "ssh-ed25519 AAAA x\n"}, True),
])  # fmt: skip
def test_a_login_shell_that_is_gone(tmp_path: Path, hashed: str, own: dict[str, Node], question: bool) -> None:
    done = merge_tables(tmp_path, *shells("/usr/bin/zsh", hashed, **own))
    assert asked(done) == ([("/etc/passwd", "reference")] if question else [])
    assert done.notes("reference-broken") == ([] if question else ["/etc/passwd"])
    assert done.notes("shell-not-listed") == []
    if question:
        [conflict] = [one for one in done.record["conflicts"] if one["axis"] == "reference"]
        assert conflict["answers"] == ["clone"] and "anna" in conflict["detail"]
        again = merge_tables(tmp_path, {}, {}, {}, out="again", decisions={conflict["key"]: Decision("clone")})
        assert asked(again) == []


def test_a_shell_that_is_only_not_listed_any_more_is_noted(tmp_path: Path) -> None:
    base, gold, clone = shells("/usr/bin/zsh", "$y$abc")
    done = merge_tables(tmp_path, base, {**gold, "usr/bin/zsh": PROGRAM}, clone)
    assert asked(done) == []
    assert done.notes("shell-not-listed") == ["/etc/shells"]


def test_a_shell_that_gold_took_its_right_from_is_gone(tmp_path: Path) -> None:
    base, gold, clone = shells("/usr/bin/zsh", "$y$abc")
    done = merge_tables(tmp_path, base, {**gold, "usr/bin/zsh": File("#!/bin/sh\n", mode=0o644)}, clone)
    assert asked(done) == [("/etc/passwd", "reference")]


def test_a_shell_that_is_there_by_another_way_is_there(tmp_path: Path) -> None:
    base, gold, clone = shells("/bin/zsh", "$y$abc")
    assert asked(merge_tables(tmp_path, base, {**gold, "usr/bin/zsh": PROGRAM}, clone)) == []
    assert asked(merge_tables(tmp_path / "gone", base, gold, clone)) == [("/etc/passwd", "reference")]


@pytest.mark.parametrize(("line", "level"), [
    ("/srv/data /opt/old none bind 0 0", "ask"),
    ("/opt/old /srv/data none bind 0 0", "ask"),
    ("/opt/old /srv/data none bind,nofail 0 0", "note"),
    ("/opt/old /srv/data none bind,noauto 0 0", "note"),
    ("/opt/old /srv/data none bind,x-systemd.automount 0 0", "note"),
    ("/opt/old/img /srv/data ext4 loop 0 0", "ask"),
    ("overlay /srv/data overlay lowerdir=/opt/old:/usr,upperdir=/srv/u,workdir=/srv/w 0 0", "ask"),
    ("//host/share /srv/data cifs credentials=/opt/old/img 0 0", "ask"),
    ("/opt/old/img none swap sw 0 0", "ask"),
    ("LABEL=x /srv/data ext4 defaults 0 0", ""),
    ("host:/opt/old /srv/data nfs defaults 0 0", ""),
    ("/dev/old /srv/data ext4 defaults 0 0", ""),
    ("# /opt/old /srv/data none bind 0 0", ""),
    (r"/opt/ol\144 /srv/data none bind 0 0", "ask"),
])  # fmt: skip
def test_a_path_in_fstab_that_is_gone(tmp_path: Path, line: str, level: str) -> None:
    base, gold, clone = tables({"opt/old/img": "1"}, {"etc/fstab": line + "\n", "srv/data": Dir()})
    done = merge_tables(tmp_path, base, gold, clone)
    assert asked(done) == ([("/etc/fstab", "reference")] if level == "ask" else [])
    assert done.notes("reference-broken") == (["/etc/fstab"] if level == "note" else [])


@pytest.mark.parametrize("at", ["/", "/etc"])
@pytest.mark.parametrize("line", ["/opt/old /mnt/a none bind", "/usr /mnt/gone none bind", "/ /mnt/gone none rbind"])
def test_a_bind_whose_source_or_point_is_gone_is_asked_about_wherever_the_trees_stand(
    tmp_path: Path, at: str, line: str
) -> None:
    """Also where the two roots are named of which the trees are already the whole."""
    new: dict[str, Node] = {"etc/fstab": "", "mnt/a": Dir(), "usr": Dir()}
    old: dict[str, Node] = {**new, "opt/old": Dir(), "mnt/gone": Dir()}
    roots = [
        make_tree(tmp_path / name, table)
        for name, table in (("b", old), ("g", new), ("c", {**old, "etc/fstab": f"{line} 0 0\n"}))
    ]
    b, g, c = (root / at.strip("/") for root in roots)
    keys = [
        [one.key for one in plan_trees(trees).conflicts]
        for trees in (Trees(b, g, c, at=at, system=(roots[0], roots[1])), Trees(b, g, c, at=at))
    ]
    assert len(keys[0]) == 1 and keys[1] == (keys[0] if at == "/" else [])


def test_a_line_that_golds_fstab_has_too_is_golds_fault(tmp_path: Path) -> None:
    line: dict[str, Node] = {"etc/fstab": "/opt/old /mnt none bind 0 0\n"}
    base, gold, clone = tables(
        {"opt/old/x": "1", **line}, {"etc/fstab": "/opt/old /mnt none bind 0 0\ntmpfs /t tmpfs\n"}, line
    )
    assert merge_tables(tmp_path, base, gold, clone).conflicts == []


def test_of_etc_alone_nothing_is_asked_and_one_note_says_so(tmp_path: Path) -> None:
    base: Table = {"keep": "x"}
    clone: Table = {"keep": "x", "localtime": Link("/usr/share/zoneinfo/UTC"), "alternatives/editor": Link("/usr/bin/vim"),
                    "in": Link("keep")}  # fmt: skip
    done = merge_tables(tmp_path, base, {"keep": "x", "new": "1"}, clone, at="/etc")
    assert done.conflicts == []
    assert [note["data"] for note in done.record["notes"] if note["kind"] == "references-not-checked"] == [
        {"references": 2}
    ]


def test_with_the_two_roots_it_is_looked_up_there(tmp_path: Path) -> None:
    old, new = (
        make_tree(tmp_path / "old", {"usr/bin/vim": PROGRAM, "etc/gone": "1"}),
        make_tree(tmp_path / "new", {"usr": Dir()}),
    )
    for side, table in (
        ("b", {"gone": "1"}),
        ("g", {"gone": "1"}),
        ("c", {"editor": Link("/usr/bin/vim"), "own": Link("/etc/gone")}),
    ):
        make_tree(tmp_path / side, table)  # type: ignore[arg-type]
    trees = Trees(tmp_path / "b", tmp_path / "g", tmp_path / "c", at="/etc", system=(old, new))
    plan = plan_trees(trees)
    assert [(one.path, one.axis) for one in plan.conflicts] == [(b"/etc/editor", "reference")]
    assert "references-not-checked" not in {note.kind for note in plan.record.notes}


def test_answers_do_not_depend_on_the_version(tmp_path: Path) -> None:
    """The same server, with the same link, is asked the same by every later gold."""
    keys = []
    for number, new in enumerate(({"usr/share/new": "1"}, {"usr/share/new": "2", "etc/keep": "y"})):
        base, gold, clone = tables(
            {"usr/bin/vim": PROGRAM}, {"etc/alternatives/editor": Link("/usr/bin/vim")}, dict(new)
        )
        done = merge_tables(tmp_path / str(number), base, gold, clone)
        keys += [conflict["key"] for conflict in done.record["conflicts"]]
    assert len(keys) == 2 and keys[0] == keys[1]


def test_a_conflict_at_the_link_itself_is_asked_first(tmp_path: Path) -> None:
    base, gold, clone = tables({"usr/bin/vim": PROGRAM}, {"etc/alternatives/editor": Link("/usr/bin/vim")})
    base = {**base, "etc/alternatives/editor": Link("/usr/bin/ed")}
    gold = {**gold, "etc/alternatives/editor": Link("/usr/bin/nano")}
    done = merge_tables(tmp_path, base, gold, clone)
    assert done.conflicts == [("/etc/alternatives/editor", "content")]
    again = merge_tables(tmp_path, {}, {}, {}, out="again", decisions=done.decide("clone"))
    assert again.conflicts == [("/etc/alternatives/editor", "reference")]


def test_once_it_is_switched_it_is_not_asked_again(tmp_path: Path) -> None:
    _, gold, clone = tables({"usr/bin/vim": PROGRAM}, {"etc/alternatives/editor": Link("/usr/bin/vim")})
    result: Table = {path: node for path, node in clone.items() if path != "usr/bin/vim"}
    assert merge_tables(tmp_path, gold, {**gold, "etc/new": "1"}, result).conflicts == []


def test_accounts_that_are_not_merged_here_refer_to_nothing(tmp_path: Path) -> None:
    """Merging /srv with the three /etc beside it says nothing of login shells."""
    etc = {"passwd": PASSWD.format("/usr/bin/zsh"), "group": "root:x:0:\nanna:x:4321:\n"}
    for side in ("b", "g", "c"):
        make_tree(tmp_path / f"{side}-etc", etc)
        make_tree(tmp_path / side, {"site/x": "1", f"new-{side}/x": "1"})
    trees = Trees(tmp_path / "b", tmp_path / "g", tmp_path / "c", at="/srv",
                  accounts=(tmp_path / "b-etc", tmp_path / "g-etc", tmp_path / "c-etc"))  # fmt: skip
    assert "references-not-checked" not in {note.kind for note in plan_trees(trees).record.notes}


def test_a_link_that_is_a_unit_leads_out_of_it(tmp_path: Path) -> None:
    done = merge_tables(tmp_path, *tables({"srv/shared/x": "1"}, {"srv/site": Link("shared/x")}))
    assert done.conflicts == [("/srv/site", "reference")]


@pytest.mark.parametrize("depth", [39, 41])
def test_forty_links_are_none(tmp_path: Path, depth: int) -> None:
    chain: dict[str, Node] = {f"usr/share/l{number}": Link(f"l{number + 1}") for number in range(depth)}
    chain[f"usr/share/l{depth}"] = "end"
    base, gold, clone = tables(chain, {"etc/own": Link("/usr/share/l1")})
    done = merge_tables(tmp_path, base, gold, clone)
    assert bool(done.conflicts) is (depth < 40)


@pytest.mark.parametrize("kept", [True, False])
def test_each_link_is_looked_up_once_and_no_path_is_matched_three_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    """What 200 links more cost: a look at each target after the update, and one before it where it is gone."""
    looks: Counter[bytes] = Counter()
    matched: Counter[bytes] = Counter()
    find, match = View.find, Policy.match
    monkeypatch.setattr(View, "find", lambda view, place, **more: looks.update([place]) or find(view, place, **more))
    monkeypatch.setattr(Policy, "match", lambda policy, place: matched.update([place]) or match(policy, place))
    done = {}
    for count in (100, 300):
        gone: dict[str, Node] = {f"usr/share/x/{number}": "x" for number in range(count)}
        own: dict[str, Node] = {
            f"srv/s{number % 7}/{number}": Link(f"/usr/share/x/{number}") for number in range(count)
        }
        roots = [
            make_tree(tmp_path / f"{count}-{place}", table)
            for place, table in enumerate(tables(gone, own, gone if kept else {}))
        ]
        looks.clear()
        matched.clear()
        plan_trees(Trees(*roots), options=Options(jobs=1))
        done[count] = looks.total()
    # Of what is gone, the directories above it are asked for, too, to name the topmost one.
    assert done[300] - done[100] <= 200 * (1 if kept else 5)
    assert max(matched.values()) <= 2  # whether it is read, and what is done with it


# -- what the server's own units, cron tables and settings name

OLD: dict[str, Node] = {"opt/old/bin/run": PROGRAM, "opt/old/data/x": "1", "usr/share/old/run.py": "1"}
MAIN = "etc/postfix/main.cf"


@pytest.mark.parametrize(
    ("path", "text", "asked_of"),
    [
        ("etc/systemd/system/own.service", "[Service]\nExecStart=/opt/old/bin/run --all\n", "/opt/old"),
        ("etc/systemd/system/own.service", "[Service]\nExecStartPre=@+/opt/old/bin/run x\n", "/opt/old"),
        ("etc/systemd/system/own.service", "ExecStart=/bin/sh \\\n  /usr/share/old/run.py\n", "/usr/share/old"),
        ("etc/systemd/system/own.service", 'ExecStart=/bin/sh -c "cd /opt/old/data; x"\n', "/opt/old"),
        ("etc/systemd/system/own.service", "WorkingDirectory=/opt/old/data\n", "/opt/old"),
        ("etc/systemd/system/nginx.service.d/own.conf", "[Service]\nExecStart=\nExecStart=/opt/old/bin/run\n", "/opt/old"),
        ("etc/systemd/user/own.service", "ExecStop=/opt/old/bin/run\n", "/opt/old"),
        ("etc/systemd/system/srv-x.mount", "[Mount]\nWhat=/opt/old/data\nWhere=/srv/x\n", "/opt/old"),
        ("etc/systemd/system/opt-old.mount", "[Mount]\nWhat=LABEL=x\nWhere=/opt/old\n", "/opt/old"),
        ("etc/crontab", "SHELL=/bin/sh\n5 4 * * *\troot\t/opt/old/bin/run\n", "/opt/old"),
        ("etc/cron.d/own", "@daily root cd /opt/old/data && ./x\n", "/opt/old"),
        ("etc/cron.d/own", "*/5 * * * * root nice -n 5 /opt/old/bin/run >/opt/old/log 2>&1\n", "/opt/old"),
        (MAIN, "transport_maps = hash:/opt/old/data/x, proxy:cidr:/usr/share/old/run.py\n", "/usr/share/old"),
        # What may be missing, and what is not a path of this kind.
        ("etc/systemd/system/own.service", "ExecStart=-/opt/old/bin/run\nEnvironmentFile=-/opt/old/data/x\n", None),
        ("etc/systemd/system/own.service", "#ExecStart=/opt/old/bin/run\nDescription=/opt/old/bin/run\n", None),
        ("etc/systemd/system/own.service", "ExecStart=/bin/sh /opt/old/%i /opt/new/x\n", None),
        ("etc/cron.d/own", "5 4 * * * root [ -x /opt/old/bin/run ] && /opt/old/bin/run\n", None),
        ("etc/cron.d/own", "5 4 * * * root test -x /opt/old/bin/run || exit 0; /opt/old/bin/run\n", None),
        ("etc/cron.d/own", "# 5 4 * * * root /opt/old/bin/run\nX=/opt/old/bin/run\n", None),
        ("etc/own.conf", "/opt/old/bin/run\n", None),
    ],
)  # fmt: skip
def test_a_line_that_names_what_gold_took_away_is_asked_about(
    tmp_path: Path, path: str, text: str, asked_of: str | None
) -> None:
    base, gold, clone = tables(OLD, {path: text})
    done = merge_tables(tmp_path, base, gold, clone)
    assert asked(done) == ([] if asked_of is None else [(f"/{path}", "reference")])
    if asked_of is not None:
        [conflict] = done.record["conflicts"]
        assert conflict["answers"] == ["clone"] and f"names {asked_of}" in conflict["detail"]
        kept = merge_tables(tmp_path, {}, {}, {}, out="kept", decisions=done.decide("clone"))
        assert kept.conflicts == [] and kept.text(path) == text


@pytest.mark.parametrize("spool", ["crontabs/anna", "tabs/anna", "anna"])
def test_a_persons_cron_table_is_noted(tmp_path: Path, spool: str) -> None:
    own: dict[str, Node] = {f"var/spool/cron/{spool}": "5 4 * * * /opt/old/bin/run\n"}
    done = merge_tables(tmp_path, *tables(OLD, own))
    assert done.conflicts == [] and done.notes("reference-broken") == [f"/var/spool/cron/{spool}"]


def test_one_directory_that_many_name_is_one_question(tmp_path: Path) -> None:
    own: dict[str, Node] = {
        "etc/cron.d/own": "@daily root /opt/old/bin/run\n",
        "etc/systemd/system/own.service": "ExecStart=/opt/old/bin/run\nWorkingDirectory=/opt/old/data\n",
    }
    done = merge_tables(tmp_path, *tables(OLD, own))
    assert asked(done) == [("/etc/cron.d/own", "reference")]
    assert "/etc/systemd/system/own.service" in done.record["conflicts"][0]["detail"]


def test_a_line_that_golds_file_has_too_is_golds_matter(tmp_path: Path) -> None:
    text = "ExecStart=/opt/old/bin/run\n"
    base, gold, clone = tables(OLD, {"etc/systemd/system/x.service": text + "Nice=5\n"})
    gold = {**gold, "etc/systemd/system/x.service": text}
    base = {**base, "etc/systemd/system/x.service": text}
    assert merge_tables(tmp_path, base, gold, clone).conflicts == []


@pytest.mark.parametrize("file", ["fstab", "systemd/system/data.mount"])
def test_a_mount_onto_what_the_new_root_lacks_names_its_line(tmp_path: Path, file: str) -> None:
    """``/etc`` alone, with the two roots: a bind onto a directory of the shared root."""
    text = "LABEL=r / ext4 defaults 0 1\n/srv/x /data none bind,password=p 0 0\n"
    if file != "fstab":
        text = "[Mount]\nWhat=/srv/x\nWhere=/data\n"
    old, new = (
        make_tree(tmp_path / name, {"srv/x/a": "1", **more})
        for name, more in (("old", {"data": Dir()}), ("new", {"usr": Dir()}))
    )
    for side in ("b", "g", "c"):
        make_tree(tmp_path / side, {"keep": "x", **({file: text} if side == "c" else {})})
    plan = plan_trees(Trees(tmp_path / "b", tmp_path / "g", tmp_path / "c", at="/etc", system=(old, new)))
    [conflict] = plan.conflicts
    assert conflict.path == b"/etc/" + file.encode() and "/data" in conflict.detail
    assert ("line 2: /srv/x /data none" if file == "fstab" else "Where=/data") in conflict.detail
    assert "password" not in conflict.detail
