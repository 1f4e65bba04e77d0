"""``goldroot image``, ``maintain`` and ``gold``, as a person and as a program use them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from goldroot.cli.failure import guarded
from goldroot.cli.main import cli
from goldroot.site import Site
from support.former import former
from support.roots import make_root
from support.trees import dump_tree

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def goldroot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command on a new site, and gives exit code and output."""
    monkeypatch.setenv("GOLDROOT_SITE", str(tmp_path / "site"))
    assert guarded(cli, ["init", str(tmp_path / "site")]) == 0
    capsys.readouterr()

    def run(*args: str) -> tuple[int, str]:
        code = guarded(cli, list(args))
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


def data(done: tuple[int, str], code: int = 0) -> Any:
    assert done[0] == code, done[1]
    return json.loads(done[1])


@pytest.mark.root
def test_the_way_of_a_change(goldroot: Run, tmp_path: Path) -> None:
    """From a root file system to two versions, by the commands of the tutorial."""
    root = str(make_root(tmp_path / "root"))
    assert data(goldroot("image", "import", "small", "--from", root, "--json"))["machine"] == "SMALLRWMNT"
    assert goldroot("gold", "publish", "small")[0] == 3
    assert goldroot("maintain", "diff", "small") == (0, "small has no gold version yet: everything is new.\n")
    code, said = goldroot("maintain", "test", "small")
    assert (code, "read-only: passed" in said) == (0, True)
    assert said.endswith("Next: goldroot gold publish small\n")
    assert "Gold version 1 of small is published, in SMALLGOLD" in goldroot("gold", "publish", "small")[1]
    assert goldroot("maintain", "diff", "small") == (0, "No difference.\n")
    done = data(goldroot("maintain", "run", "--json", "small", "/bin/sh", "-c", "echo 2 > /etc/app.conf; echo done"))
    assert (done["status"], done["out"]) == (0, "done\n")
    assert goldroot("maintain", "diff", "small")[0] == 1
    data(goldroot("maintain", "test", "small", "--json"))
    published = data(goldroot("gold", "publish", "small", "--note", "second", "--json"))
    assert (published["number"], published["slot"], published["untested"]) == (2, "SMALLGOLD2", False)
    shown = data(goldroot("gold", "list", "--json"))
    assert [(each["number"], each["current"], each["note"]) for each in shown] == [(1, False, ""), (2, True, "second")]
    difference = data(goldroot("gold", "diff", "small", "1", "2", "--json"), 1)
    assert [change["path"] for change in difference["changes"]] == ["/etc/app.conf"]
    assert data(goldroot("gold", "show", "small", "--json"))["version"] == 2
    assert data(goldroot("gold", "verify", "small", "1", "--json"))["whole"] is True


@pytest.mark.slow
def test_paths_with_nothing_but_another_time_are_counted(goldroot: Run, tmp_path: Path) -> None:
    root = make_root(tmp_path / "root")
    goldroot("image", "import", "small", "--from", str(root))
    goldroot("gold", "publish", "small", "--untested")
    os.utime(root / "etc/app.conf", (1, 1))
    goldroot("image", "import", "small", "--replace", "--from", str(root))
    goldroot("gold", "publish", "small", "--untested", "--unchanged")
    diff = ("gold", "diff", "small", "1", "2")
    counted = "(1 path with nothing but another time; named with --times)\n"
    assert goldroot(*diff) == goldroot(*diff, "--paths") == (1, counted)
    assert goldroot(*diff, "--times") == (1, "changed /etc/app.conf (time)\n")
    assert [change["axes"] for change in data(goldroot(*diff, "--json"), 1)["changes"]] == [["time"]]
    assert goldroot("gold", "diff", "small", "1", "1") == (0, "No difference.\n")


@pytest.mark.slow
@pytest.mark.root
def test_a_plan_leaves_a_site_that_was_changed_byte_for_byte(goldroot: Run, tmp_path: Path) -> None:
    """What a plan sees of the maintenance and the test system is not kept, either."""
    goldroot("image", "import", "small", "--from", str(make_root(tmp_path / "root")))
    goldroot("maintain", "test", "small")
    for test in ((), ("--test",)):
        goldroot("maintain", "run", *test, "small", "/bin/sh", "-c", f"echo 3 > /etc/app{len(test)}.conf")
    shutil.rmtree(tmp_path / "site/locks")
    (tmp_path / "site/locks").mkdir()
    before = state(tmp_path / "site")
    assert "1 path would be taken back" in goldroot("maintain", "take-back", "small", "--plan")[1]
    for words in ("gold publish --plan small", "maintain test --plan small", "maintain run --plan small ls"):
        assert goldroot(*words.split())[0] == 0, words
    assert state(tmp_path / "site") == before


