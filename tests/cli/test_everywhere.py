"""What every command takes: -q, -v, --json and --site, at every level; words that are near; words that are not UTF-8."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from goldroot.cli.main import cli
from goldroot.site import Site
from support.commands import said
from support.fleet import IMAGE, live, next_gold, on_clone

NOT_UTF8 = os.fsdecode(b"w\xff")


def commands(group: click.Group = cli, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with its words."""
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        yield (*above, name), found
        if isinstance(found, click.Group):
            yield from commands(found, (*above, name))


ALL = dict(commands())
GROUPS = [words for words, one in ALL.items() if isinstance(one, click.Group)]


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_command_takes_q_and_v(words: tuple[str, ...]) -> None:
    known = {option for parameter in ALL[words].params for option in parameter.opts}
    assert {"-q", "-v", "--json"} <= known
    assert words not in GROUPS or "--site" in known


@pytest.mark.parametrize("words", [(), *GROUPS], ids=" ".join)
def test_the_nearest_command_is_offered_at_every_level(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    group = ALL[words] if words else cli
    assert isinstance(group, click.Group)
    name = max(group.list_commands(click.Context(group)), key=len)
    code, out = said(capsys, *words, name[:-1])
    assert code == 2 and f"Did you mean '{name}'?" in out
    assert "Did you mean" not in said(capsys, *words, "zzzzzzzz")[1]
    assert f"Did you mean '{name}'?" in json.loads(said(capsys, *words, name[:-1], "--json")[1])["what"]


@pytest.mark.parametrize("before", [0, 1, 2], ids=["first", "in the group", "last"])
def test_the_site_is_named_before_or_after_the_command(
    before: int, fleet: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GOLDROOT_SITE")
    words = ["clone", "list"]
    words[before:before] = ["--site", fleet.root]
    code, out = said(capsys, *words)
    assert code == 0 and "web1" in out


@pytest.mark.parametrize("before", [0, 1, 2], ids=["first", "in the group", "last"])
@pytest.mark.parametrize("words", [["clone", "list"], ["clone", "show", "nosuch"], ["zvm", "call"]], ids=" ".join)
def test_json_is_asked_for_before_or_after_the_command(
    before: int, words: list[str], fleet: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = said(capsys, *words, "--json")
    assert said(capsys, *words[:before], "--json", *words[before:]) == (code, out)
    assert json.loads(out)


def test_what_the_command_itself_is_given_counts_first(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "--site", "/nowhere", "clone", "--site", "/nor/here", "list", "--site", fleet.root)[0] == 0
    assert (
        "/nor/here is not a goldroot site"
        in said(capsys, "--site", fleet.root, "clone", "--site", "/nor/here", "list")[1]
    )


@pytest.mark.slow
@pytest.mark.parametrize("words", [("-q", "update", "plan"), ("update", "-q", "plan"), ("update", "plan", "-q")])
def test_q_says_nothing_but_errors_and_the_exit_code(
    words: tuple[str, ...], fleet: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    on_clone(fleet, "web1", {"etc/plain.conf": "mine\n"})
    next_gold(fleet, {"etc/plain.conf": "gold\n"})
    assert said(capsys, *words, "web1") == (1, "")
    code, out = said(capsys, *words, "web1", "nosuch")
    assert code == 3 and out.startswith("goldroot: nosuch: ") and "web1" not in out.partition("\n")[0]
    assert json.loads(said(capsys, *words, "web1", "--json")[1])["plans"]


@pytest.mark.parametrize(
    "words",
    [
        ("clone", "show", NOT_UTF8),
        ("clone", "create", "web3", NOT_UTF8, "--image", IMAGE),
        ("clone", "create", "web3", "--image", NOT_UTF8),
        ("clone", "create", "web3", "--image", IMAGE, "--hostname", NOT_UTF8),
        ("update", "run", NOT_UTF8),
        ("update", "run", "--image", NOT_UTF8),
        ("review", "resolve", "web1", NOT_UTF8, "--take", "gold"),
        ("review", "resolve", "web1", "/etc/motd", "--take", "gold", "--note", NOT_UTF8),
        ("gold", "publish", IMAGE, "--note", NOT_UTF8),
        ("fallback", "prune", NOT_UTF8, "--force"),
        ("machine", "start", NOT_UTF8),
        (NOT_UTF8,),
        ("clone", NOT_UTF8),
    ],
)
def test_a_word_that_is_not_utf8_is_an_error(
    words: tuple[str, ...], fleet: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = said(capsys, *words)
    assert code == 2 and "\\xff" in out and "udcff" not in out


@pytest.mark.parametrize(
    ("words", "known"),
    [
        (("image", "import", "other", "--from", NOT_UTF8), "\\xff"),
        (("review", "resolve", "web1", "/etc/motd", "--take", NOT_UTF8), "nothing of web1 waits"),
        (("clone", "list", "--site", NOT_UTF8), "\\xff is not a goldroot site"),
        (("merge", "--base", NOT_UTF8, "--gold", NOT_UTF8, "--clone", NOT_UTF8, "--plan"), "base: there is no"),
    ],
)
def test_a_path_of_this_machine_may_be_any_bytes(
    words: tuple[str, ...], known: str, fleet: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = said(capsys, *words)
    assert code in (2, 3) and known in out and "is not UTF-8" not in out


def test_a_system_with_bytes_in_its_path_is_imported(
    fleet: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.rename(tmp_path / "root", os.path.join(tmp_path, NOT_UTF8))
    assert said(capsys, "image", "import", "other", "--from", os.path.join(tmp_path, NOT_UTF8))[0] == 0


def test_the_nearest_name_of_a_clone_and_an_image_is_offered(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (("clone", "show", "wbe1"), ("update", "plan", "wbe1"), ("machine", "start", "wbe1")):
        code, out = said(capsys, *words)
        assert code == 3 and "Did you mean 'web1'?" in out
    code, out = said(capsys, "gold", "list", "smal")
    assert code == 3 and f"Did you mean '{IMAGE}'?" in out
    assert "Did you mean" not in said(capsys, "clone", "show", "zzz")[1]


def test_a_path_inside_a_system_may_have_any_bytes(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    etc = live(fleet, "web1").root(b"etc")
    assert etc is not None
    Path(etc, "etc", NOT_UTF8).write_text("")
    code, out = said(capsys, "clone", "diff", "web1", f"/etc/{NOT_UTF8}")
    assert code == 1 and "/etc/w\\xff" in out


@pytest.mark.parametrize(
    "words",
    [("maintain", "run", IMAGE), ("clone", "enter", "web1"), ("machine", "run", "web1"), ("fallback", "mount", "web1")],
    ids=" ".join,
)
def test_a_command_without_a_name_is_refused_before_anything_is_entered(
    words: tuple[str, ...], fleet: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """As of ``"$editor" FILE`` where the variable is empty: its own end would say nothing."""
    for dashes in ((), ("--",)):
        code, out = said(capsys, *words, *dashes, "", "x")
        assert code == 2 and "the name of the program to run is empty" in out
