"""Removed stays removed: runlevel links, enabled links and moved files (letter B of the second edition)."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.merging import Table, merge_tables
from support.trees import Dir, File, Link

CRON = Link("../init.d/cron")
INIT: Table = {"etc/init.d/cron": "#!/bin/sh\n"}


def rc(*names: str, directory: str = "etc/rc2.d") -> Table:
    return {**INIT, directory: Dir(), **{f"{directory}/{name}": CRON for name in names}}


@pytest.mark.parametrize(
    "directory", ["etc/rc2.d", "etc/rcS.d", "etc/rc.d/rc3.d", "etc/init.d/rc5.d", "etc/init.d/boot.d"]
)
@pytest.mark.parametrize(
    ("base", "gold", "clone", "result"),
    [
        (["S07cron"], ["S08cron"], [], []),
        (["S07cron"], ["S08cron"], ["K01cron"], ["K01cron"]),
        (["S07cron"], ["S08cron"], ["S05cron"], ["S08cron"]),
        (["S07cron"], ["S07cron"], ["S05cron"], ["S05cron"]),
        (["S07cron"], ["S08cron"], ["S07cron"], ["S08cron"]),
        (["S07cron"], ["K01cron"], ["S07cron"], ["K01cron"]),
        (["K01cron"], ["K02cron"], ["S01cron"], ["S01cron"]),
        (["S07cron"], [], ["S05cron"], []),
        (["S07cron"], [], ["K01cron"], []),
        (["S07cron"], ["S08cron"], ["S07cron", "K03cron"], ["K03cron", "S08cron"]),
        (["S07cron", "K02cron"], ["S08cron", "K03cron"], ["K02cron"], ["K03cron"]),
        (["S07cron"], ["K01cron"], [], ["K01cron"]),
    ],
)
def test_links_of_a_runlevel_are_merged_by_name(
    tmp_path: Path, directory: str, base: list[str], gold: list[str], clone: list[str], result: list[str]
) -> None:
    done = merge_tables(tmp_path, *(rc(*names, directory=directory) for names in (base, gold, clone)))
    assert sorted(path.rpartition("/")[2] for path in done.tree if path.startswith(f"{directory}/")) == result
    assert done.conflicts == []
    for name in {*base, *gold, *clone} - set(result):
        assert done.entry(f"/{directory}/{name}")["result"] is None


def test_other_scripts_of_a_runlevel_go_as_ever(tmp_path: Path) -> None:
    """A name is the whole of it: ``cron`` is not ``cron-extra``, and another runlevel is another matter."""
    base = {**rc("S07cron"), "etc/rc3.d/S07cron": CRON}
    gold = {**rc("S08cron", "S01cron-extra"), "etc/rc3.d/S08cron": CRON}
    clone = {**rc(), "etc/rc3.d/S07cron": CRON}
    done = merge_tables(tmp_path, base, gold, clone)
    links = sorted(path for path in done.tree if ("/rc" in path and path[-1] == "n") or "extra" in path)
    assert links == ["etc/rc2.d/S01cron-extra", "etc/rc3.d/S08cron"]


def test_gold_starts_what_the_server_stops_is_a_question(tmp_path: Path) -> None:
    done = merge_tables(tmp_path, rc(), rc("S01cron"), rc("K02cron"))
    assert done.conflicts == [("/etc/rc2.d/S01cron", "presence")]
    assert "etc/rc2.d/S01cron" not in done.tree
    assert "etc/rc2.d/K02cron" in done.tree
    again = merge_tables(tmp_path, {}, {}, {}, out="taken", decisions=done.decide("gold"))
    assert sorted(path for path in again.tree if "/rc2.d/" in path) == ["etc/rc2.d/S01cron"]
    assert again.conflicts == []
    kept = merge_tables(tmp_path, {}, {}, {}, out="kept", decisions=done.decide("clone"))
    assert sorted(path for path in kept.tree if "/rc2.d/" in path) == ["etc/rc2.d/K02cron"]
    assert kept.conflicts == []


WANTS = "etc/systemd/system/multi-user.target.wants"
SLAPD = Link("../init.d/slapd")


def scripts(letter: str, *levels: int) -> Table:
    return {f"etc/rc{level}.d/{letter}01slapd": SLAPD for level in levels}


def unit(*places: str) -> Table:
    return {f"etc/systemd/system/{place}/slapd.service": Link("/lib/systemd/system/slapd.service") for place in places}


ANYWHERE: Table = {"etc/keep": "x", WANTS: Dir(), **{f"etc/rc{level}.d": Dir() for level in (2, 3, 4, 5)}}
WANTED, NETWORK = "multi-user.target.wants", "network-online.target.requires"


@pytest.mark.parametrize(
    ("base", "gold", "clone", "asked"),
    [
        (scripts("S", 2, 3), {**scripts("S", 2, 3), **unit(WANTED)}, scripts("K", 2, 3), [WANTED]),
        (scripts("S", 2, 3), unit(WANTED), {}, [WANTED]),
        (scripts("S", 2, 3), {**scripts("S", 2, 3), **unit(WANTED)}, {}, [WANTED]),
        (unit(WANTED), unit(NETWORK), {}, [NETWORK]),
        (unit(WANTED), unit(NETWORK, "a.target.wants"), {}, ["a.target.wants"]),
        ({"etc/rcS.d/S01slapd": SLAPD}, unit("sysinit.target.wants"), {}, ["sysinit.target.wants"]),
        ({"etc/rc.d/rc3.d/S85slapd": SLAPD}, unit("a.target.upholds"), {}, ["a.target.upholds"]),
        ({"etc/init.d/boot.d/S01slapd": SLAPD}, unit(WANTED), {"etc/init.d/boot.d/K01slapd": SLAPD}, [WANTED]),
        # Not removed by the server: it still starts it, or never did.
        (scripts("S", 2, 3), {**scripts("S", 2, 3), **unit(WANTED)}, scripts("S", 2, 3), []),
        (scripts("S", 2, 3), {**scripts("S", 2, 3), **unit(WANTED)}, scripts("S", 3), []),
        (scripts("K", 2, 3), {**scripts("K", 2, 3), **unit(WANTED)}, scripts("K", 2, 3), []),
        (scripts("K", 2, 3), {**scripts("K", 2, 3), **unit(WANTED)}, {}, []),
        (unit(WANTED, "a.target.wants"), unit("a.target.wants", NETWORK), unit("a.target.wants"), []),
        ({}, unit(WANTED), {}, []),
    ],
)  # fmt: skip
def test_a_service_that_the_server_disabled_stays_so_where_gold_enables_it_in_another_way(
    tmp_path: Path, base: Table, gold: Table, clone: Table, asked: list[str]
) -> None:
    done = merge_tables(tmp_path, *({**ANYWHERE, **table} for table in (base, gold, clone)))
    assert done.conflicts == [(f"/etc/systemd/system/{place}/slapd.service", "presence") for place in asked]
    new = {path for path in gold if path.endswith(".service")} - base.keys()
    assert {path for path in new if path in done.tree} == (set() if asked else new)
    if asked:
        taken = merge_tables(tmp_path, {}, {}, {}, out="taken", decisions=done.decide("gold"))
        assert new <= taken.tree.keys() and taken.conflicts == []
        kept = merge_tables(tmp_path, {}, {}, {}, out="kept", decisions=done.decide("clone"))
        assert not new & kept.tree.keys() and kept.conflicts == []


def test_a_user_unit_is_not_the_systems(tmp_path: Path) -> None:
    own = {f"etc/systemd/user/{place}/slapd.service": Link("/usr/lib/x") for place in ("a.target.wants",)}
    done = merge_tables(tmp_path, {**ANYWHERE, **own}, {**ANYWHERE, **unit(WANTED)}, ANYWHERE)
    assert done.conflicts == [] and f"{WANTS}/slapd.service" in done.tree


def test_a_script_that_the_server_disabled_two_versions_ago_is_remembered(tmp_path: Path) -> None:
    """Gold 2 has no LDAP server, gold 3 has it as a unit."""
    first = merge_tables(tmp_path, {**ANYWHERE, **scripts("S", 2)}, ANYWHERE, ANYWHERE)
    done = merge_tables(tmp_path / "2", ANYWHERE, {**ANYWHERE, **unit(WANTED)}, ANYWHERE, after=first, out="second")
    assert done.conflicts == [(f"/{WANTS}/slapd.service", "presence")]


def enabled(path: str, target: str) -> Table:
    return {"etc/keep": "x", str(Path(path).parent): Dir(), path: Link(target)}


@pytest.mark.parametrize(
    ("old", "old_target", "new", "new_target"),
    [
        (
            "etc/apache2/mods-enabled/php8.2.load", "../mods-available/php8.2.load",
            "etc/apache2/mods-enabled/php8.4.load", "../mods-available/php8.4.load",
        ),
        (
            "etc/apache2/conf-enabled/php8.2-fpm.conf", "../conf-available/php8.2-fpm.conf",
            "etc/apache2/conf-enabled/php8.4-fpm.conf", "../conf-available/php8.4-fpm.conf",
        ),
        (
            "etc/nginx/modules-enabled/50-mod-1.22.conf", "/usr/share/nginx/modules-available/mod-1.22.conf",
            "etc/nginx/modules-enabled/50-mod-1.26.conf", "/usr/share/nginx/modules-available/mod-1.26.conf",
        ),
        (
            "etc/php/8.2/fpm/conf.d/20-xdebug.ini", "/etc/php/8.2/mods-available/xdebug.ini",
            "etc/php/8.4/fpm/conf.d/20-xdebug.ini", "/etc/php/8.4/mods-available/xdebug.ini",
        ),
        (
            "etc/systemd/system/multi-user.target.wants/php8.2-fpm.service", "/lib/systemd/system/php8.2-fpm.service",
            "etc/systemd/system/multi-user.target.wants/php8.4-fpm.service", "/lib/systemd/system/php8.4-fpm.service",
        ),
        # Debian 12 writes these from the root, Debian 13 below /usr; some are relative.
        (
            "etc/systemd/system/multi-user.target.wants/php8.2-fpm.service", "/lib/systemd/system/php8.2-fpm.service",
            "etc/systemd/system/multi-user.target.wants/php8.4-fpm.service", "/usr/lib/systemd/system/php8.4-fpm.service",
        ),
        (
            "etc/nginx/modules-enabled/50-mod-1.22.conf", "/usr/share/nginx/modules-available/mod-1.22.conf",
            "etc/nginx/modules-enabled/50-mod-1.26.conf", "../../../usr/share/nginx/modules-available/mod-1.26.conf",
        ),
        (
            "etc/systemd/system/tomcat9.service.requires/data.mount", "/lib/systemd/system/data.mount",
            "etc/systemd/system/tomcat10.service.requires/data.mount", "/lib/systemd/system/data.mount",
        ),
    ],
)  # fmt: skip
def test_an_enabled_link_that_the_server_removed_is_asked_about_under_its_new_number(
    tmp_path: Path, old: str, old_target: str, new: str, new_target: str
) -> None:
    gold = {**enabled(new, new_target)}
    done = merge_tables(tmp_path, enabled(old, old_target), gold, {"etc/keep": "x", str(Path(old).parent): Dir()})
    assert done.conflicts == [(f"/{new}", "presence")]
    assert new not in done.tree
    assert f"/{old}" in done.record["conflicts"][0]["detail"]
    again = merge_tables(tmp_path, {}, {}, {}, out="again", decisions=done.decide("gold"))
    assert new in again.tree and again.conflicts == []
    kept = merge_tables(tmp_path, {}, {}, {}, out="kept", decisions=done.decide("clone"))
    assert new not in kept.tree and kept.conflicts == []


def test_an_enabled_link_that_stayed_moves_on_with_gold(tmp_path: Path) -> None:
    old, new = "etc/apache2/mods-enabled/php8.2.load", "etc/apache2/mods-enabled/php8.4.load"
    base = enabled(old, "../mods-available/php8.2.load")
    done = merge_tables(tmp_path, base, enabled(new, "../mods-available/php8.4.load"), base)
    assert new in done.tree and old not in done.tree and done.conflicts == []


def test_the_instance_of_a_unit_is_no_version(tmp_path: Path) -> None:
    wants = "etc/systemd/system/multi-user.target.wants"
    base = enabled(f"{wants}/getty@tty1.service", "/lib/systemd/system/getty@.service")
    gold = enabled(f"{wants}/getty@tty2.service", "/lib/systemd/system/getty@.service")
    done = merge_tables(tmp_path, base, gold, {"etc/keep": "x", wants: Dir()})
    assert f"{wants}/getty@tty2.service" in done.tree and done.conflicts == []


def test_another_target_is_another_thing(tmp_path: Path) -> None:
    old, new = "etc/apache2/mods-enabled/a1.load", "etc/apache2/mods-enabled/a2.load"
    clone: Table = {"etc/keep": "x", "etc/apache2/mods-enabled": Dir()}
    done = merge_tables(tmp_path, enabled(old, "../mods-available/a1.load"), enabled(new, "/opt/other.load"), clone)
    assert new in done.tree and done.conflicts == []


def test_the_two_files_of_a_module_are_one_question(tmp_path: Path) -> None:
    def module(version: str) -> Table:
        names = [f"php{version}.load", f"php{version}.conf"]
        return {f"etc/apache2/mods-enabled/{name}": Link(f"../mods-available/{name}") for name in names}

    base, gold = {"etc/keep": "x", **module("8.2")}, {"etc/keep": "x", **module("8.4")}
    done = merge_tables(tmp_path, base, gold, {"etc/keep": "x", "etc/apache2/mods-enabled": Dir()})
    assert done.conflicts == [("/etc/apache2/mods-enabled/php8.4.load", "presence")]
    assert not [path for path in done.tree if "php" in path]
    again = merge_tables(tmp_path, {}, {}, {}, out="again", decisions=done.decide("gold"))
    assert len([path for path in again.tree if "php8.4" in path]) == 2


def test_a_file_that_the_server_removed_and_gold_moved_is_asked_about_at_its_new_place(tmp_path: Path) -> None:
    base = {"etc/cron.d/report": "0 5 * * * root report\n", "etc/keep": "x"}
    gold = {"etc/cron.daily.d/report": "0 5 * * * root report\n", "etc/keep": "x"}
    done = merge_tables(tmp_path, base, gold, {"etc/cron.d": Dir(), "etc/keep": "x"})
    assert done.conflicts == [("/etc/cron.daily.d/report", "presence")]
    assert "etc/cron.daily.d/report" not in done.tree
    assert "/etc/cron.d/report" in done.record["conflicts"][0]["detail"]
    again = merge_tables(tmp_path, {}, {}, {}, out="again", decisions=done.decide("gold"))
    assert "etc/cron.daily.d/report" in again.tree and again.conflicts == []


@pytest.mark.parametrize(
    ("base", "gold"),
    [
        ({"etc/a/.placeholder": ""}, {"etc/b/.placeholder": ""}),
        ({"etc/a/x": "same", "etc/c": "same"}, {"etc/b/x": "same", "etc/c": "same"}),
        ({"etc/a/x": "same"}, {"etc/b/x": "same", "etc/c/x": "same"}),
    ],
    ids=["empty", "twice in base", "twice in gold"],
)
def test_contents_that_are_not_unique_name_nothing(tmp_path: Path, base: Table, gold: Table) -> None:
    clone = {path: node for path, node in base.items() if not path.startswith("etc/a")} | {"etc/keep": "x"}
    done = merge_tables(tmp_path, {**base, "etc/keep": "x"}, {**gold, "etc/keep": "x"}, clone)
    assert done.conflicts == []
    assert set(gold) <= set(done.tree)


def test_a_directory_that_the_server_removed_and_gold_moved_is_one_question(tmp_path: Path) -> None:
    files = {f"f{number}": f"content {number}\n" for number in range(20)}
    base = {"etc/keep": "x", **{f"etc/old/{name}": text for name, text in files.items()}}
    gold = {"etc/keep": "x", **{f"etc/new/{name}": text for name, text in files.items()}}
    done = merge_tables(tmp_path, base, gold, {"etc/keep": "x"})
    assert done.conflicts == [("/etc/new/f0", "presence")]
    assert "and 9 more" in done.record["conflicts"][0]["detail"]
    assert not [path for path in done.tree if path.startswith("etc/new/")]
    again = merge_tables(tmp_path, {}, {}, {}, out="again", decisions=done.decide("gold"))
    assert len([path for path in again.tree if path.startswith("etc/new/")]) == 20


def test_what_only_gold_moved_moves(tmp_path: Path) -> None:
    base, gold = {"etc/a": "1", "etc/keep": "x"}, {"etc/b": "1", "etc/keep": "x"}
    done = merge_tables(tmp_path, base, gold, base)
    assert sorted(done.tree) == ["", "etc", "etc/b", "etc/keep"] and done.conflicts == []


def test_a_secret_that_was_moved_is_asked_about_without_its_content(tmp_path: Path) -> None:
    base = {"etc/keep": "x", "etc/munge/key": File("secret", mode=0o600)}
    gold = {"etc/keep": "x", "etc/munge/new.key": File("secret", mode=0o600)}
    done = merge_tables(tmp_path, base, gold, {"etc/keep": "x", "etc/munge": Dir()})
    assert [conflict["secret"] for conflict in done.record["conflicts"]] == [True]


@pytest.mark.parametrize(
    ("old", "new", "target"),
    [
        ("etc/fonts/conf.d/10-hinting.conf", "etc/fonts/conf.d/12-hinting.conf", "/usr/share/fonts/hinting.conf"),
        ("etc/munin/plugins/if_eth0", "etc/munin/plugins/if_eth1", "/usr/share/munin/if_"),
        ("etc/runlevels/boot/net", "etc/runlevels/default/net", "/etc/init.d/net"),
        ("etc/nginx/conf.d/a.conf", "etc/nginx/conf.d/00-a.conf", "/usr/share/nginx/a.conf"),
        ("etc/php/8.2/fpm/conf.d/20-x.ini", "etc/php/8.4/fpm/conf.d/25-x.ini", "/usr/share/php/x.ini"),
    ],
)
def test_a_link_in_a_directory_that_is_read_file_by_file(tmp_path: Path, old: str, new: str, target: str) -> None:
    keep: Table = {target[1:]: "x", old.rpartition("/")[0]: Dir(), new.rpartition("/")[0]: Dir()}
    done = merge_tables(tmp_path, {**keep, old: Link(target)}, {**keep, new: Link(target)}, keep)
    assert done.conflicts == [(f"/{new}", "presence")]
    assert new not in done.tree and f"/{old}" in done.record["conflicts"][0]["detail"]


def test_a_link_that_only_leads_to_the_same_file_is_another_one_outside_of_such_directories(tmp_path: Path) -> None:
    keep: Table = {"usr/share/x": "x", "etc/a": Dir()}
    done = merge_tables(
        tmp_path, {**keep, "etc/a/x": Link("/usr/share/x")}, {**keep, "etc/b": Link("/usr/share/x")}, keep
    )
    assert done.conflicts == [] and "etc/b" in done.tree