@pytest.mark.root
def test_a_plan_refuses_while_another_command_works_on_the_image(goldroot: Run, tmp_path: Path) -> None:
    goldroot("image", "import", "small", "--from", str(make_root(tmp_path / "root")))
    goldroot("maintain", "test", "small")
    with closing(Site.open(str(tmp_path / "site"))) as site:
        for plan in (("gold", "publish", "small", "--plan"), ("maintain", "take-back", "small", "--plan")):
            with site.lock("image-small", doing="a long work"):
                code, said = goldroot(*plan)
                assert (code, "image-small is in use by `a long work`" in said) == (5, True), said
            with former(site).running("SMALLRWMNT"):
                code, said = goldroot(*plan)
                assert (code, "SMALLRWMNT may still be written" in said) == (3, True), said


@pytest.mark.slow
@pytest.mark.root
def test_a_failing_test_says_what_and_what_next(goldroot: Run, tmp_path: Path) -> None:
    goldroot("image", "import", "small", "--from", str(make_root(tmp_path / "root")))
    (tmp_path / "site" / "goldroot.toml").write_text('[images.small]\ntests = ["echo broken; exit 4"]\n')
    code, said = goldroot("maintain", "test", "small")
    assert code == 1
    for words in ("read-only: FAILED", "$ echo broken; exit 4", "[status 4]", "take-back small"):
        assert words in said
    (tmp_path / "site" / "goldroot.toml").write_text("")
    goldroot("maintain", "test", "small")
    assert goldroot("maintain", "run", "--test", "small", "/bin/sh", "-c", "echo 3 > /etc/app.conf")[0] == 0
    would = goldroot("maintain", "take-back", "small", "--plan")[1].splitlines()
    assert would[-1] == "1 path would be taken back."
    assert data(goldroot("maintain", "take-back", "small", "/etc", "--json"))["changes"][0]["path"] == "/etc/app.conf"


@pytest.mark.root
def test_the_status_of_a_command_is_passed_on(goldroot: Run, tmp_path: Path) -> None:
    goldroot("image", "import", "small", "--from", str(make_root(tmp_path / "root")))
    assert goldroot("maintain", "run", "small", "/bin/sh", "-c", "exit 7")[0] == 7


def test_plans_change_nothing(goldroot: Run, tmp_path: Path) -> None:
    root = str(make_root(tmp_path / "root", shell=False))
    assert "make the machine SMALLRWMNT" in goldroot("image", "import", "small", "--from", root, "--plan")[1]
    goldroot("image", "import", "small", "--from", root)
    goldroot("gold", "publish", "small", "--untested")
    before = state(tmp_path / "site")
    for args in (
        ["maintain", "enter", "small"],
        ["maintain", "test", "small"],
        ["gold", "publish", "small"],
        ["gold", "retire", "small", "1", "--remove"],
    ):
        assert goldroot(*args, "--plan")[0] == 0
        data(goldroot(*args, "--plan", "--json"))
    assert data(goldroot("maintain", "run", "--plan", "--json", "small", "ls"))["command"] == ["ls"]
    for words in (["ls", "--", "-l"], ["-x", "ls"], ["ls"]):  # as people are used to, "--" ends goldroot's own words
        assert data(goldroot("maintain", "run", "--plan", "--json", "small", "--", *words))["command"] == words
    assert goldroot("maintain", "run", "small", "--")[0] == 2
    assert state(tmp_path / "site") == before


def test_the_plan_of_a_publish_says_what_would_be_refused(goldroot: Run, tmp_path: Path) -> None:
    goldroot("image", "import", "small", "--from", str(make_root(tmp_path / "root", shell=False)))
    said = goldroot("gold", "publish", "small", "--plan")[1]
    assert "warning: not tested in read-write and read-only form since its last change" in said
    assert "it would be refused" in said and "--untested" in said
    assert "refused" not in goldroot("gold", "publish", "small", "--plan", "--untested")[1]


@pytest.mark.slow
@pytest.mark.parametrize(("moved", "words"), [(("mail",), "1 account"), (("mail", "daemon"), "2 accounts")])
def test_accounts_with_another_number_are_counted(
    goldroot: Run, tmp_path: Path, moved: tuple[str, ...], words: str
) -> None:
    root = make_root(tmp_path / "root", shell=False)
    passwd = root / "etc/passwd"
    with passwd.open("a") as file:
        file.writelines(f"{name}2:x:{number}:1::/:/bin/sh\n" for number, name in enumerate(moved, 201))
    goldroot("image", "import", "small", "--from", str(root))
    goldroot("gold", "publish", "small", "--untested")
    passwd.write_text(passwd.read_text().replace("2:x:20", "2:x:30"))
    goldroot("image", "import", "small", "--replace", "--from", str(root))
    said = goldroot("gold", "publish", "small", "--untested", "--plan")[1]
    assert f"warning: {words} with another number; at an update, clones' files follow by name:\n" in said


