"""TLS: verified by default, and a clear word when it fails, before any password is sent."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from goldroot.errors import UsageError
from goldroot.zvm.smapi import BadCertificate, BadReply, LostReply, Patience

#: A key and a self-signed certificate (2020 to 2120) for localhost and 127.0.0.1; made for these tests.
GOOD_KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgCOkWAbYbgu+slGZJ
xBs+mXQxpVo7u0q4E7mCsSztV/ehRANCAATbgqis9U+icM5sJCe0t1md+XbswGNS
KQnqH8Pvwh/+0KuGW7SG/PKv4rM88POMTviMJlUfKAs6F6gK89YirUWf
-----END PRIVATE KEY-----
"""
GOOD_CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBbzCCARWgAwIBAgIBATAKBggqhkjOPQQDAjAYMRYwFAYDVQQDDA1nb2xkcm9v
dCB0ZXN0MCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAxMDAwMDAwWjAYMRYwFAYD
VQQDDA1nb2xkcm9vdCB0ZXN0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE24Ko
rPVPonDObCQntLdZnfl27MBjUikJ6h/D78If/tCrhlu0hvzyr+KzPPDzjE74jCZV
HygLOheoCvPWIq1Fn6NOMEwwGgYDVR0RBBMwEYIJbG9jYWxob3N0hwR/AAABMA8G
A1UdEwEB/wQFMAMBAf8wHQYDVR0OBBYEFJt8z+ww5VOdFNzjWdBa4WTZZnKCMAoG
CCqGSM49BAMCA0gAMEUCIBS3vCr0/HuNtGRJ7FQe1D423LIjgiNO8jHOHtsh8rtE
AiEA6hNbDRL0ugyTB814VkVohnXXkA2WnqXikMND/EB8xmc=
-----END CERTIFICATE-----
"""

#: A key and a self-signed certificate (2020 to 2120) for other.example.com; made for these tests.
OTHER_KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgm7TDkiDshf6oSdyl
gsDCOaZTAYmHzad6H8mMbapN9ZOhRANCAARbX1fu2TIqwdE9xqQ1atwTYPgTrw57
le5l4DHa4kFmYzJuw+nJEDgdyI6EH4H+DxlddIVUERBZXnmCvFYEknfn
-----END PRIVATE KEY-----
"""
OTHER_CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBcjCCARegAwIBAgIBATAKBggqhkjOPQQDAjAYMRYwFAYDVQQDDA1nb2xkcm9v
dCB0ZXN0MCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAxMDAwMDAwWjAYMRYwFAYD
VQQDDA1nb2xkcm9vdCB0ZXN0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEW19X
7tkyKsHRPcakNWrcE2D4E68Oe5XuZeAx2uJBZmMybsPpyRA4HciOhB+B/g8ZXXSF
VBEQWV55grxWBJJ356NQME4wHAYDVR0RBBUwE4IRb3RoZXIuZXhhbXBsZS5jb20w
DwYDVR0TAQH/BAUwAwEB/zAdBgNVHQ4EFgQUmc6Q7hmKhNK3qIviYYoD4kh0Dgww
CgYIKoZIzj0EAwIDSQAwRgIhAM3eWP0mXCUesW9Wfy6koNaSZrb5XSkLZDweHHDA
t8I8AiEAtt8aHjmnpXTC7UJRm2XKsGqUX4/ZcqGZBMRAJTqNhZQ=
-----END CERTIFICATE-----
"""


GOOD = bytes.fromhex("000000070000000c000000070000000000000000")
ONCE = Patience(tries=1)


def serve_tls(responder: Any, tmp_path: Path, key: str, certificate: str) -> str:
    """Let the responder speak TLS; the certificate's file."""
    key_file, file = tmp_path / "server.key", tmp_path / "server.pem"
    key_file.write_text(key)
    file.write_text(certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key_file)
    responder.context = context
    responder.folder = tmp_path
    return str(file)


def test_a_server_that_the_ca_file_vouches_for(responder: Any, make_client: Any, tmp_path: Path) -> None:
    authority = serve_tls(responder, tmp_path, GOOD_KEY, GOOD_CERTIFICATE)
    responder.play(GOOD)
    make_client(tls=True, ca_file=authority).check_authentication()
    assert responder.functions() == ["Check_Authentication"]


def test_an_unknown_certificate_is_refused_before_the_password_goes_out(
    responder: Any, make_client: Any, tmp_path: Path
) -> None:
    serve_tls(responder, tmp_path, GOOD_KEY, GOOD_CERTIFICATE)
    responder.play(GOOD)
    with pytest.raises(BadCertificate, match="did not prove who it is") as caught:
        make_client(tls=True).check_authentication()
    assert "the password is safe" in caught.value.meaning
    assert responder.requests == []


def test_a_certificate_for_another_name_is_refused(responder: Any, make_client: Any, tmp_path: Path) -> None:
    authority = serve_tls(responder, tmp_path, OTHER_KEY, OTHER_CERTIFICATE)
    with pytest.raises(BadCertificate, match="did not prove who it is"):
        make_client(tls=True, ca_file=authority).check_authentication()
    assert responder.requests == []


def test_insecure_takes_any_certificate(responder: Any, make_client: Any, tmp_path: Path) -> None:
    serve_tls(responder, tmp_path, OTHER_KEY, OTHER_CERTIFICATE)
    responder.play(GOOD)
    make_client(tls=True, insecure=True).check_authentication()
    assert len(responder.requests) == 1


