"""The terminal is not the server's: everything goes through one place, and nothing foreign leaves it as it came."""

from __future__ import annotations

import ast
import io
import json
import os
import pty
import re
import shutil
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import goldroot.cli
from goldroot.cli import progress, terminal
from goldroot.cli.command import table
from goldroot.cli.failure import guarded
from goldroot.cli.main import cli
from goldroot.errors import Refused
from goldroot.escape import escape, with_bytes
from goldroot.image import MAINTENANCE, System
from goldroot.site import Site
from support.fleet import IMAGE, next_gold, on_clone, small_site
from support.former import former, path_of

#: One of each kind: C0, escape sequences, DEL, C1, bidirectional and other format controls, separators, no UTF-8.
HOSTILE = (
    "\x00\x07\x08\x0b\r\x1b[2J\x1b]0;t\x07\x7f\x85\x9b31m\u00ad\u061c\u200b\u200e\u2028\u2029\u202e\u2066\ufeff"
    "\U000e0041\udc80\udcff[red]x[/red]"
)
#: The same for places that take no NUL, or only what is UTF-8.
TEXT = HOSTILE.replace("\x00", "").replace("\udc80", "").replace("\udcff", "")


#: And for one line of a file, however it is split.
LINE = re.sub("[\x0b\r\x85\u2028\u2029]", "", TEXT)


def is_harmless(said: str) -> bool:
    """Nothing that a terminal acts upon but line ends; tabs where lines of files stand."""
    return all(char in "\n\t" or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in said)


@given(st.text(st.characters()) | st.just(HOSTILE))
def test_what_is_escaped_is_harmless_and_one_line(text: str) -> None:
    shown = escape(text)
    assert shown.isprintable()
    assert is_harmless(shown)
    assert shown == text or not text.isprintable()
    assert is_harmless(escape(text, "\t"))


def test_what_is_harmless_stays() -> None:
    for text in ("", "web1: 2 to decide", "grün 漢字 ☃ e\u0301", "C:\\x1b is a backslash", "[bold]a[/bold]"):
        assert escape(text) == text
    assert escape("a\tb\nc") == "a\\x09b\\x0ac"
    assert escape("a\x1b\x9b\u202e\U000e0041\udcff") == "a\\x1b\\x9b\\u202e\\U000e0041\\xff"


def test_bytes_in_quoted_words_are_shown_as_bytes() -> None:
    for name in (b"w\xff", b"\xfe\\\xff\\\\\x80"):
        text = os.fsdecode(name)
        assert with_bytes(text) == name.decode("utf-8", "backslashreplace")
        assert with_bytes(f"{text!r}") == repr(name)[1:]
    typed = "C:\\udcff"
    assert with_bytes(f"{typed!r}") == repr(typed), "that is what somebody typed"


# -- one place

#: What writes to a terminal; ``write`` and ``writelines`` where it is called of a standard stream.
WRITERS = {"print", "echo", "secho", "echo_via_pager", "style", "Console", "pprint"}
#: Where one of them stands for a reason: names are escaped there, and markup is off; see the test of what is drawn.
ALLOWED = {("progress.py", "Console")}


