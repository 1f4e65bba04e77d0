"""Alternatives, overrides and diversions: the administrator's choices are merged by record."""

from __future__ import annotations

from pathlib import Path

import pytest

from goldroot.conflicts import Decision
from goldroot.merge.decide.alternatives import merge_records, parse_record
from support.merging import Outcome, Table, merge_tables
from support.trees import Dir, File, Link

RECORD = "var/lib/dpkg/alternatives/editor"
SLAVE = "editor.1.gz\n/usr/share/man/man1/editor.1.gz\n"
Choices = dict[str, int]


def record(mode: str, choices: Choices, *, slave: bool = True, blank: bool = True) -> str:
    lines = "".join(f"/bin/{name}\n{rank}\n" + (f"/man/{name}.gz\n" if slave else "") for name, rank in choices.items())
    return f"{mode}\n/usr/bin/editor\n{SLAVE if slave else ''}\n{lines}" + ("\n" if blank else "")


def side(mode: str, chosen: str, choices: Choices, path: str = RECORD) -> Table:
    return {
        path: record(mode, choices), "etc/alternatives/editor": Link(f"/bin/{chosen}"),
        "etc/alternatives/editor.1.gz": Link(f"/man/{chosen}.gz"),
    }  # fmt: skip


def led(done: Outcome) -> tuple[str, str]:
    return (
        done.tree["etc/alternatives/editor"].content.decode(), done.tree["etc/alternatives/editor.1.gz"].content.decode(),
    )  # fmt: skip


BASE = {"nano": 40, "vim": 30}


@pytest.mark.parametrize("path", [RECORD, "var/lib/alternatives/editor"])
def test_a_choice_made_by_hand_stays_where_it_exists(tmp_path: Path, path: str) -> None:
    done = merge_tables(
        tmp_path, side("auto", "nano", BASE, path), side("auto", "micro", {"nano": 40, "vim": 30, "micro": 50}, path),
        side("manual", "vim", BASE, path),
    )  # fmt: skip
    assert (done.conflicts, led(done)) == ([], ("/bin/vim", "/man/vim.gz"))
    assert done.text(path) == record("manual", {"nano": 40, "vim": 30, "micro": 50})


@pytest.mark.parametrize("path", [RECORD, "var/lib/alternatives/editor"])
def test_what_was_the_best_choice_and_is_chosen_by_hand_now_stays(tmp_path: Path, path: str) -> None:
    """``update-alternatives --set`` to where the link leads already: the record alone tells."""
    gold = side("auto", "micro", {**BASE, "micro": 50}, path)
    done = merge_tables(tmp_path, side("auto", "nano", BASE, path), gold, side("manual", "nano", BASE, path))
    assert (done.conflicts, led(done)) == ([], ("/bin/nano", "/man/nano.gz"))
    assert done.text(path) == record("manual", {**BASE, "micro": 50})
    assert "chosen by hand" in done.entry("/etc/alternatives/editor")["notes"][0]
    again = tmp_path / "again"
    third = merge_tables(again, gold, gold, side("manual", "nano", {**BASE, "micro": 50}, path))
    assert (third.conflicts, led(third)) == ([], ("/bin/nano", "/man/nano.gz"))


def test_one_that_was_by_hand_before_moves_on_with_golds_hand(tmp_path: Path) -> None:
    base = side("manual", "nano", BASE)
    done = merge_tables(tmp_path, base, side("manual", "vim", BASE), base)
    assert (done.conflicts, led(done)) == ([], ("/bin/vim", "/man/vim.gz"))


def test_what_was_chosen_by_hand_and_is_gone_is_asked_about_though_its_link_is_as_it_was(tmp_path: Path) -> None:
    base = {**side("auto", "nano", BASE), "bin/nano": File("#!", mode=0o755), "bin/micro": File("#!", mode=0o755)}
    gold = {**side("auto", "micro", {"vim": 30, "micro": 50}), "bin/micro": File("#!", mode=0o755)}
    done = merge_tables(tmp_path, base, gold, {**base, **side("manual", "nano", BASE)})
    assert done.conflicts == [("/etc/alternatives/editor", "reference")]
    assert done.text(RECORD) == record("auto", {"vim": 30, "micro": 50})
    again = merge_tables(tmp_path, {}, {}, {}, out="again", decisions=done.decide("gold"))
    assert again.conflicts == [] and led(again)[0] == "/bin/micro"


def test_a_choice_of_the_servers_own_stays_among_golds(tmp_path: Path) -> None:
    own = {**BASE, "own": 10}
    done = merge_tables(
        tmp_path, side("auto", "nano", BASE), side("auto", "micro", {"micro": 50, "vim": 30}), side("auto", "nano", own)
    )
    assert (done.conflicts, led(done)) == ([], ("/bin/micro", "/man/micro.gz"))
    assert done.text(RECORD) == record("auto", {"micro": 50, "vim": 30, "own": 10})


