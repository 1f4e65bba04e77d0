"""``goldroot policy``: what a person and a program see."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from goldroot.cli.failure import guarded
from goldroot.cli.policy import policy
from goldroot.policy import Policy, default_text

CaptureFixture = pytest.CaptureFixture[str]


def said(capsys: CaptureFixture, *args: str, status: int = 0) -> str:
    assert guarded(policy, args) == status
    captured = capsys.readouterr()
    return captured.out if status == 0 else captured.out + captured.err


def as_data(capsys: CaptureFixture, *args: str) -> Any:
    return json.loads(said(capsys, *args, "--json"))


@pytest.fixture
def own(tmp_path: Path) -> str:
    file = tmp_path / "own.toml"
    file.write_text(
        "conflict = 'gold'\n[[rule]]\npath = '/etc/motd'\nclass = 'clone'\nowner = 'web team'\nreason = 'ours'\n"
    )
    return str(file)


def test_explain_says_rule_place_and_reason(capsys: CaptureFixture) -> None:
    out = said(capsys, "explain", "/var/lib/mysql/server-key.pem")
    assert "/var/lib/mysql/server-key.pem: state, secret\n" in out
    assert "rule       /var/lib  (default policy, line " in out
    assert "reason     each service's data belongs together" in out
    assert "unit       /var/lib/mysql\n" in out
    assert "adds       *.pem: secret = true  (default policy, line " in out
    assert "overrides  *.pem: opaque, secret = true  (default policy, line " in out


def test_explain_names_the_file_of_ones_own_rule(capsys: CaptureFixture, own: str) -> None:
    out = said(capsys, "explain", "/etc/motd", "/etc/other", "--policy", own)
    assert f"rule       /etc/motd  ({own}, line 3)" in out and "web team" in out and "ours" in out
    assert "/etc/other: config" in out and "built in" in out


def test_explain_of_a_units_directory(capsys: CaptureFixture) -> None:
    assert "unit       none" in said(capsys, "explain", "/var/lib/")


def test_explain_as_json(capsys: CaptureFixture) -> None:
    (data,) = as_data(capsys, "explain", "/etc/./ld.so.cache")
    assert data["path"] == "/etc/ld.so.cache" and data["class"] == "generated" and data["unit"] is None
    assert data["rule"]["rebuild"] == "/sbin/ldconfig" and data["rule"]["where"].startswith("default policy, line ")
    (data,) = as_data(capsys, "explain", "/etc/ssl/private/ssl-cert-snakeoil.key")
    assert [rule["path"] for rule in data["overrides"]] == ["*.key"]


def test_explain_for_a_family_of_systems(capsys: CaptureFixture, tmp_path: Path) -> None:
    path = "/etc/sysconfig/network"
    assert "family     not known: the rules for all families" in said(capsys, "explain", path)
    out = said(capsys, "explain", path, "--family", "redhat")
    assert f"{path}: clone\n" in out and "family     redhat\n" in out
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "etc").mkdir()
    (tmp_path / "usr/lib/os-release").write_text('ID="sles"\n')
    (tmp_path / "etc/os-release").symlink_to("/etc/os-release")
    (data,) = as_data(capsys, "explain", path, "--root", str(tmp_path))
    assert (data["class"], data["family"]) == ("config", "suse")
    assert "Give --family or --root" in said(capsys, "explain", path, "--root", "/", "--family", "suse", status=2)


def test_a_path_that_is_no_utf8(capsys: CaptureFixture) -> None:
    assert "/srv/\\xff/x: state" in said(capsys, "explain", "/srv/\udcff/x")
    assert as_data(capsys, "explain", "/srv/\udcff/x")[0]["unit"] == "/srv/\\xff", "as in a record"
    assert "/etc/\\x1b[31m\\x0a: config" in said(capsys, "explain", "/etc/\x1b[31m\n")


@pytest.mark.parametrize("path", ["etc/passwd", "/etc/../passwd", ""])
def test_a_path_that_is_none_of_a_system(capsys: CaptureFixture, path: str) -> None:
    assert "beginning with '/'" in said(capsys, "explain", path, status=2)


def test_show_lists_all_rules(capsys: CaptureFixture, own: str) -> None:
    out = said(capsys, "show", "--policy", own)
    assert "/etc/shells" in out and "owner = web team" in out and Policy.load(own).hash in out
    data = as_data(capsys, "show", "--policy", own)
    assert data["conflict"] == "gold" and data["rules"][-1]["path"] == "/etc/motd"
    assert data["hash"] == Policy.load(own).hash and len(data["rules"]) == len(Policy.default().rules) + 1


def test_the_shown_default_is_a_policy(capsys: CaptureFixture, tmp_path: Path) -> None:
    text = said(capsys, "show", "--toml")
    assert text == default_text()
    copy = tmp_path / "copy.toml"
    copy.write_text('extends = "none"\n' + text)
    assert Policy.load(str(copy)).hash == Policy.default().hash
    assert "alone" in said(capsys, "show", "--toml", "--json", status=2)


def test_check(capsys: CaptureFixture, own: str, tmp_path: Path) -> None:
    assert "good. 1 rule of its own after" in said(capsys, "check", own)
    assert as_data(capsys, "check", own)["rules"] == 1
    bad = tmp_path / "bad.toml"
    bad.write_text("[[rule]]\npath = '/a'\nclas = 'gold'\n")
    out = said(capsys, "check", str(bad), status=2)
    assert f"{bad}:3: 'clas' is not a key of a rule" in out and "'class'" in out
    assert json.loads(said(capsys, "check", str(bad), "--json", status=2))["error"] == "bad-policy"


def test_on_screen_the_third_side_is_the_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = tmp_path / "policy.toml"
    for line, whose in (("", "the server's"), ('conflict = "gold"\n', "gold's")):
        own.write_text(line)
        assert f"conflict {whose} version stands" in said(capsys, "check", str(own))
