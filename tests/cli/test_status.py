"""The fleet on one screen, what happened, and help."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import goldroot
from goldroot.catalog import Event, events, gold, updates
from goldroot.catalog.schema import fallbacks
from goldroot.cli.failure import guarded
from goldroot.cli.main import cli
from goldroot.fleet.past import SENTENCES, sentence
from goldroot.fleet.update.reconcile import clone_lock
from goldroot.site import Site, init_site
from goldroot.views import EventRow, FleetStatus
from support.commands import data, said
from support.fleet import IMAGE, next_gold, on_clone
from support.killing import kill_at


@pytest.fixture
def waiting(fleet: Site, capsys: pytest.CaptureFixture[str]) -> Site:
    """web1 waits for a review of its way to gold 2; web2 is on gold 1."""
    on_clone(fleet, "web1", {"etc/plain.conf": "mine\n"})
    next_gold(fleet, {"etc/plain.conf": "gold\n"})
    assert said(capsys, "update", "run", "web1")[0] == 1
    return fleet


def test_a_fleet_at_rest(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = said(capsys, "status")
    assert code == 0 and "Nothing is in flight, waits for you, or is about to expire." in out
    one = data(capsys, "status")
    assert FleetStatus.model_validate(one).as_json() == one
    assert one["images"] == [{"image": IMAGE, "version": 1, "clones": 2, "current": 2, "others": {}, "free_slots": 2}]


def test_a_site_without_an_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    init_site(str(tmp_path / "new")).close()
    code, out = said(capsys, "status", "--site", str(tmp_path / "new"))
    assert code == 0 and "There is no image yet." in out
    assert said(capsys, "log", "--site", str(tmp_path / "new")) == (0, "Nothing happened yet.\n")


@pytest.mark.slow
def test_what_is_in_flight_and_waits_for_a_person(waiting: Site, capsys: pytest.CaptureFixture[str]) -> None:
    one = data(capsys, "status")
    assert FleetStatus.model_validate(one).as_json() == one
    assert [(row["clone"], row["state"], row["worked_on"]) for row in one["in_flight"]] == [
        ("web1", "needs-review", False)
    ]
    assert [(row["kind"], row["command"]) for row in one["waits"]] == [("review", "goldroot review show web1")]
    assert one["images"][0]["others"] == {"1": 2}
    code, out = said(capsys, "status")
    assert code == 0, "status is not a finding"
    assert "web1: 1 to decide:  goldroot review show web1" in out and "2 on 1" in out
    assert said(capsys, "review", "resolve", "web1", "--all", "--take", "gold")[0] == 0
    (row,) = data(capsys, "status")["waits"]
    assert (row["kind"], row["text"], row["command"]) == ("go-on", "all is decided", "goldroot update run web1")


@pytest.mark.slow
def test_what_is_worked_on_now_waits_for_nobody(waiting: Site, capsys: pytest.CaptureFixture[str]) -> None:
    with clone_lock(waiting, "web1", "a test"):
        one = data(capsys, "status")
        assert one["waits"] == [] and one["in_flight"][0]["worked_on"]
        assert "worked on now" in said(capsys, "status")[1]


@pytest.mark.slow
def test_an_error_is_told_with_the_command_that_goes_on(waiting: Site, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "review", "resolve", "web1", "--all", "--take", "gold")
    with waiting.catalog.begin() as tx:
        updates.set_state(tx, 1, "needs-review", error="the check failed")
    (row,) = data(capsys, "status")["waits"]
    assert (row["kind"], row["text"]) == ("error", "the check failed")


@pytest.mark.slow
def test_a_fallback_that_is_about_to_expire(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    next_gold(fleet, {"etc/plain.conf": "gold\n"})
    assert said(capsys, "update", "run", "web1", "web2")[0] == 0
    assert data(capsys, "status")["expiring"] == []
    for number, until in ((1, "2001-01-01T00:00:00Z"), (2, "9999-01-01T00:00:00Z")):
        with fleet.catalog.begin() as tx:
            tx.write(fallbacks.update().where(fallbacks.c.id == number).values(kept_until=until))
    one = data(capsys, "status")
    assert FleetStatus.model_validate(one).as_json() == one
    assert [(row["fallback"], row["due"]) for row in one["expiring"]] == [(1, True)]
    assert "fallback 1 (gold 1), past its date since 2001-01-01" in said(capsys, "status")[1]


@pytest.mark.slow
def test_what_was_cut_off_is_told(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    next_gold(fleet, {"etc/plain.conf": "gold\n"})
    assert said(capsys, "update", "run", "web1")[0] == 0
    for point, words in (
        ("disk.made", ["clone", "create", "web3", "--image", IMAGE]),
        ("clone.deleting", ["clone", "delete", "web2"]),
        ("fallback.pruned", ["fallback", "prune", "web1", "--force"]),
    ):
        kill_at(point, lambda words=words: guarded(cli, words))  # type: ignore[misc]
    with fleet.catalog.begin() as tx:
        gold.begin_publish(tx, IMAGE)
    assert {row["command"] for row in data(capsys, "status")["waits"] if row["kind"] == "cut-off"} == {
        f"goldroot clone create web3 --image {IMAGE}",
        "goldroot clone delete web2",
        "goldroot fallback prune web1",
        f"goldroot gold publish {IMAGE}",
    }
    with clone_lock(fleet, "web3", "a test"):
        assert "web3" not in {row["name"] for row in data(capsys, "status")["waits"]}, "somebody is at it"


@pytest.mark.slow
def test_a_part_that_does_not_fit_is_shortened_and_v_shows_it_whole(
    fleet: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"n{number}" for number in range(10)]
    next_gold(fleet, {"etc/plain.conf": "gold\n"})
    assert said(capsys, "clone", "create", *names, "--image", IMAGE, "--gold", "1")[0] == 0
    with fleet.catalog.begin() as tx:
        for name in names:
            updates.begin(tx, name, 2)
    out = said(capsys, "status")[1]
    assert "In flight (10):" in out and "... and 2 more: goldroot update list" in out
    out = said(capsys, "status", "-v")[1]
    assert "more:" not in out and out.count("update from gold 1 to 2") == 10


@pytest.mark.slow
def test_the_log_tells_the_story_newest_last(waiting: Site, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "review", "resolve", "web1", "--all", "--take", "server")
    for words in (("update", "run", "web1"), ("rollback", "web1"), ("gold", "retire", IMAGE, "2")):
        assert said(capsys, *words)[0] == 0
    rows = data(capsys, "log")
    assert [EventRow.model_validate(row).as_json() for row in rows] == rows
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)
    texts = [(row["name"], row["text"]) for row in rows]
    story = [
        (IMAGE, "was imported"),
        (IMAGE, "gold 1 was published, untested"),
        ("web1", f"was created from {IMAGE} 1"),
        ("web1", "update 1 to gold 2 was begun"),
        ("web1", "update 1 waits for a review"),
        ("web1", "was updated from gold 1 to 2 (update 1)"),
        ("web1", "was rolled back from gold 2 to 1 (rollback 2)"),
        (IMAGE, "gold 2 was retired"),
    ]
    assert [one for one in texts if one in story] == story
    assert any(
        name == IMAGE and text.startswith("/etc/plain.conf [content] was answered with server by ")
        for name, text in texts
    )
    assert not any("preparing" in text for _, text in texts)
    assert any(row["what"] == "update-preparing" for row in data(capsys, "log", "--all"))


@pytest.mark.slow
def test_the_log_of_one(waiting: Site, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "review", "resolve", "web1", "--all", "--take", "server")
    rows = data(capsys, "log", "web1")
    assert {row["name"] for row in rows if row["what"] != "decided"} == {"web1"}
    assert rows[-1]["what"] == "decided", "it was web1's question"
    assert "decided" not in [row["what"] for row in data(capsys, "log", "web2")]
    assert {row["name"] for row in data(capsys, "log", IMAGE)} == {IMAGE}
    assert [row["id"] for row in data(capsys, "log", "-n", "2")] == [row["id"] for row in data(capsys, "log")][-2:]
    code, out = said(capsys, "log", "nosuch")
    assert code == 3 and "nothing is known of" in out
    said(capsys, "clone", "delete", "web2")
    assert data(capsys, "log", "web2")[-1]["text"] == f"was deleted; it was on {IMAGE} 1", (
        "it is gone, and its past is not"
    )


@pytest.mark.parametrize("what", [*SENTENCES, "something-new"])
def test_an_event_of_another_goldroot_has_a_sentence_too(what: str) -> None:
    """One that keeps less, and one that this goldroot does not know."""
    assert sentence(Event(1, "", what, "clone:web1", {}))
    assert "{" not in sentence(Event(1, "", what, "clone:web1", {"x": "{y}"})).replace("{y}", "")


def test_every_event_that_is_written_has_a_sentence_or_is_a_step() -> None:
    """A word of the source that nobody gave a sentence, nor called a step on the way, is a mistake."""
    steps = {"copy-begun", "copy-made", "copy-removed", "publish-begun", "clone-moved", "rolled-back"}
    written = set()
    for file in Path(goldroot.__file__).parent.rglob("*.py"):
        written |= set(re.findall(r'events\.add\(\s*tx, "([a-z-]+)"', file.read_text()))
    assert written <= set(SENTENCES) | steps | {"entry-renamed"}, written - set(SENTENCES) - steps


def commands(group: click.Group = cli, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name in group.list_commands(click.Context(group)):
        found = group.get_command(click.Context(group), name)
        yield (*above, name)
        if isinstance(found, click.Group):
            yield from commands(found, (*above, name))


@pytest.mark.parametrize("words", [(), *commands()], ids=" ".join)
def test_help_says_what_the_option_says(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "help", *words) == said(capsys, *words, "--help")


def test_help_of_what_there_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = said(capsys, "help", "update", "pln")
    assert code == 2 and "there is no command 'pln' in 'goldroot update'. Did you mean 'plan'?" in out
    code, out = said(capsys, "help", "init", "more")
    assert code == 2 and "there is no command 'more' in 'goldroot init'" in out
    assert data(capsys, "help", "init")["command"] == "goldroot init"


def test_the_tab_key_completes_commands_behind_help() -> None:
    from goldroot.cli.helping import help_command

    (parameter,) = (one for one in help_command.params if one.name == "words")
    context = click.Context(help_command, parent=click.Context(cli, info_name="goldroot"))
    assert [one.value for one in parameter.shell_complete(context, "re")] == ["review", "restore"]
    context.params["words"] = ("review",)
    assert [one.value for one in parameter.shell_complete(context, "re")] == ["resolve"]


def test_events_are_found_by_kind_and_subjects(fleet: Site) -> None:
    with fleet.catalog.read() as tx:
        found = events.latest(tx, ("clone:web1", "clone:web2"), kinds=("clone-created",))
    assert [(one.subject, one.what) for one in found] == [
        ("clone:web1", "clone-created"),
        ("clone:web2", "clone-created"),
    ]
