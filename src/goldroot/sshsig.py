"""Signatures as OpenSSH makes them (``ssh-keygen -Y``), and lists of those whose count: by the library ``cryptography``, else by the
program.

The program does what the library does not speak, and everything where the library is not installed: it has no wheel for
every architecture.  Both write and read the same files.

What the library does is bytes in, bytes out.  The formats are those of OpenSSH's PROTOCOL.sshsig, and of ALLOWED SIGNERS in
ssh-keygen(1).  What is rare there (certificates, keys in hardware or under a passphrase, times of
validity) is not spoken: :class:`Beyond` says so, and nothing is taken for good that was not understood.

The library is loaded when it is first needed; ``ImportError`` where it is not installed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from goldroot.errors import Failed, MissingProgram, ProgramFailed
from goldroot.run import find, run

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.hashes import HashAlgorithm

    Private = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

#: Bits; OpenSSH takes nothing from a shorter key (SSH_RSA_MINIMUM_MODULUS_SIZE).
SMALLEST_RSA = 1024

MAGIC, VERSION = b"SSHSIG", 1
_TYPES = rb"ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)"
#: What OpenSSH knows besides: keys in hardware, certificates.
_OTHER_TYPES = (
    rb"sk-[a-z0-9-]+@openssh\.com|(?:sk-)?(?:"
    + _TYPES
    + rb"|ssh-dss|ecdsa-sha2-nistp256)-cert-v01@openssh\.com|ssh-dss"
)
_CURVES = {b"nistp256": "SHA256", b"nistp384": "SHA384", b"nistp521": "SHA512"}
_ARMOUR = re.compile(r"-----BEGIN SSH SIGNATURE-----\n(.*?)\n-----END SSH SIGNATURE-----", re.DOTALL)
#: A line of allowed signers that is understood whole: principals, at most the one option, type, key, comment.
_SIGNER = re.compile(
    rb'[^\s"]+[ \t]+(?:(?i:namespaces)="([^"\\]*)"[ \t]+)?(' + _TYPES + rb")[ \t]+([A-Za-z0-9+/]+=*)(?:[ \t].*)?"
)


PROGRAM, LIBRARY = "ssh-keygen", "cryptography"
KEYS = "goldroot makes keys, signs and checks signatures"


class Invalid(ValueError):
    """Not a signature, not a key, or not one that counts."""


class Beyond(ValueError):
    """OpenSSH knows this, and this module does not."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What an armoured signature holds; ``key`` is the public key's blob."""

    key: bytes
    namespace: bytes
    hash_name: bytes
    algorithm: bytes
    blob: bytes


def ready() -> None:
    """For a command that will make keys or sign: see beforehand that it can.

    :raises MissingProgram: there is neither the library nor the program.
    """
    if not has_library():
        need_program(KEYS)


def sign(private: str, namespace: str, document: bytes) -> str:
    """The armoured signature of ``document`` by the key in the file ``private``.

    :raises Failed: others may read the key: it is nobody's alone any more.
    :raises MissingProgram: as :func:`ready`; also for a key that the library cannot read.
    """
    with open(private, "rb") as file:
        mode = os.fstat(file.fileno()).st_mode & 0o777
        key = file.read()
    if mode & 0o077:
        raise Failed(
            f"the key {private} may be used by others than its owner (its mode is {mode:04o})",
            meaning="Nothing was signed.",
            todo=f"Ask who has read it; then: chmod 600 {private}",
        )
    if has_library():
        try:
            return sign_by_library(key, namespace, document)
        except Beyond as error:
            need_program(f"{private}: {error}")
    need_program(KEYS)
    return run([PROGRAM, "-q", "-Y", "sign", "-f", private, "-n", namespace], stdin=document).text()


def verify(allowed: str, principal: str, namespace: str, document: bytes, signature: str) -> None:
    """See that a signer whom the file ``allowed`` names ``principal`` signed ``document``.

    :raises Invalid: nobody of them did.
    :raises MissingProgram: as :func:`ready`; also for signatures and signers that the library does not understand.
    """
    if has_library():
        try:
            return verify_by_library(document, signature, namespace, principal, read(allowed))
        except Beyond as error:
            need_program(f"{error} ({allowed})")
    need_program(KEYS)
    # A file without a name: one in $TMPDIR would stay where this command is killed.
    with open(os.memfd_create("signature"), "wb") as file:
        file.write(signature.encode())
        file.flush()
        place = f"/dev/fd/{file.fileno()}"
        words = ["-Y", "verify", "-f", allowed, "-I", principal, "-n", namespace, "-s", place]
        try:
            run([PROGRAM, "-q", *words], stdin=document, pass_fds=(file.fileno(),))
        except ProgramFailed as error:
            raise Invalid(error.brief) from error
    return None