@pytest.mark.parametrize(("rank", "chosen"), [(60, "own"), (45, "micro")])
def test_an_automatic_choice_is_the_best_of_both(tmp_path: Path, rank: int, chosen: str) -> None:
    done = merge_tables(
        tmp_path, side("auto", "nano", BASE), side("auto", "micro", {**BASE, "micro": 50}),
        side("auto", "own", {**BASE, "own": rank}),
    )  # fmt: skip
    assert (done.conflicts, led(done)) == ([], (f"/bin/{chosen}", f"/man/{chosen}.gz"))


def test_a_choice_that_is_gone_is_told_and_asked_about(tmp_path: Path) -> None:
    done = merge_tables(
        tmp_path,
        side("auto", "nano", BASE),
        side("auto", "micro", {"nano": 40, "micro": 50}),
        side("manual", "vim", BASE),
    )
    assert ("/etc/alternatives/editor", "content") in done.conflicts
    assert any("/bin/vim was chosen by hand" in note["text"] for note in done.record["notes"])
    assert done.text(RECORD) == record("auto", {"nano": 40, "micro": 50})
    key = next(one["key"] for one in done.record["conflicts"] if one["path"] == "/etc/alternatives/editor")
    taken = merge_tables(tmp_path, {}, {}, {}, out="taken", decisions={key: Decision("gold")})
    assert taken.tree["etc/alternatives/editor"].content == b"/bin/micro"


@pytest.mark.parametrize("with_record", [True, False])
@pytest.mark.parametrize("golds_page", ["micro", "nano", None])
def test_slaves_go_the_way_of_a_master_that_both_changed(
    tmp_path: Path, with_record: bool, golds_page: str | None
) -> None:
    """One question, and what stands or is answered holds for the manual pages, too, whoever changed them."""

    def links(chosen: str, page: str | None) -> Table:
        return {
            "etc/alternatives/editor": Link(f"/bin/{chosen}"),
            **({"etc/alternatives/editor.1.gz": Link(f"/usr/man/{page}.gz")} if page else {}),
        }

    records = [
        {RECORD: record(mode, choices)} if with_record else {}
        for mode, choices in (("auto", BASE), ("auto", {"nano": 40, "micro": 50}), ("manual", BASE))
    ]
    chosen = links("nano", "nano"), links("micro", golds_page), links("vim", "vim")
    done = merge_tables(tmp_path, *({**one, **other} for one, other in zip(records, chosen, strict=True)))
    assert done.conflicts == [("/etc/alternatives/editor", "content")]
    page = "etc/alternatives/editor.1.gz"
    assert done.tree[page].content == b"/usr/man/vim.gz"
    for take, wanted in (("clone", "vim"), ("gold", golds_page)):
        again = merge_tables(tmp_path, {}, {}, {}, out=f"take-{take}", decisions=done.decide(take))
        assert again.conflicts == []
        assert (page in again.tree and again.tree[page].content) == (
            (wanted and f"/usr/man/{wanted}.gz".encode()) or False
        )


def test_a_link_that_was_made_without_the_tool_is_asked_about(tmp_path: Path) -> None:
    clone = {**side("auto", "nano", {**BASE, "own": 1}), "etc/alternatives/editor": Link("/opt/mine")}
    done = merge_tables(tmp_path, side("auto", "nano", BASE), side("auto", "micro", {**BASE, "micro": 50}), clone)
    assert ("/etc/alternatives/editor", "content") in done.conflicts


@pytest.mark.parametrize(
    ("base", "gold", "clone", "result"),
    [
        # chkconfig ends a record without an empty line, and writes families and init scripts
        ("auto\n/l\n\n/a\n10\n", "auto\n/l\n\n/a\n@fam@20 script\n", "manual\n/l\n\n/a\n10\n/c\n5\n",
         "manual\n/l\n\n/a\n@fam@20 script\n/c\n5\n"),
        # gold adds a slave: every choice has a line for it
        ("auto\n/l\n\n/a\n10\n\n", "auto\n/l\ns\n/s\n\n/a\n10\n/sa\n\n", "manual\n/l\n\n/a\n10\n/c\n5\n\n",
         "manual\n/l\ns\n/s\n\n/a\n10\n/sa\n/c\n5\n\n\n"),
        ("auto\n/l\n\n/a\n10\n\n", "auto\n/l\ns\n/s\n\n/a\n10\n\n\n", "manual\n/l\n\n/a\n10\n/c\n5\n\n",
         "manual\n/l\ns\n/s\n\n/a\n10\n\n/c\n5\n\n\n"),
        ("auto\n/l\n\n/a\n10\n\n", "auto\n/l\n\n/a\n20\n\n", "auto\n/l\n\n/a\n30\n\n", None),  # two priorities
        ("auto\n/l\n\n/a\n10\n\n", "auto\n/g\n\n/a\n10\n\n", "auto\n/c\n\n/a\n10\n\n", None),  # two links
        ("", "auto\n/l\n\n/a\n10\n\n", "manual\n/l\n\n/c\n5\n\n", "manual\n/l\n\n/a\n10\n/c\n5\n\n"),  # both added it
        ("auto\n", "auto\n/l\n\n", "odd\n", None),
    ],
)  # fmt: skip
def test_records(base: str, gold: str, clone: str, result: str | None) -> None:
    found = merge_records(base.encode(), gold.encode(), clone.encode())
    assert (found.decode() if found is not None else None) == result


