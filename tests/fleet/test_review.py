"""Review: what is shown, what is hidden, what an answer does."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from goldroot.catalog import decisions
from goldroot.errors import BadInput, NotFound, Refused, UsageError
from goldroot.fleet import clones, review
from goldroot.fleet.update.reconcile import clone_lock
from goldroot.fleet.update.update import run_update
from goldroot.site import Site
from goldroot.workflow import InProcess
from support.fleet import GROUP, IMAGE, PASSWD, SHADOW, next_gold, on_clone, text

BASE = "one = 1\ntwo = 2\nthree = 3\nfour = 4\nfive = 5\nsix = 6\nseven = 7\n"


@pytest.fixture
def waiting(site: Site, engine: InProcess) -> Site:
    """web1 with four conflicts: two texts, a file mode would not clash, a password, a user's number."""
    clones.create_clone(site, "web1", IMAGE)
    on_clone(site, "web1", {
        "etc/app.conf": BASE.replace("one = 1", "one = mine").replace("seven = 7", "seven = 8"),
        "etc/plain.conf": "mine\n",
        "etc/shadow": SHADOW.replace("root:*:19000", "root:$6$clone$secret:19500"),
        "etc/passwd": PASSWD + "local:x:102:102::/home/local:/bin/sh\n",
        "etc/group": GROUP + "local:x:102:\n",
    })  # fmt: skip
    next_gold(site, {
        "etc/app.conf": BASE.replace("one = 1", "one = gold").replace("four = 4", "four = 44"),
        "etc/plain.conf": "gold\n",
        "etc/shadow": SHADOW.replace("root:*:19000", "root:$6$gold$secret:19600"),
        "etc/passwd": PASSWD + "chrony:x:102:102::/var/lib/chrony:/bin/false\n",
        "etc/group": GROUP + "chrony:x:102:\n",
    })  # fmt: skip
    assert run_update(site, engine, "web1").outcome == "needs-review"
    return site


def shown(site: Site) -> dict[tuple[str, str], dict[str, object]]:
    found = review.find_case(site, "web1")
    return {
        (data["path"], data["axis"]): data for data in (review.show_conflict(site, found, one) for one in found.open)
    }


def test_the_versions_are_shown_as_diffs(waiting: Site) -> None:
    data = shown(waiting)[("/etc/plain.conf", "content")]
    assert data["diffs"] == {
        "base->gold": ["@@ -1 +1 @@", "-plain", "+gold"],
        "base->clone": ["@@ -1 +1 @@", "-plain", "+mine"],
    }


def test_rule_6_no_password_is_shown(waiting: Site) -> None:
    everything = repr(shown(waiting))
    assert "/etc/shadow" in everything
    assert "$6$" not in everything and "$secret" not in everything


def test_the_question_about_a_number_names_its_proposal(waiting: Site) -> None:
    numbers = [data for (path, axis), data in shown(waiting).items() if axis.endswith(":uid")]
    assert numbers
    assert all(data["stands"] == "proposal" for data in numbers)


def test_rule_4_the_record_names_every_conflict_with_its_rule(waiting: Site) -> None:
    from goldroot.fleet.update import open_update as work

    found = review.find_case(waiting, "web1")
    record = work.read_record(waiting, "web1", found.update.work)
    assert {conflict["key"] for conflict in record["conflicts"]} == {one.found.key for one in found.waiting}
    entries = {entry["path"]: entry for entry in record["entries"]}
    assert entries["/etc/plain.conf"]["outcome"] == "conflict"
    assert entries["/etc/plain.conf"]["rule"]["class"] == "config"


def test_the_side_of_the_server_is_taken_by_both_of_its_names(waiting: Site) -> None:
    found = review.find_case(waiting, "web1")
    named = review.chosen_conflicts(found, ["/etc/plain.conf"])
    for word in ("server", "clone"):
        after = review.resolve_conflicts(waiting, found, named, word)
        assert named[0].found.key not in [one.found.key for one in after.open]
        with waiting.catalog.read() as tx:
            assert decisions.remembered(tx, IMAGE)[named[0].found.key].take == "clone"


