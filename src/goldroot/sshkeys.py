"""New keys as OpenSSH makes them: by the library ``cryptography``, else by ``ssh-keygen``, see :mod:`goldroot.sshsig`.

The file of a key is that of OpenSSH's PROTOCOL.key.
"""

from __future__ import annotations

import base64
import os
import secrets
import tempfile
from typing import TYPE_CHECKING, Literal, NamedTuple

from goldroot.run import run
from goldroot.sshsig import KEYS, PROGRAM, has_library, mpint, need_program, number, public_line, read, string, wrapped

if TYPE_CHECKING:
    from goldroot.sshsig import Private

Kind = Literal["ed25519", "ecdsa", "rsa"]

#: The kinds of key that are made and read, as ``ssh-keygen -t`` names them: those that a server has by default.
KINDS: tuple[Kind, ...] = ("ed25519", "ecdsa", "rsa")
#: What ssh-keygen makes where it is not told how long: bits of an RSA key, and its public exponent.
RSA_BITS, RSA_EXPONENT = 3072, 65537
_KEY_MAGIC = b"openssh-key-v1\0"


class Pair(NamedTuple):
    """The two files of a key, without a passphrase."""

    private: bytes
    public: bytes


def make_key(kind: Kind, comment: str, room: str) -> Pair:
    """A new key without a passphrase: what its private and its public file hold.

    :param room: a directory of the caller's own (0700), for the program.
    :raises MissingProgram: as :func:`goldroot.sshsig.ready`.
    """
    if has_library():
        return make_by_library(kind, comment)
    need_program(KEYS)
    with tempfile.TemporaryDirectory(prefix="key-", dir=room) as directory:
        place = os.path.join(directory, "key")
        run([PROGRAM, "-q", "-t", kind, "-N", "", "-C", comment, "-f", place])
        return Pair(read(place), read(place + ".pub"))


def make_by_library(kind: Kind, comment: str) -> Pair:
    """A new key of one of :data:`KINDS`, as ``ssh-keygen -t KIND -N "" -C COMMENT`` would make it."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    key: Private
    if kind == "ed25519":
        key = ed25519.Ed25519PrivateKey.generate()
    elif kind == "ecdsa":
        key = ec.generate_private_key(ec.SECP256R1())
    else:
        key = rsa.generate_private_key(RSA_EXPONENT, RSA_BITS)
    public = public_line(key)
    name, text = public.split()
    return Pair(
        _private_file(key, base64.b64decode(text), comment.encode()), b"%s %s %s\n" % (name, text, comment.encode())
    )


def _private_file(key: Private, public: bytes, comment: bytes) -> bytes:
    """PROTOCOL.key, with cipher "none".  The library would write it, too, but without the comment."""
    check = secrets.token_bytes(4)
    inner = check + check + _secret_fields(key, public) + string(comment)
    inner += bytes(range(1, 1 + -len(inner) % 8))
    whole = _KEY_MAGIC + string(b"none") + string(b"none") + string(b"") + number(1) + string(public) + string(inner)
    return b"-----BEGIN OPENSSH PRIVATE KEY-----\n%s\n-----END OPENSSH PRIVATE KEY-----\n" % wrapped(whole)


def _secret_fields(key: Private, public: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    if isinstance(key, ed25519.Ed25519PrivateKey):
        secret = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        return public + string(secret + public[-32:])
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return public + mpint(key.private_numbers().private_value)
    numbers = key.private_numbers()
    of_both = numbers.public_numbers
    values = (of_both.n, of_both.e, numbers.d, numbers.iqmp, numbers.p, numbers.q)
    return string(b"ssh-rsa") + b"".join(map(mpint, values))
