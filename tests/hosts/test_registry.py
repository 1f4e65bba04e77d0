"""The hosts of a site: kinds by name, a table for each, and every mistake with its line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from goldroot.errors import BadPolicy, Refused
from goldroot.hosts.directory import DirectoryConfig, DirectoryHost
from goldroot.hosts.registry import KINDS, BadTable, HostTable, host_table, open_host
from goldroot.site.config import Config, load_config


@pytest.fixture
def config(tmp_path: Path) -> Callable[[str], Config]:
    def read(text: str) -> Config:
        (tmp_path / "goldroot.toml").write_text(text)
        return load_config(str(tmp_path / "goldroot.toml"))

    return read


def test_a_site_that_says_nothing_has_one_directory_host(config: Callable[[str], Config]) -> None:
    assert config("").hosts == {"local": HostTable("local", "directory", DirectoryConfig())}


def test_the_table_of_the_first_edition_is_that_host(config: Callable[[str], Config]) -> None:
    read = config('[host]\nkind = "directory"\nstore = "/srv/store"\nrunning = ["/bin/is-running", "-q"]\n')
    assert read.hosts["local"].config == DirectoryConfig("/srv/store", ["/bin/is-running", "-q"])
    assert (read.host.store, read.host.running) == ("/srv/store", ("/bin/is-running", "-q"))


def test_a_host_has_a_name_and_a_store_of_its_own(config: Callable[[str], Config], tmp_path: Path) -> None:
    table = config('[hosts.cellar]\nkind = "directory"\nstore = "disks"\n').hosts["cellar"]
    host = open_host(table, str(tmp_path))
    assert isinstance(host, DirectoryHost)
    assert (host.name, host.kind, host.store) == ("cellar", "directory", str(tmp_path / "disks"))
    assert open_host(host_table("cellar", {"store": "/elsewhere"}), str(tmp_path)).store == "/elsewhere"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('[hosts.a]\nkind = "cloud"\n', 2, "no kind of host 'cloud'"),
        ("[hosts.a]\nkind = 3\n", 2, "no kind of host 3"),
        ('[hosts.a]\n\nstroe = "x"\n', 3, "unknown key 'stroe'"),
        ("[hosts.a]\nstore = 3\n", 2, "'store' must be a text"),
        ('[hosts.a]\nstore = "x"\nrunning = "x"\n', 3, "'running' must be a list"),
        ("[hosts.a]\nrunning = [3]\n", 2, "'running' must hold, each time, a text"),
        ('[hosts.A]\nstore = "x"\n', 1, "'A' cannot be a host's name"),
        ('hosts = "x"\n', 1, "'hosts' must be a table"),
        ("[hosts]\na = 3\n", 2, "'a' must be a table"),
        ("[hosts]\n", 1, "at least one host"),
        ('[host]\nstore = "x"\n\n[hosts.a]\n', 1, "not both"),
        ("[host]\nstore = true\n", 2, "'store' must be a text"),
    ],
)
def test_a_mistake_has_its_line(config: Callable[[str], Config], text: str, line: int, words: str) -> None:
    with pytest.raises(BadPolicy, match=words) as caught:
        config(text)
    assert caught.value.line == line


def test_what_was_perhaps_meant_is_said() -> None:
    with pytest.raises(BadTable) as caught:
        host_table("a", {"stroe": "x"})
    assert caught.value.todo == "Did you mean 'store'?"
    with pytest.raises(BadTable) as caught:
        host_table("a", {"colour": "x"})
    assert "kind, store, running" in caught.value.todo
    with pytest.raises(BadTable) as caught:
        host_table("a", {"kind": "cloud"})
    assert 'kind = "directory"' in caught.value.todo


def test_several_hosts_are_read_and_not_used_yet(config: Callable[[str], Config]) -> None:
    with pytest.raises(Refused, match="several hosts"):
        config("[hosts.a]\n[hosts.b]\n")


def test_each_kind_opens_a_host_of_its_name(tmp_path: Path) -> None:
    for name in KINDS:
        assert open_host(host_table("here", {"kind": name}), str(tmp_path)).kind == name


def test_a_table_that_says_nothing_costs_no_pydantic() -> None:
    code = (
        "import sys; from goldroot.hosts.registry import host_table, open_host\n"
        "open_host(host_table('a', {}), '/nowhere'); assert 'pydantic' not in sys.modules\n"
        "host_table('a', {'store': 'x'}); assert 'pydantic' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