def test_tls_to_a_port_that_does_not_speak_it(responder: Any, make_client: Any) -> None:
    responder.read_request = False
    responder.play(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    with pytest.raises(BadCertificate, match="TLS handshake"):
        make_client(tls=True).check_authentication()


def test_clear_text_to_a_port_that_speaks_tls(responder: Any, make_client: Any) -> None:
    responder.play(bytes.fromhex("15030300020246"))
    with pytest.raises(BadReply, match="speaks TLS"):
        make_client(patience=ONCE).check_authentication()


def test_a_port_that_ends_clear_text_at_once_may_speak_tls(responder: Any, make_client: Any) -> None:
    responder.play(b"")
    with pytest.raises(LostReply, match="after 0 of 4 bytes; a port that speaks TLS does that"):
        make_client(patience=ONCE).check_authentication()


def test_a_silent_tls_port_does_not_hang(responder: Any, make_client: Any) -> None:
    responder.read_request = False
    responder.play(lambda stream, _: stream.recv(1 << 16) and stream.recv(1))
    with pytest.raises(BadCertificate, match="no answer in time"):
        make_client(tls=True, connect_timeout=0.2).check_authentication()


def test_a_connection_cut_inside_tls(responder: Any, make_client: Any, tmp_path: Path) -> None:
    authority = serve_tls(responder, tmp_path, GOOD_KEY, GOOD_CERTIFICATE)
    responder.play(GOOD[:6])
    with pytest.raises(LostReply, match="ended the connection after 2 of 4 bytes"):
        make_client(tls=True, ca_file=authority, patience=ONCE).check_authentication()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_all_calls_of_a_client_are_one_session(
    responder: Any, make_client: Any, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    """SMAPI takes one request for each connection; a session is made once, and resumed by all others."""
    authority = serve_tls(responder, tmp_path, GOOD_KEY, GOOD_CERTIFICATE)
    responder.context.maximum_version = version
    responder.play(*[GOOD] * 5)
    client = make_client(tls=True, ca_file=authority)
    for _ in range(5):
        client.check_authentication()
    assert responder.functions() == ["Check_Authentication"] * 5
    stats = responder.context.session_stats()
    assert (stats["accept_good"], stats["hits"]) == (5, 4)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_resumes_nothing_is_spoken_to_all_the_same(
    responder: Any, make_client: Any, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    authority = serve_tls(responder, tmp_path, GOOD_KEY, GOOD_CERTIFICATE)
    responder.context.maximum_version = version
    responder.context.num_tickets = 0
    responder.context.options |= ssl.OP_NO_TICKET

    def new_start(stream: Any, _: bytes) -> None:
        responder.context = again(responder)
        stream.sendall(GOOD)

    responder.play(GOOD, new_start, GOOD)
    client = make_client(tls=True, ca_file=authority)
    for _ in range(3):
        client.check_authentication()
    assert len(responder.requests) == 3


def again(responder: Any) -> ssl.SSLContext:
    """As after a new start of the server: it knows no session of before."""
    old, new = responder.context, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    new.maximum_version, new.options = old.maximum_version, old.options
    new.load_cert_chain(responder.folder / "server.pem", responder.folder / "server.key")
    return new


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_another_server_at_the_same_port_has_to_prove_who_it_is(
    responder: Any, make_client: Any, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    """A session vouches for the server that it was made with, and for no other."""
    authority = serve_tls(responder, tmp_path, GOOD_KEY, GOOD_CERTIFICATE)
    responder.context.maximum_version = version
    responder.play(GOOD, GOOD)
    client = make_client(tls=True, ca_file=authority)
    client.check_authentication()
    (tmp_path / "other").mkdir()
    serve_tls(responder, tmp_path / "other", OTHER_KEY, OTHER_CERTIFICATE)
    responder.context.maximum_version = version
    with pytest.raises(BadCertificate, match="did not prove who it is"):
        client.check_authentication()
    assert responder.functions() == ["Check_Authentication"]


def test_a_session_that_is_refused_is_given_up(responder: Any, make_client: Any, tmp_path: Path) -> None:
    """A server may end the connection instead of making another session: it is asked once more, without one."""
    authority = serve_tls(responder, tmp_path, GOOD_KEY, GOOD_CERTIFICATE)
    responder.play(GOOD, GOOD)
    client = make_client(tls=True, ca_file=authority)
    client.check_authentication()
    context, responder.context = responder.context, Refusing(responder)
    responder.context.then = context
    client.check_authentication()
    assert responder.functions() == ["Check_Authentication"] * 2


class Refusing:
    """A server's TLS that ends the next connection, and works again for those that follow."""

    def __init__(self, responder: Any) -> None:
        self.responder = responder
        self.then: ssl.SSLContext | None = None

    def wrap_socket(self, stream: socket.socket, *, server_side: bool) -> ssl.SSLSocket:
        assert server_side
        self.responder.context = self.then
        stream.recv(1)
        raise ConnectionResetError("the session is not known")


@pytest.mark.parametrize("content", [None, "", "this is not a certificate"])
def test_a_ca_file_that_is_none(make_client: Any, tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    why = "No such file" if content is None else "it holds no certificate"
    with pytest.raises(UsageError, match=f"CA file .* cannot be used: {why}"):
        make_client(tls=True, ca_file=str(file)).check_authentication()
