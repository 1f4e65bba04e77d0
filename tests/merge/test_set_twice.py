"""A setting that both sides added at two places of a text would stand there twice, and a program goes by one of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.merging import merge_tables

LINES = "a.one = 1\na.two = 2\na.three = 3\na.four = 4\n"
SSHD = "Port 22\nX11Forwarding no\nUsePAM yes\nPrintMotd no\n"
TWO = "[a]\nx = 1\ny = 2\n[b]\nx = 3\n"
UNIT = "[Unit]\nA=1\nB=2\nC=3\n"
BLOCKS = "one {\n  a = 1\n}\ntwo {\n  b = 2\n}\n"


@pytest.mark.parametrize(
    ("path", "base", "gold", "clone", "key"),
    [
        ("etc/ssh/sshd_config", SSHD, "PermitRootLogin yes\n" + SSHD, SSHD + "PermitRootLogin no\n", "permitrootlogin"),
        ("etc/ssh/sshd_config", SSHD, "permitrootlogin yes\n" + SSHD, SSHD + "PermitRootLogin=no\n", "permitrootlogin"),
        ("etc/ssh/sshd_config.d/own.conf", SSHD, "Banner /a\n" + SSHD, SSHD + "Banner /b\n", "banner"),
        ("etc/ssh/sshd_config", SSHD[8:], SSHD, SSHD[8:] + "Port 2222\n", "port"),
        ("etc/login.defs", "A 1\nB 2\nC 3\n", "UMASK 022\nA 1\nB 2\nC 3\n", "A 1\nB 2\nC 3\nUMASK\t077\n", "umask"),
        ("etc/sysctl.conf", LINES, "net.x = 1\n" + LINES, LINES + "net.x = 0\n", "net.x"),
        ("etc/default/app", 'A="1"\nB="2"\nC="3"\n', 'O="x"\nA="1"\nB="2"\nC="3"\n', 'A="1"\nB="2"\nC="3"\nexport O="y"\n', "O"),
        ("etc/my.cnf", "[a]\nx = 1\ny = 2\nz = 3\n", "[a]\nk = 1\nx = 1\ny = 2\nz = 3\n", "[a]\nx = 1\ny = 2\nz = 3\nk = 2\n", "k"),
    ],
)  # fmt: skip
def test_two_values_are_a_question(tmp_path: Path, path: str, base: str, gold: str, clone: str, key: str) -> None:
    done = merge_tables(tmp_path, {path: base}, {path: gold}, {path: clone})
    assert done.conflicts == [(f"/{path}", "content")]
    assert f"both set {key}, at two places" in done.record["conflicts"][0]["detail"]
    assert done.text(path) == clone


@pytest.mark.parametrize(
    ("path", "base", "gold", "clone"),
    [
        ("etc/sysctl.conf", LINES, "net.x = 1\n" + LINES, LINES + "net.x = 1\n"),
        ("etc/sysctl.conf", LINES, "net.x = 1\n" + LINES, LINES + "# net.x = 0\n"),
        ("etc/ssh/sshd_config", SSHD, "AllowUsers ann\n" + SSHD, SSHD + "AllowUsers bob\n"),
        ("etc/ssh/sshd_config", SSHD, "Banner /a\n" + SSHD, SSHD + "Match User bob\n  Banner /b\n"),
        ("etc/my.cnf", TWO, TWO.replace("[a]\n", "[a]\nk = 1\n"), TWO + "k = 2\n"),
        ("etc/dnsmasq.conf", "s=1\nm1=1\nm2=2\ns=2\n", "s=0\ns=1\nm1=1\nm2=2\ns=2\n", "s=1\nm1=1\nm2=2\ns=2\ns=3\n"),
        ("etc/systemd/system/a.service", UNIT, UNIT.replace("]\n", "]\nAfter=x\n"), UNIT + "After=y\n"),
        ("etc/app.conf", BLOCKS, BLOCKS.replace("one {\n", "one {\n  k = 1\n"), BLOCKS[:-2] + "  k = 2\n}\n"),
    ],
)  # fmt: skip
def test_lists_sections_and_the_same_value_are_none(
    tmp_path: Path, path: str, base: str, gold: str, clone: str
) -> None:
    done = merge_tables(tmp_path, {path: base}, {path: gold}, {path: clone})
    assert done.conflicts == []
    assert {*gold.splitlines()} | {*clone.splitlines()} == {*done.text(path).splitlines()}
