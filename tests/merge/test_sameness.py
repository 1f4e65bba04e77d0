"""Sameness: what is the same although its bytes are not, and what each side's spelling comes to."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from goldroot.accounts import OwnerNames, owner_names
from goldroot.conflicts import Decision
from goldroot.merge import Options, Trees, plan_trees
from goldroot.merge.compare.compare import Delta
from goldroot.merge.decide.axes import merge_axes
from goldroot.merge.decide.text import in_one_form, merge_with_ends
from goldroot.merge.decide.verdict import Setting, usr_links
from goldroot.policy import Policy
from goldroot.tree import FILE, Entry
from goldroot.tree.inode import _is_hmac
from support.merging import Outcome, Table, merge_tables
from support.trees import Dir, File, Link, make_tree

ROOT = {"bin": Link("usr/bin"), "lib": Link("usr/lib"), "sbin": Link("usr/sbin"), "usr/lib/x": "x"}
SELINUX = "security.selinux"


def texts(
    tmp_path: Path, *targets: str | None, root: Table = ROOT, path: str = "etc/systemd/system/x.service"
) -> Outcome:
    base, gold, clone = ({**root, "etc": Dir(), **({path: Link(target)} if target else {})} for target in targets)
    return merge_tables(tmp_path, base, gold, clone)


# -- links


@pytest.mark.parametrize(
    ("base", "gold", "clone", "result"),
    [
        ("/lib/a", "/usr/lib/b", "/lib/b", "/usr/lib/b"),  # both changed it alike: gold's spelling
        ("/lib/a", "/lib/b", "/usr/lib/a", "/lib/b"),  # the server changed only the spelling
        ("/lib/a", "/usr/lib/a", "/lib/b", "/lib/b"),  # gold changed only the spelling
        (None, "/usr/lib/a", "/lib/a", "/usr/lib/a"),  # both added it
        ("/lib/a", "../../../usr/lib/b", "/lib/b", "../../../usr/lib/b"),  # by its place
        ("/sbin/a", "/usr/sbin/b", "/sbin/b", "/usr/sbin/b"),
    ],
)
def test_two_spellings_of_one_place_by_a_merged_usr(
    tmp_path: Path, base: str | None, gold: str, clone: str, result: str
) -> None:
    done = texts(tmp_path, base, gold, clone)
    assert done.conflicts == []
    assert done.tree["etc/systemd/system/x.service"].content == result.encode()


@pytest.mark.parametrize(("side", "other"), [(1, 2), (2, 1)])
def test_where_one_side_is_unchanged_the_others_spelling_stands(tmp_path: Path, side: int, other: int) -> None:
    targets = ["/lib/a", "/lib/a", "/lib/a"]
    targets[side] = "/usr/lib/a"
    done = texts(tmp_path, *targets)
    assert done.tree["etc/systemd/system/x.service"].content == b"/usr/lib/a"


@pytest.mark.parametrize(
    ("base", "gold", "clone", "root"),
    [
        ("/lib/a", "/usr/lib/b", "/lib/b", {"lib/x": "x", "usr/lib/x": "x"}),  # /usr is not merged
        ("/lib/a", "/usr/lib/b", "/lib/c", ROOT),  # two places
        ("/lib/a", "/usr/lib/a/../b", "/usr/lib/b", ROOT),  # /usr/lib/a may lead elsewhere
    ],
)
def test_texts_that_may_lead_elsewhere_are_asked_about(
    tmp_path: Path, base: str, gold: str, clone: str, root: Table
) -> None:
    assert texts(tmp_path, base, gold, clone, root=root).conflicts == [("/etc/systemd/system/x.service", "content")]


def test_a_root_that_nobody_has_seen_tells_nothing(tmp_path: Path) -> None:
    sides = [{"x": Link(target)} for target in ("/lib/a", "/usr/lib/b", "/lib/b")]
    assert merge_tables(tmp_path, *sides, at="/etc").conflicts == [("/etc/x", "content")]


def test_a_root_that_was_named_tells_what_trees_of_etc_cannot(tmp_path: Path) -> None:
    roots = [
        make_tree(tmp_path / word, {**ROOT, "etc/x": Link(to)}) for word, to in (("b", "/lib/a"), ("g", "/usr/lib/b"))
    ]
    clone = make_tree(tmp_path / "c", {"x": Link("/lib/b")})
    trees = Trees(roots[0] / "etc", roots[1] / "etc", clone, "/etc", system=(roots[0], roots[1]))
    assert plan_trees(trees, options=Options(jobs=1)).conflicts == ()
    (roots[1] / "lib").unlink()
    make_tree(roots[1] / "lib", {"x": "x"})
    assert [one.axis for one in plan_trees(trees, options=Options(jobs=1)).conflicts] == ["content"]


def test_the_root_of_a_container_is_another_root(tmp_path: Path) -> None:
    path = "opt/jail/bin/x"
    sides = [
        {**ROOT, "opt/jail/etc/passwd": "root:x:0:0::/:/x\n", path: Link(target)}
        for target in ("/lib/a", "/usr/lib/b", "/lib/b")
    ]
    assert merge_tables(tmp_path, *sides).conflicts == [("/opt/jail/bin/x", "content")]


def test_gold_deletes_a_link_of_which_the_server_changed_the_spelling(tmp_path: Path) -> None:
    done = texts(tmp_path, "/lib/a", None, "/usr/lib/a")
    assert done.conflicts == []
    assert "etc/systemd/system/x.service" not in done.tree


LIB, USR = "/lib/systemd/system/%s.service", "/usr/lib/systemd/system/%s.service"


@pytest.mark.parametrize("path", [
    "systemd/system/dbus-org.freedesktop.timesync1.service", "systemd/system/sshd.service", "systemd/user/x.service",
    "systemd/system/multi-user.target.wants/x.service",
])  # fmt: skip
@pytest.mark.parametrize(
    ("base", "gold", "clone", "result"),
    [
        (None, USR % "a", LIB % "a", USR % "a"),  # both added it
        (LIB % "a", USR % "a", None, None),  # the server removed it, and gold spells it again
        (LIB % "a", None, USR % "a", None),  # gold removed it, and the server has it in another spelling
        (LIB % "a", USR % "b", LIB % "b", USR % "b"),  # both changed it alike
        (LIB % "a", "../../../" + (USR % "a")[1:], LIB % "b", LIB % "b"),
        (LIB % "a", USR % "a", LIB % "a", USR % "a"),  # raw values first
    ],
)
def test_links_to_units_have_one_spelling_though_nothing_is_known_of_the_root(
    tmp_path: Path, path: str, base: str | None, gold: str | None, clone: str | None, result: str | None
) -> None:
    """``/etc`` alone: whether the root has a merged /usr cannot be seen, and systemd goes by the name."""
    if gold is not None and gold.startswith("..") and path.endswith(".wants/x.service"):
        gold = "../" + gold
    keep: Table = {"keep": "x", str(Path(path).parent): Dir()}
    sides = [{**keep, **({} if text is None else {path: Link(text)})} for text in (base, gold, clone)]
    done = merge_tables(tmp_path, *sides, at="/etc")
    assert done.conflicts == []
    assert (path in done.tree and done.tree[path].content.decode()) == (result or False)


@pytest.mark.parametrize(("path", "one", "other"), [
    ("systemd/system/x.service", LIB % "a", USR % "b"),
    ("systemd/system/x.service", "/lib/systemd/system/d/a", "/usr/lib/systemd/system/d/a"),
    ("systemd/system/x.service", "/lib/x/a", "/usr/lib/x/a"),
    ("app/x.service", LIB % "a", USR % "a"),
])  # fmt: skip
def test_other_links_have_not(tmp_path: Path, path: str, one: str, other: str) -> None:
    keep: Table = {"keep": "x"}
    done = merge_tables(tmp_path, keep, {**keep, path: Link(one)}, {**keep, path: Link(other)}, at="/etc")
    assert done.conflicts == [("/etc/" + path, "content")]


def test_directories_of_a_root_that_lead_into_usr() -> None:
    links = {b"bin": b"usr/bin", b"lib64": b"/usr/lib", b"sbin": b"usr/sbin", b"usr/sbin": b"bin", b"lib": b"/opt/lib"}
    assert usr_links(links.get) == {
        b"bin": b"usr/bin", b"sbin": b"usr/sbin", b"lib64": b"usr/lib", b"usr/sbin": b"usr/bin",
    }  # fmt: skip


def test_sbin_of_usr_may_be_its_bin(tmp_path: Path) -> None:
    root = {"sbin": Link("usr/sbin"), "usr/sbin": Link("bin"), "usr/bin/x": "x"}
    done = texts(tmp_path, "/sbin/a", "/usr/bin/b", "/sbin/b", root=root)
    assert done.conflicts == []


# -- labels and signatures


def labelled(content: str, label: bytes | None, **more: bytes) -> File:
    xattrs = {name.replace("_", "."): value for name, value in more.items()}
    return File(content, xattrs=xattrs if label is None else {SELINUX: label, **xattrs})


@pytest.mark.root
@pytest.mark.parametrize(
    ("base", "gold", "clone", "result", "asked"),
    [
        (None, b"g", b"c", b"c", False),  # built without labels
        (b"b", None, b"c", b"c", False),
        (b"b", b"g", None, b"g", False),  # gold's policy labels it again, and the server has none
        (b"b", b"g", b"b", b"g", False),
        (b"b", b"b", b"c", b"c", False),  # chcon
        (b"b", b"b", None, None, False),
        (b"b", b"g", b"c", b"c", True),
    ],
)
def test_a_missing_label_is_no_statement(
    tmp_path: Path, base: bytes | None, gold: bytes | None, clone: bytes | None, result: bytes | None, asked: bool
) -> None:
    done = merge_tables(tmp_path, *({"etc/a": labelled("x", label)} for label in (base, gold, clone)))
    assert done.tree["etc/a"].xattrs.get(SELINUX) == result
    assert done.conflicts == ([("/etc/a", f"xattr:{SELINUX}")] if asked else [])


@pytest.mark.root
def test_labels_of_a_server_hold_no_deletion_of_golds_up(tmp_path: Path) -> None:
    base = {"etc/a": "1", "etc/b": "1", "etc/c": labelled("1", b"b"), "var/lib/svc/data": "1", "etc/d": "1"}
    clone = {
        "etc/a": labelled("1", b"c"), "etc/b": labelled("2", b"c"), "etc/c": labelled("1", b"chcon"),
        "var/lib/svc/data": labelled("1", b"c"), "etc/d": labelled("1", b"c"),
    }  # fmt: skip
    done = merge_tables(tmp_path, base, {"etc": Dir(), "var/lib": Dir(), "etc/d": Dir()}, clone)
    assert done.conflicts == [("/etc/b", "presence"), ("/etc/c", "presence")]
    assert "var/lib/svc" not in done.tree
    assert done.tree["etc/d"].kind == "d"


@pytest.mark.root
def test_a_unit_of_which_a_server_has_only_labels_is_golds(tmp_path: Path) -> None:
    base, gold = {"var/lib/svc/data": "1"}, {"var/lib/svc/data": "2"}
    done = merge_tables(tmp_path, base, gold, {"var/lib/svc/data": labelled("1", b"c")})
    assert done.text("var/lib/svc/data") == "2"
    (note,) = [note for note in done.record["notes"] if note["kind"] == "labels-due"]
    assert (note["data"]["count"], note["data"]["paths"]) == (1, ["/var/lib/svc/data"])


@pytest.mark.root
def test_a_unit_of_a_labelled_server_that_wrote_to_it_is_the_servers(tmp_path: Path) -> None:
    base, gold = {"var/lib/svc/data": "1"}, {"var/lib/svc/data": "2"}
    done = merge_tables(tmp_path, base, gold, {"var/lib/svc/data": labelled("3", b"c")})
    assert done.text("var/lib/svc/data") == "3"


@pytest.mark.root
def test_one_note_counts_the_paths_that_have_to_be_labelled(tmp_path: Path) -> None:
    base = {"etc/a": labelled("1", b"l")}
    gold = {**base, **{f"etc/new{number:02}": "n" for number in range(12)}}
    done = merge_tables(tmp_path, base, gold, {**base, "etc/own": labelled("o", b"l")})
    (note,) = [note for note in done.record["notes"] if note["kind"] == "labels-due"]
    assert (note["data"]["count"], len(note["data"]["paths"])) == (12, 10)


@pytest.mark.root
def test_labels_make_no_note_where_a_class_takes_one_side(tmp_path: Path) -> None:
    base = {"var/lib/dpkg/info/x": "1", "etc/ssl/certs/ca-certificates.crt": "1"}
    gold = {"var/lib/dpkg/info/x": "2", "etc/ssl/certs/ca-certificates.crt": "2"}
    done = merge_tables(tmp_path, base, gold, {path: labelled("1", b"c") for path in base})
    assert [done.text(path) for path in base] == ["2", "2"]
    assert done.tree["var/lib/dpkg/info/x"].xattrs == {SELINUX: b"c"}
    assert not any("dropped" in note["text"] for note in done.record["notes"])


@pytest.mark.root
@pytest.mark.parametrize(
    ("contents", "signs", "result"),
    [
        (("1", "1", "1"), (b"b", b"g", b"c"), b"g"),  # signed again
        (("1", "1", "1"), (b"b", b"b", b"c"), b"c"),  # only the server did
        (("1", "2", "1"), (b"b", b"g", b"c"), b"g"),
        (("1", "1", "2"), (b"b", b"g", b"c"), b"c"),
        (("1", "1", "2"), (b"b", b"g", b"b"), b"b"),  # the server's edit, whose signature is stale as it was
        (("1", "2", "2"), (b"b", b"g", b"c"), b"g"),
        (("1\n2\n3\n", "0\n2\n3\n", "1\n2\n4\n"), (b"b", b"g", b"c"), None),
    ],
)
def test_a_signature_goes_with_golds_bytes_else_with_the_content_that_won(
    tmp_path: Path, contents: tuple[str, str, str], signs: tuple[bytes, bytes, bytes], result: bytes | None
) -> None:
    sides = zip(contents, signs, strict=True)
    done = merge_tables(tmp_path, *({"etc/a": labelled(content, None, security_ima=sign)} for content, sign in sides))
    assert done.tree["etc/a"].xattrs.get("security.ima") == result
    assert done.conflicts == []


@pytest.mark.root
def test_a_server_that_signs_for_itself_holds_no_deletion_up(tmp_path: Path) -> None:
    done = merge_tables(tmp_path, {"etc/a": "1"}, {"etc": Dir()}, {"etc/a": labelled("1", None, security_ima=b"c")})
    assert done.conflicts == []
    assert "etc/a" not in done.tree


def test_an_hmac_of_evm_is_bound_to_its_inode() -> None:
    assert _is_hmac(b"security.evm", b"\x02abc")
    assert not _is_hmac(b"security.evm", b"\x05abc")
    assert not _is_hmac(b"security.ima", b"\x02abc")


# -- flags


def flags(*values: int | None) -> tuple[int, list[str]]:
    rows = [None if value is None else entry(value) for value in values]
    same = OwnerNames({}, {})
    setting = Setting((same,) * 3, {}, "clone", lambda delta: None, None)  # type: ignore[arg-type]
    verdict = merge_axes(
        Delta(b"a", b"/etc/a", (rows[0], rows[1], rows[2]), Policy.default().match(b"/etc/a")), setting
    )
    assert verdict.want is not None
    return verdict.want.flags, [conflict.axis for conflict in verdict.conflicts]


def entry(flags: int) -> Entry:
    return Entry(b"a", FILE, 0o644, 0, 0, 1, 0, b"d" * 32, (), flags, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("base", "gold", "clone", "result"),
    [
        (0x00, 0x10, 0x40, 0x50),  # gold made it immutable, the server says nodump
        (0x40, 0x00, 0x60, 0x60),  # gold took nodump away, the server made it append-only
        (0x40, 0x50, 0x00, 0x10),
        (None, 0x40, 0x00, 0x00),
        (None, 0x10, 0x50, 0x50),
        (0x40, 0x40, 0x00, 0x00),  # one side unchanged: the other's, to the byte
        (0x00, 0x40, 0x00, 0x40),
    ],
)
def test_nodump_makes_no_question(base: int | None, gold: int, clone: int, result: int) -> None:
    assert flags(base, gold, clone) == (result, [])


def test_flags_that_mean_something_are_asked_about() -> None:
    assert flags(0x40, 0x10, 0x20) == (0x20, ["flags"])


# -- line ends


@pytest.mark.parametrize(
    ("base", "gold", "clone", "result"),
    [
        ("a\nb", "a\nb\n", "x\nb", "x\nb\n"),  # gold ended its last line
        ("a\nb\n", "x\nb\n", "a\nb", "x\nb"),  # the server lost it
        ("a\nb\n", "a\nc\n", "a\r\nb\r\n", "a\r\nc\r\n"),  # the server's editor
        ("a\nb\n", "a\r\nb\r\n", "a\nc\n", "a\r\nc\r\n"),  # gold's
        ("a\r\nb\r\n", "a\nb\n", "x\r\nb\r\n", "x\nb\n"),  # gold went back
        ("a\nb", "a\r\nb", "a\nb\n", "a\r\nb\r\n"),
        ("a", "b", "b\n", "b\n"),
        (None, "a\n", "a", "a"),  # both added it
        (None, "a\nb\n", "a\r\nb\r\n", "a\r\nb\r\n"),
    ],
)
def test_line_ends_are_values_of_their_own(
    tmp_path: Path, base: str | None, gold: str, clone: str, result: str
) -> None:
    done = merge_tables(
        tmp_path, {"etc": Dir()} if base is None else {"etc/a": base}, {"etc/a": gold}, {"etc/a": clone}
    )
    assert done.conflicts == []
    assert done.text("etc/a") == result


@pytest.mark.parametrize("path", ["etc/a.key", "etc/mixed"])
def test_mixed_line_ends_and_keys_are_bytes(tmp_path: Path, path: str) -> None:
    sides = ["a\nb\r\n", "a\nb\n", "a\r\nb\r\n"] if path == "etc/mixed" else ["a\n", "a", "a\r\n"]
    done = merge_tables(tmp_path, *({path: content} for content in sides))
    assert done.conflicts == [(f"/{path}", "content")]


def test_gold_deletes_what_the_servers_editor_saved(tmp_path: Path) -> None:
    done = merge_tables(
        tmp_path, {"etc/a": "1\n2\n", "etc/b": "1\n"}, {"etc": Dir()}, {"etc/a": "1\r\n2\r\n", "etc/b": "1\n2"}
    )
    assert done.conflicts == [("/etc/b", "presence")]


def test_a_merged_text_that_is_one_sides_is_that_sides(tmp_path: Path) -> None:
    done = merge_tables(tmp_path, {"etc/a": "a\n"}, {"etc/a": "b"}, {"etc/a": "b\n"})
    assert done.entry("/etc/a")["axes"] == {"content": "gold"}


ENDS = ["", "a", "a\n", "a\r\n", "a\nb", "a\r\nb\r\n", "a\r\nb"]


@pytest.mark.parametrize("case", list(itertools.product(ENDS, repeat=2)))
def test_laws_of_line_ends(case: tuple[str, str]) -> None:
    """Where raw values settle it, the merge of line ends says the same."""
    one, two = (text.encode() for text in case)

    def merge(base: bytes, gold: bytes, clone: bytes) -> None:
        raise AssertionError("nothing is left to merge")

    forms = [in_one_form(side) for side in (one, two)]
    assert all(form is not None for form in forms)
    same = b"" not in (one, two) and forms[0] is not None and forms[1] is not None and forms[0].body == forms[1].body
    for base, gold, clone, wanted in ((one, one, two, two), (one, two, one, two), (one, two, two, two)):
        if same or gold == clone:
            assert merge_with_ends(base, gold, clone, merge) == wanted


# -- owners


def test_the_name_of_an_owner_with_several_names() -> None:
    gold = {b"toor": 0, b"root": 0, b"www": 33, b"http": 33, b"late": 90, b"early": 91}
    assert owner_names(gold, gold) == {0: b"root", 33: b"www", 90: b"late", 91: b"early"}
    turned = {b"http": 33, b"www": 33, b"root": 0, b"toor": 0}
    assert owner_names(turned, gold) == {33: b"www", 0: b"root"}
    assert owner_names({b"http": 33, b"own": 33}, gold) == {33: b"http"}
    assert owner_names({b"own": 7, b"early": 7, b"late": 7}, gold) == {7: b"late"}
    assert owner_names({b"b": 7, b"a": 7}, gold) == {7: b"b"}


@pytest.mark.root
def test_another_order_of_two_names_changes_no_owner(tmp_path: Path) -> None:
    root, toor = "root:x:0:0::/root:/bin/sh\n", "toor:x:0:0::/root:/bin/sh\n"
    www, http = "www:x:33:33::/:/x\n", "http:x:33:33::/:/x\n"
    group = {"etc/group": "root:x:0:\nwww:x:33:\n"}
    base = {"etc/passwd": root + toor + www + http, **group, "etc/a": File("1", uid=0), "etc/b": File("1", uid=33)}
    clone = {**base, "etc/passwd": toor + root + http + www}
    done = merge_tables(tmp_path, base, {"etc/passwd": base["etc/passwd"], **group}, clone)
    assert done.conflicts == []
    assert "etc/a" not in done.tree and "etc/b" not in done.tree


# -- accounts


def shadow(word: str, ageing: str = "19000:0:99999:7:::") -> str:
    return f"root:*:1:0:99999:7:::\nsvc:{word}:{ageing}\n"


def account(
    password: str, shell: str = "/usr/sbin/nologin", ageing: str = "19000:0:99999:7:::", uid: int = 900
) -> Table:
    return {
        "etc/passwd": f"root:x:0:0::/:/bin/sh\nsvc:x:{uid}:{uid}::/:{shell}\n",
        "etc/group": f"root:x:0:\nsvc:x:{uid}:\n",
        "etc/shadow": shadow(password, ageing),
    }


BEFORE = {"etc/passwd": "root:x:0:0::/:/bin/sh\n", "etc/group": "root:x:0:\n", "etc/shadow": "root:*:1:0:99999:7:::\n"}


@pytest.mark.parametrize("words", list(itertools.permutations(["*", "!", "!*", "!!"], 2)))
def test_two_words_for_a_locked_password(tmp_path: Path, words: tuple[str, str]) -> None:
    done = merge_tables(tmp_path, BEFORE, account(words[0]), account(words[1], "/bin/false", "19001::::::"))
    assert done.conflicts == [("/etc/passwd", "accounts:svc:shell")]
    assert f"svc:{words[1]}:19001:0:99999:7:::" in done.text("etc/shadow")


@pytest.mark.parametrize(
    ("gold", "clone"),
    [
        (account("*", "/bin/sh"), account("!", "/bin/sh")),  # a key opens the one and not the other
        (account("*"), account("$6$hash")),
        (account("*", uid=1500), account("!", uid=1500)),  # a person's
    ],
)
def test_passwords_that_may_let_somebody_in_are_asked_about(tmp_path: Path, gold: Table, clone: Table) -> None:
    done = merge_tables(tmp_path, BEFORE, gold, clone)
    assert ("/etc/shadow", "accounts:svc:password") in done.conflicts


# -- a directory that the clone deleted


def twenty(**more: str) -> Table:
    return {"etc/d/old": "o", "etc/keep": "k", **{f"etc/d/sub/{n:02}": "n" for n in range(20)}, **more}


def test_what_gold_added_below_a_deleted_directory_is_one_question(tmp_path: Path) -> None:
    base, clone = {"etc/d/old": "o", "etc/keep": "k"}, {"etc/keep": "k"}
    done = merge_tables(tmp_path, base, twenty(), clone)
    assert done.conflicts == [("/etc/d", "presence")]
    assert "and 11 more" in done.record["conflicts"][0]["detail"]
    key = done.record["conflicts"][0]["key"]
    taken = merge_tables(tmp_path, {}, {}, {}, out="taken", decisions={key: Decision("gold")})
    assert sorted(name for name in taken.tree if name.startswith("etc/d/sub/")) == [
        f"etc/d/sub/{n:02}" for n in range(20)
    ]
    assert "etc/d/old" not in taken.tree
    left = merge_tables(tmp_path, {}, {}, {}, out="left", decisions={key: Decision("clone")})
    assert (left.conflicts, "etc/d" in left.tree) == ([], False)


def test_another_addition_is_another_question_and_the_servers_own_files_are_not(tmp_path: Path) -> None:
    base = {"etc/d/old": "o", "etc/keep": "k"}
    keys = []
    for name, gold, clone in (
        ("one", twenty(), {"etc/keep": "k"}),
        ("two", twenty(), {"etc/keep": "own", "etc/more": "m"}),
        ("three", twenty(**{"etc/d/x": "y"}), {"etc/keep": "k"}),
    ):
        (tmp_path / name).mkdir()
        keys.append(merge_tables(tmp_path / name, base, gold, clone).record["conflicts"][0]["key"])
    assert keys[0] == keys[1] != keys[2]


def test_nested_deleted_directories_ask_once_at_the_top(tmp_path: Path) -> None:
    base = {"etc/d/e/old": "o", "etc/keep": "k"}
    done = merge_tables(tmp_path, base, {**base, "etc/d/e/new": "n", "etc/d/f/deep": "n"}, {"etc/keep": "k"})
    assert done.conflicts == [("/etc/d", "presence")]


def test_what_gold_changed_below_is_the_same_question_and_golds_own_classes_are_not_asked(tmp_path: Path) -> None:
    base = {"etc/d/a": "1", "etc/keep": "k", "var/lib/dpkg/info/x": "1", "var/lib/k": Dir()}
    gold = {**base, "etc/d/a": "2", "etc/d/b": "n", "var/lib/dpkg/info/y": "1"}
    done = merge_tables(tmp_path, base, gold, {"etc/keep": "k", "var/lib/k": Dir()})
    assert done.conflicts == [("/etc/d", "presence")]
    assert done.record["conflicts"][0]["detail"] == (
        "the server deleted this directory; gold added below it: /etc/d/b; and changed below it: /etc/d/a"
    )
    taken = merge_tables(tmp_path, {}, {}, {}, out="taken", decisions=done.decide("gold"))
    assert (taken.text("etc/d/a"), taken.text("etc/d/b"), taken.conflicts) == ("2", "n", [])


def test_twenty_changed_files_of_a_deleted_directory_are_one_question(tmp_path: Path) -> None:
    base = {"etc/keep": "k", "etc/d/same": "s", **{f"etc/d/x/{n}": "1" for n in range(20)}}
    gold = {path: "2" if path.startswith("etc/d/x/") else text for path, text in base.items()}
    done = merge_tables(tmp_path, base, gold, {"etc/keep": "k"})
    assert done.conflicts == [("/etc/d", "presence")]
    assert not any(path.startswith("etc/d") for path in done.tree)
    assert "/etc/d/x/0" in done.record["conflicts"][0]["detail"] and "10 more" in done.record["conflicts"][0]["detail"]
    taken = merge_tables(tmp_path, {}, {}, {}, out="taken", decisions=done.decide("gold"))
    assert [taken.text(f"etc/d/x/{n}") for n in range(20)] == ["2"] * 20
    assert "etc/d/same" not in taken.tree
    kept = merge_tables(tmp_path, {}, {}, {}, out="kept", decisions=done.decide("clone"))
    assert kept.conflicts == [] and "etc/d" not in kept.tree


def test_one_changed_file_of_a_deleted_directory_is_asked_about_itself(tmp_path: Path) -> None:
    done = merge_tables(tmp_path, {"etc/k": "", "etc/d/a": "1"}, {"etc/k": "", "etc/d/a": "2"}, {"etc/k": ""})
    assert done.conflicts == [("/etc/d/a", "presence")]


def test_a_directory_that_gold_changed_too_asks_once(tmp_path: Path) -> None:
    base = {"etc/d/a": "1", "etc/keep": "k"}
    done = merge_tables(tmp_path, base, {**base, "etc/d": Dir(mode=0o700), "etc/d/b": "n"}, {"etc/keep": "k"})
    assert done.conflicts == [("/etc/d", "presence")]
    taken = merge_tables(
        tmp_path, {}, {}, {}, out="taken", decisions={done.record["conflicts"][0]["key"]: Decision("gold")}
    )
    assert taken.tree["etc/d"].mode == 0o700
    assert sorted(taken.tree) == ["", "etc", "etc/d", "etc/d/b", "etc/keep"]


# -- hard links


def test_no_name_joins_a_file_that_it_shared_on_no_side(tmp_path: Path) -> None:
    from support.trees import HardLink

    base: Table = {"etc/a": "1", "etc/b": "1", "etc/c": "1", "etc/d": "1"}
    gold: Table = {"etc/a": "1", "etc/b": HardLink("etc/a"), "etc/c": "1", "etc/d": "1"}
    clone: Table = {"etc/a": "1", "etc/b": "1", "etc/c": "1", "etc/d": HardLink("etc/c")}
    merge_tables(tmp_path, base, gold, clone)
    inode = {name: (tmp_path / "out/etc" / name).stat().st_ino for name in "abcd"}
    assert inode["a"] == inode["b"] != inode["c"] == inode["d"]
