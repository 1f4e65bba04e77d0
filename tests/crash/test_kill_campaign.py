"""Commands are killed, hundreds of times: at every named point, before any change of a file system, at any moment.

After each kill the site is whole, no gold differs from what was signed, every disk that was there is as it was or gone,
and the clone is exactly the old or exactly the new system; the same command again (which is killed too, now and then)
comes to the same end as one that was not killed.  The campaign ends by printing how many kills it did, and where.
"""

from __future__ import annotations

import os
import queue
import random
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from goldroot.fleet import clones
from support.fleet import IMAGE, next_gold, on_clone, small_site, write
from support.fork_server import ForkServer, Kill, Ran
from support.points import hit, named_points
from support.trees import dump_tree, make_tree

pytestmark = pytest.mark.timeout(1800)

MEMORY = "/dev/shm"
SEED = 3
#: Points of the maintenance and test systems, which tests/image kills at, of the port, whose contract tests do, and of the conversion
ELSEWHERE = (
    "import-", "image-", "system-", "take-back-", "test-", "host.", "convert.", "zvm.",
    "adopt.",  # tests/fleet/test_adopt_kills.py
    "replicate-",  # tests/fleet/test_two_hosts.py
    "update.identity-made",  # tests/fleet/test_first_identity.py
    "catalog.", "restore.",  # tests/cli/test_doctor.py, tests/cli/test_backup.py
    # Around the power, tests/fleet/test_power_kills.py: servers do not run here.
    "reconcile.started", "reconcile.settled", "{task.update.kind}.start", "{task.update.kind}.stopping",
    "{update.kind}.returning", "{last.kind}.first-start",
)  # fmt: skip
#: A kill in so many is followed by a second one, of the command that was to finish the work.
TWICE = 3

State = dict[str, Any]


@dataclass(frozen=True)
class Act:
    """A command that is killed.

    :param site: the state of the site in which it is due; see :func:`make_sites`.
    :param ends: its exit status when nobody kills it.
    :param again: the exit statuses that its repetition may have besides: what was done already may be refused.
    """

    site: str
    args: tuple[str, ...]
    ends: int = 0
    again: tuple[int, ...] = ()
    changes: int = 12  #: how many kills before a change of a file system
    moments: int = 4  #: how many at a moment
    clone: str = "web1"
    half: str = "-"  #: how the ids of disks begin that a killed command left half made


PUBLISH = ("gold", "publish", IMAGE, "--untested", "--unchanged")
CREATE = ("clone", "create", "web2", "--image", IMAGE)
UPDATE = ("update", "run", "web1")

ACTS = {
    "publish": Act("published", PUBLISH, changes=20),
    "publish after a killed one": Act("publish-killed", PUBLISH, changes=8, moments=2, half="smallgold2-"),
    "publish into a used slot": Act("slots-used", PUBLISH),
    "retire": Act("slots-used", ("gold", "retire", IMAGE, "2", "--remove")),
    "create": Act("published", CREATE, again=(3,), changes=16, clone="web2"),
    "create after a killed one": Act("create-killed", CREATE, again=(3,), changes=6, clone="web2", half="web2-"),
    "update": Act("due", UPDATE, changes=24, moments=10),
    "update that finds conflicts": Act("conflicting", UPDATE, ends=1),
    "resolve": Act("in-review", ("review", "resolve", "web1", "--all", "--take", "gold"), changes=4, moments=2),
    "update after review": Act("decided", UPDATE, changes=20),
    "update after review and more writing": Act("written-in-review", UPDATE, changes=16),
    "cancel": Act("in-review", ("update", "cancel", "web1"), again=(3,)),
    "rollback": Act("updated", ("rollback", "web1"), again=(3,), changes=16, moments=8),
    "rollback with carry": Act(
        "updated", ("rollback", "web1", "--carry", "--take-proposals"), again=(3,), changes=24, moments=8
    ),
    "rollback with carry that asks": Act("updated", ("rollback", "web1", "--carry"), ends=1, changes=8),
    "prune": Act("updated", ("fallback", "prune", "web1", "--force"), again=(3,)),
    "delete": Act("updated", ("clone", "delete", "web1"), again=(3,), changes=16),
}


