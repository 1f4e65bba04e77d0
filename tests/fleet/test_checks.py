"""What is done and checked in a merged system before it is switched."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from goldroot.accounts import AccountTables
from goldroot.catalog import decisions, updates
from goldroot.conflicts import Decision
from goldroot.errors import ChecksFailed, ProgramFailed
from goldroot.fleet import clones
from goldroot.fleet.rollback.rollback import plan_rollback, roll_back
from goldroot.fleet.update.cancel import cancel_update
from goldroot.fleet.update.checks import duplicates
from goldroot.fleet.update.commands import told
from goldroot.fleet.update.update import run_update
from goldroot.image import MAINTENANCE, System
from goldroot.run import Done
from goldroot.site import Site, run_on
from goldroot.workflow import InProcess
from support.fleet import GROUP, IMAGE, PASSWD, ROOT, dump, live, next_gold, on_clone, small_site, text
from support.former import former, path_of
from support.marks import slow
from support.trees import File, Node


def shell() -> Mapping[str, Node]:
    """This machine's /bin/sh with the libraries that it needs, for a root of its own."""
    found = subprocess.run(["ldd", "/bin/sh"], capture_output=True, text=True)
    libraries = re.findall(r"(/\S+) \(0x", found.stdout)
    files = {"bin/sh": Path("/bin/sh"), **{path.lstrip("/"): Path(path) for path in libraries}}
    return {path: File(file.read_bytes(), mode=0o755) for path, file in files.items()}


def configure(site: Site, words: str, policy: str = "") -> Site:
    """The same site with more in its configuration."""
    Path(site.path("policy.toml")).write_text(policy)
    with open(site.path("goldroot.toml"), "a") as file:
        file.write(f"\n[images.{IMAGE}]\n{words}\n" + ('policy = "policy.toml"\n' if policy else ""))
    site.close()
    return Site.open(site.root)


@pytest.fixture
def with_shell(room: Path) -> Iterator[Site]:
    if shutil.which("unshare") is None or not os.path.exists("/bin/sh"):
        pytest.skip("needs unshare")
    site = small_site(room, {**ROOT, **shell()})
    yield site
    site.close()


@pytest.mark.root
def test_a_check_that_fails_switches_nothing(with_shell: Site, engine: InProcess) -> None:
    site = configure(
        with_shell, """checks = ['read x < /etc/plain.conf; [ "$x" != bad ] || { echo "it is bad" >&2; exit 3; }']"""
    )
    clones.create_clone(site, "web1", IMAGE)
    next_gold(site, {"etc/plain.conf": "bad\n"})
    before = dump(site, "web1")
    with pytest.raises(ChecksFailed, match="status 3: it is bad"):
        run_update(site, engine, "web1")
    assert dump(site, "web1") == before
    with site.catalog.read() as tx:
        assert [one.state for one in updates.every(tx, "web1")] == ["merged"]
    on_clone(site, "web1", {"etc/plain.conf": "bad, but mine\n"})
    with site.catalog.begin() as tx:
        assert decisions.remembered(tx, IMAGE) == {}
    on_clone(site, "web1", {"etc/plain.conf": "plain\n"})
    next_gold(site, {"etc/plain.conf": "good\n"})
    cancel_update(site, "web1")
    assert run_update(site, engine, "web1").to_version == 3
    assert text(site, "web1", "etc/plain.conf") == "good\n"


@pytest.mark.slow
@pytest.mark.root
def test_what_is_generated_is_made_anew_in_the_merged_system(with_shell: Site, engine: InProcess) -> None:
    policy = (
        '[[rule]]\npath = "/etc/generated"\nclass = "generated"\n'
        'rebuild = "read x < /etc/plain.conf; echo made from $x > /etc/generated"\n'
    )
    site = configure(with_shell, "", policy)
    next_gold(site, {"etc/generated": "by gold 2\n"})
    clones.create_clone(site, "web1", IMAGE)
    on_clone(site, "web1", {"etc/generated": "by the clone\n"})
    next_gold(site, {"etc/generated": "by gold 3\n", "etc/plain.conf": "three\n"})
    assert run_update(site, engine, "web1").outcome == "done"
    assert text(site, "web1", "etc/generated") == "made from three\n"


