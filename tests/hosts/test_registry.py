"""The hosts of a site: kinds by name, a table for each, and every mistake with its line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from goldroot.errors import UsageError
from goldroot.hosts.registry import KINDS, BadTable, host_table, open_host


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


#: What a table of a kind must say.
NEEDED = {"zvm": {"server": "zvm.example.com", "user": "GOLDADM", "guest": "GOLDMGMT", "group": "LINUX"}}


def test_each_kind_opens_a_host_of_its_name(tmp_path: Path) -> None:
    for name in KINDS:
        table = host_table("here", {"kind": name, **NEEDED.get(name, {})})
        assert open_host(table, str(tmp_path)).kind == name
    assert list(tmp_path.iterdir()) == [], "nothing is made, and no password read"


def test_a_table_that_lacks_what_its_kind_needs_says_which_key() -> None:
    for values in ({}, {"server": "zvm.example.com", "user": "GOLDADM", "guest": "GOLDMGMT"}):
        with pytest.raises(BadTable) as caught:
            host_table("a", {"kind": "zvm", **values})
        assert caught.value.brief == f"{'group' if values else 'server'!r} is missing"
    with pytest.raises(BadTable) as caught:
        host_table("a", {"kind": "zvm", **NEEDED["zvm"], "link_mode": "MW"})
    assert caught.value.key == "link_mode"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"kind": "qemu", "accelerator": "kmv"}, "'kvm' or 'tcg'"),
        ({"kind": "qemu", "memory": 0}, "at least 1 MiB"),
        ({"kind": "qemu", "memory": "much"}, "whole number"),
        ({"kind": "qemu", "root": "1B1"}, "not a place"),
        ({"kind": "nspawn", "paths": {"B1": ["/"], "1B5": ["/etc"]}}, "not a place"),
        ({"kind": "nspawn", "paths": {"B1": ["/"], "B5": ["/../etc"]}}, "absolute path"),
        ({"kind": "nspawn", "paths": {"B1": ["/"], "B5": ["etc"]}}, "absolute path"),
        ({"kind": "nspawn", "paths": {"B1": ["/", "/etc"], "B5": ["/etc"]}}, "two disks"),
    ],
)
def test_values_that_cannot_be_are_refused_when_a_table_is_read(values: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        host_table("a", values)


def test_a_table_of_plain_texts_costs_no_pydantic() -> None:
    code = (
        "import sys; from goldroot.hosts.registry import host_table, open_host\n"
        "open_host(host_table('a', {}), '/nowhere')\n"
        "open_host(host_table('a', {'kind': 'directory', 'store': 'x', 'running': ['y']}), '/nowhere')\n"
        "assert 'pydantic' not in sys.modules\n"
        "host_table('a', {'kind': 'qemu', 'accelerator': 'tcg'}); assert 'pydantic' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "values",
    [{"kind": "qemu", "memory": True}, {"store": 3}, {"running": "x"}, {"running": [3]}, {"kind": "qemu", "verity": 1}],
)
def test_a_plain_value_of_another_type_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(BadTable) as caught:
        host_table("a", values)
    assert caught.value.key == list(values)[-1]