def calls(file: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            whole = ast.unparse(node.func)
            stream = re.search(r"\b(std(out|err)\b.*\.write(lines)?|os\.write(v)?)$", whole)
            yield (whole if stream else name), node.lineno


def test_no_other_module_prints() -> None:
    found = [
        f"{file.name}:{line} {name}"
        for file in sorted(Path(goldroot.cli.__path__[0]).glob("*.py"))
        if file.name != "terminal.py"
        for name, line in calls(file)
        if (name in WRITERS or ".write" in name) and (file.name, name) not in ALLOWED
    ]
    assert found == []


def test_no_room_below_prints() -> None:
    """What is in them speaks by errors and values; `inside.py` is a process of its own, in a system."""
    top = Path(goldroot.__path__[0])
    found = [
        f"{file.relative_to(top)}:{line}"
        for file in sorted(top.rglob("*.py"))
        if "cli" not in file.parts
        for name, line in calls(file)
        if name in ("print", "echo", "secho")
    ]
    allowed = ("system/", "zvm/smapi/reference.py", "zvm/simulator/vmcp.py", "zvm/simulator/vmur.py")
    assert [one for one in found if not one.startswith(allowed)] == []


# -- the place


def test_a_line_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.put(f"name: a\nroot: {HOSTILE}")
    terminal.put("bad\x1b", err=True)
    terminal.put_lines(["one\n", "two\r"], indent="  ")
    table(["name\x1b", "b"], [["x\ny", "\x9b"], ["longer", ""]])
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert len(lines) == 6 and is_harmless(out)
    assert lines[0].startswith("name: a\\x0aroot: \\x00\\x07")
    assert "[red]x[/red]" in lines[0]
    assert lines[1:3] == ["  one\\x0a", "  two\\x0d"]
    assert lines[3:] == ["name\\x1b  b", "x\\x0ay    \\x9b", "longer"]
    assert err == "bad\\x1b\n"


def test_content_keeps_lines_and_tabs(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.put_content("a\tb\nc\x1b[0m\r", indent="  ")
    assert capsys.readouterr().out == "  a\tb\n  c\\x1b[0m\\x0d\n"


def test_json_is_ascii_without_controls(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.put_json({"name": HOSTILE + "ä"})
    out = capsys.readouterr().out
    assert out.isascii() and is_harmless(out)
    assert json.loads(out) == {"name": HOSTILE + "ä"}


def test_a_stream_that_knows_few_characters_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    terminal.put("grün ☃")
    stream.flush()
    assert stream.buffer.getvalue() == b"gr\\xfcn \\u2603\n"  # type: ignore[attr-defined]


def test_errors_and_mistakes_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    import click

    @click.command()
    @click.option("--json", is_flag=True)
    @click.argument("name", required=False)
    def refuse(json: bool, name: str | None) -> None:
        raise Refused(f"no\n{HOSTILE}", meaning=HOSTILE, todo=HOSTILE)

    for args in ([], ["--json"], [f"--{TEXT}"], ["a", TEXT], ["a", TEXT, "--json"]):
        assert guarded(refuse, args) in (2, 3)
        out, err = capsys.readouterr()
        assert is_harmless(out + err), args
        assert "\\x1b" in out + err or "\\u001b" in out + err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def drawing(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Standard error, as a wide terminal."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "400")
    return terminal


def words(drawn: Terminal) -> str:
    return re.sub("\x1b\\[[0-9;?]*[A-Za-z]", "", drawn.getvalue())


def test_progress_draws_no_foreign_sequence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of stages hold names of disks and files; the library's own sequences, to draw with, are all that is left."""
    drawn = drawing(monkeypatch)
    with progress.stages() as stage:
        advance = stage("copying [red]a[/red] \x1b]0;owned\x07\x9b \u202e")
        assert advance is not None
        advance(1)
    said = drawn.getvalue()
    assert "copying [red]a[/red] \\x1b]0;owned\\x07\\x9b \\u202e" in words(drawn)
    assert "\x1b]" not in said and "\x07" not in said and "\u202e" not in said


def test_progress_tells_how_many_of_how_many_and_of_the_servers_too(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = drawing(monkeypatch)
    with progress.stages(servers=2) as stage:
        advance = stage("copying one", lambda: 1200)
        assert advance is not None
        advance(300)
        stage.done("web1")
        unknown = stage("importing two")
        assert unknown is not None
        unknown(7)
    last = words(drawn).rsplit("servers", 1)[1]
    assert "1/2" in last and "7/?" in last
    assert last.count(" left") == 1  # of the servers: what is imported may be any number
    assert "copying" not in last  # what has ended is not drawn any more
    assert re.search(r"copying one\s.*/1200 .* left", words(drawn))


def test_more_than_were_known_are_not_more_than_all(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = drawing(monkeypatch)
    with progress.stages() as stage:
        advance = stage("reading", lambda: 3)
        assert advance is not None
        advance(2)
        advance(3)
    assert "5/5" in words(drawn)


def test_nobody_is_asked_for_a_total_that_nobody_sees() -> None:
    with progress.stages(quiet=True, servers=2) as stage:
        assert stage("copying", pytest.fail) is None
        stage.done("web1")


# -- through the commands


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    made = small_site(tmp_path)
    monkeypatch.setenv("GOLDROOT_SITE", made.root)
    yield made
    made.close()


def said(capsys: pytest.CaptureFixture[str], *args: str, code: int | None = 0) -> str:
    capsys.readouterr()
    status = guarded(cli, list(args))
    out, err = capsys.readouterr()
    assert code is None or status == code, out + err
    assert is_harmless(out + err), (args, out + err)
    return out + err


def test_what_gold_says_of_itself(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """PRETTY_NAME, package names, notes, paths, links' targets."""
    system = System(fleet, IMAGE, MAINTENANCE)
    usr, etc, var = (Path(path_of(system, system.layout.disk_of(path).address)) for path in (b"usr", b"etc", b"var"))
    status = var / "var/lib/dpkg"
    for place in (usr, var):
        (place / "var/lib/dpkg").mkdir(parents=True, exist_ok=True)
        (place / "var/lib/dpkg/status").write_text(
            f"Package: evil{LINE}\nStatus: install ok installed\nVersion: 1\x1b[31m\nArchitecture: all\n\n"
        )
    assert status.is_dir()
    (etc / "etc/os-release").unlink(missing_ok=True)
    (etc / "etc/os-release").write_text(f'ID=evil\nPRETTY_NAME="{LINE}"\n')
    os.symlink(os.fsencode("to\x1b[2J\udcff"), os.fsencode(str(etc / "etc") + "/link\x1b[2J\n\udcff"))
    root = etc.parent / "root-with-hostile-names"
    shutil.copytree(Path(fleet.root).parent / "root", root, symlinks=True)
    (root / "etc/os-release").write_text(f'ID=evil\nPRETTY_NAME="{LINE}"\n')
    (root / "etc" / "name\x1b[2J\u202e\n").touch()
    note = f"a note {TEXT}"
    said(capsys, "image", "import", "evil", "--from", str(root))
    assert "\\x1b" in said(capsys, "image", "list")
    said(capsys, "maintain", "diff", IMAGE, code=1)
    said(capsys, "gold", "publish", IMAGE, "--untested", "--plan")
    said(capsys, "gold", "publish", IMAGE, "--untested", "--note", note)
    said(capsys, "gold", "publish", "evil", "--untested", "--note", note)
    assert "\\u202e" in said(capsys, "gold", "list")
    shown = said(capsys, "gold", "show", "evil", "1")
    assert len([line for line in shown.splitlines() if line.startswith(("note ", "system "))]) == 2
    assert "\\x1b]0;t\\x07" in shown
    assert "link\\x1b[2J\\x0a\\xff" in said(capsys, "gold", "diff", IMAGE, "1", "2", "--paths", code=None)
    for words in (
        ("image", "list"),
        ("gold", "list"),
        ("gold", "show", "evil", "1"),
        ("gold", "diff", IMAGE, "1", "2"),
    ):
        answer = said(capsys, *words, "--json", code=None)
        assert answer.isascii()
        json.loads(answer)


def test_what_a_server_says(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """Names and contents of its files, in differences, plans, reviews and lists of what was written."""
    assert guarded(cli, ["clone", "create", "web1", "--image", IMAGE]) == 0
    hostile = "etc/we\x1b[2Jb\u202e\n"
    on_clone(fleet, "web1", {hostile: "new\n", "etc/plain.conf": f"mine {TEXT}\tx\n"})
    next_gold(fleet, {"etc/plain.conf": f"gold {TEXT}\n"})
    assert "etc/we\\x1b[2Jb" in said(capsys, "clone", "diff", "web1", code=1)
    said(capsys, "update", "plan", "web1", "--all-paths", code=1)
    said(capsys, "update", "run", "web1", code=1)
    review = said(capsys, "review", "show", "web1", code=1)
    assert "mine \\x07\\x08" in review and "[red]x[/red]" in review
    said(capsys, "review", "list", code=1)
    said(capsys, "review", "resolve", "web1", "--all", "--take", "clone", "--note", TEXT)
    said(capsys, "update", "run", "web1")
    on_clone(fleet, "web1", {"etc/written\x9b\r": "since\n"})
    assert "written\\x" in said(capsys, "rollback", "web1", "--plan")
    for words in (("clone", "diff", "web1", "--patch"), ("clone", "show", "web1"), ("update", "list")):
        assert said(capsys, *words, "--json", code="diff" in words).isascii()


def test_a_patch_is_exact_in_a_pipe_and_harmless_on_a_terminal(
    fleet: Site, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert guarded(cli, ["clone", "create", "web1", "--image", IMAGE]) == 0
    content = b"mine \x1b[2J \xff\xfe \xe2\x80\xae\tx\r\n"
    root = Path(former(fleet).at("WEB1", "1B5").path)
    (root / "etc/plain.conf").write_bytes(content)
    capfdbinary.readouterr()
    assert guarded(cli, ["clone", "diff", "web1", "--patch"]) == 1
    sys.stdout.flush()
    assert b"    +" + content in capfdbinary.readouterr().out
    ours, theirs = pty.openpty()
    with open(theirs, "w", closefd=True) as words:
        monkeypatch.setattr(sys, "stdout", words)
        assert guarded(cli, ["clone", "diff", "web1", "--patch"]) == 1
        words.flush()
        said = b""
        while b"differs from" not in said:  # the last line; a terminal gives what it has, in pieces
            said += os.read(ours, 1 << 16)
        drawn = said.replace(b"\r\n", b"\n").decode()
    os.close(ours)
    assert is_harmless(drawn)
    assert "+mine \\x1b[2J \\xff\\xfe \\u202e\tx\\x0d\n" in drawn.replace("        x", "\tx")


@pytest.mark.root
def test_what_checks_and_tests_say(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from goldroot.image import import_image
    from goldroot.site import init_site
    from support.roots import make_root

    site = init_site(str(tmp_path / "site"))
    monkeypatch.setenv("GOLDROOT_SITE", site.root)
    import_image(site, "small", str(make_root(tmp_path / "root")))
    site.close()
    with open(site.path("goldroot.toml"), "a") as file:
        file.write(
            "[images.small]\ntests = [\"printf '\\\\033[2J\\\\007\\\\233 [red]bad\\\\n\\\\tmore\\\\033]0;x\\\\007'; exit 1\"]\n"
        )
    shown = said(capsys, "maintain", "test", "small", code=1)
    assert "\\x1b[2J\\x07" in shown and "[red]bad" in shown
    assert said(capsys, "maintain", "test", "small", "--json", code=1).isascii()