@dataclass
class Tally:
    """How many kills were done, by act and place."""

    done: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, act: str, kill: Kill) -> None:
        self.done[act, kill.point.partition(":")[0] or ("before a change" if kill.change else "at a moment")] += 1

    def lines(self) -> Iterator[str]:
        places = {place for _, place in self.done}
        yield f"{self.done.total()} kills, at {len(places - {'before a change', 'at a moment'})} named points and others"
        for act in dict.fromkeys(act for act, _ in self.done):
            here = {place: count for (one, place), count in self.done.items() if one == act}
            said = ", ".join(f"{place} {count}" if count > 1 else place for place, count in sorted(here.items()))
            yield f"  {act}: {sum(here.values())} ({said})"


@dataclass
class Campaign:
    """The sites that are killed, the servers that run commands on copies of them, and what was done."""

    room: Path
    servers: queue.SimpleQueue[ForkServer]
    tally: Tally = field(default_factory=Tally)

    @contextmanager
    def server(self) -> Iterator[ForkServer]:
        server = self.servers.get()
        try:
            yield server
        finally:
            self.servers.put(server)

    @contextmanager
    def copied(self, *names: str) -> Iterator[Path]:
        """A directory with copies of these sites or trees."""
        place = Path(tempfile.mkdtemp(prefix="kill-", dir=self.room))
        subprocess.run(["cp", "-a", "--reflink=auto", *(self.room / name for name in names), place], check=True)
        try:
            yield place
        finally:
            shutil.rmtree(place)

    def each(self, act: str, kills: Sequence[Kill], one: Any) -> None:
        """Do ``one(kill)`` for all, on every server; the first failure is the test's, with the act and the kill."""

        def told(kill: Kill) -> str:
            try:
                if one(kill):
                    self.tally.add(act, kill)
                return ""
            except AssertionError as error:
                return f"{act}, killed at {kill}: {error}"

        with ThreadPoolExecutor(2) as pool:
            wrong = [words for words in pool.map(told, kills) if words]
        assert not wrong, f"{len(wrong)} of {len(kills)} kills:\n" + "\n".join(wrong[:5])