@pytest.mark.slow
def test_answers_are_used_by_the_next_run(waiting: Site, engine: InProcess, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("my own\n")
    found = review.find_case(waiting, "web1")
    found = review.resolve_conflicts(waiting, found, review.chosen_conflicts(found, ["/etc/plain.conf"]), str(own))
    found = review.resolve_conflicts(waiting, found, found.open, "proposal")
    assert found.open == []
    assert run_update(waiting, engine, "web1").outcome == "done"
    assert text(waiting, "web1", "etc/plain.conf") == "my own\n"
    passwd = text(waiting, "web1", "etc/passwd")
    assert passwd is not None and "chrony:x:102:" in passwd and "local:x:999:" in passwd


def test_all_like_takes_the_same_kind_of_question(waiting: Site) -> None:
    found = review.find_case(waiting, "web1")
    named = review.chosen_conflicts(found, ["/etc/plain.conf"], all_like=True)
    assert {one.found.path for one in named} == {b"/etc/plain.conf", b"/etc/app.conf"}


def test_what_is_no_answer_is_refused(waiting: Site, tmp_path: Path) -> None:
    found = review.find_case(waiting, "web1")
    named = review.chosen_conflicts(found, ["/etc/plain.conf"])
    with pytest.raises(UsageError, match="neither an answer nor a file"):
        review.resolve_conflicts(waiting, found, named, "nonsense")
    own = tmp_path / "own"
    own.write_text("<<<<<<< clone\nx\n>>>>>>> gold\n")
    with pytest.raises(BadInput, match="markers"):
        review.resolve_conflicts(waiting, found, named, str(own))
    own.write_text("x")
    shadow = [one for one in found.open if one.found.path == b"/etc/shadow"]
    with pytest.raises(Refused, match="takes no content"):
        review.resolve_conflicts(waiting, found, shadow, str(own))
    with pytest.raises(NotFound):
        review.chosen_conflicts(found, ["/etc/none"])
    assert len(review.find_case(waiting, "web1").open) == len(found.open)


@pytest.mark.slow
def test_editing_begins_with_what_could_be_merged(
    waiting: Site, engine: InProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = review.find_case(waiting, "web1")
    one = review.conflict_at(found, "/etc/app.conf")
    start = review.starting_text(waiting, found, one)
    assert b"four = 44" in start and b"seven = 8" in start and b"<<<<<<< clone" in start
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nsed -i '/^<<<<<<</d;/^|||||||/,/^=======/d;/^>>>>>>>/d' \"$1\"\n")
    editor.chmod(0o755)
    monkeypatch.setenv("EDITOR", str(editor))
    monkeypatch.delenv("VISUAL", raising=False)
    found = review.edit_conflict(waiting, found, one)
    review.resolve_conflicts(waiting, found, found.open, "proposal")
    assert run_update(waiting, engine, "web1").outcome == "done"
    merged = text(waiting, "web1", "etc/app.conf")
    assert merged is not None and "four = 44" in merged and "seven = 8" in merged and "one = gold" in merged


def test_an_edit_that_leaves_markers_decides_nothing(waiting: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    found = review.find_case(waiting, "web1")
    monkeypatch.setenv("VISUAL", "sed -i 1s/^/x/")
    with pytest.raises(BadInput, match="markers"):
        review.edit_conflict(waiting, found, review.conflict_at(found, "/etc/app.conf"))
    monkeypatch.setenv("VISUAL", "true")
    with pytest.raises(BadInput, match="left as it was"):
        review.edit_conflict(waiting, found, review.conflict_at(found, "/etc/app.conf"))


@pytest.mark.slow
def test_a_text_of_a_killed_edit_goes_and_one_that_is_still_edited_stays(
    waiting: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The editor outlives the command that was killed, and holds the room until it ends."""
    work, pid, go_on = Path(waiting.path("work")), tmp_path / "pid", tmp_path / "go-on"
    editor = tmp_path / "editor"
    editor.write_text(
        f"#!/bin/sh\necho $$ > {pid}.new; mv {pid}.new {pid}\nuntil [ -e {go_on} ]; do sleep 0.05; done\n"
    )
    editor.chmod(0o755)
    code = (
        "import sys\nfrom goldroot.fleet import review\nfrom goldroot.site import Site\n"
        "site = Site.open(sys.argv[1])\nfound = review.find_case(site, 'web1')\n"
        "review.edit_conflict(site, found, review.conflict_at(found, '/etc/app.conf'))"
    )
    monkeypatch.setenv("VISUAL", str(editor))
    with subprocess.Popen([sys.executable, "-c", code, waiting.root]) as command:
        wait_for(pid.exists)
        command.kill()
    with clone_lock(waiting, "web1", "a test"):
        assert [room.name for place in work.iterdir() for room in place.iterdir()] == ["app.conf"]
    go_on.touch()
    wait_for(lambda: not Path("/proc", pid.read_text().strip()).exists())
    with clone_lock(waiting, "web1", "a test"):
        assert list(work.iterdir()) == []


def wait_for(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)