def has_library() -> bool:
    """Whether the library is installed."""
    try:
        import_module(f"{LIBRARY}.hazmat.primitives.serialization")
    except ImportError:
        return False
    return True


def need_program(why: str) -> None:
    """The program is there, or an error that names it, and the library where that would do."""
    try:
        find(PROGRAM)
    except MissingProgram:
        if has_library():
            brief, todo = "", "Install it (on Debian: apt-get install openssh-client) and run the command again."
        else:
            brief = f"the Python package {LIBRARY!r} or "
            todo = (
                "Install goldroot with its extra, which brings the package: pip install '.[fleet]' in its directory. "
                f"Or install one of them from your system (on Debian: python3-{LIBRARY} or openssh-client)."
            )
        raise MissingProgram(
            f"{why}, which takes {brief}the program {PROGRAM!r}: not installed",
            meaning="Nothing was changed.",
            todo=todo,
        ) from None


def read(path: str) -> bytes:
    """A key's file, or a list of signers, that the site or its owner names."""
    with open(path, "rb") as file:
        return file.read()


# -- by the library


def sign_by_library(private: bytes, namespace: str, document: bytes) -> str:
    """The armoured signature of a document by the key in a private key file.

    :raises Beyond: it is not a key without a passphrase, of a kind that is spoken here.
    """
    key = _load_private(private)
    public = base64.b64decode(public_line(key).split()[1])
    algorithm, blob = _signed(key, public, _to_sign(namespace.encode(), b"sha512", document))
    parts = (public, namespace.encode(), b"", b"sha512", string(algorithm) + string(blob))
    whole = MAGIC + number(VERSION) + b"".join(map(string, parts))
    return f"-----BEGIN SSH SIGNATURE-----\n{wrapped(whole).decode()}\n-----END SSH SIGNATURE-----\n"


def public_line(key: Private) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)


