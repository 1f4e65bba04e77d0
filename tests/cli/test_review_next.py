"""`goldroot review next`: one question after the other, each answered by one key, on a terminal."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from goldroot.cli import keys
from goldroot.fleet import find_case, run_update
from goldroot.site import Site
from goldroot.views import ReviewDecided, ReviewNext, ReviewShown
from goldroot.workflow import InProcess
from support.commands import data, said
from support.fleet import IMAGE, ROOT, next_gold, on_clone, small_site, text
from support.person import Person

BASE = "one = 1\ntwo = 2\nthree = 3\nfour = 4\nfive = 5\nsix = 6\nseven = 7\n"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of :func:`waiting`, made once."""
    place = tmp_path_factory.mktemp("waiting")
    site = small_site(place, {**ROOT, "etc/old.conf": "old\n"}, servers=("web1",))
    on_clone(site, "web1", {
        "etc/app.conf": BASE.replace("one = 1", "one = mine").replace("two = 2", "two = mine").replace("7", "8"),
        "etc/plain.conf": "mine\n",
        "etc/old.conf": "old\nmine\n",
    })  # fmt: skip
    next_gold(site, {
        "etc/app.conf": BASE.replace("one = 1", "one = gold").replace("two = 2", "two = gold").replace("4", "44"),
        "etc/plain.conf": "gold\n",
        "etc/old.conf": None,
    })  # fmt: skip
    assert run_update(site, InProcess(), "web1").outcome == "needs-review"
    site.close()
    return place / "site"