@pytest.fixture(scope="module")
def campaign(request: pytest.FixtureRequest) -> Iterator[Campaign]:
    # A few kills are not worth the start of a second server.
    servers = [ForkServer(warm=True) for _ in range(2 if request.config.getoption("--slow") else 1)]
    waiting: queue.SimpleQueue[ForkServer] = queue.SimpleQueue()
    for server in servers:
        waiting.put(server)
    room = Path(tempfile.mkdtemp(prefix="goldroot-kills-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None))
    made = Campaign(room, waiting)
    try:
        make_sites(room, servers[0])
        yield made
    finally:
        for server in servers:
            server.close()
        shutil.rmtree(room)
    if manager := request.config.pluginmanager.get_plugin("terminalreporter"):
        with request.config.pluginmanager.get_plugin("capturemanager").global_and_fixture_disabled():
            manager.write_line("")
            for line in made.tally.lines():
                manager.write_line(line)


def make_sites(room: Path, server: ForkServer) -> None:
    """Each state of a site in ``room/NAME/site``, made from the one before it."""

    def made_from(name: str, before: str, *args: str, ends: int = 0) -> None:
        shutil.copytree(room / before, room / name, symlinks=True)
        if args:
            done = server.run(*args, "--site", str(room / name / "site"))
            assert done.status == ends, done.said

    def changed(name: str, files: dict[str, str | None], gold: dict[str, str | None] | None = None) -> None:
        site = clones.Site.open(str(room / name / "site"))
        on_clone(site, "web1", files)
        if gold:
            next_gold(site, gold)
        site.close()

    (room / "published").mkdir()
    site = small_site(room / "published")
    clones.create_clone(site, "web1", IMAGE)
    site.close()
    made_from("slots-used", "published", *PUBLISH)
    done = server.run(*PUBLISH, "--site", str(room / "slots-used/site"))
    assert done.status == 0, done.said
    made_from("publish-killed", "published")
    done = server.run(*PUBLISH, "--site", str(room / "publish-killed/site"), kill=Kill(point="publish-disk-built:2"))
    assert done.killed, done.said
    made_from("create-killed", "published")
    done = server.run(*CREATE, "--site", str(room / "create-killed/site"), kill=Kill(point="clone.disk-copied"))
    assert done.killed, done.said
    made_from("due", "published")
    gold = {"etc/plain.conf": "gold 2\n", "usr/bin/tool": "two\n", "etc/app.conf": APP.replace("six = 6", "six = 66")}
    mine = {"srv/mine": "mine\n", "var/lib/mysql/ibdata": "mine", "etc/app.conf": APP.replace("one = 1", "one = 11")}
    changed("due", mine, gold)
    made_from("conflicting", "due")
    changed("conflicting", {"etc/plain.conf": "web1\n", "etc/app.conf": APP.replace("six = 6", "six = 0")})
    made_from("in-review", "conflicting", *UPDATE, ends=1)
    made_from("decided", "in-review", "review", "resolve", "web1", "--all", "--take", "gold")
    made_from("written-in-review", "decided")
    changed("written-in-review", {"srv/later": "later\n"})
    made_from("updated", "due", *UPDATE)
    changed("updated", {"etc/since.conf": "since\n", "srv/mine": "mine, since\n"})


APP = "one = 1\ntwo = 2\nthree = 3\nfour = 4\nfive = 5\nsix = 6\nseven = 7\n"


# -- acts on a site


@dataclass
class Unkilled:
    """An act that nobody killed: the states around it, and what a kill can be aimed by."""

    old: State
    new: State
    ran: Ran
    points: list[str]


def unkilled(campaign: Campaign, act: Act) -> Unkilled:
    with campaign.copied(f"{act.site}/site") as place, campaign.server() as server:
        root, log = str(place / "site"), place / "points"
        old = server.call("support.whole:look", root, act.clone)
        ran = server.run(*act.args, "--site", root, log=str(log))
        assert ran.status == act.ends, ran.said
        new = server.call("support.whole:look", root, act.clone)
        assert old["problems"] == new["problems"] == []
        return Unkilled(old, new, ran, numbered(log.read_text().split() if log.exists() else []))


def numbered(names: Sequence[str]) -> list[str]:
    """Each passage of a point as ``name:nth``."""
    return [f"{name}:{names[: place + 1].count(name)}" for place, name in enumerate(names)]


def kills_of(act: Act, known: Unkilled, chance: random.Random) -> list[Kill]:
    """At every point, and so many others as the act wants."""
    changes = min(act.changes, known.ran.changes)
    return [
        *(Kill(point=point) for point in known.points),
        *(Kill(change=n) for n in sorted(chance.sample(range(1, known.ran.changes + 1), changes))),
        *(Kill(moment=chance.uniform(0.005, known.ran.seconds * 0.9)) for _ in range(act.moments)),
    ]


def kill_and_finish(campaign: Campaign, act: Act, known: Unkilled, kill: Kill, second: Kill | None) -> bool:
    """One kill of the campaign; whether the command was still there to be killed."""
    with campaign.copied(f"{act.site}/site") as place, campaign.server() as server:
        root = str(place / "site")
        for one in [kill] + ([second] if second else []):
            died = server.run(*act.args, "--site", root, kill=one)
            # How often a point is passed may differ: a clone whose files are young is looked at once more.
            assert died.killed or not one.point.endswith(":1") or one is second, f"it was not killed: {died.said}"
            after = server.call("support.whole:look", root, act.clone)
            check_whole(act, known, after)
            if one is kill:
                killed = died.killed
            # What is published is; the same command would publish the next version.
            done_already = act.args == PUBLISH and after["facts"]["gold"] == known.new["facts"]["gold"]
            if done_already:
                break
        if not done_already:
            done = server.run(*act.args, "--site", root)
            assert done.status in (act.ends, *act.again), f"the second run failed: {done.said}"
        check_finished(act, known, server.call("support.whole:look", root, act.clone))
        return killed


def check_whole(act: Act, known: Unkilled, after: State) -> None:
    """What holds at every moment."""
    assert after["problems"] == []
    old, new, now = (compared(act, state["tree"]) for state in (known.old, known.new, after))
    assert now in (old, new), f"the clone is neither old nor new: {differences(old, now)} / {differences(new, now)}"
    kept = {
        disk: digest
        for disk, digest in known.old["disks"].items()
        if disk in after["disks"] and not disk.startswith(act.half)
    }
    assert kept == {disk: after["disks"][disk] for disk in kept}, "a disk that was there was written"
    live = {disk for disk in known.old["disks"] if disk.startswith(("smallgold-", "smallrwmnt-"))}
    assert live <= after["disks"].keys(), "a disk that is in use is gone"


def check_finished(act: Act, known: Unkilled, after: State) -> None:
    """What holds when the command was given again."""
    check_whole(act, known, after)
    new, now = compared(act, known.new["tree"]), compared(act, after["tree"])
    assert now == new, f"the second run came to something else: {differences(new, now)}"
    wrong = {
        word: [fact, after["facts"][word]] for word, fact in known.new["facts"].items() if after["facts"][word] != fact
    }
    assert not wrong, f"it ended otherwise than an unkilled run: {wrong}"


def compared(act: Act, tree: dict[str, str] | None) -> dict[str, str] | None:
    """A tree without what the making of a clone draws by lot: its machine-id, and times."""
    if act.site not in ("published", "create-killed") or tree is None:
        return tree
    return {path: re.sub(r" \d{16,} ", " ", "" if path.endswith("machine-id") else said) for path, said in tree.items()}


def differences(one: dict[str, str] | None, other: dict[str, str] | None) -> list[str]:
    if one is None or other is None:
        return [f"{'there is one' if other else 'there is none'}"]
    return [f"{path}: {one.get(path)} -> {other.get(path)}" for path in sorted(one.keys() | other.keys())
            if one.get(path) != other.get(path)][:6]  # fmt: skip


def run_act(campaign: Campaign, name: str, *, every: int = 1) -> None:
    """Kill an act at all the places (or one in ``every``)."""
    act, chance = ACTS[name], random.Random(f"{SEED} {name}")
    known = unkilled(campaign, act)
    kills = kills_of(act, known, chance)[::every]
    again = {kill: Kill(change=chance.randint(1, known.ran.changes)) for kill in kills if chance.randrange(TWICE) == 0}
    campaign.each(name, kills, lambda kill: kill_and_finish(campaign, act, known, kill, again.get(kill)))


@pytest.mark.crash
@pytest.mark.parametrize("name", ACTS)
def test_killed_anywhere_the_site_is_whole_and_the_work_is_finished(campaign: Campaign, name: str) -> None:
    run_act(campaign, name)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "every"), [("update after review", 24), ("publish", 20)])