def state(site: Path) -> dict[str, object]:
    """Every file of the site, byte for byte."""
    return dict(dump_tree(site, mtime=False))


def test_a_damaged_gold_is_told(goldroot: Run, tmp_path: Path) -> None:
    goldroot("image", "import", "small", "--from", str(make_root(tmp_path / "root", shell=False)))
    goldroot("gold", "publish", "small", "--untested")
    [etc] = (tmp_path / "site/store/disks").glob("smallgold-1B5-*")
    (etc / "etc/app.conf").write_text("evil\n")
    code, said = goldroot("gold", "verify", "small")
    assert code == 4
    assert "changed /etc/app.conf (content" in said
    assert "is NOT what was published" in said
    assert data(goldroot("gold", "verify", "small", "--quick", "--json"), 4)["whole"] is False


def test_retiring_and_listing(goldroot: Run, tmp_path: Path) -> None:
    goldroot("image", "import", "small", "--from", str(make_root(tmp_path / "root", shell=False)))
    goldroot("gold", "publish", "small", "--untested", "--note", "a word")
    code, said = goldroot("gold", "list", "small")
    assert code == 0
    assert [line.split()[:2] for line in said.splitlines()] == [["version", "state"], ["small", "1*"]]
    assert "published, untested" in said
    assert "a word" in said
    assert "retired and removed" in goldroot("gold", "retire", "small", "1", "--remove")[1]
    code, said = goldroot("gold", "show", "small")
    assert (code, "every gold version of small is retired" in said) == (3, True)
    shown = data(goldroot("image", "list", "--json"))
    assert shown[0]["slots"] == {"SMALLGOLD": None, "SMALLGOLD2": None, "SMALLGOLD3": None}


def test_bad_input_is_told(goldroot: Run, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no tar")
    (tmp_path / "dir").mkdir()
    for source, said in (
        ("text", "cannot be read as a tar"),
        ("none", "No such file"),
        ("dir", "not a root file system"),
    ):
        code, words = goldroot("image", "import", "small", "--from", str(tmp_path / source))
        assert (code, said in words) == (2, True), words
    assert data(goldroot("image", "import", "small", "--from", "/none", "--json"), 2)["error"] == "bad-input"
    assert goldroot("image", "import", "small", "--from", str(tmp_path), "--layout", "other")[0] == 2
    assert goldroot("gold", "diff", "small", "1", "2")[0] == 3


#: Commands that take the name of an image last, and those that name a gold version which there is not.
ON_IMAGE = (
    "gold list", "gold show", "gold verify", "gold publish", "gold publish --plan", "maintain run --plan", "linked",
    "maintain run", "maintain enter --plan", "maintain diff", "maintain test", "maintain test --plan",
    "maintain take-back", "clone list --image", "clone create web1 --image", "image import --replace --from / --plan",
)  # fmt: skip
ON_VERSION = (
    "gold show small 9", "gold verify small 9", "gold diff small 9 1", "gold retire small 9",
    "clone create web1 --image small --gold 9",
)  # fmt: skip


def test_an_image_that_is_none_is_told_as_that_everywhere_with_those_that_there_are(
    goldroot: Run, tmp_path: Path
) -> None:
    goldroot("image", "import", "small", "--from", str(make_root(tmp_path / "root", shell=False)))
    for words in ON_IMAGE:
        code, said = goldroot(*words.split(), "other", *(["true"] if "run" in words else []))
        assert (code, "there is no image 'other'" in said, "Images: small." in said) == (3, True, True), (words, said)
    for words in ("show other 1", "verify other 1", "diff other 1 2", "retire other 1"):
        code, said = goldroot("gold", *words.split())
        assert (code, "there is no image 'other'" in said) == (3, True), (words, said)


def test_a_version_that_is_none_is_told_as_that_everywhere_with_those_that_there_are(
    goldroot: Run, tmp_path: Path
) -> None:
    goldroot("image", "import", "small", "--from", str(make_root(tmp_path / "root", shell=False)))
    goldroot("gold", "publish", "small", "--untested")
    for words in ON_VERSION:
        code, said = goldroot(*words.split())
        assert (code, "'small' has no gold version 9" in said, "Its versions: 1." in said) == (3, True, True), said


def test_a_layout_that_is_gone_is_no_missing_image(goldroot: Run, tmp_path: Path) -> None:
    goldroot("image", "import", "small", "--from", str(make_root(tmp_path / "root", shell=False)))
    (tmp_path / "site/images/small/layout.toml").unlink()
    code, said = goldroot("maintain", "diff", "small")
    assert (code, "the layout of image 'small'" in said, "backup" in said) == (3, True, True), said