@pytest.mark.slow
@pytest.mark.root
def test_a_rebuild_that_fails_is_told_and_stops_nothing(with_shell: Site, engine: InProcess) -> None:
    policy = '[[rule]]\npath = "/etc/generated"\nclass = "generated"\nrebuild = "echo no disk left >&2; exit 5"\n'
    site = configure(with_shell, "", policy)
    next_gold(site, {"etc/generated": "by gold 2\n"})
    clones.create_clone(site, "web1", IMAGE)
    next_gold(site, {"etc/generated": "by gold 3\n"})
    done = run_update(site, engine, "web1")
    assert done.outcome == "done"
    assert done.failed_rebuilds == {"echo no disk left >&2; exit 5": "ended with status 5: no disk left"}
    assert text(site, "web1", "etc/generated") == "by gold 3\n"


@pytest.mark.slow
@pytest.mark.root
def test_links_beside_what_was_made_again_are_looked_at_after_it(with_shell: Site, engine: InProcess) -> None:
    """The links that a program makes are not references: it may take them away, and did not."""
    command = "echo made > /etc/ssl/certs/bundle"
    rule = f'[[rule]]\npath = "/etc/ssl/certs/bundle"\nclass = "generated"\nrebuild = "{command}"\n'
    site = configure(with_shell, "", rule)
    there = {"usr/share/ca/good.crt": "good\n", "usr/local/share/own.crt": "own\n", "etc/ssl/certs/bundle": "1\n"}
    next_gold(site, {**there, "usr/share/ca/bad.crt": "bad\n"})
    clones.create_clone(site, "web1", IMAGE)
    certs = f"{live(site, 'web1').root(b'etc')}/etc/ssl/certs"
    for name, target in (
        ("good.pem", "/usr/share/ca/good.crt"), ("0.0", "good.pem"), ("own.pem", "../../../usr/local/share/own.crt"),
        ("bad.pem", "/usr/share/ca/bad.crt"), ("1.0", "bad.pem"),
        ("never.pem", "/usr/share/ca/never.crt"), ("run.pem", "/run/x"), ("loop", "loop"),
    ):  # fmt: skip
        os.symlink(target, f"{certs}/{name}")
    next_gold(site, {"etc/ssl/certs/bundle": "2\n", "usr/share/ca/bad.crt": None})
    done = run_update(site, engine, "web1")
    assert (done.outcome, list(done.dangling)) == ("done", ["/etc/ssl/certs/1.0", "/etc/ssl/certs/bad.pem"])
    assert run_update(site, engine, "web1").dangling == ()


@pytest.mark.root
def test_nothing_is_switched_before_a_rebuild_that_its_rule_requires(with_shell: Site, engine: InProcess) -> None:
    rule = '[[rule]]\npath = "/etc/generated"\nclass = "generated"\nrequired = true\nrebuild = '
    site = configure(with_shell, "", rule + '"echo no disk left >&2; exit 5"\n')
    next_gold(site, {"etc/generated": "by gold 2\n"})
    clones.create_clone(site, "web1", IMAGE)
    next_gold(site, {"etc/generated": "by gold 3\n"})
    with pytest.raises(ChecksFailed, match="no disk left"):
        run_update(site, engine, "web1")
    assert text(site, "web1", "etc/generated") == "by gold 2\n"


@pytest.mark.slow
@pytest.mark.root
def test_nothing_is_switched_before_a_map_of_a_merged_source_was_made(room: Path, engine: InProcess) -> None:
    lines = [f"{number}\n" for number in range(9)]
    head = "\0" * 12 + "\x61\x15\x06\0"
    program = "#!/bin/sh\nread x < /etc/plain.conf; [ $x = good ] || exit 5\necho $1 > /etc/postfix/t.db\n"
    maps = {"etc/postfix/t": "".join(lines), "etc/postfix/t.db": head, "usr/sbin/postmap": File(program, mode=0o755)}
    site = small_site(room, {**ROOT, **shell(), **maps})
    clones.create_clone(site, "web1", IMAGE)
    on_clone(site, "web1", {"etc/postfix/t": "".join([*lines, "own\n"]), "etc/postfix/t.db": head + "own"})
    next_gold(site, {"etc/postfix/t": "".join(["gold\n", *lines]), "etc/postfix/t.db": head + "gold"})
    before = dump(site, "web1")
    with pytest.raises(ChecksFailed, match="postmap"):
        run_update(site, engine, "web1")
    assert dump(site, "web1") == before
    on_clone(site, "web1", {"etc/plain.conf": "good\n"})
    assert run_update(site, engine, "web1").outcome == "done"
    assert text(site, "web1", "etc/postfix/t.db") == "hash:/etc/postfix/t\n"
    site.close()