def test_rule_3_a_few_kills(campaign: Campaign, name: str, every: int) -> None:
    run_act(campaign, name, every=every)


# -- goldroot merge


def merge_words(place: Path) -> tuple[str, ...]:
    trees = [part for word in ("base", "gold", "clone") for part in (f"--{word}", str(place / word))]
    return ("merge", *trees, "--into", str(place / "room/out"), "--report", str(place / "record.json"))


def make_trees(room: Path) -> None:
    """Three trees whose merge takes, keeps, merges, re-owns and leaves a conflict."""
    many = {f"srv/{n // 10}/{n}": f"{n}\n" for n in range(60)}
    base = {"etc/app.conf": APP, "etc/plain.conf": "plain\n", "usr/bin/tool": "one\n", **many}
    make_tree(room / "base", base)
    make_tree(room / "gold", base)
    make_tree(room / "clone", base)
    for word, path, content in (
        ("gold", "etc/app.conf", APP.replace("six = 6", "six = 66")), ("gold", "etc/plain.conf", "gold\n"),
        ("gold", "usr/bin/tool", "two\n"), ("gold", "srv/0/0", None), ("gold", "srv/new", "new\n"),
        ("clone", "etc/app.conf", APP.replace("one = 1", "one = 11")), ("clone", "etc/plain.conf", "web1\n"),
        ("clone", "srv/mine", "mine\n"), ("clone", "srv/5/55", None),
    ):  # fmt: skip
        write(str(room / word), path, content)
    (room / "room").mkdir()