@pytest.fixture
def waiting(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """web1 with three questions: a text with a hunk, a short text, and a file that gold deleted."""
    subprocess.run(["cp", "-a", "--reflink=auto", template, tmp_path], check=True)
    site = Site.open(str(tmp_path / "site"))
    monkeypatch.setenv("GOLDROOT_SITE", site.root)
    yield site
    site.close()


def answers(site: Site) -> dict[str, str]:
    """What is remembered, by path."""
    from goldroot.fleet import all_answers
    from goldroot.tree import path_text

    return {path_text(one.question.path): one.said.take for one in all_answers(site)}


def own(site: Site, path: str) -> str:
    """The content that was given as the answer about a path."""
    from goldroot.fleet import all_answers

    (found,) = (one.said.content for one in all_answers(site) if one.question.path == path.encode())
    return (found or b"").decode()


def typed(monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    """These keys are pressed, one for each question; then the input ends."""
    pressed = iter(words)
    monkeypatch.setattr(keys, "at_terminal", lambda: True)
    monkeypatch.setattr(keys.Keys, "_next", lambda self: next(pressed, "q"))


# -- on a terminal


@contextmanager
def at_a_long_question(site: Site, room: Path, pager: str) -> Iterator[Person]:
    """Somebody who has come to a question that is longer than a screen, and so in a pager, which is this script."""
    program = room / "pager"
    program.write_text(pager)
    program.chmod(0o755)
    on_clone(site, "web1", {"etc/plain.conf": "".join(f"mine {number}\n" for number in range(80))})
    with Person("review", "next", "web1", env={"PAGER": str(program)}) as person:
        person.answers("Which one?", "j")
        person.answers("Which one?", "j")
        yield person


@pytest.mark.slow
def test_one_key_answers_a_question_and_a_kill_loses_none(waiting: Site) -> None:
    with Person("review", "next", "web1") as person:
        shown = person.answers("Which one? [s,g,h,e,t,v,j,k,q,?]", "g")
        assert "(1/3)" in shown and "/etc/app.conf  [content]" in shown and "+one = mine" in shown
        person.sees("decided: gold")
        person.sees("/etc/old.conf")
        assert answers(waiting) == {"/etc/app.conf": "gold"}, "it is kept before the next question is asked"
        person.kill()
    with Person("review", "next") as person:
        shown = person.answers("(1/2) Which one?", "g")
        assert "gold deleted it (a file of 1 line)" in shown and "the server changed its content:" in shown
        assert "/etc/plain.conf" in person.answers("(2/2) Which one?", "s")
        assert person.ends() == 0
        assert "All is decided. Go on with: goldroot update run web1" in person.screen
    assert answers(waiting) == {"/etc/app.conf": "gold", "/etc/plain.conf": "clone", "/etc/old.conf": "gold"}


@pytest.mark.slow
def test_long_questions_stand_in_the_pager_and_colours_only_where_they_are_wanted(
    waiting: Site, tmp_path: Path
) -> None:
    script = f"#!/bin/sh\ncat > {tmp_path}/paged\necho PAGED\n"
    with at_a_long_question(waiting, tmp_path, script) as person:
        person.sees("PAGED")
        person.answers("Which one?", "q")
        assert person.ends() == 1
    assert "+mine 79" in (tmp_path / "paged").read_text() and "\x1b[" not in person.screen
    with Person("review", "next", "web1", env={"NO_COLOR": ""}) as person:
        person.answers("Which one?", "\x04")
        assert person.ends() == 1
    assert "\x1b[" not in person.screen, "NO_COLOR counts also where it is empty"


@pytest.mark.slow
def test_an_editor_has_the_terminal_and_is_opened_again_where_markers_are_left(waiting: Site, tmp_path: Path) -> None:
    editor = tmp_path / "editor"
    editor.write_text(
        "#!/bin/sh\ntest -t 0 -a -t 1 || exit 9\necho EDITING\nif [ -e "
        f"{tmp_path}/second ]; then sed -i '/^[<|=>]\\{{7\\}}/d' \"$1\"; else sed -i 's/four/FOUR/' \"$1\"; fi\n"
        f"touch {tmp_path}/second\n"
    )
    editor.chmod(0o755)
    with Person("review", "next", "web1", env={"VISUAL": str(editor)}) as person:
        person.answers("(1/3) Which one?", "e")
        person.answers("conflict markers. Edit it again? [Y/n]", "y")
        person.sees("decided: your text")
        person.answers("(2/3) Which one?", "q")
        assert person.ends() == 1
    assert "FOUR = 44" in own(waiting, "/etc/app.conf"), "the second edit went on with the first"
    assert "<<<" not in own(waiting, "/etc/app.conf")


#: As less does it: keys come from the terminal, without echo, and Ctrl-C is one that it has a use for.
LESS = """
import os, signal, sys, termios, tty
sys.stdin.read()
terminal = os.open("/dev/tty", os.O_RDWR)
before = termios.tcgetattr(terminal)
signal.signal(signal.SIGINT, lambda *_: os.write(1, b"HEARD"))
tty.setcbreak(terminal)
os.write(1, b"PAGED")
while os.read(terminal, 1) != b"q":
    pass
termios.tcsetattr(terminal, termios.TCSADRAIN, before)
"""


@pytest.mark.slow
def test_ctrl_c_in_a_pager_is_the_pagers(waiting: Site, tmp_path: Path) -> None:
    """less goes back to its prompt.  Who ended for it would leave the terminal as less had it, without echo."""
    with at_a_long_question(waiting, tmp_path, f"#!{sys.executable}\n{LESS}") as person:
        person.answers("PAGED", "\x03")
        person.answers("HEARD", "q")
        person.answers("(3/3) Which one?", "\x03")
        assert person.ends() == 130, "goldroot's own again"
        assert person.has_echo()


@pytest.mark.slow
@pytest.mark.parametrize("by", ["kill -9 $$", "kill -TERM $PPID; sleep 60"], ids=["the pager", "goldroot"])
def test_the_terminal_is_as_it_was_after_a_pager_that_was_killed(waiting: Site, tmp_path: Path, by: str) -> None:
    script = f"#!/bin/sh\ncat > /dev/null\nstty -echo -icanon < /dev/tty\necho PAGED\n{by}\n"
    with at_a_long_question(waiting, tmp_path, script) as person:
        person.sees("PAGED")
        if "PPID" not in by:
            person.answers("(3/3) Which one?", "q")
        assert person.ends() == (143 if "PPID" in by else 1)
        assert person.has_echo()


# -- without


def test_without_a_terminal_it_says_what_to_use(waiting: Site, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = said(capsys, "review", "next", "web1")
    assert code == 2 and "goldroot review show web1" in out and "goldroot review resolve web1" in out
    assert answers(waiting) == {}


def test_nothing_to_ask_is_no_error(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "review", "next") == (0, "Nothing waits for a review.\n")
    assert said(capsys, "review", "next", "web1")[0] == 3


# -- keys


@pytest.mark.parametrize(
    ("pressed", "kept"),
    [
        ("q", {}),
        ("jjj", {}),
        ("jjsq", {"/etc/plain.conf": "clone"}),
        ("jkgq", {"/etc/app.conf": "gold"}),
        ("kxs?vq", {"/etc/app.conf": "clone"}),
    ],
)
def test_keys_go_on_back_and_away(
    waiting: Site,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    pressed: str,
    kept: dict[str, str],
) -> None:
    typed(monkeypatch, pressed)
    code, _ = said(capsys, "review", "next", "web1")
    assert (code, answers(waiting)) == (1, kept)


def test_what_is_not_a_key_is_said_and_help_tells_the_keys(
    waiting: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, "x\r?q")
    out = said(capsys, "review", "next", "web1")[1]
    assert "'x' is not one of the keys here; ? tells them." in out and out.count("is not one of the keys") == 1
    assert "  s  the server's stays" in out and "  h  hunk by hunk" in out and "  q  quit" in out


def test_hunks_are_taken_from_the_server_from_gold_and_from_both(
    waiting: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, "hcsgq")
    said(capsys, "review", "next", "web1")
    assert own(waiting, "/etc/app.conf") == BASE.replace("one = 1", "one = mine").replace(
        "two = 2", "two = gold"
    ).replace("4", "44").replace("7", "8")
    typed(monkeypatch, "jhbq")
    said(capsys, "review", "next", "web1")
    assert own(waiting, "/etc/plain.conf") == "mine\ngold\n"


def test_an_undecided_hunk_leaves_the_file_undecided(
    waiting: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, "hcsjqq")
    assert "Some hunks were left undecided" in said(capsys, "review", "next", "web1")[1]
    assert answers(waiting) == {}


@pytest.mark.parametrize("left", ["j", "q", "qjk"])
def test_what_was_taken_of_hunks_is_there_when_a_person_comes_back(
    waiting: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, left: str
) -> None:
    typed(monkeypatch, f"hcs{left}hgq")
    said(capsys, "review", "next", "web1")
    assert "one = mine" in own(waiting, "/etc/app.conf") and "two = gold" in own(waiting, "/etc/app.conf")


def test_a_side_that_is_put_together_again_is_that_side(
    waiting: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, "jjhgq")
    said(capsys, "review", "next", "web1")
    assert answers(waiting) == {"/etc/plain.conf": "gold"}


def test_gits_merge_tool_gets_the_three_versions(
    waiting: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    typed(monkeypatch, "jjtq")
    assert "git config --global merge.tool" in said(capsys, "review", "next", "web1")[1]
    assert answers(waiting) == {}
    (home / ".gitconfig").write_text(
        '[merge]\n\ttool = mine\n[mergetool "mine"]\n\ttrustExitCode = true\n'
        '\tcmd = cat \\"$BASE\\" \\"$LOCAL\\" \\"$REMOTE\\" > \\"$MERGED\\"\n'
    )
    typed(monkeypatch, "jjtq")
    said(capsys, "review", "next", "web1")
    assert own(waiting, "/etc/plain.conf") == "plain\nmine\ngold\n"


def test_an_edit_that_is_left_with_markers_is_kept_and_gone_on_with(
    waiting: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL", "sed -i 's/four/FOUR/'")
    code, out = said(capsys, "review", "edit", "web1", "/etc/app.conf")
    assert code == 2 and "conflict markers" in out
    kept = Path(out.partition("What you wrote is kept: ")[2].splitlines()[0])
    assert b"FOUR = 44" in kept.read_bytes() and kept.stat().st_mode & 0o077 == 0
    monkeypatch.setenv("VISUAL", "sed -i -e '/^[<|=>]\\{7\\}/d'")
    assert said(capsys, "review", "edit", "web1", "/etc/app.conf")[0] == 0
    assert "FOUR = 44" in own(waiting, "/etc/app.conf") and not kept.exists()


def test_a_text_that_an_editor_saved_before_it_failed_is_kept(
    waiting: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\necho saved >> "$1"\nexit 3\n')
    editor.chmod(0o755)
    monkeypatch.setenv("VISUAL", str(editor))
    code, out = said(capsys, "review", "edit", "web1", "/etc/plain.conf")
    kept = Path(out.partition("What you wrote is kept: ")[2].splitlines()[0])
    assert code == 4 and kept.read_text().endswith("saved\n") and answers(waiting) == {}


# -- hints


def hinted(out: str) -> list[str]:
    """The commands that a screen offers for what is to be decided."""
    return [line.partition("goldroot ")[2] for line in out.splitlines() if line.startswith("  goldroot review ")]


@pytest.mark.slow
def test_every_hint_works_as_it_stands(
    waiting: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL", "sh -c 'echo mine > \"$1\"' sh")
    out = said(capsys, "review", "show", "web1")[1]
    while "to decide" in out:
        hints = hinted(out)
        assert [hint.split()[1] for hint in hints] == ["resolve", "edit"]
        words, _, takes = hints[0].partition(" --take ")
        for take in takes.split("|"):
            assert said(capsys, *words.split(), "--take", "/etc/hosts" if take == "FILE" else take, "--plan")[0] == 0
        code, out = said(capsys, *hints[1].split())
        assert code == 0 and "decided" in out
    assert said(capsys, *out.partition("Go on with: goldroot ")[2].split())[0] == 0
    assert text(waiting, "web1", "etc/plain.conf") == "mine\n"


@pytest.mark.slow
def test_no_edit_is_offered_of_what_is_not_a_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = small_site(tmp_path, servers=("web1",))
    monkeypatch.setenv("GOLDROOT_SITE", site.root)
    on_clone(site, "web1", {"etc/plain.conf": "mine\0\n"})
    next_gold(site, {"etc/plain.conf": "gold\0\n"})
    assert said(capsys, "update", "run", "web1")[0] == 1
    out = said(capsys, "review", "show", "web1")[1]
    assert [hint.split()[1] for hint in hinted(out)] == ["resolve"]
    assert find_case(site, "web1").open
    site.close()


def test_the_words_of_a_question_are_in_its_json(waiting: Site, capsys: pytest.CaptureFixture[str]) -> None:
    every = data(capsys, "review", "show", "web1")
    assert ReviewShown.model_validate(every).as_json() == every
    first = data(capsys, "review", "next")
    assert ReviewNext.model_validate(first).as_json() == first
    assert (first["clone"], first["open"], first["conflict"]) == ("web1", 3, every["conflicts"][0])
    done = data(capsys, "review", "resolve", "web1", "/etc/plain.conf", "--take", "gold")
    assert ReviewDecided.model_validate(done).as_json() == done
    shown = {one["path"]: one for one in every["conflicts"]}
    assert shown["/etc/old.conf"]["said"] == {"gold": "deleted it (a file of 1 line)", "clone": "changed its content"}
    assert shown["/etc/old.conf"]["diffs"]["base->gold"] == []
    assert IMAGE and shown["/etc/plain.conf"]["diffs"]["base->gold"] == ["@@ -1 +1 @@", "-plain", "+gold"]


def test_the_end_of_the_input_counts_also_where_it_came_before_the_question(waiting: Site) -> None:
    with Person("review", "next", "web1") as person:
        person.types("\x04")  # the terminal still waits for whole lines
        person.sees("Which one?")
        assert person.ends() == 1


def test_an_editor_that_cannot_be_read_as_words_is_told(
    waiting: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL", " ")  # says nothing
    monkeypatch.setenv("EDITOR", "sed -i 's/four")
    code, out = said(capsys, "review", "edit", "web1", "/etc/plain.conf")
    assert code == 2 and "$EDITOR is not a command: no closing quotation" in out
    monkeypatch.setattr(keys, "put", lambda *words, **_: None)
    monkeypatch.setenv("PAGER", "less '")
    keys.page([("", f"line {number}") for number in range(200)])  # shown without it


def test_what_an_editor_saved_in_a_new_file_before_it_failed_is_kept(
    waiting: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many editors save by a new file and a rename, which takes the place of the link to what is kept."""
    monkeypatch.setenv("VISUAL", 'sh -c \'sed s/mine/OURS/ "$0" > "$0.new"; mv "$0.new" "$0"; exit 3\'')
    code, out = said(capsys, "review", "edit", "web1", "/etc/plain.conf")
    assert code == 4 and "What you wrote is kept: " in out
    kept = out.split("What you wrote is kept: ")[1].splitlines()[0]
    assert "OURS" in Path(kept).read_text()