def test_identity_must_be_unique_in_the_fleet(site: Site, engine: InProcess) -> None:
    for name in ("web1", "web2"):
        clones.create_clone(site, name, IMAGE)
    number = live(site, "web2").read(b"etc/machine-id")
    assert number is not None
    on_clone(site, "web1", {"etc/machine-id": None})
    on_clone(site, "web1", {"etc/machine-id": number.decode()})
    next_gold(site, {"etc/plain.conf": "gold 2\n"})
    with pytest.raises(ChecksFailed, match="machine-id is that of web2 too") as caught:
        run_update(site, engine, "web1")
    assert number.decode().strip() not in str(caught.value)
    assert text(site, "web1", "etc/plain.conf") == "plain\n"
    on_clone(site, "web1", {"etc/machine-id": "0" * 32 + "\n"})
    assert run_update(site, engine, "web1").outcome == "done"


CHEF = "etc/chef/client.pem"


def two_with_a_key(site: Site, one: str, other: str) -> Site:
    """Two clones with a key of an agent that their policy merges like any file, which is not what it should do."""
    site = configure(site, "", f'[[rule]]\npath = "/{CHEF}"\nclass = "config"\n')
    next_gold(site, {CHEF: "one\n"})
    for name, key in (("web1", one), ("web2", other)):
        clones.create_clone(site, name, IMAGE)
        assert text(site, name, CHEF) is None
        on_clone(site, name, {CHEF: key})
    return site


@pytest.mark.slow
def test_a_key_of_an_agent_that_an_update_would_make_another_servers_stops_it(site: Site, engine: InProcess) -> None:
    site = two_with_a_key(site, "one\n", "two\n")
    next_gold(site, {CHEF: "two\n"})
    assert run_update(site, engine, "web2").outcome == "done"
    with pytest.raises(ChecksFailed, match=r"/etc/chef/client\.pem is as on web2"):
        run_update(site, engine, "web1")
    assert text(site, "web1", CHEF) == "one\n"
    site.close()


@pytest.mark.slow
def test_a_key_that_two_servers_had_before_is_told_and_stops_nothing(site: Site, engine: InProcess) -> None:
    site = two_with_a_key(site, "same\n", "same\n")
    next_gold(site, {"etc/plain.conf": "two\n"})
    outcomes = [run_update(site, engine, name) for name in ("web2", "web1")]
    assert [done.outcome for done in outcomes] == ["done", "done"]
    assert [list(done.shared) for done in outcomes] == [[], ["/etc/chef/client.pem (web2)"]]
    site.close()


def test_what_a_check_says_is_more_than_its_last_line() -> None:
    """``visudo -c`` ends with a mark that stands below the wrong character."""
    assert told("/etc/sudoers.d/bad:1:4: syntax error\nx y\n   ^\n") == "/etc/sudoers.d/bad:1:4: syntax error; x y"
    assert told("one\ntwo\nthree\n\nfour\n") == "two; three; four"
    assert told("") == ""


def test_duplicates_are_names_and_numbers_that_stand_twice() -> None:
    tables = AccountTables.of({"passwd": (PASSWD + "toor:x:0:0::/root:/bin/sh\n").encode(), "group": GROUP.encode()})
    assert dict(duplicates(tables, "passwd")) == {"the number 0": 1}
    assert dict(duplicates(tables, "group")) == {}


