"""Authorities that gold withdrew: the store is made again, and what the server keeps among its own is asked about."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from goldroot.conflicts import Decision
from goldroot.merge.fit.withdrawn import certificates
from support.merging import Outcome, Table, merge_tables


def pem(name: str) -> str:
    data = base64.encodebytes(b"\x30" + name.encode() * 30).decode()
    return f"# {name}\n-----BEGIN CERTIFICATE-----\n{data}-----END CERTIFICATE-----\n"


def der(name: str) -> str:
    return (b"\x30" + name.encode() * 30).decode()


BUNDLE, OWN = "etc/ssl/certs/ca-certificates.crt", "usr/local/share/ca-certificates/own.crt"
OLD, NEW = pem("good") + pem("bad"), pem("good") + pem("new")


def required(done: Outcome) -> list[str]:
    return [note["data"]["command"] for note in done.record["notes"] if note.get("data", {}).get("required")]


def test_a_withdrawn_authority_has_the_store_made_again_before_the_switch(tmp_path: Path) -> None:
    done = merge_tables(tmp_path, {BUNDLE: OLD}, {BUNDLE: NEW}, {BUNDLE: OLD + pem("own"), OWN: pem("own")})
    assert (done.conflicts, required(done)) == ([], ["/usr/sbin/update-ca-certificates"])


def test_one_that_gold_only_added_is_as_it_ever_was(tmp_path: Path) -> None:
    done = merge_tables(tmp_path, {BUNDLE: OLD}, {BUNDLE: OLD + pem("new")}, {BUNDLE: OLD + pem("own")})
    assert (done.conflicts, required(done)) == ([], [])


@pytest.mark.parametrize(
    ("bundle", "own", "text"),
    [
        (BUNDLE, OWN, pem("x") + pem("bad")),
        (BUNDLE, OWN, der("bad")),
        ("var/lib/ca-certificates/ca-bundle.pem", "etc/pki/trust/anchors/a.pem", pem("bad")),
        ("etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "etc/pki/ca-trust/source/anchors/sub/a", pem("bad")),
    ],
)
def test_one_that_the_server_keeps_among_its_own_is_asked_about_once(
    tmp_path: Path, bundle: str, own: str, text: str
) -> None:
    sides: list[Table] = [{bundle: OLD}, {bundle: NEW}, {bundle: OLD, own: text}]
    done = merge_tables(tmp_path, *sides)
    assert done.conflicts == [(f"/{own}", "withdrawn-ca")]
    key = done.record["conflicts"][0]["key"]
    again = merge_tables(tmp_path, {}, {}, {}, out="again", decisions={key: Decision("clone")})
    assert (again.conflicts, own in again.tree) == ([], True)
    settled = merge_tables(tmp_path, {}, {}, {}, out="other", decisions={key: Decision("gold")})
    assert "none of its answers" in settled.record["conflicts"][0]["detail"]


def test_what_gold_itself_puts_among_a_servers_own_is_golds_matter(tmp_path: Path) -> None:
    own = {OWN: pem("bad")}
    for number, (gold, clone) in enumerate((({}, own), (own, own), (own, {OWN: pem("bad") + pem("own")}))):
        room = tmp_path / str(number)
        room.mkdir()
        done = merge_tables(room, {BUNDLE: OLD, **own}, {BUNDLE: NEW, **gold}, {BUNDLE: OLD, **clone})
        assert ("/" + OWN, "withdrawn-ca") not in done.conflicts


def test_certificates_of_a_file() -> None:
    bad = certificates(pem("bad").encode())
    assert len(bad) == 1
    assert certificates(der("bad").encode()) == bad == certificates(pem("bad").replace("\n", "\r\n").encode())
    assert certificates(b"-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n") == set()
    assert certificates(b"text") == set()
