"""Commands over several names are killed from outside, two hundred times: the same command again finishes, and succeeds.

After each kill every server is exactly what it was or exactly what it was to become, and no disk that was there has changed.
After the repetition (which is killed too, now and then) the site is that of a command that nobody killed, and doctor finds
nothing.
"""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from goldroot.fleet import clones
from goldroot.site import Site
from support.fleet import IMAGE, next_gold, on_clone, small_site
from support.fork_server import ForkServer, Kill, Ran

pytestmark = pytest.mark.timeout(1800)

SEED = 13
NAMES = ("web1", "web2", "web3")
#: Of each act, so many kills at crash points, before a change of a file system, and at a moment.
AT_POINTS, AT_CHANGES, AT_MOMENTS = 7, 5, 5
#: One kill in so many is followed by a second one.
TWICE = 4

State = dict[str, Any]


@dataclass(frozen=True)
class Act:
    """A command that is killed.

    :param site: the state of the site in which it is due. :param ends: its exit status when nobody kills it.
    :param done: the exit status of its repetition where the killed one had done all of it.
    """

    site: str
    args: tuple[str, ...]
    ends: int = 0
    done: int = 0


ACTS = {
    "create": Act("fleet", ("clone", "create", "n1", "n2", "n3", "--image", IMAGE), done=3),
    "update": Act("due", ("update", "run", *NAMES)),
    "update one by one": Act("due", ("update", "run", "--all", "--jobs", "1")),
    "update that asks": Act("asking", ("update", "run", *NAMES), ends=1, done=1),
    "resolve": Act("in-review", ("review", "resolve", "web1", "--all", "--take", "server"), done=3),
    "cancel": Act("in-review", ("update", "cancel", *NAMES), done=3),
    "rollback": Act("updated", ("rollback", *NAMES), done=3),
    "rollback with carry": Act("updated", ("rollback", *NAMES, "--carry", "--take-proposals"), done=3),
    "prune": Act("updated", ("fallback", "prune", "--force", *NAMES), done=3),
    "delete": Act("updated", ("clone", "delete", *NAMES), done=3),
    "retire": Act("free", ("gold", "retire", IMAGE, "1", "--remove"), done=3),
    "import": Act("fleet", ("image", "import", "other", "--from", "{root}"), done=3),
    "delete image": Act("two-images", ("image", "delete", "other"), done=3),
}


@dataclass
class Campaign:
    room: Path
    server: ForkServer

    @contextmanager
    def copied(self, name: str) -> Iterator[str]:
        """A copy of a site."""
        place = Path(tempfile.mkdtemp(prefix="kill-", dir=self.room))
        subprocess.run(["cp", "-a", "--reflink=auto", self.room / name / "site", place], check=True)
        try:
            yield str(place / "site")
        finally:
            shutil.rmtree(place)

    def run(self, act: Act, root: str, kill: Kill | None = None, log: str = "") -> Ran:
        words = (word.replace("{root}", str(self.room / "fleet/root")) for word in act.args)
        return self.server.run(*words, "--site", root, kill=kill, log=log)

    def look(self, root: str) -> State:
        """As :func:`support.whole.look_at_all`; what stands in the order in which the names were done is sorted."""
        state: State = self.server.call("support.whole:look_at_all", root)
        state["facts"]["records"] = [
            [clone, record] for clone, _, record in state["facts"]["records"]
        ]  # numbers by turn
        state["facts"] = {word: sorted(fact, key=repr) for word, fact in state["facts"].items()}
        return state


@pytest.fixture(scope="module")
def campaign() -> Iterator[Campaign]:
    room = Path(tempfile.mkdtemp(prefix="goldroot-names-"))
    server = ForkServer(warm=True)
    try:
        made = Campaign(room, server)
        make_sites(made)
        yield made
    finally:
        server.close()
        shutil.rmtree(room)


def make_sites(campaign: Campaign) -> None:
    """Each state of a site in ``room/NAME``, made from the one before it."""

    def made_from(name: str, before: str, *args: str, ends: int = 0) -> None:
        shutil.copytree(campaign.room / before, campaign.room / name, symlinks=True)
        if args:
            done = campaign.server.run(*args, "--site", str(campaign.room / name / "site"))
            assert done.status == ends, done.said

    def written(name: str, files: dict[str, str | None], gold: dict[str, str | None] | None = None) -> None:
        with_site = Site.open(str(campaign.room / name / "site"))
        for number, clone in enumerate(NAMES):
            on_clone(with_site, clone, {path: f"{number} {text}" for path, text in files.items()})
        if gold:
            next_gold(with_site, gold)
        with_site.close()

    (campaign.room / "fleet").mkdir()
    site = small_site(campaign.room / "fleet")
    for name in NAMES:
        clones.create_clone(site, name, IMAGE)
    site.close()
    made_from("two-images", "fleet", "image", "import", "other", "--from", str(campaign.room / "fleet/root"))
    made_from("due", "fleet")
    written(
        "due",
        {"srv/mine": "mine\n", "var/lib/mysql/ibdata": "mine"},
        {"etc/plain.conf": "gold\n", "usr/bin/tool": "2\n"},
    )
    made_from("asking", "fleet")
    written("asking", {"etc/plain.conf": "mine\n"}, {"etc/plain.conf": "gold\n"})
    made_from("in-review", "asking", "update", "run", *NAMES, ends=1)
    made_from("updated", "due", "update", "run", *NAMES)
    written("updated", {"etc/since.conf": "since\n"})
    made_from("free", "due", "update", "run", *NAMES)
    pruned = campaign.server.run("fallback", "prune", "--force", *NAMES, "--site", str(campaign.room / "free/site"))
    assert pruned.status == 0, pruned.said


