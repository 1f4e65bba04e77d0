"""The hosts of a site: read from its file, each by its kind, and made by ``goldroot init``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from goldroot.catalog import label_of_store
from goldroot.errors import BadInput, BadPolicy, HostError, NotFound, Refused
from goldroot.site import Site, init_site, plan_init

TWO = """
default_host = "west"
[hosts.east]
store = "east"
[hosts.west]
kind = "nspawn"
store = "/elsewhere/west"
running = ["is-running"]
paths = { B1 = ["/"], B5 = ["/etc"] }
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return init_site(str(tmp_path / "site"))


def reopened(site: Site, text: str) -> Site:
    Path(site.path("goldroot.toml")).write_text(text)
    return Site.open(site.root)


@pytest.mark.parametrize(
    "text", ["", "[host]", '[host]\nkind = "directory"\nstore = "store"', "[hosts]", "[hosts.local]"]
)
def test_one_host_is_called_local(site: Site, text: str) -> None:
    again = reopened(site, text)
    assert list(again.config.hosts) == ["local"]
    assert (again.host.name, again.host.kind) == ("local", "directory")
    assert again.host is again.host_named("local")


def test_each_table_is_read_by_its_kind(site: Site) -> None:
    config = reopened(site, TWO).config
    assert {name: table.kind for name, table in config.hosts.items()} == {"east": "directory", "west": "nspawn"}
    assert config.default_host == "west"
    assert config.hosts["west"].config.paths == {"B1": ["/"], "B5": ["/etc"]}
    assert config.hosts["west"].config.running == ["is-running"]


def test_without_a_word_about_it_the_first_table_is_the_default(site: Site) -> None:
    assert reopened(site, TWO.replace('default_host = "west"', "")).config.default_host == "east"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("[host]\n[hosts.east]\n", 2, r"there are \[host\] and \[hosts.NAME\]"),
        ('[hosts.east]\nstore = "a"\n[host]\n', 1, r"there are \[host\] and \[hosts.NAME\]"),
        ('[hosts.east]\n\nkind = "cloud"', 3, "no kind of host 'cloud'"),
        ("[hosts.east]\nkind = 3", 2, "no kind of host 3"),
        ('[hosts.east]\nkind = "qemu"\nmemmory = 3', 3, "unknown key 'memmory'"),
        ('[hosts.east]\nkind = "qemu"\nmemory = "much"', 3, "'memory' must be a whole number"),
        ('[hosts.east]\nkind = "qemu"\nmemory = 0', 1, "at least 1 MiB"),
        ('[hosts.east]\nkind = "directory"\nmemory = 3', 3, "unknown key 'memory'"),
        ('[hosts.east]\nkind = "nspawn"\npaths = { B1 = ["/", "/etc"], B5 = ["/etc"] }', 1, "two disks"),
        ('[hosts.east]\nkind = "zvm"\nserver = "x"', 1, "'user' is missing"),
        ("[hosts.East]", 1, "'East' cannot be a host's name"),
        ("[hosts]\neast = 3", 2, "'east' must be a table"),
        ("host = 3", 1, "'host' must be a table"),
        ('\ndefault_host = "north"\n[hosts.east]', 2, "no host 'north'"),
        ('[hosts.east]\n[hosts.west]\nstore = "./store"', 3, "stores of hosts 'east' and 'west' are the same"),
        ('[hosts.east]\n[hosts.west]\nstore = "store/west"', 3, "stores of hosts 'east' and 'west'"),
        ('[hosts.east]\nstore = "store/east"\n[hosts.west]', 3, "stores of hosts 'east' and 'west'"),
    ],
)
def test_mistakes_have_a_line(site: Site, text: str, line: int, said: str) -> None:
    with pytest.raises(BadPolicy, match=said) as caught:
        reopened(site, text)
    assert caught.value.line == line


def test_a_store_by_another_way_is_seen_to_be_the_same(site: Site) -> None:
    os.symlink(site.path("store"), site.path("other"))
    with pytest.raises(BadPolicy, match="are the same"):
        reopened(site, '[hosts.east]\n[hosts.west]\nstore = "other"')


def test_init_makes_the_stores_that_the_file_has_now(site: Site) -> None:
    two = reopened(site, '[hosts.local]\n[hosts.east]\nstore = "east"\n')
    assert two.host_named("local").name == "local", "one that is made already can be used"
    with pytest.raises(Refused, match=r"store of host east, .*, is not made yet") as caught:
        two.host_named("east")
    assert f"goldroot init {site.root}" in caught.value.todo
    assert plan_init(site.root) == [site.path("east")]
    init_site(site.root)
    assert plan_init(site.root) == []
    assert list(two.host_named("east").entries()) == []
    with two.catalog.read() as tx:
        labels = [label_of_store(tx, name) for name in two.config.hosts]
    assert len(set(labels)) == 2 and all(labels)


def test_stores_that_were_exchanged_are_refused(site: Site) -> None:
    text = '[hosts.local]\nstore = "store"\n[hosts.east]\nstore = "east"\n'
    reopened(site, text)
    init_site(site.root)
    two = reopened(site, text)
    assert two.host_named("local") and two.host_named("east")
    again = reopened(site, text.replace('"store"', '"x"').replace('"east"', '"store"').replace('"x"', '"east"'))
    for name in ("local", "east"):
        with pytest.raises(Refused, match="is not that of this site: it carries the label"):
            again.host_named(name)


def test_a_store_that_is_lost_is_not_taken_for_a_new_one(site: Site) -> None:
    assert site.host
    os.rename(site.path("store"), site.path("gone"))
    again = reopened(site, "")
    with pytest.raises(HostError, match="there is no store"):
        again.host_named("local")
    assert not os.path.exists(site.path("store"))


def test_a_host_that_the_file_does_not_have_is_told(site: Site) -> None:
    with pytest.raises(NotFound, match="no host 'east'") as caught:
        site.host_named("east")
    assert "Hosts: local." in caught.value.todo


def test_everything_in_each_store_is_the_owners_alone(site: Site) -> None:
    text = '[hosts.local]\n[hosts.east]\nkind = "nspawn"\nstore = "east"\n'
    reopened(site, text)
    init_site(site.root)
    for name in ("store", "east"):
        os.chmod(site.path(name, "labels"), 0o755)
    os.chmod(site.path("east", "running"), 0o755)
    assert "3 paths" in reopened(site, text).told[0]
    assert os.stat(site.path("east", "labels")).st_mode & 0o77 == 0


@pytest.mark.parametrize("kind", ["nspawn", "qemu"])
def test_a_new_site_may_have_a_host_of_another_kind(tmp_path: Path, kind: str) -> None:
    assert tmp_path / "s" / "store" in map(Path, plan_init(str(tmp_path / "s"), kind))
    site = init_site(str(tmp_path / "s"), kind)
    assert (site.host.kind, site.host.name) == (kind, "local")
    assert plan_init(site.root, kind) == []


def test_a_kind_that_needs_more_words_is_not_made_from_none(tmp_path: Path) -> None:
    for begin in (init_site, plan_init):
        with pytest.raises(BadInput, match="'server' is missing"):
            begin(str(tmp_path / "s"), "zvm")
        with pytest.raises(BadInput, match="no kind of host 'cloud'"):
            begin(str(tmp_path / "s"), "cloud")
    assert not os.path.exists(tmp_path / "s")