def _load_private(private: bytes) -> Private:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_ssh_private_key

    try:
        key = load_ssh_private_key(private, None)
    except (UnsupportedAlgorithm, TypeError, ValueError) as error:
        raise Beyond("it is not an OpenSSH key without a passphrase") from error
    if not isinstance(key, ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise Beyond("it is not an ed25519, ecdsa or rsa key")
    return key


def _to_sign(namespace: bytes, hash_name: bytes, document: bytes) -> bytes:
    digest = hashlib.new(hash_name.decode(), document).digest()
    return MAGIC + b"".join(map(string, (namespace, b"", hash_name, digest)))


def _signed(key: Private, public: bytes, message: bytes) -> tuple[bytes, bytes]:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    if isinstance(key, ed25519.Ed25519PrivateKey):
        return b"ssh-ed25519", key.sign(message)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        name, curve, *_ = _strings(public)
        return name, b"".join(map(mpint, decode_dss_signature(key.sign(message, ec.ECDSA(_hash(curve))))))
    return b"rsa-sha2-512", key.sign(message, padding.PKCS1v15(), hashes.SHA512())


def read_signature(armoured: str) -> Signature:
    """What an armoured signature says; nothing of it is checked yet. :raises Invalid: it is not one."""
    found = _ARMOUR.match(armoured)
    whole = _decoded("".join(found[1].split()).encode("ascii", "replace")) if found else b""
    if not whole.startswith(MAGIC + number(VERSION)):
        raise Invalid("it is not an SSH signature")
    fields = _strings(whole[len(MAGIC) + 4 :])
    inner = _strings(fields[4]) if len(fields) == 5 else []
    if len(inner) != 2 or fields[3] not in (b"sha256", b"sha512"):
        raise Invalid("it is not an SSH signature")
    return Signature(fields[0], fields[1], fields[3], inner[0], inner[1])


def verify_by_library(document: bytes, armoured: str, namespace: str, principal: str, allowed: bytes) -> None:
    """See that a signer whom ``allowed`` (a file of allowed signers) names ``principal`` signed ``document``.

    :raises Invalid: nobody of them did, or for another namespace.
    :raises Beyond: the signature or a line of ``allowed`` is not understood here.
    """
    found = read_signature(armoured)
    if found.namespace != namespace.encode():
        raise Invalid("it was made for something else")
    signers = read_signers(allowed, principal)
    _check(found, _to_sign(found.namespace, found.hash_name, document))
    if not any(one.permits(found.key, namespace) for one in signers):
        raise Invalid("its key is not one that counts")


def _check(found: Signature, message: bytes) -> None:
    """The mathematics; the algorithms that OpenSSH takes from a key of each kind."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
    from cryptography.hazmat.primitives.serialization import load_ssh_public_key

    kind = (_strings(found.key) or [b""])[0]
    if re.fullmatch(_OTHER_TYPES, kind):
        raise Beyond("the signature's key is not an ed25519, ecdsa or rsa key")
    if not re.fullmatch(_TYPES, kind):
        raise Invalid("its key is of no kind that there is")
    try:
        key = load_ssh_public_key(kind + b" " + base64.b64encode(found.key))
        if isinstance(key, rsa.RSAPublicKey):
            name = {b"rsa-sha2-512": hashes.SHA512(), b"rsa-sha2-256": hashes.SHA256()}[found.algorithm]
            if key.key_size < SMALLEST_RSA:
                raise Invalid("its key is too short")
            key.verify(found.blob, message, padding.PKCS1v15(), name)
        elif found.algorithm != kind:
            raise Invalid("its algorithm is not that of its key")
        elif isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(found.blob, message)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            r, s = (int.from_bytes(part, "big", signed=True) for part in _strings(found.blob))
            key.verify(encode_dss_signature(r, s), message, ec.ECDSA(_hash(_strings(found.key)[1])))
    except (InvalidSignature, UnsupportedAlgorithm, KeyError, ValueError) as error:
        raise Invalid("it is not of this document, or not by this key") from error


def _hash(curve: bytes) -> HashAlgorithm:
    """RFC 5656, 6.2.1: the hash that goes with a curve."""
    from cryptography.hazmat.primitives import hashes

    made: HashAlgorithm = getattr(hashes, _CURVES[curve])()
    return made


# -- who counts


@dataclass(frozen=True, slots=True)
class Signer:
    """A line of allowed signers; ``namespaces`` is ``None`` where it names none: all are meant."""

    namespaces: bytes | None
    key: bytes

    def permits(self, key: bytes, namespace: str) -> bool:
        """Whether a signature by ``key`` counts in ``namespace``."""
        return key == self.key and (self.namespaces is None or matches(namespace.encode(), self.namespaces))


def read_signers(allowed: bytes, principal: str) -> list[Signer]:
    """The lines of a file of allowed signers that are about ``principal``.

    :raises Beyond: one of them is not understood here: it might shut out what another lets in.
    """
    lines = (line.strip(b" \t\r") for line in allowed.split(b"\n"))
    found = (_signer(line, number, principal) for number, line in enumerate(lines, 1) if line and line[:1] != b"#")
    return [one for one in found if one is not None]


def _signer(line: bytes, number: int, principal: str) -> Signer | None:
    """A line; ``None`` where it is about others, and then nobody looks at the rest of it."""
    principals, *rest = line.split(None, 1)
    if rest and b'"' not in principals and not matches(principal.encode(), principals):
        return None
    found = _SIGNER.fullmatch(line)
    try:
        key = _decoded(found[3]) if found else b""
        known = found is not None and _strings(key)[:1] == [found[2]]
    except Invalid:
        known = False
    if found is None or not known:
        raise Beyond(f"line {number} of the allowed signers is not a plain one")
    return Signer(found[1], key)


def matches(text: bytes, patterns: bytes) -> bool:
    """Whether a list of patterns lets a text in: commas between them, ``*`` and ``?``, ``!`` before one that shuts out."""
    let_in = False
    for pattern in patterns.split(b","):
        shuts_out, pattern = pattern.startswith(b"!"), pattern.removeprefix(b"!")
        plain = re.escape(pattern).replace(rb"\*", b".*").replace(rb"\?", b".")
        if re.fullmatch(plain, text, re.DOTALL):
            if shuts_out:
                return False
            let_in = True
    return let_in


# -- RFC 4251, section 5


def number(value: int) -> bytes:
    return value.to_bytes(4, "big")


def string(data: bytes) -> bytes:
    return number(len(data)) + data


def mpint(value: int) -> bytes:
    return string(value.to_bytes(value.bit_length() // 8 + 1, "big") if value else b"")


def _strings(data: bytes) -> list[bytes]:
    """The strings that ``data`` consists of. :raises Invalid: it does not."""
    found = []
    while data:
        length = int.from_bytes(data[:4], "big")
        if len(data) < 4 + length:
            raise Invalid("it is cut off")
        found.append(data[4 : 4 + length])
        data = data[4 + length :]
    return found


def _decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise Invalid("it is not base64") from error


def wrapped(data: bytes) -> bytes:
    """Base64 in lines of 70, as OpenSSH writes it."""
    text = base64.b64encode(data)
    return b"\n".join(text[at : at + 70] for at in range(0, len(text), 70))