@dataclass
class Unkilled:
    """The states around an act that nobody killed, and what a kill can be aimed by."""

    old: State
    new: State
    ran: Ran
    points: list[str]


def unkilled(campaign: Campaign, act: Act) -> Unkilled:
    with campaign.copied(act.site) as root:
        log = Path(root).parent / "points"
        old = campaign.look(root)
        ran = campaign.run(act, root, log=str(log))
        assert ran.status == act.ends, ran.said
        new = campaign.look(root)
        assert old["problems"] == new["problems"] == []
        assert campaign.server.run("doctor", "--site", root).status == 0
        names = log.read_text().split() if log.exists() else []
        return Unkilled(old, new, ran, [f"{one}:{names[: n + 1].count(one)}" for n, one in enumerate(names)])


def kills_of(known: Unkilled, chance: random.Random) -> list[Kill]:
    points = sorted(chance.sample(known.points, min(AT_POINTS, len(known.points))))
    changes = sorted(chance.sample(range(1, known.ran.changes + 1), min(AT_CHANGES, known.ran.changes)))
    # What workers change is counted by themselves: there are more moments then.
    moments = AT_POINTS + AT_CHANGES + AT_MOMENTS - len(points) - len(changes)
    return [
        *(Kill(point=one) for one in points),
        *(Kill(change=one) for one in changes),
        *(at_a_moment(known, chance) for _ in range(moments)),
    ]


def any_kill(known: Unkilled, chance: random.Random) -> Kill:
    return Kill(change=chance.randint(1, known.ran.changes)) if known.ran.changes else at_a_moment(known, chance)


def at_a_moment(known: Unkilled, chance: random.Random) -> Kill:
    return Kill(moment=chance.uniform(0.01, known.ran.seconds * 0.9))


def kill_and_finish(campaign: Campaign, act: Act, known: Unkilled, kills: list[Kill]) -> str:
    """What was wrong after one kill, or two; empty where nothing was."""
    with campaign.copied(act.site) as root:
        for kill in kills:
            campaign.run(act, root, kill=kill)
            after = campaign.look(root)
            if wrong := lost(act, known, after):
                return wrong
        whole = after["facts"] == known.new["facts"]
        again = campaign.run(act, root)
        if again.status != act.ends and not (whole and again.status == act.done):
            return f"the repetition ends with {again.status}: {again.said}"
        after = campaign.look(root)
        if wrong := lost(act, known, after):
            return wrong
        if named(act, after["trees"]) != named(act, known.new["trees"]):
            return "the servers are not those of a run that nobody killed"
        other = {
            word: [after["facts"][word], fact]
            for word, fact in known.new["facts"].items()
            if after["facts"][word] != fact
        }
        if other:
            return f"it ended otherwise than an unkilled run: {other}"
        doctor = campaign.server.run("doctor", "--site", root)
        return "" if doctor.status == 0 else f"doctor: {doctor.said}"


def lost(act: Act, known: Unkilled, after: State) -> str:
    """What must hold at every moment, and does not."""
    if after["problems"]:
        return f"not whole: {after['problems']}"
    old, new, now = (named(act, one["trees"]) for one in (known.old, known.new, after))
    # One that is being made is nobody's server yet, and one that is being removed nobody's any more.
    for name in old.keys() & new.keys() & now.keys():
        if now[name] not in (old[name], new[name]):
            return f"{name} is neither what it was nor what it was to become"
    changed = [one for one, digest in known.old["disks"].items() if after["disks"].get(one, digest) != digest]
    if changed:
        return f"disks that were there were written: {changed}"
    gone = known.old["disks"].keys() - after["disks"].keys()
    mine = {re.sub(r"-[a-z0-9]{10}$", "", one) for one in gone}
    ending = {re.sub(r"-[a-z0-9]{10}$", "", one) for one in known.old["disks"].keys() - known.new["disks"].keys()}
    return f"disks are gone that the command does not remove: {mine - ending}" if mine - ending else ""


def named(act: Act, trees: dict[str, Any]) -> dict[str, Any]:
    """Trees as they are compared: of a server that is made, its paths; the rest of it is drawn by lot, or is a time."""
    if act is not ACTS["create"]:
        return trees
    return {name: tree if name in NAMES else sorted(tree or ()) for name, tree in trees.items()}


def run_act(campaign: Campaign, name: str, most: int | None = None) -> None:
    act, chance = ACTS[name], random.Random(f"{SEED} {name}")
    known = unkilled(campaign, act)
    kills = kills_of(known, chance)
    wrong = []
    for kill in kills if most is None else chance.sample(kills, most):
        second = [any_kill(known, chance)] if chance.randrange(TWICE) == 0 else []
        if said := kill_and_finish(campaign, act, known, [kill, *second]):
            wrong.append(f"{' and '.join(map(str, [kill, *second]))}: {said}")
    assert not wrong, f"{name}: {len(wrong)} of {len(kills)} kills:\n" + "\n".join(wrong)


@pytest.mark.crash
@pytest.mark.parametrize("name", ACTS)
def test_the_same_command_again_finishes(campaign: Campaign, name: str) -> None:
    run_act(campaign, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cancel", "rollback", "delete", "prune", "create"])
def test_two_kills_of_each(campaign: Campaign, name: str) -> None:
    run_act(campaign, name, most=2)