def trees_look(place: Path) -> dict[str, Any]:
    """The three trees, the record, and everything in the room that the result appears in."""
    record = place / "record.json"
    return {
        "trees": {word: dump_tree(place / word) for word in ("base", "gold", "clone")},
        "record": record.read_bytes() if record.exists() else None,
        "out": dump_tree(place / "room/out") if (place / "room/out").exists() else None,
        "beside": sorted(name for name in os.listdir(place / "room") if name != "out"),
        "room": sorted(name for name in os.listdir(place) if name != "record.json"),
    }


def kill_merge(campaign: Campaign, new: dict[str, Any], kill: Kill, *, mounted: bool) -> bool:
    names = [f"merge/{word}" for word in ("base", "gold", "clone", "room")]
    with campaign.copied(*names) as place, empty_mount(place / "room/out", mounted), campaign.server() as server:
        old = trees_look(place)
        died = server.run(*merge_words(place), kill=kill)
        after = trees_look(place)
        assert after["trees"] == old["trees"], "a tree that is only read was written"
        marked = mounted and ".goldroot-incomplete" in (after["out"] or {})
        assert marked or whole_out(after) in (whole_out(old), whole_out(new)), "the result is neither there nor absent"
        if whole_out(after) == whole_out(new) and not marked:
            assert after["record"] == new["record"], "the result is there, and its record is not"
        else:
            done = server.run(*merge_words(place))
            assert done.status == 1, f"the second run failed: {done.said}"
            end = trees_look(place)
            assert (whole_out(end), end["record"], end["room"]) == (whole_out(new), new["record"], new["room"])
            assert end["beside"] == new["beside"], (
                "the second run left something beside the result that no whole one leaves"
            )
        return died.killed


def whole_out(seen: dict[str, Any]) -> Any:
    """The result without the root's own time, which is that of the mount where it is one."""
    out = seen["out"]
    return out if out is None else {path: one for path, one in out.items() if path}


@contextmanager
def empty_mount(place: Path, mounted: bool) -> Iterator[None]:
    """An empty file system of its own at this place."""
    if not mounted:
        yield
        return
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", place], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", place], check=True)


def run_merges(campaign: Campaign, *, mounted: bool, every: int = 1) -> None:
    room, chance = campaign.room / "merge", random.Random(SEED)
    if not room.exists():
        make_trees(room)
    names = [f"merge/{word}" for word in ("base", "gold", "clone", "room")]
    with campaign.copied(*names) as place, empty_mount(place / "room/out", mounted), campaign.server() as server:
        ran = server.run(*merge_words(place))
        assert ran.status == 1, ran.said
        new = trees_look(place)
    changes = [Kill(change=n) for n in sorted(chance.sample(range(1, ran.changes + 1), min(24, ran.changes)))]
    moments = [Kill(moment=chance.uniform(0.005, ran.seconds * 0.9)) for _ in range(12)]
    kills = [*changes, *moments][::every]
    name = "merge into a mount point" if mounted else "merge"
    campaign.each(name, kills, lambda kill: kill_merge(campaign, new, kill, mounted=mounted))


@pytest.mark.slow
def test_a_merge_is_killed_a_few_times(campaign: Campaign) -> None:
    run_merges(campaign, mounted=False, every=8)


@pytest.mark.crash
def test_a_merge_killed_anywhere_is_there_or_not(campaign: Campaign) -> None:
    run_merges(campaign, mounted=False)


@pytest.mark.crash
@pytest.mark.root
def test_a_merge_into_a_mount_point_killed_anywhere_is_marked_or_there(campaign: Campaign) -> None:
    run_merges(campaign, mounted=True)


@pytest.mark.crash
def test_the_campaign_was_one(campaign: Campaign) -> None:
    """Comes last in this file: what the others did is at least what was promised."""
    assert campaign.tally.done.total() >= 200, list(campaign.tally.lines())
    killed_at = {place for _, place in campaign.tally.done}
    assert [name for name in named_points() if not name.startswith(ELSEWHERE) and not hit(name, killed_at)] == []
