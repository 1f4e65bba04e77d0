"""A certificate for the simulator, made on the spot when none is given."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass

from goldroot.errors import BadInput, MissingProgram
from goldroot.run import find, run

#: Days that a certificate made here is good for.
DAYS = 30


@dataclass(frozen=True, slots=True)
class Certificate:
    """Paths of a certificate and its key, in PEM."""

    certificate: str
    key: str


def self_signed(directory: str, host: str) -> Certificate:
    """A new certificate for ``host`` (and localhost), signed by itself.

    :raises MissingProgram: ``openssl`` is not installed; a certificate can be given instead.
    :raises ProgramFailed: it failed.
    """
    made = Certificate(os.path.join(directory, "cert.pem"), os.path.join(directory, "key.pem"))
    kind = "IP" if host.replace(".", "").isdigit() or ":" in host else "DNS"
    try:
        find("openssl")
    except MissingProgram as error:
        raise MissingProgram(
            error.brief,
            meaning="The simulator needs it to make a certificate for TLS; it did not start.",
            todo="Install openssl, or give a certificate of your own with --certificate and --key.",
        ) from error
    run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", str(DAYS), "-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:localhost,{kind}:{host}",
            "-keyout", made.key, "-out", made.certificate,
        ],
        timeout=60,
    )  # fmt: skip
    os.chmod(made.key, 0o600)
    return made


def context(certificate: Certificate) -> ssl.SSLContext:
    """:raises BadInput: the files are not a certificate and its key."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        made.load_cert_chain(certificate.certificate, certificate.key)
    except (ssl.SSLError, OSError) as error:
        raise BadInput(
            f"the certificate {certificate.certificate!r} and key {certificate.key!r} cannot be used: {error}",
            todo="Give both as PEM files, without a passphrase.",
        ) from error
    return made