def test_markers_that_a_person_left_are_found(site: Site, engine: InProcess) -> None:
    clones.create_clone(site, "web1", IMAGE)
    on_clone(site, "web1", {"etc/plain.conf": "mine\n"})
    next_gold(site, {"etc/plain.conf": "gold\n"})
    done = run_update(site, engine, "web1")
    with site.catalog.begin() as tx:
        [asked] = decisions.conflicts_of(tx, done.update)
        left = b"<<<<<<< clone\nmine\n=======\ngold\n>>>>>>> gold\n"
        decisions.decide(tx, IMAGE, asked.found.key, Decision("content", left))
    with pytest.raises(ChecksFailed, match=r"/etc/plain.conf holds conflict markers"):
        run_update(site, engine, "web1")
    assert text(site, "web1", "etc/plain.conf") == "mine\n"


@pytest.mark.root
def test_what_a_check_wrote_was_not_written_since_the_switch(
    with_shell: Site, engine: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a rollback with a carry would ask about a state unit that no service has touched."""
    site = configure(with_shell, """checks = ["echo seen > /var/lib/mysql/checked"]""")
    clones.create_clone(site, "web1", IMAGE)
    next_gold(site, {"etc/plain.conf": "new\n"})
    run_update(site, engine, "web1")
    assert text(site, "web1", "var/lib/mysql/checked") == "seen\n"
    # Days later no ctime is young.
    monkeypatch.setattr("goldroot.tree.scan.reuse.RACY", 0)
    assert plan_rollback(site, "web1").written == ()
    on_clone(site, "web1", {"etc/plain.conf": "mine\n"})
    assert plan_rollback(site, "web1").written == ("/etc/plain.conf",)


@pytest.mark.slow
@pytest.mark.root
@pytest.mark.parametrize("written", [slow({}), {"etc/mine.conf": "since\n"}, slow({"var/lib/mysql/ibdata": "since"})])
def test_a_carry_asks_only_about_what_the_server_wrote(
    with_shell: Site, engine: InProcess, monkeypatch: pytest.MonkeyPatch, written: dict[str, str]
) -> None:
    """What checks, rebuilds and migrations did before the switch is nobody's change."""
    monkeypatch.setattr("goldroot.tree.scan.reuse.RACY", 0)
    policy = (
        '[[rule]]\npath = "/var/lib"\nclass = "state"\nwhole = false\nmigrate = "echo 2 > /var/lib/mysql/format"\n'
        '[[rule]]\npath = "/etc/generated"\nclass = "generated"\nrebuild = "echo again > /etc/generated"\n'
    )
    site = configure(with_shell, """checks = ["echo seen > /var/lib/checked", "echo seen > /etc/seen.conf"]""", policy)
    clones.create_clone(site, "web1", IMAGE)
    on_clone(site, "web1", {"var/lib/mysql/ibdata": "before"})
    next_gold(site, {"etc/plain.conf": "new\n", "etc/generated": "by gold 2\n", "var/lib/mysql/ibdata": "gold"})
    run_update(site, engine, "web1")
    assert (text(site, "web1", "var/lib/mysql/format"), text(site, "web1", "var/lib/checked")) == ("2\n", "seen\n")
    on_clone(site, "web1", written)
    done = roll_back(site, engine, "web1", carry=True)
    asked = ["/var/lib/mysql"] if "var/lib/mysql/ibdata" in written else []
    with site.catalog.read() as tx:
        assert [os.fsdecode(one.found.path) for one in decisions.conflicts_of(tx, done.update)] == asked
    if not asked:
        assert done.outcome == "done"
        assert text(site, "web1", "var/lib/mysql/ibdata") == "before"
        assert (text(site, "web1", "var/lib/mysql/format"), text(site, "web1", "etc/generated")) == (None, None)
        assert text(site, "web1", "etc/mine.conf") == written.get("etc/mine.conf")


MIGRATES = '[[rule]]\npath = "/var/lib"\nclass = "state"\nwhole = false\nmigrate = "echo x >> /var/lib/mysql/format"\n'


@pytest.fixture
def migrating(with_shell: Site) -> Site:
    """A clone whose update to gold 2 migrates a database, with a check that fails."""
    site = configure(with_shell, 'checks = ["test -e /etc/good"]', MIGRATES)
    clones.create_clone(site, "web1", IMAGE)
    on_clone(site, "web1", {"var/lib/mysql/ibdata": "before"})
    next_gold(site, {"etc/plain.conf": "new\n", "var/lib/mysql/ibdata": "gold"})
    return site


@pytest.mark.slow
@pytest.mark.root
def test_a_migration_is_run_once_though_a_check_fails_after_it(migrating: Site, engine: InProcess) -> None:
    for _ in range(2):
        with pytest.raises(ChecksFailed, match="/etc/good"):
            run_update(migrating, engine, "web1")
    config = Path(migrating.path("goldroot.toml"))
    config.write_text(config.read_text().replace("test -e /etc/good", "test -e /etc/plain.conf"))
    migrating.close()
    assert run_update(Site.open(migrating.root), engine, "web1").outcome == "done"
    assert text(migrating, "web1", "var/lib/mysql/format") == "x\n"


@pytest.mark.slow
@pytest.mark.root
def test_a_migration_that_was_cut_off_begins_with_a_new_copy(
    migrating: Site, engine: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuts = iter([True])

    def cut_off(*args: Any, **options: Any) -> Done:
        done = run_on(*args, **options)
        if "echo x" in args[3][-1] and next(cuts, False):
            raise ProgramFailed("it was cut off at its end")
        return done

    monkeypatch.setattr("goldroot.fleet.update.commands.run_on", cut_off)
    for why in ("cut off", "/etc/good"):
        with pytest.raises(ChecksFailed, match=why):
            run_update(migrating, engine, "web1")
    [disk] = [one.disk for at, one in former(migrating).get("WEB1").disks.items() if at == "5B6"]
    assert Path(former(migrating).disk_path(disk), "var/lib/mysql/format").read_text() == "x\n"


@pytest.mark.slow
@pytest.mark.root
def test_what_a_migration_wrote_is_goldroots_though_the_run_ended_right_after_it(
    with_shell: Site, engine: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("goldroot.tree.scan.reuse.RACY", 0)
    site = configure(with_shell, "", MIGRATES)
    clones.create_clone(site, "web1", IMAGE)
    on_clone(site, "web1", {"var/lib/mysql/ibdata": "before"})
    next_gold(site, {"var/lib/mysql/ibdata": "gold"})
    with monkeypatch.context() as ended, pytest.raises(ChecksFailed, match="ended"):
        ended.setattr("goldroot.fleet.update.checks.crash.point", ending_at("update.rebuilt"))
        run_update(site, engine, "web1")
    assert run_update(site, engine, "web1").outcome == "done"
    assert text(site, "web1", "var/lib/mysql/format") == "x\n"
    assert plan_rollback(site, "web1").written == ()


def ending_at(name: str) -> Callable[[str], None]:
    def point(reached: str) -> None:
        if reached == name:
            raise ChecksFailed("the run ended here")

    return point


@pytest.mark.slow
@pytest.mark.root
def test_a_mode_that_a_check_set_is_not_carried_with_the_servers_content(with_shell: Site, engine: InProcess) -> None:
    place = live_of_maintenance(with_shell, "bin/chmod")
    shutil.copy("/bin/chmod", place)
    site = configure(with_shell, """checks = ["test ! -e /etc/new.conf || chmod 0600 /etc/app.conf"]""")
    next_gold(site, {"etc/plain.conf": "gold 2\n"})
    clones.create_clone(site, "web1", IMAGE)
    next_gold(site, {"etc/new.conf": "gold 3\n"})
    run_update(site, engine, "web1")
    app = os.path.join(live(site, "web1").root(b"etc") or "", "etc/app.conf")
    assert os.stat(app).st_mode & 0o7777 == 0o600
    on_clone(site, "web1", {"etc/app.conf": "since\n"})
    assert roll_back(site, engine, "web1", carry=True).outcome == "done"
    app = os.path.join(live(site, "web1").root(b"etc") or "", "etc/app.conf")
    assert (text(site, "web1", "etc/app.conf"), os.stat(app).st_mode & 0o7777) == ("since\n", 0o644)


def live_of_maintenance(site: Site, path: str) -> str:
    """A path of the maintenance system, in the disk where it stands."""
    system = System(site, IMAGE, MAINTENANCE)
    return os.path.join(path_of(system, system.layout.disk_of(path.encode()).address), path)
