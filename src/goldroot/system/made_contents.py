"""What goldroot makes for a server, as no program of its own makes it again: file by file, its content.

Formats: machine-id(5), sethostid(3), the files of NetworkManager's and systemd's secrets, rndc.conf(5), make-ssl-cert(8).
"""

from __future__ import annotations

import base64
import os
import re
import secrets
import tempfile
import uuid
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module

from goldroot.run import run
from goldroot.system.own_disks import Tree

NVME_ID, NVME_NAME = b"etc/nvme/hostid", b"etc/nvme/hostnqn"
SNAKEOIL_KEY, SNAKEOIL = b"etc/ssl/private/ssl-cert-snakeoil.key", b"etc/ssl/certs/ssl-cert-snakeoil.pem"
RNDC_KEYS = (b"etc/bind/rndc.key", b"etc/rndc.key")
_NM_PREFIX = b"nm-v2:"
_SECRET = re.compile(rb'(secret\s+")([^"]*)(")')
DAYS = 3650


def new_machine_id() -> bytes:
    """The content of ``/etc/machine-id``."""
    return secrets.token_hex(16).encode() + b"\n"


def _uuid_line() -> bytes:
    return str(uuid.uuid4()).encode() + b"\n"


def _seed(old: bytes) -> bytes:
    return secrets.token_bytes(len(old) if 16 <= len(old) <= 4096 else 32)


def _secret_key(old: bytes) -> bytes:
    if old.startswith(_NM_PREFIX):
        return _NM_PREFIX + base64.b64encode(secrets.token_bytes(32)) + b"\n"
    return secrets.token_bytes(32)


def _rndc_key(old: bytes) -> bytes:
    """The same key's name and algorithm, with another secret of the same length."""

    def other(found: re.Match[bytes]) -> bytes:
        size = max(16, len(found[2]) * 3 // 4 - found[2].count(b"="))
        return found[1] + base64.b64encode(secrets.token_bytes(size)) + found[3]

    return _SECRET.sub(other, old)


#: Path -> the new content, made from what gold has there.
CONTENTS: Mapping[bytes, Callable[[bytes], bytes]] = {
    NVME_ID: lambda old: _uuid_line(),
    NVME_NAME: lambda old: b"nqn.2014-08.org.nvmexpress:uuid:" + _uuid_line(),
    b"etc/iscsi/initiatorname.iscsi": lambda old: (
        b"InitiatorName=iqn.1993-08.org.debian:01:" + secrets.token_hex(6).encode() + b"\n"
    ),
    b"etc/hostid": lambda old: secrets.token_bytes(4),
    b"var/lib/systemd/random-seed": _seed,
    b"var/lib/urandom/random-seed": _seed,
    b"var/lib/misc/random-seed": _seed,
    b"var/lib/NetworkManager/secret_key": _secret_key,
}


def make_contents(wanted: Iterable[bytes], gold: Tree, hostname: str, room: str) -> dict[bytes, bytes]:
    """The new contents of these files.

    :param room: a directory of the caller's own (0700), for a program that makes a certificate.
    :raises MissingProgram: a certificate is wanted, and there is neither the library nor the program that makes one.
    """
    made: dict[bytes, bytes] = {}
    for path in wanted:
        old = gold.read(path) or b""
        if path in CONTENTS:
            made[path] = CONTENTS[path](old)
        elif path in RNDC_KEYS:
            made[path] = _rndc_key(old)
        elif path in (SNAKEOIL_KEY, SNAKEOIL) and path not in made:  # a key and its certificate belong together
            made[SNAKEOIL_KEY], made[SNAKEOIL] = make_certificate(hostname, room)
    if NVME_ID in made and NVME_NAME in made:
        made[NVME_NAME] = made[NVME_NAME].rpartition(b":")[0] + b":" + made[NVME_ID]
    return made


def make_certificate(hostname: str, room: str) -> tuple[bytes, bytes]:
    """A key and a certificate that it signed itself, for ten years, as Debian's ssl-cert makes them: both PEM.

    :raises MissingProgram: there is neither the library ``cryptography`` nor ``openssl``.
    """
    name = hostname[:63]
    try:
        import_module("cryptography")
    except ImportError:
        return _by_openssl(name, hostname, room)
    return _by_library(name, hostname)


def _by_library(name: str, hostname: str) -> tuple[bytes, bytes]:
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509.oid import NameOID

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(hostname)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private, certificate.public_bytes(serialization.Encoding.PEM)


def _by_openssl(name: str, hostname: str, room: str) -> tuple[bytes, bytes]:
    with tempfile.TemporaryDirectory(prefix="certificate-", dir=room) as directory:
        key, certificate = os.path.join(directory, "key"), os.path.join(directory, "certificate")
        subject = [
            "-subj",
            f"/CN={name}",
            "-addext",
            f"subjectAltName=DNS:{hostname}",
            "-addext",
            "basicConstraints=CA:FALSE",
        ]
        run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", str(DAYS), *subject,
             "-keyout", key, "-out", certificate])  # fmt: skip
        with open(key, "rb") as one, open(certificate, "rb") as other:
            return one.read(), other.read()
