"""The table of a z/VM host: what it says is checked when it is opened, and its password is read when it is needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from goldroot.errors import BadInput, Refused, Unreachable, UsageError
from goldroot.hosts.zvm import ZvmConfig, open_host
from goldroot.hosts.zvm.config import PASSWORD
from support.zvmsite import simulator


def config(**values: object) -> ZvmConfig:
    return ZvmConfig("127.0.0.1", "GOLDADM", "GOLDMGMT", "LINUX", **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "values",
    [
        {"names": {"A": "B", "C": "B"}},
        {"names": {"A": "much too long"}},
        {"prefixes": {"GOLD": "0"}},
        {"parameters": "ro\nquiet"},
        {"own_parameters": {"WEB1": "ro é"}},
        {"own_parameters": {"web 1": "ro"}},
        {"link_addresses": "F100-F000"},
        {"link_addresses": "F000"},
        {"template": []},
        {"template": ["USER {user} SECRET 1G 1G G"]},
        {"slot_template": ["PROFILE {user}"]},
        {"members": {"ZVM2": "zvm2:0"}},
        {"members": {"ZVM2": "zvm2:http"}},
        {"members": {"ZVM2": ""}},
        {"members": {"ZVM2": "zvm2"}, "member_of": {"WEB2": "ZVM3"}},
        {"member_of": {"WEB2": "ZVM2"}},
    ],
)
def test_what_cannot_be_is_refused_when_it_is_opened(values: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        open_host("here", config(**values), str(tmp_path))


def test_members_are_reached_as_the_first_one_is_where_nothing_else_is_said(tmp_path: Path) -> None:
    members = {"zvm2": "zvm2.example.com", "ZVM3": "zvm3:44445", "ZVM4": "[2001:db8::4]:44446", "ZVM5": "[2001:db8::5]"}
    host = open_host("here", config(port=1234, tls=False, members=members, member_of={"WEB2": "zvm2"}), str(tmp_path))
    there = {name: (one.server.host, one.server.port, one.server.tls) for name, one in host._parts.members.items()}
    assert there == {
        "ZVM2": ("zvm2.example.com", 1234, False),
        "ZVM3": ("zvm3", 44445, False),
        "ZVM4": ("2001:db8::4", 44446, False),
        "ZVM5": ("2001:db8::5", 1234, False),
    }
    assert (host._members.home("WEB2"), host._members.home("WEB1")) == ("ZVM2", "")
    assert not host._parts.style.words.cached
    assert open_host("here", config(), str(tmp_path))._parts.style.words.cached


def test_the_password_is_read_when_it_is_needed_from_a_file_of_its_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(PASSWORD, raising=False)
    with simulator(tmp_path) as sim:
        host = open_host("here", config(port=sim.port, tls=False, password_file="pw"), str(tmp_path))
        host.create()
        for error in (UsageError, Refused):
            with pytest.raises(error, match="password file"):
                host.find("WEB1")
            (tmp_path / "pw").write_text("GOLDADM\n")
            (tmp_path / "pw").chmod(0o644)
        (tmp_path / "pw").chmod(0o600)
        assert host.find("WEB1") is None
        assert "GOLDADM" not in repr(host._manager.client._password)
        other = open_host("here", config(port=sim.port, tls=False), str(tmp_path))
        with pytest.raises(UsageError, match="no password"):
            other.find("WEB1")
        monkeypatch.setenv(PASSWORD, "GOLDADM")
        assert other.find("WEB1") is None


def test_where_nothing_listens_nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD, "X")
    host = open_host("here", config(port=1, tls=False), str(tmp_path))
    host.create()
    monkeypatch.setattr(host._manager.client, "clock", type(host._manager.client.clock)(sleep=lambda seconds: None))
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1"):
        host.find("WEB1")
