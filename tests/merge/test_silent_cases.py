"""What no path tells by itself: pools and sites that the server renamed, masks of another version, services that just go."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.merging import Outcome, Table, merge_tables
from support.trees import Dir, File, Link, Node

KEEP: dict[str, Node] = {"etc/keep": "x", "etc/systemd/system/multi-user.target.wants/keep": Link("k")}


def pool(name: str = "www", socket: str = "8.2", **changed: str) -> str:
    lines = [f"[{name}]", "user = www-data", "group = www-data", f"listen = /run/php/php{socket}-fpm.sock",
             *(changed.get(f"l{number}", f"setting{number} = {number}") for number in range(20))]  # fmt: skip
    return "\n".join(lines) + "\n"


def php(version: str, **pools: Node) -> dict[str, Node]:
    top = f"etc/php/{version}/fpm"
    return {**KEEP, top: Dir(), f"{top}/php-fpm.conf": f"; of {version}\n",
            f"{top}/pool.d": Dir(), **{f"{top}/pool.d/{name}.conf": text for name, text in pools.items()}}  # fmt: skip


OLD, NEW = "/etc/php/8.2", "/etc/php/8.4/fpm/pool.d/www.conf"


def test_a_pool_that_the_server_renamed_and_gold_has_for_the_next_version(tmp_path: Path) -> None:
    """Two questions: gold's pool would be started beside the server's own, which nothing reads any more."""
    clone = php("8.2", shop=pool("shop", l7="setting7 = mine"))
    done = merge_tables(tmp_path, php("8.2", www=pool()), php("8.4", www=pool(socket="8.4")), clone)
    assert done.conflicts == [(OLD, "place"), (NEW, "presence")]
    assert "/etc/php/8.2/fpm/pool.d/www.conf" in done.record["conflicts"][1]["detail"]
    assert "etc/php/8.2/fpm/pool.d/shop.conf" in done.tree and NEW[1:] not in done.tree
    place, presence = done.record["conflicts"]
    assert (place["answers"], place["stands"]) == (["clone", "moved"], "clone")
    taken = merge_tables(
        tmp_path, {}, {}, {}, out="taken",
        decisions={place["key"]: done.decide("moved")[place["key"]], presence["key"]: done.decide("gold")[presence["key"]]},
    )  # fmt: skip
    assert taken.conflicts == []
    assert taken.text("etc/php/8.4/fpm/pool.d/shop.conf") == clone["etc/php/8.2/fpm/pool.d/shop.conf"]
    assert NEW[1:] in taken.tree and "etc/php/8.2" not in taken.tree
    kept = merge_tables(tmp_path, {}, {}, {}, out="kept", decisions=done.decide("clone"))
    assert kept.conflicts == [] and kept.tree == done.tree


def test_a_pool_that_the_server_only_removed_stays_removed_under_the_next_version(tmp_path: Path) -> None:
    done = merge_tables(tmp_path, php("8.2", www=pool()), php("8.4", www=pool(socket="8.4")), php("8.2"))
    assert done.conflicts == [(NEW, "presence")]
    other = merge_tables(tmp_path / "other", php("8.2", www=pool()), php("8.4", www="another text\n" * 30), php("8.2"))
    assert other.conflicts == [] and NEW[1:] in other.tree


def test_it_is_remembered_over_a_version_without_it(tmp_path: Path) -> None:
    first = merge_tables(tmp_path / "1", php("8.2", www=pool()), KEEP, php("8.2"))
    done = merge_tables(tmp_path / "2", KEEP, php("8.4", www=pool(socket="8.4")), KEEP, after=first)
    assert done.conflicts == [(NEW, "presence")] and NEW[1:] not in done.tree


SITE = "etc/nginx/sites-available/%s"


def site(name: str, **changed: str) -> str:
    return "".join(f"{changed.get(f'l{number}', f'{name} directive {number}')};\n" for number in range(20))


@pytest.mark.parametrize("renamed", [True, False])
def test_a_site_that_the_server_renamed_and_gold_moved_with_a_change(tmp_path: Path, renamed: bool) -> None:
    new = "etc/nginx/conf.d/default.conf"
    own: Table = {SITE % "shop": site("x", l3="server_name shop", l9="root /srv/shop")} if renamed else {}
    done = merge_tables(
        tmp_path, {**KEEP, SITE % "default": site("x")}, {**KEEP, new: site("x", l15="ssl on")},
        {**KEEP, "etc/nginx/sites-available": Dir(), **own},
    )  # fmt: skip
    assert done.conflicts == ([(f"/{new}", "presence")] if renamed else [])
    assert (new in done.tree) is not renamed


@pytest.mark.parametrize("renamed", [True, False])
@pytest.mark.parametrize("below", ["sites-available/", ""], ids=["file", "with its directory"])
def test_a_site_that_the_server_renamed_is_remembered_over_a_version_without_it(
    tmp_path: Path, renamed: bool, below: str
) -> None:
    new, old, mine = "etc/nginx/conf.d/default.conf", f"etc/nginx/{below}old/default", "etc/nginx/mine/shop"
    top: Table = {
        **KEEP,
        "etc/nginx/nginx.conf": "n",
        "etc/nginx/mine/keep": "k",
        "etc/nginx/sites-available/keep": "k",
    }
    own: Table = {mine: site("x", l3="server_name shop", l9="root /srv/shop")} if renamed else {}
    first = merge_tables(tmp_path / "1", {**top, old: site("x")}, top, {**top, **own})
    golds = {**top, new: site("x", l15="ssl on")}
    second = merge_tables(tmp_path / "2", top, golds, {**top, **own}, after=first)
    direct = merge_tables(tmp_path / "3", {**top, old: site("x")}, golds, {**top, **own})
    assert second.conflicts == direct.conflicts == ([(f"/{new}", "presence")] if renamed else [])
    assert (new in second.tree) is not renamed
    if renamed:
        assert f"removed /{old}" in second.record["conflicts"][0]["detail"]
        gone = merge_tables(tmp_path / "4", top, golds, top, after=first)
        assert gone.conflicts == []  # the server has not even its own any more, by which it would be told


# -- left behind


def left(done: Outcome) -> list[tuple[str, list[str]]]:
    return [(one["path"], one["answers"]) for one in done.record["conflicts"] if one["kind"] == "left-behind"]


def test_links_of_the_server_go_with_what_they_lead_to(tmp_path: Path) -> None:
    def app(version: str) -> dict[str, Node]:
        return {**KEEP, f"etc/app/{version}/conf.d": Dir(), f"etc/app/{version}/available/base.ini": f"{version}\n"}

    clone = {**app("1.0"), "etc/app/1.0/available/own.ini": File("own\n", mode=0o640),
             "etc/app/1.0/conf.d/own.ini": Link("../available/own.ini"),
             "etc/app/1.0/conf.d/abs.ini": Link("/etc/app/1.0/available/own.ini")}  # fmt: skip
    done = merge_tables(tmp_path, app("1.0"), app("2.0"), clone)
    assert left(done) == [("/etc/app/1.0", ["clone", "moved"])]
    moved = merge_tables(tmp_path, {}, {}, {}, out="moved", decisions=done.decide("moved"))
    assert moved.conflicts == [] and "etc/app/1.0" not in moved.tree
    assert (moved.text("etc/app/2.0/available/own.ini"), moved.tree["etc/app/2.0/available/own.ini"].mode) == (
        "own\n",
        0o640,
    )
    assert moved.tree["etc/app/2.0/conf.d/own.ini"].content == b"../available/own.ini"
    assert moved.tree["etc/app/2.0/conf.d/abs.ini"].content == b"/etc/app/2.0/available/own.ini"


@pytest.mark.parametrize(
    ("gold", "own", "answers"),
    [
        ({"etc/app/2.0/d/x": "g"}, {"etc/app/1.0/d/own": "o"}, ["clone", "moved"]),
        ({"etc/app/2.0/d/own": "g"}, {"etc/app/1.0/d/own": "o"}, ["clone"]),  # somebody's place
        ({"etc/app/2.0/e/x": "g"}, {"etc/app/1.0/d/own": "o"}, ["clone"]),  # no such directory
        (
            {"etc/app/2.0/d/x": "g"}, {"etc/app/1.0/d": Dir(mode=0o700), "etc/app/1.0/d/own": "o"}, ["clone"],
        ),  # a more open one
        ({"etc/app/2.0/d/x": "g", "etc/app/1.0/d/x": "b"}, {"etc/app/1.0/d/own": "o"}, None),  # the old one stays
        ({"etc/app/2.0/d/x": "g", "etc/app/3.0/d/x": "g"}, {"etc/app/1.0/d/own": "o"}, None),  # which one?
        ({"etc/other/d/x": "g"}, {"etc/app/1.0/d/own": "o"}, None),
        ({"etc/app/2.0/d/x": "g"}, {"etc/app/1.0/d/x.dpkg-old": "o"}, None),
        ({"etc/app/2.0/d/x": "g"}, {"etc/app/1.0/d/x": "changed"}, None),  # that is asked about at the file itself
    ],
)  # fmt: skip
def test_what_is_asked_about_a_directory_of_another_version(
    tmp_path: Path, gold: dict[str, Node], own: dict[str, Node], answers: list[str] | None
) -> None:
    base: dict[str, Node] = {**KEEP, "etc/app": Dir(), "etc/app/1.0/d/x": "b"}
    done = merge_tables(tmp_path, base, {**KEEP, "etc/app": Dir(), **gold}, {**base, **own})
    assert left(done) == ([] if answers is None else [("/etc/app/1.0", answers)])


def test_what_a_tool_noted_of_a_choice_is_not_asked_about_beside_the_choice(tmp_path: Path) -> None:
    """phpdismod(8): the link goes, and an empty file says who took it away."""

    def php(version: str, *links: str, notes: tuple[str, ...] = ()) -> Table:
        return {
            **{
                f"etc/php/{version}/fpm/conf.d/{name}": Link(f"../../mods-available/{name}")
                for name in ("a.ini", *links)
            },
            f"etc/php/{version}/mods-available/a.ini": "",
            f"etc/php/{version}/mods-available/20-ftp.ini": "",
            **{f"var/lib/php/modules/{version}/fpm/{note}": "" for note in ("enabled_by_maint/opcache", *notes)},
        }

    maint, mine = ("enabled_by_maint/ftp",), ("disabled_by_admin/ftp",)
    done = merge_tables(
        tmp_path, php("8.2", "20-ftp.ini", notes=maint), php("8.4", "20-ftp.ini", notes=maint), php("8.2", notes=mine)
    )
    assert done.conflicts == [("/etc/php/8.4/fpm/conf.d/20-ftp.ini", "presence")]
    assert "var/lib/php/modules/8.2/fpm/disabled_by_admin/ftp" in done.tree


def test_the_key_holds_nothing_of_what_the_server_has_there(tmp_path: Path) -> None:
    base: dict[str, Node] = {**KEEP, "etc/app/1.0/d/x": "b"}
    keys = set()
    for number in range(2):
        own: Table = {**base, f"etc/app/1.0/d/own{number}": f"{number}"}
        done = merge_tables(tmp_path / str(number), base, {**KEEP, "etc/app/2.0/d/x": "g"}, own)
        keys |= {one["key"] for one in done.record["conflicts"] if one["kind"] == "left-behind"}
    assert len(keys) == 1


# -- masks, and enabled links that gold moved

WANTS = "etc/systemd/system/multi-user.target.wants"


def wanted(*names: str, target: str = WANTS) -> dict[str, Node]:
    return {f"{target}/{name}": Link(f"/usr/lib/systemd/system/{name}") for name in names}


@pytest.mark.parametrize("mask", [Link("/dev/null"), ""], ids=["link", "empty file"])
def test_a_masked_unit_stays_away_under_its_new_version(tmp_path: Path, mask: Node) -> None:
    old, new = "php8.2-fpm.service", "php8.4-fpm.service"
    clone = {**KEEP, **wanted(old), f"etc/systemd/system/{old}": mask}
    done = merge_tables(tmp_path, {**KEEP, **wanted(old)}, {**KEEP, **wanted(new)}, clone)
    assert done.conflicts == [(f"/{WANTS}/{new}", "presence")] and f"{WANTS}/{new}" not in done.tree
    assert f"the server masked /etc/systemd/system/{old}" in done.record["conflicts"][0]["detail"]
    taken = merge_tables(tmp_path, {}, {}, {}, out="taken", decisions=done.decide("gold"))
    assert taken.conflicts == [] and f"{WANTS}/{new}" in taken.tree


@pytest.mark.parametrize(("base", "gold", "own"), [
    ({}, ["a2.service"], {"etc/systemd/system/b1.service": Link("/dev/null")}),  # another unit
    ({}, ["a1.service", "a2.service"], {"etc/systemd/system/a1.service": Link("/dev/null")}),  # both versions
    ({"etc/systemd/system/a1.service": Link("/dev/null")}, ["a2.service"],
     {"etc/systemd/system/a1.service": Link("/dev/null")}),  # gold's own mask
    ({}, ["a2.service"], {"etc/systemd/user/a1.service": Link("/dev/null")}),  # another manager
    ({}, ["a@2.service"], {"etc/systemd/system/a@1.service": Link("/dev/null")}),  # an instance is not a version
    ({}, ["a2.service"], {"etc/systemd/system/a1.service": "[Unit]\n"}),  # a unit of the server's own
])  # fmt: skip
def test_other_masks_keep_nothing_away(
    tmp_path: Path, base: dict[str, Node], gold: list[str], own: dict[str, Node]
) -> None:
    new = {**KEEP, **base, **wanted(*gold)}
    done = merge_tables(tmp_path, {**KEEP, **base}, new, {**KEEP, **base, **own})
    assert done.conflicts == [] and set(wanted(*gold)) <= set(done.tree)


@pytest.mark.parametrize(("old", "new"), [
    (("nginx/sites-enabled/default", "../sites-available/default"),
     ("nginx/sites-enabled/000-main", "/etc/nginx/sites-available/default")),
    (("apache2/mods-enabled/x.load", "../mods-available/x.load"),
     ("httpd/mods-enabled/x.load", "../mods-available/x.load")),
    (("apache2/conf-enabled/a1.conf", "../conf-available/a1.conf"),
     ("apache2/extra-enabled/a2.conf", "../conf-available/a2.conf")),
])  # fmt: skip
def test_an_enabled_link_that_the_server_removed_and_gold_moved(
    tmp_path: Path, old: tuple[str, str], new: tuple[str, str]
) -> None:
    base, gold = ({**KEEP, f"etc/{path}": Link(target)} for path, target in (old, new))
    clone: Table = {**KEEP, f"etc/{Path(old[0]).parent}": Dir()}
    done = merge_tables(tmp_path, base, gold, clone)
    assert done.conflicts == [(f"/etc/{new[0]}", "presence")] and f"etc/{new[0]}" not in done.tree


def test_of_several_links_to_one_place_nobody_can_say(tmp_path: Path) -> None:
    def links(*names: str) -> Table:
        return {**KEEP, **{f"etc/a/s-enabled/{name}": Link("../s/x") for name in names}}

    done = merge_tables(tmp_path, links("one", "two"), links("three"), {**KEEP, "etc/a/s-enabled": Dir()})
    assert done.conflicts == [] and "etc/a/s-enabled/three" in done.tree


# -- services that just go


def gone(done: Outcome) -> list[str]:
    return [
        name
        for note in done.record["notes"]
        if note["kind"] == "services-not-started"
        for name in note["data"]["services"]
    ]


@pytest.mark.parametrize(("gold", "own", "told"), [
    ({}, {}, ["system/app.service"]),
    (wanted("app.service", target="etc/systemd/system/graphical.target.wants"), {}, []),
    ({}, wanted("app.service", target="etc/systemd/system/own.target.wants"), []),  # the server starts it itself
    ({"etc/rc3.d/S01app": Link("../init.d/app")}, {}, []),
])  # fmt: skip
def test_a_service_that_goes_with_an_unchanged_configuration_is_told(
    tmp_path: Path, gold: dict[str, Node], own: dict[str, Node], told: list[str]
) -> None:
    base = {**KEEP, **wanted("app.service"), "etc/app.conf": "stock\n"}
    done = merge_tables(tmp_path, base, {**KEEP, **gold}, {**base, **own})
    assert gone(done) == told
    assert "etc/app.conf" not in done.tree


def test_a_service_that_gold_has_in_another_version_is_not_told(tmp_path: Path) -> None:
    old, new = ({**KEEP, **wanted(name)} for name in ("php8.2-fpm.service", "php8.4-fpm.service"))
    assert gone(merge_tables(tmp_path, old, new, old)) == []


def test_a_service_that_the_server_had_disabled_is_not_told(tmp_path: Path) -> None:
    assert gone(merge_tables(tmp_path, {**KEEP, **wanted("app.service")}, KEEP, KEEP)) == []