@pytest.mark.parametrize("text", ["", "auto\n/l", "auto\n/l\ns\n\n", "other\n/l\n\n", "auto\n/l\n\n/a\n"])
def test_what_is_no_record(text: str) -> None:
    assert parse_record(text.encode()) is None


def test_overrides_and_diversions_are_merged_by_path(tmp_path: Path) -> None:
    over, divert = "var/lib/dpkg/statoverride", "var/lib/dpkg/diversions"
    base = {over: "root root 755 /usr/bin/a\n", divert: "/usr/bin/a\n/usr/bin/a.real\npkg\n"}
    gold = {over: "root root 755 /usr/bin/g\n", divert: "/usr/bin/g\n/usr/bin/g.real\npkg\n"}
    clone = {over: base[over] + "root adm 2755 /usr/bin/c\n", divert: base[divert] + "/usr/bin/c\n/usr/bin/c.own\n:\n"}
    done = merge_tables(tmp_path, *({**each, "usr/bin": Dir()} for each in (base, gold, clone)))
    assert done.conflicts == []
    assert sorted(done.text(over).splitlines()) == ["root adm 2755 /usr/bin/c", "root root 755 /usr/bin/g"]
    assert done.text(divert) == "/usr/bin/c\n/usr/bin/c.own\n:\n" + gold[divert]
    assert not any(note["kind"] == "override-without-effect" for note in done.record["notes"])


def test_two_owners_of_one_path_are_asked_about(tmp_path: Path) -> None:
    lines = [f"{user} root 755 /x\n" for user in ("a", "b", "c")]
    done = merge_tables(tmp_path, *({"var/lib/dpkg/statoverride": line} for line in lines))
    assert done.conflicts == [("/var/lib/dpkg/statoverride", "content")]


def test_an_override_of_a_shared_path_has_no_effect_and_that_is_noted(tmp_path: Path) -> None:
    base: Table = {"var/lib/dpkg/statoverride": "root root 755 /usr/bin/a\n", "etc": Dir()}
    clone = {**base, "var/lib/dpkg/statoverride": "root root 755 /usr/bin/a\nroot root 4755 /usr/bin/c\n"}
    done = merge_tables(tmp_path, base, base, clone)
    (note,) = [note for note in done.record["notes"] if note["kind"] == "override-without-effect"]
    assert "/usr/bin/c" in note["text"]


def test_who_an_override_names_stays(tmp_path: Path) -> None:
    passwd, group = "root:x:0:0::/:/x\n", "root:x:0:\n"
    base = {
        "etc/passwd": passwd + "svc:x:90:90::/:/x\n",
        "etc/group": group + "svc:x:90:\n",
        "var/lib/dpkg/statoverride": "",
    }
    gold = {"etc/passwd": passwd, "etc/group": group, "var/lib/dpkg/statoverride": ""}
    done = merge_tables(tmp_path, base, gold, {**base, "var/lib/dpkg/statoverride": "svc svc 755 /opt/x\n"})
    assert "svc:" in done.text("etc/passwd") and "svc:" in done.text("etc/group")
    assert not any(note["kind"] == "override-unknown" for note in done.record["notes"])


def test_whom_an_override_names_and_nobody_knows_is_noted(tmp_path: Path) -> None:
    accounts = {"etc/passwd": "root:x:0:0::/:/x\n", "etc/group": "root:x:0:\n"}
    base: Table = {**accounts, "var/lib/dpkg/statoverride": ""}
    clone: Table = {**base, "var/lib/dpkg/statoverride": "root nogrp 755 /etc/x\n#7 #7 755 /etc/y\n"}
    done = merge_tables(tmp_path, base, base, clone)
    (note,) = [note for note in done.record["notes"] if note["kind"] == "override-unknown"]
    assert note["text"].endswith("/etc/x: there is no group nogrp")
